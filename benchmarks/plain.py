"""Plain code: kernels as they stand, compiled, beside NumPy and Numba; their gradients beside their values."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, best_times, compare
from benchmarks.plain_kernels import KERNELS, Kernel

__all__ = ["run"]


def squares(f: Callable[..., Any]) -> Callable[..., Any]:
    """The sum of the squares of what a kernel gives."""
    return lambda x, *rest: np.sum(f(x, *rest) ** 2)


def run(seconds: float) -> Iterator[Result]:
    """Never slower than NumPy; no kernel is more than a third quicker with Numba; a gradient takes six values."""
    beside_numba, beside_value = [], []
    for name, kernel in KERNELS.items():
        static = tuple([i for i, a in enumerate(kernel.args) if isinstance(a, int)])
        start = time.perf_counter()
        ours = fd.jit(kernel.f, static_argnums=static)
        ours(*kernel.args)
        note = f"first call {time.perf_counter() - start:.2f} s"
        names = {"args": kernel.args}
        contender = Contender("functad", "f(*args)", {"f": ours, **names})
        peers = [
            Contender("NumPy", "f(*args)", {"f": kernel.f, **names}),
            Contender("Numba", "f(*args)", {"f": numba.njit(kernel.f), **names}),
        ]
        targets = {"NumPy": 1.0, "Numba": 2 / 3}
        found = list(compare(f"plain: {name}", contender, peers, seconds / 2, targets, note=note))
        yield from found
        beside_numba.append(found[1].ratio)
        if kernel.differentiable:
            result = gradient(name, kernel, static, contender, seconds / 2)
            beside_value.append(result.ratio)
            yield result
    yield mean("plain: geometric mean", "Numba", beside_numba, 1 / 1.2)
    yield mean("plain: gradients, geometric mean", "their values", beside_value, 1 / 4)


def gradient(name: str, kernel: Kernel, static: tuple[int, ...], value: Contender, seconds: float) -> Result:
    """The gradient beside the value."""
    start = time.perf_counter()
    f = fd.jit(fd.grad(squares(kernel.f)), static_argnums=static)
    f(*kernel.args)
    note = f"first call {time.perf_counter() - start:.2f} s"
    ours = Contender("functad", "f(*args)", {"f": f, "args": kernel.args})
    times = best_times([ours, value], seconds)
    return Result(f"plain: {name}, gradient", times[0], "its value", times[1], 1 / 6, note)


def mean(case: str, peer: str, ratios: list[float], target: float) -> Result:
    """A geometric mean of ratios, as a line of the table."""
    ratio = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return Result(case, 1.0, peer, ratio, target, f"{len(ratios)} kernels")
