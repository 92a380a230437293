"""Reading at indices that are data, and adding at them: each is the transpose of the other.

``gather`` reads; scatters combine updates with a copy of an array, one after the other in row-major order. An index may
occur many times. The operands are laid out as ``indexing`` says:

    gather(x, i, j)[b, l, r] = x[b, i[b, l], j[b, l], r]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.cotangents import Sum, Update
from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.core.zeros import instantiate, zeros
from functad.errors import DtypeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Pull, Statements
from functad.primitives.broadcasting import lead_axes
from functad.primitives.indexing import (
    batch_grid,
    check_indices,
    check_updates,
    clamped,
    elements,
    indexed_type,
    no_target,
    target,
)
from functad.primitives.ordered import accumulate, copy, over
from functad.primitives.shapes import transpose

__all__ = ["ScatterUpdate", "declare_scatter", "gather", "gather_p", "scatter_add_p"]

# -- gather ------------------------------------------------------------------------------------------------------------


def gather(x: Any, *indices: Any, batch: int = 0) -> Any:
    """``out[b, l, r] = x[b, indices[0][b, l], indices[1][b, l], ..., r]``, with ``batch`` leading axes b common to all.

    The index arrays are int64 of one shape. Negative indices count from the end; one out of bounds raises
    IndexOutOfBoundsError.
    """
    return gather_p.bind(x, *check_indices("gather", x, indices, batch), batch=batch)


def _gather_jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any, *, batch: int) -> Any:
    return gather_p.bind(ts[0], *xs[1:], batch=batch)


def _gather_transpose(ct: Any, x: Any, *indices: Any, batch: int) -> tuple[Any, ...]:
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


# -- the declaration of a scatter --------------------------------------------------------------------------------------


def declare_scatter(op: str, ufunc: np.ufunc | None, accumulation: str, **rules: Any) -> Primitive:
    """Declare a scatter; ``accumulation`` is what the kernel IR calls it."""
    name = f"scatter_{op}"

    def type_rule(x: ArrayType, updates: ArrayType, *indices: ArrayType, batch: int) -> ArrayType:
        check_updates(name, x, updates, indices, batch)
        if x.dtype.kind == "b" and op != "set":
            raise DtypeError(f"{name} does not take {x}: bools can only be set; convert with .astype(int)")
        return x

    def evaluate(x: Any, updates: Any, *indices: Any, batch: int) -> Any:
        out = np.array(x, order="C")
        if ufunc is None:
            out.reshape(-1)[elements(x, indices, batch)] = np.ravel(updates)
        else:
            with np.errstate(invalid="ignore"):  # NumPy's maximum.at complains of NaN, maximum does not
                ufunc.at(out.reshape(-1), elements(x, indices, batch), np.ravel(updates))
        return out

    def statements(ctx: Any, in_types: Sequence[ArrayType], out_types: Any, *, batch: int) -> None:
        copy(ctx, in_types[0].shape)

        def body(b: Any, index: Any) -> None:
            accumulate(b, ctx.output(), target(b, ctx, in_types, 2, index, batch), accumulation, ctx.read(1)(index))

        if not no_target(in_types, 2, batch):
            over(ctx, in_types[1].shape, body, name)

    primitive = Primitive(
        name,
        type_rule=type_rule,
        evaluate=evaluate,
        batch=lambda size, batched, *xs, batch: (primitive.bind(*lead_axes(size, batched, xs), batch=batch + 1), True),
        kernel=Statements(statements, static=("batch",), updates=True),
        samples=lambda: _scatter_samples(op),
        **rules,
    )
    return primitive


def _scatter_samples(op: str) -> list[Sample]:
    def sample(dtype: type, shape: tuple[int, ...], updates: tuple[int, ...], *indices: Any, batch: int = 0) -> Sample:
        return Sample((array_type(shape, dtype), array_type(updates, dtype), *indices), {"batch": batch})

    repeated = np.array([3, 0, 3, 3])
    made = [
        sample(np.float64, (4,), (4,), repeated),
        sample(np.float64, (4,), (), np.int64(2)),
        sample(np.float32, (3, 2), (2, 2, 2), np.array([[1, 1], [2, 0]])),
        sample(np.complex128, (4,), (4,), repeated),
        sample(np.int64, (4,), (4,), repeated),
        sample(np.float64, (3, 20), (3,), np.array([1, 2, 1]), np.array([19, 19, 19])),
        sample(np.float64, (2, 3, 2), (2, 3, 2), np.array([[0, 2, 2], [1, 1, 0]]), batch=1),
        sample(np.float64, (2, 3), (2,), np.array([2, 0]), batch=1),
        sample(np.float64, (0, 2), (0, 2), np.zeros((0,), np.int64)),
        sample(np.float64, (3, 0), (2, 0), np.array([2, 1])),
    ]
    return [*made, sample(np.bool_, (4,), (4,), repeated)] if op == "set" else made


# -- add: linear in x and the updates together ------------------------------------------------------------------------


class ScatterUpdate(Update):
    """What elements at indices add to a cotangent: the operands are the elements and the indices, the params those of
    ``scatter_add``.
    """

    __slots__ = ()

    def alone(self) -> Any:
        return self.onto(zeros(self.type))

    def onto(self, x: Any) -> Any:
        return scatter_add_p.bind(x, *self.operands, **self.params)

    def into(self, out: np.ndarray) -> None:
        updates, *indices = self.operands
        np.add.at(out.reshape(-1), elements(out, indices, **self.params), np.ravel(updates))


def _add_jvp(ts: Sequence[Any], operands: Sequence[Any], y: Any, *, batch: int) -> Any:
    tx, tu = ts[:2]
    return tx if tu is None else scatter_add_p.bind(instantiate(tx, type_of(y)), tu, *operands[2:], batch=batch)


def _add_transpose(ct: Any, x: Any, updates: Any, *indices: Any, batch: int) -> tuple[Any, ...]:
    ct_u = gather_p.bind(ct, *indices, batch=batch) if type(updates) is Linear else None
    return (ct if type(x) is Linear else None, ct_u, *[None] * len(indices))


scatter_add_p: Primitive = declare_scatter("add", np.add, "sum", jvp=_add_jvp, linear=(0, 1), transpose=_add_transpose)
