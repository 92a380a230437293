"""Kernels whose points run one after the other, each on what the points before it left in memory.

A kernel that scatters runs in row-major order, and a load of the element that it scatters to sees what the points
before have put there. So any accumulation can be written as load, operation, ``set``; products of complex numbers and
linear recurrences are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.kernel_ir.builder import Complex
from functad.kernel_ir.nodes import Affine
from functad.kernel_ir.ops import ACCUMULATE, identity
from functad.kernel_ir.sizes import Extent

__all__ = ["accumulate", "combine", "copy", "over", "start"]


def combine(b: Any, op: str, x: Any, y: Any) -> Any:
    """``x op y``; op is sum, prod, max or min."""
    return getattr(b, ACCUMULATE[op])(x, y)


def accumulate(b: Any, buffer: Any, index: Any, op: str, value: Any) -> None:
    """``buffer[index] = op(buffer[index], value)`` in order; op is set, sum, prod, max or min."""
    if isinstance(value, Complex) and op not in ("set", "sum"):  # these mix real and imaginary parts
        value = combine(b, op, b.load(buffer, index), value)
        op = "set"
    b.scatter(buffer, index, op, value)


def start(ctx: Any, buffer: Any, shape: Sequence[Extent], op: str, dtype: np.dtype) -> None:
    """A kernel that sets all elements of a buffer to the neutral element of an accumulation."""
    if dtype.kind == "c" and op in ("max", "min"):  # complex numbers are ordered by real part, then by imaginary part
        bound = identity(op, np.dtype(np.float64))
        neutral = complex(bound, bound)
    else:
        neutral = identity(op, dtype)
    ctx.kernel(shape, lambda b, index: b.store(buffer, index, b.const(neutral, dtype)), "start")


def over(ctx: Any, shape: Sequence[Any], fn: Callable[[Any, Any], None], name: str) -> None:
    """A kernel over a shape without loops for axes of length 1: what updates one element is straight-line code."""
    loops = [axis for axis, n in enumerate(shape) if n != 1]
    at = {axis: number for number, axis in enumerate(loops)}

    def body(b: Any, index: Any) -> None:
        fn(b, tuple([index[at[axis]] if axis in at else Affine(0) for axis in range(len(shape))]))

    ctx.kernel([shape[axis] for axis in loops], body, name)


def copy(ctx: Any, shape: Sequence[Any]) -> None:
    """The first result starts as the first operand. Where nothing else reads that, they share memory: see
    ``kernel_ir.in_place``.
    """
    over(ctx, shape, lambda b, index: b.store(ctx.output(), index, ctx.read(0)(index)), "copy")
