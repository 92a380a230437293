"""What a call of a compiled function costs where there is next to nothing to compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]


def functions_in(xp: Any) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """A function of two arrays, one of a dict of two arrays, and one of a number."""

    def of_arrays(x: Any, y: Any) -> Any:
        return xp.sum(x * y), x + y

    def of_dict(d: Any) -> Any:
        return xp.sum(d["x"] * d["y"]), d["x"] + d["y"]

    def of_number(x: Any) -> Any:
        return xp.sin(x) * x

    return of_arrays, of_dict, of_number


def run(seconds: float) -> Iterator[Result]:
    """Against JAX, and plain NumPy."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=8), rng.normal(size=8)
    jx, jy = jnp.asarray(x), jnp.asarray(y)
    cases = (
        ("call: two arrays to a scalar and an array", "f(x, y)", "[1].block_until_ready()", 15),
        ("call: a dict of two arrays to the same", "f(d)", "[1].block_until_ready()", 10),
        ("call: float to float", "f(0.5)", ".block_until_ready()", 40),
    )
    for (case, expression, ready, target), ours, theirs in zip(cases, functions_in(np), functions_in(jnp), strict=True):
        contender = Contender("functad", expression, {"f": fd.jit(ours), "x": x, "y": y, "d": {"x": x, "y": y}})
        peers = [
            Contender("JAX", expression, {"f": jax.jit(theirs), "x": jx, "y": jy, "d": {"x": jx, "y": jy}}, ready),
            Contender("NumPy", expression, {"f": ours, "x": x, "y": y, "d": {"x": x, "y": y}}),
        ]
        yield from compare(case, contender, peers, seconds, {"JAX": target})
