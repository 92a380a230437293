"""The gradient of a sum of elementwise functions, in two arrays: one loop, no temporary arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["loss_in", "run"]

SIZES = (10**3, 10**5, 10**7)


def loss_in(xp: Any) -> Callable[..., Any]:
    """The function, in NumPy's or JAX's namespace."""

    def loss(x: Any, y: Any) -> Any:
        return xp.sum(xp.exp(-(x**2)) * xp.sin(y) + xp.tanh(x * y) + xp.log(1 + x**2))

    return loss


def gradient_by_hand(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What one writes in NumPy."""
    square = x * x
    bell, slope = np.exp(-square), 1 - np.tanh(x * y) ** 2
    return y * slope - 2 * x * bell * np.sin(y) + 2 * x / (1 + square), x * slope + bell * np.cos(y)


def run(seconds: float) -> Iterator[Result]:
    """Against JAX, and NumPy by hand, at three sizes."""
    ours = fd.jit(fd.grad(loss_in(np), argnums=(0, 1)))
    theirs = jax.jit(jax.grad(loss_in(jnp), argnums=(0, 1)))
    rng = np.random.default_rng(0)
    for n in SIZES:
        x, y = rng.normal(size=n), rng.normal(size=n)
        text = ours.lower(x, y).kernel_ir
        facts = {"one kernel": text.count("kernel ") == 1, "no temporary arrays": " = temp " not in text}
        peers = [
            Contender(
                "JAX", "f(x, y)", {"f": theirs, "x": jnp.asarray(x), "y": jnp.asarray(y)}, "[1].block_until_ready()"
            ),
            Contender("NumPy, by hand", "f(x, y)", {"f": gradient_by_hand, "x": x, "y": y}),
        ]
        contender = Contender("functad", "f(x, y)", {"f": ours, "x": x, "y": y})
        yield from compare(
            f"elementwise gradient, {n:.0e} elements", contender, peers, seconds, {"JAX": 3}, facts=facts
        )
