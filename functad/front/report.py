"""What became of a function's statements and arguments, and why: noted where it is decided, for ``fd.explain``.

``note`` costs a look at a context variable where nobody asks. A loop in a body is traced as often as the body is; what
was noted in a pass that is given up is taken back (``mark`` and ``take_back``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from functad.caches import Recent, on_clearing
from functad.core.location import user_stack_level
from functad.core.trace import current_trace, is_compiling
from functad.errors import UnrolledWarning
from functad.ir.program import Location

__all__ = ["Explanation", "Note", "collected", "mark", "note", "take_back", "warn_of_unrolling"]

T = TypeVar("T")

MANY = 2000
"""Equations that an unrolled loop may make without a word."""


@dataclass(frozen=True)
class Note:
    """What was decided about a statement or an argument.

    Attributes
    ----------
    what
        What it is: ``"for"``, ``"while"``, ``"if"``, ``"argument"`` ...
    outcome
        What became of it: ``"one native loop of 99 steps"``.
    reason
        Why, as a sentence without its full stop; empty where nothing needs to be said.
    filename, line
        Where it is in the user's code; "" and 0 where it is in no line.
    equations
        How many equations came of it, all times together.
    times
        How often it was decided so.
    """

    what: str
    outcome: str
    reason: str = ""
    filename: str = ""
    line: int = 0
    equations: int | None = None
    times: int = 1

    def __str__(self) -> str:
        where = f"{self.filename}:{self.line}: " if self.filename else ""
        often = f", {self.times} times" if self.times > 1 else ""
        count = "" if self.equations is None else f" ({self.equations} equation{'' if self.equations == 1 else 's'})"
        return f"{where}{self.what}: {self.outcome}{often}{count}{f': {self.reason}' if self.reason else ''}"


@dataclass(frozen=True)
class Explanation:
    """What became of a function for one kind of arguments; what ``fd.explain`` returns. Print it to read it.

    ``notes`` holds what was decided, in the order of the user's lines, ``equations`` the number of equations of the
    whole function, with those in bodies of loops and branches.
    """

    name: str
    notes: tuple[Note, ...]
    equations: int

    def __str__(self) -> str:
        first = f"{self.name}: {self.equations} equations"
        return "\n".join([first, *[f"  {n}" for n in self.notes]])

    __repr__ = __str__

    def of(self, what: str) -> tuple[Note, ...]:
        """The notes about one kind of thing: ``"for"``, ``"while"``, ``"if"``, ``"argument"`` ..."""
        return tuple([n for n in self.notes if n.what == what])


_open: ContextVar[list[Note] | None] = ContextVar("functad_report", default=None)


def note(what: str, outcome: str, reason: str = "", at: Location | None = None, equations: int | None = None) -> None:
    """Note what was decided, if somebody collects that."""
    found = _open.get()
    if found is not None:
        filename, line = ("", 0) if at is None else (at.filename, at.line)
        found.append(Note(what, outcome, reason, filename, line, equations))


def mark() -> int:
    """Where the notes stand."""
    found = _open.get()
    return 0 if found is None else len(found)


def take_back(start: int) -> None:
    """Forget what was noted since a mark."""
    found = _open.get()
    if found is not None:
        del found[start:]


def collected(f: Callable[[], T]) -> tuple[T, tuple[Note, ...]]:
    """What a function returns, and the notes of that time: equal ones are one."""
    around, found = _open.get(), list[Note]()
    try:
        _open.set(found)
        result = f()
    finally:
        _open.set(around)
    return result, tuple(sorted(_merged(found), key=lambda n: (n.filename, n.line)))


def _merged(notes: Sequence[Note]) -> list[Note]:
    found: dict[tuple[Any, ...], Note] = {}
    for n in notes:
        key = n.what, n.outcome, n.reason, n.filename, n.line
        before = found.get(key)
        if before is not None:
            total = None if n.equations is None else n.equations + (before.equations or 0)
            n = Note(*key, total, before.times + 1)
        found[key] = n
    return list(found.values())


_warned = Recent[bool]()


@on_clearing
def _forget() -> None:
    _warned.clear()


def warn_of_unrolling(equations: int, steps: int, reason: str, at: Location | None) -> None:
    """Warn, once a line, that a loop was made step by step, and is long."""
    if equations <= MANY or at is None or not is_compiling() or current_trace() is None:
        return
    place = str(at)
    if _warned.get(place) is not None:
        return
    _warned.setdefault(place, True)
    warnings.warn(
        f"the loop at {place} was unrolled into {equations} equations, those of {steps} steps, since {reason}. To "
        "compile that takes long; let the body be one that can be traced for all steps at once (docs/plain_code.md), "
        "loop with fd.lax.fori_loop or fd.lax.scan, or leave jit out",
        UnrolledWarning,
        stacklevel=user_stack_level(),
    )
