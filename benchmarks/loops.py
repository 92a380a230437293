"""Gradients of loops of many small steps: run time and compile time against JAX's, run time against loops written by
hand.

Each problem is one function for both libraries. JAX gets several ways to unroll its loops, each on all threads and on
one, and the fastest counts.
"""

from __future__ import annotations

import functools
import gc
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks import loops_numba
from benchmarks.harness import Contender, Result, compare, fastest
from benchmarks.one_thread import jax_contenders

__all__ = ["run"]


@dataclass(frozen=True)
class Library:
    """What problems are written in."""

    xp: Any
    scan: Callable[..., Any]
    nn: Any


def our_library(unroll: int) -> Library:
    """NumPy and functad, with loops that make so many steps in a turn."""
    return Library(np, functools.partial(fd.lax.scan, unroll=unroll), fd.nn)


def jax_library(unroll: int) -> Library:
    """JAX likewise."""
    return Library(jnp, functools.partial(jax.lax.scan, unroll=unroll), jax.nn)


@dataclass(frozen=True)
class Problem:
    """A function to be differentiated; ``by_hand`` gives the gradient."""

    name: str
    function: Callable[[Library], Callable[..., Any]]
    arguments: tuple[Any, ...]
    by_hand: Callable[..., Any]
    target: float  # times as fast as JAX
    unroll: int = 1  # steps that functad makes in a turn
    jax_unrolls: tuple[int, ...] = (
        1,
        2,
        4,
        8,
    )  # steps that JAX may make in a turn; more take longer, but for a loop that vanishes

    @property
    def wanted(self) -> int | tuple[int, ...]:
        """The arguments with respect to which it is differentiated: all, or the weights."""
        return 0 if self.function is lstm else tuple(range(len(self.arguments)))


# -- the problems ------------------------------------------------------------------------------------------------------

PENDULUM_STEPS, PENDULUM_H = 10_000, 1e-3


def pendulum(lib: Library) -> Callable[..., Any]:
    """Symplectic Euler for a state of two floats."""

    def step(state: Any, _: None) -> tuple[Any, None]:
        q, p = state
        p = p - PENDULUM_H * lib.xp.sin(q)
        return (q + PENDULUM_H * p, p), None

    def final(state: Any) -> Any:
        (q, p), _ = lib.scan(step, (state[0], state[1]), length=PENDULUM_STEPS)
        return q * q + p * p

    return final


RK4_STEPS, RK4_H = 1000, 1e-3


def rk4(lib: Library) -> Callable[..., Any]:
    """The classical Runge-Kutta method for y' = a y."""

    def final(a: Any, y: Any) -> Any:
        def step(y: Any, _: None) -> tuple[Any, None]:
            k1 = a @ y
            k2 = a @ (y + 0.5 * RK4_H * k1)
            k3 = a @ (y + 0.5 * RK4_H * k2)
            k4 = a @ (y + RK4_H * k3)
            return y + RK4_H / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

        y, _ = lib.scan(step, y, length=RK4_STEPS)
        return lib.xp.sum(y * y)

    return final


def lstm(lib: Library) -> Callable[..., Any]:
    """Mean cross-entropy of the next character, under two layers; gates are in the order input, forget, output, new."""

    def cell(weights: Any, h: Any, c: Any, x: Any) -> tuple[Any, Any]:
        w, u, b = weights
        n = u.shape[0]
        gates = x @ w + h @ u + b
        entry, keep, out = (lib.nn.sigmoid(gates[k * n : (k + 1) * n]) for k in range(3))
        c = keep * c + entry * lib.xp.tanh(gates[3 * n :])
        return out * lib.xp.tanh(c), c

    def loss(params: Any, x: Any, y: Any) -> Any:
        first, second, (v, k) = params

        def step(state: Any, item: Any) -> tuple[Any, Any]:
            h1, c1, h2, c2 = state
            x, y = item
            h1, c1 = cell(first, h1, c1, x)
            h2, c2 = cell(second, h2, c2, h1)
            scores = h2 @ v + k
            return (h1, c1, h2, c2), lib.nn.logsumexp(scores) - lib.xp.sum(scores * y)

        zeros = lib.xp.zeros(v.shape[0])
        return lib.xp.mean(lib.scan(step, (zeros,) * 4, (x, y))[1])

    return loss


HEAT_STEPS, HEAT_RATE = 100, 0.1


def heat(lib: Library) -> Callable[..., Any]:
    """Explicit Euler for the heat equation with a fixed boundary."""

    def step(u: Any, _: None) -> tuple[Any, None]:
        laplacian = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
        return u + HEAT_RATE * lib.xp.pad(laplacian, 1), None

    def final(u: Any) -> Any:
        u, _ = lib.scan(step, u, length=HEAT_STEPS)
        return lib.xp.sum(u * u)

    return final


def horner(lib: Library) -> Callable[..., Any]:
    """Sum of a polynomial's values."""

    def total(coefficients: Any, x: Any) -> Any:
        return lib.xp.sum(lib.scan(lambda value, c: (value * x + c, None), lib.xp.zeros_like(x), coefficients)[0])

    return total


def problems() -> Iterator[Problem]:
    """All of them, with arguments and targets."""
    rng = np.random.default_rng(0)
    yield Problem(
        f"pendulum, {PENDULUM_STEPS} steps",
        pendulum,
        (np.array([1.0, 0.0]),),
        lambda state: loops_numba.pendulum(state, PENDULUM_STEPS, PENDULUM_H),
        1.0,
    )
    a, y = rng.normal(size=(20, 20), scale=0.2), rng.normal(size=20)
    yield Problem(
        f"RK4, 20 dimensions, {RK4_STEPS} steps", rk4, (a, y), lambda a, y: loops_numba.rk4(a, y, RK4_STEPS, RK4_H), 2.5
    )
    yield Problem("LSTM, 2 layers of 14, 1024 characters", lstm, lstm_arguments(rng), loops_numba.lstm, 3.0)
    u = rng.normal(size=(128, 128))
    yield Problem(
        f"heat, 128 x 128, {HEAT_STEPS} steps", heat, (u,), lambda u: loops_numba.heat(u, HEAT_STEPS, HEAT_RATE), 2.0
    )
    terms, points = rng.normal(size=50), rng.uniform(-1, 1, size=1000)
    yield Problem(
        "Horner, 50 terms at 1000 points",
        horner,
        (terms, points),
        loops_numba.horner,
        1.4,
        unroll=4,
        jax_unrolls=(1, 2, 4, 50),
    )


def lstm_arguments(rng: np.random.Generator, features: int = 14, characters: int = 1024) -> tuple[Any, ...]:
    """Weights, and characters with those that follow them, as rows with a single 1."""

    def weights(*shape: int) -> np.ndarray:
        return rng.normal(size=shape, scale=0.3)

    def layer() -> tuple[np.ndarray, ...]:
        return weights(features, 4 * features), weights(features, 4 * features), weights(4 * features)

    text = np.eye(features)[rng.integers(features, size=characters + 1)]
    return (layer(), layer(), (weights(features, features), weights(features))), text[:-1], text[1:]


# -- the comparison ----------------------------------------------------------------------------------------------------


def run(seconds: float) -> Iterator[Result]:
    """For each problem: JAX at its best, the loops by hand, and compile times."""
    warm_up()
    for number, problem in enumerate(problems()):
        gradient = fd.jit(fd.grad(problem.function(our_library(problem.unroll)), problem.wanted))
        ours = Contender("functad", "f(*arguments)", {"f": gradient, "arguments": problem.arguments})
        compiling = [seconds_of_call(c.value) for c in (ours, jax_gradient(number, 1))]
        jax_best = fastest([c for n in problem.jax_unrolls for c in jax_contenders(jax_gradient, number, n)])
        by_hand = Contender("Numba, by hand", "f(*arguments)", {"f": problem.by_hand, "arguments": problem.arguments})
        targets = {jax_best.name: problem.target, by_hand.name: 1 / 1.5}
        note = f"unroll={problem.unroll}" if problem.unroll > 1 else ""
        yield from compare(problem.name, ours, [jax_best, by_hand], seconds, targets, tolerance=1e-8, note=note)
        yield Result(
            problem.name,
            compiling[0],
            "JAX",
            compiling[1],
            1.0,
            ", ".join(filter(None, ["compilation and a call", note])),
        )


def jax_gradient(number: int, unroll: int) -> Contender:
    """The gradient of a problem by JAX, with so many steps in a turn."""
    problem = next(itertools.islice(problems(), number, None))
    gradient = jax.jit(jax.grad(problem.function(jax_library(unroll)), problem.wanted))
    return Contender(
        "JAX",
        "wait(f(*arguments))",
        {"f": gradient, "arguments": jax.device_put(problem.arguments), "wait": jax.block_until_ready},
    )


def warm_up() -> None:
    """Compile something with both, so that the first problem does not pay for what is loaded once."""
    fd.jit(np.sin)(1.0)
    jax.jit(jnp.sin)(1.0).block_until_ready()


def seconds_of_call(call: Callable[[], Any]) -> float:
    """The time of one call, in which garbage of what ran before is not collected."""
    gc.collect()
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start
