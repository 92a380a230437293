"""Logistic regression on 10 000 points with 100 features: value and gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]

POINTS, FEATURES = 10_000, 100


def loss_in(xp: Any) -> Callable[..., Any]:
    """Mean negative log-likelihood of labels that are 1 or -1."""

    def loss(w: Any, x: Any, labels: Any) -> Any:
        return xp.mean(xp.logaddexp(0.0, -labels * (x @ w)))

    return loss


def by_hand(w: np.ndarray, x: np.ndarray, labels: np.ndarray) -> tuple[np.floating, np.ndarray]:
    """What one writes in NumPy."""
    margin = labels * (x @ w)
    return np.mean(np.logaddexp(0.0, -margin)), x.T @ (-labels / (1 + np.exp(margin))) / len(x)


def run(seconds: float) -> Iterator[Result]:
    """Against JAX, and NumPy by hand."""
    rng = np.random.default_rng(0)
    arguments = (
        rng.normal(size=FEATURES, scale=0.1),
        rng.normal(size=(POINTS, FEATURES)),
        rng.choice([-1.0, 1.0], size=POINTS),
    )
    ours = fd.jit(fd.value_and_grad(loss_in(np)))
    theirs = jax.jit(jax.value_and_grad(loss_in(jnp)))
    text = ours.lower(*arguments).kernel_ir
    note = f"{text.count('kernel ')} kernels, {text.count('product ')} products, {text.count(' = temp ')} temps"
    peers = [
        Contender(
            "JAX", "f(*arguments)", {"f": theirs, "arguments": jax.device_put(arguments)}, "[1].block_until_ready()"
        ),
        Contender("NumPy, by hand", "f(*arguments)", {"f": by_hand, "arguments": arguments}),
    ]
    contender = Contender("functad", "f(*arguments)", {"f": ours, "arguments": arguments})
    yield from compare(f"logistic regression, {POINTS} x {FEATURES}", contender, peers, seconds, note=note)
