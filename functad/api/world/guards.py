"""Guards: what a traced Program was made for besides its arguments, and must find again at each call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from functad.core.foreign import as_numpy
from functad.errors import FunctadError
from functad.lower.entry.places import Check
from functad.lower.entry.unchanged import Unchanged

__all__ = ["Converted", "Guard", "Guards", "Never", "bits"]


class Guard(Protocol):
    """Something that a Program depends on. A ``Check`` is one that the native entry looks at by itself."""

    def holds(self) -> bool:
        """Whether it is as it was."""
        ...


class Never:
    """Holds never: what a Program depends on has changed while it was traced, so it serves one call only."""

    def holds(self) -> bool:
        """False."""
        return False


class Converted:
    """An array of another library gives what it gave: an array of the same memory, or one that holds the same; where
    ``content`` is given, one that holds that, bit by bit.

    Only Python can tell, so calls of such a Program go through Python.
    """

    def __init__(self, x: Any, array: np.ndarray, content: bytes | None = None) -> None:
        self.x, self.array, self.content = x, array, content

    def holds(self) -> bool:
        """Whether it does now."""
        try:
            now = as_numpy(self.x, "a closed-over array")
        except FunctadError:
            return False
        then = self.array
        if now.shape != then.shape or now.dtype != then.dtype:
            return False
        if self.content is not None:
            return now.tobytes() == self.content
        return shows_the_same_memory(now, then) or np.array_equal(bits(now), bits(then))


def shows_the_same_memory(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays of one shape and dtype are the same elements in memory."""
    return a.strides == b.strides and bool(a.__array_interface__["data"][0] == b.__array_interface__["data"][0])


def bits(array: np.ndarray) -> np.ndarray:
    """What an array holds, bit by bit, in native byte order."""
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    return native.view(f"u{min(native.itemsize, 8)}")


class Guards:
    """The guards of one Program.

    Examples
    --------
    >>> from functad.lower.entry.places import Fixed
    >>> guards = Guards([Unchanged({Fixed(1): 1})])
    >>> guards.holds(), guards.checks is not None
    (True, True)
    """

    def __init__(self, guards: Iterable[Guard] = (), later: Iterable[Any] = ()) -> None:
        self.guards = list(guards)
        self.later = list(later)  # functions that run when the Program does, and read the world then

    def add(self, guard: Guard) -> None:
        """One more; places that must be unchanged are looked at together."""
        if isinstance(guard, Unchanged):
            others = [g for g in self.guards if isinstance(g, Unchanged)]
            if others:
                self.guards = [g for g in self.guards if not isinstance(g, Unchanged)]
                guard = Unchanged({place: held for g in (*others, guard) for place, held in g.held.items()})
        self.guards.append(guard)

    def holds(self) -> bool:
        """Whether all hold."""
        return all([g.holds() for g in self.guards])

    @property
    def checks(self) -> tuple[Check, ...] | None:
        """The guards as the native entry checks them; None where it cannot check one of them."""
        checks = [g for g in self.guards if isinstance(g, Check)]
        return tuple(checks) if len(checks) == len(self.guards) else None
