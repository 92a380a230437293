"""``out=``: results written into arrays that the caller gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functad.api.arguments import leaf_name
from functad.core.location import user_location
from functad.core.trace import type_name
from functad.core.tracer import Tracer
from functad.errors import DtypeError, FunctadError, ShapeError, StructureError
from functad.identity import identity_key
from functad.ir.types import ArrayType
from functad.tree.containers import TreeDef, flatten

__all__ = ["check_out", "has_out", "refuse_out"]


def has_out(f: Callable[..., Any]) -> bool:
    """Whether a function has a parameter ``out`` of its own."""
    try:
        return "out" in inspect.signature(f).parameters
    except (TypeError, ValueError):
        return False


def refuse_out(name: str) -> None:
    """The error where a Program is made of the call: it has no buffers."""
    raise StructureError(
        f"out= of {name} is given at {user_location()} where the call is traced; traced values are not written to "
        f"arrays: write y = {name}(...), and out= where the traced function itself is called"
    )


def check_out(
    out: Any,
    structure: TreeDef,
    static: Mapping[int, Any],
    types: Sequence[ArrayType],
    arguments: Sequence[Any],
    name: str,
) -> list[np.ndarray[Any, Any]]:
    """The arrays of ``out``, if the results of these types can be written to them; static results are in it already."""
    what = f"out= of {name}"
    arrays, given = flatten(out)
    if given != structure:
        raise _error(
            StructureError,
            f"{what} is a container of structure {given}",
            f"one of structure {structure}, as the result",
        )
    for number, value in static.items():
        if identity_key(arrays[number]) != identity_key(value):
            where = leaf_name(what, structure, number)
            raise _error(StructureError, f"{where} is {arrays[number]!r}", f"{value!r}, as in the result")
    arrays = [x for i, x in enumerate(arrays) if i not in static]
    for number, (array, type) in enumerate(zip(arrays, types, strict=True)):
        _check_array(array, type, leaf_name(what, structure, number))
    for number, array in enumerate(arrays):
        where = leaf_name(what, structure, number)
        for other in range(number):
            if _overlap(array, arrays[other]):
                raise _error(
                    StructureError, f"{where} shares memory with {leaf_name(what, structure, other)}", "separate arrays"
                )
        if any(_overlap(array, x) for x in arguments if isinstance(x, np.ndarray)):
            raise _error(
                StructureError,
                f"{where} shares memory with an argument, or with an array that {name} closes over",
                "an array of its own: write x[...] = f(x)",
            )
    return arrays


def _check_array(array: Any, type: ArrayType, where: str) -> None:
    wanted = f"np.empty({type.shape}, {str(type.dtype)!r})"
    if isinstance(array, Tracer) or array.__class__ is not np.ndarray:
        raise _error(StructureError, f"{where} is a {type_name(array)}", f"an array, such as {wanted}")
    if array.shape != type.shape:
        raise _error(ShapeError, f"{where} has shape {array.shape}", f"that of the result, {wanted}")
    if array.dtype != type.dtype:
        raise _error(DtypeError, f"{where} has dtype {array.dtype}", f"that of the result, {wanted}")
    if not array.flags.writeable:
        raise _error(StructureError, f"{where} is read-only", f"an array that can be written to, such as {wanted}")
    if not _separate(array):
        raise _error(StructureError, f"{where} has elements that share memory", f"separate ones, such as {wanted}")


def _separate(array: np.ndarray[Any, Any]) -> bool:
    """Whether all elements are apart: a step along each axis goes beyond what the axes of shorter steps span. That is
    so of every array but what ``as_strided`` makes, or ``broadcast_to``.
    """
    span = array.itemsize
    for stride, size in sorted([(abs(s), n) for n, s in zip(array.shape, array.strides, strict=True) if n > 1]):
        if stride < span:
            return not array.size
        span += stride * (size - 1)
    return True


def _error(kind: type[FunctadError], found: str, expected: str) -> FunctadError:
    return kind(f"{found}, at {user_location()}; expected {expected}")


def _overlap(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """Whether two arrays share an element; where that is hard to say, whether they could."""
    if not np.may_share_memory(a, b):
        return False
    try:
        return np.shares_memory(a, b, max_work=10_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True
