"""Functions that are calls of NumPy's routines, or composed of them: values beside NumPy, gradients beside JAX."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]

SIZES = (100, 100_000)


def functions_in(xp: Any, n: int) -> dict[str, Callable[[Any], Any]]:
    """Each as a function of one array; the last argument of each is fixed."""
    grid, weights = np.linspace(0.0, 1.0, 1000), np.linspace(1.0, 2.0, n)
    heights, window = np.sin(9 * grid), np.hanning(31)
    return {
        "sort": lambda x: xp.sort(x) * weights,
        "median": lambda x: xp.median(x),
        "rfft": lambda x: xp.abs(xp.fft.rfft(x)) ** 2,
        "convolve, 31 weights": lambda x: xp.convolve(x, window, "same") ** 2,
        "interp, 1000 points": lambda x: xp.interp(x, grid, heights),
    }


def run(seconds: float) -> Iterator[Result]:
    """Values are to be no slower than NumPy's, but for what a call costs; gradients of sums no slower than JAX's."""
    for n in SIZES:
        x = np.random.default_rng(0).random(n)
        ours, theirs = functions_in(np, n), functions_in(jnp, n)
        for name in ours:
            case = f"{name}, {n:.0e} elements"
            value = Contender("functad", "f(x)", {"f": fd.jit(ours[name]), "x": x})
            plain = Contender("NumPy", "f(x)", {"f": ours[name], "x": x})
            yield from compare(case, value, [plain], seconds / 2, {"NumPy": 0.9})
            total, other = ours[name], theirs[name]
            slope = Contender("functad", "f(x)", {"f": fd.jit(fd.grad(lambda x, f=total: np.sum(f(x)))), "x": x})
            jaxs = jax.jit(jax.grad(lambda x, f=other: jnp.sum(f(x))))
            peer = Contender("JAX", "f(x)", {"f": jaxs, "x": jnp.asarray(x)}, ".block_until_ready()")
            yield from compare(f"{case}: gradient", slope, [peer], seconds / 2, {"JAX": 1.0}, tolerance=1e-7)
