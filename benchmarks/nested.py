"""Gradient descent inside gradient descent: min over x of max over y, where both loops run until the gradient is small.

After Pearlmutter and Siskind, "Using programming language theory to make automatic differentiation sound and efficient" (2008), whose saddle point
is found with each way of nesting forward and reverse mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks import loops_numba
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]

RATE, SMALL = 0.2, 1e-12

BOUND = 64
"""Steps that JAX gives an inner loop which it is to differentiate in reverse: about twice as many as are needed."""

Derivative = Callable[..., Any]
While = Callable[..., Any]


def payoff_in(xp: Any) -> Callable[[Any, Any], Any]:
    """What y maximises and x minimises."""

    def payoff(x: Any, y: Any) -> Any:
        return xp.sum((x - 1) ** 2) + xp.sum(xp.sin(x) * y) - xp.sum(y * y) - 0.1 * xp.sum(y**4)

    return payoff


def descent_in(xp: Any, while_loop: While) -> Callable[[Derivative, Any], Any]:
    """Gradient descent until the gradient's square is small."""

    def descent(gradient: Derivative, start: Any) -> Any:
        def going(state: Any) -> Any:
            return xp.sum(state[1] ** 2) > SMALL

        def step(state: Any) -> Any:
            place = state[0] - RATE * state[1]
            return place, gradient(place)

        return while_loop(going, step, (start, gradient(start)))[0]

    return descent


def bounded_while(going: Callable[[Any], Any], step: Callable[[Any], Any], state: Any) -> Any:
    """A loop that JAX can differentiate in reverse: of a fixed number of steps, of which those after the end do nothing."""

    def turn(state: Any, _: None) -> tuple[Any, None]:
        return jax.lax.cond(going(state), step, lambda s: s, state), None

    return jax.lax.scan(turn, state, length=BOUND)[0]


def saddle(xp: Any, outer: Derivative, inner: Derivative, outer_loop: While, inner_loop: While) -> Callable[[Any], Any]:
    """The x of the saddle point, from a first x."""
    payoff = payoff_in(xp)

    def worst(x: Any) -> Any:
        return payoff(x, descent_in(xp, inner_loop)(inner(lambda y: -payoff(x, y)), xp.zeros(2)))

    return lambda start: descent_in(xp, outer_loop)(outer(worst), start)


def run(seconds: float) -> Iterator[Result]:
    """Against JAX, and the same loops by hand."""
    x = np.array([2.0, 0.5])
    modes = {"forward": (fd.jacfwd, jax.jacfwd), "reverse": (fd.grad, jax.grad)}
    for outer, (outer_ours, outer_theirs) in modes.items():
        for inner, (inner_ours, inner_theirs) in modes.items():
            ours = fd.jit(saddle(np, outer_ours, inner_ours, fd.lax.while_loop, fd.lax.while_loop))
            inner_loop = bounded_while if outer == "reverse" else jax.lax.while_loop
            theirs = jax.jit(saddle(jnp, outer_theirs, inner_theirs, jax.lax.while_loop, inner_loop))
            peers = [
                Contender("JAX", "f(x)", {"f": theirs, "x": jnp.asarray(x)}, ".block_until_ready()"),
                Contender("Numba, by hand", "f(x, *rest)", {"f": loops_numba.nested, "x": x, "rest": (outer == "reverse", RATE, SMALL)}),
            ]
            targets = {"JAX": 10.0 if outer == "reverse" else 2.0, "Numba, by hand": 1 / 1.5}
            yield from compare(
                f"descent in descent, {outer} over {inner}", Contender("functad", "f(x)", {"f": ours, "x": x}), peers, seconds, targets
            )
