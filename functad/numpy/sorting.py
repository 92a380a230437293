"""Sorting, and places in what is sorted. All sorts are stable, which NumPy's are with ``kind="stable"``: derivatives of
equal elements go where such a sort puts them.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.trace import ABSENT
from functad.core.tracer import Tracer
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.numpy.axes import normal_axis
from functad.numpy.dispatch import implements
from functad.numpy.indexing import get_item, take_along_axis, where
from functad.numpy.operands import as_array, cast, fresh, fresh_array, operand, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.shapes import flip
from functad.numpy.sort_kinds import check_kind
from functad.numpy.traced import here
from functad.primitives import sorting
from functad.primitives.shapes import reshape
from functad.primitives.sorting import search_sorted

INT64 = np.dtype(np.int64)

# -- sort, argsort, partition ------------------------------------------------------------------------------------------


def lined_up(a: Any, axis: Any, name: str) -> tuple[Any, int]:
    """An array and the axis of it to sort along; with axis None all elements are one line."""
    x = as_array(a, name)
    if axis is None:
        return reshape(x, (prod(shape_of(x)),)), 0
    return x, normal_axis(axis, len(shape_of(x)), name)


def check_kth(kth: Any, n: int, name: str) -> None:
    """Refuse places that there are not."""
    for k in np.atleast_1d(np.asarray(kth)):
        if not -n <= operator.index(k) < n:
            raise ArgumentError(f"np.{name}{here()}: kth={k} is out of bounds for an axis of {n} elements")


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: None = None, *, stable: Any = None) -> Any:
    """``numpy.sort`` along an axis, of all elements for None; NaN comes last."""
    check_kind(kind, stable, "sort")
    x, axis = lined_up(a, axis, "sort")
    return fresh_array(sorting.sort(x, axis), x)


@implements(np.argsort)
def argsort(a: Any, axis: Any = -1, kind: Any = None, order: None = None, *, stable: Any = None) -> Any:
    """``numpy.argsort``: the indices that sort along an axis; those of equal elements ascend, whatever the kind."""
    check_kind(kind, stable, "argsort")
    x, axis = lined_up(a, axis, "argsort") if shape_of(as_array(a, "argsort")) else lined_up(a, None, "argsort")
    return fresh_array(sorting.argsort(x, axis))


@implements(np.partition)
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: None = None) -> Any:
    """``numpy.partition``: here all elements are sorted."""
    x, axis = lined_up(a, axis, "partition")
    check_kth(kth, shape_of(x)[axis], "partition")
    return sort(x, axis)


@implements(np.argpartition)
def argpartition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: None = None) -> Any:
    """``numpy.argpartition``: here the indices that sort all elements."""
    x, axis = lined_up(a, axis, "argpartition")
    check_kth(kth, shape_of(x)[axis], "argpartition")
    return argsort(x, axis)


@implements(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """``numpy.sort_complex``: sorted along the last axis, as complex numbers."""
    y = sort(a)
    if y.dtype.kind == "c":
        return y
    return cast(y, np.dtype(np.complex64 if y.dtype.char in "bhBH" else np.complex128))


@implements(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Any:
    """``numpy.lexsort``: the indices that sort by the last key, what is equal there by the one before it, and so on."""
    given: Sequence[Any] = list(keys)
    lines = [as_array(k, "lexsort") for k in given]
    if not lines:
        raise ArgumentError(f"np.lexsort{here()}: there must be at least one key")
    if any([shape_of(k) != shape_of(lines[0]) for k in lines]):
        raise ShapeError(f"np.lexsort{here()}: all keys must have one shape, got {[shape_of(k) for k in lines]}")
    if not shape_of(lines[0]):
        lines = [reshape(k, (1,)) for k in lines]
    axis = normal_axis(axis, len(shape_of(lines[0])), "lexsort")
    order = sorting.argsort(lines[0], axis)
    for key in lines[1:]:
        order = take_along_axis(order, sorting.argsort(take_along_axis(key, order, axis), axis), axis)
    return fresh_array(order)


# -- places in what is sorted ------------------------------------------------------------------------------------------


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """``numpy.searchsorted``: where values would have to be put into a sorted array, by bisection."""
    if side not in ("left", "right"):
        raise ArgumentError(f"np.searchsorted{here()}: side must be 'left' or 'right', got {side!r}")
    line, values = as_array(a, "searchsorted"), operand(v, "searchsorted")
    if len(shape_of(line)) != 1:
        raise ShapeError(f"np.searchsorted{here()}: the sorted array must have one axis, got shape {shape_of(line)}")
    if sorter is not None:
        line = get_item(line, as_array(sorter, "searchsorted"))
    dtype = result_dtype([line, values])
    if dtype.kind == "c":
        raise DtypeError(f"np.searchsorted{here()} is of real numbers for traced values, got dtype {dtype}")
    found = search_sorted(cast(line, dtype), cast(values, dtype), side)
    return fresh_array(found) if shape_of(values) else fresh(found)


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """``numpy.digitize``: the number of the bin that each element is in; the edges ascend, or descend."""
    edges, side = as_array(bins, "digitize"), "left" if right else "right"
    if as_array(x, "digitize").dtype.kind == "c":
        raise DtypeError(f"np.digitize{here()} is of real numbers")
    known = edges._owner.ask(edges._variable) if type(edges) is Tracer else edges
    n = shape_of(edges)[0]
    if known is ABSENT:
        falling = n - searchsorted(flip(edges), x, side)
        return where(edges[0] > edges[-1], falling, searchsorted(edges, x, side)) if n else falling
    steps = known[1:] >= known[:-1]
    if not (steps.all() or (known[1:] <= known[:-1]).all()):
        raise ArgumentError(f"np.digitize{here()}: the edges of bins must ascend or descend")
    return searchsorted(edges, x, side) if steps.all() else n - searchsorted(flip(edges), x, side)
