"""Reductions over axes: sums, products, extrema, truth, and running sums."""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import prod as product
from typing import Any

import numpy as np

from functad.core.tracer import ARRAY, Tracer
from functad.errors import ArgumentError, UnsupportedError
from functad.numpy.axes import normal_axes, normal_axis
from functad.numpy.dispatch import implements
from functad.numpy.operands import as_array, cast, check_mask, common_shape, fresh, operand, shape_of, spread
from functad.numpy.traced import here
from functad.numpy.ufuncs import subtract
from functad.primitives import cumulative, reductions
from functad.primitives.arithmetic import add, mul
from functad.primitives.broadcasting import broadcast, reduce_sum
from functad.primitives.selection import maximum, minimum, select
from functad.primitives.shapes import reshape
from functad.primitives.slicing import pad

__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "count_nonzero", "cumprod", "cumsum", "cumulative_prod",
    "cumulative_sum", "max", "min", "prod", "ptp", "sum",
]  # fmt: skip

BOOL, INT64 = np.dtype(np.bool_), np.dtype(np.int64)


@functools.cache
def accumulator(f: Callable[..., Any], dtype: np.dtype) -> np.dtype:
    """The dtype that a NumPy reduction gives for elements of a dtype."""
    return f(np.ones(1, dtype)).dtype  # type: ignore[no-any-return]


def reduced(op: Callable[..., Any], x: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    """A strict reduction, with the axes kept as axes of length 1 if asked."""
    y = op(x, axes)
    if keepdims:
        y = reshape(y, [1 if i in axes else n for i, n in enumerate(shape_of(x))])
    return fresh(y, x)


def masked(x: Any, where: Any, otherwise: Any, name: str) -> Any:
    """The elements of x where a mask holds, elsewhere a value that does not count."""
    mask = operand(where, name)
    if isinstance(where, np.ndarray) or (
        type(where) is Tracer and where._kind == ARRAY
    ):  # NumPy converts lists and numbers
        check_mask(mask, "where=", name)
    mask = cast(mask, BOOL)
    shape = common_shape((shape_of(x), shape_of(mask)), name)
    return select(spread(mask, shape), spread(x, shape), x.dtype.type(otherwise))


def _total(
    f: Any,
    op: Any,
    combine: Any,
    neutral: int,
    a: Any,
    axis: Any,
    dtype: Any,
    out: Any,
    keepdims: Any,
    initial: Any,
    where: Any,
) -> Any:
    name = f.__name__
    refuse_out(out, name)
    x = as_array(a, name)
    x = cast(x, np.dtype(dtype) if dtype is not None else accumulator(f, x.dtype))
    if where is not None:
        x = masked(x, where, neutral, name)
    y = reduced(op, x, normal_axes(axis, len(shape_of(x)), name), keepdims)
    return y if initial is None else combine(y, cast(operand(initial, name), x.dtype))


def refuse_out(out: Any, name: str) -> None:
    """Results of traced operations are new arrays."""
    if out is not None:
        raise UnsupportedError(
            f"np.{name}{here()}: out= is not available for traced values; assign the result instead: y = np.{name}(x)"
        )


@implements(np.sum)
def sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """``numpy.sum`` over axes."""
    plain = axis is None and dtype is None and out is None and initial is None and where is None and not keepdims
    if plain and type(a) is Tracer and a.dtype.kind in "fc":
        return fresh(reduce_sum(a, range(a.ndim)), a)
    return _total(np.sum, reduce_sum, add, 0, a, axis, dtype, out, keepdims, initial, where)


@implements(np.prod)
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """``numpy.prod`` over axes."""
    return _total(np.prod, reductions.reduce_prod, mul, 1, a, axis, dtype, out, keepdims, initial, where)


def _extremum(
    f: Any, op: Any, combine: Any, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    name = f.__name__
    refuse_out(out, name)
    x = as_array(a, name)
    if initial is not None:
        initial = cast(operand(initial, name), x.dtype)
    if where is not None:
        if initial is None:
            raise ArgumentError(f"np.{name}{here()} with where= needs initial=: no element may be left")
        x = masked(x, where, initial, name)
    axes = normal_axes(axis, len(shape_of(x)), name)
    if initial is not None and product(shape_of(x)[i] for i in axes) == 0:
        x = broadcast(initial, [1 if i in axes else n for i, n in enumerate(shape_of(x))], ())
    y = reduced(op, x, axes, keepdims)
    return y if initial is None else combine(y, initial)


@implements(np.max, np.amax)
def max(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """``numpy.max`` over axes; elements that tie share the derivative equally."""
    return _extremum(np.max, reductions.reduce_max, maximum, a, axis, out, keepdims, initial, where)


@implements(np.min, np.amin)
def min(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """``numpy.min`` over axes; elements that tie share the derivative equally."""
    return _extremum(np.min, reductions.reduce_min, minimum, a, axis, out, keepdims, initial, where)


amax, amin = max, min


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
    """``numpy.ptp``: the maximum minus the minimum."""
    return subtract(max(a, axis, out, keepdims), min(a, axis, out, keepdims))


def _truth(name: str, op: Any, neutral: bool, a: Any, axis: Any, out: Any, keepdims: Any, where: Any) -> Any:
    refuse_out(out, name)
    x = cast(as_array(a, name), BOOL)
    if where is not None:
        x = masked(x, where, neutral, name)
    return reduced(op, x, normal_axes(axis, len(shape_of(x)), name), keepdims)


@implements(np.any)
def any(a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """``numpy.any``: whether an element is not zero."""
    return _truth("any", reductions.reduce_any, False, a, axis, out, keepdims, where)


@implements(np.all)
def all(a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """``numpy.all``: whether no element is zero."""
    return _truth("all", reductions.reduce_all, True, a, axis, out, keepdims, where)


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """``numpy.count_nonzero`` over axes."""
    x = cast(cast(as_array(a, "count_nonzero"), BOOL), INT64)
    return reduced(reduce_sum, x, normal_axes(axis, len(shape_of(x)), "count_nonzero"), keepdims)


def _position(f: Any, op: Any, a: Any, axis: Any, out: Any, keepdims: bool) -> Any:
    name = f.__name__
    refuse_out(out, name)
    x = as_array(a, name)
    shape = shape_of(x)
    if axis is None:
        index = op(reshape(x, (product(shape),)), 0)
        return reshape(index, (1,) * len(shape)) if keepdims else index
    if not shape:
        x, shape = reshape(x, (1,)), (1,)
        normal_axis(axis, 1, name)
        return op(x, 0)
    axis = normal_axis(axis, len(shape), name)
    index = op(x, axis)
    return reshape(index, [1 if i == axis else n for i, n in enumerate(shape)]) if keepdims else index


@implements(np.argmax)
def argmax(a: Any, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Any:
    """``numpy.argmax``: the index of the first maximum."""
    return _position(np.argmax, reductions.argmax, a, axis, out, keepdims)


@implements(np.argmin)
def argmin(a: Any, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Any:
    """``numpy.argmin``: the index of the first minimum."""
    return _position(np.argmin, reductions.argmin, a, axis, out, keepdims)


def _running(f: Any, op: Any, a: Any, axis: Any, dtype: Any, out: Any) -> Any:
    name = f.__name__
    refuse_out(out, name)
    x = as_array(a, name)
    x = cast(x, np.dtype(dtype) if dtype is not None else accumulator(f, x.dtype))
    if axis is None or not shape_of(x):
        x, axis = reshape(x, (product(shape_of(x)),)), axis or 0
    return op(x, normal_axis(axis, len(shape_of(x)), name))


@implements(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """``numpy.cumsum`` along an axis, or of all elements."""
    return _running(np.cumsum, cumulative.cumsum, a, axis, dtype, out)


@implements(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """``numpy.cumprod`` along an axis, or of all elements."""
    return _running(np.cumprod, cumulative.cumprod, a, axis, dtype, out)


def _cumulative(
    name: str, running: Callable[..., Any], neutral: int, x: Any, axis: Any, dtype: Any, out: Any, include_initial: bool
) -> Any:
    x = as_array(x, name)
    ndim = len(shape_of(x))
    if axis is None and ndim != 1:
        raise ArgumentError(f"np.{name}{here()} of an array of dimension {ndim} needs axis=")
    axis = normal_axis(axis or 0, ndim, name)
    y = running(x, axis, dtype, out)
    return pad(y, y.dtype.type(neutral), [(int(i == axis), 0, 0) for i in range(ndim)]) if include_initial else y


@implements(np.cumulative_sum)
def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: None = None, include_initial: bool = False
) -> Any:
    """``numpy.cumulative_sum`` along an axis, which may be left out for one-dimensional arrays."""
    return _cumulative("cumulative_sum", cumsum, 0, x, axis, dtype, out, include_initial)


@implements(np.cumulative_prod)
def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: None = None, include_initial: bool = False
) -> Any:
    """``numpy.cumulative_prod`` along an axis, which may be left out for one-dimensional arrays."""
    return _cumulative("cumulative_prod", cumprod, 1, x, axis, dtype, out, include_initial)
