"""``with profile() as p``: all that functad does in a block, in this thread, by what it is and by the user's line.

While a session is open, equations that run without ``jit`` are evaluated one by one, and compiled functions run as code
that counts, of this session alone.
"""

from __future__ import annotations

import html
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from functad import config
from functad.core.observing import Observer, observing
from functad.inspect.flame import Bar, flame
from functad.inspect.steps import Profile, quantity_of, write_trace
from functad.inspect.tables import html_table, table
from functad.inspect.timed import Timed
from functad.ir.program import Location, Program
from functad.lower.backends import backend

__all__ = ["Session", "Total"]

MOST_BARS = 20_000
"""What the picture and the trace show: the first so many."""

T = TypeVar("T")


@dataclass(frozen=True)
class Total:
    """What has run under one name: how often, how long, and how long without what ran inside of it.

    ``kind`` is call, trace, compile, compiled, kernel or operation.
    """

    kind: str
    name: str
    calls: int
    seconds: float
    own: float


class Session(Observer):
    """What has been counted in a block; see `functad.profile`."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._totals: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
        self._lines: dict[str, float] = defaultdict(float)
        self._bars: list[tuple[Bar, Timed | None]] = []
        self._inside: list[float] = []  # of what runs now, outermost first: the time of what has run in it
        self._timed: dict[Program, Timed] = {}
        self._name = ""
        self._open = ExitStack()

    def __enter__(self) -> Session:
        token = observing.set(self)
        self._open.callback(observing.reset, token)
        self._open.enter_context(config.watching())
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.seconds += time.perf_counter() - self._start
        self._open.close()

    # -- as an observer ------------------------------------------------------------------------------------------------

    def equation(self, primitive: Any, ins: Sequence[Any], params: Any, loc: Location | None = None) -> tuple[Any, ...]:
        """The results of an equation."""
        if primitive.name == "jit":
            self._name = params["name"]
            return super().equation(primitive, ins, params, loc)
        where = loc or self.loc
        run: Callable[[], tuple[Any, ...]] = lambda: super(Session, self).equation(primitive, ins, params, loc)  # noqa: E731
        name, line = primitive.name.removeprefix("strong_"), "" if where is None else str(where)
        return self._measured("operation", name, run, line)

    def native(
        self, program: Program, args: Sequence[Any], options: Any, run: Callable[[], Sequence[Any]]
    ) -> Sequence[Any]:
        """What code that counts gives."""
        name = self._name
        if not backend(options.backend).compiles:
            return self._measured("compiled", name, run)
        timed = self._timed.get(program)
        if timed is None:
            timed = self._measured("compile", name, lambda: Timed(program, name, options.fastmath))
            self._timed[program] = timed
        return self._measured("compiled", name, lambda: timed(args), timed=timed)

    def call(self, name: str, run: Callable[[], T]) -> T:
        """What a call of the user's returns."""
        return self._measured("call", name, run)

    def took(self, kind: str, name: str, seconds: float) -> None:
        """Note what has just ended, and was measured by others."""
        self._note(kind, name, time.perf_counter() - seconds, seconds, seconds)

    def _measured(self, kind: str, name: str, run: Callable[[], T], line: str = "", timed: Timed | None = None) -> T:
        self._inside.append(0.0)
        start = time.perf_counter()
        try:
            return run()
        finally:
            taken = time.perf_counter() - start
            self._note(kind, name, start, taken, taken - self._inside.pop(), line, timed)

    def _note(
        self, kind: str, name: str, start: float, taken: float, own: float, line: str = "", timed: Timed | None = None
    ) -> None:
        total = self._totals[kind, name]
        total[0] += 1
        total[1] += taken
        total[2] += own
        if line:
            self._lines[line] += own
        if self._inside:
            self._inside[-1] += taken
        if len(self._bars) < MOST_BARS:
            shown = f"{kind} {name}" if kind in ("trace", "compile") else name
            self._bars.append((Bar(shown, start - self._start, taken, len(self._inside), line), timed))

    # -- what has been counted -----------------------------------------------------------------------------------------

    @property
    def functions(self) -> list[Profile]:
        """The compiled functions that ran, each with its steps."""
        return [timed.profile for timed in self._timed.values() if timed.calls]

    @property
    def totals(self) -> list[Total]:
        """What ran, that with the most time of its own first."""
        functions = self.functions
        found = {key: [*total] for key, total in self._totals.items()}
        for f in functions:
            for row in f.rows:
                total = found.setdefault(("kernel", f"{row.name} in {f.name}"), [0, 0.0, 0.0])
                total[0] += row.runs
                total[1] += row.seconds
                total[2] += row.own
            if ("compiled", f.name) in found:
                found["compiled", f.name][2] -= sum([row.own for row in f.rows])
        totals = [Total(*key, int(calls), seconds, own) for key, (calls, seconds, own) in found.items()]
        return sorted(totals, key=lambda total: -total.own)

    @property
    def lines(self) -> dict[str, float]:
        """Seconds by the user's line, the longest first."""
        found = dict(self._lines)
        for f in self.functions:
            for line, seconds in f.lines.items():
                if line:
                    found[line] = found.get(line, 0.0) + seconds
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    @property
    def bars(self) -> list[Bar]:
        """What ran on a line of time; in a compiled function, the steps of a mean call."""
        found = []
        profiles = {id(t): t.profile.bars for t in self._timed.values() if t.calls}
        for bar, timed in sorted(self._bars, key=lambda pair: (pair[0].start, pair[0].depth)):
            found.append(bar)
            whole, *steps = profiles[id(timed)] if timed is not None else [bar]
            scale = bar.seconds / whole.seconds if whole.seconds else 0.0
            found += [
                Bar(b.name, bar.start + scale * b.start, scale * b.seconds, bar.depth + b.depth, b.lines) for b in steps
            ]
        return found

    def flame(self) -> Any:
        """A figure of matplotlib's: what ran side by side, as wide as it took long, what ran in it below it."""
        return flame(self.bars)

    def chrome_trace(self, path: str | Path) -> None:
        """Write what ran as events for Chrome's trace viewer or Perfetto."""
        write_trace(path, self.bars)

    def _tables(self) -> list[tuple[list[str], list[list[str]]]]:
        whole = self.seconds or 1.0
        rows = [
            [
                *(t.name, t.kind, quantity_of(t.own), f"{t.own / whole:.1%}"),
                *(quantity_of(t.seconds), quantity_of(t.seconds / max(t.calls, 1)), str(t.calls)),
            ]
            for t in self.totals
        ]
        lines = [[line, quantity_of(seconds), f"{seconds / whole:.1%}"] for line, seconds in self.lines.items()]
        return [(["name", "kind", "own", "own %", "total", "mean", "calls"], rows), (["line", "time", "%"], lines)]

    def __repr__(self) -> str:
        return f"{quantity_of(self.seconds)} in all\n" + "\n\n".join([table(*found) for found in self._tables()])

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(quantity_of(self.seconds))} in all</p>" + "".join(
            [html_table(*found) for found in self._tables()]
        )
