"""A table of what is costly to make: each thing is made once, by one thread, and the least recently used are let go.

What is let go while somebody else has it is found again as long as it lives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from functad.caches import Recent, on_clearing

__all__ = ["Cache"]

T = TypeVar("T")


class _Making:
    """What one thread makes, and others wait for."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.busy = threading.Lock()
        self.busy.acquire()
        self.value: Any = None
        self.error: Exception | None = None


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
        self._making: dict[Hashable, _Making] = {}
        on_clearing(self.clear)

    def get(self, key: Hashable, make: Callable[[], T], keep: bool = True) -> T:
        """The value of a key; where there is none ``make`` makes it, while other threads that want it wait. What raises
        is not kept. Without ``keep`` a value lives only as long as somebody else has it.
        """
        making = _Making()
        try:
            with self._lock:
                found = self._alive.get(key)
                if found is None:
                    first = self._making.setdefault(key, making)
                elif keep:
                    self._recent.setdefault(key, found)
            if found is not None:
                return found
            if first is not making:
                if first.thread == threading.get_ident():  # this thread would wait for itself
                    return make()
                found = self._made_by(first)
                return self.get(key, make, keep) if found is None else found
            made = making.value = make()
            with self._lock:
                self._alive[key] = made
                if keep:
                    self._recent.setdefault(key, made)
            return made
        except Exception as error:
            making.error = error
            raise
        finally:
            try:
                with self._lock:
                    if self._making.get(key) is making:
                        del self._making[key]
            finally:
                making.busy.release()

    def _made_by(self, first: _Making) -> Any:
        """What another thread makes; None where the handler of a signal has interrupted it, which is its affair."""
        with first.busy:
            if first.error is not None:
                raise first.error
            return first.value

    def clear(self) -> None:
        """Let everything go."""
        self._recent.clear()
