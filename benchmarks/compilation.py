"""From a Python function to its compiled gradient; importing; and what a second size costs.

Each function compiled here is a new object and a new Program: functad compiles a structure only once, so constants that
are part of the code (small integers), or the order of operations, vary.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.elementwise import loss_in
from benchmarks.harness import Contender, Result, best_times, compare
from functad.lower.compile import compile_count

__all__ = ["run"]

CHAIN = 400


def run(seconds: float) -> Iterator[Result]:
    """Compile times against JAX's, import time against Numba's, and the call at a second size against the first."""
    yield from compile_times("compile the elementwise gradient", varied_losses, 2, seconds)
    yield from compile_times(f"compile the gradient of a chain of {CHAIN}", varied_chains, 1, seconds)
    yield import_time(seconds)
    yield second_size(seconds)


Losses = Callable[[Any], Iterator[Callable[..., Any]]]


def varied_losses(xp: Any) -> Iterator[Callable[..., Any]]:
    """The function of ``elementwise`` with two factors in it that differ each time."""
    for a, b in itertools.product(range(2, 17), repeat=2):

        def loss(x: Any, y: Any, a: int = a, b: int = b) -> Any:
            return xp.sum(xp.exp(-(a * x**2)) * xp.sin(y) + xp.tanh(x * y) + xp.log(b + x**2))

        yield loss


def varied_chains(xp: Any) -> Iterator[Callable[..., Any]]:
    """One operation after the other, in an order that differs each time; operands stay where all functions are
    smooth.
    """
    operations = (
        xp.sin,
        xp.cos,
        xp.tanh,
        xp.arctan,
        lambda x: x * x,
        lambda x: 1 + x,
        lambda x: x * 0.7,
        lambda x: 1 / (3 + x),
    )
    for seed in itertools.count():
        order = np.random.default_rng(seed).integers(len(operations), size=CHAIN)

        def loss(x: Any, order: np.ndarray = order) -> Any:
            for k in order:
                x = operations[k](x)
            return xp.sum(x)

        yield loss


def compile_times(case: str, losses: Losses, arguments: int, seconds: float) -> Iterator[Result]:
    """The time from a new function to the result of the first call; for JAX, to the compiled function."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=1000) for _ in range(arguments)]
    jax_arrays = [jnp.asarray(x) for x in arrays]
    argnums = tuple(range(arguments))
    ours, theirs = losses(np), losses(jnp)

    def first_call() -> Any:
        before = compile_count()
        gradient = fd.jit(fd.grad(next(ours), argnums))(*arrays)
        assert compile_count() == before + 1, "this structure was compiled before"
        return gradient

    def compiled() -> Any:
        return jax.jit(jax.grad(next(theirs), argnums)).lower(*jax_arrays).compile()

    contender = Contender("functad", "first_call()", {"first_call": first_call})
    peer = Contender("JAX", "compiled()(*arrays)", {"compiled": compiled, "arrays": jax_arrays})
    yield from compare(case, contender, [peer], seconds, {"JAX": 3}, tolerance=1e-8, note="first call included")


def import_time(seconds: float) -> Result:
    """``import functad`` beside ``import numba``, each in a fresh process."""
    ours, theirs = best_times(
        [Contender(name, f"start({name!r})", {"start": start}) for name in ("functad", "numba")], seconds
    )
    return Result("import in a fresh process", ours, "import numba", theirs, 1.0, "the whole process")


def start(module: str) -> None:
    """Run an interpreter that imports a module, and keeps its bytecode for the next time."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True, env=environment)


def second_size(seconds: float) -> Result:
    """The first call at a second size: traced again, not compiled."""
    rng = np.random.default_rng(0)
    function = fd.jit(fd.grad(loss_in(np), argnums=(0, 1)))
    sizes = itertools.count(1000)

    def new_size() -> Any:
        n = next(sizes)
        return function(rng.normal(size=n), rng.normal(size=n))

    theirs = jax.jit(jax.grad(loss_in(jnp), argnums=(0, 1)))

    def new_size_jax() -> Any:
        n = next(sizes)
        return theirs(jnp.asarray(rng.normal(size=n)), jnp.asarray(rng.normal(size=n)))[1].block_until_ready()

    new_size()
    before = compile_count()
    a, b = best_times(
        [Contender("functad", "f()", {"f": new_size}), Contender("JAX", "f()", {"f": new_size_jax})], seconds
    )
    compiled = compile_count() - before
    return Result(
        "first call at another size",
        a,
        "JAX",
        b,
        None,
        f"{compiled} compilations",
        {"without compiling": compiled == 0},
    )
