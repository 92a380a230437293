"""Reductions of parts: what lies elsewhere is replaced by what does not count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.errors import UnsupportedError
from functad.numpy import reductions, statistics
from functad.numpy.axes import normal_axes, normal_axis
from functad.numpy.operands import cast, operand
from functad.numpy.ragged.ordering import number_in_part
from functad.numpy.ragged.regions import Chosen, Plain, Region, Window, inside
from functad.numpy.ragged.sizes import Size, fixed
from functad.numpy.ragged.value import Ragged, elementwise, made
from functad.numpy.traced import here
from functad.primitives import arithmetic
from functad.primitives.lengths import check_not_empty
from functad.primitives.rounding import floor_divide
from functad.primitives.selection import maximum
from functad.primitives.shapes import reshape

__all__ = [
    "all_", "any_", "argmax", "argmin", "count_nonzero", "cumprod", "cumsum", "max_", "mean", "min_", "norm", "prod",
    "ptp", "std", "sum_", "var",
]  # fmt: skip

Axes = tuple[int, ...]


def _without(x: Ragged, value: Any) -> Any:
    """The whole array, with a number in place of what lies elsewhere."""
    known = x._fill is not None and x._fill == value
    return x._full if known else inside(x._full, x._regions, value)


def _axes_of_array(x: Ragged, axes: Axes) -> Axes:
    """The axes of the array that axes of the part are."""
    found: list[int] = []
    first = 0
    for i, region in enumerate(x._regions):
        if i in axes:
            found += range(first, first + region.width)
        first += region.width
    return tuple(found)


def _reduced(x: Ragged, f: Callable[..., Any], value: Any, axis: Any, keepdims: Any, name: str, **kwargs: Any) -> Any:
    """A reduction, by ``f`` of the array."""
    axes = normal_axes(axis, len(x._regions), name)
    y = f(_without(x, value), axis=_axes_of_array(x, axes), **kwargs)
    left: list[Region] = [r for i, r in enumerate(x._regions) if i not in axes]
    if keepdims:
        sizes, left = [], []
        shape = iter(y.shape)
        for i, r in enumerate(x._regions):
            sizes += [1] if i in axes else [next(shape) for _ in range(r.width)]
            left.append(Plain(1) if i in axes else r)
        y = reshape(y, sizes)
    return made(y, left)


def _count(x: Ragged, axes: Axes) -> Size:
    """How many elements are reduced to one."""
    total = fixed(1)
    for i in axes:
        n = x._regions[i].length
        if n.known is not None:
            total = total.times(n.known)
        elif total.known is not None:
            total = n.times(total.known)
        else:
            total = Size(arithmetic.mul(total.atom, n.atom), _product(total, n))
    return total


def _product(a: Size, b: Size) -> Any:
    from_ = ("product", a.form, b.form)
    return type(a.form)(0, frozenset([(from_, 1)]))


def _is_plain(x: Any, where: Any, out: Any, name: str) -> None:
    if where is not None or out is not None:
        raise UnsupportedError(
            f"np.{name}{here()}: where= and out= are not available for slices with traced bounds; write "
            f"np.{name}(np.where(mask, x[i:j], 0))"
        )


def sum_(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False, initial: Any = None,
    where: Any = None,
) -> Any:  # fmt: skip
    """``numpy.sum``."""
    _is_plain(a, where, out, "sum")
    y = _reduced(a, reductions.sum, 0, axis, keepdims, "sum", dtype=dtype)
    return y if initial is None else y + initial


def prod(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False, initial: Any = None,
    where: Any = None,
) -> Any:  # fmt: skip
    """``numpy.prod``."""
    _is_plain(a, where, out, "prod")
    y = _reduced(a, reductions.prod, 1, axis, keepdims, "prod", dtype=dtype)
    return y if initial is None else y * initial


def mean(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False) -> Any:
    """``numpy.mean``: of no elements NaN."""
    _is_plain(a, None, out, "mean")
    result = np.dtype(dtype) if dtype is not None else reductions.accumulator(np.mean, a._full.dtype)
    x = as_dtype(a, np.dtype(np.float32) if result == np.float16 else result)
    total = sum_(x, axis, None, None, keepdims)
    n = cast(_count(a, normal_axes(axis, len(a._regions), "mean")).atom, x._full.dtype)
    return as_dtype(total / n, result)


def as_dtype(x: Any, dtype: np.dtype) -> Any:
    """A part, or an array, in a dtype."""
    return elementwise("astype", lambda y: cast(y, dtype), [x]) if type(x) is Ragged else cast(x, dtype)


def var(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0, keepdims: Any = False, *,
    correction: Any = None,
) -> Any:  # fmt: skip
    """``numpy.var``."""
    _is_plain(a, None, out, "var")
    x = as_dtype(a, np.dtype(dtype) if dtype is not None else reductions.accumulator(np.mean, a._full.dtype))
    deviation = x - mean(x, axis, keepdims=True)
    total = sum_(elementwise("var", statistics.squares, [deviation]), axis, keepdims=keepdims)
    n = cast(_count(a, normal_axes(axis, len(a._regions), "var")).atom, total.dtype)
    less = total.dtype.type(ddof if correction is None else correction)
    return total / maximum(arithmetic.sub(n, less), total.dtype.type(0))


def std(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0, keepdims: Any = False, *,
    correction: Any = None,
) -> Any:  # fmt: skip
    """``numpy.std``."""
    y = var(a, axis, dtype, out, ddof, keepdims, correction=correction)
    return elementwise("std", statistics.length_of, [y]) if type(y) is Ragged else statistics.length_of(y)


def _extremum(f: Any, name: str, least: bool, a: Ragged, axis: Any, keepdims: Any, initial: Any) -> Any:
    axes = normal_axes(axis, len(a._regions), name)
    if initial is None:
        _refuse_empty(a, axes)
    value = extreme(a._full.dtype, not least)
    y = _reduced(a, f, value, axis, keepdims, name)
    if initial is None:
        return y
    return (np.minimum if least else np.maximum)(y, cast(operand(initial, name), a._full.dtype))


def extreme(dtype: np.dtype, low: bool) -> Any:
    """The least, or the greatest number of a dtype."""
    if dtype.kind == "f":
        return -np.inf if low else np.inf
    if dtype.kind == "c":
        raise UnsupportedError(f"extrema of complex numbers{here()} of a slice with traced bounds; compare their parts")
    if dtype.kind == "b":
        return not low
    return np.iinfo(dtype).min if low else np.iinfo(dtype).max


def _refuse_empty(x: Ragged, axes: Axes) -> None:
    """An extremum of no elements is an error, when the Program runs."""
    for i in axes:
        n = x._regions[i].length
        if not n.is_at_least(1):
            check_not_empty(n.atom)


def max_(
    a: Any, axis: Any = None, out: None = None, keepdims: Any = False, initial: Any = None, where: Any = None
) -> Any:
    """``numpy.max``."""
    _is_plain(a, where, out, "max")
    return _extremum(reductions.max, "max", False, a, axis, keepdims, initial)


def min_(
    a: Any, axis: Any = None, out: None = None, keepdims: Any = False, initial: Any = None, where: Any = None
) -> Any:
    """``numpy.min``."""
    _is_plain(a, where, out, "min")
    return _extremum(reductions.min, "min", True, a, axis, keepdims, initial)


def ptp(a: Any, axis: Any = None, out: None = None, keepdims: Any = False) -> Any:
    """``numpy.ptp``."""
    return max_(a, axis, out, keepdims) - min_(a, axis, out, keepdims)


def any_(a: Any, axis: Any = None, out: None = None, keepdims: Any = False, *, where: Any = None) -> Any:
    """``numpy.any``."""
    _is_plain(a, where, out, "any")
    return _reduced(a, reductions.any, 0, axis, keepdims, "any")


def all_(a: Any, axis: Any = None, out: None = None, keepdims: Any = False, *, where: Any = None) -> Any:
    """``numpy.all``."""
    _is_plain(a, where, out, "all")
    return _reduced(a, reductions.all, 1, axis, keepdims, "all")


def count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """``numpy.count_nonzero``."""
    return _reduced(a, reductions.count_nonzero, 0, axis, keepdims, "count_nonzero")


def _position(f: Any, name: str, low: bool, a: Ragged, axis: Any, keepdims: Any) -> Any:
    """The index of the first extremum: what lies elsewhere is as far from it as can be, and so is found only where all
    elements are so, of which the first one counts then.
    """
    if len(a._regions) == 1:
        axis = 0 if axis is None else axis
        if isinstance(a._regions[0], Chosen) and not keepdims:
            return _position_in_mask(f, name, low, a)
    axis = None if axis is None else normal_axis(axis, len(a._regions), name)
    if axis is None or isinstance(a._regions[axis], Chosen):
        raise UnsupportedError(
            f"np.{name}{here()} of what a mask took, or of several axes one of which is a slice with traced bounds; "
            "name an axis, or write np.where(mask, x, -np.inf)"
        )
    _refuse_empty(a, (axis,))
    found = _reduced(a, lambda y, axis: f(y, axis=axis[0]), extreme(a._full.dtype, low), axis, keepdims, name)
    region = a._regions[axis]
    if not isinstance(region, Window):
        return found
    start, step = region.start.atom, np.int64(region.step)

    def counted(y: Any) -> Any:
        return maximum(floor_divide(arithmetic.sub(y, start), step), np.int64(0))

    return elementwise(name, counted, [found]) if type(found) is Ragged else counted(found)


def _position_in_mask(f: Any, name: str, low: bool, a: Ragged) -> Any:
    """``_position`` in what a mask took."""
    _refuse_empty(a, (0,))
    shape = (a._full.size,)
    (region,) = a._regions
    assert isinstance(region, Chosen)
    found = f(reshape(_without(a, extreme(a._full.dtype, low)), shape))
    return number_in_part(a, found, reshape(region.mask, shape))


def argmax(a: Any, axis: Any = None, out: None = None, *, keepdims: Any = False) -> Any:
    """``numpy.argmax``."""
    _is_plain(a, None, out, "argmax")
    return _position(reductions.argmax, "argmax", True, a, axis, keepdims)


def argmin(a: Any, axis: Any = None, out: None = None, *, keepdims: Any = False) -> Any:
    """``numpy.argmin``."""
    _is_plain(a, None, out, "argmin")
    return _position(reductions.argmin, "argmin", False, a, axis, keepdims)


def _running(f: Any, name: str, value: Any, a: Ragged, axis: Any, dtype: Any) -> Any:
    if axis is None and len(a._regions) != 1:
        raise UnsupportedError(f"np.{name}{here()} of a slice with traced bounds needs axis=")
    axis = normal_axis(axis or 0, len(a._regions), name)
    if isinstance(a._regions[axis], Chosen) and a._regions[axis].width > 1:
        raise UnsupportedError(f"np.{name}{here()} of what a mask of several axes took; write np.where(mask, x, 0)")
    (first,) = _axes_of_array(a, (axis,))
    return made(f(_without(a, value), axis=first, dtype=dtype), a._regions)


def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """``numpy.cumsum``."""
    _is_plain(a, None, out, "cumsum")
    return _running(reductions.cumsum, "cumsum", 0, a, axis, dtype)


def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """``numpy.cumprod``."""
    _is_plain(a, None, out, "cumprod")
    return _running(reductions.cumprod, "cumprod", 1, a, axis, dtype)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    """``numpy.linalg.norm`` of vectors, and the Frobenius norm."""
    axes = normal_axes(axis, len(x._regions), "norm")
    known = ord is None or (ord == "fro" and len(axes) == 2) or (len(axes) == 1 and ord not in ("nuc",))
    if not known or (ord is not None and ord != "fro" and ord <= 0):
        raise UnsupportedError(
            f"np.linalg.norm{here()} with ord={ord!r} of a slice with traced bounds; there are the Frobenius norm, and "
            "those of vectors with ord > 0"
        )
    if ord == np.inf:
        return max_(np.abs(x), axis, keepdims=keepdims)

    def of(y: Any, axis: Axes) -> Any:
        return statistics.vector_norm(y, ord=2 if ord in (None, "fro") else ord, axis=axis)

    return _reduced(x, of, 0, axis, keepdims, "norm")
