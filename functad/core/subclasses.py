"""Arrays of subclasses: as plain arrays, unless they mean something else by ``*`` or ``x[i]``.

A subclass of ``ndarray`` that only adds attributes (``np.memmap`` is one) is an array like others. One that overrides
operators, indexing, or what NumPy's functions do, such as ``np.matrix``, a masked array or a quantity with a unit,
computes something else; traced values know nothing of that, and would compute element by element in silence.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.caches import cached_by_class
from functad.errors import StructureError

__all__ = ["has_units", "overridden", "plain_array", "refuse_foreign", "refuse_units"]

_BINARY = (
    "add",
    "sub",
    "mul",
    "matmul",
    "truediv",
    "floordiv",
    "mod",
    "divmod",
    "pow",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
)
_OPERATORS = (
    *[f"__{r}{name}__" for name in _BINARY for r in ("", "r")],
    *[f"__{name}__" for name in ("neg", "pos", "abs", "invert", "eq", "ne", "lt", "le", "gt", "ge")],
)
_PROTOCOLS = ("__array_ufunc__", "__array_function__")
_MEANING = (*_PROTOCOLS, *_OPERATORS, "__getitem__")
_SAME = (np.ndarray, np.generic, np.memmap, np.recarray)
"""Classes whose operators and indices are those of arrays."""


@cached_by_class
def overridden(cls: Any) -> str | None:
    """What a class overrides of that by which it would compute as a plain array does; None if nothing."""
    for base in cls.__mro__:
        if base in _SAME or base is object:
            continue
        for name in _MEANING:
            if name in base.__dict__:
                return name
    return None


def plain_array(x: Any, what: str) -> np.ndarray:
    """An array of a subclass as a plain one; ``what`` it is, for the error where it means something else."""
    cls: Any = type(x)
    name = overridden(cls)
    if name is not None:
        raise StructureError(f"{what} is {_described(x, name)}")
    return np.asarray(x)


@cached_by_class
def has_units(cls: Any) -> bool:
    """Whether objects of a class that is no ndarray are quantities: their numbers mean more than numbers."""
    return hasattr(cls, "units") or hasattr(cls, "unit")


def refuse_units(x: Any, what: str) -> None:
    """Refuse a quantity."""
    raise StructureError(
        f"{what} is a {_class_name(x)}, which has units that traced values know nothing of; take its numbers, in a "
        "unit of your choice"
    )


def refuse_foreign(x: Any, what: str) -> None:
    """Refuse what gives no array, but has NumPy's functions compute in its own way."""
    for name in _PROTOCOLS:
        if hasattr(type(x), name):
            raise StructureError(f"{what} is {_described(x, name)}")


def _class_name(x: Any) -> str:
    return f"{type(x).__module__}.{type(x).__qualname__}"


def _described(x: Any, name: str) -> str:
    if isinstance(x, np.ma.MaskedArray):
        return "a masked array; use x.filled(value) and, for its mask, np.where, or an argument of its own"
    if isinstance(x, np.matrix):
        return "an np.matrix, whose * is the product of matrices; use np.asarray(x), and @ for that product"
    return (
        f"a {_class_name(x)}, a kind of array with a {name} of its own, which traced values know "
        "nothing of; "
        "use np.asarray(x), and write out what that method does"
    )
