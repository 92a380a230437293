"""Exponential, sine, cosine and Fresnel integrals, and the dilogarithm, of complex numbers."""

from __future__ import annotations

import math
from typing import Any

from functad.primitives.arithmetic import add, div, mul, neg, sub
from functad.primitives.comparison import lt
from functad.primitives.exponential import exp, log
from functad.primitives.hyperbolic import cosh, sinh
from functad.primitives.rounding import absolute
from functad.primitives.scipy_special.holomorphic import holomorphic
from functad.primitives.selection import select
from functad.primitives.trigonometric import cos, sin

__all__ = ["chi", "ci", "exp1", "expi", "fresnel_c", "fresnel_s", "shi", "si", "spence"]

TERMS, LOGARITHM = 14, 54
"""How many terms of a power series have all digits, and so have derivatives."""

exp1 = holomorphic("exp1", lambda t, y, z: neg(mul(t, div(exp(neg(z)), z))))
expi = holomorphic("expi", lambda t, y, z: mul(t, div(exp(z), z)))


def _over(f: Any, z: Any, sign: int) -> Any:
    """sin z / z or sinh z / z: near 0 by the power series."""
    near = lt(absolute(z), 1)
    small = select(near, z, 0)
    square = mul(small, mul(small, sign))
    series: Any = 1 / math.factorial(2 * TERMS + 1)
    for k in range(TERMS - 1, -1, -1):
        series = add(mul(square, series), 1 / math.factorial(2 * k + 1))
    far = select(near, 1, z)
    return select(near, series, div(f(far), far))


si = holomorphic("sici", lambda t, y, z: mul(t, _over(sin, z, -1)), results=2, as_name="sinint")
ci = holomorphic("sici", lambda t, y, z: mul(t, div(cos(z), z)), results=2, result=1, as_name="cosint")
shi = holomorphic("shichi", lambda t, y, z: mul(t, _over(sinh, z, 1)), results=2, as_name="sinhint")
chi = holomorphic("shichi", lambda t, y, z: mul(t, div(cosh(z), z)), results=2, result=1, as_name="coshint")


def _spence_slope(z: Any) -> Any:
    """log z / (1 - z), near 1 by the power series."""
    u = sub(z, 1)
    near = lt(absolute(u), 0.5)
    small = select(near, u, 0)
    series: Any = -1 / LOGARITHM
    for k in range(LOGARITHM - 1, 0, -1):
        series = sub(neg(mul(small, series)), 1 / k)
    far = select(near, 2, z)
    return select(near, series, div(log(far), sub(1, far)))


spence = holomorphic("spence", lambda t, y, z: mul(t, _spence_slope(z)))


def _quarter(z: Any) -> Any:
    return mul(mul(z, z), math.pi / 2)


fresnel_s = holomorphic("fresnel", lambda t, y, z: mul(t, sin(_quarter(z))), results=2, as_name="fresnel_s")
fresnel_c = holomorphic("fresnel", lambda t, y, z: mul(t, cos(_quarter(z))), results=2, result=1, as_name="fresnel_c")
