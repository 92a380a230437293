"""Joining arrays, splitting them, padding them, and differences between neighbours."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from functad.core.tracer import Tracer
from functad.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from functad.numpy import shapes
from functad.numpy.axes import normal_axis
from functad.numpy.dispatch import implements
from functad.numpy.indexing import get_item, take
from functad.numpy.logic import not_equal
from functad.numpy.operands import as_array, cast, depends_on, fresh, fresh_array, operand, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.reductions import refuse_out
from functad.numpy.rows import runs
from functad.numpy.shapes import part
from functad.numpy.traced import here
from functad.numpy.ufuncs import subtract
from functad.primitives import joining
from functad.primitives.broadcasting import broadcast
from functad.primitives.shapes import reshape, transpose
from functad.primitives.slicing import pad as strict_pad

__all__ = [
    "append", "array_split", "block", "column_stack", "concat", "concatenate", "diff", "dsplit", "dstack", "ediff1d",
    "hsplit", "hstack", "pad", "split", "stack", "unstack", "vsplit", "vstack",
]  # fmt: skip

# -- joining -----------------------------------------------------------------------------------------------------------


@implements(np.concatenate)
def concatenate(arrays: Any, /, axis: int | None = 0, out: None = None, *, dtype: Any = None) -> Any:
    """``numpy.concatenate``: one after the other along an axis; with axis None, all elements."""
    refuse_out(out, "concatenate")
    xs = _parts(arrays, "concatenate", axis == 0)
    common = np.dtype(dtype) if dtype is not None else result_dtype(xs)
    xs = [cast(x, common) for x in xs]
    if axis is None:
        xs, axis = [reshape(x, (prod(shape_of(x)),)) for x in xs], 0
    first = shape_of(xs[0])
    if not first:
        raise ShapeError(f"np.concatenate{here()}: arrays without axes cannot be concatenated; use np.stack")
    axis = normal_axis(axis, len(first), "concatenate")
    for x in xs:
        if _without(shape_of(x), axis) != _without(first, axis):
            raise ShapeError(
                f"np.concatenate{here()}: all axes but axis {axis} must have equal lengths, got shapes "
                f"{' '.join(str(shape_of(x)) for x in xs)}"
            )
    return fresh(joining.concatenate(xs, axis), *xs)


concat = concatenate


def _parts(arrays: Any, name: str, first: bool = False) -> list[Any]:
    """The arrays of a list; rows of one array together, where they are joined along the ``first`` axis."""
    found = runs(arrays) if first and type(arrays) is list else None
    if found is None or any([count and x.ndim == 1 for x, count in found]):
        return [as_array(x, name) for x in arrays]
    return [reshape(x, (count * x.shape[1], *x.shape[2:])) if count else as_array(x, name) for x, count in found]


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


@implements(np.stack)
def stack(arrays: Any, axis: int = 0, out: None = None, *, dtype: Any = None) -> Any:
    """``numpy.stack``: along a new axis."""
    refuse_out(out, "stack")
    if type(arrays) is list and runs(arrays):
        x = as_array(arrays, "stack")
        i = normal_axis(axis, len(shape_of(x)), "stack")
        order = [*range(1, i + 1), 0, *range(i + 1, len(shape_of(x)))]
        return fresh(transpose(x if dtype is None else cast(x, np.dtype(dtype)), order), x)
    xs = _parts(arrays, "stack")
    if any(shape_of(x) != shape_of(xs[0]) for x in xs):
        raise ShapeError(
            f"np.stack{here()}: all arrays must have one shape, got {' '.join(str(shape_of(x)) for x in xs)}"
        )
    i = normal_axis(axis, len(shape_of(xs[0])) + 1, "stack")
    return concatenate([shapes.expand_dims(x, i) for x in xs], i, dtype=dtype)


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None) -> Any:
    """``numpy.vstack``: along axis 0; vectors are rows."""
    found = runs(tup) if type(tup) is list else None
    if found is not None and all([x.ndim == 2 for x, count in found if count]):
        return concatenate([x if count else shapes.atleast_2d(x) for x, count in found], 0, dtype=dtype)
    return concatenate([shapes.atleast_2d(x) for x in _parts(tup, "vstack")], 0, dtype=dtype)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None) -> Any:
    """``numpy.hstack``: along axis 1; vectors end to end."""
    xs = [shapes.atleast_1d(x) for x in _parts(tup, "hstack")]
    return concatenate(xs, 0 if len(shape_of(xs[0])) == 1 else 1, dtype=dtype)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    """``numpy.dstack``: along axis 2."""
    return concatenate([shapes.atleast_3d(x) for x in _parts(tup, "dstack")], 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    """``numpy.column_stack``: along axis 1; vectors are columns."""
    xs = _parts(tup, "column_stack")
    return concatenate([x if len(shape_of(x)) > 1 else reshape(x, (prod(shape_of(x)), 1)) for x in xs], 1)


@implements(np.block)
def block(arrays: Any) -> Any:
    """``numpy.block``: nested lists of blocks, the innermost along the last axis."""
    depth, ndim = _nesting(arrays)
    return fresh_array(_joined(arrays, depth, max(depth, ndim)))


def _nesting(arrays: Any) -> tuple[int, int]:
    if not isinstance(arrays, list):
        return 0, len(shape_of(as_array(arrays, "block")))
    inner = [_nesting(a) for a in arrays]
    if not inner or any(depth != inner[0][0] for depth, _ in inner):
        raise ArgumentError(f"np.block{here()}: lists must be nested equally deep, and not be empty")
    return inner[0][0] + 1, max(ndim for _, ndim in inner)


def _joined(arrays: Any, depth: int, ndim: int) -> Any:
    if isinstance(arrays, list):
        return concatenate([_joined(a, depth - 1, ndim) for a in arrays], -depth)
    x = as_array(arrays, "block")
    return reshape(x, (1,) * (ndim - len(shape_of(x))) + shape_of(x))


@implements(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """``numpy.append``."""
    return concatenate((as_array(arr, "append"), as_array(values, "append")), axis)


# -- splitting ---------------------------------------------------------------------------------------------------------


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """``numpy.array_split``: at indices, or into parts whose lengths differ by at most 1."""
    x = as_array(ary, "array_split")
    axis = normal_axis(axis, len(shape_of(x)), "array_split")
    n = shape_of(x)[axis]
    if isinstance(indices_or_sections, (Sequence, np.ndarray)):
        depends_on(indices_or_sections)
        bounds = [0, *[operator.index(i) for i in indices_or_sections], n]
        spans = [slice(a, b).indices(n)[:2] for a, b in pairwise(bounds)]
        spans = [(a, max(a, b)) for a, b in spans]
    else:
        sections = operator.index(indices_or_sections)
        if sections <= 0:
            raise ArgumentError(f"np.array_split{here()}: the number of sections must be at least 1, got {sections}")
        each, extra = divmod(n, sections)
        ends = [k * each + min(k, extra) for k in range(sections + 1)]
        spans = list(pairwise(ends))
    return [get_item(x, (*[slice(None)] * axis, slice(a, b))) for a, b in spans]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """``numpy.split``: at indices, or into equal parts."""
    if not isinstance(indices_or_sections, (Sequence, np.ndarray)):
        n = shape_of(ary)[normal_axis(axis, len(shape_of(ary)), "split")]
        if indices_or_sections <= 0 or n % indices_or_sections:
            raise ShapeError(
                f"np.split{here()}: an axis of length {n} cannot be split into {indices_or_sections} equal parts; use "
                "np.array_split"
            )
    return array_split(ary, indices_or_sections, axis)  # type: ignore[no-any-return]


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``numpy.vsplit``: along axis 0."""
    return split(ary, indices_or_sections, 0)  # type: ignore[no-any-return]


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``numpy.hsplit``: along axis 1; of a vector, along axis 0."""
    return split(ary, indices_or_sections, 1 if len(shape_of(ary)) > 1 else 0)  # type: ignore[no-any-return]


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``numpy.dsplit``: along axis 2."""
    return split(ary, indices_or_sections, 2)  # type: ignore[no-any-return]


@implements(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """``numpy.unstack``: the parts along an axis."""
    i = normal_axis(axis, len(shape_of(x)), "unstack")
    return tuple([x[(slice(None),) * i + (k,)] for k in range(shape_of(x)[i])])


# -- padding -----------------------------------------------------------------------------------------------------------


@implements(np.pad)
def pad(
    array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0, reflect_type: str = "even"
) -> Any:
    """``numpy.pad`` with modes constant, edge, reflect (even), symmetric (even), wrap and empty (zeros)."""
    x = as_array(array, "pad")
    ndim = len(shape_of(x))
    widths = _widths(pad_width, ndim)
    if mode == "constant":
        return fresh(_constant_pad(x, widths, constant_values), x)
    if mode == "empty":
        return fresh(_constant_pad(x, widths, 0), x)
    if mode not in ("edge", "reflect", "symmetric", "wrap") or reflect_type != "even":
        given = f"mode {mode!r}" + (f" with reflect_type {reflect_type!r}" if reflect_type != "even" else "")
        raise UnsupportedError(
            f"np.pad{here()}: {given} is not available for traced values; there are constant, edge, reflect, symmetric "
            "and wrap"
        )
    y = x
    for axis, width in enumerate(widths):
        if any(width):
            y = take(y, np.pad(np.arange(shape_of(x)[axis]), width, mode=mode), axis)  # type: ignore[call-overload]
    return fresh(y, x)


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, dict):
        given = [pad_width.get(i, pad_width.get(i - ndim, 0)) for i in range(ndim)]
        pad_width = [(w, w) if isinstance(w, int) else w for w in given]
    depends_on(pad_width)
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (ndim, 2)).tolist()
    except ValueError:
        raise ShapeError(
            f"np.pad{here()}: pad_width {pad_width} does not fit an array of {ndim} axes; give one (before, after) an "
            "axis"
        ) from None
    if any(not isinstance(w, int) or w < 0 for pair in widths for w in pair):
        raise ArgumentError(
            f"np.pad{here()}: pad_width must be made of integers that are not negative, got {pad_width}"
        )
    return [(before, after) for before, after in widths]


def _constant_pad(x: Any, widths: list[tuple[int, int]], values: Any) -> Any:
    ndim = len(widths)
    if isinstance(values, Tracer) or np.ndim(values) == 0:
        return strict_pad(x, cast(operand(values, "pad"), x.dtype), [(before, after, 0) for before, after in widths])
    depends_on(values)
    for axis, (width, pair) in enumerate(zip(widths, np.broadcast_to(np.asarray(values), (ndim, 2)), strict=True)):
        for side in (0, 1):
            margins = [(0, 0, 0)] * ndim
            margins[axis] = (width[0], 0, 0) if side == 0 else (0, width[1], 0)
            x = strict_pad(x, x.dtype.type(pair[side]), margins)
    return x


# -- differences -------------------------------------------------------------------------------------------------------


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """``numpy.diff``: the differences between neighbours along an axis, n times over."""
    x = as_array(a, "diff")
    if n < 0:
        raise ArgumentError(f"np.diff{here()}: the order must not be negative, got {n}")
    shape = shape_of(x)
    axis = normal_axis(axis, len(shape), "diff")
    ends = [_end(v, shape, axis) for v in (prepend, append)]
    if n and (ends[0] is not None or ends[1] is not None):
        x = concatenate([v for v in (ends[0], x, ends[1]) if v is not None], axis)
    difference = not_equal if x.dtype.kind == "b" else subtract
    y = x
    for _ in range(n):
        length = shape_of(y)[axis]
        y = difference(part(y, axis, min(1, length), length), part(y, axis, 0, max(length - 1, 0)))
    return fresh(y, x)


def _end(value: Any, shape: tuple[int, ...], axis: int) -> Any:
    if value is None:
        return None
    v = as_array(value, "diff")
    return v if shape_of(v) else broadcast(v, [1 if i == axis else m for i, m in enumerate(shape)], ())


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """``numpy.ediff1d``: differences of neighbouring elements, with others before and behind."""
    x = as_array(ary, "ediff1d")
    steps = diff(reshape(x, (prod(shape_of(x)),)))
    ends = [None if v is None else as_array(v, "ediff1d") for v in (to_begin, to_end)]
    for v in ends:
        if v is not None and not np.can_cast(v.dtype, x.dtype, "same_kind"):
            raise DtypeError(f"np.ediff1d{here()}: ends of dtype {v.dtype} do not fit an array of dtype {x.dtype}")
    begin, end = (v if v is None else reshape(cast(v, x.dtype), (prod(shape_of(v)),)) for v in ends)
    return concatenate([v for v in (begin, steps, end) if v is not None])
