"""The steps of a compiled function, and what each has taken: as numbers, tables, a trace and a picture."""

from __future__ import annotations

import html
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functad.inspect.flame import Bar, flame
from functad.inspect.tables import html_table, quantity, table

__all__ = ["Profile", "Row", "quantity_of", "write_trace"]


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

    def _tables(self) -> list[tuple[list[str], list[list[str]]]]:
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
        return [(["step", "runs", "time", "own", "share", "lines"], rows), (["line", "time", "share"], lines)]

    @property
    def _head(self) -> str:
        return f"{self.name}: {quantity_of(self.seconds / self.calls)} a call, mean of {self.calls}"

    def __repr__(self) -> str:
        return f"{self._head}\n" + "\n\n".join([table(*found) for found in self._tables()])

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._head)}</p>" + "".join([html_table(*found) for found in self._tables()])

    @property
    def bars(self) -> list[Bar]:
        """The steps of one mean call on a line of time, what is inside of a loop below it."""
        found = [Bar(self.name, 0.0, self.seconds / self.calls, 0)]
        starts = [0.0]  # by depth: where the next step begins
        for row in self.rows:
            del starts[row.depth + 1 :]
            found.append(
                Bar(row.name, starts[row.depth], row.seconds / self.calls, row.depth + 1, ", ".join(row.lines))
            )
            starts.append(starts[row.depth])
            starts[row.depth] += row.seconds / self.calls
        return found

    def flame(self) -> Any:
        """A picture of one mean call: steps side by side, as wide as they take long, what is inside of a loop below it.

        Returns
        -------
        A figure of matplotlib's.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        """
        return flame(self.bars)

    def chrome_trace(self, path: str | Path) -> None:
        """Write one mean call as events for Chrome's trace viewer or Perfetto: steps one after the other, what is
        inside of a loop inside of it.
        """
        write_trace(path, self.bars)


def write_trace(path: str | Path, bars: Sequence[Bar]) -> None:
    """Write bars as events for Chrome's trace viewer or Perfetto."""
    events = [
        {"name": b.name, "ph": "X", "ts": 1e6 * b.start, "dur": 1e6 * b.seconds, "pid": 1, "tid": 1}
        | {"args": {"lines": b.lines}}
        for b in bars
    ]
    Path(path).write_text(json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}))


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
