"""Reductions of the elements that are not NaN. What is NaN is taken out first, so it has a derivative of 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.trace import ABSENT
from functad.core.tracer import Tracer
from functad.errors import ArgumentError
from functad.numpy import reductions, statistics
from functad.numpy.axes import normal_axes
from functad.numpy.dispatch import implements
from functad.numpy.indexing import where as choose
from functad.numpy.logic import isnan, less_equal, logical_and, logical_not
from functad.numpy.operands import as_array, shape_of
from functad.numpy.reductions import refuse_out
from functad.numpy.statistics import counted, length_of
from functad.numpy.traced import here
from functad.numpy.ufuncs import subtract

__all__: list[str] = []


def filled(a: Any, value: Any, name: str) -> tuple[Any, Any]:
    """The array with a value in place of NaN, and where that is: None for dtypes that have no NaN."""
    x = as_array(a, name)
    if x.dtype.kind not in "fc":
        return x, None
    missing = isnan(x)
    return choose(missing, x.dtype.type(value), x), missing


# -- sums and products -------------------------------------------------------------------------------------------------


def _total(numpy_function: Any, f: Callable[..., Any], neutral: int) -> Any:
    name = numpy_function.__name__

    def total(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Any:
        return f(filled(a, neutral, name)[0], axis, dtype, out, keepdims, initial, where)

    return _named(numpy_function, total, f"with {neutral} in place of NaN")


def _running(numpy_function: Any, f: Callable[..., Any], neutral: int) -> Any:
    name = numpy_function.__name__

    def running(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
        return f(filled(a, neutral, name)[0], axis, dtype, out)

    return _named(numpy_function, running, f"with {neutral} in place of NaN")


def _named(numpy_function: Any, f: Callable[..., Any], what: str) -> Any:
    f.__name__ = f.__qualname__ = numpy_function.__name__
    f.__doc__ = f"``numpy.{f.__name__}``: {what}."
    return implements(numpy_function)(f)


nansum, nanprod = _total(np.nansum, reductions.sum, 0), _total(np.nanprod, reductions.prod, 1)
nancumsum = _running(np.nancumsum, reductions.cumsum, 0)
nancumprod = _running(np.nancumprod, reductions.cumprod, 1)

# -- extrema and their places ------------------------------------------------------------------------------------------


def _extremum(numpy_function: Any, f: Callable[..., Any], worst: float) -> Any:
    name = numpy_function.__name__

    def extremum(
        a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None, where: Any = None
    ) -> Any:
        refuse_out(out, name)
        x, missing = filled(a, worst, name)
        y = f(x, axis, None, keepdims, initial, where)
        if missing is None or initial is not None:
            return y
        none_left = reductions.all(missing, axis, keepdims=keepdims, where=where)
        return choose(none_left, x.dtype.type(np.nan), y)

    return _named(numpy_function, extremum, "of what is not NaN; NaN where nothing is left")


def _place(numpy_function: Any, f: Callable[..., Any], worst: float) -> Any:
    name = numpy_function.__name__

    def place(a: Any, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Any:
        refuse_out(out, name)
        x, missing = filled(a, worst, name)
        index = f(x, axis, keepdims=keepdims)
        if missing is None:
            return index
        none_left = reductions.all(missing, axis, keepdims=keepdims)
        known = none_left._owner.ask(none_left._variable) if type(none_left) is Tracer else none_left
        if known is ABSENT:
            return choose(none_left, -1, index)
        if np.any(known):
            raise ArgumentError(f"np.{name}{here()}: all elements are NaN")
        return index

    return _named(numpy_function, place, "of what is not NaN; -1, in compiled code, where nothing is left")


nanmax, nanmin = _extremum(np.nanmax, reductions.max, -np.inf), _extremum(np.nanmin, reductions.min, np.inf)
nanargmax = _place(np.nanargmax, reductions.argmax, -np.inf)
nanargmin = _place(np.nanargmin, reductions.argmin, np.inf)

# -- means and variances -----------------------------------------------------------------------------------------------


def _counting(a: Any, where: Any, name: str) -> Any:
    """The mask of what a mean is over; None for all."""
    x = as_array(a, name)
    if x.dtype.kind not in "fc":
        return where
    given = logical_not(isnan(x))
    return given if where is None else logical_and(given, where)


@implements(np.nanmean)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None
) -> Any:
    """``numpy.nanmean`` over axes; NaN where nothing is left."""
    return statistics.mean(a, axis, dtype, out, keepdims, where=_counting(a, where, "nanmean"))


@implements(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """``numpy.nanvar`` over axes; NaN where no more than ``ddof`` elements are left."""
    x, mask = as_array(a, "nanvar"), _counting(a, where, "nanvar")
    lost = ddof if correction is None else correction
    y = statistics.var(x, axis, dtype, out, lost, keepdims, where=mask, mean=mean)
    if mask is None or x.dtype.kind not in "fc":
        return y
    axes = normal_axes(axis, len(shape_of(x)), "nanvar")
    left = subtract(counted(x, mask, axes, keepdims, "nanvar"), lost)
    return choose(less_equal(left, 0), y.dtype.type(np.nan), y)


@implements(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """``numpy.nanstd`` over axes; its derivative is 0 where all elements are equal."""
    return length_of(nanvar(a, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction))
