"""Reading at an index: ``x[index]`` with NumPy's meaning, ``take``, ``take_along_axis``, and choices by condition."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from functad.caches import cached
from functad.core.handles import View
from functad.core.trace import ABSENT
from functad.core.tracer import ARRAY, Tracer
from functad.errors import ArgumentError, DtypeError, TracerConversionError
from functad.numpy.axes import normal_axis
from functad.numpy.dispatch import implements
from functad.numpy.elementwise import suits
from functad.numpy.indices import in_bounds, integer_span, parse_index
from functad.numpy.items import item, updated
from functad.numpy.memory import view
from functad.numpy.operands import (
    as_array,
    cast,
    check_mask,
    common_shape,
    fresh,
    operand,
    promote,
    shape_of,
    spread,
    whole,
)
from functad.numpy.promotion import result_dtype
from functad.numpy.reductions import refuse_out
from functad.numpy.traced import here
from functad.numpy.ufuncs import maximum, minimum
from functad.primitives import selection
from functad.primitives.broadcasting import broadcast
from functad.primitives.gather import along
from functad.primitives.rounding import remainder
from functad.primitives.shapes import reshape
from functad.primitives.slicing import slice_p

__all__ = ["clip", "compress", "extract", "nonzero", "select", "take", "take_along_axis", "where"]

PLAIN = frozenset((int, type(None)))
BOOL, INT64 = np.dtype(np.bool_), np.dtype(np.int64)


# -- x[index] ----------------------------------------------------------------------------------------------------------


def get_item(x: Any, index: Any) -> Any:
    """``x[index]``."""
    if type(index) is int:
        return _element(x, index)
    if type(index) is slice and type(x) is Tracer:
        found = _slice_params(index.start, index.stop, index.step, x.shape) if _is_plain(index) else None
        if found is not None:
            return _item_view(slice_p.bind(x, **found), x, index)
    parsed = parse_index(index, shape_of(x))
    y = item(x, parsed)
    if (parsed.shape or parsed.keeps_array) and (not parsed.arrays or _are_positions(index)):
        return _item_view(y, x, index)
    y = fresh(y, x)
    if parsed.keeps_array and type(y) is Tracer:
        y._kind = ARRAY
    return y


def _item_view(y: Any, x: Any, index: Any) -> Any:
    """The view ``x[index]``."""
    if type(y) is not Tracer or type(x) is not Tracer:
        return y
    shape = x.shape
    y = view(
        y,
        x,
        lambda p: item(p, parse_index(index, shape)),
        lambda p, v: updated(p, parse_index(index, shape), "set", v),
        lambda a: a[_anywhere(index)],
    )
    if type(y._memory) is View:
        y._memory.of, y._memory.index = x, index
    return y


def _are_positions(index: Any) -> bool:
    """Whether an index is slices and integers, some of them traced: what it takes is a view, as of plain integers."""
    parts = index if type(index) is tuple else (index,)
    return all(
        [_is_position(p) or p is None or p is Ellipsis or isinstance(p, slice | int | np.integer) for p in parts]
    )


def _is_position(part: Any) -> bool:
    return type(part) is Tracer and part._kind != ARRAY and part.dtype.kind in "iu"


def _anywhere(index: Any) -> Any:
    """An index with some integers in place of the traced ones: views of all of them lie alike."""
    if type(index) is tuple:
        return tuple([0 if type(p) is Tracer else p for p in index])
    return 0 if type(index) is Tracer else index


def _is_plain(index: slice) -> bool:
    """Whether a slice's bounds are Python integers, or missing."""
    return PLAIN.issuperset((type(index.start), type(index.stop), type(index.step)))


@cached(4096)
def _slice_params(
    start: int | None, stop: int | None, step: int | None, shape: tuple[int, ...]
) -> dict[str, Any] | None:
    """The params of the equation for a slice of the first axis; None where it takes more, or less, than that."""
    if not shape or (step is not None and step <= 0):
        return None
    a, z, by = slice(start, stop, step).indices(shape[0])
    count = len(range(a, z, by))
    if not count or count == shape[0]:
        return None
    rest = len(shape) - 1
    bounds = (a, *[0] * rest), (a + (count - 1) * by + 1, *shape[1:]), (by if count > 1 else 1, *[1] * rest)
    return dict(zip(("starts", "stops", "steps"), bounds, strict=True))


def _element(x: Any, index: int) -> Any:
    """``x[index]`` of one integer, as loops over an array read it."""
    shape = shape_of(x)
    if not shape:
        parse_index(index, shape)  # raises
    y = reshape(slice_p.bind(x, **_element_params(index, shape)), shape[1:])
    return _item_view(y, x, index) if len(shape) > 1 else y


@cached(4096)
def _element_params(index: int, shape: tuple[int, ...]) -> dict[str, Any]:
    """The params of the slice that is an element of the first axis."""
    start = integer_span(index, 0, shape[0]).start
    zeros = (0,) * (len(shape) - 1)
    return {"starts": (start, *zeros), "stops": (start + 1, *shape[1:]), "steps": (1,) * len(shape)}


# -- indices along one axis --------------------------------------------------------------------------------------------


@implements(np.take)
def take(a: Any, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Any:
    """``numpy.take``: the elements at indices along an axis; mode "raise", "wrap" or "clip"."""
    refuse_out(out, "take")
    x, index = as_array(a, "take"), as_array(indices, "take")
    if index.dtype.kind not in "iu":
        raise DtypeError(f"np.take{here()}: indices must be integers, got dtype {index.dtype}")
    if axis is None:
        x, axis = reshape(x, (prod(shape_of(x)),)), 0
    axis = normal_axis(axis, len(shape_of(x)), "take")
    n = shape_of(x)[axis]
    if mode == "wrap":
        index = remainder(cast(index, INT64), n)
    elif mode == "clip":
        index = selection.clip(whole(index), 0, n - 1)
    elif mode != "raise":
        raise ArgumentError(f"np.take{here()}: mode must be 'raise', 'wrap' or 'clip', got {mode!r}")
    return get_item(x, (*[slice(None)] * axis, index))


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """``numpy.take_along_axis``: at each place, the element at the index given there."""
    x, index = as_array(arr, "take_along_axis"), as_array(indices, "take_along_axis")
    if axis is None:
        x, axis = reshape(x, (prod(shape_of(x)),)), 0
    ndim = len(shape_of(x))
    axis = normal_axis(axis, ndim, "take_along_axis")
    if len(shape_of(index)) != ndim or index.dtype.kind not in "iu":
        raise ArgumentError(
            f"np.take_along_axis{here()}: indices must be integers with as many axes as the array, "
            f"got shape {shape_of(index)} of dtype {index.dtype} for shape {shape_of(x)}"
        )
    index = in_bounds(index, axis, shape_of(x)[axis])
    shapes = [shape_of(v) for v in (x, index)]
    others = common_shape([s[:axis] + s[axis + 1 :] for s in shapes], "take_along_axis")
    full = [(*others[:axis], s[axis], *others[axis:]) for s in shapes]
    x, index = (broadcast(v, s, range(ndim)) for v, s in zip((x, index), full, strict=True))
    return along(x, index, axis)


# -- choices -----------------------------------------------------------------------------------------------------------


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """``numpy.where``: x where a condition holds, else y. With the condition alone, `nonzero`."""
    if x is None and y is None:
        return nonzero(condition)
    plain = type(condition) is np.ndarray and condition.dtype is BOOL
    pred = condition if plain else cast(operand(condition, "where"), BOOL)
    if _are_strict(pred, x, y):
        return selection.select(pred, x, y)
    xs = [operand(x, "where"), operand(y, "where")]
    dtype = result_dtype(xs)
    shape = common_shape([shape_of(pred), *[shape_of(v) for v in xs]], "where")
    return selection.select(spread(pred, shape), *[spread(cast(v, dtype), shape) for v in xs])


def _are_strict(pred: Any, x: Any, y: Any) -> bool:
    """Whether `select` takes these choices as they are: a traced array, and something of its type, or a float."""
    array, other = (x, y) if type(x) is Tracer else (y, x)
    if type(array) is not Tracer:
        return False
    type_ = array._variable.type
    if not type_.ndim or pred.shape != type_.shape:
        return False
    if type(other) is Tracer:
        return other._variable.type is type_
    return type_.dtype.kind == "f" if type(other) is float else suits(other, type_)


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """``numpy.select``: from the first choice whose condition holds, else the default."""
    if len(condlist) != len(choicelist) or not condlist:
        raise ArgumentError(
            f"np.select{here()}: {len(condlist)} conditions and {len(choicelist)} choices; there must be one choice a "
            "condition"
        )
    dtype = result_dtype([operand(v, "select") for v in (*choicelist, default)])
    result = cast(operand(default, "select"), dtype)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        mask = operand(condition, "select")
        check_mask(mask, "each condition", "select")
        result = where(mask, cast(operand(choice, "select"), dtype), result)
    return result


@implements(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, out: None = None, *, min: Any = None, max: Any = None) -> Any:
    """``numpy.clip``: between bounds, either of which may be None."""
    refuse_out(out, "clip")
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    x = operand(a, "clip")
    if low is None and high is None:
        return fresh(x, x)
    if low is None:
        return minimum(x, high)
    if high is None:
        return maximum(x, low)
    return selection.clip(*promote("clip", x, operand(low, "clip"), operand(high, "clip")))


@implements(np.nonzero)
def nonzero(a: Any) -> tuple[np.ndarray, ...]:
    """``numpy.nonzero``, as plain arrays: how many elements are not zero is a shape, so their values must be known
    while tracing.
    """
    x = as_array(a, "nonzero")
    if type(x) is not Tracer:
        return np.nonzero(x)
    value = x._owner.ask(x._variable)
    if value is ABSENT:
        raise TracerConversionError(
            f"np.nonzero, np.where(mask){here()}: how many elements they find is not known while {x._owner.kind} "
            "traces; write np.where(mask, x, y), np.sum(x[mask]) or x[mask] = v, which take the mask itself, and "
            "np.sum(mask) for how many there are"
        )
    return np.nonzero(value)


@implements(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None, out: None = None) -> Any:
    """``numpy.compress``: the parts along an axis where a condition holds, whose values must be known while tracing."""
    refuse_out(out, "compress")
    (index,) = nonzero(condition)
    return take(a, index, axis)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """``numpy.extract``: the elements where a condition holds, whose values must be known while tracing."""
    return compress(reshape(as_array(condition, "extract"), (prod(shape_of(as_array(condition, "extract"))),)), arr)
