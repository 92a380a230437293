"""What the incomplete gamma and beta functions and their derivatives have in common: precise densities, digamma
functions less their logarithms, quadrature, and derivatives of exp(l(a, b)) as polynomials in those of l.

x^a e^-x / gamma(a) = g(a) exp(-d(a, x)) with g(a) = a^a e^-a / gamma(a), which is sqrt(a / 2 pi) but for the remainder
of Stirling's formula, and the deviance d(a, x) = a log(a / x) - a + x >= 0: no large terms cancel (C. Loader, *Fast
and accurate computation of binomial probabilities*, 2000).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from functad.primitives.bessel import chebyshev, clenshaw
from functad.primitives.beta import LARGE, stirling_rest
from functad.primitives.scipy_special.library import either, polynomial
from functad.primitives.special import BERNOULLI

__all__ = [
    "deviance", "evaluated", "excess", "factor", "log_excess", "log_less_digamma", "nodes", "raised",
]  # fmt: skip

SERIES = [2 / k for k in range(3, 27, 2)]
"""2 (atanh(v) - v) is the sum of these times v^3, v^5, ..., all digits up to v = 1/5."""


def deviance(b: Any, a: Any, x: Any) -> Any:
    """a log(a / x) - a + x, for positive a and x."""
    v = b.div(b.sub(a, x), b.add(a, x))
    square = b.mul(v, v)
    close = b.mul(v, b.add(b.sub(a, x), b.mul(a, b.mul(square, polynomial(b, square, SERIES)))))
    tiny = b.lt(x, 2.0**-600)  # the quotient must not overflow
    quotient = b.div(a, b.select(tiny, b.mul(x, 2.0**400), x))
    logarithm = b.add(b.log(quotient), either(b, tiny, 400 * math.log(2), 0.0))
    return b.select(b.lt(b.abs(v), 0.2), close, b.add(b.sub(b.mul(a, logarithm), a), x))


def _enlarged(b: Any, a: Any) -> tuple[Any, Any, Any]:
    """v = a + n >= LARGE, the product of a + k over k < n, and the sum of 1 / (a + k) over 1 <= k < n."""
    one = b.add(b.mul(a, 0), 1)
    v, product, total = a, one, b.mul(a, 0)
    for k in range(int(LARGE)):
        small = b.lt(v, LARGE)
        product = b.mul(product, b.select(small, v, 1.0))
        if k:
            total = b.add(total, b.div(either(b, small, 1.0, 0.0), v))
        v = b.select(small, b.add(v, 1), v)
    return v, product, total


@functools.cache
def _log_gamma_series() -> list[float]:
    """The Chebyshev coefficients of log gamma between LARGE and LARGE + 1."""
    from scipy.special import gammaln

    return chebyshev(lambda t: gammaln(LARGE + 0.5 + t / 2), 12)


def factor(b: Any, a: Any) -> tuple[Any, Any]:
    """g(a) = a^a e^-a / gamma(a), for a > 0: a number, and the logarithm of another that it is to be multiplied by."""
    v, product, _ = _enlarged(b, a)
    large = b.ge(a, LARGE)
    root = b.mul(b.sqrt(a), 1 / math.sqrt(2 * math.pi))
    # gamma(a) = gamma(v) / product
    gamma = clenshaw(b, _log_gamma_series(), b.mul(b.sub(b.minimum(v, LARGE + 1), LARGE + 0.5), 2.0))
    small = b.sub(b.sub(b.mul(a, b.log(a)), a), gamma)
    return b.select(large, root, product), b.select(large, b.neg(stirling_rest(b, v)), small)


ASYMPTOTIC = [c / (2 * k) for k, c in enumerate(BERNOULLI[:8], 1)]


def log_less_digamma(b: Any, a: Any) -> Any:
    """log a - psi(a + 1), for a > 0; psi(a + 1) = psi(a) + 1 / a."""
    v, _, total = _enlarged(b, a)
    large = b.ge(a, LARGE)
    inverse = b.div(1, v)
    square = b.mul(inverse, inverse)
    half = b.select(large, b.mul(inverse, -0.5), b.mul(inverse, 0.5))  # less 1 / a, which the sum has left out
    series = b.add(half, b.mul(square, polynomial(b, square, ASYMPTOTIC)))
    return b.add(b.add(series, total), b.select(large, 0.0, b.log(b.div(a, v))))


# -- quadrature --------------------------------------------------------------------------------------------------------


@functools.cache
def nodes(count: int) -> tuple[tuple[float, float], ...]:
    """Points and weights of Gauss's and Legendre's rule on (0, 1)."""
    points, weights = np.polynomial.legendre.leggauss(count)
    return tuple(zip(((points + 1) / 2).tolist(), (weights / 2).tolist(), strict=True))


def excess(b: Any, s: Any, exponential: Any) -> Any:
    """e^s - 1 - s, given e^s - 1."""
    near = b.lt(b.abs(s), 0.5)
    u = b.select(near, s, 0.0)
    series = b.mul(b.mul(u, u), polynomial(b, u, [1 / math.factorial(k) for k in range(2, 16)]))
    return b.select(near, series, b.sub(exponential, s))


def log_excess(b: Any, z: Any, logarithm: Any) -> Any:
    """z - log(1 + z), given log(1 + z): with r = z / (2 + z), z r - 2 (r^3/3 + r^5/5 + ...)."""
    near = b.lt(b.abs(z), 0.4)
    u = b.select(near, z, 0.0)
    r = b.div(u, b.add(u, 2))
    square = b.mul(r, r)
    series = b.sub(b.mul(u, r), b.mul(b.mul(r, square), polynomial(b, square, SERIES)))
    return b.select(near, series, b.sub(z, logarithm))


# -- derivatives of exp(l) are polynomials in those of l, times it -----------------------------------------------------

Monomials = dict[tuple[Any, ...], int]
"""Coefficients by the symbols whose product each belongs to, sorted."""


def raised(p: Monomials, first: Any, slope: Callable[[Any], Monomials]) -> Monomials:
    """The polynomial of the next derivative: ``first`` (the derivative of l) times p, and the derivative of p, in which
    symbols have the derivatives ``slope(symbol)``.
    """
    result: Monomials = {}

    def add(symbols: tuple[Any, ...], c: int) -> None:
        key = tuple(sorted(symbols))
        result[key] = result.get(key, 0) + c

    for symbols, c in p.items():
        add((*symbols, first), c)
        for i, symbol in enumerate(symbols):
            for more, d in slope(symbol).items():
                add((*symbols[:i], *symbols[i + 1 :], *more), c * d)
    return {k: c for k, c in result.items() if c}


def evaluated(p: Monomials, values: Mapping[Any, Any], add: Any, mul: Any) -> Any:
    """The polynomial of values; a number where it has no symbols."""
    total: Any = None
    for symbols, c in sorted(p.items()):
        term: Any = functools.reduce(mul, [values[s] for s in symbols]) if symbols else float(c)
        term = term if not symbols or c == 1 else mul(term, float(c))
        total = term if total is None else add(total, term)
    return 0.0 if total is None else total
