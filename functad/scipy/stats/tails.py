"""Sums of the probabilities of integers, where no closed form is known: distribution functions, entropies and quantiles
by loops that run until a term adds nothing more.

Derivatives in the parameters are those of the loops, to any order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.primitive import type_of
from functad.numpy.indexing import where
from functad.numpy.operands import common_shape, shape_of
from functad.numpy.reductions import any as any_of
from functad.numpy.shapes import broadcast_to
from functad.primitives.exponential import log1mexp
from functad.primitives.stops import stop_gradient
from functad.primitives.while_loop import bind_while
from functad.scipy.stats.distribution import real
from functad.scipy.stats.forms import Form
from functad.transforms.programs import trace_program

__all__ = ["entropy_of", "first_integer", "tails_of"]

ENOUGH = 2.0**-60
"""A term that is less than this part of the sum adds nothing, and nor do those that follow it."""


LOWEST = -800.0
"""A probability with such a logarithm is 0."""


def repeat_while(test: Form, step: Callable[..., tuple[Any, ...]], state: tuple[Any, ...], *consts: Any) -> list[Any]:
    """``state = step(*consts, *state)`` while ``test(*consts, *state)`` holds in some place, all of one shape."""
    shape = common_shape([shape_of(x) for x in (*consts, *state)], "scipy.stats")
    consts, state = (tuple([broadcast_to(x, shape) for x in xs]) for xs in (consts, state))
    types = [type_of(x) for x in (*consts, *state)]
    cond = trace_program(lambda *xs: [any_of(test(*xs))], types)
    body = trace_program(step, types)
    return bind_while(cond, body, consts, consts, state)[0]


# -- tails -------------------------------------------------------------------------------------------------------------


def tails_of(logpmf: Form, fall: Form, rise: Form, support: Form) -> dict[str, Form]:
    """``cdf``, ``sf`` and their logarithms.

    Where probabilities rise at k, those up to k are summed, from k downwards; elsewhere those above k, from k + 1
    upwards: terms fall from the first on, and the sum is that of the smaller tail, or nearly.

    Parameters
    ----------
    fall, rise
        The probability of k - 1 over that of k, and that of k + 1; 0 at the ends of the support.
    """

    def step(rising: Any, *args: Any) -> tuple[Any, ...]:
        *shapes, k, term, total = args
        low, high = support(*shapes)
        term = term * where(rising, fall(k, *shapes), rise(k, *shapes))
        k = where(rising, np.maximum(k - 1, low), np.minimum(k + 1, high))
        return k, term, total + term

    def log_tail(k: Any, shapes: tuple[Any, ...]) -> tuple[Any, Any]:
        """Whether the tail is the lower one, and the logarithm of its probability."""
        rising = rise(k, *shapes) > 1
        first = where(rising, k, k + 1)
        one = first * 0.0 + 1.0
        test = lambda rising, *args: args[-2] > ENOUGH * args[-1]  # noqa: E731
        total = repeat_while(test, step, (first, one, one), rising, *shapes)[-1]
        return rising, logpmf(first, *shapes) + np.log(total)

    def form(of_sum: Form, of_rest: Form, lower: bool) -> Form:
        def value(k: Any, *shapes: Any) -> Any:
            rising, logarithm = log_tail(k, shapes)
            return where(rising == lower, of_sum(logarithm), of_rest(logarithm))

        return value

    rest = lambda x: -np.expm1(x)  # noqa: E731
    return {
        "cdf": form(np.exp, rest, True),
        "sf": form(np.exp, rest, False),
        "logcdf": form(lambda x: x, log1mexp, True),
        "logsf": form(lambda x: x, log1mexp, False),
    }


# -- entropies ---------------------------------------------------------------------------------------------------------


def entropy_of(logpmf: Form, centre: Form, support: Form) -> Form:
    """The sum of -p log p, from an integer near the largest p in both directions."""

    def term(k: Any, shapes: list[Any], inside: Any) -> Any:
        logarithm = np.maximum(logpmf(where(inside, k, centre(*shapes)), *shapes), LOWEST)
        return where(inside, -np.exp(logarithm) * logarithm, 0.0)

    def step(*args: Any) -> tuple[Any, ...]:
        *shapes, distance, _, total = args
        low, high = support(*shapes)
        below, above = centre(*shapes) - distance, centre(*shapes) + distance
        more = term(below, shapes, below >= low) + term(above, shapes, above <= high)
        left = where((below <= low) & (above >= high), 0.0, more)
        return distance + 1, left, total + more

    def entropy(*shapes: Any) -> Any:
        middle = centre(*shapes)
        first = term(middle, list(shapes), middle == middle)
        test = lambda *args: args[-2] > ENOUGH * np.abs(args[-1])  # noqa: E731
        return repeat_while(test, step, (middle * 0 + 1, middle * 0 + 1.0, first), *shapes)[-1]

    return entropy


# -- quantiles ---------------------------------------------------------------------------------------------------------


def first_integer(enough: Form, low: Any, high: Any, *parameters: Any) -> Any:
    """The least integer k above ``low`` at which ``enough(k, *parameters)`` holds, which does at ``high``: by
    bisection.

    It has no derivative: quantiles of integers are steps.
    """

    def step(*args: Any) -> tuple[Any, ...]:
        *own, below, above = args
        middle = np.floor(0.5 * (below + above))
        holds = enough(middle, *own)
        return where(holds, below, middle), where(holds, middle, above)

    fixed = [stop_gradient(real(p)) for p in parameters]
    bounds = stop_gradient(real(low)), stop_gradient(real(high))
    return repeat_while(lambda *args: args[-1] - args[-2] > 1, step, bounds, *fixed)[-1]
