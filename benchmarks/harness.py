"""Timing side by side: several ways to compute the same thing, checked against one another and then timed in turns.

What is timed is a statement, as with `timeit`, so that a call of a tenth of a microsecond is not hidden by a wrapper
around it. Contenders take turns, a batch each, and the best batch counts: other work on the machine only adds. Results
of JAX are waited for. (``one_thread`` has contenders that take their turns in another process.)
"""

from __future__ import annotations

import os
import platform
import time
import timeit
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np
import optree

__all__ = ["Contender", "Result", "Timed", "best_times", "compare", "environment", "fastest", "show", "table"]

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)

BATCH = 0.01
"""Seconds that a batch of calls takes, at least."""

FEWEST, MOST = 5, 200
"""Batches a contender, whatever time there is."""


class Clock(Protocol):
    """What times calls: `timeit.Timer`, or something far away."""

    def timeit(self, count: int, /) -> float:
        """Seconds of so many calls."""
        ...


class Timed(Protocol):
    """What can be compared."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    def value(self) -> Any:
        """What it computes."""
        ...

    def timer(self) -> Clock:
        """What times it."""
        ...


@dataclass(frozen=True)
class Contender:
    """An expression to be timed, and the names in it; ``ready`` is appended to wait for a result that is computed
    asynchronously.
    """

    name: str
    expression: str
    names: Mapping[str, Any]
    ready: str = ""

    def value(self) -> Any:
        """What it computes."""
        return eval(self.expression, dict(self.names))

    def timer(self) -> timeit.Timer:
        """The expression as `timeit` runs it: without the garbage collector."""
        return timeit.Timer(self.expression + self.ready, globals=dict(self.names))


@dataclass(frozen=True)
class Result:
    """One line of the table: functad beside one peer."""

    case: str
    seconds: float
    peer: str
    peer_seconds: float
    target: float | None = None  # how many times as fast as the peer
    note: str = ""
    facts: Mapping[str, bool] = field(default_factory=dict)  # claims other than of speed

    @property
    def ratio(self) -> float:
        """How many times as fast as the peer."""
        return self.peer_seconds / self.seconds

    @property
    def verdict(self) -> str:
        """Whether the claims hold; empty where there are none."""
        failed = [claim for claim, holds in self.facts.items() if not holds]
        if failed:
            return "NOT " + ", ".join(failed)
        if self.target is None:
            return "PASS" if self.facts else ""
        return "PASS" if self.ratio >= self.target else f"short of {self.target:g}"


def compare(
    case: str,
    ours: Timed,
    peers: Sequence[Timed],
    seconds: float,
    targets: Mapping[str, float] | None = None,
    *,
    tolerance: float = 1e-9,
    note: str = "",
    facts: Mapping[str, bool] | None = None,
) -> Iterator[Result]:
    """Check that all compute the same, time them in turns for about so many seconds, and give a result for each peer.

    ``targets`` says for some peers how many times as fast functad is to be; ``facts`` are claims beside those.
    """
    expected = ours.value()
    for peer in peers:
        check_equal(case, peer.name, peer.value(), expected, tolerance)
    times = best_times([ours, *peers], seconds)
    for peer, peer_seconds in zip(peers, times[1:], strict=True):
        target = (targets or {}).get(peer.name)
        yield Result(case, times[0], peer.name, peer_seconds, target, note, (facts or {}) if target else {})


def check_equal(case: str, name: str, found: Any, expected: Any, tolerance: float) -> None:
    """Raise if two containers of arrays do not hold the same numbers."""
    ours, theirs = optree.tree_leaves(expected), optree.tree_leaves(found)
    assert len(ours) == len(theirs), f"{case}: {name} gives {len(theirs)} arrays, functad {len(ours)}"
    for a, b in zip(ours, theirs, strict=True):
        scale = float(np.max(np.abs(np.asarray(b)), initial=0.0))
        np.testing.assert_allclose(
            a, b, rtol=tolerance, atol=tolerance * scale, err_msg=f"{case}: functad and {name} differ"
        )


def best_times(contenders: Sequence[Timed], seconds: float) -> list[float]:
    """Seconds a call of each, the best of batches that alternate."""
    timers = [c.timer() for c in contenders]
    counts = [calls_in_batch(timer) for timer in timers]
    best = [float("inf")] * len(timers)
    end = time.perf_counter() + seconds
    for turn in range(MOST):
        if turn >= FEWEST and time.perf_counter() > end:
            break
        for k, (timer, count) in enumerate(zip(timers, counts, strict=True)):
            best[k] = min(best[k], timer.timeit(count) / count)
    return best


def calls_in_batch(timer: Clock) -> int:
    """How many calls take about the time of a batch; warms up on the way."""
    count = 1
    while (elapsed := timer.timeit(count)) < BATCH / 4:
        count *= 4
    return max(1, round(count * BATCH / elapsed))


def fastest(contenders: Sequence[Timed]) -> Timed:
    """The one whose best call takes least, in about a second."""
    times = best_times(contenders, 1.0)
    return contenders[times.index(min(times))]


# -- the table ---------------------------------------------------------------------------------------------------------


def show(seconds: float) -> str:
    """A time with three digits and a unit."""
    unit, size = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)) if seconds >= s), ("ns", 1e-9))
    return f"{float(f'{seconds / size:.3g}'):g} {unit}"


HEADER = ("case", "functad", "peer", "its time", "times as fast", "target", "", "")


def table(results: Iterator[Result]) -> Iterator[str]:
    """Lines of a Markdown table, each as soon as its result is there."""
    yield line(HEADER)
    yield "|" + "|".join("-" * (w + 2) for w in WIDTHS) + "|"
    for r in results:
        target = "" if r.target is None else f"{r.target:g}"
        yield line((r.case, show(r.seconds), r.peer, show(r.peer_seconds), f"{r.ratio:.3g}", target, r.verdict, r.note))


WIDTHS = (44, 8, 15, 8, 13, 6, 12, 24)


def line(cells: Sequence[str]) -> str:
    """A row of the table."""
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)) + " |"


def environment() -> str:
    """The machine and the versions, in a line."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "jax", "casadi", "autograd"))
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    machine = f"{cpu_name()}, {os.cpu_count()} cores{load}"
    return f"{machine}; {platform.system()}; Python {platform.python_version()}, {packages}"


def cpu_name() -> str:
    """The processor as the system calls it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for text in info.read_text().splitlines():
            if text.startswith("model name"):
                return text.partition(":")[2].strip()
    return platform.processor() or platform.machine()
