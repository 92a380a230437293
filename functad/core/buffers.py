"""Memory of large arrays that is used again: fresh memory costs more than most operations on it, page by page.

What is given back has no other owner, which is made sure of: an array that anyone else refers to, a view of it
included, is left alone.
"""

from __future__ import annotations

import sys
import threading

import numpy as np

from functad.caches import on_clearing
from functad.ir.types import ArrayType

__all__ = ["BUFFERS", "Buffers", "owned_by_list"]

LIMIT = 1 << 25
"""Bytes that are kept."""


class Buffers:
    """Arrays to write to."""

    def __init__(self) -> None:
        self._free: dict[ArrayType, list[np.ndarray]] = {}
        self._bytes = 0
        self._lock = threading.RLock()  # the collector may run while it is held, and what it collects may want it

    def take(self, type: ArrayType) -> np.ndarray:
        """An array of a type, with anything in it."""
        with self._lock:
            found = self._free.get(type)
            if found:
                array = found.pop()
                self._bytes -= array.nbytes
                return array
        return np.empty(type.shape, type.dtype)

    def give(self, type: ArrayType, array: np.ndarray) -> None:
        """Keep an array that nobody else has."""
        with self._lock:
            if self._bytes + array.nbytes > LIMIT:
                self._free.clear()
                self._bytes = 0
            if array.nbytes <= LIMIT:
                self._free.setdefault(type, []).append(array)
                self._bytes += array.nbytes

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            self._free.clear()
            self._bytes = 0


BUFFERS = Buffers()
on_clearing(BUFFERS.clear)


def owned_by_list(values: list[object], position: int) -> bool:
    """Whether nothing but a list refers to one of its items."""
    return sys.getrefcount(values[position]) == ALONE


ALONE = 0
_probe: list[object] = [object()]
ALONE = sys.getrefcount(_probe[0])
