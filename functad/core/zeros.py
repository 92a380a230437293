"""Structural zeros: a tangent or cotangent that is zero is None and costs nothing."""

from __future__ import annotations

from typing import Any

from functad.core.primitive import REGISTRY, type_of
from functad.ir.types import ArrayType, SeqType

__all__ = ["add", "instantiate", "zeros"]


def zeros(type: ArrayType) -> Any:
    """Zeros of a type, as an equation (or a NumPy array where nothing is traced)."""
    zero = type.dtype.type(0)
    return REGISTRY["broadcast"].bind(zero, shape=type.shape, axes=()) if type.ndim else zero


def instantiate(value: Any, type: ArrayType) -> Any:
    """The tangent or cotangent itself, or zeros where it is structurally zero."""
    return zeros(type) if value is None else value


def add(x: Any, y: Any) -> Any:
    """The sum of two tangents or cotangents, each possibly None."""
    if x is None:
        return y
    if y is None:
        return x
    return REGISTRY["seq_add" if isinstance(type_of(x), SeqType) else "add"].bind(x, y)
