"""What a ``for`` can go over in one native loop: what knows how many steps there are, and the item of each.

Ranges, arrays, lists whose elements are all of one kind, and what Python makes of them: ``zip``, ``enumerate``,
``reversed``, ``map``, dict views, and iterators of ``itertools`` that only choose (``product``, ``pairwise``,
``islice``, ...). A step reads elements of arrays with the steps along axis 0, and computes the rest of its number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.handles import BodyTrace, Owner, roots_of
from functad.core.tracer import ARRAY, PYTHON, SCALAR, Tracer
from functad.front.failures import refused
from functad.front.unread import Unread
from functad.front.values import decided, is_number, kind_of, leaves_of, rebuilt, same_value, type_of_leaf
from functad.ir.types import ArrayType, array_type
from functad.numpy import joining
from functad.numpy.dispatch import CALLS
from functad.numpy.traced import here

__all__ = [
    "Alike",
    "Choice",
    "Constant",
    "Count",
    "ELEMENT",
    "Elements",
    "Numbered",
    "Numbers",
    "Reader",
    "Source",
    "Together",
    "column_type",
    "identified",
    "stacked",
]

ELEMENT = "an element of what the loop goes over"
"""Why the item of a step is not written to, as the end of a sentence."""

INT64 = array_type((), np.int64)


class Reader:
    """Where the body of a loop finds the items of its steps: the number of the step, and elements that it reads.

    ``made`` steps have been made before; ``arrays`` holds, for each element, what gives the array of the steps that are
    left.
    """

    def __init__(self, trace: BodyTrace, counted: bool, made: int) -> None:
        self.trace = trace
        self.made = made
        self.counter = Tracer(trace.add_input(INT64), trace, PYTHON) if counted else None
        self.arrays: list[Callable[[], Any]] = []

    @property
    def number(self) -> Any:
        """The number of the step."""
        assert self.counter is not None
        return self.counter

    def element(self, of_type: ArrayType, kind: int, array: Callable[[], Any], of: Sequence[Any] = ()) -> Tracer:
        """An element of an array with the steps along axis 0; NumPy's has the memory of one of the arrays ``of``."""
        self.arrays.append(array)
        x = Tracer(self.trace.add_input(of_type), self.trace, kind)
        if kind == ARRAY:
            x._memory = Owner(x._variable, ELEMENT)
            x._memory.origins = [r for y in of if type(y) is Tracer for r in roots_of(y)]
        return x


class Source:
    """What a loop goes over; ``length`` None: without end."""

    length: int | None = None
    counted = False
    """Whether an item is computed of the number of the step."""

    def item(self, reader: Reader) -> Any:
        """The item of a step."""
        raise NotImplementedError

    def at(self, index: Any) -> Any:
        """The item of the step of that number, which is traced; raises LookupError where there is none such."""
        raise LookupError

    def prepare(self) -> None:
        """Make, before the loop, what ``at`` reads."""

    def chosen(self, start: int, stop: int, step: int) -> Source:
        """The items of some steps; raises LookupError where that cannot be said."""
        raise LookupError

    def arrays(self) -> list[Any]:
        """The arrays that items are read from; what a loop writes to it reads ``by_index``, or not at all."""
        return []

    def is_plain(self) -> bool:
        """Whether items are Python's own numbers."""
        return True

    def by_index(self) -> Source | None:
        """The same source whose items are read at their index, as views, when they are used; None if that cannot be."""
        return self if not self.arrays() else None


class Numbers(Source):
    """A range."""

    counted = True

    def __init__(self, numbers: Any) -> None:
        self.numbers = numbers
        self.length = len(numbers) if type(numbers) is range else None

    def item(self, reader: Reader) -> Any:
        return self.at(reader.number)

    def at(self, index: Any) -> Any:
        return self.numbers.start + index * self.numbers.step

    def chosen(self, start: int, stop: int, step: int) -> Source:
        return Numbers(self.numbers[slice(start, stop if stop >= 0 else None, step)])


class Count(Numbers):
    """``itertools.count``."""

    def __init__(self, start: Any = 0, step: Any = 1) -> None:
        self.start, self.step = start, step

    def at(self, index: Any) -> Any:
        return self.start + index * self.step

    def chosen(self, start: int, stop: int, step: int) -> Source:
        raise LookupError


class Constant(Source):
    """``itertools.repeat``."""

    def __init__(self, value: Any, times: int | None = None) -> None:
        self.value, self.length = value, times

    def item(self, reader: Reader) -> Any:
        return self.value

    def at(self, index: Any) -> Any:
        return self.value


class Elements(Source):
    """An array, along its first axis."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.length = len(array)

    def item(self, reader: Reader) -> Any:
        x, made = self.array, reader.made
        element = array_type(x.shape[1:], x.dtype)
        return reader.element(element, ARRAY if element.ndim else SCALAR, lambda: x[made:] if made else x, [x])

    def at(self, index: Any) -> Any:
        return _item(self.array, index)

    def chosen(self, start: int, stop: int, step: int) -> Source:
        return Elements(self.array[slice(start, stop if stop >= 0 else None, step)])

    def arrays(self) -> list[Any]:
        return [self.array]

    def is_plain(self) -> bool:
        return False

    def by_index(self) -> Source | None:
        return AtIndex(self)


class AtIndex(Source):
    """An array whose elements are views of it, read at the number of the step: a loop may write to them."""

    counted = True

    def __init__(self, elements: Elements) -> None:
        self.elements, self.length = elements, elements.length

    def item(self, reader: Reader) -> Any:
        return self.elements.at(reader.number)

    def is_plain(self) -> bool:
        return False


class Alike(Source):
    """A list or tuple whose elements have one structure, and in each place numbers or arrays of one type.

    What is in a place and differs from step to step otherwise, such as the keys of a dict, is not used by the body.
    """

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items
        self.length = len(items)
        parts = [leaves_of(x) for x in items]
        self.structure = parts[0][1]
        if any([s != self.structure for _, s in parts]):
            raise LookupError
        self.columns = [list(column) for column in zip(*[leaves for leaves, _ in parts], strict=True)]
        if not any([column_type(c) is not None for c in self.columns]):
            raise LookupError
        self.stacks: dict[int, Any] = {}

    def item(self, reader: Reader) -> Any:
        return rebuilt(self.structure, [self._part(c, reader) for c in self.columns])

    def _part(self, column: list[Any], reader: Reader) -> Any:
        type, rest = column_type(column), reader.made
        if type is not None:
            return reader.element(type, kind_of(column[0]), lambda: stacked(column[rest:]), column)
        if all([same_value(x, column[0]) for x in column]):
            return column[0]
        return _differs(column)

    def at(self, index: Any) -> Any:
        return rebuilt(self.structure, [self._part_at(c, index) for c in self.columns])

    def _part_at(self, column: list[Any], index: Any) -> Any:
        if id(column) not in self.stacks:
            raise LookupError
        x = _item(self.stacks[id(column)], index)
        x._kind = kind_of(column[0])
        if x._kind == ARRAY:
            x._memory = Owner(x._variable, ELEMENT)
            x._memory.origins = [r for y in column if type(y) is Tracer for r in roots_of(y)]
        return x

    def prepare(self) -> None:
        self.stacks = {id(c): stacked(c) for c in self.columns if column_type(c) is not None}

    def chosen(self, start: int, stop: int, step: int) -> Source:
        return Alike(self.items[slice(start, stop if stop >= 0 else None, step)])

    def arrays(self) -> list[Any]:
        return [x for column in self.columns for x in column if kind_of(x) == ARRAY]

    def is_plain(self) -> bool:
        return not any([type(x) in (Tracer, np.ndarray) for column in self.columns for x in column])


class Together(Source):
    """``zip``, and ``map``, which is a function of what is zipped."""

    def __init__(self, parts: Sequence[Source], strict: bool = False, f: Callable[..., Any] | None = None) -> None:
        lengths = [p.length for p in parts if p.length is not None]
        self.parts, self.f = parts, f
        self.length = min(lengths, default=None)
        self.counted = any([p.counted for p in parts])
        if strict and (len(lengths) < len(parts) or len(set(lengths)) > 1):
            raise LookupError

    def prepare(self) -> None:
        for p in self.parts:
            p.prepare()

    def _made(self, items: Sequence[Any]) -> Any:
        return tuple(items) if self.f is None else self.f(*items)

    def item(self, reader: Reader) -> Any:
        return self._made([p.item(reader) for p in self.parts])

    def at(self, index: Any) -> Any:
        return self._made([p.at(index) for p in self.parts])

    def arrays(self) -> list[Any]:
        return [x for p in self.parts for x in p.arrays()]

    def is_plain(self) -> bool:
        return all([p.is_plain() for p in self.parts])

    def by_index(self) -> Source | None:
        parts = [p.by_index() for p in self.parts]
        return None if None in parts else Together(parts, f=self.f)  # type: ignore[arg-type]


class Numbered(Source):
    """``enumerate``."""

    counted = True

    def __init__(self, inner: Source, start: int = 0) -> None:
        self.inner, self.start, self.length = inner, start, inner.length

    def prepare(self) -> None:
        self.inner.prepare()

    def item(self, reader: Reader) -> Any:
        return self.start + reader.number if self.start else reader.number, self.inner.item(reader)

    def at(self, index: Any) -> Any:
        return self.start + index, self.inner.at(index)

    def arrays(self) -> list[Any]:
        return self.inner.arrays()

    def is_plain(self) -> bool:
        return self.inner.is_plain()

    def by_index(self) -> Source | None:
        inner = self.inner.by_index()
        return None if inner is None else Numbered(inner, self.start)


class Choice(Source):
    """Tuples of items of some sources, or single ones, by tables of their numbers: ``itertools.product`` and others."""

    def __init__(self, parts: Sequence[Source], table: np.ndarray, single: bool = False) -> None:
        self.parts, self.table, self.single = parts, table, single
        self.length = len(table)
        for p in parts:
            p.prepare()

    def item(self, reader: Reader) -> Any:
        made = reader.made
        numbers = [
            reader.element(INT64, PYTHON, lambda k=k: self.table[made:, k])  # type: ignore[misc]
            for k in range(self.table.shape[1])
        ]
        return self._at(numbers)

    def at(self, index: Any) -> Any:
        return self._at([_item(self.table[:, k], index) for k in range(self.table.shape[1])])

    def _at(self, numbers: Sequence[Any]) -> Any:
        items = [p.at(n) for p, n in zip(self.parts, numbers, strict=True)]
        return items[0] if self.single else tuple(items)

    def arrays(self) -> list[Any]:
        return [x for p in self.parts for x in p.arrays() if isinstance(p, Alike)]  # others are read at an index

    def is_plain(self) -> bool:
        return all([p.is_plain() for p in self.parts])


def _item(x: Any, index: Any) -> Any:
    """An element at a traced index."""
    array: Any = x if type(x) is Tracer else CALLS[np.asarray](x)
    return array[index]


def _differs(column: Sequence[Any]) -> Unread:
    return Unread(f"a {type(column[0]).__name__} that differs from step to step is used in the body of a loop")


def column_type(column: Sequence[Any]) -> ArrayType | None:
    """The type of all values in a column; None where they are not of one, or no numbers."""
    first = column[0]
    if not is_number(first) or isinstance(first, bool):
        return None
    kind = kind_of(first)
    if kind == PYTHON and any([type(x) is not type(first) for x in column if type(x) is not Tracer]):
        return None
    if not all([is_number(x) and kind_of(x) == kind for x in column]):
        return None
    try:
        types = [type_of_leaf(x) for x in column]
    except (OverflowError, TypeError):
        return None
    return types[0] if all([t is types[0] for t in types]) else None


def stacked(column: list[Any]) -> Any:
    """The array of the values of a column."""
    return joining.stack(column) if any([type(x) is Tracer for x in column]) else np.stack(column)


def identified(x: Any) -> Any:
    """An operand of ``is``: not the item of a step, which is a handle of its own."""
    x = decided(x)
    if type(x) is Tracer and type(x._memory) is Owner and x._memory.refusal == ELEMENT:
        raise refused(f"{ELEMENT} is compared by identity{here()}; compare what is in it")
    return x
