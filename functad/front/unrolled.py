"""What loops make that are made step by step, and how much that is."""

from __future__ import annotations

from collections.abc import Sequence

from functad.core.location import user_location
from functad.core.trace import current_trace
from functad.front.report import note, warn_of_unrolling
from functad.ir.program import Eqn, Program, sub_programs

__all__ = ["Unrolled", "size_of"]


class Unrolled:
    """What a loop makes if it is made step by step."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.at, self._trace = user_location(), current_trace()
        self._start = 0 if self._trace is None else len(self._trace.eqns)

    def size(self) -> int:
        """How many equations it has made so far, those of their parts included."""
        return 0 if self._trace is None else size_of_all(self._trace.eqns[self._start :])

    def note(self, steps: int, reason: str) -> None:
        """Say that it was, at its end."""
        if self._trace is None or not steps:
            return
        equations = self.size()
        note(self.what, f"unrolled, {steps} step{'' if steps == 1 else 's'}", reason, self.at, equations)
        warn_of_unrolling(equations, steps, reason, self.at)


def size_of(program: Program) -> int:
    """The equations of a Program, those of its parts included."""
    return size_of_all(program.eqns)


def size_of_all(eqns: Sequence[Eqn]) -> int:
    """How many equations there are, those of their parts included."""
    return sum([1 + sum([size_of(p) for p in sub_programs(e)]) for e in eqns])
