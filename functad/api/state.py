"""What a function reads beside its arguments while it is traced: compiled code is valid as long as that is what it was."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from functad.api.reach import Reach, reach
from functad.core.places import State, same

__all__ = ["Watch"]


class Watch:
    """A look at all that a function reaches, before it is traced.

    After that, ``state()`` is what it read. ``writes`` is what the function itself has changed meanwhile, from what to what: that counts as the
    function leaves it, since a counter must not trace again for ever.
    """

    def __init__(self, *roots: Any) -> None:
        self.reach: Reach = reach(*roots)
        self.before = [place.read() for place in self.reach.places.values()]
        self.writes: dict[Hashable, tuple[Any, Any]] = {}

    def state(self) -> State | None:
        """What the function read; None where someone else has changed it meanwhile, so that this cannot be told."""
        held = []
        for (key, place), before in zip(self.reach.places.items(), self.before, strict=True):
            now = before
            if key in self.reach.written:
                now = place.read()
                if now is not before:
                    self.writes[key] = before, now
            elif not same(before, place.read()):
                return None
            held.append(now)
        return State(self.reach.places, held)
