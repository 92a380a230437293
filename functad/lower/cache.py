"""A table of what is costly to make: each thing is made once, by one thread, and the least recently used are let go.

What is let go while somebody else has it is found again as long as it lives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from functad.caches import Recent, on_clearing

__all__ = ["Cache"]

T = TypeVar("T")


class Cache(Generic[T]):
    """Values by key, of which the table itself keeps as many alive as the flag ``cache_size`` says.

    Examples
    --------
    >>> class Number:
    ...     def __init__(self, value):
    ...         self.value = value
    >>> squares = Cache[Number]()
    >>> squares.get(3, lambda: Number(9)).value, squares.get(3, lambda: Number(0)).value
    (9, 9)
    """

    def __init__(self) -> None:
        # the collector may run while it is held, and what it collects may want a value
        self._lock = threading.RLock()
        self._alive: WeakValueDictionary[Hashable, T] = WeakValueDictionary()
        self._recent = Recent[T]()
        self._making: dict[Hashable, tuple[int, Future[T]]] = {}
        on_clearing(self.clear)

    def get(self, key: Hashable, make: Callable[[], T], keep: bool = True) -> T:
        """The value of a key; where there is none ``make`` makes it, while other threads that want it wait. What raises
        is not kept. Without ``keep`` a value lives only as long as somebody else has it.
        """
        with self._lock:
            found = self._alive.get(key)
            if found is not None:
                return self._recent.setdefault(key, found) if keep else found
            maker, future = self._making.setdefault(key, (threading.get_ident(), Future()))
            first = not future.running() and future.set_running_or_notify_cancel()
        if not first:
            # this thread would wait for itself
            return make() if maker == threading.get_ident() else future.result()
        try:
            made = make()
        except BaseException as error:
            with self._lock:
                del self._making[key]
            future.set_exception(error)
            raise
        with self._lock:
            del self._making[key]
            self._alive[key] = made
            if keep:
                self._recent.setdefault(key, made)
        future.set_result(made)
        return made

    def clear(self) -> None:
        """Let everything go."""
        self._recent.clear()
