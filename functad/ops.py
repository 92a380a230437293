"""Reductions of segments: of the rows of an array that have one number.

>>> import functad as fd, numpy as np
>>> fd.ops.segment_sum(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 0]), 3)
array([5., 2., 0.])
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from functad.core.trace import ABSENT
from functad.core.tracer import Tracer
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.traced import here
from functad.primitives.bitwise import bit_and
from functad.primitives.broadcasting import broadcast
from functad.primitives.comparison import ge, lt
from functad.primitives.scatter import SCATTERS
from functad.primitives.selection import select
from functad.primitives.slicing import slice_

__all__ = ["segment_max", "segment_min", "segment_prod", "segment_sum"]

INT64 = np.dtype(np.int64)


def segment_sum(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
) -> Any:
    """The sum of the rows of each segment; 0 where there is none.

    Parameters
    ----------
    data
        An array; its rows are along axis 0.
    segment_ids
        For each row the number of its segment; rows whose number is negative, or ``num_segments`` or more, count
        nowhere.
    num_segments
        How many segments there are: the length of the result. None: one more than the largest number, which must be
        known then.
    indices_are_sorted, unique_indices
        Taken for the sake of JAX's signature: nothing rests on them.

    Raises
    ------
    ArgumentError
        If ``num_segments`` is missing and the numbers are not known.
    ShapeError
        If there is not one number for each row.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> rows, ids = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([0, 2, 0])
    >>> fd.ops.segment_sum(rows, ids, num_segments=3)
    array([[6., 8.],
           [0., 0.],
           [3., 4.]])
    >>> fd.grad(lambda x: np.sum(fd.ops.segment_sum(x, ids, 3) ** 2))(np.array([1.0, 2.0, 3.0]))
    array([8., 4., 8.])
    """
    return _reduced("segment_sum", "add", data, segment_ids, num_segments, lambda dtype: 0)


def segment_prod(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
) -> Any:
    """The product of the rows of each segment; 1 where there is none. Parameters as of `segment_sum`.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.ops.segment_prod(np.array([2.0, 3.0, 4.0]), np.array([0, 0, 2]), 3)
    array([6., 1., 4.])
    """
    return _reduced("segment_prod", "mul", data, segment_ids, num_segments, lambda dtype: 1)


def segment_max(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
) -> Any:
    """The largest of the rows of each segment, element by element; where there is none, -inf, or the least integer.
    Parameters as of `segment_sum`.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.ops.segment_max(np.array([2.0, 3.0, 4.0]), np.array([0, 0, 2]), 3)
    array([  3., -inf,   4.])
    """
    return _reduced("segment_max", "max", data, segment_ids, num_segments, lambda dtype: _end(dtype, -1))


def segment_min(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
) -> Any:
    """The smallest of the rows of each segment, element by element; where there is none, inf, or the greatest integer.
    Parameters as of `segment_sum`.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.ops.segment_min(np.array([2.0, 3.0, 4.0]), np.array([0, 0, 2]), 3)
    array([ 2., inf,  4.])
    """
    return _reduced("segment_min", "min", data, segment_ids, num_segments, lambda dtype: _end(dtype, 1))


def _end(dtype: np.dtype, sign: int) -> Any:
    """The end of the range of a dtype."""
    if dtype.kind == "f":
        return sign * math.inf
    return np.iinfo(dtype).max if sign > 0 else np.iinfo(dtype).min


def _reduced(name: str, op: str, data: Any, ids: Any, count: int | None, neutral: Any) -> Any:
    x, i = as_array(data, name), as_array(ids, name)
    if i.dtype.kind not in "iu":
        raise DtypeError(f"{name}{here()}: numbers of segments must be integers, got {i.dtype}")
    if x.dtype.kind == "b" or (op in ("max", "min") and x.dtype.kind == "c"):
        raise DtypeError(f"{name}{here()} does not take values of dtype {x.dtype}")
    if not shape_of(x) or shape_of(i) != shape_of(x)[:1]:
        raise ShapeError(
            f"{name}{here()}: data of the shape {shape_of(x)} takes a number for each of its rows, got numbers of the "
            f"shape {shape_of(i)}"
        )
    n = _segments(name, i, count)
    place = cast(i, INT64)
    place = select(bit_and(ge(place, 0), lt(place, np.int64(n))), place, np.int64(n))  # one more row, for what is out
    rest = shape_of(x)[1:]
    start = broadcast(x.dtype.type(neutral(x.dtype)), (n + 1, *rest), ())
    found = SCATTERS[op].bind(start, x, place, batch=0)
    kept = slice_(found, [0] * len(shape_of(x)), [n, *rest])
    return fresh_array(kept) if type(kept) is Tracer else np.array(kept)


def _segments(name: str, ids: Any, count: int | None) -> int:
    """How many segments there are."""
    if count is not None:
        n = operator.index(count)
        if n < 0:
            raise ArgumentError(f"{name}{here()}: num_segments={n} is negative")
        return n
    known = ids._owner.ask(ids._variable) if type(ids) is Tracer else ids
    if known is ABSENT:
        raise ArgumentError(
            f"{name}{here()}: how many segments there are is the length of the result, and the numbers of segments are "
            "not known while the function is traced; give num_segments"
        )
    return int(np.max(known, initial=-1)) + 1


def __dir__() -> list[str]:
    return sorted(__all__)
