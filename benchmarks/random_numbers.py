"""Random numbers: bits, uniform, normal and gamma ones, permutations and choices, beside JAX and NumPy's generator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

import functad as fd
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
        "permutation": (
            lambda: random.permutation(key, COUNT),
            jax.jit(lambda k: jax.random.permutation(k, COUNT)),
            lambda: generator.permutation(COUNT),
        ),
        "choice": (
            lambda: random.choice(key, 1000, shape),
            jax.jit(lambda k: jax.random.choice(k, 1000, shape)),
            lambda: generator.choice(1000, shape),
        ),
    }
    own = {  # by rejection, of numbers that are not JAX's
        "gamma": (
            lambda: random.gamma(key, 2.5, shape),
            jax.jit(lambda k: jax.random.gamma(k, 2.5, shape)),
            lambda: generator.gamma(2.5, size=shape),
        ),
        "poisson": (
            lambda: random.poisson(key, 4.0, shape),
            jax.jit(lambda k: jax.random.poisson(k, 4.0, shape)),
            lambda: generator.poisson(4.0, size=shape),
        ),
    }
    for name, (ours, theirs, numpy) in {**draws, **own}.items():
        contender = Contender("functad", "f()", {"f": ours})
        peer = Contender("JAX", "f(k).block_until_ready()", {"f": theirs, "k": jax_key})
        beside = Contender("NumPy", "f()", {"f": numpy})
        if name in draws:
            yield from compare(f"random {name}, {COUNT}", contender, [peer], seconds, {"JAX": 1.0}, tolerance=1e-9)
        else:
            times = best_times([contender, peer], seconds)
            yield Result(f"random {name}, {COUNT}", times[0], "JAX", times[1], 1.0)
        times = best_times([contender, beside], seconds)
        yield Result(f"random {name}, {COUNT}", times[0], "NumPy's generator", times[1], None)
    yield from _gradient(key, jax_key, shape, seconds)


def _gradient(key: Any, jax_key: Any, shape: tuple[int, ...], seconds: float) -> Iterator[Result]:
    """Of a mean of gamma variates in their shape, which is implicit."""
    ours = fd.jit(fd.grad(lambda a: np.mean(random.gamma(key, a, shape) ** 2)))
    theirs = jax.jit(jax.grad(lambda a: jax.numpy.mean(jax.random.gamma(jax_key, a, shape) ** 2)))
    contender = Contender("functad", "f(2.5)", {"f": ours})
    peer = Contender("JAX", "f(2.5).block_until_ready()", {"f": theirs})
    yield from compare(f"gradient of gamma, {COUNT}", contender, [peer], seconds, {"JAX": 1.0}, tolerance=0.05)
