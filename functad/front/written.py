"""Which arrays a loop writes to is seen when its body has been traced once, and then it is traced again. A loop inside
is traced anew in each pass over the body around it; what it was seen to write to is remembered, so that a nest is
traced once more for each loop in it, not twice as often.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from functad.core.handles import BodyTrace
from functad.core.trace import Trace, current_trace
from functad.core.tracer import Tracer
from functad.ir.program import Var

__all__ = ["Site", "Written", "called_from"]

Site = tuple[Any, int]
"""A place in the code of a twin."""


def called_from(depth: int = 2) -> Site:
    """Where the function that calls this has been called."""
    frame = sys._getframe(depth)
    return frame.f_code, frame.f_lasti


class Written:
    """The arrays that the loop at a place was seen to write to, which it is taken to write to again.

    What it knows belongs to the outermost loop, and is handed on by the traces of bodies.
    """

    def __init__(self, site: Site) -> None:
        around = current_trace()
        self.known: dict[Site, list[Tracer]] = around.written if type(around) is BodyTrace else {}
        self._arrays = self.known.setdefault(site, [])
        self._taken: list[tuple[Tracer, Var]] = []  # arrays that are only guessed, as a pass begins
        self._guesses = [x for x in self._arrays if _is_taken(x, around)]

    @property
    def guesses(self) -> Sequence[Tracer]:
        """The arrays that the body is taken to write to, before it has been traced."""
        return self._guesses

    def begin(self, trace: BodyTrace) -> None:
        """The beginning of a pass, where all arrays have variables of the body's."""
        trace.written = self.known
        self._taken = [(x, x._variable) for x in self._guesses]

    def end(self) -> list[Tracer]:
        """The guesses that were wrong, at the end of a pass, before the arrays are given back."""
        wrong = [x for x, before in self._taken if x._variable is before]
        self._guesses = []
        return wrong

    def note(self, arrays: Sequence[Tracer]) -> None:
        """Remember arrays that the body has written to."""
        self._arrays += [x for x in arrays if all([x is not y for y in self._arrays])]


def _is_taken(x: Tracer, around: Trace | None) -> bool:
    """Make an array one of the trace that a loop stands in; whether that could be done."""
    return around.take(x) if type(around) is BodyTrace else x._owner is around
