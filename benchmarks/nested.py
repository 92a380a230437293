"""Gradient descent inside gradient descent: min over x of max over y, where both loops run until the gradient is small.

After Pearlmutter and Siskind, "Using programming language theory to make automatic differentiation sound and efficient"
(2008), whose saddle point is found with each way of nesting forward and reverse mode.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks import loops_numba
from benchmarks.harness import Contender, Result, compare, fastest
from benchmarks.one_thread import jax_contenders

__all__ = ["run"]

RATE, SMALL = 0.2, 1e-12

BOUND = 50
"""Steps that JAX gives an inner loop which it is to differentiate in reverse: twice as many as are needed."""

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


def branching(going: Any, step: Callable[[Any], Any], state: Any) -> Any:
    """A step, if the loop goes on."""
    return jax.lax.cond(going, step, lambda s: s, state)


def selecting(going: Any, step: Callable[[Any], Any], state: Any) -> Any:
    """A step, whose result counts if the loop goes on."""
    return jax.tree.map(lambda new, old: jnp.where(going, new, old), step(state), state)


def bounded_while(one: Callable[..., Any]) -> While:
    """A loop that JAX can differentiate in reverse: of a fixed number of steps, of which those after the end do
    nothing.

    (Unrolled it takes longer.)
    """

    def while_loop(going: Callable[[Any], Any], step: Callable[[Any], Any], state: Any) -> Any:
        return jax.lax.scan(lambda s, _: (one(going(s), step, s), None), state, length=BOUND)[0]

    return while_loop


def saddle(xp: Any, outer: Derivative, inner: Derivative, outer_loop: While, inner_loop: While) -> Callable[[Any], Any]:
    """The x of the saddle point, from a first x."""
    payoff = payoff_in(xp)

    def worst(x: Any) -> Any:
        return payoff(x, descent_in(xp, inner_loop)(inner(lambda y: -payoff(x, y)), xp.zeros(2)))

    return lambda start: descent_in(xp, outer_loop)(outer(worst), start)


MODES = {"forward": (fd.jacfwd, jax.jacfwd), "reverse": (fd.grad, jax.grad)}

START = np.array([2.0, 0.5])


def run(seconds: float) -> Iterator[Result]:
    """Against JAX at its best, and the same loops by hand."""
    for outer, inner in itertools.product(MODES, repeat=2):
        function = fd.jit(saddle(np, MODES[outer][0], MODES[inner][0], fd.lax.while_loop, fd.lax.while_loop))
        steps = (branching, selecting) if outer == "reverse" else (None,)
        jax_best = fastest([c for step in steps for c in jax_contenders(jax_saddle, outer, inner, step)])
        rest = (outer == "reverse", RATE, SMALL)
        by_hand = Contender("Numba, by hand", "f(x, *rest)", {"f": loops_numba.nested, "x": START, "rest": rest})
        targets = {jax_best.name: 10.0 if outer == "reverse" else 2.0, by_hand.name: 1 / 1.5}
        ours = Contender("functad", "f(x)", {"f": function, "x": START})
        yield from compare(f"descent in descent, {outer} over {inner}", ours, [jax_best, by_hand], seconds, targets)


def jax_saddle(outer: str, inner: str, step: Callable[..., Any] | None) -> Contender:
    """The saddle point by JAX, with an inner loop that ends by itself, or a bounded one of such steps."""
    inner_loop = jax.lax.while_loop if step is None else bounded_while(step)
    function = jax.jit(saddle(jnp, MODES[outer][1], MODES[inner][1], jax.lax.while_loop, inner_loop))
    return Contender("JAX", "f(x)", {"f": function, "x": jnp.asarray(START)}, ".block_until_ready()")
