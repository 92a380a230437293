"""Writing at indices that are data: ``scatter`` combines updates with a copy of an array, one after the other in
row-major order. Adding is in ``gather``; here are the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.core.zeros import add, instantiate, zeros
from functad.errors import DtypeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Statements
from functad.kernel_ir.sizes import poly
from functad.primitives.arithmetic import div, mul, product_kernel, strong_product
from functad.primitives.bitwise import bit_or
from functad.primitives.broadcasting import broadcast, lead_axes
from functad.primitives.comparison import eq, isnan
from functad.primitives.convert import convert
from functad.primitives.gather import declare_scatter, gather_p, scatter_add_p
from functad.primitives.generate import iota
from functad.primitives.indexing import check_indices, check_updates, no_target, places_of, target
from functad.primitives.ordered import copy, over, start
from functad.primitives.selection import select
from functad.primitives.shapes import reshape

__all__ = ["SCATTERS", "scatter", "scatter_recurrence", "scatter_set_p"]

Shape = tuple[int, ...]


def scatter(x: Any, updates: Any, *indices: Any, op: str = "add", batch: int = 0) -> Any:
    """A copy of x with each update combined by ``op`` (add, mul, min, max or set) with the element at its index.

    Updates to one element all count, in row-major order; of several that are set the last one wins. Negative indices
    count from the end; one out of bounds raises IndexOutOfBoundsError.
    """
    primitive = SCATTERS[op]
    return primitive.bind(x, updates, *check_indices(primitive.name, x, indices, batch), batch=batch)


def _type(operand: Any) -> ArrayType:
    """The type of an operand of a transpose rule."""
    return operand.type if type(operand) is Linear else type_of(operand)


# -- set: linear in x and the updates together ------------------------------------------------------------------------


def _set_jvp(ts: Sequence[Any], operands: Sequence[Any], y: Any, *, batch: int) -> Any:
    tangents = [instantiate(t, type_of(x)) for t, x in zip(ts[:2], operands[:2], strict=True)]
    return scatter_set_p.bind(*tangents, *operands[2:], batch=batch)


def _set_transpose(ct: Any, x: Any, updates: Any, *indices: Any, batch: int) -> tuple[Any, ...]:
    """The cotangent of an element goes to the update that won it, and to x where there was none."""
    ct_x = ct_u = None
    if type(updates) is Linear:
        ct_u = gather_p.bind(ct, *indices, batch=batch)
        shape = type_of(indices[0]).shape
        if prod(shape[batch:]) > 1:
            last = _is_last(_type(x), indices, batch)
            ct_u = select(broadcast(last, type_of(ct_u).shape, range(len(shape))), ct_u, 0)
    if type(x) is Linear:
        ct_x = scatter_set_p.bind(ct, zeros(_type(updates)), *indices, batch=batch)
    return (ct_x, ct_u, *[None] * len(indices))


def _is_last(x: ArrayType, indices: Sequence[Any], batch: int) -> Any:
    """Whether each update is the last one to its element: the one whose number is found there when all numbers are
    set.
    """
    shape = type_of(indices[0]).shape
    numbers = reshape(iota((prod(shape[batch:]),), np.int64, 0), shape[batch:])
    numbers = broadcast(numbers, shape, range(batch, len(shape)))
    places = array_type(x.shape[: batch + len(indices)], np.int64)
    found = gather_p.bind(scatter_set_p.bind(zeros(places), numbers, *indices, batch=batch), *indices, batch=batch)
    return eq(found, numbers)


scatter_set_p: Primitive = declare_scatter("set", None, "set", jvp=_set_jvp, linear=(0, 1), transpose=_set_transpose)


# -- mul: each update u takes the value v so far to u v, so the tangent v' so far to u v' + u' v -----------------------


def _mul_jvp(ts: Sequence[Any], operands: Sequence[Any], y: Any, *, batch: int) -> Any:
    (tx, tu), (x, updates), indices = ts[:2], operands[:2], operands[2:]
    if tu is None:
        return scatter_recurrence(tx, updates, zeros(type_of(updates)), *indices, batch=batch)[0]
    _, before = scatter_recurrence(x, updates, zeros(type_of(updates)), *indices, batch=batch)
    return scatter_recurrence(instantiate(tx, type_of(x)), updates, mul(tu, before), *indices, batch=batch)[0]


def _mul_transpose(ct: Any, x: Linear, updates: Any, *indices: Any, batch: int) -> tuple[Any, ...]:
    return (scatter_mul_p.bind(ct, updates, *indices, batch=batch), *[None] * (1 + len(indices)))


scatter_mul_p: Primitive = declare_scatter(
    "mul", np.multiply, "prod", jvp=_mul_jvp, linear=(0,), transpose=_mul_transpose
)


# -- min, max: the mean of the tangents of all that tie ----------------------------------------------------------------


def _extremum_jvp(ts: Sequence[Any], operands: Sequence[Any], y: Any, *, batch: int) -> Any:
    (x, updates), indices, dtype = operands[:2], operands[2:], type_of(y).dtype
    tx, tu = [instantiate(t, type_of(v)) for t, v in zip(ts[:2], operands[:2], strict=True)]
    kept = bit_or(eq(x, y), isnan(x))
    won = bit_or(eq(updates, gather_p.bind(y, *indices, batch=batch)), isnan(updates))
    total = scatter_add_p.bind(select(kept, tx, 0), select(won, tu, 0), *indices, batch=batch)
    return div(total, scatter_add_p.bind(convert(kept, dtype), convert(won, dtype), *indices, batch=batch))


scatter_min_p = declare_scatter("min", np.minimum, "min", jvp=_extremum_jvp)
scatter_max_p = declare_scatter("max", np.maximum, "max", jvp=_extremum_jvp)

SCATTERS = {
    "add": scatter_add_p,
    "set": scatter_set_p,
    "mul": scatter_mul_p,
    "min": scatter_min_p,
    "max": scatter_max_p,
}


# -- scatter_recurrence: the derivative of scatter_mul, and its own ----------------------------------------------------
#
#     out = x; for each update i in order (or backwards, if reverse):  before[i] = out[index[i]];  out[index[i]] = a[i]
#     before[i] + b[i]
#
# Its results are out and before. It is linear in (x, b) together, and its transpose is itself with the order reversed,
# the cotangent of before[i] in place of b[i]. In a strong one, the product is 0 where one of its factors is, whatever
# the other.


def scatter_recurrence(
    x: Any, a: Any, b: Any, *indices: Any, batch: int, reverse: bool = False, strong: bool = False
) -> tuple[Any, Any]:
    """``out`` and ``before``; the indices are in bounds."""
    return recurrence_p.bind(x, a, b, *indices, reverse=reverse, batch=batch, strong=strong)  # type: ignore[no-any-return]


def _recurrence_type(
    x: ArrayType, a: ArrayType, b: ArrayType, *indices: ArrayType, reverse: bool, batch: int, strong: bool
) -> tuple[ArrayType, ...]:
    for updates in (a, b):
        check_updates("scatter_recurrence", x, updates, indices, batch)
    if x.dtype.kind not in "fciu":
        raise DtypeError(f"scatter_recurrence does not take {x}; convert with .astype(int)")
    return x, a


def _recurrence_evaluate(
    x: Any, a: Any, b: Any, *indices: Any, reverse: bool, batch: int, strong: bool
) -> tuple[Any, Any]:
    out = np.array(x, order="C")
    times = strong_product.primitive.evaluate if strong else np.multiply
    places = places_of(x, indices, batch)
    lead = batch + len(indices)
    rows = out.reshape(prod(out.shape[:lead]), prod(out.shape[lead:]))
    factors, terms = (np.reshape(v, (len(places), rows.shape[1])) for v in (a, b))
    before = np.empty_like(factors)
    for turn in _turns(places, reverse):
        at = places[turn]
        before[turn] = rows[at]
        rows[at] = times(factors[turn], before[turn]) + terms[turn]
    return out, before.reshape(np.shape(a))[()]


def _turns(places: Any, reverse: bool) -> Iterator[Any]:
    """The updates in an order that is right for each place, as arrays of updates to different places."""
    order = np.argsort(places, kind="stable")
    runs = places[order]
    starts = np.searchsorted(runs, runs)
    turn = np.arange(len(order)) - starts  # how many updates to the same place come before
    by_turn = np.argsort(turn, kind="stable")
    groups = np.split(order[by_turn], np.cumsum(np.bincount(turn))[:-1]) if len(order) else []
    return iter(groups[::-1] if reverse else groups)


def _recurrence_jvp(
    ts: Sequence[Any], operands: Sequence[Any], outs: Sequence[Any], *, strong: bool, **params: Any
) -> Sequence[Any]:
    (tx, ta, tb), (x, a, b), indices = ts[:3], operands[:3], operands[3:]
    term = add(None if ta is None else (strong_product if strong else mul)(ta, outs[1]), tb)
    tangents = instantiate(tx, type_of(x)), a, instantiate(term, type_of(b))
    return scatter_recurrence(*tangents, *indices, strong=strong, **params)


def _recurrence_transpose(
    cts: Sequence[Any], x: Any, a: Any, b: Any, *indices: Any, reverse: bool, **params: Any
) -> tuple[Any, ...]:
    given = instantiate(cts[0], _type(x)), a, instantiate(cts[1], _type(b))
    ct_x, ct_b = scatter_recurrence(*given, *indices, reverse=not reverse, **params)
    return (ct_x if type(x) is Linear else None, None, ct_b if type(b) is Linear else None, *[None] * len(indices))


def _recurrence_batch(
    size: int, batched: Sequence[bool], *xs: Any, batch: int, **params: Any
) -> tuple[Any, tuple[bool, bool]]:
    return scatter_recurrence(*lead_axes(size, batched, xs), batch=batch + 1, **params), (True, True)


def _recurrence_statements(
    ctx: Any, in_types: Sequence[ArrayType], out_types: Any, *, reverse: bool, batch: int, strong: bool
) -> None:
    x, a, *_ = in_types
    copy(ctx, x.shape)

    def body(b: Any, loop: Any) -> None:
        index = tuple(i * -1 + (poly(n) - 1) for i, n in zip(loop, a.shape, strict=True)) if reverse else loop
        place = target(b, ctx, in_types, 3, index, batch)
        before = b.load(ctx.output(), place)
        b.store(ctx.output(1), index, before)
        factor = ctx.read(1)(index)
        product = product_kernel(b, factor, before) if strong else b.mul(factor, before)
        b.scatter(ctx.output(), place, "set", b.add(product, ctx.read(2)(index)))

    if no_target(in_types, 3, batch):
        start(ctx, ctx.output(1), a.shape, "sum", a.dtype)
    else:
        over(ctx, a.shape, body, "scatter_recurrence")


def _recurrence_samples() -> list[Sample]:
    def sample(
        dtype: type,
        shape: Shape,
        updates: Shape,
        *indices: Any,
        reverse: bool = False,
        batch: int = 0,
        strong: bool = False,
    ) -> Sample:
        types = array_type(shape, dtype), array_type(updates, dtype), array_type(updates, dtype)
        return Sample((*types, *indices), {"reverse": reverse, "batch": batch, "strong": strong})

    repeated = np.array([3, 0, 3, 3])
    return [
        sample(np.float64, (4,), (4,), repeated),
        sample(np.float64, (4,), (4,), repeated, reverse=True),
        sample(np.float64, (4,), (4,), repeated, strong=True),
        sample(np.float64, (4,), (), np.int64(2)),
        sample(np.float32, (3, 2), (2, 2, 2), np.array([[1, 1], [2, 0]])),
        sample(np.complex128, (4,), (4,), repeated, reverse=True, strong=True),
        sample(np.int64, (4,), (4,), repeated),
        sample(np.float64, (2, 3, 2), (2, 3, 2), np.array([[0, 2, 2], [1, 1, 0]]), batch=1),
        sample(np.float64, (0, 2), (0, 2), np.zeros((0,), np.int64)),
    ]


recurrence_p: Primitive = Primitive(
    "scatter_recurrence",
    type_rule=_recurrence_type,
    evaluate=_recurrence_evaluate,
    jvp=_recurrence_jvp,
    linear=(0, 2),
    transpose=_recurrence_transpose,
    batch=_recurrence_batch,
    kernel=Statements(_recurrence_statements, static=("reverse", "batch", "strong"), updates=True),
    multiple_results=True,
    samples=_recurrence_samples,
)
