"""Distributions of integers.

Derivatives are those in the parameters. In the variable itself, the logarithm of a probability has that of its formula
between the integers; the distribution function is constant there.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from functad.numpy.indexing import where
from functad.scipy.stats.distribution import falls_back, real
from functad.scipy.stats.forms import Form
from functad.scipy.stats.univariate import Support, Univariate

__all__ = ["Discrete", "discrete", "is_whole"]


def is_whole(n: Any) -> Any:
    """Whether numbers are integers."""
    return np.floor(n) == n


class Discrete(Univariate):
    """A distribution of integers."""

    densities: ClassVar = {"pmf": 0.0, "logpmf": -math.inf}
    scaled = False

    def beyond(self, z: Any, lower: Any, upper: Any) -> tuple[Any, Any]:
        """At the last integer, all is at most that."""
        return z < lower, z >= upper

    def ends(self, lower: Any, upper: Any) -> tuple[Any, Any]:
        """The quantile of 0 is the integer before the first one."""
        return lower - 1, upper

    def _probability(self, method: str, k: Any, args: tuple[Any, ...], kwds: dict[str, Any]) -> Any:
        form = self._form(method)
        shapes, loc, _ = self._taken(method, args, kwds)
        k = real(k) - loc
        lower, upper = self.limits(*shapes)
        outside = (k < lower) | (k > upper) | (np.floor(k) < k)
        return where(outside, self.densities[method], self._within(form, k, outside, shapes))

    @falls_back
    def pmf(self, k: Any, *args: Any, **kwds: Any) -> Any:
        """The probability of k."""
        return self._probability("pmf", k, args, kwds)

    @falls_back
    def logpmf(self, k: Any, *args: Any, **kwds: Any) -> Any:
        """The logarithm of the probability of k."""
        return self._probability("logpmf", k, args, kwds)


def discrete(scipy: Any, *, valid: Form, support: Support, inside: Any = 0.0, **forms: Form) -> Discrete:
    """Declare a distribution of integers: arguments are those of ``Univariate``."""
    return Discrete(scipy, forms, valid, support, inside)
