"""Value and gradient of a small neural network: matrix products by BLAS, all between them fused."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, compare
from functad import nn

__all__ = ["run"]

WIDTHS = (784, 128, 64, 10)
BATCH = 128


def loss_in(xp: Any, log_softmax: Callable[..., Any]) -> Callable[..., Any]:
    """Mean cross-entropy of a network with tanh between its layers; ``labels`` are rows with a single 1."""

    def loss(layers: Any, x: Any, labels: Any) -> Any:
        *hidden, (last, offset) = layers
        for w, b in hidden:
            x = xp.tanh(x @ w + b)
        return -xp.mean(xp.sum(labels * log_softmax(x @ last + offset), axis=-1))

    return loss


def run(seconds: float) -> Iterator[Result]:
    """Against JAX, in both precisions."""
    rng = np.random.default_rng(0)
    for dtype, tolerance in (("float32", 1e-4), ("float64", 1e-9)):
        layers = [
            (rng.normal(size=(m, n), scale=m**-0.5).astype(dtype), rng.normal(size=n, scale=0.1).astype(dtype))
            for m, n in itertools.pairwise(WIDTHS)
        ]
        arguments = (
            layers,
            rng.normal(size=(BATCH, WIDTHS[0])).astype(dtype),
            np.eye(WIDTHS[-1], dtype=dtype)[rng.integers(10, size=BATCH)],
        )
        ours = fd.jit(fd.value_and_grad(loss_in(np, nn.log_softmax)))
        theirs = jax.jit(jax.value_and_grad(loss_in(jnp, jax.nn.log_softmax)))
        text = ours.lower(*arguments).kernel_ir
        note = f"{text.count('kernel ')} kernels, {text.count('product ')} products, {text.count(' = temp ')} temps"
        contender = Contender("functad", "f(*arguments)", {"f": ours, "arguments": arguments})
        peer = Contender(
            "JAX", "f(*arguments)", {"f": theirs, "arguments": jax.device_put(arguments)}, "[0].block_until_ready()"
        )
        yield from compare(
            f"MLP 784-128-64-10, batch 128, {dtype}",
            contender,
            [peer],
            seconds,
            {"JAX": 0.8},
            tolerance=tolerance,
            note=note,
        )
