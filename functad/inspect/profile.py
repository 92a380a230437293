"""``profile``: where a compiled call spends its time, by kernels and by the user's lines.

The function is compiled once more with code that reads the processor's counter before and after each kernel, product,
native call, loop and branch; that costs some ten nanoseconds each. Calls without profiling run no such code. The time
of a kernel is divided among the lines whose equations it computes, by their number.
"""

from __future__ import annotations

import ctypes
import functools
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functad.api.arguments import name_of
from functad.api.jit import Jitted
from functad.core.wrapping import Transformed
from functad.errors import ArgumentError
from functad.inspect.kernels import statement_name
from functad.inspect.tables import quantity, table
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

__all__ = ["Profile", "Row", "profile"]


@dataclass(frozen=True)
class Row:
    """A step of the compiled function: its runs and seconds in all profiled calls; ``own`` is without steps inside.
    ``lines`` are the user's lines, with the part that each has in it.
    """

    name: str
    lines: dict[str, float]
    runs: int
    seconds: float
    own: float
    depth: int


@dataclass(frozen=True)
class Profile:
    """Where the time of some calls went. ``rows`` are in the order of execution, those inside of a loop behind it."""

    name: str
    calls: int
    seconds: float
    rows: tuple[Row, ...]

    @property
    def lines(self) -> dict[str, float]:
        """Seconds by the user's line, the longest first; "" is what belongs to none."""
        found: dict[str, float] = defaultdict(float)
        for row in self.rows:
            for line, part in (row.lines or {"": 1.0}).items():
                found[line] += row.own * part
        found[""] += max(self.seconds - sum([row.own for row in self.rows]), 0.0)
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def __repr__(self) -> str:
        rows = [
            [
                "  " * r.depth + r.name,
                str(r.runs // self.calls) if r.runs >= self.calls else f"{r.runs / self.calls:.2g}",
                f"{quantity_of(r.seconds / self.calls)}",
                f"{quantity_of(r.own / self.calls)}",
                f"{r.own / self.seconds:.0%}" if self.seconds else "",
                ", ".join(r.lines),
            ]
            for r in self.rows
        ]
        lines = [
            [line or "(no line)", quantity_of(seconds / self.calls), f"{seconds / self.seconds:.0%}"]
            for line, seconds in self.lines.items()
            if self.seconds and seconds >= 0.005 * self.seconds
        ]
        head = f"{self.name}: {quantity_of(self.seconds / self.calls)} a call, mean of {self.calls}"
        steps = table(["step", "runs", "time", "own", "share", "lines"], rows)
        return "\n".join([head, steps, "", table(["line", "time", "share"], lines)])

    def chrome_trace(self, path: str | Path) -> None:
        """Write one mean call as events for Chrome's trace viewer or Perfetto: steps one after the other, what is
        inside of a loop inside of it.
        """
        scale = 1e6 / self.calls
        events = [_event(self.name, 0.0, self.seconds * scale, "")]
        starts = [0.0]  # by depth: where the next step begins
        for row in self.rows:
            del starts[row.depth + 1 :]
            events.append(_event(row.name, starts[row.depth], row.seconds * scale, ", ".join(row.lines)))
            starts.append(starts[row.depth])
            starts[row.depth] += row.seconds * scale
        Path(path).write_text(json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}))


def _event(name: str, start: float, duration: float, lines: str) -> dict[str, Any]:
    return {"name": name, "ph": "X", "ts": start, "dur": duration, "pid": 1, "tid": 1, "args": {"lines": lines}}


def quantity_of(seconds: float) -> str:
    """A time with three digits and a unit.

    Examples
    --------
    >>> quantity_of(1.5e-7), quantity_of(0.0023), quantity_of(2.0)
    ('150 ns', '2.3 ms', '2 s')
    """
    for factor, unit in ((1e-9, "ns"), (1e-6, "us"), (1e-3, "ms")):
        if seconds < 1000 * factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{quantity(seconds)}s"


def profile(f: Callable[..., Any], seconds: float = 0.2) -> Callable[..., Profile]:
    """A function that says where compiled calls of ``f`` with given arguments spend their time.

    Parameters
    ----------
    f
        A function, or what a transform made of one.
    seconds
        For how long to call it; once at least.

    Returns
    -------
    A function of the same arguments that gives a ``Profile``: ``seconds`` of all ``calls``, ``rows`` (kernels,
    products, loops, with their lines), ``lines`` (seconds by the user's line), ``chrome_trace(path)``. Printed, it is
    two tables.

    Raises
    ------
    ArgumentError
        If ``seconds`` is negative.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> found = fd.inspect.profile(lambda a, x: np.sum(np.sin(a @ x)))(np.ones((300, 200)), np.ones(200))
    >>> [row.name for row in found.rows]
    ['product', 'sum']
    """
    if seconds < 0:
        raise ArgumentError(f"profile: seconds is the time to call the function for, got {seconds}")
    return Transformed(_profiled, f, seconds)


class TimedCode(Code):
    """Code that counts where its time goes."""

    __slots__ = ("timer",)

    def __init__(self, abstracted: Abstract, target: Target) -> None:
        self.timer = Timer()
        super().__init__(abstracted, target, self.timer)


def _profiled(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], seconds: float) -> Profile:
    jitted = f if isinstance(f, Jitted) else Jitted(f, (), ())
    traced, given = jitted.trace(args, kwargs)
    values = [*[leaf.value for leaf in given.leaves], *[h.value() for h in traced.hidden]]
    program = optimize(traced.program)
    compiled = compile_program(program, Target.host(), TimedCode)
    assert isinstance(compiled.code, TimedCode)
    timer = compiled.code.timer
    run(compiled, values)  # memory is there, caches are warm
    timer.table[:] = 0
    calls, end = 0, time.perf_counter() + seconds
    while not calls or time.perf_counter() < end:
        run(compiled, values)
        calls += 1
    return Profile(name_of(f), calls, float(timer.table[0]) / ticks_a_second(), _rows(timer, program))


def _rows(timer: Timer, program: Program) -> tuple[Row, ...]:
    """The statements in the order of execution: what is inside of one stands behind it."""
    ticks, runs = timer.table[0::2] / ticks_a_second(), timer.table[1::2]
    inside: dict[int, dict[int, Statement]] = defaultdict(dict)
    for timed in timer.timed:
        inside[timed.inside].setdefault(timed.number, timed.statement)
    rows: list[Row] = []

    def visit(number: int, depth: int) -> None:
        for inner, statement in inside[number].items():
            own = float(ticks[inner]) - sum([float(ticks[k]) for k in inside[inner]])
            found = Counter([str(where) for path in statement.paths if (where := location(program, path)) is not None])
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
