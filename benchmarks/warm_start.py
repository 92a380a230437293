"""The first call in a fresh process, with an empty persistent cache and with one that an earlier process has filled.

Tracing is left out: it is the same in both. What is imported with the first Program that is compiled, LLVM most of all,
is imported before. Of some processes, the fastest counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import functad as fd
from benchmarks.harness import Result

__all__ = ["run"]

SMALL = 0.010
"""What loading a small Program may take, in seconds."""


def elementwise(x: Any) -> Any:
    """A gradient of two kernels."""
    return np.sum(np.exp(-(x**2)) * np.sin(x) + np.tanh(x) + np.log(1 + x**2))


def scalar_steps(x: Any) -> Any:
    """Straight-line code of some thousand operations."""
    y = x
    for _ in range(300):
        y = np.sin(y) * 1.01 + x * 0.5
    return y


def neighbours(x: Any) -> Any:
    """Many kernels, one after the other."""
    y = x
    for k in range(20):
        y = np.tanh(y) + 0.1 * (k + 1) * np.roll(y, 1)
    return np.sum(y)


def solved(a: Any) -> Any:
    """A call of LAPACK."""
    return np.sum(np.linalg.solve(a, np.ones(30)))


LINE = np.linspace(0.0, 1.0, 1000)
CASES: dict[str, tuple[Callable[..., Any], Any, bool, bool]] = {
    "an elementwise gradient": (elementwise, LINE, True, False),
    "an elementwise gradient, the second call": (elementwise, LINE, True, True),
    "a gradient through solve, the second call": (solved, np.eye(30), True, True),
    "300 unrolled scalar steps": (scalar_steps, np.float64(0.3), False, False),
    "20 unrolled steps with neighbours": (neighbours, LINE[::20].copy(), False, False),
}
"""What it is, its function, where it is called, whether it is small, and whether another call comes before: the first
of a process loads what all share, entries and threads.
"""


def run(seconds: float) -> Iterator[Result]:
    """A small Program within 10 ms, a large one within a tenth of what compiling takes."""
    for case, (_, _, small, _) in CASES.items():
        cold, warm = [], []
        end = time.perf_counter() + 5 * seconds
        while len(warm) < 3 or time.perf_counter() < end:
            with tempfile.TemporaryDirectory() as folder:
                cold.append(in_process(case, folder))
                warm.append(in_process(case, folder))
        ours, theirs = min(warm), min(cold)
        facts = {"within 10 ms": ours <= SMALL} if small else {}
        yield Result(f"warm start: {case}", ours, "compiling", theirs, None if small else 10.0, "less tracing", facts)


def in_process(case: str, folder: str) -> float:
    """The seconds of a first call in another process, less those of tracing."""
    command = [sys.executable, "-m", "benchmarks.warm_start", case]
    environment = {**os.environ, "FUNCTAD_CACHE_DIR": folder, "FUNCTAD_FRONT": "0"}  # so that Python unrolls
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def first_call(case: str) -> float:
    """The same in this process."""
    import functad.lower.compile  # noqa: F401

    f, x, _, second = CASES[case]
    if second:
        fd.jit(fd.grad(lambda y: np.sum(np.cos(y))))(LINE)
    function = fd.jit(fd.grad(f))
    start = time.perf_counter()
    function(x)
    return time.perf_counter() - start - function.stats()[0].stages["trace"]


if __name__ == "__main__":
    print(first_call(sys.argv[1]))
