"""Sums of log densities, and their gradients in all parameters: beside SciPy and JAX."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.stats as in_jax
import numpy as np
import scipy.stats as in_scipy

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]

COUNT = 10_000
DIM = 10


def likelihoods(stats: Any, np: Any) -> dict[str, Callable[..., Any]]:
    """The same functions of data and parameters, in SciPy's terms and JAX's."""
    return {
        "norm": lambda x, mu, sigma: np.sum(stats.norm.logpdf(x, mu, sigma)),
        "gamma": lambda x, a, scale: np.sum(stats.gamma.logpdf(x, a, scale=scale)),
        "t": lambda x, df, mu, scale: np.sum(stats.t.logpdf(x, df, mu, scale)),
        "beta": lambda x, a, b: np.sum(stats.beta.logpdf(x, a, b)),
        "multivariate_normal": lambda x, mu, cov: np.sum(stats.multivariate_normal.logpdf(x, mu, cov)),
    }


def data(rng: np.random.Generator) -> dict[str, tuple[Any, ...]]:
    """Observations and parameters."""
    root = rng.normal(size=(DIM, DIM))
    return {
        "norm": (rng.normal(1.0, 2.0, COUNT), 0.9, 2.1),
        "gamma": (rng.gamma(2.5, 1.5, COUNT), 2.4, 1.6),
        "t": (rng.standard_t(4.0, COUNT), 4.5, 0.1, 1.1),
        "beta": (rng.beta(2.0, 3.0, COUNT), 2.1, 2.9),
        "multivariate_normal": (rng.normal(size=(COUNT // 10, DIM)), np.full(DIM, 0.1), root @ root.T + np.eye(DIM)),
    }


def run(seconds: float) -> Iterator[Result]:
    """Values are to be no slower than SciPy's and JAX's, gradients no slower than JAX's."""
    ours, theirs, given = likelihoods(in_scipy, np), likelihoods(in_jax, jnp), data(np.random.default_rng(0))
    for name, args in given.items():
        case = f"{name}.logpdf, {len(args[0]):.0e} points"
        names: dict[str, Any] = {f"a{k}": a for k, a in enumerate(args)}
        on_device = {k: jnp.asarray(a) for k, a in names.items()}
        call = f"f({', '.join(names)})"
        value = Contender("functad", call, {"f": fd.jit(ours[name]), **names})
        scipys = Contender("SciPy", call, {"f": ours[name], **names})
        jaxs = Contender("JAX", call, {"f": jax.jit(theirs[name]), **on_device}, ".block_until_ready()")
        yield from compare(case, value, [scipys, jaxs], seconds, {"SciPy": 1.0, "JAX": 1.0}, tolerance=1e-10)
        of = tuple(range(1, len(args)))
        slope = Contender("functad", call, {"f": fd.jit(fd.grad(ours[name], of)), **names})
        gradient = Contender(
            "JAX", call, {"f": jax.jit(jax.grad(theirs[name], of)), **on_device}, "[0].block_until_ready()"
        )
        yield from compare(f"{case}: gradient", slope, [gradient], seconds, {"JAX": 1.0}, tolerance=1e-8)
