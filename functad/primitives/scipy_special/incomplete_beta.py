"""The regularised incomplete beta function I_x(a, b), its complement, their inverses, and derivatives in all arguments.

With t = 1 / (1 + e^-z), I is the integral of t^a (1 - t)^b / B(a, b) over z up to that of x, and its derivatives in a
and b are integrals of that times polynomials, of which u = log t - psi(a) + psi(a + b) and v = log(1 - t) - psi(b) +
psi(a + b) are the first ones. Over all z they are 0, so that either side of x may be taken: the one on which u, or v,
keeps its sign. With z moved by s, the integrand is x^a (1 - x)^b / B(a, b) times the polynomial and, with n = a + b,

    exp(-h),    h(s) = (n x - a) s + n k(s),    k(s) = log(1 - x + x e^s) - x s >= 0

Gauss's and Legendre's rule in log(1 + s / 4), up to where h is 39, gives 13 digits where x is not small. There a series
is differentiated, as in R. Boik and J. Robison-Cox, *Derivatives of the incomplete beta function*, 1998:

    I = x^a gamma(n) / (gamma(a + 1) gamma(b)) sum over k of (1 - b)_k x^k / k! a / (a + k)
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

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
    log_excess,
    log_less_digamma,
    nodes,
    raised,
)
from functad.primitives.scipy_special.incomplete_gamma import number, polygamma_kernel
from functad.primitives.scipy_special.library import either, in_double, library
from functad.primitives.special import polygamma

__all__ = ["beta_density", "betainc", "betaincc", "betainccinv", "betaincinv"]

NODES = 40
DEEP = 39.0
SCALE = 4.0

SMALL, PRODUCT, TERMS = 0.15, 0.5, 20
"""The series has all digits for x <= SMALL with b x <= PRODUCT."""


@functools.cache
def _weight(i: int, j: int) -> Monomials:
    """The polynomial of the derivative of order i in a and j in b: in u, v, and psi's derivatives at a, b and a + b."""

    def slope(symbol: tuple[str, int], own: str, first: str) -> Monomials:
        name, k = symbol
        if name in "uv":
            return {(("n", 1),): 1, (((own, 1)),): -1} if name == first else {(("n", 1),): 1}
        return {((name, k + 1),): 1} if name in (own, "n") else {}

    p: Monomials = {(): 1}
    for own, first, times in (("a", "u", i), ("b", "v", j)):
        for _ in range(times):
            p = raised(p, (first, 0), functools.partial(slope, own=own, first=first))
    return p


def _symbols(i: int, j: int) -> list[tuple[str, int]]:
    """The derivatives of psi that weights up to this order have."""
    return sorted({s for k in range(i + 1) for m in range(j + 1) for product in _weight(k, m) for s in product if s[1]})


def _constants(b: Any, i: int, j: int, points: dict[str, Any]) -> dict[Any, Any]:
    return {s: polygamma_kernel(b, points[s[0]], s[1]) for s in _symbols(i, j)}


# -- the density x^(a-1) (1-x)^(b-1) / B(a, b) -------------------------------------------------------------------------


class Point(NamedTuple):
    """Operands within the domain, others in place of those that are not."""

    inside: Any
    a: Any
    b: Any
    n: Any
    x: Any
    y: Any


def _point(b: Any, p: Any, q: Any, x: Any) -> Point:
    inside = b.bit_and(b.bit_and(b.gt(p, 0), b.gt(q, 0)), b.bit_and(b.gt(x, 0), b.lt(x, 1)))
    inside = b.bit_and(inside, b.lt(b.add(p, q), math.inf))
    p, q, x = b.select(inside, p, 1.0), b.select(inside, q, 1.0), b.select(inside, x, 0.5)
    return Point(inside, p, q, b.add(p, q), x, b.sub(1, x))


def _mass(b: Any, at: Point) -> Any:
    """x^a (1-x)^b / B(a, b)."""
    (of_a, log_a), (of_b, log_b), (of_n, log_n) = factor(b, at.a), factor(b, at.b), factor(b, at.n)
    lost = b.add(deviance(b, at.a, b.mul(at.n, at.x)), deviance(b, at.b, b.mul(at.n, at.y)))
    return b.mul(b.div(b.mul(of_a, of_b), of_n), b.exp(b.sub(b.sub(b.add(log_a, log_b), log_n), lost)))


def _edge(b: Any, p: Any, q: Any, x: Any, at_edge: Any) -> Any:
    sound = b.bit_and(b.bit_and(b.gt(p, 0), b.gt(q, 0)), b.bit_or(b.eq(x, 0), b.eq(x, 1)))
    return b.select(sound, at_edge, math.nan)


def _density(b: Any, p: Any, q: Any, x: Any) -> Any:
    at = _point(b, p, q, x)
    power, other = b.select(b.eq(x, 0), p, q), b.select(b.eq(x, 0), q, p)
    at_edge = b.select(b.lt(power, 1), math.inf, b.select(b.gt(power, 1), 0.0, other))
    return b.select(at.inside, b.div(_mass(b, at), b.mul(at.x, at.y)), _edge(b, p, q, x, at_edge))


def _density_jvp(t: Any, y: Any, a: Any, b: Any, x: Any) -> Any:
    """(a - 1) / x - (b - 1) / (1 - x)."""
    n = add(a, sub(b, 2))
    return mul(t, mul(y, div(sub(sub(a, 1), mul(n, x)), mul(x, sub(1, x)))))


beta_density: Op = in_double(
    "beta_density", _density,
    (
        lambda t, y, a, b, x: mul(t, mul(y, beta_score(a, b, x))),
        lambda t, y, a, b, x: mul(t, mul(y, beta_score(b, a, sub(1, x)))), _density_jvp,
    ),
    low=0.2, high=0.8, doc="x^(a-1) (1-x)^(b-1) / B(a, b).",
)  # fmt: skip


def _score(b: Any, p: Any, n: Any, x: Any) -> Any:
    """log x - psi(p) + psi(n)."""
    shifted = b.sub(log_less_digamma(b, p), log_less_digamma(b, n))
    return b.add(log_ratio_kernel(b, b.mul(n, x), p), b.add(shifted, b.sub(b.div(1, p), b.div(1, n))))


beta_score: Op = in_double(
    "beta_score", lambda b, p, q, x: _score(b, p, b.add(p, q), x),
    (
        lambda t, y, a, b, x: mul(t, sub(polygamma(add(a, b), 1), polygamma(a, 1))),
        lambda t, y, a, b, x: mul(t, polygamma(add(a, b), 1)), lambda t, y, a, b, x: div(t, x),
    ),
    low=0.2, high=0.8, doc="log(x) - psi(a) + psi(a + b), the derivative of log ``beta_density`` in a.",
)  # fmt: skip

# -- derivatives in a and b --------------------------------------------------------------------------------------------


def _slope(b: Any, p: Any, q: Any, x: Any, *, i: int, j: int) -> Any:
    at = _point(b, p, q, x)
    u, v = _score(b, at.a, at.n, at.x), _score(b, at.b, at.n, at.y)
    low = b.bit_and(b.le(at.x, SMALL), b.le(b.mul(at.b, at.x), PRODUCT))
    high = b.bit_and(b.le(at.y, SMALL), b.le(b.mul(at.a, at.y), PRODUCT))
    near = b.bit_or(low, high)
    series = _series(b, at, u, v, low, near, i, j)
    value = b.mul(_mass(b, at), b.select(near, series, _integral(b, at, u, v, near, i, j)))
    return b.select(at.inside, value, _edge(b, p, q, x, b.mul(x, 0)))


def _integral(b: Any, at: Point, u: Any, v: Any, near: Any, i: int, j: int) -> Any:
    """That of the weight times exp(-h)."""
    up = b.gt(u, 0) if i else b.lt(v, 0)
    fall, x = b.select(up, at.b, at.a), b.select(near, 0.5, b.select(up, at.x, at.y))
    rise, y = b.sub(at.n, fall), b.select(near, 0.5, b.select(up, at.y, at.x))
    drift = b.sub(b.mul(at.n, x), b.select(up, at.a, at.b))
    width = _width(b, at.n, rise, fall, x, y, drift)
    stretch = b.log1p(b.mul(width, 1 / SCALE))
    constants = _constants(b, i, j, {"a": at.a, "b": at.b, "n": at.n})
    down = either(b, up, 0.0, 1.0)
    scores = b.select(up, u, v), b.select(up, v, u), down, *constants.values()
    total = b.compute(_quadrature(i, j), stretch, at.n, x, y, drift, *scores)
    return b.mul(b.mul(total, stretch), either(b, up, -1.0, 1.0))


@functools.cache
def _quadrature(i: int, j: int) -> str:
    """The operation that is the mean of the weight times exp(-h) times what s moves by, between 0 and the stretch."""
    weight, symbols = _weight(i, j), _symbols(i, j)

    def step(b: Any, row: Any, state: Any, stretch: Any, n: Any, x: Any, y: Any, drift: Any, *scores: Any) -> Any:
        (point, c), (moving, staying, down, *constants) = row, scores
        s = b.mul(b.expm1(b.mul(stretch, point)), SCALE)
        k = _cumulant(b, s, x, y)
        # the logarithms of what x grows by, and of what 1 - x falls by
        moved = b.add(moving, b.sub(b.mul(y, s), k)), b.sub(staying, b.add(k, b.mul(x, s)))
        turned = b.ne(down, 0)
        values = {
            ("u", 0): b.select(turned, moved[1], moved[0]), ("v", 0): b.select(turned, moved[0], moved[1]),
            **dict(zip(symbols, constants, strict=True)),
        }  # fmt: skip
        h = b.add(b.mul(drift, s), b.mul(n, k))
        found = number(b, evaluated(weight, values, b.add, b.mul), s)
        return (b.add(state[0], b.mul(b.mul(b.mul(found, b.exp(b.neg(h))), b.add(s, SCALE)), c)),)

    start = lambda b, stretch, *xs: (b.mul(stretch, 0),)  # noqa: E731
    return iteration(f"betainc_integral_{i}_{j}", 8 + len(symbols), nodes(NODES), start, step)


FAR = 600.0


def _cumulant(b: Any, s: Any, x: Any, y: Any) -> Any:
    """k(s) = log(y + x e^s) - x s for s >= 0: also log(1 + y (e^-s - 1)) + y s, which is taken where y is less."""
    turned = b.gt(x, 0.5)
    p, r = b.select(turned, y, x), b.select(turned, b.neg(s), b.minimum(s, FAR))
    growth = b.expm1(r)
    z = b.mul(p, growth)
    logarithm = b.log1p(z)
    close = b.sub(b.mul(p, excess(b, r, growth)), log_excess(b, z, logarithm))
    k = b.select(b.lt(s, 0.5), close, b.sub(logarithm, b.mul(p, r)))
    return b.select(b.bit_or(turned, b.le(s, FAR)), k, b.add(b.mul(y, s), b.log(x)))


def _width(b: Any, n: Any, rise: Any, fall: Any, x: Any, y: Any, drift: Any) -> Any:
    """w where h(w) is DEEP: by Newton's method, from bounds; h is convex, and h(w) >= fall w + n log x."""
    most = b.div(b.sub(DEEP, b.mul(n, b.log(x))), fall)
    first = b.minimum(most, b.sqrt(b.div(2 * DEEP, b.mul(n, b.mul(x, y)))))
    return b.compute(NEWTON, first, most, n, rise, x, y, drift)


def _newton(b: Any, row: Any, state: Any, first: Any, most: Any, n: Any, rise: Any, x: Any, y: Any, drift: Any) -> Any:
    (width,) = state
    h = b.add(b.mul(drift, width), b.mul(n, _cumulant(b, width, x, y)))
    slope = b.sub(b.mul(n, b.div(x, b.add(x, b.mul(y, b.exp(b.neg(width)))))), rise)
    better = b.sub(width, b.div(b.sub(h, DEEP), slope))
    return (b.minimum(b.select(b.gt(slope, 0), better, most), most),)


NEWTON = iteration("betainc_width", 7, ((),) * 6, lambda b, first, *xs: (first,), _newton)


def _series(b: Any, at: Point, u: Any, v: Any, low: Any, near: Any, i: int, j: int) -> Any:
    """The derivative of the series in x, or in 1 - x with a and b exchanged, over x^a (1-x)^b / B(a, b)."""
    p, q = b.select(low, at.a, at.b), b.select(low, at.b, at.a)
    x = b.select(near, b.select(low, at.x, at.y), SMALL)
    inverse = b.div(1, p)
    logarithm = b.log1p(b.neg(x))
    values = {
        ("u", 0): b.sub(b.select(low, u, v), inverse), ("v", 0): b.sub(b.select(low, v, u), logarithm),
        **_constants(b, max(i, j), max(i, j), {"a": b.add(p, 1), "b": q, "n": at.n}),
    }  # fmt: skip
    value = _expanded(b, p, q, x, values, i, j)
    if i != j:
        value = b.select(low, value, _expanded(b, p, q, x, values, j, i))
    scale = b.mul(inverse, b.exp(b.neg(b.mul(q, logarithm))))
    return b.mul(value, b.select(low, scale, b.neg(scale)))


def _expanded(b: Any, p: Any, q: Any, x: Any, values: dict[Any, Any], i: int, j: int) -> Any:
    """The derivative of order i in p and j in q of the product of what stands before the sum, and the sum."""

    def weight(k: int, m: int) -> Any:
        found = number(b, evaluated(_weight(i - k, j - m), values, b.add, b.mul), p)
        return b.mul(found, float(math.comb(i, k) * math.comb(j, m)))

    weights = [weight(k, m) for k in range(i + 1) for m in range(j + 1)]
    return b.compute(_power_series(i, j), p, q, x, *weights)


@functools.cache
def _power_series(i: int, j: int) -> str:
    """The operation that sums derivatives of (1 - q)_k x^k / k! p / (p + k) over k, each with a weight."""

    def start(b: Any, p: Any, q: Any, x: Any, *weights: Any) -> Any:
        none = b.mul(p, 0)
        return (b.add(none, 1), *[none] * j, weights[0])

    def step(b: Any, row: Any, state: Any, p: Any, q: Any, x: Any, *weights: Any) -> Any:
        (n,), (*rising, total) = row, state
        share, inverse = b.div(x, n), b.div(1, b.add(p, n))
        ratio = b.mul(b.sub(n, q), share)
        risen = [b.mul(rising[0], ratio)]  # (1 - q)_k x^k / k! and its derivatives in q
        for m in range(1, j + 1):
            risen.append(b.sub(b.mul(rising[m], ratio), b.mul(b.mul(rising[m - 1], share), float(m))))
        quotients, power = [b.mul(p, inverse)], b.mul(n, inverse)  # p / (p + n) = 1 - n / (p + n)
        for k in range(1, i + 1):
            power = b.mul(power, b.mul(inverse, -float(k) if k > 1 else 1.0))
            quotients.append(power)
        for k, quotient in enumerate(quotients):
            for m, value in enumerate(risen):
                total = b.add(total, b.mul(weights[k * (j + 1) + m], b.mul(quotient, value)))
        return (*risen, total)

    table = tuple([(float(n),) for n in range(1, TERMS)])
    return iteration(f"betainc_series_{i}_{j}", 3 + (i + 1) * (j + 1), table, start, step)


def _in_x(t: Any, y: Any, a: Any, b: Any, x: Any, *, i: int, j: int) -> Any:
    """The derivative of the density in a and b, times t."""
    symbols = {s for product in _weight(i, j) for s in product}
    points = {"a": a, "b": b, "n": add(a, b)}
    values = {s: polygamma(points[s[0]], s[1]) for s in symbols if s[1]}
    values |= {("u", 0): beta_score(a, b, x), ("v", 0): beta_score(b, a, sub(1, x))}
    return mul(t, mul(beta_density(a, b, x), evaluated(_weight(i, j), values, add, mul)))


slope_op: Op = in_double(
    "betainc_slope", _slope,
    (
        lambda t, y, a, b, x, *, i, j: mul(t, slope_op(a, b, x, i=i + 1, j=j)),
        lambda t, y, a, b, x, *, i, j: mul(t, slope_op(a, b, x, i=i, j=j + 1)), _in_x,
    ),
    static=("i", "j"), low=0.2, high=0.8, params=({"i": 1, "j": 0},),
    doc="The derivative of ``betainc`` of order i in a and j in b.",
)  # fmt: skip

# -- the function, its complement and their inverses -------------------------------------------------------------------


def _in_a(a: Any, b: Any, x: Any) -> Any:
    return slope_op(a, b, x, i=1, j=0)


def _in_b(a: Any, b: Any, x: Any) -> Any:
    return slope_op(a, b, x, i=0, j=1)


betainc = library(
    "betainc",
    (
        lambda t, y, a, b, x: mul(t, _in_a(a, b, x)), lambda t, y, a, b, x: mul(t, _in_b(a, b, x)),
        lambda t, y, a, b, x: mul(t, beta_density(a, b, x)),
    ),
    low=0.2, high=0.8, doc="The regularised incomplete beta function.",
)  # fmt: skip
betaincc = library(
    "betaincc",
    (
        lambda t, y, a, b, x: neg(mul(t, _in_a(a, b, x))), lambda t, y, a, b, x: neg(mul(t, _in_b(a, b, x))),
        lambda t, y, a, b, x: neg(mul(t, beta_density(a, b, x))),
    ),
    low=0.2, high=0.8, doc="1 - betainc(a, b, x).",
)  # fmt: skip


def _along(slope: Any) -> Any:
    """How x moves with a parameter, while the function stays as it is."""
    return lambda t, x, a, b, q: neg(mul(t, div(slope(a, b, x), beta_density(a, b, x))))


betaincinv = library(
    "betaincinv", (_along(_in_a), _along(_in_b), lambda t, x, a, b, q: div(t, beta_density(a, b, x))),
    low=0.3, high=0.7, doc="The inverse of ``betainc`` in x.",
)  # fmt: skip
betainccinv = library(
    "betainccinv", (_along(_in_a), _along(_in_b), lambda t, x, a, b, q: neg(div(t, beta_density(a, b, x)))),
    low=0.3, high=0.7, doc="The inverse of ``betaincc`` in x.",
)  # fmt: skip
