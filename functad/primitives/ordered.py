"""Kernels whose points run one after the other, each on what the points before it left in memory.

A kernel that scatters runs in row-major order, and a load of the element that it scatters to sees what the points before have put there.
So any accumulation can be written as load, operation, ``set``; products of complex numbers and linear recurrences are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.kernel_ir.builder import Complex
from functad.kernel_ir.ops import ACCUMULATE, identity
from functad.kernel_ir.sizes import Extent

__all__ = ["accumulate", "combine", "start"]


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
