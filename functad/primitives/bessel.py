"""Spherical Bessel functions j_n, and modified Bessel functions I_n; the order is a param.

Derivatives are those of neighbouring orders, so they are right at 0 too, to any order:

    j_n' = (n j_(n-1) - (n + 1) j_(n+1)) / (2 n + 1),        I_n' = (I_(n-1) + I_(n+1)) / 2
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.ir.types import ArrayType
from functad.kernel_ir.rules import Pointwise
from functad.primitives.arithmetic import add, mul, neg, sub
from functad.primitives.elementwise import Op, elementwise, formula, single_rounding
from functad.primitives.rounding import sign

__all__ = ["chebyshev", "clenshaw", "modified_bessel", "spherical_bessel"]

# -- j_n: j_0 is sin y / y ---------------------------------------------------------------------------------------------

TERMS = 20


def _spherical(b: Any, y: Any, *, order: int) -> Any:
    """By the series where y is small, or else upwards from the first two orders."""
    zero = b.eq(y, 0)
    divisor = b.select(zero, b.add(b.mul(y, 0), 1), y)
    first = b.div(b.sin(divisor), divisor)
    if not order:
        return b.select(zero, b.add(b.mul(y, 0), 1), first)
    square = b.mul(b.mul(y, y), -0.5)
    series = b.add(b.mul(y, 0), 1)
    for k in range(TERMS, 0, -1):
        series = b.add(b.mul(series, b.mul(square, 1 / (k * (2 * order + 2 * k + 1)))), 1)
    power = y
    for _ in range(order - 1):
        power = b.mul(power, y)
    series = b.mul(b.mul(series, power), 1 / math.prod(range(1, 2 * order + 2, 2)))
    second = b.div(b.sub(first, b.cos(divisor)), divisor)
    before, value = first, second
    for n in range(1, order):
        before, value = value, b.sub(b.mul(b.div(value, divisor), 2 * n + 1), before)
    return b.select(b.lt(b.abs(y), order + 1.5), series, value)


def spherical_bessel(y: Any, order: int) -> Any:
    """j_n(y)."""
    return _spherical_op(y, order=order)


def _spherical_jvp(t: Any, out: Any, y: Any, *, order: int) -> Any:
    if not order:
        return neg(mul(t, spherical_bessel(y, 1)))
    lower, upper = spherical_bessel(y, order - 1), spherical_bessel(y, order + 1)
    return mul(t, sub(mul(lower, order / (2 * order + 1)), mul(upper, (order + 1) / (2 * order + 1))))


_spherical_op: Op = elementwise(
    "spherical_bessel", formula(_spherical), kinds="f", jvp=_spherical_jvp,
    kernel=Pointwise(single_rounding(_spherical), static=("order",)),
    params=({"order": 0}, {"order": 1}, {"order": 2}),
)  # fmt: skip


# -- I_n: e^x times Chebyshev series, of x up to 8 and of 1 / x from there --------------------------------------------


@functools.cache
def _coefficients(order: int) -> tuple[list[float], list[float]]:
    """Of ``e^-x I_n(x) / x^n`` in x / 4 - 1, and of ``sqrt(x) e^-x I_n(x)`` in 16 / x - 1."""
    from scipy.special import gamma, i0e, i1e, ive

    scaled = (i0e, i1e)[order] if order < 2 else lambda x: ive(order, x)  # the first two have more digits

    def near(t: Any) -> Any:
        x = (t + 1) * 4
        limit = np.exp(-x) / (2**order * gamma(order + 1))  # I_n(x) is x^n times this where x is small
        away = np.where(x < 1e-9, 1.0, x)
        return np.where(x < 1e-9, limit, scaled(away) / away**order)

    def far(t: Any) -> Any:
        x = 16 / (t + 1)
        return scaled(x) * np.sqrt(x)

    return chebyshev(near, 30), chebyshev(far, 25)


def chebyshev(f: Any, degree: int) -> list[float]:
    """The coefficients of a function, from its values between the points of a fine grid; summed without rounding."""
    n = 4 * degree
    angles = [(k + 0.5) * math.pi / n for k in range(n)]
    values = f(np.cos(angles))
    sums = [
        math.fsum(float(v) * math.cos(j * a) for v, a in zip(values, angles, strict=True)) for j in range(degree + 1)
    ]
    return [s * (2 if j else 1) / n for j, s in enumerate(sums)]


def clenshaw(b: Any, coefficients: list[float], t: Any) -> Any:
    twice, above, value = b.mul(t, 2), b.mul(t, 0), b.add(b.mul(t, 0), coefficients[-1])
    for c in reversed(coefficients[1:-1]):
        above, value = value, b.add(b.sub(b.mul(twice, value), above), c)
    return b.add(b.sub(b.mul(t, value), above), coefficients[0])


def _modified(b: Any, x: Any, *, order: int, scaled: bool) -> Any:
    near, far = _coefficients(order)
    size = b.abs(x)
    inside = b.le(size, 8)
    small, large = b.minimum(size, 8), b.maximum(size, 8)
    power = b.add(b.mul(small, 0), 1)
    for _ in range(order):
        power = b.mul(power, small)
    lower = b.mul(clenshaw(b, near, b.sub(b.mul(small, 0.25), 1)), power)
    upper = b.div(clenshaw(b, far, b.sub(b.div(16, large), 1)), b.sqrt(large))
    y = b.select(inside, lower, upper)
    y = y if scaled else b.mul(b.exp(size), y)
    return b.select(b.lt(x, 0), b.neg(y), y) if order % 2 else y


def modified_bessel(x: Any, order: int, scaled: bool = False) -> Any:
    """I_n(x), or exp(-abs(x)) I_n(x)."""
    return _modified_op(x, order=order, scaled=scaled)


def _modified_jvp(t: Any, out: Any, x: Any, *, order: int, scaled: bool) -> Any:
    slope = modified_bessel(x, 1, scaled)
    if order:
        slope = mul(add(modified_bessel(x, order - 1, scaled), modified_bessel(x, order + 1, scaled)), 0.5)
    return mul(t, sub(slope, mul(sign(x), out)) if scaled else slope)


def _overflows(types: Sequence[ArrayType], params: Mapping[str, Any]) -> bool:
    """Whether large operands give infinities."""
    return not params["scaled"]


_modified_op: Op = elementwise(
    "modified_bessel", formula(_modified), kinds="f", singular=_overflows, jvp=_modified_jvp,
    kernel=Pointwise(single_rounding(_modified), static=("order", "scaled")),
    params=tuple({"order": n, "scaled": s} for n in (0, 1) for s in (False, True)),
)  # fmt: skip
