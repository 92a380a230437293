"""Distributions of finitely many integers whose distribution functions are known as sums alone."""

from __future__ import annotations

from typing import Any

from functad.primitives.scipy_special.counts import held
from functad.scipy.stats.discrete import Discrete, discrete
from functad.scipy.stats.forms import Form
from functad.scipy.stats.tails import entropy_of, first_integer, tails_of

__all__ = ["finite"]


def finite(
    scipy: Any,
    *,
    support: Form,
    logpmf: Form,
    fall: Form,
    rise: Form,
    centre: Form,
    counts: tuple[str, ...],
    inside: Any = 0.0,
    **others: Form,
) -> Discrete:
    """Declare such a distribution.

    Parameters
    ----------
    logpmf, fall, rise
        The logarithm of the probability of k; the probability of k - 1 over that of k, and that of k + 1.
    centre
        An integer of the support, near that of the largest probability.
    counts
        The shape parameters that are numbers of things: no sum has a derivative in them.
    others
        See ``discrete``.
    """
    names = scipy.shapes.split(", ")
    holders = {
        method: [held(f"{scipy.name}.{method}", name) if name in counts else None for name in names]
        for method in ("cdf", "sf", "logcdf", "logsf", "entropy")
    }

    def of_values(method: str, form: Form, first: int) -> Form:
        def taken(*args: Any) -> Any:
            shapes = [x if h is None else h(x) for h, x in zip(holders[method], args[first:], strict=True)]
            return form(*args[:first], *shapes)

        return taken

    sums = tails_of(logpmf, fall, rise, support)
    tails = {method: of_values(method, form, 1) for method, form in sums.items()}

    def quantile(enough: Form) -> Form:
        def found(q: Any, *shapes: Any) -> Any:
            low, high = support(*shapes)
            return first_integer(enough, low - 1, high, q, *shapes)

        return found

    return discrete(
        scipy,
        support=support,
        inside=inside,
        logpmf=logpmf,
        entropy=of_values("entropy", entropy_of(logpmf, centre, support), 0),
        ppf=quantile(lambda k, q, *shapes: sums["cdf"](k, *shapes) >= q),
        isf=quantile(lambda k, q, *shapes: sums["sf"](k, *shapes) <= q),
        **tails,
        **others,
    )
