"""Slices of a fixed size at places that are data, and JAX's names for those at fixed places.

A place is counted from the end where it is negative, and then moved as far as the slice needs to lie inside: so nothing
here raises for what a place is, and reading and writing fuse with what is around them.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.tracer import Tracer
from functad.errors import DtypeError, ShapeError
from functad.numpy.axes import normal_axis
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.traced import here
from functad.numpy.updates import check_fits
from functad.primitives import slicing
from functad.primitives.arithmetic import add
from functad.primitives.broadcasting import broadcast
from functad.primitives.comparison import lt
from functad.primitives.gather import gather_p
from functad.primitives.generate import iota
from functad.primitives.scatter import SCATTERS
from functad.primitives.selection import maximum, minimum, select
from functad.primitives.shapes import reshape

__all__ = [
    "dynamic_index_in_dim", "dynamic_slice", "dynamic_slice_in_dim", "dynamic_update_index_in_dim",
    "dynamic_update_slice", "dynamic_update_slice_in_dim", "index_in_dim", "slice", "slice_in_dim",
]  # fmt: skip

INT64 = np.dtype(np.int64)

# -- places ------------------------------------------------------------------------------------------------------------


def places(what: str, given: Any, shape: Sequence[int], sizes: Sequence[int]) -> list[Any]:
    """Where a slice begins along each axis: Python integers where they are known, else traced ones."""
    count = shape_of(given) if isinstance(given, Tracer | np.ndarray) else (len(given),)
    if count != (len(shape),):
        raise ShapeError(f"{what}{here()}: an array of {len(shape)} axes takes a start for each, got {given}")
    for n, size in zip(shape, sizes, strict=True):
        if not 0 <= size <= n:
            raise ShapeError(
                f"{what}{here()}: a slice of the shape {tuple(sizes)} does not fit into an array of the shape "
                f"{tuple(shape)}"
            )
    starts = [given[k] for k in range(len(shape))]
    return [place(what, start, n, size) for start, n, size in zip(starts, shape, sizes, strict=True)]


def place(what: str, start: Any, length: int, size: int) -> Any:
    """Where a slice begins along one axis."""
    last = length - size
    if last == 0:
        return 0
    if not isinstance(start, Tracer):
        start = as_array(start, what)
    if start.dtype.kind not in "iu" or shape_of(start):
        raise DtypeError(f"{what}{here()}: a slice begins at an integer along each axis, got {start!r}")
    if not isinstance(start, Tracer):
        known = int(start)
        return min(max(known + length if known < 0 else known, 0), last)
    start = cast(start, INT64)
    return minimum(maximum(select(lt(start, 0), add(start, np.int64(length)), start), 0), np.int64(last))


def looked_up(starts: Sequence[Any], shape: Sequence[int], sizes: Sequence[int]) -> tuple[int, list[Any]]:
    """The indices that stand for a slice, of axes side by side, and how many axes there are before these."""
    cut = [a for a, (n, size) in enumerate(zip(shape, sizes, strict=True)) if n != size]
    first, last = cut[0], cut[-1] + 1
    block = tuple(sizes[first:last])
    lead = tuple(shape[:first])
    indices = []
    for k, start in enumerate(starts[first:last]):
        numbers = iota((block[k],), INT64, 0)
        along = (
            numbers
            if type(start) is int and start == 0
            else add(numbers, np.int64(start) if type(start) is int else start)
        )
        indices.append(broadcast(along, (*lead, *block), (first + k,)))
    return first, indices


# -- at places that are data -------------------------------------------------------------------------------------------


def dynamic_slice(
    operand: Any, start_indices: Any, slice_sizes: Sequence[int], *, allow_negative_indices: bool = True
) -> Any:
    """The slice of a given size that begins at given places.

    Parameters
    ----------
    operand
        An array.
    start_indices
        Where the slice begins along each axis: integers, traced or not, in a sequence or an array. Negative ones count
        from the end; one that is too small or too large for the slice is moved, so that all of it lies inside.
    slice_sizes
        The shape of the slice.
    allow_negative_indices
        Taken for the sake of JAX's signature: what counts from the end costs nothing.

    Raises
    ------
    ShapeError
        If the slice is larger than the array.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> x = np.arange(12.0).reshape(3, 4)
    >>> fd.jit(lambda x, i: fd.lax.dynamic_slice(x, (i, 1), (2, 2)))(x, 1)
    array([[ 5.,  6.],
           [ 9., 10.]])
    >>> fd.lax.dynamic_slice(x, (7, -1), (2, 2))          # moved inside
    array([[ 6.,  7.],
           [10., 11.]])
    """
    x = as_array(operand, "dynamic_slice")
    shape, sizes = shape_of(x), [operator.index(n) for n in slice_sizes]
    if len(sizes) != len(shape):
        raise ShapeError(
            f"dynamic_slice{here()}: an array of the shape {shape} has no slice of the shape {tuple(sizes)}"
        )
    starts = places("dynamic_slice", start_indices, shape, sizes)
    if not any([type(s) is Tracer for s in starts]):
        return _own(slicing.slice_(x, starts, [s + n for s, n in zip(starts, sizes, strict=True)]), x)
    first, indices = looked_up(starts, shape, sizes)
    return fresh_array(gather_p.bind(x, *indices, batch=first))


def dynamic_update_slice(operand: Any, update: Any, start_indices: Any, *, allow_negative_indices: bool = True) -> Any:
    """A copy of an array with a slice, which begins at given places, replaced.

    Parameters
    ----------
    operand
        An array.
    update
        What the slice is replaced by: an array of as many axes, none of them longer, that fits the dtype.
    start_indices, allow_negative_indices
        As of `dynamic_slice`.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.jit(lambda x, i: fd.lax.dynamic_update_slice(x, np.ones(2), (i,)))(np.zeros(5), 3)
    array([0., 0., 0., 1., 1.])
    """
    x, v = as_array(operand, "dynamic_update_slice"), as_array(update, "dynamic_update_slice")
    shape, sizes = shape_of(x), shape_of(v)
    if len(sizes) != len(shape):
        raise ShapeError(
            f"dynamic_update_slice{here()}: the update has the shape {sizes}, the array {shape}; they need as many axes"
        )
    check_fits(v, x.dtype)
    v = cast(v, x.dtype)
    starts = places("dynamic_update_slice", start_indices, shape, sizes)
    if sizes == shape:
        return _own(v, v)
    if 0 in sizes:
        return _own(x, x)
    first, indices = looked_up(starts, shape, sizes)
    return fresh_array(SCATTERS["set"].bind(x, v, *indices, batch=first))


def _own(y: Any, x: Any) -> Any:
    """A part of x that shares no memory with it."""
    return fresh_array(y, x) if type(y) is Tracer else np.array(y)


def _along(what: str, x: Any, axis: int, start: Any, size: int) -> tuple[list[Any], list[int]]:
    shape = shape_of(x)
    axis = normal_axis(axis, len(shape), what)
    starts, sizes = [0] * len(shape), list(shape)
    starts[axis], sizes[axis] = start, operator.index(size)
    return starts, sizes


def dynamic_slice_in_dim(
    operand: Any, start_index: Any, slice_size: int, axis: int = 0, *, allow_negative_indices: bool = True
) -> Any:
    """`dynamic_slice` along one axis.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.jit(lambda x, i: fd.lax.dynamic_slice_in_dim(x, i, 2))(np.arange(5.0), 2)
    array([2., 3.])
    """
    x = as_array(operand, "dynamic_slice_in_dim")
    return dynamic_slice(x, *_along("dynamic_slice_in_dim", x, axis, start_index, slice_size))


def dynamic_update_slice_in_dim(
    operand: Any, update: Any, start_index: Any, axis: int, *, allow_negative_indices: bool = True
) -> Any:
    """`dynamic_update_slice` along one axis; the update has the whole length of all others.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.jit(lambda x, i: fd.lax.dynamic_update_slice_in_dim(x, np.ones(2), i, 0))(np.zeros(5), 1)
    array([0., 1., 1., 0., 0.])
    """
    x = as_array(operand, "dynamic_update_slice_in_dim")
    return dynamic_update_slice(x, update, _along("dynamic_update_slice_in_dim", x, axis, start_index, 1)[0])


def dynamic_index_in_dim(
    operand: Any, index: Any, axis: int = 0, keepdims: bool = True, *, allow_negative_indices: bool = True
) -> Any:
    """The element, or row, at an index along an axis, which stays with length 1 where ``keepdims`` says so.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.jit(lambda x, i: fd.lax.dynamic_index_in_dim(x, i, axis=1, keepdims=False))(np.eye(3), 2)
    array([0., 0., 1.])
    """
    x = as_array(operand, "dynamic_index_in_dim")
    row = dynamic_slice_in_dim(x, index, 1, axis)
    return row if keepdims else _without(row, axis)


def dynamic_update_index_in_dim(
    operand: Any, update: Any, index: Any, axis: int, *, allow_negative_indices: bool = True
) -> Any:
    """A copy of an array with the element, or row, at an index along an axis replaced; the update may lack the axis.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.jit(lambda x, i: fd.lax.dynamic_update_index_in_dim(x, 7.0, i, 0))(np.zeros(3), 1)
    array([0., 7., 0.])
    """
    x, v = as_array(operand, "dynamic_update_index_in_dim"), as_array(update, "dynamic_update_index_in_dim")
    shape = list(shape_of(x))
    axis = normal_axis(axis, len(shape), "dynamic_update_index_in_dim")
    if len(shape_of(v)) == len(shape) - 1:
        v = reshape(v, (*shape_of(v)[:axis], 1, *shape_of(v)[axis:]))
    return dynamic_update_slice_in_dim(x, v, index, axis)


def _without(row: Any, axis: int) -> Any:
    shape = list(shape_of(row))
    del shape[axis]
    return reshape(row, shape) if shape or type(row) is Tracer else row.reshape(())[()]


# -- at fixed places ---------------------------------------------------------------------------------------------------


def slice(
    operand: Any, start_indices: Sequence[int], limit_indices: Sequence[int], strides: Sequence[int] | None = None
) -> Any:
    """Every ``strides[k]``-th element from ``start_indices[k]`` up to, and without, ``limit_indices[k]`` of each axis.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.slice(np.arange(10), (1,), (8,), (3,))
    array([1, 4, 7])
    """
    x = as_array(operand, "slice")
    shape = shape_of(x)
    given = [start_indices, limit_indices, (1,) * len(shape) if strides is None else strides]
    if any([len(g) != len(shape) for g in given]):
        raise ShapeError(f"slice{here()}: an array of {len(shape)} axes takes as many starts, limits and strides")
    starts, stops, steps = [[operator.index(k) for k in g] for g in given]
    for n, start, stop, step in zip(shape, starts, stops, steps, strict=True):
        if not (0 <= start <= stop <= n and step > 0):
            raise ShapeError(
                f"slice{here()}: {start} to {stop} by {step} does not lie in an axis of length {n}; starts and limits "
                "ascend from 0, and strides are positive"
            )
    return _own(slicing.slice_(x, starts, stops, steps), x)


def slice_in_dim(operand: Any, start_index: int | None, limit_index: int | None, stride: int = 1, axis: int = 0) -> Any:
    """``x[start_index:limit_index:stride]`` along one axis, with Python's meaning of None and of negative bounds.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.slice_in_dim(np.arange(5), 1, -1)
    array([1, 2, 3])
    """
    x = as_array(operand, "slice_in_dim")
    shape = shape_of(x)
    axis = normal_axis(axis, len(shape), "slice_in_dim")
    whole = range(shape[axis])[start_index:limit_index]
    starts, stops, steps = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis], stops[axis], steps[axis] = whole.start, max(whole.start, whole.stop), operator.index(stride)
    return slice(x, starts, stops, steps)


def index_in_dim(operand: Any, index: int, axis: int = 0, keepdims: bool = True) -> Any:
    """The element, or row, at a fixed index along an axis, which stays with length 1 where ``keepdims`` says so.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.index_in_dim(np.arange(5), -1, keepdims=False)
    np.int64(4)
    """
    x = as_array(operand, "index_in_dim")
    n, k = shape_of(x)[normal_axis(axis, len(shape_of(x)), "index_in_dim")], operator.index(index)
    if not -n <= k < n:
        raise ShapeError(f"index_in_dim{here()}: index {k} is out of bounds for an axis of length {n}")
    row = slice_in_dim(x, k % n, k % n + 1, axis=axis)
    return row if keepdims else _without(row, axis)
