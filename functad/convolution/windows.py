"""Reductions over windows, and pooling.

A window is reduced axis by axis, and along an axis by doubling: windows of 2, 4, 8 ... elements are made of two of half
the length, and the one that is asked for of these. All of it is slices and elementwise operations, which fuse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.convolution.dimensions import Pads, layout_axes, lengths, pads_of
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.traced import here
from functad.primitives.bitwise import bit_or
from functad.primitives.comparison import gt, ne
from functad.primitives.selection import select
from functad.primitives.slicing import pad, slice_

__all__ = ["avg_pool", "max_pool", "min_pool", "reduce_window"]

Ints = tuple[int, ...]
Combine = Callable[[Any, Any], Any]

UNROLLED = 4
"""Windows of at most so many elements are reduced one element after the other."""


def reduce_window(
    operand: Any,
    init_value: Any,
    computation: Combine,
    window_dimensions: Any,
    window_strides: Any = None,
    padding: Any = "VALID",
    base_dilation: Any = None,
    window_dilation: Any = None,
) -> Any:
    """``computation``, an associative function of two arrays, over all elements of each window
    (``jax.lax.reduce_window``).

    Parameters
    ----------
    operand
        An array.
    init_value
        The neutral element of the computation: what lies around the array, and with which each window begins.
    computation
        ``np.add``, ``np.maximum`` and their like, or a function of arrays that works on elements. At a tie, the
        derivative of ``np.maximum`` and ``np.minimum`` is that of the first element.
    window_dimensions, window_strides
        The lengths of windows along all axes, and the steps from one to the next (1).
    padding
        "VALID", "SAME", "SAME_LOWER", or a (low, high) for each axis.
    base_dilation, window_dilation
        The distances of neighbouring elements of the array, with the neutral one between them, and in a window.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.reduce_window(np.array([1.0, 5.0, 2.0, 0.0, 3.0]), -np.inf, np.maximum, (2,), (2,), "SAME")
    array([5., 2., 3.])
    """
    x = as_array(operand, "reduce_window")
    ndim = len(shape_of(x))
    name = "reduce_window"
    windows = lengths(_several(window_dimensions), ndim, name, "window_dimensions")
    strides, base, apart = (
        lengths(_several(given) or (1,) * ndim, ndim, name, argument)
        for given, argument in (
            (window_strides, "window_strides"),
            (base_dilation, "base_dilation"),
            (window_dilation, "window_dilation"),
        )
    )
    dilated = [(n - 1) * d + 1 if n else 0 for n, d in zip(shape_of(x), base, strict=True)]
    reach = [(n - 1) * d + 1 for n, d in zip(windows, apart, strict=True)]
    pads = pads_of(padding, dilated, reach, strides)
    start = cast(as_array(init_value, name), x.dtype)
    if shape_of(start):
        raise ShapeError(f"reduce_window{here()}: init_value must be a number, got shape {shape_of(start)}")
    combine = FIRST.get(computation, computation)
    y = _reduced(x, start, combine, windows, strides, pads, base, apart)
    return fresh_array(combine(start, y))


def _several(given: Any) -> Any:
    return tuple(given) if isinstance(given, list | np.ndarray) else given


def _reduced(
    x: Any, neutral: Any, combine: Combine, windows: Ints, strides: Ints, pads: Pads, base: Ints, apart: Ints
) -> Any:
    """The reduction of all windows, from the last axis to the first: so the first of equals is that in memory."""
    low_cut, high_cut = [max(-low, 0) for low, _ in pads], []
    widths = [(max(low, 0), max(high, 0), d - 1) for (low, high), d in zip(pads, base, strict=True)]
    for k, n in enumerate(shape_of(x)):
        length = ((n - 1) * base[k] + 1 if n else 0) + sum(pads[k])
        reach = (windows[k] - 1) * apart[k] + 1
        if length < reach:
            raise ShapeError(
                f"a window{here()} of {reach} elements along axis {k} does not fit an array of shape {shape_of(x)} "
                f"with padding {pads[k]}"
            )
        high_cut.append(length + low_cut[k])
    y = slice_(pad(x, neutral, widths), low_cut, high_cut)
    for axis in range(len(windows) - 1, -1, -1):
        y = _along(y, axis, combine, windows[axis], strides[axis], apart[axis])
    return y


def _along(x: Any, axis: int, combine: Combine, window: int, stride: int, apart: int) -> Any:
    """The reduction along one axis."""
    n = shape_of(x)[axis]
    count = (n - (window - 1) * apart - 1) // stride + 1
    if window <= UNROLLED:
        total = _taken(x, axis, 0, count, stride)
        for k in range(1, window):
            total = combine(total, _taken(x, axis, k * apart, count, stride))
        return total
    span = (count - 1) * stride + 1  # windows at each element first
    total, done, power, size = None, 0, x, 1
    while True:
        if window & size:
            part = _taken(power, axis, done * apart, span, 1)
            total = part if total is None else combine(total, part)
            done += size
        if done == window:
            return _taken(total, axis, 0, count, stride)
        length = shape_of(power)[axis] - size * apart
        power = combine(_taken(power, axis, 0, length, 1), _taken(power, axis, size * apart, length, 1))
        size *= 2


def _taken(x: Any, axis: int, first: int, count: int, step: int) -> Any:
    starts, stops, steps = [0] * len(shape_of(x)), list(shape_of(x)), [1] * len(shape_of(x))
    starts[axis], stops[axis], steps[axis] = first, first + (count - 1) * step + 1 if count else first, step
    return slice_(x, starts, stops, steps)


def _first(before: Callable[[Any, Any], Any]) -> Combine:
    """The extremum of two, with the derivative of the first at a tie; NaN if one is."""

    def combine(x: Any, y: Any) -> Any:
        later = before(y, x)
        return select(bit_or(later, ne(y, y)) if y.dtype.kind in "fc" else later, y, x)

    return combine


_largest, _smallest = _first(gt), _first(lambda y, x: gt(x, y))

FIRST: dict[Any, Combine] = {np.maximum: _largest, np.minimum: _smallest, fnp.maximum: _largest, fnp.minimum: _smallest}
"""What stands for NumPy's extrema."""

# -- pooling -----------------------------------------------------------------------------------------------------------


def max_pool(
    x: Any, window: Any, stride: Any = None, padding: Any = "VALID", dilation: Any = 1, layout: str | None = None
) -> Any:
    """The largest element of each window.

    Parameters
    ----------
    x
        An array with a batch, features and one or more spatial axes.
    window
        The length of windows along all spatial axes, or one for each.
    stride
        The step from window to window; by default, the window's length.
    padding
        "VALID", "SAME", a number, or a number or (low, high) for each spatial axis: so many elements around, which are
        less than all others.
    dilation
        The distance of neighbouring elements of a window.
    layout
        "NCHW" (the default) or "NHWC", "NCW" or "NWC", "NCDHW" or "NDHWC".

    Raises
    ------
    ArgumentError, ShapeError
        Where an argument does not fit the array.

    Examples
    --------
    >>> import numpy as np
    >>> from functad import nn
    >>> nn.max_pool(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _extreme(x, window, stride, padding, dilation, layout, "max_pool", _largest, -1)


def min_pool(
    x: Any, window: Any, stride: Any = None, padding: Any = "VALID", dilation: Any = 1, layout: str | None = None
) -> Any:
    """The smallest element of each window; arguments as for ``max_pool``.

    Examples
    --------
    >>> from functad import nn
    >>> import numpy as np
    >>> nn.min_pool(np.array([3.0, 1.0, 2.0, 5.0]).reshape(1, 1, 4), 2)
    array([[[1., 2.]]])
    """
    return _extreme(x, window, stride, padding, dilation, layout, "min_pool", _smallest, 1)


def _extreme(
    x: Any, window: Any, stride: Any, padding: Any, dilation: Any, layout: Any, name: str, combine: Combine, sign: int
) -> Any:
    y = as_array(x, name)
    if y.dtype.kind not in "fiu":
        raise DtypeError(f"nn.{name}{here()} is of real numbers, got {y.dtype}")
    if y.dtype.kind == "f":
        neutral = y.dtype.type(sign * np.inf)
    else:
        limits = np.iinfo(y.dtype)
        neutral = y.dtype.type(limits.min if sign < 0 else limits.max)
    windows, strides, pads, apart, _ = _pooling(y, window, stride, padding, dilation, layout, name)
    ones = (1,) * len(windows)
    return fresh_array(_reduced(y, neutral, combine, windows, strides, pads, ones, apart))


def avg_pool(
    x: Any,
    window: Any,
    stride: Any = None,
    padding: Any = "VALID",
    layout: str | None = None,
    count_include_pad: bool = True,
) -> Any:
    """The mean of the elements of each window; arguments as for ``max_pool``.

    The padding counts as zeros, or, with ``count_include_pad=False``, not at all.

    Examples
    --------
    >>> import numpy as np
    >>> from functad import nn
    >>> nn.avg_pool(np.arange(4.0).reshape(1, 1, 4), 2, padding=1)
    array([[[0. , 1.5, 1.5]]])
    >>> nn.avg_pool(np.arange(4.0).reshape(1, 1, 4), 2, padding=1, count_include_pad=False)
    array([[[0. , 1.5, 3. ]]])
    """
    y = as_array(x, "avg_pool")
    if y.dtype.kind not in "fc":
        y = cast(y, np.dtype(np.float64))
    windows, strides, pads, apart, size = _pooling(y, window, stride, padding, 1, layout, "avg_pool")
    work = cast(y, np.dtype(np.float32)) if y.dtype == np.float16 else y
    rest = windows, strides, pads, (1,) * len(windows), apart
    total = _reduced(work, work.dtype.type(0), fnp.add, *rest)
    if count_include_pad:
        mean = total * work.dtype.type(1 / size) if size & (size - 1) == 0 else total / work.dtype.type(size)
    else:
        there = np.ones([n if w > 1 or any(p) else 1 for n, w, p in zip(shape_of(y), windows, pads, strict=True)])
        mean = total / _reduced(there.astype(work.dtype), work.dtype.type(0), np.add, *rest)
    return fresh_array(cast(mean, y.dtype))


def _pooling(
    x: Any, window: Any, stride: Any, padding: Any, dilation: Any, layout: Any, name: str
) -> tuple[Ints, Ints, Pads, Ints, int]:
    """Windows, strides, padding and dilation along all axes, and the elements of a window."""
    shape = shape_of(x)
    if len(shape) < 3:
        raise ArgumentError(f"nn.{name}{here()} takes a batch, features and spatial axes, got shape {shape}")
    _, _, space = layout_axes(layout, len(shape), name)
    count = len(space)
    of_space = lengths(window, count, f"nn.{name}", "window")
    steps = of_space if stride is None else lengths(stride, count, f"nn.{name}", "stride")
    distances = lengths(dilation, count, f"nn.{name}", "dilation")
    reach = [(n - 1) * d + 1 for n, d in zip(of_space, distances, strict=True)]
    around = pads_of(padding, [shape[a] for a in space], reach, steps)
    windows, strides, apart = [1] * len(shape), [1] * len(shape), [1] * len(shape)
    pads: Pads = [(0, 0)] * len(shape)
    for k, a in enumerate(space):
        windows[a], strides[a], pads[a], apart[a] = of_space[k], steps[k], around[k], distances[k]
    return tuple(windows), tuple(strides), pads, tuple(apart), int(np.prod(of_space))
