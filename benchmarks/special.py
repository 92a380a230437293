"""Special functions: values beside SciPy and JAX, gradients of sums beside JAX."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special as jsp
import numpy as np
import scipy.special as sp

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]

COUNT = 10_000


def functions() -> dict[str, tuple[str, tuple[np.ndarray, ...], int]]:
    """The name of each, its arguments, and in which of them it is differentiated."""
    rng = np.random.default_rng(0)
    a, b, c = rng.uniform(0.5, 20.0, (3, COUNT))
    x, share = rng.gamma(a), rng.uniform(0.01, 0.99, COUNT)
    return {
        "gammaln": ("gammaln", (a,), 0),
        "ndtri": ("ndtri", (share,), 0),
        "log_ndtr": ("log_ndtr", (rng.normal(0.0, 5.0, COUNT),), 0),
        "i0e": ("i0e", (c,), 0),
        "gammainc in x": ("gammainc", (a, x), 1),
        "gammainc in a": ("gammainc", (a, x), 0),
        "betainc in x": ("betainc", (a, b, share), 2),
    }


def contender(name: str, f: Any, args: Any, wait: str = "") -> Contender:
    return Contender(name, "f(*args)", {"f": f, "args": args}, wait)


def run(seconds: float) -> Iterator[Result]:
    """Values are to be no slower than SciPy's and JAX's, gradients of sums no slower than JAX's."""
    for case, (name, args, k) in functions().items():
        f, g, given, title = getattr(sp, name), getattr(jsp, name), [*map(jnp.asarray, args)], f"{case}, {COUNT:.0e}"
        peers = [contender("SciPy", f, args), contender("JAX", jax.jit(g), given, ".block_until_ready()")]
        yield from compare(
            title,
            contender("functad", fd.jit(f), args),
            peers,
            seconds / 2,
            {"SciPy": 0.95, "JAX": 1.0},
            tolerance=1e-8,
        )
        slope = contender("functad", fd.jit(fd.grad(lambda *xs, f=f: np.sum(f(*xs)), argnums=k)), args)
        jaxs = jax.jit(jax.grad(lambda *xs, g=g: jnp.sum(g(*xs)), argnums=k))
        peer = contender("JAX", jaxs, given, ".block_until_ready()")
        yield from compare(f"{title}: gradient", slope, [peer], seconds / 2, {"JAX": 1.0}, tolerance=1e-7)
