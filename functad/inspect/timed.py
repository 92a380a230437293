"""Native code that counts where its time goes.

It reads the processor's counter before and after each kernel, product, native call, loop and branch; that costs some
ten nanoseconds each. Code that counts belongs to one who reads the counters: no other thread runs it.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from functad.inspect.kernels import statement_name
from functad.inspect.steps import Profile, Row
from functad.ir.program import Program
from functad.kernel_ir.nodes import Statement
from functad.lower.abstract.abstract import Abstract
from functad.lower.compile import Code, compile_program
from functad.lower.direct import run
from functad.lower.emit.timer import Timer
from functad.lower.failures import location
from functad.lower.llvm.link import Library, link
from functad.lower.llvm.target import Target, emit_object
from functad.passes.pipeline import optimize

__all__ = ["Timed"]


class Timed:
    """A Program as native code that counts."""

    def __init__(self, program: Program, name: str, fastmath: str = "") -> None:
        self.name, self.calls = name, 0
        self._timer = Timer()
        self._program = optimize(program)

        def code(abstracted: Abstract, target: Target) -> Code:
            return Code(abstracted, target, self._timer)

        self._compiled = compile_program(self._program, Target.host(fastmath), code, shared=False)

    def __call__(self, args: Sequence[Any]) -> Sequence[Any]:
        """The results for arguments of the Program's types."""
        self.calls += 1
        return run(self._compiled, args)

    def reset(self) -> None:
        """Count from 0."""
        self.calls, self._timer.table[:] = 0, 0

    @property
    def seconds(self) -> float:
        """The time of all calls."""
        return float(self._timer.table[0]) / ticks_a_second()

    @property
    def profile(self) -> Profile:
        """What has been counted."""
        return Profile(self.name, self.calls, self.seconds, self._rows())

    def _rows(self) -> tuple[Row, ...]:
        """The statements in the order of execution: what is inside of one stands behind it."""
        table = self._timer.table
        ticks, runs = table[0::2] / ticks_a_second(), table[1::2]
        inside: dict[int, dict[int, Statement]] = defaultdict(dict)
        for timed in self._timer.timed:
            inside[timed.inside].setdefault(timed.number, timed.statement)
        rows: list[Row] = []

        def visit(number: int, depth: int) -> None:
            for inner, statement in inside[number].items():
                own = float(ticks[inner]) - sum([float(ticks[k]) for k in inside[inner]])
                found = Counter(
                    [str(where) for path in statement.paths if (where := location(self._program, path)) is not None]
                )
                lines = {line: count / found.total() for line, count in found.items()}
                row = Row(statement_name(statement), lines, int(runs[inner]), float(ticks[inner]), max(own, 0.0), depth)
                if row.runs:
                    rows.append(row)
                    visit(inner, depth + 1)

        visit(0, 0)
        return tuple(rows)


@functools.cache
def ticks_a_second() -> float:
    """The rate of the processor's counter."""
    now = _counter()
    start, ticks = time.perf_counter(), now()
    while time.perf_counter() - start < 0.02:
        pass
    return float(now() - ticks) / (time.perf_counter() - start)


_kept: list[Library] = []


def _counter() -> Callable[[], int]:
    """A function that reads the counter."""
    text = """
declare i64 @llvm.readcyclecounter()
define i64 @functad_ticks() {
  %now = call i64 @llvm.readcyclecounter()
  ret i64 %now
}
"""
    library = link(emit_object(text, Target.host()), {}, ["functad_ticks"])
    _kept.append(library)
    return ctypes.CFUNCTYPE(ctypes.c_int64)(library.address("functad_ticks"))
