"""Instrumented code: how often each statement of a driver has run, and how many ticks of the processor's counter that
took.

Statements without loops of their own are not timed one by one: reading the counter takes as long as they do. They are
in the time of the loop around them, or in what is left of the whole.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from functad.kernel_ir.nodes import Statement
from functad.lower.emit.code import Code

__all__ = ["TABLE", "Timed", "Timer"]

TABLE = "functad_times"
"""The external variable: two int64 for each timed statement, ticks and runs, and as many for the whole at the start."""


@dataclass(frozen=True)
class Timed:
    """A statement, its number in the table, and that of the statement that it runs in (0: the driver)."""

    statement: Statement
    number: int
    inside: int


@dataclass
class Timer:
    """What is timed in a module that is written."""

    timed: list[Timed] = field(default_factory=list)
    around: list[int] = field(default_factory=lambda: [0])  # the statements that what is written now runs in
    numbers: dict[int, int] = field(default_factory=dict)  # by the identity of a statement

    @functools.cached_property
    def table(self) -> np.ndarray:
        """What the code counts in; made when it is all written."""
        return np.zeros(2 * len(self.numbers) + 2, np.int64)

    @contextmanager
    def whole(self, code: Code) -> Iterator[None]:
        """Time the driver."""
        with self._timed(code, 0):
            yield

    @contextmanager
    def inside(self, statement: Statement) -> Iterator[None]:
        """What is written meanwhile runs inside a statement, which is written later."""
        self.around.append(self._number(statement))
        yield
        self.around.pop()

    def _number(self, statement: Statement) -> int:
        return self.numbers.setdefault(id(statement), len(self.numbers) + 1)

    @contextmanager
    def run(self, code: Code, statement: Statement) -> Iterator[None]:
        """Time a statement, which is written meanwhile."""
        number = self._number(statement)
        self.timed.append(Timed(statement, number, self.around[-1]))
        with self._timed(code, number):
            yield

    @contextmanager
    def _timed(self, code: Code, number: int) -> Iterator[None]:
        before = self._now(code)
        yield
        passed = code.emit(f"sub i64 {self._now(code)}, {before}")
        for place, more in ((2 * number, passed), (2 * number + 1, "1")):
            at = code.offset("i64", f"@{TABLE}", str(place))
            total = code.emit(f"add i64 {code.emit(f'load i64, ptr {at}')}, {more}")
            code.line(f"store i64 {total}, ptr {at}")

    def _now(self, code: Code) -> str:
        code.declarations.add("declare i64 @llvm.readcyclecounter()")
        code.declarations.add(f"@{TABLE} = external global i64")
        return code.emit("call i64 @llvm.readcyclecounter()")
