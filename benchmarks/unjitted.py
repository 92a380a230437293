"""Gradients without ``jit``: what each operation costs, and whole programs, beside HIPS autograd and PyTorch's eager
mode (where it is installed) on one thread; long loops beside the same without native code.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, compare
from benchmarks.unjitted_programs import LOOPS, PROGRAMS

__all__ = ["run"]

STEPS = 25

SIZES = {"float": 0.3, "10 elements": 10, "1e+03 elements": 10**3, "1e+05 elements": 10**5}


def chain_in(xp: Any) -> Callable[..., Any]:
    """Four operations a step, two of which are elementary functions."""

    def chain(x: Any) -> Any:
        for _ in range(STEPS):
            x = xp.sin(x) * 0.9 + xp.tanh(x)
        return xp.sum(x)

    return chain


def arithmetic_in(xp: Any) -> Callable[..., Any]:
    """Nine operations a step, one of which is an elementary function; values are used more than once."""

    def arithmetic(x: Any) -> Any:
        y = x
        for _ in range(10):
            y = y * x + xp.exp(-y * y)
            y = y / (1.0 + x * x) - 0.3 * y
        return xp.sum(y)

    return arithmetic


def quotient_in(xp: Any) -> Callable[..., Any]:
    """Seven operations, two of which have derivatives that may be infinite."""

    def quotient(x: Any) -> Any:
        return xp.sum(xp.exp(-x * x) / (1.0 + x * x))

    return quotient


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


def contraction_in(xp: Any) -> Callable[..., Any]:
    """Five contractions."""
    rng = np.random.default_rng(1)
    matrix, cube = [like(rng.normal(size=(10,) * n), xp) for n in (2, 3)]

    def contraction(x: Any) -> Any:
        y = xp.einsum("ijk,k->ij", cube, x)
        z = xp.einsum("ij,jk,kl->il", y, matrix, y)
        w = xp.einsum("ij->i", z)
        return xp.sum(xp.einsum("i,ij,j->", w, matrix, x)) + xp.einsum("ij,ij->", z, y)

    return contraction


def like(x: Any, xp: Any) -> Any:
    """An array of the library of such functions."""
    return xp.tensor(x, dtype=xp.float64) if xp.__name__ == "torch" else x


def torch_gradient(torch: Any, function_in: Callable[[Any], Callable[..., Any]]) -> Callable[..., Any]:
    """The gradient of NumPy arrays by PyTorch's tape."""
    f = function_in(torch)

    def gradient(*arguments: Any) -> Any:
        given = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in arguments]
        f(*given).backward()
        found = [x.grad.numpy() for x in given]
        return found[0] if len(found) == 1 else tuple(found)

    return gradient


def gradients(function_in: Callable[[Any], Callable[..., Any]], count: int = 1) -> dict[str, Callable[..., Any]]:
    """The gradient by each peer that is installed."""
    argnums = 0 if count == 1 else tuple(range(count))
    found = {"autograd": autograd.grad(function_in(anp), argnums)}
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)
        found["torch"] = torch_gradient(torch, function_in)
    return found


def run(seconds: float) -> Iterator[Result]:
    """Against HIPS autograd and PyTorch, in seconds an operation of the function; whole programs in seconds a call."""
    for name, size in SIZES.items():
        x = size if type(size) is float else np.linspace(-1.0, 1.0, size)
        for function_in, operations in ((chain_in, 4 * STEPS), (arithmetic_in, 90), (quotient_in, 7)):
            case = f"un-jitted {function_in.__name__[:-3]}, an operation, {name}"
            yield from operation(case, function_in, x, operations, seconds)
    yield from operation("un-jitted while and if, an operation, float", search_in, 0.3, 3 * STEPS, seconds)
    vector = np.random.default_rng(0).normal(size=10)
    yield from operation("un-jitted einsum, an operation, 10 elements", contraction_in, vector, 5, seconds)
    for program_in, arguments in PROGRAMS:
        ours = Contender(
            "functad", "f(*xs)", {"f": fd.grad(program_in(np), tuple(range(len(arguments)))), "xs": arguments}
        )
        peers = gradients(program_in, len(arguments))
        theirs = [Contender(peer, "f(*xs)", {"f": f, "xs": arguments}) for peer, f in peers.items()]
        case = f"un-jitted {program_in.__name__[:-3].replace('_', ' ')}"
        yield from compare(case, ours, theirs, seconds, dict.fromkeys(peers, 1.0))
    for loop, x in LOOPS:
        names = {"f": fd.grad(loop), "x": x, "backend": fd.config.backend}
        ours = Contender("functad", "f(x)", names)
        evaluated = Contender("step by step", "backend.during('evaluator', lambda: f(x))", names)
        case = f"un-jitted loop: {loop.__name__.replace('_', ' ')}"
        yield from compare(case, ours, [evaluated], seconds, {"step by step": 10.0})


def operation(
    case: str, function_in: Callable[[Any], Callable[..., Any]], x: Any, operations: int, seconds: float
) -> Iterator[Result]:
    """The gradient of a function of so many operations, each."""
    peers = gradients(function_in)
    ours = Contender("functad", "f(x)", {"f": fd.grad(function_in(np)), "x": x})
    theirs = [Contender(peer, "f(x)", {"f": f, "x": x}) for peer, f in peers.items()]
    for result in compare(case, ours, theirs, seconds, {"autograd": 1.0, "torch": 1 / 1.3}, note=f"of {operations}"):
        yield replace(result, seconds=result.seconds / operations, peer_seconds=result.peer_seconds / operations)
