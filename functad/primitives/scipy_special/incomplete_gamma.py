"""The regularised incomplete gamma functions P(a, x) and Q = 1 - P, their inverses, and their derivatives to any order.

With u = log t, P is the integral of exp(a u - e^u) / gamma(a) up to L = log x. Its n-th derivative in a is that of
p_n(u) exp(a u - e^u) / gamma(a), where p_n is a polynomial; p_1 = u - psi(a). Over all u this is 0. So the derivative
is the integral from L up, too, with the other sign; of the two that one is taken over which p_1 keeps its sign:
nothing cancels. With u = L + v the integrand is x^a e^-x / gamma(a) times

    p_n exp(-h),    h(v) = (x - a) v + x (e^v - 1 - v)

where both terms of h are positive. Gauss's and Legendre's rule in sqrt(v / w), where h(w) is about 39, gives 13 digits
for all a and x but small x, where a power series does:

    P = x^a / gamma(a + 1) (1 + sum over n >= 1 of (-x)^n / n! a / (a + n))
"""

from __future__ import annotations

import functools
import math
from typing import Any

from functad.kernel_ir.ops import iteration
from functad.primitives.arithmetic import add, div, mul, neg, sub
from functad.primitives.elementwise import Op
from functad.primitives.entropy import log_ratio_kernel
from functad.primitives.scipy_special.densities import (
    Monomials,
    deviance,
    evaluated,
    excess,
    factor,
    log_less_digamma,
    nodes,
    raised,
)
from functad.primitives.scipy_special.library import either, in_double, library
from functad.primitives.special import hurwitz, polygamma

__all__ = ["gamma_density", "gammainc", "gammaincc", "gammainccinv", "gammaincinv"]

NODES = 34
DEEP = 39.0
"""exp(-39) is 1e-17."""

SMALL = 0.4
TERMS = 14
"""The power series has all digits for x <= SMALL."""


@functools.cache
def _weight(order: int) -> Monomials:
    """p_n, in u and in ("psi", k), the derivatives of psi."""

    def slope(symbol: tuple[str, int]) -> Monomials:
        name, k = symbol
        return {(("psi", 1),): -1} if name == "u" else {(("psi", k + 1),): 1}

    p: Monomials = {(): 1}
    for _ in range(order):
        p = raised(p, ("u", 0), slope)
    return p


# -- the density x^(a-1) e^-x / gamma(a) -------------------------------------------------------------------------------


def _mass(b: Any, a: Any, x: Any) -> Any:
    """x^a e^-x / gamma(a)."""
    number_, logarithm = factor(b, a)
    return b.mul(number_, b.exp(b.sub(logarithm, deviance(b, a, x))))


def _density(b: Any, a: Any, x: Any) -> Any:
    inside = b.bit_and(b.gt(a, 0), b.bit_and(b.gt(x, 0), b.lt(x, math.inf)))
    a_, x_ = b.select(inside, a, 1.0), b.select(inside, x, 1.0)
    value = b.div(_mass(b, a_, x_), x_)
    at_zero = b.select(b.lt(a, 1), math.inf, b.select(b.gt(a, 1), 0.0, b.add(b.mul(a, 0), 1)))
    outside = b.select(b.eq(x, 0), at_zero, either(b, b.eq(x, math.inf), 0.0, math.nan))
    return b.select(inside, value, b.select(b.gt(a, 0), outside, math.nan))


def _density_jvp_a(t: Any, y: Any, a: Any, x: Any) -> Any:
    return mul(t, mul(y, gamma_score(a, x)))


def _density_jvp_x(t: Any, y: Any, a: Any, x: Any) -> Any:
    return mul(t, mul(y, div(sub(sub(a, 1), x), x)))


gamma_density = in_double(
    "gamma_density", _density, (_density_jvp_a, _density_jvp_x), high=4.0, doc="x^(a-1) exp(-x) / gamma(a)."
)


def _reduced_score(b: Any, a: Any, x: Any) -> Any:
    """log x - psi(a + 1)."""
    return b.add(log_ratio_kernel(b, x, a), log_less_digamma(b, a))


gamma_score = in_double(
    "gamma_score", lambda b, a, x: b.add(_reduced_score(b, a, x), b.div(1, a)),
    (lambda t, y, a, x: neg(mul(t, polygamma(a, 1))), lambda t, y, a, x: div(t, x)),
    high=4.0, doc="log(x) - psi(a), the derivative of log ``gamma_density`` in a.",
)  # fmt: skip

# -- derivatives of P in a ---------------------------------------------------------------------------------------------


def _slope(b: Any, a: Any, x: Any, *, order: int) -> Any:
    inside = b.bit_and(b.gt(a, 0), b.bit_and(b.gt(x, 0), b.lt(x, math.inf)))
    a_, x_ = b.select(inside, a, 1.0), b.select(inside, x, 1.0)
    near = b.le(x_, SMALL)
    # of gamma(a + 1), so that what is 1 / a in psi(a) does not cancel where a is small: it is a in the density
    reduced, inverse = _reduced_score(b, a_, x_), b.div(1, a_)
    psi = {("psi", k): polygamma_kernel(b, b.add(a_, 1), k) for k in range(1, order)}
    power = _mass(b, a_, x_)
    series = _series(b, a_, x_, reduced, psi, order)
    value = b.select(near, b.mul(b.mul(power, b.mul(inverse, b.exp(b.select(near, x_, 0.0)))), series),
        b.mul(power, _integral(b, a_, b.select(near, SMALL, x_), reduced, inverse, psi, order)))  # fmt: skip
    edge = either(b, b.bit_and(b.gt(a, 0), b.bit_or(b.eq(x, 0), b.eq(x, math.inf))), 0.0, math.nan)
    return b.select(inside, value, edge)


def polygamma_kernel(b: Any, x: Any, k: int) -> Any:
    return b.mul(hurwitz(b, k + 1, x), float(math.factorial(k) * (1 if k % 2 else -1)))


def _integral(b: Any, a: Any, x: Any, reduced: Any, inverse: Any, psi: dict[Any, Any], order: int) -> Any:
    """That of the weight times exp(-h)."""
    up, excessive = b.gt(b.add(reduced, inverse), 0), b.sub(x, a)
    width = b.mul(b.select(up, _width_up(b, a, x, excessive), _width_down(b, a, excessive)), either(b, up, 1.0, -1.0))
    return b.neg(b.mul(b.compute(_quadrature(order), width, x, excessive, reduced, inverse, *psi.values()), width))


@functools.cache
def _quadrature(order: int) -> str:
    """The operation that is the mean of the weight times exp(-h) between 0 and the width, which has a sign."""
    weight, lower = _weight(order), _weight(order - 1)

    def step(b: Any, row: Any, state: Any, width: Any, x: Any, excessive: Any, u: Any, inverse: Any, *psi: Any) -> Any:
        point, c = row
        v = b.mul(width, point)
        h = b.add(b.mul(excessive, v), b.mul(x, excess(b, v, b.expm1(v))))
        values = {("u", 0): b.add(u, v), **{("psi", k): p for k, p in enumerate(psi, 1)}}
        # the derivative of a exp(l), divided by a
        found = number(b, evaluated(weight, values, b.add, b.mul), v)
        less = number(b, evaluated(lower, values, b.add, b.mul), v)
        found = b.add(found, b.mul(inverse, b.mul(less, float(order))))
        return (b.add(state[0], b.mul(b.mul(found, b.exp(b.neg(h))), c)),)

    table = tuple([(y * y, 2 * y * c) for y, c in nodes(NODES)])
    return iteration(f"gammainc_integral_{order}", 4 + order, table, lambda b, width, *xs: (b.mul(width, 0),), step)


def number(b: Any, value: Any, like: Any) -> Any:
    return b.add(b.mul(like, 0), value) if isinstance(value, float) else value


def _width_down(b: Any, a: Any, excessive: Any) -> Any:
    """w where h(-w) is DEEP, or somewhat further: as e^-w - 1 + w >= w^2 / (2 + w), the root of a square."""
    q = b.add(b.mul(excessive, 2.0), DEEP)
    root = b.sqrt(b.add(b.mul(q, q), b.mul(a, 8 * DEEP)))
    return b.select(b.gt(q, 0), b.div(b.add(q, root), b.mul(a, 2.0)), b.div(4 * DEEP, b.sub(root, q)))


def _width_up(b: Any, a: Any, x: Any, excessive: Any) -> Any:
    """w where h(w) is DEEP, or somewhat further: from bounds, and x e^w = x + a w + h."""
    linear = b.select(b.gt(excessive, 0), b.div(DEEP, excessive), math.inf)
    root = b.add(b.sqrt(b.div(2 * DEEP, x)), b.select(b.lt(excessive, 0), b.div(b.mul(excessive, -2.0), x), 0.0))
    width = b.minimum(root, linear)
    for _ in range(3):
        width = b.minimum(width, b.log1p(b.div(b.add(b.mul(a, width), DEEP), x)))
    return width


def _series(b: Any, a: Any, x: Any, score: Any, psi: dict[Any, Any], order: int) -> Any:
    """The derivative of the power series, over x^a / gamma(a + 1)."""
    values = {("u", 0): score, **psi}
    weights = [
        b.mul(number(b, evaluated(_weight(order - k), values, b.add, b.mul), a), float(math.comb(order, k)))
        for k in range(order + 1)
    ]
    return b.add(weights[0], b.compute(_power_series(order), a, x, *weights))


@functools.cache
def _power_series(order: int) -> str:
    """The operation that sums (-x)^n / n! times weights of derivatives of a / (a + n) = 1 - n / (a + n) over n >= 1."""

    def step(b: Any, row: Any, state: Any, a: Any, x: Any, *weights: Any) -> Any:
        (n,), (power, total) = row, state
        power = b.neg(b.mul(power, b.div(x, n)))
        inverse = b.div(1, b.add(a, n))
        found, quotient = b.mul(weights[0], b.mul(a, inverse)), b.mul(n, inverse)
        for k in range(1, order + 1):
            quotient = b.mul(quotient, b.mul(inverse, -float(k) if k > 1 else 1.0))
            found = b.add(found, b.mul(weights[k], quotient))
        return power, b.add(total, b.mul(power, found))

    table = tuple([(float(n),) for n in range(1, TERMS)])
    start = lambda b, a, x, *weights: (b.add(b.mul(x, 0), 1), b.mul(x, 0))  # noqa: E731
    return iteration(f"gammainc_series_{order}", 3 + order, table, start, step)


def _mixed(t: Any, y: Any, a: Any, x: Any, *, order: int) -> Any:
    """The derivative of the density in a, times t."""
    values = {("u", 0): gamma_score(a, x), **{("psi", k): polygamma(a, k) for k in range(1, order + 1)}}
    return mul(t, mul(gamma_density(a, x), evaluated(_weight(order), values, add, mul)))


slope_op: Op = in_double(
    "gammainc_slope", _slope,
    (lambda t, y, a, x, *, order: mul(t, slope_op(a, x, order=order + 1)), _mixed), static=("order",),
    low=0.5, high=4.0, params=({"order": 1},), doc="The derivative of ``gammainc`` in a, of an order.",
)  # fmt: skip


def _slope_of(a: Any, x: Any) -> Any:
    return slope_op(a, x, order=1)


# -- P, Q and their inverses -------------------------------------------------------------------------------------------

gammainc = library(
    "gammainc",
    (lambda t, y, a, x: mul(t, _slope_of(a, x)), lambda t, y, a, x: mul(t, gamma_density(a, x))),
    low=0.5,
    high=4.0,
    doc="The regularised lower incomplete gamma function.",
)
gammaincc = library(
    "gammaincc",
    (lambda t, y, a, x: neg(mul(t, _slope_of(a, x))), lambda t, y, a, x: neg(mul(t, gamma_density(a, x)))),
    low=0.5,
    high=4.0,
    doc="The regularised upper incomplete gamma function.",
)


def _along(t: Any, x: Any, a: Any, q: Any) -> Any:
    """How x moves with a, while P or Q stays as it is."""
    return neg(mul(t, div(_slope_of(a, x), gamma_density(a, x))))


gammaincinv = library(
    "gammaincinv", (_along, lambda t, x, a, p: div(t, gamma_density(a, x))), low=0.3, high=0.9,
    doc="The inverse of ``gammainc`` in x.",
)  # fmt: skip
gammainccinv = library(
    "gammainccinv", (_along, lambda t, x, a, q: neg(div(t, gamma_density(a, x)))), low=0.3, high=0.9,
    doc="The inverse of ``gammaincc`` in x.",
)  # fmt: skip
