"""Indices that are data: their check, and what reading and writing at them share.

``check_index`` is the one place where an index is compared with the length of its axis; it alone may raise. ``gather``
and the scatters take indices that have passed it, so what derivatives read again is not checked again, and they fuse
and move like any other equation. In native code they clamp all the same: no index, whatever its value, reaches memory
that is not the operand's.

Their operands: x has the axes batch + indexed (one an index array) + rest, an index array has batch + looked up.
Results of reading, and updates, have batch + looked up + rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import DtypeError, IndexOutOfBoundsError, ShapeError
from functad.ir.types import ArrayType
from functad.kernel_ir.nodes import Affine
from functad.kernel_ir.rules import Pointwise
from functad.kernel_ir.sizes import poly

__all__ = [
    "batch_grid", "check_index", "check_indices", "check_updates", "clamped", "elements", "from_front_p",
    "indexed_type", "no_target", "out_of_bounds", "places_of", "target",
]  # fmt: skip

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


from_front_p: Primitive = Primitive(
    "from_front",
    type_rule=lambda index, *, length: index,
    evaluate=lambda index, *, length: np.where(index < 0, index + length, index)[()],
    batch=lambda size, batched, index, **params: (from_front_p.bind(index, **params), True),
    kernel=Pointwise(lambda b, index, *, length: b.select(b.lt(index, 0), b.add(index, b.size(length)), index)),
    cheap=True,
    samples=lambda: [
        Sample((np.array([0, 2, -1, -3, 7]),), {"length": 3}),
        Sample((np.array([[0, 19], [-20, 7]]),), {"length": 20}),
    ],
)
"""What ``check_index`` gives, of an index that need not be in bounds."""


# -- what reading and writing share ------------------------------------------------------------------------------------


def check_indices(name: str, x: Any, indices: Sequence[Any], batch: int) -> list[Any]:
    """``check_index`` of each against its axis of x."""
    indexed_type(name, type_of(x), [type_of(i) for i in indices], batch)
    return [check_index(i, batch + k, type_of(x).shape[batch + k]) for k, i in enumerate(indices)]


def indexed_type(name: str, x: ArrayType, indices: Sequence[ArrayType], batch: int) -> ArrayType:
    """The type of what is read from, or written to x at these indices."""
    given = f"{name} of {x} at indices {', '.join(map(str, indices))}" + (f" with batch={batch}" if batch else "")
    if not indices or not 0 <= batch <= x.ndim - len(indices):
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


def clamped(b: Any, index: Any, size: Any) -> Affine:
    """An index that surely lies within an axis that has elements."""
    return Affine.value(b.maximum(b.minimum(index, b.size(poly(size) - 1)), 0))


def check_updates(name: str, x: ArrayType, updates: ArrayType, indices: Sequence[ArrayType], batch: int) -> None:
    """Refuse updates that are not of the type of what is at these indices."""
    expected = indexed_type(name, x, indices, batch)
    if updates is not expected:
        given = f"{name} into {x} at indices {', '.join(map(str, indices))}"
        error = DtypeError if updates.dtype != x.dtype else ShapeError
        raise error(f"{given} takes updates of type {expected}, got {updates}; broadcast or convert them")


def places_of(x: Any, indices: Sequence[Any], batch: int) -> Any:
    """For each update of batch + looked up, in row-major order, the row of ``x.reshape(-1, rest)`` that it goes to."""
    place: Any = 0
    for n, i in zip(np.shape(x), (*batch_grid(np.shape(indices[0]), batch), *indices), strict=False):
        place = place * n + i
    return np.ravel(place)


def elements(x: Any, indices: Sequence[Any], batch: int) -> Any:
    """The element of ``x.reshape(-1)`` that each element of the updates goes to, in row-major order, which is that in
    which NumPy visits one axis.
    """
    width = prod(np.shape(x)[batch + len(indices) :])
    return (places_of(x, indices, batch)[:, None] * width + np.arange(width)).ravel()


def target(b: Any, ctx: Any, in_types: Sequence[ArrayType], first: int, index: Any, batch: int) -> Any:
    """Where in x the update at an index goes; the index arrays are the operands from number ``first`` on."""
    looked_up = in_types[first].ndim
    sizes = in_types[0].shape[batch:]
    where = tuple(clamped(b, ctx.read(k)(index[:looked_up]), sizes[k - first]) for k in range(first, len(in_types)))
    return (*index[:batch], *where, *index[looked_up:])


def no_target(in_types: Sequence[ArrayType], first: int, batch: int) -> bool:
    """Whether an indexed axis is empty: then there is no element that an update could go to (and no index that is in
    bounds).
    """
    return any(n == 0 for n in in_types[0].shape[batch : batch + len(in_types) - first])
