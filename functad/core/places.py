"""Places that a function reads a value from beside its arguments: closure cells, globals, and the code of functions; and what they held."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from types import CellType, FunctionType
from typing import Any

import numpy as np

__all__ = ["MISSING", "Cell", "Code", "Global", "Place", "State", "same"]

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING"})()
"""What an empty cell holds, or a name that is not defined."""


class Cell:
    """A variable of an enclosing function; ``reader`` is a function that reads it, for messages."""

    __slots__ = ("cell", "name", "reader")

    def __init__(self, cell: CellType, name: str, reader: str) -> None:
        self.cell = cell
        self.name = name
        self.reader = reader

    @property
    def key(self) -> Hashable:
        """What is the same for all that read this variable."""
        return id(self.cell)

    def read(self) -> Any:
        """What it holds now."""
        try:
            return self.cell.cell_contents
        except ValueError:
            return MISSING

    def __str__(self) -> str:
        return f"the closed-over variable {self.name!r}"


class Global:
    """A name in a module."""

    __slots__ = ("name", "names", "reader")

    def __init__(self, names: dict[str, Any], name: str, reader: str) -> None:
        self.names = names
        self.name = name
        self.reader = reader

    @property
    def key(self) -> Hashable:
        """What is the same for all that read this name."""
        return id(self.names), self.name

    def read(self) -> Any:
        """What it holds now."""
        return self.names.get(self.name, MISSING)

    def __str__(self) -> str:
        return f"the global {self.names.get('__name__', '?')}.{self.name}"


class Code:
    """The code of a function, which tools that reload modules replace in place."""

    __slots__ = ("function", "name", "reader")

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.name = self.reader = function.__qualname__

    @property
    def key(self) -> Hashable:
        """What stands for this function's code."""
        return id(self.function), "code"

    def read(self) -> Any:
        """What it is now."""
        return self.function.__code__

    def __str__(self) -> str:
        return f"the code of {self.name}"


Place = Cell | Global | Code


class State:
    """Places, and what each of them held when a function was traced."""

    __slots__ = ("_lock", "follow", "held", "keys", "places")

    def __init__(self, places: Mapping[Hashable, Place], held: Sequence[Any]) -> None:
        self.keys = tuple(places)
        self.places = tuple(places.values())
        self.held = list(held)
        self.follow: Callable[[int, Any], None] | None = None  # told, by number, of an object that has taken the place of an equal one
        self._lock = threading.Lock()

    def unchanged(self) -> bool:
        """Whether all places hold what they held; an equal constant takes the place of the one that was there."""
        for i, (place, held) in enumerate(zip(self.places, self.held, strict=True)):
            now = place.read()
            if now is not held:
                if not same(held, now):
                    return False
                self._adopt(i, now)
        return True

    def _adopt(self, number: int, value: Any) -> None:
        with self._lock:  # what is held and what native code compares with must be one object
            self.held[number] = value
            if self.follow:
                self.follow(number, value)

    def rewritten(self, writes: Mapping[Hashable, tuple[Any, Any]]) -> None:
        """Take what the function itself changed, from the one to the other, while it was traced again."""
        for number, key in enumerate(self.keys):
            if key in writes and same(self.held[number], writes[key][0]):
                self._adopt(number, writes[key][1])


def same(a: Any, b: Any) -> bool:
    """Whether Python code that reads ``b`` does what it did with ``a``: one object, or constants of one type and value, bit by bit."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, np.generic):
        return bool(a.dtype == b.dtype and a.tobytes() == b.tobytes())
    alike = _ALIKE.get(type(a))
    return alike is not None and alike(a, b)


def _bits(a: float, b: float) -> bool:
    return struct.pack("d", a) == struct.pack("d", b)


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b)


def _members(values: frozenset[Any]) -> frozenset[Any]:
    return frozenset([(type(v), v) for v in values])


_ALIKE: dict[type, Callable[[Any, Any], bool]] = {
    float: _bits,
    complex: lambda a, b: _bits(a.real, b.real) and _bits(a.imag, b.imag),
    tuple: lambda a, b: len(a) == len(b) and all([same(x, y) for x, y in zip(a, b, strict=True)]),
    frozenset: lambda a, b: _members(a) == _members(b),
    **dict.fromkeys((int, bool, str, bytes, range), _equal),
}
