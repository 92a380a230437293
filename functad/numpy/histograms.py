"""Counting: how many elements, or how much weight, there is in each bin. Counts are constant; weights and edges are
differentiated.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.core.trace import ABSENT
from functad.core.tracer import Tracer
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.numpy.dispatch import implements
from functad.numpy.operands import as_array, cast, fresh, operand, shape_of, whole
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here
from functad.primitives.indexing import check_index
from functad.primitives.scatter import SCATTERS
from functad.primitives.sorting import search_sorted

__all__: list[str] = []

INT64, FLOAT64 = np.dtype(np.int64), np.dtype(np.float64)


def known(x: Any) -> Any:
    """The value of an array, where Python may see it; else ABSENT."""
    return x._owner.ask(x._variable) if type(x) is Tracer else x


def added_up(index: Any, weights: Any, length: int) -> Any:
    """The sum of the weights at each index."""
    zeros = fnp.zeros(length, weights.dtype)
    index = cast(index, INT64)
    return SCATTERS["add"].bind(zeros, fnp.broadcast_to(weights, shape_of(index)), index, batch=0)


# -- bincount ----------------------------------------------------------------------------------------------------------


@implements(np.bincount, more=frozenset({"length"}))
def bincount(x: Any, /, weights: Any = None, minlength: int = 0, *, length: int | None = None) -> Any:
    """``numpy.bincount``: how often each number occurs, or how much weight it has.

    How many numbers there are is a shape. Where their values are not known while the function is traced (under ``jit``
    or ``vmap``) the result has ``minlength`` elements, and a number that is not less raises an error; with ``length=``,
    which ``numpy`` has not, it does not count.
    """
    index = as_array(x, "bincount")
    if len(shape_of(index)) != 1 or index.dtype.kind not in "iub":
        raise DtypeError(
            f"np.bincount{here()} is of integers along one axis, got {index.dtype} of shape {shape_of(index)}"
        )
    nothing = weights is None or not shape_of(index)[0]
    weight = np.ones((), INT64) if nothing else cast(as_array(weights, "bincount"), FLOAT64)
    if not nothing and shape_of(weight) != shape_of(index):
        raise ShapeError(
            f"np.bincount{here()}: weights of shape {shape_of(weight)} for numbers of shape {shape_of(index)}"
        )
    index = whole(index)
    if length is not None:
        inside = (index >= 0) & (index < length)
        return added_up(fnp.where(inside, index, length), weight, length + 1)[:length]
    n, value = operator.index(minlength), known(index)
    if value is ABSENT:
        if not n:
            raise ArgumentError(
                f"np.bincount{here()}: how many numbers there are is not known while the function is traced; say so "
                "with minlength= (all must be less), or length= of functad.numpy.bincount (others do not count)"
            )
        index = check_index(fnp.where(index < 0, n, index), 0, n)
    elif value.size:
        if value.min() < 0:
            raise ArgumentError(f"np.bincount{here()}: numbers must not be negative, got {value.min()}")
        n = max(n, int(value.max()) + 1)
    return added_up(index, weight, n)


# -- edges -------------------------------------------------------------------------------------------------------------


def _outer_edges(x: Any, range: Any, name: str) -> tuple[Any, Any]:
    if range is not None:
        low, high = range
    elif not prod(shape_of(x)):
        low, high = 0, 1
    else:
        low, high = fnp.min(x), fnp.max(x)
    a, b = (known(as_array(v, name)) for v in (low, high))
    if a is not ABSENT and b is not ABSENT:
        if not (np.isfinite(a) and np.isfinite(b)) or a > b:
            raise ArgumentError(f"np.{name}{here()}: the range [{a}, {b}] of the bins must be finite and not descend")
        return (low - 0.5, high + 0.5) if a == b else (low, high)
    half = fnp.where(low == high, 0.5, 0.0)
    if x.dtype.kind == "f":
        half = cast(half, x.dtype)
    return low - half, high + half


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """``numpy.histogram_bin_edges``; where the number of bins follows from the data, their values must be known."""
    return _edges(fnp.ravel(as_array(a, "histogram_bin_edges")), bins, range, weights, "histogram_bin_edges")


def _edges(x: Any, bins: Any, range: Any, weights: Any, name: str) -> Any:
    if isinstance(bins, str):
        value = (
            x._owner.force(x._variable, f"np.{name}, whose number of bins depends on it,") if type(x) is Tracer else x
        )
        plain = None if weights is None else np.empty(0)  # which NumPy refuses
        bins = len(np.histogram_bin_edges(value, bins, range, plain)) - 1
    if np.ndim(bins) == 1 or isinstance(bins, list | tuple):
        edges = as_array(bins, name)
        value = known(edges)
        if value is not ABSENT and (value[:-1] > value[1:]).any():
            raise ArgumentError(f"np.{name}{here()}: edges of bins must ascend")
        return edges
    n = _count(bins, name)
    low, high = _outer_edges(x, range, name)
    dtype = result_dtype([operand(low, name), operand(high, name), x])
    dtype = np.result_type(dtype, float) if dtype.kind in "iub" else dtype
    return fnp.linspace(cast(as_array(low, name), dtype), cast(as_array(high, name), dtype), n + 1, dtype=dtype)


def _count(bins: Any, name: str) -> int:
    try:
        n = operator.index(bins)
    except TypeError:
        raise ArgumentError(f"np.{name}{here()}: bins must be an integer, a name or edges, got {bins!r}") from None
    if n < 1:
        raise ArgumentError(f"np.{name}{here()}: there must be at least one bin, got {n}")
    return n


# -- histograms --------------------------------------------------------------------------------------------------------


def _bins_of(x: Any, edges: Any) -> tuple[Any, Any]:
    """The bin that each element is in, and whether it is in one; the last one has both its edges."""
    dtype = result_dtype([x, edges])
    x, edges = cast(x, dtype), cast(edges, dtype)
    bin_ = search_sorted(edges, x, "right") - 1
    bin_ = fnp.where(x == edges[-1], shape_of(edges)[0] - 2, bin_)
    return bin_, (x >= edges[0]) & (x <= edges[-1])


@implements(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """``numpy.histogram``: counts, or sums of weights, in bins; and the edges of these."""
    x, w = _with_weights(a, weights, "histogram")
    edges = _edges(x, bins, range, weights, "histogram")
    n = shape_of(edges)[0] - 1
    bin_, inside = _bins_of(x, edges)
    total = added_up(fnp.where(inside, bin_, n), w, n + 1)[:n]
    if density:
        total = total / cast(fnp.diff(edges), FLOAT64) / fnp.sum(total)
    return fresh(total), edges


def _with_weights(a: Any, weights: Any, name: str) -> tuple[Any, Any]:
    x = as_array(a, name)
    if weights is None:
        return fnp.ravel(x), np.ones((), INT64)
    w = as_array(weights, name)
    if shape_of(w) != shape_of(x):
        raise ShapeError(f"np.{name}{here()}: weights of shape {shape_of(w)} for data of shape {shape_of(x)}")
    return fnp.ravel(x), fnp.ravel(w)


@implements(np.histogramdd)
def histogramdd(sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """``numpy.histogramdd``: counts in boxes of points, which are rows, or given by one array a coordinate."""
    if isinstance(sample, list | tuple):
        sample = fnp.atleast_2d(sample).T
    points = as_array(sample, "histogramdd")
    if len(shape_of(points)) != 2:
        points = fnp.atleast_2d(points).T
    d = shape_of(points)[1]
    each: Sequence[Any] = [bins] * d if isinstance(bins, int | np.integer) else list(bins)
    ranges = [None] * d if range is None else list(range)
    if len(each) != d or len(ranges) != d:
        raise ArgumentError(f"np.histogramdd{here()}: bins and range must have one entry for each of {d} coordinates")
    edges, flat, inside = [], 0, np.True_
    for k, (bins_, range_) in enumerate(zip(each, ranges, strict=True)):
        x = points[:, k]
        edge = _edges(cast(x, FLOAT64) if x.dtype.kind in "iub" else x, bins_, range_, None, "histogramdd")
        bin_, within = _bins_of(x, edge)
        flat, inside = flat * (shape_of(edge)[0] - 1) + bin_, inside & within
        edges.append(edge)
    shape = [shape_of(e)[0] - 1 for e in edges]
    w = np.ones((), FLOAT64) if weights is None else cast(as_array(weights, "histogramdd"), FLOAT64)
    total = added_up(fnp.where(inside, flat, prod(shape)), w, prod(shape) + 1)[:-1].reshape(shape)
    if density:
        everything = fnp.sum(total)
        for k, edge in enumerate(edges):
            total = total / fnp.expand_dims(fnp.diff(edge), tuple(a for a in np.arange(d).tolist() if a != k))
        total = total / everything
    return total, edges


@implements(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any, Any]:
    """``numpy.histogram2d``: counts of points in rectangles, and the edges along both axes."""
    if shape_of(as_array(x, "histogram2d")) != shape_of(as_array(y, "histogram2d")):
        raise ShapeError(f"np.histogram2d{here()}: x and y must have the same length")
    if not isinstance(bins, int | np.integer) and len(bins) not in (1, 2):
        bins = [bins, bins]
    total, (first, second) = histogramdd([x, y], bins, range, density, weights)
    return total, first, second
