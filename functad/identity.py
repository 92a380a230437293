"""Identity keys: hashable values that are equal exactly where Python values have the same types and values, all the way
down.

Python's ``==`` takes 1, 1.0 and True for one value, and 0.0 for -0.0, though a function may do different things with
them; and NaN is not even itself. Where a cache decides by a value, it decides by its key.
"""

from __future__ import annotations

import dataclasses
import decimal
import enum
import functools
import weakref
from collections.abc import Callable, Hashable, Mapping
from types import MethodType
from typing import Any

import numpy as np

__all__ = ["Immutable", "Weakly", "identity_key", "same"]

_OWN = frozenset({int, str, bytes, type(None), type(...), type(NotImplemented)})
"""Types whose values are keys themselves: none is equal to a value of another of them, nor to any other key, which is a
tuple.
"""


def identity_key(value: Any) -> Hashable:
    """The key of a value; raises TypeError where the value, or a part of it, cannot be hashed.

    Examples
    --------
    >>> identity_key(1) == identity_key(True), identity_key((2,)) == identity_key((2.0,))
    (False, False)
    >>> identity_key(0.0) == identity_key(-0.0)
    False
    >>> identity_key(float("nan")) == identity_key(float("nan"))
    True
    """
    cls: Any = type(value)
    if cls in _OWN:
        return value  # type: ignore[no-any-return]
    if cls is float:
        return cls, value.hex() if value == value else np.float64(value).tobytes()
    if cls is complex:
        return cls, identity_key(value.real), identity_key(value.imag)
    if cls is bool or isinstance(value, type):
        return bool if cls is bool else type, value
    if isinstance(value, tuple):
        return cls, *[identity_key(v) for v in value]
    if isinstance(value, frozenset):
        return cls, frozenset([identity_key(v) for v in value])
    if isinstance(value, np.generic):
        return cls, value.dtype.str, value.tobytes()
    if cls is range or cls is slice:
        return cls, *[identity_key(v) for v in (value.start, value.stop, value.step)]
    if cls is functools.partial:
        words = sorted(value.keywords.items())
        return cls, identity_key(value.func), identity_key(value.args), *[(k, identity_key(v)) for k, v in words]
    if cls is MethodType:
        return MethodType, value  # equal for one function and one object
    if cls is decimal.Decimal:
        return cls, value.as_tuple()
    hash(value)  # what says itself that it cannot be hashed is not hashed by its parts
    if dataclasses.is_dataclass(value) and compares_fields(cls):
        return cls, *[identity_key(getattr(value, f.name)) for f in dataclasses.fields(value) if f.compare]
    if isinstance(value, Mapping):
        return cls, frozenset([(identity_key(k), identity_key(v)) for k, v in value.items()])
    return cls, value


def compares_fields(cls: Any) -> bool:
    """Whether a dataclass has the ``__eq__`` that ``dataclass`` writes, which compares the fields."""
    code = getattr(cls.__eq__, "__code__", None)
    return code is not None and code.co_filename == "<string>"


class Weakly:
    """The key of an object that is the same only as itself, and may be gone: it is equal to no other then.

    Examples
    --------
    >>> class Model: pass
    >>> model = Model()
    >>> Weakly(model) == Weakly(model), Weakly(model) == Weakly(Model()), Weakly(model).value is model
    (True, False, True)
    """

    __slots__ = ("_class", "_hash", "_reference")

    def __init__(self, value: Any) -> None:
        self._class = type(value)  # which may be assigned to
        self._hash = id(value)
        try:
            self._reference: Callable[[], Any] = weakref.ref(value)
        except TypeError:  # its class has slots, and none for that
            self._reference = lambda: value

    @property
    def value(self) -> Any:
        """The object; None if it is gone."""
        return self._reference()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Weakly):
            return NotImplemented
        same_class = self._class is other._class
        return self is other or (same_class and self.value is not None and self.value is other.value)

    def __hash__(self) -> int:
        return self._hash


class Immutable:
    """What nobody changes is its own copy."""

    __slots__ = ()

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self


_CONSTANTS = (int, float, complex, bool, str, bytes, frozenset, range, np.generic)


def same(a: Any, b: Any) -> bool:
    """Whether a program that reads ``b`` does what it did with ``a``: they are one object, or constants of one key, or
    tuples of such.

    Examples
    --------
    >>> same((1, "a"), (1, "a")), same((1,), (1.0,)), same([1], [1])
    (True, False, False)
    """
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all([same(x, y) for x, y in zip(a, b, strict=True)])
    return isinstance(a, _CONSTANTS) and not isinstance(a, enum.Enum) and identity_key(a) == identity_key(b)
