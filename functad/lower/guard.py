"""A state as native code compares it: words in memory that ``functad_unchanged`` reads (``entry_helpers``).

    number of words, number of dicts
    for each word: its address, and what it held                     a cell's content, a function's code: pointers to objects
    for each dict: the address of its version, or 0; the version; the dict; number of names; for each name: the key, what it held

What is not there is a null pointer. The state keeps what is held alive, so that an address stands for one object.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.core.places import MISSING, Cell, Code, Global, State
from functad.lower import abi

__all__ = ["Guard"]


class Guard:
    """The words of a state; ``address`` is where they begin. They are valid while this object lives."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._where: dict[int, int] = {}  # number of a place -> the word of what it held
        self._list: list[int] = [0, 0]
        dicts: dict[int, list[tuple[int, Global]]] = {}
        for number, place in enumerate(state.places):
            match place:
                case Cell():
                    self._add_word(id(place.cell) + abi.CELL_CONTENT, number)
                case Code():
                    self._add_word(id(place.function) + abi.FUNCTION_CODE, number)
                case Global():
                    dicts.setdefault(id(place.names), []).append((number, place))
        for mapping, names in dicts.items():
            self._add_dict(mapping, names)
        self._words = np.array(self._list, np.int64)
        self.address: int = self._words.ctypes.data
        state.follow = self._follow

    def _add_word(self, address: int, number: int) -> None:
        self._list[0] += 1
        self._list.append(address)
        self._add_held(number)

    def _add_dict(self, mapping: int, names: list[tuple[int, Global]]) -> None:
        version = mapping + abi.DICT_VERSION if abi.dicts_have_versions() else 0
        self._list[1] += 1
        self._list += [version, 0, mapping, len(names)]
        for number, place in names:
            self._list.append(id(place.name))
            self._add_held(number)

    def _add_held(self, number: int) -> None:
        self._where[number] = len(self._list)
        self._list.append(_pointer(self._state.held[number]))

    def _follow(self, number: int, value: Any) -> None:
        self._words[self._where[number]] = _pointer(value)


def _pointer(value: Any) -> int:
    return 0 if value is MISSING else id(value)
