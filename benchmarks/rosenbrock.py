"""Rosenbrock's function: the gradient in 10 dimensions, the Hessian in 100."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]


def rosenbrock_in(xp: Any) -> Callable[..., Any]:
    """The function, in NumPy's or JAX's namespace."""

    def rosenbrock(x: Any) -> Any:
        return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    return rosenbrock


def run(seconds: float) -> Iterator[Result]:
    """Against JAX, and SciPy's derivatives by hand."""
    f, g = rosenbrock_in(np), rosenbrock_in(jnp)
    cases = (
        ("Rosenbrock, gradient, 10 dimensions", 10, fd.jit(fd.grad(f)), jax.jit(jax.grad(g)), optimize.rosen_der),
        (
            "Rosenbrock, Hessian, 100 dimensions",
            100,
            fd.jit(fd.hessian(f)),
            jax.jit(jax.hessian(g)),
            optimize.rosen_hess,
        ),
    )
    for case, n, ours, theirs, by_hand in cases:
        x = np.random.default_rng(0).normal(size=n)
        peers = [
            Contender("JAX", "f(x)", {"f": theirs, "x": jnp.asarray(x)}, ".block_until_ready()"),
            Contender("SciPy, by hand", "f(x)", {"f": by_hand, "x": x}),
        ]
        yield from compare(case, Contender("functad", "f(x)", {"f": ours, "x": x}), peers, seconds, {"JAX": 1.0})
