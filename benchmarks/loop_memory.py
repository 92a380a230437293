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


def measure(checkpoint: str | None) -> tuple[float, float]:
    """Seconds, and the growth of this process's peak in MB from a short loop to the long one; both run the same code."""

    def final(y: Any, steps: int) -> Any:
        return np.sum(fd.lax.scan(lambda y, _: (y + 1e-3 * np.sin(y), None), y, length=steps, checkpoint=checkpoint)[0])

    y = np.linspace(-1.0, 1.0, STATE)
    gradient = fd.jit(fd.grad(final), static_argnums=1)
    gradient(y, STEPS // 100)
    before = peak()
    start = time.perf_counter()
    gradient(y, STEPS)
    return time.perf_counter() - start, peak() - before


def peak() -> float:
    """The most memory that this process has had, in MB.

    Where the system tells it in ``/proc``: on Linux, what `getrusage` calls the peak includes that of the process which started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return next(float(text.split()[1]) for text in status.read_text().splitlines() if text.startswith("VmHWM:")) / 1e3
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 1e6 if sys.platform == "darwin" else size / 1e3


def run(seconds: float) -> Iterator[Result]:
    """One line: with checkpoints, beside without them."""
    del seconds
    (time_with, with_them), (time_without, without) = [in_new_process(kind) for kind in ("sqrt", "none")]
    yield Result(
        f"gradient of {STEPS:,} steps of {STATE} floats",
        time_with,
        "all steps kept",
        time_without,
        None,
        f"{with_them:.0f} MB, else {without:.0f} MB",
        {f"within {LIMIT} MB": with_them <= LIMIT},
    )


def in_new_process(kind: str) -> tuple[float, float]:
    """`measure` where nothing else has used memory."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.loop_memory", kind], check=True, capture_output=True, text=True)
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


if __name__ == "__main__":
    print(*measure(None if sys.argv[1] == "none" else sys.argv[1]))
