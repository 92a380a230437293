"""The logarithm of the beta function, log |gamma(a) gamma(b) / gamma(a + b)|, without the cancellation of that sum.

Stirling's series of the larger arguments goes into the sum before anything is subtracted, so that large terms cancel on
paper (A. R. DiDonato and A. H. Morris, *Algorithm 708: significant digit computation of the incomplete beta function
ratios*, 1992). With b >= a, b >= 10, and s(x) the remainder of Stirling's formula,

    log gamma(b) - log gamma(a + b) = -(a + b - 1/2) log(1 + a/b) - a (log b - 1) + s(b) - s(a + b)
    log B = log(2 pi) / 2 + s(a) + s(b) - s(a + b) - log(b) / 2 - (a - 1/2) log(1 + b/a) - b log(1 + a/b)   for a >= 10,
    too.

The derivatives are differences of polygamma functions, taken term by term in the series of those.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from functad.kernel_ir.rules import Pointwise
from functad.primitives.arithmetic import add, mul, neg, sub
from functad.primitives.bitwise import bit_and
from functad.primitives.comparison import gt
from functad.primitives.elementwise import Op, elementwise, formula, single_rounding
from functad.primitives.selection import select
from functad.primitives.special import BERNOULLI, polygamma

__all__ = ["LARGE", "betaln", "betaln_slope", "polygamma_difference", "stirling_rest"]

STIRLING = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI[:8], 1))
"""s(x) is the sum of these times x^(1 - 2k)."""

LARGE = 10.0
"""From here on Stirling's series has all digits."""


def stirling_rest(b: Any, x: Any) -> Any:
    inverse = b.div(1, x)
    square = b.mul(inverse, inverse)
    *others, series = STIRLING
    for c in reversed(others):
        series = b.add(b.mul(square, series), c)
    return b.mul(series, inverse)


def _betaln(b: Any, x: Any, y: Any) -> Any:
    """For p <= 0 < q by reflection: with r = 1 - p - q,

        |B(p, q)| = B(r, q) |sin pi (p + q) / sin pi p|  where r > 0, else  pi / (|q sin pi p| B(1 - p, p + q)).

    At a whole p it is infinite, but for a whole q and r > 0, where the poles of two gamma functions cancel. (For whole
    p <= q <= 0, one of two poles is left; as q goes to infinity at p <= 0, B goes as q^-p gamma(p).)
    """
    p, q = b.minimum(x, y), b.maximum(x, y)
    left, r = b.bit_and(b.le(p, 0), b.gt(q, 0)), b.sub(b.sub(1, p), q)
    turned = b.bit_and(left, b.gt(r, 0))
    inverted = b.bit_and(left, b.le(r, 0))
    value = _of_positive(b, b.select(turned, r, b.select(inverted, b.sub(1, p), p)), b.select(inverted, b.add(p, q), q))
    sine, sine_of_sum = _sine(b, p), _sine(b, b.add(p, q))
    quotient = b.select(b.bit_and(b.eq(sine, 0), b.eq(sine_of_sum, 0)), 1.0, b.div(sine_of_sum, sine))
    reflected = b.add(value, b.log(b.select(turned, quotient, 1.0)))
    inverse = b.sub(b.log(b.select(inverted, b.div(math.pi, b.mul(sine, q)), 1.0)), value)
    both_whole = b.bit_and(b.eq(p, b.rint(p)), b.eq(q, b.rint(q)))
    infinite = b.bit_or(b.bit_and(b.le(q, 0), both_whole), b.bit_and(b.le(p, 0), b.eq(q, math.inf)))
    return b.select(infinite, math.inf, b.select(turned, reflected, b.select(inverted, inverse, value)))


def _sine(b: Any, x: Any) -> Any:
    """|sin pi x|."""
    return b.abs(b.sin(b.mul(b.sub(x, b.rint(x)), math.pi)))


def _of_positive(b: Any, x: Any, y: Any) -> Any:
    p, q = b.minimum(x, y), b.maximum(x, y)
    sound = b.bit_and(b.gt(p, 0), b.lt(q, math.inf))
    general = b.sub(b.add(b.lgamma(p), b.lgamma(q)), b.lgamma(b.add(p, q)))
    # numbers in place of p and q keep branches that are not taken finite
    u, v = b.select(sound, p, 1.0), b.select(sound, q, LARGE)
    v, ratio = _enlarged(b, u, v)
    log_v, more = b.log(v), b.log1p(b.div(u, v))
    rest = b.sub(stirling_rest(b, v), stirling_rest(b, b.add(u, v)))
    weight = b.add(b.sub(v, 0.5), u)
    one_large = b.sub(b.sub(b.add(b.lgamma(u), rest), b.mul(weight, more)), b.mul(u, b.sub(log_v, 1.0)))
    both = b.bit_and(sound, b.ge(p, LARGE))
    w = b.select(both, p, LARGE)
    head = b.sub(b.add(b.add(stirling_rest(b, w), rest), 0.5 * math.log(2 * math.pi)), b.mul(log_v, 0.5))
    two_large = b.sub(b.sub(head, b.mul(b.sub(w, 0.5), b.log1p(b.div(v, w)))), b.mul(v, more))
    value = b.select(both, two_large, b.select(sound, b.add(one_large, b.log(ratio)), general))
    return b.select(b.bit_and(b.gt(p, 0), b.isinf(q)), -math.inf, value)


def _enlarged(b: Any, u: Any, v: Any) -> tuple[Any, Any]:
    """v + n >= LARGE, and the factor of B(u, v + n) in B(u, v): the product of (u + v + k) / (v + k) over k < n."""
    factors = []
    for _ in range(int(LARGE)):
        small = b.lt(v, LARGE)
        factors.append((b.select(small, b.add(u, v), 1.0), b.select(small, v, 1.0)))
        v = b.select(small, b.add(v, 1), v)
    numerator, denominator = (functools.reduce(b.mul, column) for column in zip(*factors, strict=True))
    return v, b.div(numerator, denominator)


def betaln_slope(x: Any, y: Any) -> Any:
    """psi(x) - psi(x + y)."""
    inside = bit_and(gt(x, 0), gt(y, 0))
    stable = neg(polygamma_difference(select(inside, x, 1), select(inside, y, 1), 0))
    outer = select(inside, 1, x)
    return select(inside, stable, sub(polygamma(outer, 0), polygamma(add(outer, select(inside, 1, y)), 0)))


betaln = elementwise(
    "betaln", formula(_betaln), kinds="f", operands=2, low=0.5, high=15.0, singular=True, kernel=_betaln,
    jvp=(lambda t, z, x, y: mul(t, betaln_slope(x, y)), lambda t, z, x, y: mul(t, betaln_slope(y, x))),
    doc="log |beta(x, y)|; infinite at the poles, where derivatives are NaN.",
)  # fmt: skip


# -- psi_n(x + h) - psi_n(x) for positive x and h ----------------------------------------------------------------------


def polygamma_difference(x: Any, h: Any, order: int) -> Any:
    """``polygamma(x + h, order) - polygamma(x, order)`` for positive x and h, with all digits also where h is small
    beside x.
    """
    return _difference(x, h, order=order)


def _powers(b: Any, x: Any, h: Any, count: int) -> list[Any]:
    """u^p - v^p for p = 1, 2, ..., count, where u = 1 / x and v = 1 / (x + h), by sums of positive terms.

    They are u (u^(p-1) - v^(p-1)) + v^(p-1) (u - v).
    """
    u, v = b.div(1, x), b.div(1, b.add(x, h))
    first = b.mul(b.mul(h, v), u)
    found, power = [first], v
    for _ in range(1, count):
        found.append(b.add(b.mul(u, found[-1]), b.mul(power, first)))
        power = b.mul(power, v)
    return found


def _difference_kernel(b: Any, x: Any, h: Any, *, order: int) -> Any:
    """(-1)^n n! (zeta(n + 1, x) - zeta(n + 1, x + h)), by Euler and Maclaurin as ``polygamma``; for n = 0 the integral
    is a logarithm.
    """
    s = order + 1
    total = None
    for k in range(8 + s):
        term = _powers(b, b.add(x, k), h, s)[-1]
        total = term if total is None else b.add(total, term)
    far = b.add(x, 8 + s)
    powers = [None, *_powers(b, far, h, s + 2 * len(BERNOULLI))]
    tail = b.mul(powers[s], 0.5)
    for j in range(len(BERNOULLI), 0, -1):
        rising = math.prod(range(s, s + 2 * j - 1))
        tail = b.add(tail, b.mul(powers[s + 2 * j - 1], BERNOULLI[j - 1] / math.factorial(2 * j) * rising))
    integral = b.mul(powers[s - 1], 1 / (s - 1)) if order else b.log1p(b.div(h, far))
    value = b.mul(b.add(total, b.add(integral, tail)), float(math.factorial(order)) * (-1) ** order)
    return b.select(b.bit_and(b.gt(x, 0), b.ge(h, 0)), value, math.nan)


_difference: Op = elementwise(
    "polygamma_difference", formula(_difference_kernel), kinds="f", operands=2, low=0.5, high=3.0, singular=True,
    kernel=Pointwise(single_rounding(_difference_kernel), static=("order",)), params=({"order": 0}, {"order": 1}),
    jvp=(
        lambda t, z, x, h, *, order: mul(t, polygamma_difference(x, h, order + 1)),
        lambda t, z, x, h, *, order: mul(t, polygamma(add(x, h), order + 1)),
    ),
    doc="polygamma(x + h) - polygamma(x) where x is positive and h not negative, else NaN.",
)  # fmt: skip
