"""The error function's family of complex numbers, by Faddeeva's function w(z) = exp(-z^2) erfc(-i z).

    w' = 2 i / sqrt(pi) - 2 z w

of which nothing is left far from 0, where by the asymptotic series, for im z >= 0,

    w = i / sqrt(pi) (1 / z + 1 / 2 z^3 + 1 * 3 / 4 z^5 + ...)

and below the real axis w(z) = 2 exp(-z^2) - w(-z). Higher derivatives are those of the terms.
"""

from __future__ import annotations

import math
from typing import Any

from functad.primitives.arithmetic import add, div, mul, neg, reciprocal, sub
from functad.primitives.comparison import ge, lt
from functad.primitives.complex import imag
from functad.primitives.elementwise import Op
from functad.primitives.exponential import exp
from functad.primitives.rounding import absolute
from functad.primitives.scipy_special.holomorphic import holomorphic
from functad.primitives.selection import select

__all__ = ["dawsn", "erf", "erfc", "erfcx", "erfi", "log_ndtr", "ndtr", "wofz"]

ROOT_PI = math.sqrt(math.pi)

FAR, TERMS = 6.5, 22


def _bell(z: Any, factor: complex) -> Any:
    """A multiple of exp(-z^2)."""
    return mul(exp(neg(mul(z, z))), factor)


def _slope(z: Any) -> Any:
    """w'."""
    below = lt(imag(z), 0)
    u = select(below, neg(z), z)
    far = ge(absolute(u), FAR)
    near = select(far, 1.0, u)
    inverse = reciprocal(select(far, u, FAR))
    square = mul(inverse, inverse)
    series: Any = 0.0
    for k in range(TERMS, -1, -1):
        coefficient = math.prod(range(1, 2 * k, 2)) / 2**k * (2 * k + 1)
        series = mul(square, add(series, coefficient)) if k < TERMS else mul(square, coefficient)
    value = select(far, mul(series, -1j / ROOT_PI), sub(2j / ROOT_PI, mul(mul(near, wofz(near)), 2)))
    # of w(-u), and of exp(-u^2)
    return select(below, sub(value, mul(mul(z, 4), _bell(select(below, z, 0.0), 1.0))), value)


wofz: Op = holomorphic("wofz", lambda t, y, z: mul(t, _slope(z)))
erf = holomorphic("erf", lambda t, y, z: mul(t, _bell(z, 2 / ROOT_PI)))
erfc = holomorphic("erfc", lambda t, y, z: mul(t, _bell(z, -2 / ROOT_PI)))
erfi = holomorphic("erfi", lambda t, y, z: mul(t, _bell(mul(z, 1j), 2 / ROOT_PI)))
erfcx: Op = holomorphic("erfcx", lambda t, y, z: mul(t, mul(_slope(mul(z, 1j)), 1j)))


def _dawsn_slope(z: Any) -> Any:
    """Dawson's integral is i sqrt(pi) / 2 (exp(-z^2) - w(z)), and odd: its derivative is taken above the real axis."""
    u = select(lt(imag(z), 0), neg(z), z)
    return mul(add(_slope(u), mul(mul(u, 2), _bell(u, 1.0))), -0.5j * ROOT_PI)


dawsn = holomorphic("dawsn", lambda t, y, z: mul(t, _dawsn_slope(z)))
ndtr = holomorphic("ndtr", lambda t, y, z: mul(t, _bell(mul(z, math.sqrt(0.5)), 1 / math.sqrt(2 * math.pi))))
log_ndtr = holomorphic("log_ndtr", lambda t, y, z: mul(t, div(math.sqrt(2 / math.pi), erfcx(mul(z, -math.sqrt(0.5))))))
