"""What a jitted function was traced for, and why: the records of ``f.stats()``."""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

from functad import config
from functad.api.static import Call
from functad.timing import Record, Stats

__all__ = ["Log", "report"]

KEPT = 256
"""Records of a function that are kept: the last."""


class Log:
    """The kinds of call that a function has been traced for, in order."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._records: deque[tuple[Record, Any, Any]] = deque(maxlen=KEPT)

    def begin(self, given: Call, known: bool) -> Record:
        """The record of a call that has no Program; ``known`` says that there is one for another state of the world."""
        ranks = given.structure, [(leaf.kind, leaf.type.dtype, len(leaf.type.shape)) for leaf in given.leaves]
        shapes = [leaf.type.shape for leaf in given.leaves]
        record = Record(self._name, _text(given), self._why(ranks, shapes, known))
        self._records.append((record, ranks, shapes))
        return record

    def _why(self, ranks: Any, shapes: Any, known: bool) -> str:
        if known:
            return "what it reads besides its arguments has changed"
        if not self._records:
            return "the first call"
        alike = [s for _, r, s in self._records if r == ranks]
        if shapes in alike:
            return "another static value"
        return "other shapes" if alike else "other arguments"

    def stats(self) -> Stats:
        """All records."""
        return Stats([record for record, _, _ in self._records])


def report(record: Record) -> None:
    """Print a record if the flag ``profile`` asks for it."""
    if config.profile.value:
        print(record, file=sys.stderr)


def _text(given: Call) -> str:
    static = [repr(value) for _, value in (*given.fixed, *given.positions)]
    named = [f"{name}={value!r}" for name, value in given.names]
    return ", ".join([str(leaf.type) for leaf in given.leaves] + [_short(s) for s in (*static, *named)])


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
