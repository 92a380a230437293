"""Random numbers: bits, uniform and normal ones, beside JAX and NumPy's generator."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import numpy as np

from benchmarks.harness import Contender, Result, best_times, compare
from functad import random

__all__ = ["run"]

COUNT = 100_000


def run(seconds: float) -> Iterator[Result]:
    """Never slower than JAX, whose numbers they are."""
    key, generator = random.key(0), np.random.default_rng(0)
    jax_key = jax.random.PRNGKey(0)
    shape = (COUNT,)
    draws = {
        "bits": (
            lambda: random.bits(key, shape, np.uint64),
            jax.jit(lambda k: jax.random.bits(k, shape, "uint64")),
            lambda: generator.integers(0, 2**64, shape, np.uint64),
        ),
        "uniform": (
            lambda: random.uniform(key, shape),
            jax.jit(lambda k: jax.random.uniform(k, shape)),
            lambda: generator.uniform(size=shape),
        ),
        "normal": (
            lambda: random.normal(key, shape),
            jax.jit(lambda k: jax.random.normal(k, shape)),
            lambda: generator.normal(size=shape),
        ),
    }
    for name, (ours, theirs, numpy) in draws.items():
        contender = Contender("functad", "f()", {"f": ours})
        peer = Contender("JAX", "f(k).block_until_ready()", {"f": theirs, "k": jax_key})
        yield from compare(f"random {name}, {COUNT}", contender, [peer], seconds, {"JAX": 1.0}, tolerance=1e-9)
        beside = Contender("NumPy", "f()", {"f": numpy})
        times = best_times([contender, beside], seconds)
        yield Result(f"random {name}, {COUNT}", times[0], "NumPy's generator", times[1], None)
