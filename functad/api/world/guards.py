"""Guards: what a traced Program was made for besides its arguments, and must find again at each call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from functad.lower.entry.places import Check
from functad.lower.entry.unchanged import Unchanged

__all__ = ["Guard", "Guards", "Never"]


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
