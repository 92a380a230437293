"""The check that places hold what they held, in a form that costs an entry about a nanosecond a place, whatever their
number.

Native code (``functad_unchanged`` in ``entry_checks``) compares pointers, in words that lie in memory:

    number of words, number of dicts
    for each word: its address, and what it held                     a cell's content, a function's code: pointers to
    objects; the length of a container; where the items of a list are, and each of them
    for each dict: the address of its version, or 0; the version; the dict; number of names; for each name: the
    key, what it held

What is not there is a null pointer. Names are looked up only where their dict has another version. What is held is kept
alive, so that an address stands for one object.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from functad.identity import same
from functad.lower.entry import abi
from functad.lower.entry.places import (
    ABSENT,
    CellContent,
    Check,
    DictItem,
    FunctionCode,
    Length,
    ListItem,
    Place,
    Slot,
)

__all__ = ["Unchanged"]


class Unchanged(Check):
    """Places, and what each of them held: one object, or a constant that is the same."""

    def __init__(self, held: Mapping[Place, Any]) -> None:
        distinct = {place.identity: (place, value) for place, value in held.items()}
        self._number = {identity: number for number, identity in enumerate(distinct)}
        self._places = [place for place, _ in distinct.values()]
        self._held = [value for _, value in distinct.values()]
        self._lock = threading.RLock()  # the collector may run while it is held, and what it collects may call
        self._words: np.ndarray[Any, Any] | None = None
        self._where: dict[int, int] = {}  # number of a place -> the word of what it held
        self._lists: list[tuple[list[Any], int, list[int]]] = []  # with the words of their layout, and their places

    @property
    def held(self) -> dict[Place, Any]:
        """What places held."""
        return dict(zip(self._places, self._held, strict=True))

    def held_at(self, identity: Hashable) -> Any:
        """What the place of this identity held; ABSENT for one that is not among these."""
        number = self._number.get(identity)
        return ABSENT if number is None else self._held[number]

    def holds(self) -> bool:
        """Whether all hold the same; an equal constant takes the place of the one that was there."""
        for number, (place, held) in enumerate(zip(self._places, self._held, strict=True)):
            now = place.get()
            if now is not held:
                if not same(held, now):
                    return False
                self._adopt(number, now)
        self._look_at_lists()
        return True

    def _look_at_lists(self) -> None:
        """Note where the items of lists are now: a list that has grown has moved."""
        with self._lock:
            if self._words is not None:
                for sequence, at, numbers in self._lists:
                    self._words[at : at + 2 * len(numbers) + 4] = self._words_of_list(sequence, numbers)

    def rewrite(self, writes: Mapping[Hashable, tuple[Any, Any]]) -> None:
        """Take what the function itself changed, from the one to the other, while it was traced again."""
        for identity, (before, now) in writes.items():
            number = self._number.get(identity)
            if number is not None and same(self._held[number], before):
                self._adopt(number, now)
        self._look_at_lists()

    def _adopt(self, number: int, value: Any) -> None:
        with self._lock:  # what is held and what native code compares with must be one object
            if self._words is not None:  # first: the address of what is held no more could be another object's
                self._words[self._where[number]] = _word(self._places[number], value)
            self._held[number] = value

    @property
    def structure(self) -> Check:
        return _ANY

    @property
    def words(self) -> np.ndarray[Any, Any]:
        """What ``functad_unchanged`` reads; valid while this object lives."""
        with self._lock:
            if self._words is None:
                self._words = self._make_words()
            return self._words

    def _make_words(self) -> np.ndarray[Any, Any]:
        words = [0, 0]
        names: dict[int, list[tuple[int, DictItem]]] = {}
        lists: dict[int, tuple[list[Any], list[int]]] = {}
        for number, place in enumerate(self._places):
            match place:
                case DictItem():
                    names.setdefault(id(place.mapping), []).append((number, place))
                case CellContent():
                    self._word(words, id(place.cell) + abi.CELL_CONTENT, number)
                case FunctionCode():
                    self._word(words, id(place.function) + abi.FUNCTION_CODE, number)
                case Length():
                    used = abi.VAR_SIZE if isinstance(place.container, list) else abi.DICT_USED
                    self._word(words, id(place.container) + used, number)
                case Slot():
                    self._word(words, id(place.object) + abi.slot_offset(place.descriptor), number)
                case ListItem():
                    lists.setdefault(id(place.sequence), (place.sequence, []))[1].append(number)
        self._lists = []
        for sequence, numbers in lists.values():
            at = len(words)
            self._lists.append((sequence, at, numbers))
            self._where.update({number: at + 5 + 2 * k for k, number in enumerate(numbers)})
            words += self._words_of_list(sequence, numbers)
        words[:2] = len(words) // 2 - 1, len(names)
        for mapping, items in names.items():
            words += [mapping + abi.DICT_VERSION if abi.dicts_have_versions() else 0, 0, mapping, len(items)]
            for number, item in items:
                self._word(words, id(item.key), number)
        return np.array(words, np.int64)

    def _word(self, words: list[int], address: int, number: int) -> None:
        self._where[number] = len(words) + 1
        words += [address, _word(self._places[number], self._held[number])]

    def _words_of_list(self, sequence: list[Any], numbers: list[int]) -> list[int]:
        """The words of some items, behind those that say whether the list is as long as it was, and where it was."""
        size, items = [abi.word(sequence, offset) for offset in (abi.VAR_SIZE, abi.LIST_ITEMS)]
        words = [id(sequence) + abi.VAR_SIZE, size, id(sequence) + abi.LIST_ITEMS, items]
        for number in numbers:
            place = self._places[number]
            assert isinstance(place, ListItem)
            if place.index < size:
                words += [items + 8 * place.index, _word(place, self._held[number])]
            else:  # it has been shortened since: a length that it never has
                words += [id(sequence) + abi.VAR_SIZE, -1]
        return words


def _word(place: Place, value: Any) -> int:
    """What native code compares with: a length, or an address."""
    return int(value) if isinstance(place, Length) else 0 if value is ABSENT else id(value)


_ANY = Unchanged({})
