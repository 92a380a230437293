"""Whether memory stays bounded in long runs: thousands of different Programs, of gradients, and of values that a jitted
function closes over, each run in a fresh process.

A run is flat where its second half needs no more memory than its first half did. Tables are full after an eighth of the
repetitions (``FUNCTAD_CACHE_SIZE``), so that most of a run shows what comes after that.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import functad as fd
from benchmarks.harness import Result

__all__ = ["run"]

LIMIT = 8
"""Megabytes that the second half may take above the first one; compiled Programs that stayed would take 90."""

STEPS = (np.sin, np.cos, np.tanh, np.exp, np.arctan, np.abs, np.square, np.negative)


def compiled(number: int) -> None:
    """The compiled gradient of a function whose Program is like no other: the digits of its number are its steps."""
    weights = np.linspace(0.0, 1.0, 100)

    def step(x: Any) -> Any:
        rest = number
        for _ in range(4):
            rest, digit = divmod(rest, len(STEPS))
            x = STEPS[digit](x * weights)
        return x * np.exp(-x * x)

    def f(x: Any) -> Any:
        return np.sum(fd.lax.fori_loop(0, 3, lambda i, y: step(y), x) if number % 4 == 0 else step(x))

    assert fd.jit(fd.grad(f))(weights).shape == weights.shape


def differentiated(number: int) -> None:
    """A gradient, not jitted, through a loop that closes over an array of its own."""
    weights = np.full(1000, 1.0 / (1 + number % 7))
    assert fd.grad(lambda x: fd.lax.fori_loop(0, 3, lambda i, y: y + np.sum(weights * x), 0.0))(1.0) > 0


def rewritten() -> Callable[[int], None]:
    """A jitted function that reads a number, and two arrays: one is written to, one replaced."""
    rate, written, replaced = 0, np.zeros(1000), np.zeros(1000)

    @fd.jit
    def f(x: Any) -> Any:
        return x * rate + np.sum(2 * written) + np.sum(replaced * x)

    def write(number: int) -> None:
        nonlocal rate, replaced
        rate = number
        written[0] = number % 100
        replaced = np.full(1000, float(number % 10))
        assert f(1.0) == number + 2 * (number % 100) + 1000 * (number % 10)

    return write


RUNS: dict[str, tuple[int, str, Callable[[], Callable[[int], None]]]] = {
    "programs": (2_000, "Programs compiled", lambda: compiled),
    "gradients": (100_000, "gradients of loops", lambda: differentiated),
    "closures": (10_000, "rewritten closures", rewritten),
}


def measure(name: str, count: int) -> list[float]:
    """Seconds a repetition in the first and in the second half; then, in MB, the most in the first and in the second
    half, what there is at the end, and when everything has been forgotten.
    """
    repeat = RUNS[name][2]()
    halves = []
    for half in range(2):
        most, start = 0.0, time.perf_counter()
        for k in range(half * count // 2, (half + 1) * count // 2):
            repeat(k)
            if k % max(1, count // 200) == 0:
                most = max(most, resident())
        halves.append(((time.perf_counter() - start) / max(1, count // 2), most))
    gc.collect()
    end = resident()
    fd.clear_caches()
    gc.collect()
    (first, least), (second, most) = halves
    return [first, second, least, most, end, resident()]


def resident() -> float:
    """The memory of this process, in MB."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    done = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], check=True, capture_output=True, text=True)
    return float(done.stdout) / 1e3


def run(seconds: float) -> Iterator[Result]:
    """A line for each run: a repetition in the second half, beside one in the first half. With two seconds a run has
    its full length, which takes a minute.
    """
    for name, (full, what, _) in RUNS.items():
        count = max(200, round(full * min(1.0, seconds / 2)))
        command = [sys.executable, "-m", "benchmarks.soak", name, str(count)]
        environment = {**os.environ, "FUNCTAD_CACHE_SIZE": str(count // 8)}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        first, second, least, most, end, forgotten = map(float, done.stdout.split())
        yield Result(
            f"soak: {count:,} {what}",
            second,
            "first half",
            first,
            None,
            f"peak {max(least, most):.0f} MB ({least:.0f} in the first half), final {end:.0f}, cleared {forgotten:.0f}",
            {f"within {LIMIT} MB": most <= least + LIMIT},
        )


if __name__ == "__main__":
    print(*measure(sys.argv[1], int(sys.argv[2])))
