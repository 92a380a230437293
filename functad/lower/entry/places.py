"""Where a native entry finds, at each call, what the call does not give, and what it checks there before it trusts its
code.

A ``Place`` holds an object: an object of one's own (``Fixed``), a closure cell, an item of a dict (a module's globals).
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
    "Place",
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
    """What a dict, such as the globals of a module, holds under a string."""

    mapping: dict[str, Any]
    key: str

    def get(self) -> Any:
        return self.mapping.get(self.key, ABSENT)

    @property
    def structure(self) -> Place:
        return _ANY_ITEM

    @property
    def identity(self) -> Hashable:
        return id(self.mapping), self.key


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
