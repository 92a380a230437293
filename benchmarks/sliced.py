"""Slices whose bounds are indices of loops, and masks: kernels as they stand, beside NumPy; gradients beside values."""

from __future__ import annotations

import time
from collections.abc import Iterator

import functad as fd
from benchmarks.harness import Contender, Result, best_times, compare
from benchmarks.plain import squares
from benchmarks.sliced_kernels import SLICED, arguments

__all__ = ["run"]


def run(seconds: float) -> Iterator[Result]:
    """Never slower than NumPy, in small and in large; a gradient takes six values."""
    for n in (64, 200):
        for kernel, (f, names) in SLICED.items():
            args = arguments(names, n)
            start = time.perf_counter()
            ours = fd.jit(f)
            ours(*args)
            note = f"first call {time.perf_counter() - start:.2f} s"
            contender = Contender("functad", "f(*args)", {"f": ours, "args": args})
            peer = Contender("NumPy", "f(*args)", {"f": f, "args": args})
            yield from compare(f"sliced: {kernel}, n = {n}", contender, [peer], seconds / 4, {"NumPy": 1.0}, note=note)
            start = time.perf_counter()
            g = fd.jit(fd.grad(squares(f)))
            g(*args)
            note = f"first call {time.perf_counter() - start:.2f} s"
            gradient = Contender("functad", "f(*args)", {"f": g, "args": args})
            times = best_times([gradient, contender], seconds / 4)
            yield Result(f"sliced: {kernel}, n = {n}, gradient", times[0], "its value", times[1], 1 / 6, note)
