"""Exponential, sine, cosine and Fresnel integrals, and the dilogarithm: their derivatives are elementary."""

from __future__ import annotations

import math
from typing import Any

from functad.primitives.arithmetic import add, div, mul, neg, sub
from functad.primitives.bessel import spherical_bessel
from functad.primitives.comparison import ge
from functad.primitives.elementwise import Op
from functad.primitives.exponential import exp
from functad.primitives.hyperbolic import cosh
from functad.primitives.scipy_special.library import in_double, library, library_result, operation, unknown
from functad.primitives.scipy_special.relative import exprel, log1prel
from functad.primitives.selection import select
from functad.primitives.trigonometric import cos, sin

__all__ = ["chi", "ci", "exp1", "expi", "expn", "fresnel_c", "fresnel_s", "shi", "si", "spence"]

exp1 = library("exp1", lambda t, y, x: neg(mul(t, div(exp(neg(x)), x))), doc="The integral of exp(-t) / t from x on.")
expi = library("expi", lambda t, y, x: mul(t, div(exp(x), x)), doc="The integral of exp(t) / t up to x.")


def _expn_jvp(t: Any, y: Any, n: Any, x: Any) -> Any:
    """-E_(n-1); SciPy has none of negative orders: E_0 = e^-x / x, so E_-1 = e^-x (1 + x) / x^2."""
    ordinary = ge(n, 1)
    below = div(mul(exp(neg(x)), div(add(x, 1), x)), x)
    return neg(mul(t, select(ordinary, expn(select(ordinary, sub(n, 1), 0), x), below)))


EXPN = operation("expn", 2)

expn: Op = in_double(
    "expn", lambda b, n, x: b.compute(EXPN, b.trunc(n), x), (unknown("expn", "n"), _expn_jvp),
    doc="The integral of exp(-x t) / t^n from 1 on, for whole n.",
)  # fmt: skip

# sin x / x is a spherical Bessel function, which is right at 0 to any order
si = library_result(
    "sici", 2, 0, "sinint", lambda t, y, x: mul(t, spherical_bessel(x, 0)), singular=False, doc="The sine integral."
)
ci = library_result("sici", 2, 1, "cosint", lambda t, y, x: mul(t, div(cos(x), x)), doc="The cosine integral.")
# sinh x / x = (exprel(x) + exprel(-x)) / 2
shi = library_result(
    "shichi", 2, 0, "sinhint", lambda t, y, x: mul(t, mul(add(exprel(x), exprel(neg(x))), 0.5)),
    doc="The hyperbolic sine integral.",
)  # fmt: skip
chi = library_result(
    "shichi", 2, 1, "coshint", lambda t, y, x: mul(t, div(cosh(x), x)), doc="The hyperbolic cosine integral."
)

# -log z / (z - 1)
spence = library("spence", lambda t, y, z: neg(mul(t, log1prel(sub(z, 1)))), doc="The dilogarithm of 1 - z.")


def _quarter(x: Any) -> Any:
    return mul(mul(x, x), math.pi / 2)


fresnel_s = library_result("fresnel", 2, 0, "fresnel_s", lambda t, y, x: mul(t, sin(_quarter(x))), low=-2.0)
fresnel_c = library_result("fresnel", 2, 1, "fresnel_c", lambda t, y, x: mul(t, cos(_quarter(x))), low=-2.0)
