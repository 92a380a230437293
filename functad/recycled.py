"""Memory of large arrays that functad makes for itself or as results: recycled.

Fresh memory costs a page fault for every page that is written: 10^7 doubles take 7 ms, and 3.7 in memory that was used
before. The allocator recycles well by itself only where what is freed at a time is little: of two results of 256 kB
freed together it gives the pages back, and makes them anew in 70 us each, while the pool takes 4.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from functad.caches import on_clearing

__all__ = ["POOLED_BYTES", "allocator", "copied", "idle_bytes"]

POOLED_BYTES = 256 << 10
IDLE_BYTES = 512 << 20  # what may wait for reuse
ALIGNMENT = 64

Memory = np.ndarray[Any, np.dtype[np.uint8]]

# By id, the longest waiting first. Only ever changed and copied by single dict operations, which are atomic: memory
# comes back whenever the last array on it dies, in any thread, and where the collector happens to run.
_idle: dict[int, Memory] = {}
on_clearing(_idle.clear)


def allocator(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Callable[[], np.ndarray[Any, Any]] | None:
    """What makes an uninitialised array for a result, or None where ``np.empty`` does it best."""
    if math.prod(shape) * dtype.itemsize <= POOLED_BYTES:
        return None
    return functools.partial(_new, shape, dtype)


def copied(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A C-contiguous copy of an array."""
    make = allocator(array.shape, array.dtype)
    if make is None or array.dtype.kind not in "biufc":
        return np.array(array, order="C", subok=False)
    copy = make()
    np.copyto(copy, array)
    return copy


def idle_bytes() -> int:
    """How much memory waits for reuse."""
    return sum(memory.nbytes for memory in _idle.copy().values())


def _new(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    return np.asarray(_Lease(_take(math.prod(shape) * dtype.itemsize + ALIGNMENT), shape, dtype))


class _Lease:
    """The owner of a pooled array's memory: the base of the array and of all its views, so it dies with the last of
    them.
    """

    __slots__ = ("__array_interface__", "_memory")

    def __init__(self, memory: Memory, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._memory = memory
        start = memory.ctypes.data
        address = start + -start % ALIGNMENT
        self.__array_interface__ = {"shape": shape, "typestr": dtype.str, "data": (address, False), "version": 3}

    def __del__(
        self, idle: dict[int, Memory] = _idle, limit: int = IDLE_BYTES
    ) -> None:  # defaults: globals go first at exit
        idle[id(self._memory)] = self._memory
        waiting = idle.copy()
        excess = sum(memory.nbytes for memory in waiting.values()) - limit
        for key, memory in waiting.items():
            if excess <= 0:
                break
            idle.pop(key, None)
            excess -= memory.nbytes


def _take(size: int) -> Memory:
    """Memory of at least ``size`` bytes and not much more, the latest used first."""
    for key, memory in reversed(_idle.copy().items()):
        if size <= memory.nbytes <= size + size // 4 and _idle.pop(key, None) is memory:
            return memory
    return np.empty(size, np.uint8)
