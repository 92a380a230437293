"""Reductions over axes; the result lacks them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.rules import KernelRule, Reduction, Statements
from functad.primitives.arithmetic import div, mul
from functad.primitives.axes import DTYPES, Axes, check_axes, kept_axes, reduction
from functad.primitives.bitwise import bit_or
from functad.primitives.broadcasting import broadcast, reduce_sum
from functad.primitives.comparison import eq, isnan
from functad.primitives.convert import convert
from functad.primitives.cumulative import cumprod, shifted
from functad.primitives.ordered import accumulate, start
from functad.primitives.selection import select
from functad.primitives.shapes import reshape, transpose

__all__ = ["argmax", "argmin", "reduce_all", "reduce_any", "reduce_max", "reduce_min", "reduce_prod"]


# -- prod: dy = sum_i dx_i * (product of all x_j before i) * (product of all x_j after i): no division by an x_i = 0 ---


def _prod_jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any, *, axes: Axes) -> Any:
    x, t = (_with_last(v, axes) for v in (xs[0], ts[0]))
    last = type_of(x).ndim - 1
    before = shifted(cumprod(x, last), last, 1)
    after = shifted(cumprod(x, last, reverse=True), last, 1, reverse=True)
    return reduce_sum(mul(t, mul(before, after)), (last,))


def _with_last(x: Any, axes: Axes) -> Any:
    """The array with these axes merged into one, the last."""
    shape = type_of(x).shape
    kept = kept_axes(len(shape), axes)
    return reshape(transpose(x, kept + axes), (*[shape[a] for a in kept], prod([shape[a] for a in axes])))


def _kernel(op: str, boolean: str = "") -> Callable[..., KernelRule]:
    """The kernel of a reduction whose complex form is no reduction of the parts, and whose form for bools has another
    name.
    """

    def ordered(ctx: Any, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType], *, axes: Axes) -> None:
        (x,), (out,) = in_types, out_types
        kept = kept_axes(x.ndim, axes)
        start(ctx, ctx.output(), out.shape, op, x.dtype)
        ctx.kernel(
            x.shape,
            lambda b, index: accumulate(b, ctx.output(), tuple(index[a] for a in kept), op, ctx.read(0)(index)),
            op,
        )

    def rule(in_types: Sequence[ArrayType], params: Any) -> KernelRule:
        kind = in_types[0].dtype.kind
        return Statements(ordered, static=("axes",)) if kind == "c" else Reduction(boolean if kind == "b" else op)

    return rule


reduce_prod = reduction(
    "prod", lambda x, *, axes: np.prod(x, axis=axes, dtype=x.dtype), "fciu", jvp=_prod_jvp, kernel=_kernel("prod")
)


# -- max, min: elements that tie share the tangent equally; so do NaNs where the result is NaN -------------------------


def _extremum_jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any, *, axes: Axes) -> Any:
    (t,), (x,) = ts, xs
    shape = type_of(x).shape
    attained = bit_or(eq(x, broadcast(y, shape, kept_axes(len(shape), axes))), isnan(x))
    return div(reduce_sum(select(attained, t, 0), axes), reduce_sum(convert(attained, type_of(x).dtype), axes))


reduce_max = reduction(
    "max",
    lambda x, *, axes: np.max(x, axis=axes),
    "fciub",
    jvp=_extremum_jvp,
    kernel=_kernel("max", "any"),
    empty=False,
)
reduce_min = reduction(
    "min",
    lambda x, *, axes: np.min(x, axis=axes),
    "fciub",
    jvp=_extremum_jvp,
    kernel=_kernel("min", "all"),
    empty=False,
)


# -- any, all: of bools ------------------------------------------------------------------------------------------------

reduce_any = reduction("any", lambda x, *, axes: np.any(x, axis=axes), "b")
reduce_all = reduction("all", lambda x, *, axes: np.all(x, axis=axes), "b")


# -- argmax, argmin: the first index at which the extremum, or the first NaN, is ---------------------------------------


def _arg_extremum(name: str, evaluate: Callable[..., Any], op: str) -> Callable[[Any, int], Any]:
    def type_rule(x: ArrayType, *, axis: int) -> ArrayType:
        check_axes(name, x, (axis,))
        if x.shape[axis] == 0:
            raise ShapeError(f"{name} of {x} along axis {axis}, which is empty: there is no index to give")
        return array_type((*x.shape[:axis], *x.shape[axis + 1 :]), np.int64)

    def statements(ctx: Any, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType], *, axis: int) -> None:
        (x,), (out,) = in_types, out_types
        dtype = np.dtype(np.uint8) if x.dtype.kind == "b" else x.dtype
        best = ctx.temp(out.shape, dtype)

        def value(b: Any, index: Any) -> Any:
            return b.cast(ctx.read(0)(index), dtype)

        def extremum(b: Any, index: Any) -> None:
            combine = accumulate if dtype.kind == "c" else Builder.reduce
            combine(b, best, index[:axis] + index[axis + 1 :], op, value(b, index))

        def first(b: Any, index: Any) -> None:
            kept = index[:axis] + index[axis + 1 :]
            x_i = value(b, index)
            attained = b.bit_or(b.eq(x_i, b.load(best, kept)), b.isnan(x_i))
            b.reduce(ctx.output(), kept, "min", b.select(attained, b.axis(index[axis]), b.size(x.shape[axis])))

        if dtype.kind == "c":
            start(ctx, best, out.shape, op, dtype)
        ctx.kernel(x.shape, extremum, op)
        ctx.kernel(x.shape, first, name)

    def samples() -> list[Sample]:
        cases = [((4,), 0), ((2, 3), 0), ((20, 3), 1), ((2, 3, 2), 1), ((1,), 0), ((0, 3), 1)]
        made = [Sample((array_type(shape, np.float64),), {"axis": axis}) for shape, axis in cases]
        made += [Sample((np.array([[0.0, np.nan, 2.0, np.nan], [1.0, 3.0, 3.0, -np.inf]]),), {"axis": 1})]
        return made + [Sample((array_type((3, 2), dtype),), {"axis": 0}) for dtype in (np.float32, *DTYPES.values())]

    def arg(x: Any, axis: int) -> Any:
        return primitive.bind(x, axis=axis)

    primitive = Primitive(
        name,
        type_rule=type_rule,
        evaluate=lambda x, *, axis: evaluate(x, axis=axis).astype(np.int64),
        batch=lambda size, batched, x, *, axis: (arg(x, axis + 1), True),
        kernel=Statements(statements, static=("axis",)),
        samples=samples,
    )
    arg.__name__ = name
    arg.__doc__ = f"The index (int64) of the first {op}imum along an axis; that of the first NaN, if an element is."
    return arg


argmax = _arg_extremum("argmax", np.argmax, "max")
argmin = _arg_extremum("argmin", np.argmin, "min")
