"""Student's distribution function F(df, t) and its inverse.

With the density f, w = t^2 / (df + t^2) and y = 1 - w, for positive t

    F = 1/2 + I_w(1/2, df/2) / 2 = 1 - I_y(df/2, 1/2) / 2

As df grows, w moves as it does where t shrinks by t / (2 df), which gives f(t) t / (2 df) of the derivative in df; the
rest is the incomplete beta function's, in a parameter: of the form whose argument is the smaller one. F is odd about 0
but for 1/2, so its derivative in df is odd.
"""

from __future__ import annotations

from typing import Any

from functad.primitives.arithmetic import add, div, mul, neg, sub
from functad.primitives.beta import betaln
from functad.primitives.comparison import lt
from functad.primitives.elementwise import Op
from functad.primitives.exponential import exp, log, log1p
from functad.primitives.scipy_special.incomplete_beta import slope_op
from functad.primitives.scipy_special.library import library
from functad.primitives.selection import select

__all__ = ["stdtr", "stdtrit"]


def _density(df: Any, t: Any) -> Any:
    half = mul(df, 0.5)
    power = mul(add(half, 0.5), log1p(div(mul(t, t), df)))
    return exp(neg(add(add(power, mul(log(df), 0.5)), betaln(half, 0.5))))


def _in_df(df: Any, t: Any) -> Any:
    square, half = mul(t, t), mul(df, 0.5)
    centre = lt(square, df)
    argument = div(select(centre, square, df), add(df, square))
    a, b = select(centre, 0.5, half), select(centre, half, 0.5)
    inner, outer = slope_op(a, b, argument, i=0, j=1), slope_op(a, b, argument, i=1, j=0)
    size = mul(select(centre, inner, neg(outer)), 0.25)
    moved = select(lt(t, 0), neg(size), size)
    return sub(moved, div(mul(_density(df, t), t), mul(df, 2)))


stdtr: Op = library(
    "stdtr", (lambda d, y, df, t: mul(d, _in_df(df, t)), lambda d, y, df, t: mul(d, _density(df, t))),
    doc="Student's distribution function.",
)  # fmt: skip

stdtrit: Op = library(
    "stdtrit",
    (
        lambda d, t, df, p: neg(mul(d, div(_in_df(df, t), _density(df, t)))),
        lambda d, t, df, p: div(d, _density(df, t)),
    ),
    low=0.2, high=0.8, doc="The inverse of ``stdtr``.",
)  # fmt: skip
