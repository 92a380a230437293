"""What strong zeros cost: the same derivatives with and without them.

Without them, no primitive counts as singular: then no factor of a derivative is doubted (``transforms/strong.py``), and
all products are plain ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import functad as fd
from benchmarks import elementwise, logistic, loops, mlp, pairs, unjitted
from benchmarks.harness import Clock, Contender, Result, compare
from functad import nn
from functad.core.following import SCRIPTS, Scripts
from functad.core.primitive import REGISTRY

__all__ = ["run", "weak_zeros"]

TARGET = 1 / 1.02
"""At most 2 % slower."""

_scripts = Scripts()  # of un-jitted calls in that context
_tables: dict[str, dict[Any, Any]] = {name: {} for name in REGISTRY}


@contextlib.contextmanager
def weak_zeros() -> Iterator[None]:
    """A context in which no primitive is singular; what is derived in it stays in it."""
    before = {name: (p.singular, p._signatures) for name, p in REGISTRY.items()}
    outside = dict(vars(SCRIPTS))
    vars(SCRIPTS).update(vars(_scripts))
    for name, p in REGISTRY.items():
        p.singular, p._signatures = False, _tables[name]
    try:
        yield
    finally:
        for name, p in REGISTRY.items():
            p.singular, p._signatures = before[name]
        vars(_scripts).update(vars(SCRIPTS))
        vars(SCRIPTS).update(outside)


@dataclass(frozen=True)
class WithoutStrongZeros:
    """A contender that runs in that context."""

    contender: Contender
    name: str = "without strong zeros"

    def value(self) -> Any:
        """What it computes."""
        with weak_zeros():
            return self.contender.value()

    def timer(self) -> Clock:
        """What times it."""
        return InContext(self.contender.timer())


@dataclass(frozen=True)
class InContext:
    """A clock that runs what it times in that context."""

    clock: Clock

    def timeit(self, count: int, /) -> float:
        """Seconds of so many calls."""
        with weak_zeros():
            return self.clock.timeit(count)


def roots(x: Any) -> Any:
    """Little but what is singular."""
    return np.sum(np.sqrt(x) * np.log(x) / (1 + np.exp(x)))


def newton(a: Any) -> Any:
    """A loop in which each step divides by what the step before has made: its derivative is one chain."""
    return fd.lax.fori_loop(0, 1000, lambda _, x: 0.5 * (x + a / x), a)


def subjects() -> Iterator[tuple[str, Callable[[], Callable[..., Any]], tuple[Any, ...]]]:
    """Cases: their names, how to make the derivative, its arguments."""
    rng = np.random.default_rng(0)
    for n in (10**3, 10**6):
        x, y = rng.normal(size=n), rng.normal(size=n)
        yield (
            f"elementwise gradient, {n:.0e} elements",
            lambda: fd.jit(fd.grad(elementwise.loss_in(np), argnums=(0, 1))),
            (x, y),
        )
        yield f"roots and logarithms, {n:.0e} elements", lambda: fd.jit(fd.grad(roots)), (np.abs(x) + 0.1,)
    bodies, masses = rng.normal(size=(pairs.BODIES, 3)), rng.uniform(0.5, 1.5, size=pairs.BODIES)
    yield "all pairs, gradient", lambda: fd.jit(fd.grad(pairs.energy_in(np))), (bodies, masses)
    points = rng.normal(size=(logistic.POINTS, logistic.FEATURES))
    labels = rng.choice([-1.0, 1.0], size=logistic.POINTS)
    weights = rng.normal(size=logistic.FEATURES, scale=0.1)
    yield "logistic regression", lambda: fd.jit(fd.value_and_grad(logistic.loss_in(np))), (weights, points, labels)
    yield "MLP, float64", lambda: fd.jit(fd.value_and_grad(mlp.loss_in(np, nn.log_softmax))), mlp_arguments(rng)
    yield (
        "Hessian of roots and logarithms, 10 numbers",
        lambda: fd.jit(fd.hessian(roots)),
        (rng.uniform(1, 2, size=10),),
    )
    yield "Newton's iteration, 1000 steps", lambda: fd.jit(fd.grad(newton)), (3.0,)
    for problem in loops.problems():
        yield (
            problem.name,
            lambda p=problem: fd.jit(fd.grad(p.function(loops.our_library(p.unroll)), p.wanted)),
            problem.arguments,
        )  # type: ignore[misc]
    yield "un-jitted grad, float", lambda: fd.grad(unjitted.chain_in(np)), (0.3,)
    yield "un-jitted grad, while and if", lambda: fd.grad(unjitted.search_in(np)), (0.3,)
    yield "un-jitted grad, roots, 10 elements", lambda: fd.grad(roots), (rng.uniform(1, 2, size=10),)


def mlp_arguments(rng: np.random.Generator) -> tuple[Any, ...]:
    """Layers, data and labels of the small network."""
    sizes = zip(mlp.WIDTHS[:-1], mlp.WIDTHS[1:], strict=True)
    layers = [(rng.normal(size=(m, n), scale=m**-0.5), rng.normal(size=n, scale=0.1)) for m, n in sizes]
    return (
        layers,
        rng.normal(size=(mlp.BATCH, mlp.WIDTHS[0])),
        np.eye(mlp.WIDTHS[-1])[rng.integers(mlp.WIDTHS[-1], size=mlp.BATCH)],
    )


def run(seconds: float) -> Iterator[Result]:
    """Against the same without."""
    for name, make, arguments in subjects():
        ours, weak = (Contender("functad", "f(*arguments)", {"f": make(), "arguments": arguments}) for _ in range(2))
        peer = WithoutStrongZeros(weak)
        yield from compare(f"strong zeros: {name}", ours, [peer], seconds, {peer.name: TARGET})
