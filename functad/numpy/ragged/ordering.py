"""Sorting of parts with one axis: what lies elsewhere comes behind all elements, whatever it is."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from functad.core.primitive import type_of
from functad.errors import UnsupportedError
from functad.numpy.axes import normal_axis
from functad.numpy.ragged.items import write_part
from functad.numpy.ragged.regions import Chosen, Window, holds, inside
from functad.numpy.ragged.sizes import fixed
from functad.numpy.ragged.value import Ragged
from functad.numpy.sort_kinds import check_kind
from functad.numpy.traced import here
from functad.primitives import sorting
from functad.primitives.arithmetic import add, div, sub
from functad.primitives.bitwise import bit_not, bit_or
from functad.primitives.comparison import eq, ne
from functad.primitives.convert import convert
from functad.primitives.cumulative import cumsum
from functad.primitives.gather import gather_p
from functad.primitives.rounding import floor_divide
from functad.primitives.selection import maximum, select
from functad.primitives.shapes import reshape

__all__ = ["argsort", "median", "number_in_part", "sort", "sort_in_place"]

INT64 = np.dtype(np.int64)


def _line(a: Ragged, axis: Any, name: str) -> tuple[Any, Any]:
    """All elements of the array along one axis, and which of them are in the part."""
    if len(a._regions) != 1:
        raise UnsupportedError(
            f"np.{name}{here()} of a slice with traced bounds of several axes; there is that of one axis: write a loop "
            "over the others"
        )
    if axis is not None:
        normal_axis(axis, 1, name)
    shape = type_of(a._full).shape
    mask = holds(a._regions, shape)
    assert mask is not None
    return reshape(inside(a._full, a._regions, 0), (prod(shape),)), reshape(mask, (prod(shape),))


def _order(x: Any, mask: Any) -> Any:
    """The places of the elements in order, those of equal ones ascending, and behind them those of all others."""
    order = sorting.argsort(x, 0)
    elsewhere = convert(bit_not(_at(mask, order)), INT64)
    return _at(order, sorting.argsort(elsewhere, 0))


def _at(x: Any, index: Any) -> Any:
    return gather_p.bind(x, index, batch=0)


def _in_front(x: Any, a: Ragged) -> Ragged:
    """As many elements as the part has, from the first one."""
    (n,) = type_of(x).shape
    return Ragged(x, [Window(n, fixed(0), a._regions[0].length)])


def number_in_part(a: Ragged, place: Any, mask: Any) -> Any:
    """The index in a part with one axis of what is at a place of the array, in the order of its elements."""
    (region,) = a._regions
    if isinstance(region, Chosen):
        count = cumsum(convert(mask, INT64), 0)
        return maximum(sub(_at(count, place), np.int64(1)), np.int64(0))
    assert isinstance(region, Window)
    return floor_divide(sub(place, region.start.atom), np.int64(region.step))


def sort(a: Any, axis: Any = -1, kind: Any = None, order: None = None, *, stable: Any = None) -> Any:
    """``numpy.sort``."""
    check_kind(kind, stable, "sort")
    x, mask = _line(a, axis, "sort")
    return _in_front(_at(x, _order(x, mask)), a)


def sort_in_place(a: Any, axis: Any = -1, kind: Any = None, order: None = None, *, stable: Any = None) -> None:
    """``ndarray.sort``."""
    write_part(a, sort(a, axis, kind, stable=stable))


def argsort(a: Any, axis: Any = -1, kind: Any = None, order: None = None, *, stable: Any = None) -> Any:
    """``numpy.argsort``: the indices of equal elements ascend."""
    check_kind(kind, stable, "argsort")
    x, mask = _line(a, axis, "argsort")
    return _in_front(number_in_part(a, _order(x, mask), mask), a)


def median(a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """``numpy.median``: the mean of the two elements in the middle; NaN where there is a NaN, or nothing."""
    if out is not None or keepdims or a._full.dtype.kind not in "fiub":
        raise UnsupportedError(
            f"np.median{here()} of a slice with traced bounds takes real numbers, and neither out= nor keepdims="
        )
    x, mask = _line(a, axis, "median")
    x = x if x.dtype.kind == "f" else convert(x, np.dtype(np.float64))
    s, n = _at(x, _order(x, mask)), a._regions[0].length.atom

    def element(k: Any) -> Any:
        return reshape(_at(s, reshape(maximum(k, np.int64(0)), (1,))), ())

    low, high = element(floor_divide(sub(n, np.int64(1)), np.int64(2))), element(floor_divide(n, np.int64(2)))
    last = element(sub(n, np.int64(1)))
    none = bit_or(eq(n, np.int64(0)), ne(last, last))
    return select(none, x.dtype.type(np.nan), div(add(low, high), x.dtype.type(2)))
