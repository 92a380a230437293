"""Adding up the cotangents of a value that is used many times.

What reads few elements of a large array gives back a cotangent that is zero elsewhere. Such a cotangent is an
``Update``: it waits, in a ``Sum``, until the cotangent is needed, and is then added to the dense array that is there.
So reverse mode costs what the reads did: n reads of one element each take n steps, not n additions of whole arrays, and
in a loop's body an update of the carried cotangent can be made in place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from functad.core.observing import observing
from functad.core.trace import current_trace
from functad.core.zeros import add
from functad.ir.types import ArrayType

__all__ = ["Sum", "Update", "accumulate", "joined", "settled", "taken_apart"]


class Update(ABC):
    """An array of a type that is zero but where its operands say."""

    __slots__ = ("operands", "params", "type")

    def __init__(self, type: ArrayType, operands: Sequence[Any], params: Any) -> None:
        self.type = type
        self.operands = tuple(operands)
        self.params = params

    @abstractmethod
    def alone(self) -> Any:
        """The array."""

    @abstractmethod
    def onto(self, x: Any) -> Any:
        """The sum of x and the array."""

    @abstractmethod
    def into(self, out: np.ndarray) -> None:
        """Add the array, whose operands are NumPy's, to ``out`` itself."""


class Sum:
    """A cotangent that is not added up yet: a dense part (None where there is none) and updates."""

    __slots__ = ("dense", "updates")

    def __init__(self, updates: Sequence[Update], dense: Any = None) -> None:
        self.updates = list(updates)
        self.dense = dense

    def add(self, other: Any) -> None:
        """Add another cotangent to this one."""
        if type(other) is Sum:
            self.updates += other.updates
            other = other.dense
        self.dense = add(self.dense, other)

    def total(self) -> Any:
        """The cotangent, added up; nobody else has what is updated in place."""
        if current_trace() is None:
            first = self.updates[0].type
            out = np.zeros(first.shape, first.dtype) if self.dense is None else np.array(self.dense, order="C")
            for update in self.updates:
                update.into(out)
            observer = observing.get()
            return out if observer is None else observer.pass_on(out, self.values())
        total = self.dense
        for update in self.updates:
            total = update.alone() if total is None else update.onto(total)
        return total

    def values(self) -> list[Any]:
        """All values that it consists of."""
        return [*([] if self.dense is None else [self.dense]), *[x for update in self.updates for x in update.operands]]

    def with_values(self, values: Iterator[Any]) -> Sum:
        """The same sum of other values."""
        dense = None if self.dense is None else next(values)
        return Sum([type(u)(u.type, [next(values) for _ in u.operands], u.params) for u in self.updates], dense)


def accumulate(x: Any, y: Any) -> Any:
    """The sum of two cotangents, each possibly None or a ``Sum``; x is not used afterwards."""
    if type(x) is Sum:
        x.add(y)
        return x
    if type(y) is Sum:
        return Sum(y.updates, add(x, y.dense))
    return add(x, y)


def taken_apart(cotangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The values that cotangents (None where zero) consist of, and what each is: None, a ``Sum`` of its values, or True
    for one value."""
    values = [x for c in cotangents if c is not None for x in (c.values() if type(c) is Sum else [c])]
    return values, [c if c is None or type(c) is Sum else True for c in cotangents]


def joined(values: Iterable[Any], forms: Sequence[Any]) -> list[Any]:
    """Cotangents of these forms, of other values."""
    rest = iter(values)
    return [f.with_values(rest) if type(f) is Sum else next(rest) if f else None for f in forms]


def settled(x: Any) -> Any:
    """A cotangent, added up."""
    return x.total() if type(x) is Sum else x
