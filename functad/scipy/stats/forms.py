"""Forms of a distribution that follow from others: each is stated by a rule, once for all distributions.

A form is a function of the standardised variable (or of a probability) and the shape parameters. Where both tails have
to keep their digits, a distribution states a logarithm, or both ``cdf`` and ``sf``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.numpy.indexing import where
from functad.numpy.operands import cast, common_shape, shape_of, spread
from functad.primitives.exponential import log1mexp

__all__ = ["Form", "broadcast", "completed"]

Form = Callable[..., Any]


def broadcast(op: Callable[..., Any]) -> Form:
    """A primitive as a form: of operands that broadcast."""

    def form(*args: Any) -> Any:
        shape = common_shape([shape_of(x) for x in args], "scipy.stats")
        return op(*[spread(cast(x, np.dtype(np.float64)), shape) for x in args])

    return form


def _mirrored(f: Form) -> Form:
    return lambda z, *shapes: f(-z, *shapes)


def _negative(f: Form) -> Form:
    return lambda q, *shapes: -f(q, *shapes)


def _exponential(f: Form) -> Form:
    return lambda z, *shapes: np.exp(f(z, *shapes))


def _logarithm(f: Form) -> Form:
    return lambda z, *shapes: np.log(f(z, *shapes))


def _rest(f: Form) -> Form:
    """1 - e^f."""
    return lambda z, *shapes: -np.expm1(f(z, *shapes))


def _log_rest(f: Form) -> Form:
    """log(1 - e^f)."""
    return lambda z, *shapes: log1mexp(f(z, *shapes))


def _log_of_smaller(f: Form, other: Form) -> Form:
    """log f, where f + other is 1, from the smaller of the two."""

    def form(z: Any, *shapes: Any) -> Any:
        value, rest = f(z, *shapes), other(z, *shapes)
        small = value < 0.5
        return where(small, np.log(where(small, value, 1.0)), np.log1p(-where(small, 0.0, rest)))

    return form


def _first(f: Form, other: Form) -> Form:
    return _log_of_smaller(f, other)


def _second(f: Form, other: Form) -> Form:
    return _log_of_smaller(other, f)


SYMMETRIC: tuple[tuple[str, tuple[str, ...], Callable[..., Form]], ...] = (
    ("sf", ("cdf",), _mirrored),
    ("logsf", ("logcdf",), _mirrored),
    ("isf", ("ppf",), _negative),
)
"""Rules for distributions that are symmetric about 0."""

RULES: tuple[tuple[str, tuple[str, ...], Callable[..., Form]], ...] = (
    ("pdf", ("logpdf",), _exponential),
    ("pmf", ("logpmf",), _exponential),
    ("logpdf", ("pdf",), _logarithm),
    ("cdf", ("logcdf",), _exponential),
    ("sf", ("logsf",), _exponential),
    ("cdf", ("logsf",), _rest),
    ("sf", ("logcdf",), _rest),
    ("logcdf", ("logsf",), _log_rest),
    ("logsf", ("logcdf",), _log_rest),
    ("logcdf", ("cdf", "sf"), _first),
    ("logsf", ("cdf", "sf"), _second),
)
"""Forms, what each is made of, and how; the first rule that applies is taken."""


def completed(forms: dict[str, Form], symmetric: bool) -> dict[str, Form]:
    """Forms, and those that follow from them."""
    found = dict(forms)
    for target, needs, rule in (*SYMMETRIC, *RULES) if symmetric else RULES:
        if target not in found and all(n in forms or n in found for n in needs):
            found[target] = rule(*[found[n] for n in needs])
    return found
