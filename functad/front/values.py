"""The values of variables where control flow meets: what a variable is after one of two branches, or from one step of a
loop to the next.

Numbers and arrays, also in containers, become results of an equation; anything else must be the same on both ways.
What is not has no value: an ``Undecided``, which says so when it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.capture import as_leaf
from functad.core.handles import settled, snapshot
from functad.core.tracer import ARRAY, PYTHON, SCALAR, Tracer, Varying
from functad.errors import StructureError
from functad.identity import same
from functad.ir.types import ArrayType, array_type
from functad.numpy.operands import cast
from functad.tree.containers import flatten

__all__ = [
    "UNBOUND", "Undecided", "blank", "decided", "is_number", "joined_type", "kind_of", "returned", "type_of_leaf",
    "typed", "undecided", "where_unset", "without",
]  # fmt: skip

UNBOUND: Any = type("Unbound", (), {"__repr__": lambda self: "UNBOUND"})()
"""Stands for a variable that has not been assigned to."""

_NUMBERS = (int, float, complex, np.ndarray, np.generic)


class Undecided:
    """What a variable is that control flow leaves without a value; using it raises, with the reason.

    Where none of some ``flags`` is set, which say that a jump has led past what assigns to the variable, it is
    ``value``.
    """

    __slots__ = ("_flags", "_reason", "_value")
    _reason: str

    def __init__(self, reason: str, flags: frozenset[str] = frozenset(), value: Any = None) -> None:
        for name, x in (("_reason", reason), ("_flags", flags), ("_value", value)):
            object.__setattr__(self, name, x)

    def __repr__(self) -> str:
        return f"<no value: {self._reason}>"


def _raises(self: Undecided, *args: Any, **kwargs: Any) -> Any:
    raise StructureError(object.__getattribute__(self, "_reason"))


for _name in (
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "rpow", "mod", "rmod", "matmul"),
    *("rmatmul", "floordiv", "rfloordiv", "neg", "pos", "abs", "bool", "float", "int", "index", "len", "iter", "call"),
    *("getitem", "setitem", "getattr", "setattr", "contains", "eq", "ne", "lt", "le", "gt", "ge", "hash", "array"),
    *("iadd", "isub", "imul", "itruediv", "and", "rand", "or", "ror", "xor", "rxor", "invert", "format", "enter"),
):
    setattr(Undecided, f"__{_name}__", _raises)


def where_unset(x: Any) -> tuple[frozenset[str], Any]:
    """The flags where none of which is set a variable has a value, and that; UNBOUND if there is none."""
    if type(x) is not Undecided:
        return frozenset(), x
    flags = object.__getattribute__(x, "_flags")
    return flags, object.__getattribute__(x, "_value") if flags else UNBOUND


def without(x: Any, flag: str) -> Any:
    """What a variable is where a flag is not set."""
    flags, value = where_unset(x)
    if flag not in flags:
        return x
    return undecided(x, flags - {flag}, value) if len(flags) > 1 else value


def undecided(x: Undecided, flags: frozenset[str] = frozenset(), value: Any = None) -> Undecided:
    """A variable that has no value for the same reason as another."""
    return Undecided(object.__getattribute__(x, "_reason"), flags, value)


def decided(x: Any) -> Any:
    """A variable's value where it is used; raises where it has none."""
    if type(x) is Undecided:
        _raises(x)
    return x


def returned(x: Any) -> Any:
    """What a function returns that may have returned before, where it does."""
    for leaf in leaves_of(decided(x))[0]:
        if type(leaf) is Tracer:
            settled(leaf)
    return x


def is_number(x: Any) -> bool:
    """Whether a value is a number or an array of numbers, traced or not."""
    if type(x) is Tracer:
        return True
    return isinstance(x, _NUMBERS) and np.asarray(x).dtype.kind in "fciub"


def kind_of(x: Any) -> int:
    """What a value is in plain NumPy: a Python number, a NumPy scalar, an array."""
    if type(x) is Tracer:
        return x._kind
    return ARRAY if isinstance(x, np.ndarray) else SCALAR if isinstance(x, np.generic) else PYTHON


def type_of_leaf(x: Any) -> ArrayType:
    """The type of a number or an array."""
    return as_leaf(x, lambda: "a variable").type


def joined_type(a: ArrayType, b: ArrayType) -> ArrayType | None:
    """The type that values of both can have: of one shape, numbers in the wider dtype; None if there is none."""
    if a.shape != b.shape or (a.dtype.kind == "b") != (b.dtype.kind == "b"):
        return None
    return a if a is b else array_type(a.shape, np.result_type(a.dtype, b.dtype))


def typed(x: Any, type: ArrayType) -> Any:
    """A value in a dtype of its joined type."""
    value = as_leaf(x, lambda: "a variable").value
    return cast(value, type.dtype)


def same_value(x: Any, y: Any) -> bool:
    """Whether two values that are no traced ones are one and the same."""
    if x is y:
        return True
    if type(x) is Tracer or type(y) is Tracer or isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return False
    try:
        return bool(same(x, y))
    except Exception:
        return False


def leaves_of(x: Any) -> tuple[list[Any], Any]:
    """The parts of a variable's value: of a container its leaves."""
    return flatten(x) if not is_number(x) else ([x], None)


def rebuilt(structure: Any, leaves: Sequence[Any]) -> Any:
    """A value of new parts."""
    return leaves[0] if structure is None else structure.unflatten(leaves)


def blank(x: Any) -> Any:
    """A value of the same structure and types, of zeros: stands for one that nobody reads."""
    leaves, structure = leaves_of(x)
    return rebuilt(structure, [_zero(v) if is_number(v) else v for v in leaves])


def _zero(x: Any) -> Any:
    type, kind = type_of_leaf(x), kind_of(x)
    zeros = np.zeros(type.shape, type.dtype)
    return zeros if kind == ARRAY else zeros.item() if kind == PYTHON else zeros[()]


def described(x: Any) -> str:
    """How messages name a value."""
    if is_number(x):
        return str(type_of_leaf(x))
    if isinstance(x, Varying):
        return "a slice with traced bounds, or what a mask took"
    return "not assigned" if x is UNBOUND else repr(x) if isinstance(x, str | int | None) else f"a {type(x).__name__}"


def frozen_value(x: Any) -> Any:
    """A variable's value as it is now, whatever is written to it later."""
    if type(x) is Tracer:
        return snapshot(x)
    if isinstance(x, tuple | list | dict):
        leaves, structure = flatten(x)
        return structure.unflatten([snapshot(v) if type(v) is Tracer else v for v in leaves])
    return x
