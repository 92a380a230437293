"""Distributions of numbers: what is declared of the standardised variable, and SciPy's methods, made of that.

With z = (x - loc) / scale, the distribution function of x is that of z, and quantiles are those of z times scale, plus
loc. Outside of the support a form is computed at a point inside, and not taken: no derivative meets an infinity there.
Where a parameter is not valid, loc is NaN, and so is all that follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from functad.numpy.indexing import where
from functad.scipy.stats.distribution import Distribution, falls_back, real, refuse, undefined_unless
from functad.scipy.stats.forms import Form, completed

__all__ = ["Support", "Univariate", "either"]

Support = tuple[Any, Any] | Callable[..., tuple[Any, Any]]

TAILS = {"cdf": (0.0, 1.0), "logcdf": (-math.inf, 0.0), "sf": (1.0, 0.0), "logsf": (0.0, -math.inf)}
"""What they are below and above the support."""

FORMS = frozenset({*TAILS, "ppf", "isf", "entropy", "mean", "var", "median"})


class Univariate(Distribution):
    """A distribution of numbers.

    Parameters
    ----------
    scipy
        SciPy's object.
    forms
        Functions of the standardised variable and the shape parameters (``logpdf``, ``cdf``, ``sf``, ...), of a
        probability and the shape parameters (``ppf``, ``isf``), or of the shape parameters (``mean``, ``var``,
        ``entropy``). Others follow from them (``forms.RULES``).
    valid
        Whether shape parameters are valid.
    support
        Bounds of the standardised variable, or a function of the shape parameters that gives them.
    inside
        A point inside of the support at which all forms are finite, or a function of the shape parameters.
    symmetric
        Whether the density is an even function.
    """

    densities: ClassVar[dict[str, float]]
    """The names of forms that are densities, and what they are outside of the support."""

    scaled: ClassVar[bool]
    """Whether there is a parameter ``scale``."""

    def __init__(
        self, scipy: Any, forms: dict[str, Form], valid: Form, support: Support, inside: Any, symmetric: bool = False
    ) -> None:
        unknown = set(forms) - FORMS - set(self.densities)
        assert not unknown, f"{scipy.name}: there are no forms {sorted(unknown)}"
        shapes = tuple(scipy.shapes.split(", ")) if scipy.shapes else ()
        last, defaults = (("loc", "scale"), (0.0, 1.0)) if self.scaled else (("loc",), (0.0,))
        super().__init__(scipy, (*shapes, *last), defaults)
        self.forms = completed(forms, symmetric)
        self.valid = valid
        self.limits: Form = support if callable(support) else lambda *_: support
        self.inside: Form = inside if callable(inside) else lambda *_: inside

    def methods(self) -> tuple[str, ...]:
        """The methods that take traced values, by name."""
        found = [*self.forms, "support"]
        found += ["std"] * ("var" in self.forms) + ["median", "interval"] * ("ppf" in self.forms)
        return tuple(dict.fromkeys(found))

    def _form(self, name: str) -> Form:
        if name not in self.forms:
            refuse(self.scipy, name)
        return self.forms[name]

    def _taken(self, method: str, args: tuple[Any, ...], kwds: dict[str, Any]) -> tuple[list[Any], Any, Any]:
        """Shape parameters, location (NaN where a parameter is not valid), and scale."""
        given = [real(p) for p in self.arguments(method, args, kwds)]
        *shapes, loc, scale = given if self.scaled else (*given, np.float64(1.0))
        valid = self.valid(*shapes) & (scale > 0)
        return shapes, undefined_unless(valid, loc), scale

    def _within(self, form: Form, z: Any, outside: Any, shapes: list[Any]) -> Any:
        """A form of z, where that is not outside."""
        return form(z if outside is None else where(outside, self.inside(*shapes), z), *shapes)

    # -- functions of the variable -------------------------------------------------------------------------------------

    def beyond(self, z: Any, lower: Any, upper: Any) -> tuple[Any, Any]:
        """Where distribution functions are what they are below the support, and above; None: nowhere."""
        raise NotImplementedError

    def _tail(self, method: str, x: Any, args: tuple[Any, ...], kwds: dict[str, Any]) -> Any:
        form = self._form(method)
        shapes, loc, scale = self._taken(method, args, kwds)
        z = (real(x) - loc) / scale
        z = z if self.scaled else np.floor(z)
        below, above = self.beyond(z, *self.limits(*shapes))
        value = self._within(form, z, either(below, above), shapes)
        least, greatest = TAILS[method]
        value = value if below is None else where(below, least, value)
        return value if above is None else where(above, greatest, value)

    @falls_back
    def cdf(self, x: Any, *args: Any, **kwds: Any) -> Any:
        """The distribution function: the probability of what is at most x."""
        return self._tail("cdf", x, args, kwds)

    @falls_back
    def logcdf(self, x: Any, *args: Any, **kwds: Any) -> Any:
        """The logarithm of the distribution function."""
        return self._tail("logcdf", x, args, kwds)

    @falls_back
    def sf(self, x: Any, *args: Any, **kwds: Any) -> Any:
        """The survival function: the probability of what exceeds x."""
        return self._tail("sf", x, args, kwds)

    @falls_back
    def logsf(self, x: Any, *args: Any, **kwds: Any) -> Any:
        """The logarithm of the survival function."""
        return self._tail("logsf", x, args, kwds)

    # -- functions of a probability ------------------------------------------------------------------------------------

    def ends(self, lower: Any, upper: Any) -> tuple[Any, Any]:
        """The quantiles of 0 and 1."""
        return lower, upper

    def _quantile(self, method: str, q: Any, args: tuple[Any, ...], kwds: dict[str, Any]) -> Any:
        form = self._form(method)
        shapes, loc, scale = self._taken(method, args, kwds)
        q = real(q)
        ends = self.ends(*self.limits(*shapes))
        at_0, at_1 = ends if method == "ppf" else ends[::-1]
        inside = (q > 0) & (q < 1)
        value = form(where(inside, q, 0.5), *shapes)
        return where(inside, value, where(q == 0, at_0, where(q == 1, at_1, np.nan))) * scale + loc

    @falls_back
    def ppf(self, q: Any, *args: Any, **kwds: Any) -> Any:
        """The quantile function, the inverse of ``cdf``."""
        return self._quantile("ppf", q, args, kwds)

    @falls_back
    def isf(self, q: Any, *args: Any, **kwds: Any) -> Any:
        """The inverse of the survival function."""
        return self._quantile("isf", q, args, kwds)

    @falls_back
    def interval(self, confidence: Any, *args: Any, **kwds: Any) -> Any:
        """The interval about the median that has a given probability."""
        tail = (1 - real(confidence)) / 2
        return self.ppf(tail, *args, **kwds), self.ppf(1 - tail, *args, **kwds)

    # -- functions of the parameters -----------------------------------------------------------------------------------

    @falls_back
    def mean(self, *args: Any, **kwds: Any) -> Any:
        """The mean."""
        form = self._form("mean")
        shapes, loc, scale = self._taken("mean", args, kwds)
        return form(*shapes) * scale + loc

    @falls_back
    def median(self, *args: Any, **kwds: Any) -> Any:
        """The median."""
        form = self.forms.get("median")
        if form is None:
            return self._quantile("ppf", 0.5, args, kwds)
        shapes, loc, scale = self._taken("median", args, kwds)
        return form(*shapes) * scale + loc

    @falls_back
    def var(self, *args: Any, **kwds: Any) -> Any:
        """The variance."""
        form = self._form("var")
        shapes, loc, scale = self._taken("var", args, kwds)
        return form(*shapes) * (scale * scale) + (loc - loc)

    @falls_back
    def std(self, *args: Any, **kwds: Any) -> Any:
        """The standard deviation."""
        form = self._form("var")
        shapes, loc, scale = self._taken("std", args, kwds)
        return np.sqrt(form(*shapes)) * scale + (loc - loc)

    @falls_back
    def entropy(self, *args: Any, **kwds: Any) -> Any:
        """The entropy, in natural units; of a density, the differential one."""
        form = self._form("entropy")
        shapes, loc, scale = self._taken("entropy", args, kwds)
        return form(*shapes) + np.log(scale) + (loc - loc)

    @falls_back
    def support(self, *args: Any, **kwds: Any) -> Any:
        """The bounds between which the density is not 0."""
        shapes, loc, scale = self._taken("support", args, kwds)
        lower, upper = self.limits(*shapes)
        return lower * scale + loc, upper * scale + loc


def either(first: Any, second: Any) -> Any:
    """Where one of two conditions holds; None stands for nowhere."""
    if first is None or second is None:
        return second if first is None else first
    return first | second
