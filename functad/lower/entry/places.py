"""Where a native entry finds, at each call, what the call does not give, and what it checks there before it trusts its
code.

A ``Place`` holds an object: an object of one's own (``Fixed``), a closure cell, an item of a dict (a module's globals,
an object's attributes) or of a list.
A ``Check`` says something about the world that the code was made for. Both are plain data with a Python meaning,
``get`` and ``holds``, which the ctypes entry and the slow path use; ``functad.lower.entry.world`` writes the same as
machine code. ``structure`` is what that text depends on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from types import CellType, FunctionType
from typing import Any

import numpy as np

from functad import config

__all__ = [
    "ABSENT",
    "CellContent",
    "Check",
    "DictItem",
    "Fixed",
    "FunctionCode",
    "InForce",
    "Length",
    "ListItem",
    "Place",
    "Slot",
    "Unwritten",
    "elements_of",
]

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()
"""What an empty place holds."""


class Place(ABC):
    """Where an object is."""

    @abstractmethod
    def get(self) -> Any:
        """The object there now, or ``ABSENT``."""

    @property
    @abstractmethod
    def structure(self) -> Place:
        """The same for any objects."""

    @property
    @abstractmethod
    def identity(self) -> Hashable:
        """The same for all that stand for this place, as long as one of them lives."""


@dataclass(eq=False)
class Fixed(Place):
    """This very object."""

    value: Any

    def get(self) -> Any:
        return self.value

    @property
    def structure(self) -> Place:
        return _ANY_OBJECT

    @property
    def identity(self) -> Hashable:
        return "object", id(self.value)


@dataclass(eq=False)
class CellContent(Place):
    """What a closure cell holds."""

    cell: CellType

    def get(self) -> Any:
        try:
            return self.cell.cell_contents
        except ValueError:
            return ABSENT

    @property
    def structure(self) -> Place:
        return _ANY_CELL

    @property
    def identity(self) -> Hashable:
        return id(self.cell)


@dataclass(eq=False)
class DictItem(Place):
    """What a dict, such as the globals of a module, holds under a key."""

    mapping: dict[Any, Any]
    key: Any

    def get(self) -> Any:
        return dict.get(self.mapping, self.key, ABSENT)

    @property
    def structure(self) -> Place:
        return _ANY_ITEM

    @property
    def identity(self) -> Hashable:
        return id(self.mapping), self.key


@dataclass(eq=False)
class ListItem(Place):
    """An item of a list."""

    sequence: list[Any]
    index: int

    def get(self) -> Any:
        return list.__getitem__(self.sequence, self.index) if self.index < list.__len__(self.sequence) else ABSENT

    @property
    def structure(self) -> Place:
        return _ANY_LIST_ITEM

    @property
    def identity(self) -> Hashable:
        return "item", id(self.sequence), self.index


@dataclass(eq=False)
class Length(Place):
    """How many items a list or dict has."""

    container: list[Any] | dict[Any, Any]

    def get(self) -> Any:
        x = self.container
        return list.__len__(x) if isinstance(x, list) else dict.__len__(x)

    @property
    def structure(self) -> Place:
        return _ANY_LENGTH

    @property
    def identity(self) -> Hashable:
        return "length", id(self.container)


@dataclass(eq=False)
class Slot(Place):
    """An attribute that a class keeps in a slot."""

    object: Any
    descriptor: Any

    def get(self) -> Any:
        try:
            return self.descriptor.__get__(self.object)
        except AttributeError:
            return ABSENT

    @property
    def structure(self) -> Place:
        return _ANY_SLOT

    @property
    def identity(self) -> Hashable:
        return "slot", id(self.object), self.descriptor.__name__


@dataclass(eq=False)
class FunctionCode(Place):
    """The code of a function, which tools that reload modules replace in place."""

    function: FunctionType

    def get(self) -> Any:
        return self.function.__code__

    @property
    def structure(self) -> Place:
        return _ANY_CODE

    @property
    def identity(self) -> Hashable:
        return "code", id(self.function)


_ANY_LIST_ITEM, _ANY_LENGTH, _ANY_SLOT = ListItem([], 0), Length([]), Slot(None, None)
_ANY_OBJECT, _ANY_CELL, _ANY_ITEM, _ANY_CODE = (
    Fixed(None),
    CellContent(CellType()),
    DictItem({}, ""),
    FunctionCode(lambda: None),  # type: ignore[arg-type]
)


class Check(ABC):
    """Something that was so when the code was made."""

    @abstractmethod
    def holds(self) -> bool:
        """Whether it is so now."""

    @property
    @abstractmethod
    def structure(self) -> Check:
        """The same for any objects."""


@dataclass(frozen=True, eq=False)
class InForce(Check):
    """These are the flags in force."""

    settings: config.Settings

    def holds(self) -> bool:
        return config.settings() is self.settings

    @property
    def structure(self) -> Check:
        return _ANY_SETTINGS


@dataclass(frozen=True, eq=False)
class Unwritten(Check):
    """An array shows the same memory in the same way and, where ``content`` is given, that holds the same elements, bit
    by bit.
    """

    array: np.ndarray[Any, Any]
    content: bytes | None
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]
    address: int

    @classmethod
    def since_now(cls, array: np.ndarray[Any, Any], content: bool) -> Unwritten:
        """The array as it is."""
        return cls(
            array,
            elements_of(array).tobytes() if content else None,
            array.shape,
            array.strides,
            array.dtype,
            array.ctypes.data,
        )

    def holds(self) -> bool:
        a = self.array
        if (
            a.shape != self.shape
            or a.strides != self.strides
            or a.dtype is not self.dtype
            or a.ctypes.data != self.address
        ):
            return False
        return self.content is None or elements_of(a).tobytes() == self.content

    @property
    def structure(self) -> Check:
        return _ANY_ARRAY


def elements_of(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The elements that an array shows, each once, in the order in which they lie in memory."""
    a = np.asarray(array)
    steps = [s if n > 1 else 0 for n, s in zip(a.shape, a.strides, strict=True)]
    forward: np.ndarray[Any, Any] = a[
        (*[slice(None, None, -1) if s < 0 else slice(None if s else 1) for s in steps], ...)
    ]
    return forward.transpose(sorted(range(a.ndim), key=lambda axis: -abs(steps[axis])))


_ANY_SETTINGS = InForce(config.settings())
_ANY_ARRAY = Unwritten(np.zeros(0), None, (), (), np.dtype(np.float64), 0)
