"""What is remembered so that it is made once: at most so much of it, and forgotten when asked.

Forgetting drops a table's references only. What somebody still holds (code that runs, a compiled object, an equation)
stays as it is until the last holder is gone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, MutableMapping
from functools import lru_cache
from itertools import count
from typing import Any, Generic, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from functad import config

__all__ = ["Recent", "cached", "cached_by_class", "clear_caches", "on_clearing", "remember", "trim"]

P = ParamSpec("P")
T = TypeVar("T")
Clear = TypeVar("Clear", bound=Callable[[], object])

_clearing: list[Callable[[], object]] = []


def on_clearing(clear: Clear) -> Clear:
    """Have `clear_caches` call a function, for as long as the process lives; also a decorator."""
    _clearing.append(clear)
    return clear


def clear_caches() -> None:
    """Forget everything that functad keeps so as not to make it again.

    Compiled code, what jitted functions were traced to, what un-jitted calls follow, derivative rules, and memory that
    waits for reuse. Jitted functions are traced and compiled anew when they are next called. Code that runs meanwhile
    (in another thread, or because it called this function), and what compiled objects, pullbacks and Numba functions
    hold, stays valid.

    How much is kept without this is up to the flag ``FUNCTAD_CACHE_SIZE`` (by default 1024): native code of so many
    programs, so many kinds of call of each jitted function, and for each primitive four times so many kinds of operands
    with their derivative rules. What was used longest ago is forgotten first.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> f = fd.jit(np.sin)
    >>> f(0.0)
    np.float64(0.0)
    >>> fd.clear_caches()
    >>> f(0.0)
    np.float64(0.0)
    """
    for clear in list(_clearing):
        clear()


def cached(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """``functools.lru_cache`` of so many values, which `clear_caches` empties, too."""

    def decorate(f: Callable[P, T]) -> Callable[P, T]:
        remembering = lru_cache(maxsize=most)(f)
        on_clearing(remembering.cache_clear)
        return remembering  # type: ignore[return-value]

    return decorate


def cached_by_class(f: Callable[[Any], T]) -> Callable[[Any], T]:
    """What a function says of a class, remembered as long as the class lives: each jitted function has one."""
    known: WeakKeyDictionary[Any, T] = WeakKeyDictionary()
    on_clearing(known.clear)

    @functools.wraps(f)
    def found(cls: Any) -> T:
        try:
            return known[cls]
        except KeyError:
            return known.setdefault(cls, f(cls))

    return found


def remember(table: MutableMapping[Any, T], key: Hashable, value: T, times: int = 1) -> T:
    """Put a value into a table, unless there is one, which then counts; gives the one that is there.

    The table holds at most ``times`` the flag ``cache_size``; see ``trim``.

    Examples
    --------
    >>> squares: dict[int, int] = {}
    >>> with config.cache_size(3):
    ...     squared = [remember(squares, n, n * n) for n in range(5)]
    >>> list(squares)
    [2, 3, 4]
    """
    found = table.setdefault(key, value)
    trim(table, times)
    return found


def trim(table: MutableMapping[Any, Any], times: int = 1) -> None:
    """Drop the first of a table that holds more than ``times`` the flag ``cache_size``, an eighth at a time.

    Looking values up costs nothing that way, and what is used all the time is soon there again.
    """
    most = max(1, times * config.cache_size.value)
    if len(table) > most:
        for key in list(table)[: len(table) - most + most // 8]:
            table.pop(key, None)


class Recent(Generic[T]):
    """The values that were used last, by key: at most so many as the flag ``cache_size`` says, or a part ``1 / of`` of
    that.

    Threads use it at once, and so may the user's code that compares keys or is run by the collector: an ``OrderedDict``
    reads freed memory if that changes it. So it is a dict, changed by its own operations only, each of which stands
    that, in which every value has the number of its last use.

    Examples
    --------
    >>> squares = Recent[int]()
    >>> with config.cache_size(3):
    ...     for n in (0, 1, 2, 0, 3):
    ...         square = squares.get(n) or squares.setdefault(n, n * n)
    >>> list(squares), squares.get(1), squares.get(3)
    ([2, 0, 3], None, 9)
    """

    def __init__(self, of: int = 1) -> None:
        self._of = of
        self._used: dict[Hashable, tuple[T, list[int]]] = {}  # the value, and the number of its last use
        self._uses = count()

    def get(self, key: Hashable) -> T | None:
        """The value of a key, which is used now."""
        found = self._used.get(key)
        if found is None:
            return None
        found[1][0] = next(self._uses)
        return found[0]

    def setdefault(self, key: Hashable, value: T) -> T:
        """Put a value in, unless there is one, which then counts; it is used now, and others may be dropped."""
        found, used = self._used.setdefault(key, (value, [next(self._uses)]))
        used[0] = next(self._uses)
        most = max(1, config.cache_size.value // self._of)
        if len(self._used) > most:
            for old in list(self)[: len(self._used) - most + most // 8]:
                self._used.pop(old, None)
        return found

    def discard(self, key: Hashable) -> None:
        """Let a value go, if there is one."""
        self._used.pop(key, None)

    def __iter__(self) -> Iterator[Hashable]:
        """The keys, of what was used longest ago first."""
        used = sorted(self._used.copy().items(), key=lambda item: item[1][1][0])
        return iter([key for key, _ in used])

    def values(self) -> list[T]:
        """All values, in no order."""
        return [value for value, _ in self._used.copy().values()]

    def __len__(self) -> int:
        return len(self._used)

    def clear(self) -> None:
        """Let everything go."""
        self._used.clear()
