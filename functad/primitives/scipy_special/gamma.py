"""The gamma function, and quotients of gamma functions.

Their derivatives are those of log gamma, times the value. Differences psi(x + h) - psi(x) of the digamma function are
taken as such, which keeps their digits where x is large.
"""

from __future__ import annotations

from typing import Any

from functad.primitives.arithmetic import add, mul, neg, sub
from functad.primitives.beta import betaln_slope
from functad.primitives.elementwise import Op
from functad.primitives.scipy_special.library import in_double, library
from functad.primitives.special import digamma, polygamma

__all__ = ["beta", "binom", "gamma", "gammasgn", "poch", "rgamma"]

gamma = library("gamma", lambda t, y, x: mul(t, mul(y, digamma(x))), doc="The gamma function.")
gammasgn = library("gammasgn", None, smooth=False, singular=False, doc="The sign of the gamma function.")
rgamma: Op = library("rgamma", lambda t, y, x: mul(t, rgamma_slope(x)), doc="1 / gamma(x).")


def _rgamma_slope(b: Any, x: Any) -> Any:
    """-psi(x) / gamma(x), and (-1)^n n! at the poles x = -n, where that is infinity times 0."""
    pole = b.bit_and(b.le(x, 0), b.eq(x, b.rint(x)))
    regular = b.select(pole, 0.5, x)
    factorial = b.compute("scipy.gamma", b.select(pole, b.sub(1, x), 1.0))
    at_pole = b.select(b.eq(b.remainder(x, 2.0), 0), factorial, b.neg(factorial))
    return b.select(pole, at_pole, b.neg(b.mul(b.digamma(regular), b.compute("scipy.rgamma", regular))))


rgamma_slope: Op = in_double(
    "rgamma_slope", _rgamma_slope,
    lambda t, y, x: mul(t, mul(rgamma(x), sub(mul(digamma(x), digamma(x)), polygamma(x, 1)))),
    doc="The derivative of 1 / gamma(x); its own is NaN at the poles of gamma.",
)  # fmt: skip

# gamma(z + m) / gamma(z)
poch = library(
    "poch",
    (lambda t, y, z, m: neg(mul(t, mul(y, betaln_slope(z, m)))), lambda t, y, z, m: mul(t, mul(y, digamma(add(z, m))))),
    high=6.0,
    doc="Pochhammer's symbol gamma(z + m) / gamma(z).",
)

beta = library(
    "beta",
    (lambda t, z, x, y: mul(t, mul(z, betaln_slope(x, y))), lambda t, z, x, y: mul(t, mul(z, betaln_slope(y, x)))),
    high=6.0,
    doc="gamma(a) gamma(b) / gamma(a + b).",
)


def _in_upper(t: Any, y: Any, n: Any, k: Any) -> Any:
    return neg(mul(t, mul(y, betaln_slope(add(sub(n, k), 1), k))))


def _in_lower(t: Any, y: Any, n: Any, k: Any) -> Any:
    return mul(t, mul(y, sub(digamma(add(sub(n, k), 1)), digamma(add(k, 1)))))


# gamma(n + 1) / (gamma(k + 1) gamma(n - k + 1))
binom = library("binom", (_in_upper, _in_lower), high=6.0, doc="Binomial coefficients of real numbers.")
