"""Sums of products: matrix products, inner and outer products, and all that ``einsum`` makes of two operands."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from functad.caches import cached
from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.core.zeros import add
from functad.errors import DtypeError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Contraction
from functad.primitives.shapes import inverse_permutation, transpose

__all__ = ["dot_general"]

Axes = tuple[int, ...]
Pair = tuple[Axes, Axes]


def dot_general(x: Any, y: Any, contract: Sequence[Sequence[int]], batch: Sequence[Sequence[int]] = ((), ())) -> Any:
    """The sum over pairs of contracted axes of the products of elements.

    ``contract`` and ``batch`` each hold the axes of x and those of y, paired by position. The result has the batch
    axes, then the other ("free") axes of x, then those of y, both in their own order.
    """
    (cx, cy), (bx, by) = contract, batch
    return dot_p.bind(x, y, contract=(tuple(cx), tuple(cy)), batch=(tuple(bx), tuple(by)))


def free_axes(ndim: int, contract: Axes, batch: Axes) -> Axes:
    """The axes that are neither contracted nor batch."""
    return tuple([a for a in range(ndim) if a not in contract and a not in batch])


def _type_rule(x: ArrayType, y: ArrayType, *, contract: Pair, batch: Pair) -> ArrayType:
    given = f"dot_general of {x} and {y} with contract={contract}, batch={batch}"
    if x.dtype != y.dtype or x.dtype.kind == "b":
        raise DtypeError(f"{given}: operands must have one numeric dtype; convert with .astype")
    for t, contracted, batched in ((x, contract[0], batch[0]), (y, contract[1], batch[1])):
        axes = contracted + batched
        if len(set(axes)) != len(axes) or not all(0 <= a < t.ndim for a in axes):
            raise ShapeError(f"{given}: axes {axes} of {t} must be different ones of 0 to {t.ndim - 1}")
    for kind, (ax, ay) in (("contracted", contract), ("batch", batch)):
        if len(ax) != len(ay):
            raise ShapeError(f"{given}: x and y must have as many {kind} axes, got {len(ax)} and {len(ay)}")
        for i, j in zip(ax, ay, strict=True):
            if x.shape[i] != y.shape[j]:
                raise ShapeError(
                    f"{given}: {kind} axes must have equal lengths, but axis {i} of {x} has length {x.shape[i]} "
                    f"and axis {j} of {y} has length {y.shape[j]}; transpose or reshape an operand so that they fit"
                )
    free = [x.shape[a] for a in free_axes(x.ndim, contract[0], batch[0])] + [
        y.shape[a] for a in free_axes(y.ndim, contract[1], batch[1])
    ]
    return x.with_shape((*[x.shape[a] for a in batch[0]], *free))


def _evaluate(x: Any, y: Any, *, contract: Pair, batch: Pair) -> Any:
    """As matrix products: batch + (free of x, contracted) times batch + (contracted, free of y)."""
    order_x, shape_x, order_y, shape_y, shape = _matrices(x.shape, y.shape, contract, batch)
    lhs, rhs = _as_matrices(x, order_x, shape_x), _as_matrices(y, order_y, shape_y)
    return np.matmul(lhs, rhs).reshape(shape)[()]


def _as_matrices(x: Any, order: Axes | None, shape: Axes) -> Any:
    x = x if order is None else x.transpose(order)
    return x if x.shape == shape else x.reshape(shape)


@cached(1024)
def _matrices(x: Axes, y: Axes, contract: Pair, batch: Pair) -> tuple[Axes | None, Axes, Axes | None, Axes, Axes]:
    """The order of axes (None: as it is), and then the shape, that make matrices of both operands; and the shape of the
    result.
    """
    free_x, free_y = free_axes(len(x), contract[0], batch[0]), free_axes(len(y), contract[1], batch[1])

    def lengths(shape: Axes, axes: Axes) -> Axes:
        return tuple([shape[a] for a in axes])

    batched, rows, inner, columns = (
        lengths(x, batch[0]),
        lengths(x, free_x),
        lengths(x, contract[0]),
        lengths(y, free_y),
    )
    lhs, rhs = (*batched, prod(rows), prod(inner)), (*batched, prod(inner), prod(columns))
    orders = batch[0] + free_x + contract[0], batch[1] + contract[1] + free_y
    order_x, order_y = [None if order == tuple(range(len(order))) else order for order in orders]
    return order_x, lhs, order_y, rhs, batched + rows + columns


def _jvp(ts: Sequence[Any], xs: Sequence[Any], z: Any, *, contract: Pair, batch: Pair) -> Any:
    (tx, ty), (x, y) = ts, xs
    left = None if tx is None else dot_general(tx, y, contract, batch)
    return add(left, None if ty is None else dot_general(x, ty, contract, batch))


def _transpose(ct: Any, x: Any, y: Any, *, contract: Pair, batch: Pair) -> tuple[Any, Any]:
    """The cotangent of one operand is the product of ct and the other one over its free axes; then its axes are put
    where they belong.
    """
    (cx, cy), (bx, by) = contract, batch
    nb = len(bx)
    if type(x) is Linear:
        free_x, free_y = free_axes(x.type.ndim, cx, bx), free_axes(type_of(y).ndim, cy, by)
        in_ct = tuple(range(nb + len(free_x), type_of(ct).ndim))
        product = dot_general(ct, y, (in_ct, free_y), (range(nb), by))
        return transpose(product, inverse_permutation((*bx, *free_x, *_partners(cy, cx)))), None
    free_x, free_y = free_axes(type_of(x).ndim, cx, bx), free_axes(y.type.ndim, cy, by)
    in_ct = tuple(range(nb, nb + len(free_x)))
    product = dot_general(x, ct, (free_x, in_ct), (bx, range(nb)))
    return None, transpose(product, inverse_permutation((*by, *_partners(cx, cy), *free_y)))


def _partners(kept: Axes, theirs: Axes) -> list[int]:
    """The axes of the other operand that are contracted with the axes ``kept``, in the order in which those stand in a
    result.
    """
    return [theirs[kept.index(a)] for a in sorted(kept)]


def _batch(size: int, batched: Sequence[bool], x: Any, y: Any, *, contract: Pair, batch: Pair) -> tuple[Any, bool]:
    """A mapped axis of both is a batch axis; one of x or y alone is a free axis, the first of its own, and goes to the
    front.
    """

    def moved(axes: Pair) -> tuple[list[int], ...]:
        return tuple([a + flag for a in operand] for operand, flag in zip(axes, batched, strict=True))

    contract_, (bx, by) = moved(contract), moved(batch)
    if all(batched):
        return dot_general(x, y, contract_, ([0, *bx], [0, *by])), True
    out = dot_general(x, y, contract_, (bx, by))
    at = len(bx) if batched[0] else len(bx) + len(free_axes(type_of(x).ndim, contract[0], batch[0]))
    return transpose(out, (at, *[a for a in range(type_of(out).ndim) if a != at])), True


def _samples() -> list[Sample]:
    def sample(dtype: type, x: Axes, y: Axes, contract: Pair, batch: Pair = ((), ())) -> Sample:
        return Sample((array_type(x, dtype), array_type(y, dtype)), {"contract": contract, "batch": batch})

    matrices = [
        sample(t, (2, 3), (3, 4), ((1,), (0,))) for t in (np.float64, np.float32, np.complex128, np.complex64, np.int64)
    ]
    return [
        *matrices,
        sample(np.float64, (), (), ((), ())),
        sample(np.float64, (3,), (3,), ((0,), (0,))),
        sample(np.float64, (20,), (30,), ((), ())),
        sample(np.float64, (20, 30), (30,), ((1,), (0,))),
        sample(np.complex128, (20, 30), (20, 2), ((0,), (0,))),
        sample(np.float64, (2, 3, 4), (2, 4, 5), ((2,), (1,)), ((0,), (0,))),
        sample(np.float64, (4, 2, 3), (3, 2, 5), ((2,), (0,)), ((1,), (1,))),
        sample(np.float64, (2, 3, 4), (4, 5, 3), ((1, 2), (2, 0))),
        sample(np.float32, (2, 3), (2, 3), ((), ()), ((0, 1), (0, 1))),
        sample(np.float64, (2, 0), (0, 3), ((1,), (0,))),
        sample(np.float64, (0, 2), (2, 3), ((1,), (0,))),
        sample(np.float64, (1, 1), (1, 1), ((1,), (0,))),
    ]


dot_p = Primitive(
    "dot_general",
    type_rule=_type_rule,
    evaluate=_evaluate,
    copies=True,
    jvp=_jvp,
    linear="each",
    transpose=_transpose,
    batch=_batch,
    kernel=Contraction(),
    samples=_samples,
)
