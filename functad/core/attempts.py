"""What may fail at run time where a handler of the user's would catch it.

Python learns at once that a matrix has no factor, and goes on in the handler. A function that is traced once for all
matrices does not: there, in a statement of a ``try`` block, an operation that would raise says *whether* it fails, as a
traced value, and computes something harmless where it does. The rewriting of the block asks behind each statement
(``front.attempts``), and makes a jump to the handler of it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from functad.core.trace import Trace, current_trace
from functad.core.tracer import Tracer
from functad.ir.program import Atom

__all__ = ["Attempt", "attempted", "attempts"]


class Attempt:
    """A statement in the block of a ``try``; ``sound_values`` are those of all its statements that cannot fail."""

    def __init__(self, trace: Trace, sound_values: set[Atom]) -> None:
        self.trace = trace
        self.failures: list[Any] = []
        self.sound_values = sound_values

    def fails(self, condition: Any) -> None:
        """Note that an operation fails where a condition holds, or one of an array of them."""
        self.failures.append(condition)

    def sound(self, x: Any) -> Any:
        """Note that the operation that gave a value has been kept from failing."""
        if type(x) is Tracer:
            self.sound_values.add(x._variable)
        return x


attempts: ContextVar[Attempt | None] = ContextVar("attempts", default=None)
"""The statement that is tried now."""


def attempted() -> Attempt | None:
    """The statement that is tried, to which failures are said; None where they are raised."""
    attempt = attempts.get()
    return attempt if attempt is not None and attempt.trace is current_trace() else None
