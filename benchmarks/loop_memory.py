"""Peak memory of the gradient of a loop of a million steps, with checkpoints and without, each in a fresh process."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import functad as fd
from benchmarks.harness import Result

__all__ = ["run"]

STEPS, STATE = 1_000_000, 100
LIMIT = 64
"""Megabytes above those of a short loop."""


def by_scan(y: Any, steps: int, checkpoint: str | None) -> Any:
    """A number of steps known when the loop is traced."""
    return np.sum(fd.lax.scan(lambda y, _: (step(y), None), y, length=steps, checkpoint=checkpoint)[0])


def by_while(y: Any, steps: Any, checkpoint: str | None) -> Any:
    """A number of steps that only the loop finds out."""
    return np.sum(
        fd.lax.while_loop(lambda v: v[0] < steps, lambda v: (v[0] + 1, step(v[1])), (0, y), checkpoint=checkpoint)[1]
    )


def step(y: Any) -> Any:
    """One step."""
    return y + 1e-3 * np.sin(y)


LOOPS = {"scan": by_scan, "while": by_while}


def measure(loop: str, checkpoint: str | None) -> tuple[float, float]:
    """Seconds, and the growth of this process's peak in MB from a short loop to the long one; both run the same
    code.
    """
    static = (1, 2) if loop == "scan" else 2
    gradient = fd.jit(fd.grad(LOOPS[loop]), static_argnums=static)
    y = np.linspace(-1.0, 1.0, STATE)
    gradient(y, STEPS // 100, checkpoint)
    before = peak()
    start = time.perf_counter()
    gradient(y, STEPS, checkpoint)
    return time.perf_counter() - start, peak() - before


def peak() -> float:
    """The most memory that this process has had, in MB.

    Where the system tells it in ``/proc``: on Linux, what `getrusage` calls the peak includes that of the process which
    started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return (
            next(float(text.split()[1]) for text in status.read_text().splitlines() if text.startswith("VmHWM:")) / 1e3
        )
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 1e6 if sys.platform == "darwin" else size / 1e3


def run(seconds: float) -> Iterator[Result]:
    """A line for each kind of loop: with checkpoints, beside without them."""
    del seconds
    for loop, checkpoint in (("scan", "sqrt"), ("while", "sqrt"), ("while", "binomial")):
        (time_with, with_them), (time_without, without) = [in_new_process(loop, kind) for kind in (checkpoint, "none")]
        yield Result(
            f"gradient: {STEPS:,} x {STATE}, {loop}, {checkpoint}",
            time_with,
            "all steps kept",
            time_without,
            None,
            f"{with_them:.1f} MB, else {without:.0f} MB",
            {f"within {LIMIT} MB": with_them <= LIMIT},
        )


def in_new_process(loop: str, checkpoint: str) -> tuple[float, float]:
    """`measure` where nothing else has used memory."""
    command = [sys.executable, "-m", "benchmarks.loop_memory", loop, checkpoint]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


if __name__ == "__main__":
    print(*measure(sys.argv[1], None if sys.argv[2] == "none" else sys.argv[2]))
