"""Special functions: the error function, and the gamma function's logarithm with its derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from functad.kernel_ir.ops import OPS, in_single
from functad.kernel_ir.rules import Pointwise
from functad.primitives.arithmetic import mul, neg
from functad.primitives.comparison import eq
from functad.primitives.elementwise import Op, elementwise, single_rounding
from functad.primitives.powers import by_squaring
from functad.primitives.selection import select

__all__ = ["BERNOULLI", "digamma", "erf", "erfc", "gaussian", "hurwitz", "lgamma", "polygamma"]

# -- error function ----------------------------------------------------------------------------------------------------


# y = e^(-x^2), dy = -2 x y dx; where y is 0, x may be too large to be squared in a higher derivative
gaussian: Op = elementwise(
    "gaussian", in_single(lambda x: np.exp(-np.square(x))), kinds="f", kernel=lambda b, x: b.exp(b.neg(b.mul(x, x))),
    jvp=lambda t, y, x: mul(t, mul(mul(y, select(eq(y, 0), 0, x)), -2)),
    doc="exp(-x**2).",
)  # fmt: skip


def _bell(x: Any) -> Any:
    return mul(gaussian(x), 2 / math.sqrt(math.pi))


# d erf x = 2/sqrt(pi) e^(-x^2) dx
erf = elementwise(
    "erf", OPS["erf"].function, kinds="f", jvp=lambda t, y, x: mul(t, _bell(x)), doc="The error function."
)

erfc = elementwise(
    "erfc", OPS["erfc"].function, kinds="f",
    jvp=lambda t, y, x: neg(mul(t, _bell(x))),
    doc="1 - erf(x), precise where it is small.",
)  # fmt: skip

# -- gamma function ----------------------------------------------------------------------------------------------------

lgamma = elementwise(
    "lgamma", OPS["lgamma"].function, kinds="f", low=0.5, singular=True,
    jvp=lambda t, y, x: mul(t, digamma(x)),
    doc="log |gamma(x)|.",
)  # fmt: skip

digamma: Op = elementwise(
    "digamma", OPS["digamma"].function, kinds="f", low=0.5, singular=True,
    jvp=lambda t, y, x: mul(t, polygamma(x, 1)),
    doc="The derivative of log gamma(x).",
)  # fmt: skip


def polygamma(x: Any, order: int) -> Any:
    """The derivative of digamma of a given order; order 0 is digamma itself."""
    return _polygamma(x, order=order) if order else digamma(x)


# psi_n(x) = (-1)^(n+1) n! zeta(n + 1, x), with Hurwitz's zeta(s, x) = sum over k >= 0 of 1 / (x + k)^s


def _factor(order: int) -> float:
    return float(math.factorial(order) if order % 2 else -math.factorial(order))


@in_single
def _polygamma_evaluate(x: Any, *, order: int) -> Any:
    from scipy.special import zeta

    return zeta(x.dtype.type(order + 1), x) * x.dtype.type(_factor(order))


BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
"""B_2, B_4, ..., B_20."""


def hurwitz(b: Any, s: int, x: Any) -> Any:
    """zeta(s, x) for x > 0, by Euler and Maclaurin: with w = x + N,

        sum over k < N of (x + k)^-s  +  w^(1-s) (1 / (s - 1) + 1 / 2w + sum over j of B_2j / (2j)! s (s + 1) ... (s +
        2j - 2) / w^2j)

    All terms of the first sum are positive. N = 8 + s makes the last of ten terms of the second less than 1e-18 of all
    for s up to 10.
    """
    total = None
    for k in range(8 + s):
        term = b.div(1, by_squaring(b.mul, b.add(x, k), s))
        total = term if total is None else b.add(total, term)
    w = b.add(x, 8 + s)
    inverse = b.div(1, w)
    square_ = b.mul(inverse, inverse)
    series = b.const(0, x.dtype)
    for j in range(len(BERNOULLI), 0, -1):
        rising = math.prod(range(s, s + 2 * j - 1))
        series = b.mul(b.add(series, BERNOULLI[j - 1] / math.factorial(2 * j) * rising), square_)
    tail = b.add(b.add(series, b.mul(inverse, 0.5)), 1 / (s - 1))
    return b.add(total, b.mul(by_squaring(b.mul, inverse, s - 1), tail))


def _cotangent_derivative(order: int) -> list[int]:
    """Coefficients, lowest first, of the polynomial P_n with d^n/du^n cot u = P_n(cot u): P_0(c) = c, P_n+1 = -(1 +
    c^2) P_n'.
    """
    p = [0, 1]
    for _ in range(order):
        slope = [i * c for i, c in enumerate(p)][1:]
        p = [-(a + b) for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return p


def _polygamma_kernel(b: Any, x: Any, *, order: int) -> Any:
    """For x <= 0 by reflection: psi_n(x) = (-1)^n psi_n(1 - x) - pi^(n+1) P_n(cot pi x)."""
    left = b.le(x, 0)
    value = b.mul(hurwitz(b, order + 1, b.select(left, b.sub(1, x), x)), _factor(order))
    r = b.sub(x, b.rint(x))
    cosine = b.sin(b.mul(b.sub(0.5, b.abs(r)), math.pi))  # of pi r, and exactly 0 at half-integers
    cot = b.div(cosine, b.sin(b.mul(r, math.pi)))
    *lower, top = _cotangent_derivative(order)
    derivative = b.const(top, x.dtype)
    for coefficient in reversed(lower):
        derivative = b.add(b.mul(derivative, cot), coefficient)
    reflected = b.sub(b.mul(value, (-1) ** order), b.mul(derivative, math.pi ** (order + 1)))
    reflected = b.select(b.isinf(x), math.copysign(math.inf, _factor(order)), reflected)  # as at the poles
    return b.select(left, reflected, value)


_polygamma = elementwise(
    "polygamma", _polygamma_evaluate, kinds="f", low=0.5, high=3, singular=True,
    jvp=lambda t, y, x, *, order: mul(t, polygamma(x, order + 1)),
    kernel=Pointwise(single_rounding(_polygamma_kernel), static=("order",)),
    params=({"order": 1}, {"order": 2}),
)  # fmt: skip
