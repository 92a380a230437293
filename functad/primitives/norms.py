"""Derivatives of the Euclidean norm r of x, and of its direction u = x / r, 0 with all derivatives at 0.

    dr = sum of u_j dx_j        du_i = (dx_i - u_i dr) / r

Where one element outweighs all others, as x = (1e9, 1), dx_m - u_m dr is a difference of nearly equal numbers. There, 1
- u_m^2 is the sum of the others' squares.
"""

from __future__ import annotations

from typing import Any

from functad.core.primitive import type_of
from functad.primitives.arithmetic import add, mul, reciprocal, square, sub
from functad.primitives.broadcasting import reduce_sum
from functad.primitives.comparison import eq, gt
from functad.primitives.complex import conj, real
from functad.primitives.convert import convert
from functad.primitives.functions_of import Axes, function_of, spread_over
from functad.primitives.selection import select

__all__ = ["direction_of", "norm_of", "times_over"]


def times_over(x: Any, factor: Any, axes: Axes) -> Any:
    """x times a real factor that lacks axes."""
    return mul(x, convert(spread_over(factor, x, axes), type_of(x).dtype))


def _norm_tangent(t: Any, xs: Any, r: Any, axes: Axes) -> Any:
    u = xs[1]
    return reduce_sum(real(mul(conj(u), t)) if type_of(u).dtype.kind == "c" else mul(u, t), axes)


norm_of = function_of("norm_of", (True, False), _norm_tangent)


def _direction_tangent(t: Any, xs: Any, u: Any, axes: Axes) -> Any:
    _, length, x = xs
    r = norm_of(length, u, x, axes=axes)
    zero = eq(r, 0)
    inverse = select(zero, 0, reciprocal(select(zero, 1, r)))
    if type_of(u).dtype.kind == "c":
        change = spread_over(_norm_tangent(t, (r, u), r, axes), x, axes)
        return times_over(sub(t, mul(u, convert(change, type_of(u).dtype))), inverse, axes)
    heavy = gt(square(u), 0.5)
    others = select(heavy, 0, u)
    change = reduce_sum(mul(others, t), axes)
    whole = add(change, reduce_sum(mul(select(heavy, u, 0), t), axes))
    rest = spread_over(reduce_sum(square(others), axes), x, axes)
    of_heavy = sub(mul(t, rest), mul(u, spread_over(change, x, axes)))
    return times_over(select(heavy, of_heavy, sub(t, mul(u, spread_over(whole, x, axes)))), inverse, axes)


direction_of = function_of("direction_of", (False, True), _direction_tangent)
