"""Arrays with elements put in, taken out, or repeated: which ones is known while a function is traced."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.core.tracer import Tracer
from functad.errors import ArgumentError
from functad.numpy.axes import as_shape, normal_axes, normal_axis
from functad.numpy.dispatch import implements
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.traced import here
from functad.primitives.shapes import reshape

__all__: list[str] = []


def plain(obj: Any, name: str) -> Any:
    """What decides a shape: a slice, integers or booleans that are known."""
    if isinstance(obj, list | tuple):
        return [plain(o, name) for o in obj]
    if type(obj) is Tracer:
        return obj._owner.force(obj._variable, f"np.{name}, whose result depends on the places,")
    return obj


def _along(arr: Any, axis: Any, name: str) -> tuple[Any, int]:
    x = as_array(arr, name)
    if axis is None:
        return reshape(x, (prod(shape_of(x)),)), 0
    return x, normal_axis(axis, len(shape_of(x)), name)


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """``numpy.insert``: values before the given places along an axis."""
    x, axis = _along(arr, axis, "insert")
    n, ndim, where = shape_of(x)[axis], len(shape_of(x)), plain(obj, "insert")
    one = not isinstance(where, slice) and np.ndim(where) == 0
    count = np.arange(n)[where].size if isinstance(where, slice) else np.asarray(where).size
    if not isinstance(where, slice) and np.asarray(where).dtype.kind == "b":
        count = int(np.count_nonzero(where))
    v = cast(as_array(values, "insert"), x.dtype)
    v = reshape(v, (*[1] * (ndim - len(shape_of(v))), *shape_of(v)))
    if one:
        v = fnp.moveaxis(v, 0, axis)
    if one or count == 1:
        count = shape_of(v)[axis]
    v = fnp.broadcast_to(v, (*shape_of(x)[:axis], count, *shape_of(x)[axis + 1 :]))
    order = np.insert(np.arange(n), where, np.arange(n, n + count))
    return fresh_array(fnp.take(fnp.concatenate([x, v], axis), order, axis))


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """``numpy.delete``: without the parts at the given places along an axis."""
    x, axis = _along(arr, axis, "delete")
    kept = np.delete(np.arange(shape_of(x)[axis]), plain(obj, "delete"))
    return fresh_array(fnp.take(x, kept, axis))


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """``numpy.resize``: the elements one after the other, repeated."""
    x, shape = as_array(a, "resize"), as_shape(new_shape, "resize")
    if any(n < 0 for n in shape):
        raise ArgumentError(f"np.resize{here()}: lengths must not be negative, got {shape}")
    line, size = reshape(x, (prod(shape_of(x)),)), prod(shape)
    if not prod(shape_of(x)):
        return fnp.zeros(shape, x.dtype)
    return fresh_array(reshape(fnp.take(line, np.arange(size) % prod(shape_of(x))), shape), x)


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """``numpy.trim_zeros``: without what is 0 in front ("f") and behind ("b"), which must be known."""
    x = as_array(filt, "trim_zeros")
    sides = trim.lower()
    if sides not in ("f", "b", "fb", "bf"):
        raise ArgumentError(f"np.trim_zeros{here()}: trim must be 'f', 'b' or 'fb', got {trim!r}")
    value = plain(x, "trim_zeros")
    found, parts = np.nonzero(value), [slice(None)] * len(shape_of(x))
    for a in normal_axes(axis, len(shape_of(x)), "trim_zeros"):
        first, last = (found[a].min(), found[a].max() + 1) if found[a].size else (shape_of(x)[a], 0)
        if not found[a].size:
            parts[a] = slice(0, 0)
        else:
            parts[a] = slice(int(first) if "f" in sides else None, int(last) if "b" in sides else None)
    return fresh_array(x[tuple(parts)], x)
