"""Sequences along one axis: convolution, correlation, finite differences, unwrapped angles, windows onto an array."""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.core.tracer import Tracer
from functad.errors import ArgumentError, ShapeError
from functad.numpy.axes import normal_axes, normal_axis
from functad.numpy.dispatch import implements
from functad.numpy.operands import as_array, cast, fresh, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.shapes import part
from functad.numpy.traced import here
from functad.primitives.convolution import correlate as correlate_p
from functad.primitives.gather import gather_p
from functad.primitives.shapes import flip, transpose
from functad.primitives.slicing import pad

__all__: list[str] = []

MODES = ("valid", "same", "full")

# -- convolution -------------------------------------------------------------------------------------------------------


def _sequences(name: str, a: Any, v: Any, mode: Any) -> tuple[Any, Any, np.dtype, str]:
    xs = [fnp.atleast_1d(as_array(x, name)) for x in (a, v)]
    if any([len(shape_of(x)) != 1 for x in xs]):
        raise ShapeError(
            f"np.{name}{here()} is of arrays with one axis, got shapes {' and '.join(str(shape_of(x)) for x in xs)}"
        )
    if 0 in (shape_of(xs[0])[0], shape_of(xs[1])[0]):
        raise ArgumentError(f"np.{name}{here()}: an array is empty")
    mode = MODES[mode] if mode in (0, 1, 2) else mode
    if mode not in MODES:
        raise ArgumentError(f"np.{name}{here()}: mode must be one of {MODES}, got {mode!r}")
    dtype = result_dtype(xs)
    work = np.dtype(np.int8) if dtype.kind == "b" else dtype
    return cast(xs[0], work), cast(xs[1], work), dtype, mode


def _correlated(x: Any, w: Any, mode: str, offset: int) -> Any:
    """Sums of products of w with the parts of x, which is not shorter; for "same" from an offset among all of them."""
    m = shape_of(w)[0]
    before, after = {"valid": (0, 0), "full": (m - 1, m - 1), "same": (m - 1 - offset, offset)}[mode]
    return correlate_p(pad(x, x.dtype.type(0), [(before, after, 0)]), w)


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    """``numpy.convolve`` of two arrays with one axis."""
    x, w, dtype, mode = _sequences("convolve", a, v, mode)
    if shape_of(w)[0] > shape_of(x)[0]:
        x, w = w, x
    return fresh(cast(_correlated(x, flip(w, (0,)), mode, (shape_of(w)[0] - 1) // 2), dtype))


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    """``numpy.correlate``: ``sum_n a[n + k] * conj(v[n])`` for all k."""
    x, w, dtype, mode = _sequences("correlate", a, v, mode)
    w = fnp.conjugate(w)
    m = min(shape_of(x)[0], shape_of(w)[0])
    if shape_of(w)[0] > shape_of(x)[0]:
        return fresh(cast(flip(_correlated(w, x, mode, (m - 1) // 2), (0,)), dtype))
    return fresh(cast(_correlated(x, w, mode, (m - 1) // 2), dtype))


# -- finite differences ------------------------------------------------------------------------------------------------


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """``numpy.gradient``: second-order differences inside, one-sided ones of first or second order at the ends."""
    y = as_array(f, "gradient")
    axes = normal_axes(axis, len(shape_of(y)), "gradient")
    if y.dtype.kind not in "fc":
        y = cast(y, np.dtype(np.float64))
    if edge_order not in (1, 2):
        raise ArgumentError(f"np.gradient{here()}: edge_order must be 1 or 2, got {edge_order}")
    if len(varargs) not in (0, 1, len(axes)) or (
        len(varargs) == 1 and len(axes) > 1 and shape_of(as_array(varargs[0], "gradient"))
    ):
        raise ArgumentError(f"np.gradient{here()}: give one distance, or one for each of {len(axes)} axes")
    spacings = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    parts = [_difference(y, a, _widths(y, a, h), edge_order) for a, h in zip(axes, spacings, strict=True)]
    return parts[0] if len(parts) == 1 else tuple(parts)


def _widths(y: Any, axis: int, spacing: Any) -> Any:
    """The distance of neighbours along an axis: a number, or an array with one axis."""
    h = as_array(spacing, "gradient") if np.ndim(spacing) or isinstance(spacing, list | tuple | Tracer) else spacing
    if not np.ndim(h):
        return h
    if shape_of(h) != (shape_of(y)[axis],):
        raise ShapeError(
            f"np.gradient{here()}: distances along axis {axis} must be a number or have shape {(shape_of(y)[axis],)}, "
            f"got {shape_of(h)}"
        )
    widths = fnp.diff(cast(h, np.dtype(np.float64)) if h.dtype.kind in "iub" else h)
    alike = type(widths) is not Tracer and bool(np.all(widths == widths[0]))
    return widths[0] if alike else widths


def _difference(y: Any, axis: int, h: Any, edge_order: int) -> Any:
    n, ndim = shape_of(y)[axis], len(shape_of(y))
    if n < edge_order + 1:
        raise ShapeError(f"np.gradient{here()} needs {edge_order + 1} elements along axis {axis}, got {n}")

    def along(w: Any) -> Any:
        return fnp.reshape(w, [-1 if a == axis else 1 for a in range(ndim)])

    def at(k: int) -> Any:
        k %= n
        return part(y, axis, k, k + 1)

    before, here_, after = (part(y, axis, k, max(n - 2 + k, k)) for k in range(3))
    if not np.ndim(h):
        inside = (after - before) / (2.0 * h)
    else:
        h1, h2 = along(h[:-1]), along(h[1:])
        inside = -h2 / (h1 * (h1 + h2)) * before + (h2 - h1) / (h1 * h2) * here_ + h1 / (h2 * (h1 + h2)) * after
    if edge_order == 1:
        first, last = (h, h) if not np.ndim(h) else (h[0], h[-1])
        ends = (at(1) - at(0)) / first, (at(-1) - at(-2)) / last
    else:
        a, b = _one_sided(h, h) if not np.ndim(h) else _one_sided(h[0], h[1])
        low = a * at(0) + b * at(1) + _third(h, False) * at(2)
        c, d = _one_sided(h, h) if not np.ndim(h) else _one_sided(h[-1], h[-2])
        high = -_third(h, True) * at(-3) - d * at(-2) - c * at(-1)
        ends = low, high
    return cast(fnp.concatenate([ends[0], inside, ends[1]], axis), y.dtype)


def _one_sided(h1: Any, h2: Any) -> tuple[Any, Any]:
    """The weights of the element at an end, and of its neighbour, in the derivative there."""
    return -(2.0 * h1 + h2) / (h1 * (h1 + h2)), (h1 + h2) / (h1 * h2)


def _third(h: Any, at_end: bool) -> Any:
    """The weight of the third element."""
    h1, h2 = (h, h) if not np.ndim(h) else (h[-1], h[-2]) if at_end else (h[0], h[1])
    return -h1 / (h2 * (h1 + h2))


# -- angles ------------------------------------------------------------------------------------------------------------


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * pi) -> Any:
    """``numpy.unwrap``: jumps along an axis of half a period or more (or ``discont``) are taken out."""
    x = as_array(p, "unwrap")
    axis = normal_axis(axis, len(shape_of(x)), "unwrap")
    step = fnp.diff(x, axis=axis)
    limit = period / 2 if discont is None else discont
    dtype = result_dtype([step, period])
    whole = dtype.kind in "iu"
    high = period // 2 if whole else period / 2
    wrapped = fnp.mod(step + high, period) - high
    if not whole or period % 2 == 0:
        wrapped = fnp.where((wrapped == -high) & (step > 0), high, wrapped)
    correction = fnp.where(fnp.abs(step) < limit, 0, wrapped - step)
    n = shape_of(x)[axis]
    rest = part(x, axis, 1, n) + fnp.cumsum(correction, axis)
    return fnp.concatenate([cast(part(x, axis, 0, 1), dtype), cast(rest, dtype)], axis)


# -- windows onto an array ---------------------------------------------------------------------------------------------


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """``numpy.lib.stride_tricks.sliding_window_view``: a copy, with the axes of the window last."""
    y = as_array(x, "lib.stride_tricks.sliding_window_view")
    name, ndim = "lib.stride_tricks.sliding_window_view", len(shape_of(y))
    lengths = tuple(window_shape) if isinstance(window_shape, tuple | list) else (window_shape,)
    named = range(ndim) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    axes = [normal_axis(a, ndim, name) for a in named]
    if len(lengths) != len(axes):
        raise ArgumentError(f"np.{name}{here()}: a window of shape {lengths} does not fit axes {tuple(axes)}")
    for a, m in zip(axes, lengths, strict=True):
        n = shape_of(y)[a]
        if not 0 <= m <= n:
            raise ShapeError(f"np.{name}{here()}: a window of length {m} does not fit axis {a} of length {n}")
        y = _windows(y, a, m)
    return fresh(y, x)


def _windows(x: Any, axis: int, m: int) -> Any:
    """The parts of length m along an axis, in a new last axis."""
    count, ndim = shape_of(x)[axis] - m + 1, len(shape_of(x))
    index = np.arange(count)[:, None] + np.arange(m)
    last = transpose(x, (axis, *[a for a in range(ndim) if a != axis]))
    found = gather_p.bind(last, index, batch=0)  # (count, m, others)
    return transpose(found, (*range(2, 2 + axis), 0, *range(2 + axis, ndim + 1), 1))
