"""What a function reads beside its arguments while it is traced: compiled code is valid as long as that is what it
was.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from typing import Any

from functad.api.world.guards import Guard, Never
from functad.api.world.reach import Reach, Source
from functad.core.tracer import Tracer
from functad.identity import same
from functad.lower.entry.places import Place
from functad.lower.entry.unchanged import Unchanged
from functad.tree.containers import flatten

__all__ = ["Watch"]


class Watch:
    """A look at all that a function reaches, before it is traced.

    After that, ``guard`` is for what it read. ``writes`` is what the function itself has changed meanwhile, from what
    to what: that counts as the function leaves it, since a counter must not trace again for ever.
    """

    def __init__(self, *roots: Any) -> None:
        self.roots = roots
        self.reach = Reach(*roots)
        self.before = self.reach.values
        self.writes: dict[Hashable, tuple[Any, Any]] = {}

    def left(self) -> Source | None:
        """A place in which the function has left a value that was traced, where there was none; None if nowhere."""
        sources = self.reach.sources
        values = {identity: source.place.get() for identity, source in sources.items()}
        written = [i for i, now in values.items() if now is not self.before[i] and self.reach.may_write(i)]
        found = [i for i in written if _holds_traced(values[i]) and not _holds_traced(self.before[i])]
        if found or not written:
            return sources[found[0]] if found else None
        later = [s for i, s in Reach(*self.roots).sources.items() if i not in self.before]
        return next((s for s in later if _holds_traced(s.place.get())), None)

    def guard(self, ignored: Container[Hashable] = (), later: Sequence[Any] = ()) -> Guard:
        """What must be as it was; a guard that never holds where someone else has changed something meanwhile, so that
        it cannot be told.

        Some places are ignored, and so is what only functions read that run ``later``, with the Program.
        """
        held: dict[Place, Any] = {}
        sources = Reach(*self.roots, without=later).sources if later else self.reach.sources
        for identity, source in self.reach.sources.items():
            before, now = self.before[identity], source.place.get()
            written = now is not before and self.reach.may_write(identity)
            if written:
                self.writes[identity] = before, now
            if identity in ignored or identity not in sources:
                continue
            held[source.place] = now if written else before
            if not written and now is not before and not same(before, now):
                return Never()
        if self.writes:  # what it has put into containers and objects is its own, as it leaves it
            after = Reach(*self.roots, without=later)
            held |= {s.place: s.place.get() for identity, s in after.sources.items() if identity not in self.before}
        return Unchanged(held)


def _holds_traced(value: Any) -> bool:
    """Whether a value, or one of its parts, was traced in a function that has returned."""
    return any([type(x) is Tracer and not x._owner.open for x in flatten(value)[0]])
