"""Order along one axis: sorted values, the permutation that sorts them, and places in what is sorted.

NaN is larger than everything, and what is equal keeps its order. Sorted values are the operand at a permutation that
is constant around almost every point, so tangents are permuted: where elements are equal, as a stable sort does it.

Natively, few elements are put where the number of elements before them says, without a branch; many are sorted by
NumPy's C routines, which are vectorised.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Pull, Statements
from functad.kernel_ir.sizes import poly
from functad.primitives.axes import check_axes
from functad.primitives.broadcasting import lead_axes
from functad.primitives.gather import along
from functad.primitives.indexing import clamped
from functad.primitives.native_sorts import native_order, native_sort
from functad.primitives.ordered import start

__all__ = ["argsort", "search_sorted", "sort"]

INT64 = np.dtype(np.int64)

# -- sort and argsort --------------------------------------------------------------------------------------------------


def sort(x: Any, axis: int) -> Any:
    """The elements along an axis in ascending order."""
    return sort_p.bind(x, axis=axis)


def argsort(x: Any, axis: int) -> Any:
    """The indices (int64) of the elements along an axis in ascending order; those of equal elements ascend, too."""
    return argsort_p.bind(x, axis=axis)


def _stable_order(x: Any, axis: int) -> Any:
    """NumPy's fast sort is not stable: that matters only where elements are equal."""
    order = np.argsort(x, axis)
    if x.dtype.itemsize < 4 or x.dtype.kind == "c":
        return np.argsort(x, axis, kind="stable")
    ordered = np.moveaxis(np.take_along_axis(x, order, axis), axis, -1)
    left, right = ordered[..., 1:], ordered[..., :-1]
    if np.any(left == right) or (x.dtype.kind == "f" and np.any(np.isnan(right))):
        return np.argsort(x, axis, kind="stable")
    return order


FEW = 16
"""So many elements are counted; the comparisons are the square of this."""


def precedes(b: Any, x: Any, y: Any) -> Any:
    """Whether x is less than y, where NaN is larger than everything."""
    less = b.lt(x, y)
    return less if x.dtype.kind != "f" else b.bit_or(less, b.bit_and(b.isnan(y), b.bit_not(b.isnan(x))))


def _counted(ctx: Any, x: ArrayType, axis: int, order: bool) -> None:
    """Each element goes where the number of those says that are less, or equal and before it."""
    places = ctx.temp(x.shape, INT64)

    def count(b: Any, index: Any) -> None:
        own, other = index[:-1], (*index[:axis], index[-1], *index[axis + 1 : -1])
        x_i, x_j = ctx.read(0)(own), ctx.read(0)(other)
        comes_first = b.lt(b.axis(index[-1]), b.axis(own[axis]))
        before = b.bit_or(precedes(b, x_j, x_i), b.bit_and(comes_first, b.bit_not(precedes(b, x_i, x_j))))
        b.reduce(places, own, "sum", b.cast(before, INT64))

    def place(b: Any, index: Any) -> None:
        at = clamped(b, b.load(places, index), x.shape[axis])
        value = b.axis(index[axis]) if order else ctx.read(0)(index)
        b.scatter(ctx.output(), (*index[:axis], at, *index[axis + 1 :]), "set", value)

    start(ctx, ctx.output(), x.shape, "sum", INT64 if order else x.dtype)
    ctx.kernel((*x.shape, x.shape[axis]), count, "count")
    ctx.kernel(x.shape, place, "place")


def _in_lines(ctx: Any, x: ArrayType, axis: int, order: bool) -> None:
    """NumPy sorts adjacent elements: those of another axis are copied to the last one, and back."""
    last = x.ndim - 1
    lines = (*x.shape[:axis], *x.shape[axis + 1 :], x.shape[axis])
    moved = axis != last
    values = ctx.temp(lines, x.dtype) if order or moved else ctx.output()

    def place(index: Any) -> Any:
        return (*index[:axis], *index[axis + 1 :], index[axis])

    ctx.kernel(x.shape, lambda b, index: b.store(values, place(index), ctx.read(0)(index)), "copy")
    result = values
    if order:
        result = ctx.temp(lines, INT64) if moved else ctx.output()
        ctx.kernel(lines, lambda b, index: b.store(result, index, b.axis(index[last])), "count")
        ctx.call(native_order(x.dtype, x.ndim), values, result)
    else:
        ctx.call(native_sort(x.dtype, x.ndim), values)
    if moved:
        ctx.kernel(x.shape, lambda b, index: b.store(ctx.output(), index, b.load(result, place(index))), "copy")


def _kernel(order: bool) -> Statements:
    def statements(ctx: Any, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType], *, axis: int) -> None:
        (x,) = in_types
        n = x.shape[axis]
        few = x.dtype.kind in "fiu" and isinstance(n, int) and n <= FEW
        (_counted if few else _in_lines)(ctx, x, axis, order)

    return Statements(statements, static=("axis",))


def _type_rule(x: ArrayType, *, axis: int) -> ArrayType:
    check_axes("sort", x, (axis,))
    return x


def _samples() -> list[Sample]:
    cases: list[tuple[tuple[int, ...], int]] = [
        *[((4,), 0), ((2, 3), 0), ((20, 3), 0), ((2, 20), 1), ((2, 3, 2), 1), ((1,), 0), ((0, 3), 0), ((0, 3), 1)]
    ]
    rng = np.random.default_rng(0)  # no two elements are as near as finite differences reach
    apart = [rng.permutation(prod(shape)).reshape(shape) / 8 for shape, _ in cases]
    made = [Sample((x,), {"axis": axis}) for x, (_, axis) in zip(apart, cases, strict=True)]
    ties = np.array([[0.0, np.nan, 2.0, np.nan, 0.0], [1.0, 3.0, 3.0, -9.0, 9.0]])
    made += [Sample((x,), {"axis": 1}, smooth=False) for x in (ties, np.tile(ties, 4))]
    dtypes = (np.float32, np.float16, np.complex128, np.int64, np.uint8, np.bool_)
    return made + [Sample((array_type((n, 2), t),), {"axis": 0}, smooth=False) for t in dtypes for n in (3, 20)]


argsort_p = Primitive(
    "argsort",
    type_rule=lambda x, *, axis: _type_rule(x, axis=axis).with_dtype(INT64),
    evaluate=lambda x, *, axis: _stable_order(x, axis).astype(INT64, copy=False),
    batch=lambda size, batched, x, *, axis: (argsort(x, axis + 1), True),
    kernel=_kernel(True),
    samples=_samples,
)
sort_p = Primitive(
    "sort",
    type_rule=_type_rule,
    evaluate=lambda x, *, axis: np.sort(x, axis=axis),
    copies=True,
    jvp=lambda ts, xs, y, *, axis: along(ts[0], argsort(xs[0], axis), axis),
    batch=lambda size, batched, x, *, axis: (sort(x, axis + 1), True),
    kernel=_kernel(False),
    samples=_samples,
)


# -- places in what is sorted ------------------------------------------------------------------------------------------


def search_sorted(a: Any, values: Any, side: str, batch: int = 0) -> Any:
    """How many elements of the ascending ``a[b, :]`` are less than ``values[b, ...]`` (side "right": or equal), by
    bisection; ``batch`` leading axes b are common to both.
    """
    steps = int(type_of(a).shape[batch]).bit_length()
    return search_p.bind(a, values, side=side, batch=batch, steps=steps)


def _search_type(a: ArrayType, values: ArrayType, *, side: str, batch: int, steps: int) -> ArrayType:
    if a.dtype != values.dtype or a.dtype.kind not in "fiub":
        raise DtypeError(f"search_sorted takes operands of one real dtype, got {a} and {values}; convert with .astype")
    if a.ndim != batch + 1 or values.shape[:batch] != a.shape[:batch]:
        raise ShapeError(f"search_sorted takes one ascending axis after {batch} common ones, got {a} and {values}")
    if side not in ("left", "right") or steps != a.shape[batch].bit_length():
        raise ArgumentError(f"search_sorted in {a} takes a side, left or right, got {side!r}, {steps} steps")
    return values.with_dtype(INT64)


def _search_evaluate(a: Any, values: Any, *, side: Any, batch: int, steps: int) -> Any:
    if not batch:
        return np.asarray(np.searchsorted(a, values, side), INT64)[()]
    out = np.empty(np.shape(values), INT64)
    for lane in np.ndindex(*np.shape(a)[:batch]):
        out[lane] = np.searchsorted(a[lane], values[lane], side)
    return out


def _search_pull(b: Any, index: Any, reads: Any, types: Any, out: Any, *, side: str, batch: int, steps: int) -> Any:
    """The place grows by powers of two, as long as the element before it goes before the value."""
    (a, _), value = types, reads[1](index)
    size, lanes, place = b.size(poly(a.shape[batch])), index[:batch], b.const(0, INT64)
    for k in reversed(range(steps)):
        further = b.add(place, b.const(1 << k, INT64))
        element = reads[0]((*lanes, clamped(b, b.sub(further, b.const(1, INT64)), a.shape[batch])))
        before = precedes(b, element, value) if side == "left" else b.bit_not(precedes(b, value, element))
        place = b.select(b.bit_and(b.le(further, size), before), further, place)
    return place


def _search_batch(size: int, batched: Sequence[bool], a: Any, values: Any, **params: Any) -> tuple[Any, bool]:
    if not batched[0] and not params["batch"]:
        return search_p.bind(a, values, **params), True
    a, values = lead_axes(size, batched, (a, values))
    return search_p.bind(a, values, **{**params, "batch": params["batch"] + 1}), True


def _search_samples() -> list[Sample]:
    a, many = np.array([-1.0, 0.0, 0.0, 1.5, np.inf]), np.linspace(-2.0, 2.0, 40)
    values = np.array([[-2.0, 0.0, 1.0], [np.inf, np.nan, -np.inf]])
    cases: list[tuple[Any, Any, int]] = [
        *[(a, values, 0), (many, values, 0), (a, np.float64(0.0), 0), (a[:0], values, 0), (a, values[:0], 0)],
        *[(np.stack([a, a + 1]), values, 1), (a.astype("f4"), values.astype("f4"), 0)],
        *[(np.append(a, np.nan), values, 0), (np.array([1, 3, 3]), np.array([3, 0, 9]), 0)],
        (np.array([False, True, True]), np.array([True, False]), 0),
    ]
    return [
        Sample((x, v), {"side": side, "batch": batch, "steps": x.shape[batch].bit_length()}, smooth=False)
        for x, v, batch in cases
        for side in ("left", "right")
    ]


search_p = Primitive(
    "search_sorted",
    type_rule=_search_type,
    evaluate=_search_evaluate,
    batch=_search_batch,
    kernel=Pull(_search_pull, random_access=True, static=("side", "batch", "steps")),
    samples=_search_samples,
)
