"""Structural zeros: a tangent or cotangent that is zero is None and costs nothing.

Zeros and sums are equations of primitives, which are declared above: what they are for a kind of type is a ``Space``,
stated beside these primitives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from functad.core.primitive import type_of
from functad.core.seq import Seq
from functad.core.tracer import Tracer
from functad.errors import InternalError
from functad.ir.types import ArrayType, SeqType

__all__ = ["SPACES", "Space", "add", "instantiate", "repeated", "zeros", "zeros_like"]


@dataclass(frozen=True)
class Space:
    """What transforms do by themselves with values of one kind of type.

    Parameters
    ----------
    add
        ``add(x, y)``: the sum of two values of one type.
    zeros_like
        ``zeros_like(x)``: zeros of the type of a value, and of its length if that is not in the type.
    zeros
        ``zeros(type)``: zeros of a type, where that is enough to make them.
    repeated
        ``repeated(x, size)``: the same value for each element of a mapped axis.
    """

    add: Callable[[Any, Any], Any]
    zeros_like: Callable[[Any], Any]
    zeros: Callable[[ArrayType], Any] | None = None
    repeated: Callable[[Any, int], Any] | None = None


SPACES: dict[type[ArrayType], Space] = {}
"""By the class of the types."""


def zeros(type: ArrayType) -> Any:
    """Zeros of a type, as an equation (or a NumPy array where nothing is traced)."""
    made = SPACES[type.__class__].zeros
    if made is None:
        raise InternalError(f"zeros of a {type} need its length: zeros_like takes it from another")
    return made(type)


def zeros_like(x: Any) -> Any:
    """Zeros of the type of a value, and of its length if it is a sequence."""
    return SPACES[type_of(x).__class__].zeros_like(x)


def instantiate(value: Any, type: ArrayType) -> Any:
    """The tangent or cotangent itself, or zeros where it is structurally zero."""
    return zeros(type) if value is None else value


def add(x: Any, y: Any) -> Any:
    """The sum of two tangents or cotangents, each possibly None."""
    if x is None:
        return y
    if y is None:
        return x
    cls = type(x)
    return SPACES[x._variable.type.__class__ if cls is Tracer else SeqType if cls is Seq else ArrayType].add(x, y)


def repeated(x: Any, size: int) -> Any:
    """The same value for each element of a mapped axis."""
    made = SPACES[type_of(x).__class__].repeated
    if made is None:
        raise InternalError(f"a {type_of(x)} is repeated as a sequence of lanes, or of mapped elements")
    return made(x, size)
