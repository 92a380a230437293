"""Continuous distributions: a density, which is that of the standardised variable divided by scale."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from functad.numpy.indexing import where
from functad.scipy.stats.distribution import falls_back, real
from functad.scipy.stats.forms import Form
from functad.scipy.stats.univariate import Support, Univariate, either

__all__ = ["Continuous", "continuous"]


class Continuous(Univariate):
    """A continuous distribution."""

    densities: ClassVar = {"pdf": 0.0, "logpdf": -math.inf}
    scaled = True
    opened = False
    """Whether the density is 0 at the bounds, whatever its form is there."""

    def beyond(self, z: Any, lower: Any, upper: Any) -> tuple[Any, Any]:
        """At the bounds they are what they are beyond."""
        return _below(z, lower, True), _above(z, upper, True)

    def _density(self, method: str, x: Any, args: tuple[Any, ...], kwds: dict[str, Any]) -> tuple[Any, Any]:
        form = self._form(method)
        shapes, loc, scale = self._taken(method, args, kwds)
        z = (real(x) - loc) / scale
        lower, upper = self.limits(*shapes)
        outside = either(_below(z, lower, self.opened), _above(z, upper, self.opened))
        value = self._within(form, z, outside, shapes)
        return value if outside is None else where(outside, self.densities[method], value), scale

    @falls_back
    def pdf(self, x: Any, *args: Any, **kwds: Any) -> Any:
        """The density."""
        value, scale = self._density("pdf", x, args, kwds)
        return value / scale

    @falls_back
    def logpdf(self, x: Any, *args: Any, **kwds: Any) -> Any:
        """The logarithm of the density."""
        value, scale = self._density("logpdf", x, args, kwds)
        return value - np.log(scale)


def continuous(
    scipy: Any,
    *,
    valid: Form = lambda *_: True,
    support: Support = (-math.inf, math.inf),
    inside: Any = 1.0,
    opened: bool = False,
    symmetric: bool = False,
    **forms: Form,
) -> Continuous:
    """Declare a continuous distribution: arguments are those of ``Univariate``."""
    declared = Continuous(scipy, forms, valid, support, inside, symmetric)
    declared.opened = opened
    return declared


def _below(z: Any, bound: Any, closed: bool) -> Any:
    """Where z lies below the support; None where nothing does."""
    if type(bound) is float and bound == -math.inf:
        return None
    return z <= bound if closed else z < bound


def _above(z: Any, bound: Any, closed: bool) -> Any:
    if type(bound) is float and bound == math.inf:
        return None
    return z >= bound if closed else z > bound
