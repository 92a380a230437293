"""Indices as arrays: grids, places in flattened arrays, places of what is not 0; choices and writes along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.core.tracer import Tracer
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.numpy.axes import as_shape, normal_axis
from functad.numpy.dispatch import implements
from functad.numpy.memory import into_plain
from functad.numpy.operands import as_array, cast, fresh_array, shape_of, whole
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here
from functad.numpy.writing import set_item
from functad.primitives.indexing import check_index

__all__: list[str] = []

INT64 = np.dtype(np.int64)

# -- places ------------------------------------------------------------------------------------------------------------


@implements(np.flatnonzero)
def flatnonzero(a: Any) -> Any:
    """``numpy.flatnonzero``: how many there are is a shape, so values must be known while tracing."""
    return fnp.nonzero(fnp.ravel(as_array(a, "flatnonzero")))[0]


@implements(np.argwhere)
def argwhere(a: Any) -> Any:
    """``numpy.argwhere``: how many there are is a shape, so values must be known while tracing."""
    x = as_array(a, "argwhere")
    if not shape_of(x):
        return argwhere(fnp.atleast_1d(x))[:, :0]
    return fnp.stack(fnp.nonzero(x), 1)


@implements(np.ix_)
def ix_(*args: Any) -> tuple[Any, ...]:
    """``numpy.ix_``: index arrays that broadcast to a grid; of booleans, the places of those that are true."""
    found = []
    for k, given in enumerate(args):
        x = as_array(given, "ix_")
        if len(shape_of(x)) != 1:
            raise ShapeError(f"np.ix_{here()} is of arrays with one axis, got shape {shape_of(x)}")
        if not shape_of(x)[0]:
            x = cast(x, INT64)
        if x.dtype.kind == "b":
            (x,) = fnp.nonzero(x)
        found.append(fnp.reshape(x, [-1 if a == k else 1 for a in range(len(args))]))
    return tuple(found)


def _triangle(numpy_function: Any, of: Any) -> Any:
    def f(arr: Any, k: int = 0) -> Any:
        shape = shape_of(as_array(arr, f.__name__))
        if len(shape) != 2:
            raise ShapeError(f"np.{f.__name__}{here()} is of matrices, got shape {shape}")
        return of(shape[0], k=k, m=shape[1])

    f.__name__ = f.__qualname__ = numpy_function.__name__
    f.__doc__ = f"``numpy.{f.__name__}``: of the shape of an array."
    return implements(numpy_function)(f)


tril_indices_from = _triangle(np.tril_indices_from, np.tril_indices)
triu_indices_from = _triangle(np.triu_indices_from, np.triu_indices)


@implements(np.diag_indices_from)
def diag_indices_from(arr: Any) -> Any:
    """``numpy.diag_indices_from``: of the shape of an array."""
    shape = shape_of(as_array(arr, "diag_indices_from"))
    if len(shape) < 2 or len(set(shape)) != 1:
        raise ShapeError(f"np.diag_indices_from{here()} is of arrays whose axes have one length, got shape {shape}")
    return np.diag_indices(shape[0], len(shape))


# -- places in flattened arrays ----------------------------------------------------------------------------------------


def _in_bounds(index: Any, axis: int, n: int, mode: str, name: str) -> Any:
    if mode == "wrap":
        return fnp.remainder(index, n)
    if mode == "clip":
        return fnp.clip(index, 0, n - 1)
    if mode != "raise":
        raise ArgumentError(f"np.{name}{here()}: mode must be 'raise', 'wrap' or 'clip', got {mode!r}")
    return check_index(fnp.where(index < 0, n, index), axis, n)  # negative ones do not count from the end


def _integers(x: Any, name: str) -> Any:
    index = as_array(x, name)
    if index.dtype.kind not in "iub":
        raise DtypeError(f"np.{name}{here()}: indices must be integers, got dtype {index.dtype}")
    return whole(index)


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    """``numpy.ravel_multi_index``: the place in the flattened array of indices, one array an axis."""
    name, shape = "ravel_multi_index", as_shape(dims, "ravel_multi_index")
    indices = [_integers(i, name) for i in multi_index]
    modes = (mode,) * len(shape) if isinstance(mode, str) else tuple(mode)
    if len(indices) != len(shape) or len(modes) != len(shape):
        raise ArgumentError(f"np.{name}{here()}: {len(indices)} index arrays for {len(shape)} axes")
    axes = range(len(shape)) if order == "C" else reversed(range(len(shape)))
    place: Any = np.int64(0)
    for a in axes:
        place = place * shape[a] + _in_bounds(indices[a], a, shape[a], modes[a], name)
    return fresh_array(place) if shape_of(place) else place


@implements(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """``numpy.unravel_index``: the indices, one array an axis, of places in the flattened array."""
    lengths = as_shape(shape, "unravel_index")
    place = _in_bounds(_integers(indices, "unravel_index"), 0, prod(lengths), "raise", "unravel_index")
    found: dict[int, Any] = {}
    for a in reversed(range(len(lengths))) if order == "C" else range(len(lengths)):
        found[a] = place % lengths[a]
        place = place // lengths[a]
    return tuple([found[a] for a in range(len(lengths))])


# -- choices and writes ------------------------------------------------------------------------------------------------


@implements(np.choose)
def choose(a: Any, choices: Any, out: None = None, mode: str = "raise") -> Any:
    """``numpy.choose``: at each place, from the array whose number is given there."""
    given: Sequence[Any] = [choices[k] for k in range(shape_of(choices)[0])] if hasattr(choices, "shape") else choices
    arrays = [as_array(c, "choose") for c in given]
    index = _in_bounds(_integers(a, "choose"), 0, len(arrays), mode, "choose")
    dtype = result_dtype(arrays)
    shape = np.broadcast_shapes(shape_of(index), *[shape_of(c) for c in arrays])
    stacked = fnp.stack([fnp.broadcast_to(cast(c, dtype), shape) for c in arrays])
    picked = fnp.take_along_axis(stacked, fnp.expand_dims(fnp.broadcast_to(index, shape), 0), 0)
    return fresh_array(picked[0]) if shape else picked[0]


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> None:
    """``numpy.put_along_axis``: write values at the indices that are given at each place."""
    if type(arr) is not Tracer:
        raise into_plain(f"np.put_along_axis{here()}")
    index = as_array(indices, "put_along_axis")
    if axis is None:
        fnp.put(arr, fnp.ravel(index), values)
        return
    ndim = len(shape_of(arr))
    axis = normal_axis(axis, ndim, "put_along_axis")
    if len(shape_of(index)) != ndim or index.dtype.kind not in "iu":
        raise ArgumentError(
            f"np.put_along_axis{here()}: indices must be integers with as many axes as the array, got shape "
            f"{shape_of(index)} of dtype {index.dtype} for shape {shape_of(arr)}"
        )
    places = [
        index if a == axis else np.arange(n).reshape([-1 if b == a else 1 for b in range(ndim)])
        for a, n in enumerate(shape_of(arr))
    ]
    set_item(arr, tuple(places), values)
