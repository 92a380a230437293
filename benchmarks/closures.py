"""What it costs a call that the function closes over arrays that can be written to: to read them, and to compare those up to 64 KiB.

In JAX a NumPy array that a jitted function closes over is a constant: writing to it has no effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]


def weighted(xp: Any, w: Any) -> Any:
    """A function that closes over an array."""
    return lambda x: xp.sum(w * x)


def many_weighted(xp: Any, ws: Any) -> Any:
    """A function that closes over a list of arrays."""

    def f(x: Any) -> Any:
        for w in ws:
            x = x * w
        return xp.sum(x)

    return f


def run(seconds: float) -> Iterator[Result]:
    """Against the same arrays as arguments, a function without them, JAX and NumPy."""
    for size, targets in ((8, {"JAX, constant": 15}), (1000, {"JAX, constant": 15}), (1_000_000, {"as an argument": 0.8})):
        w, x = np.linspace(0.5, 1.5, size), np.linspace(1.0, 2.0, size)
        ours = Contender("functad", "f(x)", {"f": fd.jit(weighted(np, w)), "x": x})
        peers = [
            Contender("as an argument", "f(w, x)", {"f": fd.jit(lambda w, x: np.sum(w * x)), "w": w, "x": x}),
            Contender("JAX, constant", "f(x)", {"f": jax.jit(weighted(jnp, w)), "x": jnp.asarray(x)}, ".block_until_ready()"),
        ]
        yield from compare(f"closure: an array of {size:g} numbers", ours, peers, seconds, targets, note="compared, too" if size < 8000 else "")
    ws, x = [np.linspace(0.5, 1.5, 100) + k for k in range(10)], np.linspace(1.0, 2.0, 100)
    ours = Contender("functad", "f(x)", {"f": fd.jit(many_weighted(np, ws)), "x": x})
    peers = [
        Contender("as an argument", "f(ws, x)", {"f": fd.jit(lambda ws, x: many_weighted(np, ws)(x)), "ws": ws, "x": x}),
        Contender("JAX, constant", "f(x)", {"f": jax.jit(many_weighted(jnp, ws)), "x": jnp.asarray(x)}, ".block_until_ready()"),
    ]
    yield from compare("closure: a list of 10 arrays of 100 numbers", ours, peers, seconds, note="compared, too")
    w = np.linspace(0.5, 1.5, 1_000_000)
    ours = Contender("functad", "w.fill(2.0) or f(x)", {"f": fd.jit(weighted(np, w)), "w": w, "x": np.ones(w.size)})
    peer = Contender("as an argument", "w.fill(2.0) or f(w, x)", {"f": fd.jit(lambda w, x: np.sum(w * x)), "w": w, "x": np.ones(w.size)})
    yield from compare("closure: 1e+06 numbers, written before each call", ours, [peer], seconds, {peer.name: 0.8})
    for size in (1, 100, 8000):
        w, x = np.linspace(0.5, 1.5, size), np.linspace(1.0, 2.0, 8)
        ours = Contender("functad", "f(x)", {"f": fd.jit(lambda x, w=w: np.sum(x) * w[0]), "x": x})
        plain = Contender("a literal", "f(x)", {"f": fd.jit(lambda x: np.sum(x) * 0.5), "x": x})
        yield from compare(f"guard: an element of {size:g} numbers", ours, [plain], seconds)

