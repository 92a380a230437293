"""Distinct elements, and sets of them. How many there are is a shape: it is known where the values are while a function
is traced, and elsewhere (under ``jit`` or ``vmap``) given by ``size=``, which ``numpy`` has not.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.core.trace import ABSENT
from functad.core.tracer import Tracer
from functad.errors import ArgumentError, UnsupportedError
from functad.numpy.dispatch import implements
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here
from functad.primitives import sorting
from functad.primitives.scatter import SCATTERS
from functad.primitives.shapes import reshape

__all__: list[str] = []

INT64 = np.dtype(np.int64)
SIZED = frozenset({"size", "fill_value"})


def values(x: Any, name: str, instead: str = "give functad.numpy's size=") -> Any:
    """The values of an array, which must be known; the error says what to do where they are not."""
    if type(x) is not Tracer:
        return x
    found = x._owner.ask(x._variable)
    if found is not ABSENT:
        return found
    return x._owner.force(x._variable, f"np.{name}, whose length depends on it ({instead}),")


# -- unique ------------------------------------------------------------------------------------------------------------


@implements(np.unique, more=SIZED)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """``numpy.unique``: the distinct elements, or parts along an axis, in ascending order.

    With ``size=`` so many: what there is more is dropped, and what lacks is filled with the first, or ``fill_value``.
    """
    x = as_array(ar, "unique")
    wanted = return_index, return_inverse, return_counts
    if size is None:
        found, *others = _by_value(x, axis, equal_nan)
    elif axis is not None:
        raise UnsupportedError(f"np.unique{here()}: size= and axis= do not go together")
    else:
        found, *others = _sized(x, equal_nan, size, fill_value)
    kept = [o for o, flag in zip(others, wanted, strict=True) if flag]
    return (found, *kept) if kept else found


def _by_value(x: Any, axis: int | None, equal_nan: bool) -> tuple[Any, Any, Any, Any]:
    _, index, inverse, counts = np.unique(values(x, "unique"), True, True, True, axis, equal_nan=equal_nan)
    return fresh_array(fnp.take(x, index, axis)), index, inverse, counts


def _sized(x: Any, equal_nan: bool, size: int, fill_value: Any) -> tuple[Any, Any, Any, Any]:
    """The elements in order; a new one starts where an element differs from the one before it."""
    line = reshape(x, (prod(shape_of(x)),))
    n = shape_of(line)[0]
    if not n:
        raise ArgumentError(f"np.unique{here()} of no elements has no size={size}")
    order = sorting.argsort(line, 0)
    ordered = line[order]
    differs = ordered[1:] != ordered[:-1]
    if equal_nan and x.dtype.kind in "fc":
        differs = differs & ~(fnp.isnan(ordered[1:]) & fnp.isnan(ordered[:-1]))
    number = fnp.concatenate([np.zeros(1, INT64), fnp.cumsum(cast(differs, INT64))])
    wanted = np.arange(size)
    first, end = (sorting.search_sorted(number, wanted, side) for side in ("left", "right"))
    there = first < n
    index = order[fnp.where(there, first, 0)]
    found = line[index]
    if fill_value is not None:
        found = fnp.where(there, found, cast(as_array(fill_value, "unique"), x.dtype))
    inverse = SCATTERS["set"].bind(np.zeros(n, INT64), number, order, batch=0)
    return found, index, reshape(inverse, shape_of(x)), end - first


def _several(numpy_function: Any, equal_nan: bool = False) -> Any:
    """A function of the array API standard: NaN equals nothing, itself included."""
    fields = numpy_function(np.zeros(1))

    def f(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> Any:
        found = unique(x, True, True, True, equal_nan=equal_nan, size=size, fill_value=fill_value)
        named = dict(zip(("values", "indices", "inverse_indices", "counts"), found, strict=True))
        return type(fields)(*[named[k] for k in fields._fields])

    f.__name__ = f.__qualname__ = numpy_function.__name__
    f.__doc__ = f"``numpy.{f.__name__}``; see `unique`."
    return implements(numpy_function, more=SIZED)(f)


unique_all, unique_counts, unique_inverse = (
    _several(np.unique_all),
    _several(np.unique_counts),
    _several(np.unique_inverse),
)


@implements(np.unique_values, more=SIZED)
def unique_values(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> Any:
    """``numpy.unique_values``, in ascending order; see `unique`."""
    return unique(x, equal_nan=False, size=size, fill_value=fill_value)


# -- membership --------------------------------------------------------------------------------------------------------


@implements(np.isin)
def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Any:
    """``numpy.isin``: whether each element is among others, found by bisection."""
    x, others = as_array(element, "isin"), fnp.ravel(as_array(test_elements, "isin"))
    dtype = result_dtype([x, others])
    x, others = cast(x, dtype), cast(others, dtype)
    n = shape_of(others)[0]
    if not n:
        found = fnp.zeros_like(x, np.bool_)
    elif dtype.kind == "c":
        found = fnp.any(fnp.expand_dims(x, -1) == others, -1)
    else:
        ordered = sorting.sort(others, 0)
        place = fnp.minimum(sorting.search_sorted(ordered, x, "left"), n - 1)
        found = ordered[place] == x
    return fresh_array(~found if invert else found)


# -- sets --------------------------------------------------------------------------------------------------------------


@implements(np.union1d, more=SIZED)
def union1d(ar1: Any, ar2: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """``numpy.union1d``: the distinct elements of both."""
    both = fnp.concatenate([fnp.ravel(as_array(x, "union1d")) for x in (ar1, ar2)])
    return unique(both, size=size, fill_value=fill_value)


@implements(np.intersect1d)
def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """``numpy.intersect1d``: the distinct elements that are in both, whose values must be known."""
    x, y = as_array(ar1, "intersect1d"), as_array(ar2, "intersect1d")
    a, b = (values(v, "intersect1d", "sizes of sets are not known under jit and vmap") for v in (x, y))
    _, first, second = np.intersect1d(a, b, assume_unique, True)
    common = fresh_array(fnp.take(cast(x, result_dtype([x, y])), first))
    return (common, first, second) if return_indices else common


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """``numpy.setdiff1d``: the distinct elements of one that are not in the other, whose values must be known."""
    x, y = fnp.ravel(as_array(ar1, "setdiff1d")), as_array(ar2, "setdiff1d")
    a, b = (values(v, "setdiff1d", "sizes of sets are not known under jit and vmap") for v in (x, y))
    index = np.arange(a.size) if assume_unique else np.unique(a, return_index=True)[1]
    return fresh_array(fnp.take(x, index[np.isin(a[index], b, invert=True)]))


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """``numpy.setxor1d``: the distinct elements that are in one of both, whose values must be known."""
    x, y = (as_array(v, "setxor1d") for v in (ar1, ar2))
    if not assume_unique:
        x, y = (_by_value(v, None, True)[0] for v in (x, y))
    both = fnp.concatenate([fnp.ravel(x), fnp.ravel(y)])
    value = values(both, "setxor1d", "sizes of sets are not known under jit and vmap")
    order = np.argsort(value, kind="stable")
    ordered = value[order]
    if not value.size:
        return fresh_array(both)
    changes = np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])
    return fresh_array(fnp.take(both, order[changes[1:] & changes[:-1]]))
