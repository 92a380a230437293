"""Gradients without `jit`, with Python's own control flow: what each operation costs, beside HIPS autograd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]

STEPS = 25


def chain_in(xp: Any) -> Callable[..., Any]:
    """Four operations a step."""

    def chain(x: Any) -> Any:
        for _ in range(STEPS):
            x = xp.sin(x) * 0.9 + xp.tanh(x)
        return xp.sum(x)

    return chain


def search_in(xp: Any) -> Callable[..., Any]:
    """Three operations and two comparisons a step."""

    def search(x: Any) -> Any:
        n = x * 0.0
        while n < STEPS:
            if x > 1.0:
                x = xp.sin(x) * 0.5
            else:
                x = xp.exp(x) * 1.5
            n = n + 1.0
        return x

    return search


def quotient_in(xp: Any) -> Callable[..., Any]:
    """Seven operations, two of which have derivatives that may be infinite."""

    def quotient(x: Any) -> Any:
        return xp.sum(xp.exp(-x * x) / (1.0 + x * x))

    return quotient


def contraction_in(xp: Any) -> Callable[..., Any]:
    """Five contractions."""
    rng = np.random.default_rng(1)
    matrix, cube = rng.normal(size=(10, 10)), rng.normal(size=(10, 10, 10))

    def contraction(x: Any) -> Any:
        y = xp.einsum("ijk,k->ij", cube, x)
        z = xp.einsum("ij,jk,kl->il", y, matrix, y)
        w = xp.einsum("ij->i", z)
        return xp.sum(xp.einsum("i,ij,j->", w, matrix, x)) + xp.einsum("ij,ij->", z, y)

    return contraction


def run(seconds: float) -> Iterator[Result]:
    """Against HIPS autograd, in nanoseconds an operation of the function."""
    vector = np.random.default_rng(0).normal(size=10)
    cases = (
        ("un-jitted grad, an operation, float", chain_in, 0.3, 4 * STEPS),
        ("un-jitted grad, an operation, 10 elements", chain_in, vector, 4 * STEPS),
        ("un-jitted grad, an operation, while and if", search_in, 0.3, 3 * STEPS),
        ("un-jitted grad, an operation, 1e+03 elements", quotient_in, np.linspace(-3.0, 3.0, 10**3), 7),
        ("un-jitted grad, an operation, 1e+05 elements", quotient_in, np.linspace(-3.0, 3.0, 10**5), 7),
        ("un-jitted grad, an einsum, 10 elements", contraction_in, vector, 5),
    )
    for case, function_in, x, operations in cases:
        ours = Contender("functad", "f(x)", {"f": fd.grad(function_in(np)), "x": x})
        theirs = Contender("autograd", "f(x)", {"f": autograd.grad(function_in(anp)), "x": x})
        for result in compare(case, ours, [theirs], seconds, {"autograd": 1.0}, note=f"of {operations} operations"):
            yield replace(result, seconds=result.seconds / operations, peer_seconds=result.peer_seconds / operations)
