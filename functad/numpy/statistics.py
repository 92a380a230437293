"""Means, variances, averages, norms: reductions that are composed of others."""

from __future__ import annotations

import math
from math import prod
from typing import Any

import numpy as np

from functad.errors import ArgumentError, ShapeError
from functad.numpy.axes import normal_axes, normal_axis
from functad.numpy.dispatch import implements
from functad.numpy.joining import diff
from functad.numpy.operands import as_array, cast, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.reductions import accumulator, masked, reduced, refuse_out, sum
from functad.numpy.shapes import broadcast_to, part
from functad.numpy.traced import here
from functad.numpy.ufuncs import absolute, add, divide, maximum, multiply, power, subtract
from functad.primitives import arithmetic, complex, norms, reductions
from functad.primitives.broadcasting import reduce_sum
from functad.primitives.comparison import eq, ne
from functad.primitives.convert import convert
from functad.primitives.powers import sqrt
from functad.primitives.selection import select
from functad.primitives.shapes import reshape
from functad.primitives.stops import stop_gradient

__all__ = ["average", "mean", "std", "trapezoid", "var"]

FLOAT16, FLOAT32 = np.dtype(np.float16), np.dtype(np.float32)


def length_of(x: Any) -> Any:
    """The square root of a sum of squares; at 0, a kink like that of abs, all derivatives are 0."""
    zero = eq(x, 0)
    return select(zero, 0, sqrt(select(zero, 1, x)))


def squares(x: Any) -> Any:
    """The squares of absolute values."""
    if x.dtype.kind != "c":
        return arithmetic.square(x)
    return arithmetic.add(arithmetic.square(complex.real(x)), arithmetic.square(complex.imag(x)))


# -- mean and variance -------------------------------------------------------------------------------------------------


@implements(np.mean)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None
) -> Any:
    """``numpy.mean`` over axes."""
    refuse_out(out, "mean")
    x = as_array(a, "mean")
    result = np.dtype(dtype) if dtype is not None else accumulator(np.mean, x.dtype)
    x = cast(x, FLOAT32 if result == FLOAT16 else result)
    axes = normal_axes(axis, len(shape_of(x)), "mean")
    if where is None:
        total = reduced(reduce_sum, x, axes, keepdims)
        return cast(arithmetic.div(total, x.dtype.type(count(x, axes))), result)
    total = reduced(reduce_sum, masked(x, where, 0, "mean"), axes, keepdims)
    return cast(arithmetic.div(total, cast(counted(x, where, axes, keepdims, "mean"), x.dtype)), result)


def count(x: Any, axes: tuple[int, ...]) -> int:
    """How many elements a reduction over axes is over."""
    return prod([shape_of(x)[i] for i in axes])


def counted(x: Any, where: Any, axes: tuple[int, ...], keepdims: bool, name: str) -> Any:
    """How many elements a reduction over axes is over where a mask holds."""
    ones = broadcast_to(np.ones((), np.int64), shape_of(x))
    return reduced(reduce_sum, masked(ones, where, 0, name), axes, keepdims)


@implements(np.var)
def var(
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
    """``numpy.var`` over axes: the mean of squares about the mean."""
    refuse_out(out, "var")
    x = as_array(a, "var")
    x = cast(x, np.dtype(dtype) if dtype is not None else accumulator(np.mean, x.dtype))
    axes = normal_axes(axis, len(shape_of(x)), "var")
    if where is not None:  # what is left out, be it NaN, is in no product
        x = masked(x, where, 0, "var")
    center = mean_of(x, axes, keepdims=True, where=where) if mean is None else cast(as_array(mean, "var"), x.dtype)
    deviation = subtract(x, center)
    if where is not None:
        deviation = masked(deviation, where, 0, "var")
    total = reduced(reduce_sum, squares(deviation), axes, keepdims)
    lost = ddof if correction is None else correction
    if where is None:
        return arithmetic.div(total, total.dtype.type(max(count(x, axes) - lost, 0)))
    return divide(total, cast(maximum(subtract(counted(x, where, axes, keepdims, "var"), lost), 0), total.dtype))


mean_of = mean


@implements(np.std)
def std(
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
    """``numpy.std`` over axes; its derivative is 0 where all elements are equal, as that of a norm at 0."""
    return length_of(var(a, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction))


@implements(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    """``numpy.average`` over axes, weighted if weights are given: of the array's shape, or one an element of one
    axis.
    """
    x = as_array(a, "average")
    axes = normal_axes(axis, len(shape_of(x)), "average")
    if weights is None:
        y = mean(x, axes, keepdims=keepdims)
        weight: Any = y.dtype.type(count(x, axes))
    else:
        w = as_array(weights, "average")
        dtype = result_dtype([x, w, np.float64(0)] if x.dtype.kind in "iub" else [x, w])
        if shape_of(w) != shape_of(x):
            if len(axes) != 1 or shape_of(w) != (shape_of(x)[axes[0]],):
                raise ShapeError(
                    f"np.average{here()}: weights of shape {shape_of(w)} fit neither the array, {shape_of(x)}, nor "
                    f"axis {axis} of it"
                )
            w = reshape(w, [n if i == axes[0] else 1 for i, n in enumerate(shape_of(x))])
        x, w = cast(x, dtype), cast(w, dtype)
        weight = sum(broadcast_to(w, shape_of(x)), axes, keepdims=keepdims)
        y = divide(sum(multiply(x, w), axes, keepdims=keepdims), weight)
    return (y, broadcast_to(weight, shape_of(y)) if shape_of(y) else weight) if returned else y


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """``numpy.trapezoid``: the integral along an axis by the trapezoidal rule."""
    y = as_array(y, "trapezoid")
    axis = normal_axis(axis, len(shape_of(y)), "trapezoid")
    n = shape_of(y)[axis]
    width = dx
    if x is not None:
        points = as_array(x, "trapezoid")
        if len(shape_of(points)) == 1:
            width = reshape(diff(points), [n - 1 if i == axis else 1 for i in range(len(shape_of(y)))])
        else:
            width = diff(points, axis=axis)
    heights = add(part(y, axis, 1, n), part(y, axis, 0, n - 1))
    return sum(divide(multiply(width, heights), 2.0), axis)


# -- norms -------------------------------------------------------------------------------------------------------------


def euclidean(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The root of the sum of squares; its value first, as a constant, then its derivative as a whole."""
    constant = stop_gradient(x)
    square = reduced(reduce_sum, squares(constant), axes, False)
    zero = eq(square, 0)
    root = sqrt(select(zero, 1, square))
    r, inverse = select(zero, 0, root), select(zero, 0, arithmetic.reciprocal(root))
    u = norms.direction_of(norms.times_over(constant, inverse, axes), r, x, axes=axes)
    y = norms.norm_of(r, u, x, axes=axes)
    return reshape(y, [1 if i in axes else n for i, n in enumerate(shape_of(x))]) if keepdims else y


@implements(np.linalg.norm)
def linalg_norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """``numpy.linalg.norm``. Norms have derivative 0 at 0."""
    x = as_array(x, "linalg.norm")
    x = cast(x, result_dtype([x, 1.0]) if x.dtype.kind in "iub" else x.dtype)
    ndim = len(shape_of(x))
    axes = normal_axes(axis, ndim, "linalg.norm")
    if ord is None and (axis is None or len(axes) <= 2):
        return euclidean(x, axes, keepdims)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdims)
    raise ShapeError(
        f"np.linalg.norm{here()} with ord={ord!r} is of vectors or matrices; name one or two axes of the array of "
        f"shape {shape_of(x)}"
    )


def _vector_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord in (None, 2):
        return euclidean(x, axes, keepdims)
    size = absolute(x)
    if ord == math.inf:
        return reduced(reductions.reduce_max, size, axes, keepdims)
    if ord == -math.inf:
        return reduced(reductions.reduce_min, size, axes, keepdims)
    if ord == 0:
        return reduced(reduce_sum, convert(ne(x, 0), size.dtype), axes, keepdims)
    if ord == 1:
        return reduced(reduce_sum, size, axes, keepdims)
    if isinstance(ord, str):
        raise ArgumentError(f"np.linalg.norm{here()}: vectors have no norm of order {ord!r}")
    return _root(reduced(reduce_sum, power(size, ord), axes, keepdims), ord)


def _root(x: Any, n: Any) -> Any:
    """``x ** (1 / n)``; at 0, a kink like that of abs, all derivatives are 0."""
    zero = eq(x, 0)
    return select(zero, 0 if n > 0 else math.inf, power(select(zero, 1, x), 1 / n))


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord in (None, "fro", "f"):
        return euclidean(x, axes, keepdims)
    if ord in (2, -2, "nuc"):
        from functad.numpy.linear.norms import spectral_norm

        return spectral_norm(x, ord, axes, keepdims)
    if ord not in (1, -1, math.inf, -math.inf):
        raise ArgumentError(
            f"np.linalg.norm{here()}: matrices have no norm of order {ord!r}; there are 'fro', 'nuc', 1, -1, 2, -2, "
            "inf and -inf"
        )
    summed = axes[0] if abs(ord) == 1 else axes[1]
    sums = reduced(reduce_sum, absolute(x), (summed,), True)
    extremum = reductions.reduce_max if ord > 0 else reductions.reduce_min
    y = reduced(extremum, sums, (axes[1] if summed == axes[0] else axes[0],), True)
    return y if keepdims else reshape(y, [n for i, n in enumerate(shape_of(y)) if i not in axes])


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """``numpy.linalg.vector_norm`` over axes; with axis None, of all elements."""
    x = as_array(x, "linalg.vector_norm")
    x = cast(x, result_dtype([x, 1.0]) if x.dtype.kind in "iub" else x.dtype)
    return _vector_norm(x, ord, normal_axes(axis, len(shape_of(x)), "linalg.vector_norm"), keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """``numpy.linalg.matrix_norm`` over the last two axes."""
    return linalg_norm(x, "fro" if ord is None else ord, (-2, -1), keepdims)
