"""How quantiles move with a parameter of their distribution: the gamma distribution's with its shape, Wald's with its
mean.

Where F(x; a) = u stays the same, x moves with a as dx/da = -(dF/da) / p, with the density p (M. Figurnov, S. Mohamed
and A. Mnih, *Implicit reparameterization gradients*, 2018). With t = x e^(-s) below x, and t = x e^s above, the
integral of the derivative of the density over either tail becomes one that decreases in s and hardly changes its sign.
Of the lower tail where x <= a (sigma = -1), of the upper one elsewhere (sigma = 1),

    d log x / da  =  integral over s > 0 of (sigma (log x - psi(a)) + s) e^(-q(s))
    q(s)          =  |x - a| s + x (e^(sigma s) - 1 - sigma s)

The density cancels, so nothing over- or underflows. An estimate of the s with q(s) = 36 bounds the integral to 16
digits. It is taken by Gauss and Legendre's formula in the square root of s, with 32 nodes: to 3e-13 for a >= 1. The
bound counts as a constant, so derivatives of the formula are the formula for derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.api.jit import jit
from functad.caches import cached
from functad.lax.stops import stop_gradient
from functad.numpy.indexing import where
from functad.numpy.reductions import sum as sum_of
from functad.numpy.shapes import expand_dims
from functad.numpy.ufuncs import absolute, exp, expm1, log1p, minimum, negative, sqrt
from functad.primitives.special import digamma

__all__ = ["log_quantile_slope", "wald_slope"]

EXPONENT = 36.0
COUNT = 32


@cached(1)
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    """The nodes r^2 of s in [0, 1], for nodes r of the formula, and their weights w / 2 times 2 r."""
    nodes, weights = np.polynomial.legendre.leggauss(COUNT)
    roots = (nodes + 1) / 2
    return roots**2, weights * roots


def _bound(a: Any, x: Any) -> Any:
    """An s with q(s) >= EXPONENT, and hardly more, for a >= 1.

    Below, where e^-s - 1 + s >= s^2 / (2 + s), and above, where e^s - 1 - s >= s^2 / 2, by an equation of second order;
    above, s <= log(1 + (EXPONENT + a s) / x), too.
    """
    d = absolute(x - a)
    p = 2 * d - EXPONENT
    below = 4 * EXPONENT / (p + sqrt(p * p + 8 * EXPONENT * a))
    first = 2 * EXPONENT / (d + sqrt(d * d + 2 * EXPONENT * x))
    return where(x > a, minimum(first, log1p((EXPONENT + a * first) / x)), below)


@jit
def log_quantile_slope(a: Any, log_x: Any) -> Any:
    """The derivative of the logarithm of a quantile of the gamma distribution in its shape.

    Below a = 1 from that of a + 1, as the distribution functions of the two differ by x^a e^(-x) / gamma(a + 1):
    d log x / da = (x (d log x / db at b = a + 1) - log x + psi(a + 1)) / a.
    """
    x = exp(log_x)
    small = a < 1
    b = where(small, a + 1, a)
    nodes, weights = _nodes()
    side = where(x > b, 1.0, -1.0)
    bound = stop_gradient(_bound(b, x))
    s = expand_dims(bound, -1) * nodes
    turned = expand_dims(side, -1) * s
    q = expand_dims(absolute(x - b), -1) * s + expand_dims(x, -1) * (expm1(turned) - turned)
    distance = log_x - digamma(b)
    slope = bound * sum_of((expand_dims(side * distance, -1) + s) * exp(negative(q)) * weights, axis=-1)
    return where(small, (x * slope - distance) / where(small, a, 1.0), slope)


@jit
def wald_slope(mean: Any, x: Any) -> Any:
    """The derivative of a quantile of Wald's distribution, of mean m and scale 1, in the mean.

    The distribution function is F(x) = G(x^(1/2) / m - x^(-1/2)) + e^(2/m) G(-t) with t = x^(1/2) / m + x^(-1/2) and
    that of the normal distribution, G, with density g, so

        dx/dm  =  -(dF/dm) / (dF/dx)  =  2 x^(3/2) / m^2  G(-t) / g(t)

    The last quotient is the integral over s > 0 of e^(-t s - s^2 / 2).
    """
    root = sqrt(x)
    t = root / mean + 1 / root
    nodes, weights = _nodes()
    bound = stop_gradient(2 * EXPONENT / (t + sqrt(t * t + 2 * EXPONENT)))
    s = expand_dims(bound, -1) * nodes
    quotient = bound * sum_of(exp(negative(s * (expand_dims(t, -1) + 0.5 * s))) * weights, axis=-1)
    return 2 * x * root / (mean * mean) * quotient
