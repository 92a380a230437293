"""The part of an entry's text that looks at the world: objects that no call gives, and checks of what the code was made
for.

Numbers and objects stand in two items of the entry's ``self``: a tuple of objects (``world_objects``), in the order in
which the text asks for them, and records of arrays that nobody may have written to, whose number and content the text
does not depend on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from functad.lower.entry import abi
from functad.lower.entry.layout import SelfItem
from functad.lower.entry.pieces import Pieces, self_item
from functad.lower.entry.places import (
    CellContent,
    Check,
    DictItem,
    Fixed,
    FunctionCode,
    InForce,
    ListItem,
    Place,
    Slot,
    Unwritten,
    elements_of,
)
from functad.lower.entry.signature import Hidden, Signature
from functad.lower.entry.unchanged import Unchanged

__all__ = ["World", "held_places", "is_held", "unwritten_records", "world_objects"]


def world_objects(signature: Signature) -> tuple[Any, ...]:
    """The objects that the text refers to."""
    found: list[Any] = []
    for check in signature.checks:
        match check:
            case InForce():
                found.append(check.settings)
            case Unchanged():
                found.append(check.words)
    for hidden in signature.hidden:
        found += _objects(hidden.place)
    return tuple(found)


def _objects(place: Place) -> Iterator[Any]:
    match place:
        case Fixed():
            yield place.value
        case CellContent():
            yield place.cell
        case FunctionCode():
            yield place.function
        case DictItem():
            yield place.mapping
            yield place.key
        case ListItem():
            yield place.sequence
            yield np.array([place.index], np.int64)
        case Slot():
            yield place.object
            yield np.array([abi.slot_offset(place.descriptor)], np.int64)


def unwritten_records(checks: Sequence[Check]) -> tuple[bytes, object]:
    """The records that ``functad_unwritten`` reads, and what must live as long as they do."""
    words, kept = [], []
    for check in checks:
        if isinstance(check, Unwritten):
            frame = np.array([*check.shape, *check.strides], np.int64)
            content = np.frombuffer(check.content or b"", np.uint8)
            kept.append((check, frame, content))
            head = [id(check.array), check.address, id(check.dtype), len(check.shape), _address(frame)]
            for *rows, begin in _runs(check) if content.size else [(0, 0, 0, 0, 0)]:
                words.append([*head, *rows, _address(content) + begin])
    return np.array([len(words), *[w for record in words for w in record]], np.int64).tobytes(), kept


def _runs(check: Unwritten) -> Iterator[tuple[int, int, int, int, int]]:
    """What to compare of an array: rows of bytes that lie side by side, a fixed step apart.

    Each as: where the first begins behind the array's first element, how many there are, their step, their length;
    where they are in the content.
    """
    elements = elements_of(check.array)
    axes = [(n, s) for n, s in zip(elements.shape, elements.strides, strict=True) if n > 1]
    length = elements.itemsize
    while axes and axes[-1][1] == length:
        length *= axes.pop()[0]
    rows, step = axes.pop() if axes else (1, 0)
    while axes and axes[-1][1] == rows * step:
        rows *= axes.pop()[0]
    low = _address(elements) - check.address
    for number, index in enumerate(np.ndindex(*[n for n, _ in axes])):
        yield (
            low + sum([i * s for i, (_, s) in zip(index, axes, strict=True)]),
            rows,
            step,
            length,
            number * rows * length,
        )


def _address(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


def is_held(hidden: Hidden) -> bool:
    """Whether the place could let go of an array while the call reads it; scalars are copied at once."""
    return hidden.leaf.kind == "array" and not isinstance(hidden.place, Fixed)


def held_places(hidden: Sequence[Hidden]) -> int:
    """How many hidden operands have to be held."""
    return len([h for h in hidden if is_held(h)])


class World(Pieces):
    """Writes the checks, and fetches objects from their places."""

    signature: Signature

    def __init__(self) -> None:
        super().__init__()
        self.objects_met = 0  # of world_objects

    def next_object(self) -> str:
        """The next of ``world_objects``."""
        self.objects_met += 1
        return self.load("ptr", "%world", abi.TUPLE_ITEMS + 8 * (self.objects_met - 1))

    def fetch(self, place: Place) -> str:
        """The object that a place holds now; a mismatch where it holds none."""
        match place:
            case CellContent():
                found = self.load("ptr", self.next_object(), abi.CELL_CONTENT)
            case FunctionCode():
                return self.load("ptr", self.next_object(), abi.FUNCTION_CODE)
            case DictItem():
                mapping, key = self.next_object(), self.next_object()
                found = self.value(f"call ptr @PyDict_GetItemWithError(ptr {mapping}, ptr {key})")
            case ListItem():
                sequence, index = (
                    self.next_object(),
                    self.load("i64", self.load("ptr", self.next_object(), abi.ARRAY_DATA), 0),
                )
                self.require(f"icmp slt i64 {index}, {self.load('i64', sequence, abi.VAR_SIZE)}")
                items = self.load("ptr", sequence, abi.LIST_ITEMS)
                found = self.load("ptr", self.value(f"getelementptr ptr, ptr {items}, i64 {index}"), 0)
            case Slot():
                owner, offset = (
                    self.next_object(),
                    self.load("i64", self.load("ptr", self.next_object(), abi.ARRAY_DATA), 0),
                )
                found = self.load("ptr", self.value(f"getelementptr i8, ptr {owner}, i64 {offset}"), 0)
            case _:
                return self.next_object()
        self.require(f"icmp ne ptr {found}, null")
        return found

    def check_world(self) -> None:
        """Whether all checks hold."""
        for check in self.signature.checks:
            match check:
                case InForce():
                    self.require(f"call i1 @functad_in_force(ptr {self.next_object()})")
                case Unchanged():
                    words = self.load("ptr", self.next_object(), abi.ARRAY_DATA)
                    self.require(f"call i1 @functad_unchanged(ptr {words})")
        if any(isinstance(check, Unwritten) for check in self.signature.checks):
            self.lines += self_item("unwritten", SelfItem.UNWRITTEN)
            self.require(f"call i1 @functad_unwritten(ptr {self.address('%unwritten', abi.BYTES_DATA)})")
