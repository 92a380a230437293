"""Linear algebra, values and gradients: batches of small matrices in straight-line code, large ones by LAPACK.

Symmetric matrices are made so inside the functions: JAX's gradients are those of the symmetric part, ours of the
triangle that NumPy reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, compare
from benchmarks.one_thread import jax_contenders

__all__ = ["run"]

SMALL, LARGE = (1000, 3, 3), (500, 500)


def symmetric(a: Any) -> Any:
    """The symmetric part."""
    return 0.5 * (a + a.swapaxes(-1, -2))


def functions_in(xp: Any) -> dict[str, Callable[[Any], Any]]:
    """Functions of (batches of) matrices, of which the first is as well conditioned as the identity."""
    return {
        "slogdet": lambda a: xp.sum(xp.linalg.slogdet(a)[1]),
        "solve": lambda a: xp.sum(xp.linalg.solve(a, a[..., :1] ** 2)),
        "cholesky": lambda a: xp.sum(xp.linalg.cholesky(symmetric(a)) ** 3),
        "eigh": lambda a: sum([xp.sum(x**4) for x in xp.linalg.eigh(symmetric(a))]),
        "svd": lambda a: sum([xp.sum(x**4) for x in xp.linalg.svd(a, full_matrices=False)]),
    }


SIZES = {"slogdet": [(100, 100)]}


def matrices(shape: tuple[int, ...]) -> np.ndarray:
    """Positive definite matrices with eigenvalues that are apart."""
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, shape) / shape[-1] ** 0.5
    made: np.ndarray = noise + np.diag(np.linspace(2.0, 3.0, shape[-1]))
    return made


def in_jax(name: str, shape: tuple[int, ...], gradient: bool) -> Contender:
    f = functions_in(jnp)[name]
    names = {"f": jax.jit(jax.grad(f) if gradient else f), "a": jax.device_put(matrices(shape))}
    return Contender("JAX", "f(a)", names, ".block_until_ready()")


def run(seconds: float) -> Iterator[Result]:
    """Against NumPy and JAX."""
    for name, f in functions_in(np).items():
        for shape in SIZES.get(name, [SMALL, LARGE]):
            a = matrices(shape)
            what = f"{name}, {' x '.join([str(n) for n in shape])}"
            ours = Contender("functad", "f(a)", {"f": fd.jit(f), "a": a})
            peers = [Contender("NumPy", "f(a)", {"f": f, "a": a}), *jax_contenders(in_jax, name, shape, False)]
            yield from compare(f"{what}: value", ours, peers, seconds, {"NumPy": 0.9})
            ours = Contender("functad", "f(a)", {"f": fd.jit(fd.grad(f)), "a": a})
            peers = [*jax_contenders(in_jax, name, shape, True)]
            yield from compare(f"{what}: gradient", ours, peers, seconds, {"JAX": 1.0}, tolerance=1e-6)
