"""Compile time against size: gradients of n steps, as a loop of Python's and unrolled, and n-th derivatives.

Each is compiled once, for nothing is to be had from a second time: times are those of one first call (for JAX, of
lowering and compiling), and differ by some tenths from run to run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.harness import Result

__all__ = ["run"]

POINTS = np.linspace(0.0, 1.0, 50)


def scalar_steps(xp: Any, n: int) -> Callable[..., Any]:
    """Steps of a number: straight-line code."""

    def f(y: Any) -> Any:
        x = y
        for _ in range(n):
            y = xp.sin(y) * 1.01 + x * 0.5
        return y

    return f


def array_steps(xp: Any, n: int) -> Callable[..., Any]:
    """The same of an array: one loop with a long body."""
    f = scalar_steps(xp, n)
    return lambda x: xp.sum(f(x))


def neighbours(xp: Any, n: int) -> Callable[..., Any]:
    """Steps that read neighbouring elements: a kernel or more each."""

    def f(y: Any) -> Any:
        for k in range(n):
            y = xp.tanh(y) + 0.1 * (k + 1) * xp.roll(y, 1)
        return xp.sum(y)

    return f


def elements(xp: Any, n: int) -> Callable[..., Any]:
    """A sum of terms that read single elements."""

    def f(x: Any) -> Any:
        return sum([100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(n - 1)])

    return f


CASES: list[tuple[str, Callable[[Any, int], Callable[..., Any]], tuple[int, ...], int]] = [
    ("unrolled scalar steps", scalar_steps, (100, 300, 1000, 3000, 10000), 1000),
    ("unrolled array steps", array_steps, (100, 300, 1000, 3000), 100),
    ("unrolled steps with neighbours", neighbours, (10, 30, 100), 30),
    ("terms of elements", elements, (100, 300), 300),
]
"""What it is, its function, numbers of steps, and the largest for which JAX is waited for."""


def run(seconds: float) -> Iterator[Result]:
    """At most a third of JAX's time; a thousand scalar steps within a second."""
    first_call(scalar_steps(np, 2), np.float64(0.3))  # what is loaded with the first Program
    jax.jit(jax.grad(scalar_steps(jnp, 2))).lower(0.3).compile()
    for case, make, sizes, largest in CASES:
        for n in sizes:
            x = (
                np.float64(0.3)
                if make is scalar_steps
                else POINTS
                if make is not elements
                else np.linspace(0.1, 1.0, n)
            )
            ours = first_call(make(np, n), x)
            theirs = compiled(make(jnp, n), x) if n <= largest else float("nan")
            note = f"{1e3 * ours / n:.2f} ms a step"
            yield Result(f"compile: {case}, {n}", ours, "JAX", theirs, 3.0 if n <= largest else None, note)
    for order in (2, 4, 6, 8, 10):
        yield nested(order)


def as_it_stands() -> Result:
    """The same loop as Python has it, which is compiled as a loop, beside a hundredth of its steps unrolled."""
    with fd.config.front(False):
        short = first_call(scalar_steps(np, 101), np.float64(0.3))
    long = first_call(scalar_steps(np, 10001), np.float64(0.3))
    return Result("compile: a loop of 10001 scalar steps", long, "101 unrolled", short, 1.0)


def first_call(f: Callable[..., Any], x: Any) -> float:
    """From the Python function to its gradient at a point."""
    start = time.perf_counter()
    fd.jit(fd.grad(f))(x)
    return time.perf_counter() - start


def compiled(f: Callable[..., Any], x: Any) -> float:
    """From the Python function to JAX's compiled gradient."""
    start = time.perf_counter()
    jax.jit(jax.grad(f)).lower(x).compile()
    return time.perf_counter() - start


def nested(order: int) -> Result:
    """A derivative of a derivative of ... of a function of a number."""
    f, g = [lambda x, xp=xp: xp.exp(xp.sin(x) * x) for xp in (np, jnp)]
    for _ in range(order):
        f, g = fd.grad(f), jax.grad(g)
    ours = first_call_of(fd.jit(f))
    start = time.perf_counter()
    jax.jit(g).lower(0.3).compile()
    theirs = time.perf_counter() - start
    equations = len(fd.make_ir(fd.jit(f))(0.3).eqns)
    return Result(f"compile: derivative of order {order}", ours, "JAX", theirs, 3.0, f"{equations} equations")


def first_call_of(f: Callable[..., Any]) -> float:
    start = time.perf_counter()
    f(0.3)
    return time.perf_counter() - start
