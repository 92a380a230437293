"""Reading at indices that are data.

``check_index`` is the one place where an index is compared with the length of its axis; it alone may raise. ``gather``
and the scatters take indices that have passed it, so what derivatives read again is not checked again, and they fuse
and move like any other equation. In native code they clamp all the same: no index, whatever its value, reaches memory
that is not the operand's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.cotangents import Sum
from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import DtypeError, IndexOutOfBoundsError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.nodes import Affine
from functad.kernel_ir.rules import Pointwise, Pull
from functad.kernel_ir.sizes import poly
from functad.primitives.broadcasting import lead_axes
from functad.primitives.shapes import transpose

__all__ = [
    "batch_grid",
    "check_index",
    "check_indices",
    "clamped",
    "gather",
    "gather_p",
    "indexed_type",
    "out_of_bounds",
]

# x has the axes batch + indexed (one an index array) + rest; an index array has batch + looked up. Results have batch +
# looked up + rest:
#     gather(x, i, j)[b, l, r] = x[b, i[b, l], j[b, l], r]


# -- check_index -------------------------------------------------------------------------------------------------------


def check_index(index: Any, axis: int, length: int) -> Any:
    """The index itself where it is in bounds, counted from the end where negative; raises IndexOutOfBoundsError if any
    element is not.

    ``axis`` is only for the message.
    """
    return check_index_p.bind(index, axis=axis, length=length)


def _check_index_type(index: ArrayType, *, axis: int, length: int) -> ArrayType:
    if index.dtype != np.int64:
        raise DtypeError(f"an index must be int64, got {index}; convert with .astype(int)")
    return index


def _check_index_evaluate(index: Any, *, axis: int, length: int) -> Any:
    bad = (index < -length) | (index >= length)
    if np.any(bad):
        raise out_of_bounds(np.asarray(index)[bad].flat[0], axis, length)
    return np.where(index < 0, index + length, index)[()]


def out_of_bounds(index: int, axis: int, length: int) -> IndexOutOfBoundsError:
    """The error for an index; the same as native code raises."""
    return IndexOutOfBoundsError(_message(axis, empty=length == 0).format(length, -length, length - 1, value=index))


def _message(axis: int, empty: bool) -> str:
    """To be formatted with the length, the least and the greatest index that are valid, and the ``value``."""
    valid = "it has no elements" if empty else "valid are {1} to {2}, and np.clip keeps an index between bounds"
    return f"index {{value}} is out of bounds for axis {axis} with size {{0}}: {valid}"


def _check_index_kernel(b: Any, index: Any, *, axis: int, length: int) -> Any:
    n = b.size(length)
    inside = b.bit_and(b.ge(index, b.neg(n)), b.lt(index, n))
    n_poly = poly(length)
    sizes = (n_poly, n_poly * -1, n_poly - 1)
    b.require(inside, "IndexOutOfBoundsError", _message(axis, empty=length == 0), *sizes, value=index)
    return b.select(b.lt(index, 0), b.add(index, n), index)


check_index_p: Primitive = Primitive(
    "check_index",
    type_rule=_check_index_type,
    evaluate=_check_index_evaluate,
    batch=lambda size, batched, index, **params: (check_index_p.bind(index, **params), True),
    kernel=Pointwise(_check_index_kernel, static=("axis",)),
    may_raise=True,
    samples=lambda: [
        Sample((np.array([0, 2, -1, -3, 2]),), {"axis": 0, "length": 3}),
        Sample((np.array([[0, 19], [-20, 7]]),), {"axis": 1, "length": 20}),
        Sample((np.int64(-1),), {"axis": 0, "length": 1}),
        Sample((np.zeros((0,), np.int64),), {"axis": 0, "length": 0}),
    ],
)


# -- gather ------------------------------------------------------------------------------------------------------------


def gather(x: Any, *indices: Any, batch: int = 0) -> Any:
    """``out[b, l, r] = x[b, indices[0][b, l], indices[1][b, l], ..., r]``, with ``batch`` leading axes b common to all.

    The index arrays are int64 of one shape. Negative indices count from the end; one out of bounds raises
    IndexOutOfBoundsError.
    """
    return gather_p.bind(x, *check_indices("gather", x, indices, batch), batch=batch)


def check_indices(name: str, x: Any, indices: Sequence[Any], batch: int) -> list[Any]:
    """``check_index`` of each against its axis of x."""
    indexed_type(name, type_of(x), [type_of(i) for i in indices], batch)
    return [check_index(i, batch + k, type_of(x).shape[batch + k]) for k, i in enumerate(indices)]


def indexed_type(name: str, x: ArrayType, indices: Sequence[ArrayType], batch: int) -> ArrayType:
    """The type of what is read from, or written to x at these indices."""
    given = f"{name} of {x} at indices {', '.join(map(str, indices))}" + (f" with batch={batch}" if batch else "")
    if not indices or batch + len(indices) > x.ndim:
        raise ShapeError(f"{given}: there must be at least one index array, and an axis after the batch axes for each")
    first = indices[0]
    if any(i.dtype != np.int64 for i in indices):
        raise DtypeError(f"{given}: indices must be int64; convert with .astype(int), and a mask with np.nonzero")
    if any(i.shape != first.shape for i in indices):
        raise ShapeError(f"{given}: index arrays must have one shape; broadcast them first")
    if first.shape[:batch] != x.shape[:batch]:
        raise ShapeError(f"{given}: the first {batch} axes of both must be equal")
    return x.with_shape(first.shape + x.shape[batch + len(indices) :])


def batch_grid(shape: Sequence[int], batch: int) -> list[Any]:
    """Index arrays for the batch axes that broadcast against index arrays of this shape."""
    return [
        np.arange(n).reshape([-1 if a == axis else 1 for a in range(len(shape))])
        for axis, n in enumerate(shape[:batch])
    ]


def _gather_jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any, *, batch: int) -> Any:
    return gather_p.bind(ts[0], *xs[1:], batch=batch)


def _gather_transpose(ct: Any, x: Any, *indices: Any, batch: int) -> tuple[Any, ...]:
    from functad.primitives.scatter import ScatterUpdate

    return (Sum([ScatterUpdate(x.type, (ct, *indices), {"batch": batch})]), *[None] * len(indices))


def _gather_batch(size: int, batched: Sequence[bool], x: Any, *indices: Any, batch: int) -> tuple[Any, bool]:
    if batched[0]:
        return gather_p.bind(x, *lead_axes(size, batched[1:], indices), batch=batch + 1), True
    mapped = lead_axes(
        size, batched[1:], indices
    )  # x is read whole: the mapped axis becomes one more that is looked up
    ndim = type_of(mapped[0]).ndim
    mapped = [transpose(i, (*range(1, batch + 1), 0, *range(batch + 1, ndim))) for i in mapped]
    out = gather_p.bind(x, *mapped, batch=batch)
    return transpose(out, (batch, *range(batch), *range(batch + 1, type_of(out).ndim))), True


def clamped(b: Any, index: Any, size: Any) -> Affine:
    """An index that surely lies within an axis that has elements."""
    return Affine.value(b.maximum(b.minimum(index, b.size(poly(size) - 1)), 0))


def _gather_pull(b: Any, index: Any, reads: Any, types: Any, out: Any, *, batch: int) -> Any:
    x, looked_up = types[0], index[: types[1].ndim]
    sizes = x.shape[batch : batch + len(types) - 1]
    where = tuple(clamped(b, read(looked_up), n) for read, n in zip(reads[1:], sizes, strict=True))
    full = (*index[:batch], *where, *index[types[1].ndim :])
    return (
        reads[0](full, mask=b.const(False, np.bool_)) if any(n == 0 for n in sizes) else reads[0](full)
    )  # there is nothing to read


gather_p = Primitive(
    "gather",
    type_rule=lambda x, *indices, batch: indexed_type("gather", x, indices, batch),
    evaluate=lambda x, *indices, batch: x[(*batch_grid(np.shape(indices[0]), batch), *indices)],
    jvp=_gather_jvp,
    linear=(0,),
    transpose=_gather_transpose,
    batch=_gather_batch,
    kernel=Pull(_gather_pull, random_access=True, static=("batch",)),
    samples=lambda: [
        Sample((array_type((4,), np.float64), np.array([3, 0, 3])), {"batch": 0}),
        Sample((array_type((4,), np.float64), np.int64(2)), {"batch": 0}),
        Sample((array_type((3, 2), np.float32), np.array([[1, 1], [2, 0]])), {"batch": 0}),
        Sample((array_type((3, 20), np.complex128), np.array([1, 2]), np.array([19, 19])), {"batch": 0}),
        Sample((array_type((2, 3, 2), np.float64), np.array([[0, 2, 2], [1, 1, 0]])), {"batch": 1}),
        Sample((array_type((2, 3), np.float64), np.array([2, 0])), {"batch": 1}),
        Sample((array_type((2, 2, 3), np.int64), np.array([[0, 1], [1, 1]]), np.array([[2, 0], [0, 0]])), {"batch": 1}),
        Sample((array_type((3,), np.bool_), np.array([0, 2])), {"batch": 0}),
        Sample((array_type((0, 2), np.float64), np.zeros((0,), np.int64)), {"batch": 0}),
        Sample((array_type((3, 0), np.float64), np.array([2, 1])), {"batch": 0}),
    ],
)
