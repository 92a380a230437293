"""Structural zeros: a tangent or cotangent that is zero is None and costs nothing."""

from __future__ import annotations

from typing import Any

from functad.core.primitive import REGISTRY, type_of
from functad.core.seq import Seq
from functad.core.tracer import Tracer
from functad.errors import InternalError
from functad.ir.types import ArrayType, SeqType

__all__ = ["add", "instantiate", "zeros", "zeros_like"]


def zeros(type: ArrayType) -> Any:
    """Zeros of a type, as an equation (or a NumPy array where nothing is traced)."""
    if isinstance(type, SeqType):
        raise InternalError(f"zeros of a {type} need its length: zeros_like takes it from another")
    zero = type.dtype.type(0)
    return REGISTRY["broadcast"].bind(zero, shape=type.shape, axes=()) if type.ndim else zero


def zeros_like(x: Any) -> Any:
    """Zeros of the type of a value, and of its length if it is a sequence."""
    type = type_of(x)
    return REGISTRY["seq_zeros"].bind(x) if isinstance(type, SeqType) else zeros(type)


def instantiate(value: Any, type: ArrayType) -> Any:
    """The tangent or cotangent itself, or zeros where it is structurally zero."""
    return zeros(type) if value is None else value


def add(x: Any, y: Any) -> Any:
    """The sum of two tangents or cotangents, each possibly None."""
    if x is None:
        return y
    if y is None:
        return x
    sequences = type(x) is Seq or (type(x) is Tracer and isinstance(x._variable.type, SeqType))
    return REGISTRY["seq_add" if sequences else "add"].bind(x, y)
