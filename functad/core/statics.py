"""What cannot be traced: strings, functions, enums, objects of the user's classes, and the like among arguments.

Such values are *static*: a function that takes them is traced for them. Told by the class of a value: numbers, arrays,
and what gives arrays are data.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import re
import uuid
from collections.abc import Iterable, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np

from functad.caches import cached_by_class
from functad.core.foreign import is_foreign, is_sparse
from functad.core.tracer import Tracer
from functad.core.wrapping import Wrapper

__all__ = ["is_constant", "is_object", "is_result", "merged", "static_leaves"]

_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, functools.partial, np.ufunc, type(np.sum), type, Wrapper)
_VALUES = (
    *(str, bytes, enum.Enum, frozenset, range, slice, type(...), type(NotImplemented), np.dtype),
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, decimal.Decimal, fractions.Fraction),
    *(pathlib.PurePath, re.Pattern, uuid.UUID),
)
_DATA = (
    *(np.ndarray, np.generic, int, float, complex, set, bytearray, memoryview, Tracer),
    *(np.random.Generator, np.random.RandomState),
)


@cached_by_class
def is_constant(cls: Any) -> bool:
    """Whether values of a class are static, and told apart by what they are.

    Examples
    --------
    >>> is_constant(str), is_constant(bool), is_constant(np.bool_), is_constant(int)
    (True, True, False, False)
    """
    return cls is bool or issubclass(cls, (*_VALUES, *_FUNCTIONS))


@cached_by_class
def is_result(cls: Any) -> bool:
    """Whether values of a class may be among the results of compiled code, as they are: what cannot hold anything
    traced.
    """
    return issubclass(cls, _VALUES) and not issubclass(cls, frozenset | slice)


@cached_by_class
def is_object(cls: Any) -> bool:
    """Whether values of a class are static, and told apart by their identity."""
    if is_sparse(cls):  # it has a shape, and is no array but holds some
        return True
    if is_constant(cls) or is_foreign(cls) or hasattr(cls, "shape") or hasattr(cls, "__next__"):
        return False
    return not issubclass(cls, _DATA)


def static_leaves(leaves: Iterable[Any]) -> dict[int, Any]:
    """The leaves of a container that are static, by their numbers.

    Examples
    --------
    >>> static_leaves([1.0, "mode", np.ones(2)])
    {1: 'mode'}
    """
    return {i: x for i, x in enumerate(leaves) if is_constant(type(x)) or is_object(type(x))}


def merged(static: dict[int, Any], rest: Sequence[Any]) -> list[Any]:
    """All leaves of a container: the static ones, and the others.

    Examples
    --------
    >>> merged({1: "mode"}, [1.0, 2.0])
    [1.0, 'mode', 2.0]
    """
    others = iter(rest)
    return [static[i] if i in static else next(others) for i in range(len(static) + len(rest))]
