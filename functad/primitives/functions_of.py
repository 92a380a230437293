"""Functions that are differentiated as a whole, though they are computed step by step.

A function of this kind is a value, computed by other primitives from constants, together with the operand that it is a
function of: as a primitive it is the first operand, and its derivative is that of the function in the last. Once
differentiated, it is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Pull
from functad.primitives.axes import kept_axes
from functad.primitives.broadcasting import broadcast

__all__ = ["Axes", "function_of", "spread_over"]

Axes = tuple[int, ...]


def spread_over(y: Any, like: Any, axes: Axes) -> Any:
    """The result of a reduction over axes, for each element that it is of."""
    shape = type_of(like).shape
    return broadcast(y, shape, kept_axes(len(shape), axes))


def function_of(name: str, reduced: tuple[bool, ...], tangent: Callable[..., Any]) -> Callable[..., Any]:
    """Declare a function that reduces axes, or keeps the shape of its operand.

    Its operands are its value, what its derivative needs beside that, and the operand; ``reduced`` says which of all
    but the last lack the axes. The derivative is ``tangent(t, operands, value, axes)``.
    """

    def type_rule(*types: ArrayType, axes: Axes) -> ArrayType:
        return types[0]

    def batch(size: int, batched: Sequence[bool], *xs: Any, axes: Axes) -> tuple[Any, bool]:
        full = [
            x if flag else broadcast(x, (size, *type_of(x).shape), range(1, 1 + type_of(x).ndim))
            for x, flag in zip(xs, batched, strict=True)
        ]
        return primitive.bind(*full, axes=tuple([a + 1 for a in axes])), True

    def samples() -> list[Sample]:
        x = array_type((2, 3), np.float64)
        return [Sample((*[x.with_shape((2,)) if flag else x for flag in reduced], x), {"axes": (1,)}, 0.1, 0.8)]

    primitive = Primitive(
        name,
        type_rule=type_rule,
        evaluate=lambda *xs, axes: np.array(xs[0])[()],
        jvp=lambda ts, xs, out, *, axes: None if ts[-1] is None else tangent(ts[-1], xs, out, axes),
        batch=batch,
        kernel=Pull(lambda b, index, reads, in_types, out_type, *, axes: reads[0](index)),
        samples=samples,
    )
    return lambda *xs, axes: primitive.bind(*xs, axes=tuple(axes))
