"""What all distributions have: parameters by SciPy's names, and SciPy's own objects, whose methods they stand for.

A distribution of SciPy's is an object, and ``scipy.stats.norm.logpdf`` a method of a class that it shares with others.
A traced function calls, in place of such a method, one that finds by its object which distribution is declared for it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy.stats import rv_continuous, rv_discrete

from functad.errors import ArgumentError, UnsupportedError
from functad.numpy.dispatch import stands_for
from functad.numpy.indexing import where
from functad.numpy.operands import as_array, cast
from functad.numpy.traced import here, is_traced

__all__ = ["Distribution", "Frozen", "declared", "falls_back", "real", "refuse", "replace_methods", "undefined_unless"]

DECLARED: dict[Any, Distribution] = {}
"""Distributions by what tells SciPy's objects apart: frozen ones hold copies."""

FLOAT64 = np.dtype(np.float64)


def real(x: Any) -> Any:
    """An argument in the dtype that SciPy computes in."""
    return cast(as_array(x, "asarray"), FLOAT64)


def undefined_unless(valid: Any, x: Any) -> Any:
    """``x``, or NaN where parameters are not valid: what is computed with it is NaN then, too."""
    return x if type(valid) in (bool, np.bool_) and valid else where(valid, x, np.nan)


def falls_back(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method that is SciPy's own where nothing is traced."""

    @functools.wraps(method)
    def chosen(self: Distribution, *args: Any, **kwds: Any) -> Any:
        if is_traced(args) or is_traced(kwds.values()):
            return method(self, *args, **kwds)
        return getattr(self.scipy, method.__name__)(*args, **kwds)

    return chosen


class Distribution:
    """What stands for a distribution of ``scipy.stats`` where something is traced.

    ``parameters`` are the names of its parameters, in SciPy's order, and ``defaults`` what the last ones are if they
    are not given.
    """

    def __init__(self, scipy: Any, parameters: tuple[str, ...], defaults: tuple[Any, ...]) -> None:
        self.scipy = scipy
        self.parameters = parameters
        self.defaults = defaults
        DECLARED[_key(scipy)] = self

    @property
    def name(self) -> str:
        """The name in ``scipy.stats``."""
        return getattr(self.scipy, "name", None) or type(self.scipy).__name__.removesuffix("_gen")

    def methods(self) -> tuple[str, ...]:
        """The methods that take traced values, by name."""
        raise NotImplementedError

    def arguments(self, method: str, args: tuple[Any, ...], kwds: dict[str, Any]) -> list[Any]:
        """The parameters in their order, given by position or name."""
        names, required = self.parameters, len(self.parameters) - len(self.defaults)
        unknown = [k for k in kwds if k not in names[len(args) :]]
        values = dict(zip(names, args, strict=False)) | kwds
        missing = [k for k in names[:required] if k not in values]
        if unknown or missing or len(args) > len(names):
            wrong = (
                f"there is no {unknown[0]}=, or it is given twice"
                if unknown
                else f"{missing[0]} is missing"
                if missing
                else f"got {len(args)} parameters"
            )
            optional = [f"{k}={v!r}" for k, v in zip(names[required:], self.defaults, strict=True)]
            raise ArgumentError(
                f"scipy.stats.{self.name}.{method}{here()}: {wrong}; the parameters are "
                f"{', '.join([*names[:required], *optional])}"
            )
        return [values.get(k, d) for k, d in zip(names, (None,) * required + self.defaults, strict=True)]

    def __call__(self, *args: Any, **kwds: Any) -> Any:
        """The distribution with its parameters."""
        if is_traced(args) or is_traced(kwds.values()):
            self.arguments("__call__", args, kwds)
            return Frozen(self, args, kwds)
        return self.scipy(*args, **kwds)

    def __repr__(self) -> str:
        return f"<functad.scipy.stats.{self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return declared, (self.scipy, "")

    def __getattr__(self, name: str) -> Any:
        """SciPy's other methods, for values."""
        if name.startswith("_"):
            raise AttributeError(name)
        return functools.partial(_undeclared, self.scipy, name)


class Frozen:
    """A distribution with parameters, traced ones among them; it has the methods of one of SciPy's."""

    def __init__(self, distribution: Distribution, args: tuple[Any, ...], kwds: dict[str, Any]) -> None:
        self.dist = distribution
        self.args = args
        self.kwds = kwds

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.dist, name)
        return lambda *x, **named: method(*x, *named.values(), *self.args, **self.kwds)


# -- SciPy's objects ---------------------------------------------------------------------------------------------------


def _key(scipy: Any) -> Any:
    return type(scipy), getattr(scipy, "name", None)


def declared(scipy: Any, method: str) -> Any:
    """The distribution for one of SciPy's objects."""
    found = DECLARED.get(_key(scipy))
    if found is None:
        refuse(scipy, method)
    return found


def refuse(scipy: Any, method: str) -> None:
    """Say that a method of one of SciPy's objects only takes values."""
    name = getattr(scipy, "name", None) or type(scipy).__name__.removesuffix("_gen")
    raise UnsupportedError(
        f"scipy.stats.{name}.{method}{here()} is not available for traced values; docs/statistics.md lists what is. "
        "Compute it before tracing, or write it with functions that are there"
    )


def _undeclared(scipy: Any, method: str, *args: Any, **kwds: Any) -> Any:
    """A method of SciPy's that only takes values."""
    if is_traced(args) or is_traced(kwds.values()):
        refuse(scipy, method)
    return getattr(scipy, method)(*args, **kwds)


def replace_methods(cls: type, names: Iterable[str]) -> None:
    """Declare that traced functions call a distribution's methods in place of those of a class of SciPy's."""
    for name in names:
        _replace(getattr(cls, name), name)


def _replace(original: Callable[..., Any], name: str) -> None:
    @stands_for(original)
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwds: Any) -> Any:
        if is_traced(args) or is_traced(kwds.values()):
            return getattr(declared(self, name), name)(*args, **kwds)
        return original(self, *args, **kwds)


COMMON = (
    "__call__", "cdf", "entropy", "expect", "freeze", "interval", "isf", "logcdf", "logsf", "mean", "median", "moment",
    "ppf", "sf", "stats", "std", "support", "var",
)  # fmt: skip

replace_methods(rv_continuous, (*COMMON, "fit", "fit_loc_scale", "logpdf", "nnlf", "pdf"))
replace_methods(rv_discrete, (*COMMON, "logpmf", "nnlf", "pmf"))
