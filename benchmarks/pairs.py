"""The force on each of a thousand bodies: the gradient of an energy over all pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]

BODIES = 1000
SOFTENING = 0.01


def energy_in(xp: Any) -> Callable[..., Any]:
    """Gravitational energy with softened distances, and each pair counted twice."""

    def energy(q: Any, m: Any) -> Any:
        d = q[:, None, :] - q[None, :, :]
        r = xp.sqrt(xp.sum(d * d, axis=-1) + SOFTENING)
        return -0.5 * xp.sum(m[:, None] * m[None, :] / r)

    return energy


def run(seconds: float) -> Iterator[Result]:
    """Against JAX."""
    rng = np.random.default_rng(0)
    q, m = rng.normal(size=(BODIES, 3)), rng.uniform(0.5, 1.5, size=BODIES)
    ours = fd.jit(fd.grad(energy_in(np)))
    theirs = jax.jit(jax.grad(energy_in(jnp)))
    text = ours.lower(q, m).kernel_ir
    note = f"{text.count('kernel ')} kernels, {text.count(' = temp ')} temps"
    contender = Contender("functad", "f(q, m)", {"f": ours, "q": q, "m": m})
    peer = Contender("JAX", "f(q, m)", {"f": theirs, "q": jnp.asarray(q), "m": jnp.asarray(m)}, ".block_until_ready()")
    yield from compare(f"all pairs of {BODIES} bodies, gradient", contender, [peer], seconds, note=note)
