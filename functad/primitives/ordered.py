"""Kernels whose points run one after the other, each on what the points before it left in memory.

A kernel that scatters runs in row-major order, and a load of the element that it scatters to sees what the points before have put there.
So any accumulation can be written as load, operation, ``set``; products of complex numbers and linear recurrences are.
"""

from __future__ import annotations

from typing import Any

from functad.kernel_ir.builder import Complex

__all__ = ["accumulate", "fill"]

_OPERATION = {"prod": "mul", "max": "maximum", "min": "minimum"}


def accumulate(b: Any, buffer: Any, index: Any, op: str, value: Any) -> None:
    """``buffer[index] = op(buffer[index], value)`` in order; op is set, sum, prod, max or min."""
    if isinstance(value, Complex) and op in _OPERATION:  # these mix real and imaginary parts
        value = getattr(b, _OPERATION[op])(b.load(buffer, index), value)
        op = "set"
    b.scatter(buffer, index, op, value)


def fill(ctx: Any, buffer: Any, shape: Any, value: complex, dtype: Any) -> None:
    """A kernel that sets all elements of a buffer to one value."""
    ctx.kernel(shape, lambda b, index: b.store(buffer, index, b.const(value, dtype)), "fill")
