"""Medians, quantiles and percentiles, of all elements or of those that are not NaN, by NumPy's thirteen methods.

A quantile of n sorted elements lies at a *virtual index*, mostly between two of them, and is interpolated between these
(Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50, 1996). Its derivative goes
to these two elements and, by the weight, to q.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from functad.core.trace import ABSENT
from functad.core.tracer import Tracer
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.numpy import ufuncs
from functad.numpy.axes import normal_axes
from functad.numpy.conversion import round
from functad.numpy.dispatch import implements
from functad.numpy.indexing import where
from functad.numpy.logic import greater_equal, isnan, less_equal, logical_and
from functad.numpy.operands import as_array, cast, fresh, operand, shape_of
from functad.numpy.reductions import refuse_out, sum
from functad.numpy.shapes import broadcast_to, moveaxis
from functad.numpy.statistics import mean
from functad.numpy.traced import here
from functad.primitives import cumulative, sorting
from functad.primitives.gather import along
from functad.primitives.selection import select
from functad.primitives.shapes import reshape, transpose

__all__: list[str] = []

INT64, FLOAT64 = np.dtype(np.int64), np.dtype(np.float64)

# -- virtual indices ---------------------------------------------------------------------------------------------------

floor, ceil = ufuncs.floor, ufuncs.ceil


def _between(alpha: float, beta: float) -> Callable[[Any, Any], Any]:
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


def _below_unless(holds: Callable[[Any], Any], shift: float) -> Callable[[Any, Any], Any]:
    """The index after ``n q - 1 - shift``, or where a condition holds of that the one before it."""

    def index(n: Any, q: Any) -> Any:
        virtual = n * q - 1 - shift
        before = floor(virtual)
        return ufuncs.maximum(where(logical_and(virtual == before, holds(before)), before, before + 1), 0)

    return index


def _middle(n: Any, q: Any) -> Any:
    return 0.5 * (floor((n - 1) * q) + ceil((n - 1) * q))


DISCRETE: dict[str, Callable[[Any, Any], Any]] = {
    "inverted_cdf": _below_unless(lambda before: True, 0),
    "closest_observation": _below_unless(lambda before: ufuncs.remainder(before, 2) == 1, 0.5),
    "lower": lambda n, q: floor((n - 1) * q),
    "higher": lambda n, q: ceil((n - 1) * q),
    "nearest": lambda n, q: round((n - 1) * q),
}
"""The index of the element that a quantile is, of n and q."""

CONTINUOUS: dict[str, Callable[[Any, Any], Any]] = {
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "interpolated_inverted_cdf": _between(0, 1),
    "hazen": _between(0.5, 0.5),
    "weibull": _between(0, 0),
    "linear": lambda n, q: (n - 1) * q,
    "median_unbiased": _between(1 / 3, 1 / 3),
    "normal_unbiased": _between(3 / 8, 3 / 8),
    "midpoint": _middle,
}
"""The virtual index of n and q."""

WEIGHT: dict[str, Callable[[Any, Any], Any]] = {
    "averaged_inverted_cdf": lambda gamma, index: where(gamma == 0, 0.5, 1.0),
    "midpoint": lambda gamma, index: where(ufuncs.remainder(index, 1) == 0, 0.0, 0.5),
}
"""The weight of the element after the virtual index, of its fraction and itself; by default the fraction."""


# -- lines -------------------------------------------------------------------------------------------------------------


def in_lines(x: Any, axis: Any, name: str) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """The array with the axes to reduce merged into one, the last; with the shape that the result has, and the shape
    that it has where these axes are kept.
    """
    shape = shape_of(x)
    axes = normal_axes(axis, len(shape), name)
    kept = [a for a in range(len(shape)) if a not in axes]
    rest = tuple([shape[a] for a in kept])
    lines = reshape(transpose(x, [*kept, *axes]), (*rest, prod([shape[a] for a in axes])))
    return lines, rest, tuple([1 if a in axes else n for a, n in enumerate(shape)])


def _at(lines: Any, index: Any) -> Any:
    """The elements of each line at indices: ``index`` has the axes of the lines, behind those of q."""
    rest = shape_of(lines)[:-1]
    lead = shape_of(index)[: len(shape_of(index)) - len(rest)]
    index = broadcast_to(index, (*lead, *rest))
    if type(index) is not Tracer:
        index = np.asarray(index, INT64)
    last = moveaxis(reshape(index, (prod(lead), *rest)), 0, -1)
    return reshape(moveaxis(along(lines, last, len(rest)), -1, 0), (*lead, *rest))


def _last(lines: Any) -> Any:
    return lines[..., -1]


# -- quantiles ---------------------------------------------------------------------------------------------------------


def _quantile(
    name: str, a: Any, q: Any, axis: Any, method: str, keepdims: bool, weights: Any, ignores_nan: bool, weak: bool
) -> Any:
    x = as_array(a, name)
    if x.dtype.kind == "c":
        raise DtypeError(f"np.{name}{here()} is of real numbers, got dtype {x.dtype}")
    if method not in DISCRETE and method not in CONTINUOUS:
        raise ArgumentError(f"np.{name}{here()}: method must be one of {[*DISCRETE, *CONTINUOUS]}, got {method!r}")
    if weights is not None and method != "inverted_cdf":
        raise ArgumentError(f"np.{name}{here()}: weights go with method='inverted_cdf' alone, got method={method!r}")
    q, valid = _checked(q, name)
    lines, rest, kept = in_lines(x, axis, name)
    if not shape_of(lines)[-1]:
        raise ShapeError(f"np.{name}{here()} of no elements")
    ignores_nan = ignores_nan and x.dtype.kind == "f"
    if weights is not None:
        y = _weighted(lines, q, _weights(weights, x, axis, name), ignores_nan)
    else:
        y = _of_sorted(sorting.sort(lines, len(rest)), q, method, ignores_nan, weak)
    if valid is not True:
        y = where(reshape(valid, (*shape_of(q), *[1] * len(rest))), y, np.nan)
    return fresh(reshape(y, (*shape_of(q), *kept)) if keepdims else y, x)


def _checked(q: Any, name: str) -> tuple[Any, Any]:
    """q, and whether it lies between 0 and 1: True if that is known; outside, a quantile is NaN."""
    if len(shape_of(q)) > 1:
        raise ShapeError(f"np.{name}{here()}: q must be a number or have one axis, got shape {shape_of(q)}")
    inside = logical_and(greater_equal(q, 0), less_equal(q, 1))
    known = inside._owner.ask(inside._variable) if type(inside) is Tracer else inside
    if known is ABSENT:
        return q, inside
    if not np.all(known):
        full = "100" if name.endswith("percentile") else "1"
        raise ArgumentError(f"np.{name}{here()}: q must be between 0 and {full}")
    return q, True


def _of_sorted(lines: Any, q: Any, method: str, ignores_nan: bool, weak: bool) -> Any:
    rest, size = shape_of(lines)[:-1], shape_of(lines)[-1]
    places = reshape(q, (*shape_of(q), *[1] * len(rest))) if shape_of(q) else q
    n: Any = sum(~isnan(lines), -1) if ignores_nan else size
    largest = ufuncs.maximum(n - 1, 0)
    whole = method == "linear" and type(q) is not Tracer and np.asarray(q).dtype.kind in "iu"
    if method in DISCRETE or whole:
        index = DISCRETE[method](n, places) if method in DISCRETE else (n - 1) * places
        y = _at(lines, cast(ufuncs.minimum(ufuncs.maximum(index, 0), largest), INT64))
    else:
        virtual = CONTINUOUS[method](n, places)
        before = floor(virtual)
        weight = WEIGHT.get(method, lambda gamma, index: gamma)(virtual - before, virtual)
        low = _at(lines, cast(ufuncs.minimum(ufuncs.maximum(before, 0), largest), INT64))
        high = _at(lines, cast(ufuncs.minimum(ufuncs.maximum(before + 1, 0), largest), INT64))
        y = _interpolated(low, high, as_weak(weight, lines.dtype) if weak else weight)
    if lines.dtype.kind != "f":
        return y
    first_is_nan, last_is_nan = isnan(lines[..., 0]), isnan(_last(lines))
    return where(first_is_nan if ignores_nan else last_is_nan, lines.dtype.type(np.nan), y)


def as_weak(weight: Any, dtype: np.dtype) -> Any:
    """A weight that, as a Python number, does not decide the dtype of the result."""
    if type(weight) is not Tracer:
        return float(weight)
    return cast(weight, dtype) if dtype.kind == "f" else weight


def _interpolated(low: Any, high: Any, weight: Any) -> Any:
    """Between two elements, from the nearer one."""
    step = ufuncs.subtract(high, low)
    return where(
        greater_equal(weight, 0.5), high - ufuncs.multiply(step, 1 - weight), low + ufuncs.multiply(step, weight)
    )


def _weights(weights: Any, x: Any, axis: Any, name: str) -> Any:
    """The weights of all elements, in lines."""
    w, axes = as_array(weights, name), normal_axes(axis, len(shape_of(x)), name)
    if shape_of(w) != shape_of(x):
        if shape_of(w) != tuple([shape_of(x)[a] for a in axes]):
            raise ShapeError(
                f"np.{name}{here()}: weights of shape {shape_of(w)} fit neither the array, {shape_of(x)}, nor "
                f"axis {axis}"
            )
        order = sorted(axes)
        w = transpose(w, [axes.index(a) for a in order])
        w = reshape(w, [n if a in axes else 1 for a, n in enumerate(shape_of(x))])
    return in_lines(broadcast_to(w, shape_of(x)), axis, name)[0]


def _weighted(lines: Any, q: Any, weights: Any, ignores_nan: bool) -> Any:
    """The first element up to which the share of the weights is q."""
    rest, last = shape_of(lines)[:-1], len(shape_of(lines)) - 1
    if ignores_nan:
        weights = where(isnan(lines), weights.dtype.type(0), weights)
    order = sorting.argsort(lines, last)
    lines, weights = along(lines, order, last), along(weights, order, last)
    share = cumulative.cumsum(cast(weights, FLOAT64), last)
    share = ufuncs.divide(share, share[..., -1:])
    share = where(share == 0, -1.0, share)
    wanted = broadcast_to(cast(as_array(q, "quantile"), FLOAT64), (*rest, *shape_of(q)))
    index = ufuncs.minimum(sorting.search_sorted(share, wanted, "left", batch=last), shape_of(lines)[-1] - 1)
    y = _at(lines, moveaxis(index, -1, 0) if shape_of(q) else index)
    if lines.dtype.kind != "f":
        return y
    missing = isnan(lines[..., 0]) if ignores_nan else isnan(_last(lines))
    return where(missing, lines.dtype.type(np.nan), y)


def _declare(numpy_function: Any, ignores_nan: bool, percent: bool) -> Any:
    name = numpy_function.__name__

    def f(
        a: Any,
        q: Any,
        axis: Any = None,
        out: None = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: bool = False,
        *,
        weights: Any = None,
    ) -> Any:
        refuse_out(out, name)
        weak = type(q) in (int, float)
        q = operand(q, name)
        if percent:
            x = as_array(a, name)
            q = ufuncs.divide(q, x.dtype.type(100) if x.dtype.kind == "f" else 100)
        return _quantile(name, a, q, axis, method, bool(keepdims), weights, ignores_nan, weak)

    f.__name__ = f.__qualname__ = name
    ignored = ", of the elements that are not NaN" if ignores_nan else "; NaN where an element is NaN"
    f.__doc__ = f"``numpy.{name}`` over axes{ignored}."
    return implements(numpy_function)(f)


quantile = _declare(np.quantile, False, False)
percentile = _declare(np.percentile, False, True)
nanquantile = _declare(np.nanquantile, True, False)
nanpercentile = _declare(np.nanpercentile, True, True)


# -- medians -----------------------------------------------------------------------------------------------------------


def _nothing(x: Any, rest: tuple[int, ...]) -> Any:
    """The median of no elements."""
    value = mean(np.ones(1, x.dtype)).dtype.type(np.nan)
    return broadcast_to(value, rest) if rest else value


@implements(np.median)
def median(a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """``numpy.median`` over axes: the mean of the two elements in the middle; NaN where an element is NaN."""
    refuse_out(out, "median")
    x = as_array(a, "median")
    lines, rest, kept = in_lines(x, axis, "median")
    n = shape_of(lines)[-1]
    if n:
        lines = sorting.sort(lines, len(rest))
        y = mean(lines[..., (n - 1) // 2 : n // 2 + 1], -1)
        y = where(isnan(_last(lines)), y.dtype.type(np.nan), y) if x.dtype.kind in "fc" else y
    else:
        y = _nothing(x, rest)
    return fresh(reshape(y, kept) if keepdims else y, x)


@implements(np.nanmedian)
def nanmedian(a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """``numpy.nanmedian`` over axes: the median of the elements that are not NaN; NaN where all are."""
    x = as_array(a, "nanmedian")
    if x.dtype.kind not in "fc" or not prod(shape_of(x)):
        return median(x, axis, out, keepdims=keepdims)
    refuse_out(out, "nanmedian")
    lines, rest, kept = in_lines(x, axis, "nanmedian")
    n = sum(~isnan(lines), -1)
    lines = sorting.sort(lines, len(rest))
    low, high = (
        _at(lines, v) for v in (ufuncs.maximum(n - 1, 0) // 2, ufuncs.minimum(n // 2, shape_of(lines)[-1] - 1))
    )
    y = select(n % 2 == 1, low, mean_of_two(low, high))
    return fresh(reshape(y, kept) if keepdims else y, x)


def mean_of_two(x: Any, y: Any) -> Any:
    """As ``mean`` computes it."""
    return mean([x, y], 0)
