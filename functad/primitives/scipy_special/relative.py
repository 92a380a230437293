"""x^y - 1, (e^x - 1) / x and log(1 + x) / x, and their derivatives, which are right at 0 too. With them Box and Cox's
transformation is log(x) exprel(l log x) for every l.

    the n-th derivative of exprel is  M_n(x) = integral over s from 0 to 1 of s^n e^(x s),   x M_n = e^x - n M_(n-1)
    that of log(1 + x) / x is  g_n(x),   x g_n = (-1)^(n-1) (n - 1)! / (1 + x)^n - n g_(n-1)

Near 0, where these recurrences lose digits, by power series.
"""

from __future__ import annotations

import math
from typing import Any

from functad.primitives.arithmetic import mul
from functad.primitives.elementwise import Op
from functad.primitives.powers import power, power_dx, power_dy
from functad.primitives.scipy_special.library import in_double, library, polynomial

__all__ = ["exprel", "log1prel", "powm1"]

powm1 = library(
    "powm1",
    (
        power_dx,
        lambda t, z, x, y: power_dy(t, power(x, y), x, y),
    ),
    doc="x ** y - 1, right where x ** y is nearly 1.",
)


def _exprel(b: Any, x: Any, *, order: int) -> Any:
    near = b.lt(b.abs(x), 1.5 + order)
    u = b.select(near, x, 0.0)
    # of a negative argument e^x times the series of positive terms, by Kummer's transformation
    size, count = b.abs(u), 24 + 5 * order
    positive = polynomial(b, size, [1 / (math.factorial(k) * (k + order + 1)) for k in range(count)])
    kummer = [math.factorial(order) / math.factorial(order + 1 + k) for k in range(count)]
    series = b.select(b.lt(x, 0), b.mul(b.exp(u), polynomial(b, size, kummer)), positive)
    far = b.select(near, 2.0, x)
    growth, value = b.exp(far), b.div(b.expm1(far), far)
    for n in range(1, order + 1):
        value = b.div(b.sub(growth, b.mul(value, float(n))), far)
    value = b.select(b.eq(growth, math.inf), math.inf, value)  # not infinity less infinity
    return b.select(near, series, value)


_exprel_op: Op = in_double(
    "exprel", _exprel, lambda t, y, x, *, order: mul(t, _exprel_op(x, order=order + 1)), static=("order",), low=-2.0,
    params=({"order": 0}, {"order": 1}, {"order": 2}),
)  # fmt: skip


def exprel(x: Any) -> Any:
    """(exp(x) - 1) / x, and 1 at 0."""
    return _exprel_op(x, order=0)


def _log1prel(b: Any, x: Any, *, order: int) -> Any:
    near = b.lt(b.abs(x), 0.5)
    u = b.select(near, x, 0.0)
    sizes = [(-1) ** (k + order) * math.perm(k + order, order) / (k + order + 1) for k in range(52 + 6 * order)]
    series = polynomial(b, u, sizes)
    far = b.select(near, 1.0, x)
    inverse, value = b.div(1, b.add(far, 1)), b.div(b.log1p(far), far)
    power = inverse
    for n in range(1, order + 1):
        value = b.div(b.sub(b.mul(power, float(math.factorial(n - 1) * (-1) ** (n - 1))), b.mul(value, float(n))), far)
        power = b.mul(power, inverse)
    value = b.select(b.eq(x, math.inf), 0.0, value)
    return b.select(near, series, value)


_log1prel_op: Op = in_double(
    "log1prel", _log1prel, lambda t, y, x, *, order: mul(t, _log1prel_op(x, order=order + 1)), static=("order",),
    low=-0.8, params=({"order": 0}, {"order": 1}, {"order": 2}),
)  # fmt: skip


def log1prel(x: Any) -> Any:
    """log(1 + x) / x, and 1 at 0."""
    return _log1prel_op(x, order=0)
