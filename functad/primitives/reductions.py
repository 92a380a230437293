"""Reductions over axes; the result lacks them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import DtypeError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.rules import KernelRule, Reduction, Statements
from functad.primitives.arithmetic import div, mul
from functad.primitives.bitwise import bit_or
from functad.primitives.comparison import eq, isnan
from functad.primitives.convert import convert
from functad.primitives.ordered import accumulate, start
from functad.primitives.selection import select
from functad.primitives.shapes import broadcast, check_axes, reshape, transpose

__all__ = [
    "argmax",
    "argmin",
    "reduce_all",
    "reduce_any",
    "reduce_max",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
    "sum_all",
]

Axes = tuple[int, ...]


def kept_axes(ndim: int, axes: Sequence[int]) -> Axes:
    """The axes that a reduction leaves."""
    return tuple([i for i in range(ndim) if i not in axes])


Reduce = Callable[[Any, Iterable[int]], Any]


def _reduction(
    name: str,
    evaluate: Callable[..., Any],
    kinds: str,
    *,
    jvp: Callable[..., Any] | None = None,
    transpose: Callable[..., Any] | None = None,
    kernel: Callable[..., KernelRule] | None = None,
    empty: bool = True,
) -> Reduce:
    """Declare a reduction to the dtype of its operand; ``empty`` says whether it may be over no elements."""

    def type_rule(x: ArrayType, *, axes: Axes) -> ArrayType:
        check_axes(name, x, axes)
        if x.dtype.kind not in kinds:
            raise DtypeError(
                f"{name} does not take {x.dtype} operands (it takes kinds {', '.join(kinds)}); convert with .astype"
            )
        out = x.with_shape(tuple([x.shape[i] for i in kept_axes(x.ndim, axes)]))
        if not empty and x.size == 0 and out.size:
            raise ShapeError(
                f"{name} of {x} over axes {axes} is over no elements, so it has no value; give it an initial value"
            )
        return out

    def reduce(x: Any, axes: Iterable[int]) -> Any:
        axes = tuple(sorted(axes))
        return primitive.bind(x, axes=axes) if axes else x

    def samples() -> list[Sample]:
        cases = [((4,), (0,)), ((2, 3), (0,)), ((20, 3), (1,)), ((2, 3, 2), (0, 2)), ((1, 2), (0,)), ((3, 0), (0,))]
        cases += [((0, 3), (0,))] if empty else []
        made = [Sample((array_type(shape, DTYPES[kinds[0]]),), {"axes": axes}) for shape, axes in cases]
        return (
            made
            + [Sample((array_type((3, 2), DTYPES[k]),), {"axes": (0,)}) for k in kinds]
            + _float32(kinds, {"axes": (1,)})
        )

    primitive = Primitive(
        name,
        type_rule=type_rule,
        evaluate=evaluate,
        jvp=jvp,
        linear=None if transpose is None else "jointly",
        transpose=transpose,
        batch=lambda size, batched, x, *, axes: (reduce(x, [a + 1 for a in axes]), True),
        kernel=kernel or Reduction(name),
        samples=samples,
    )
    reduce.__name__ = f"reduce_{name}"
    reduce.__doc__ = f"The {name} over axes, all different and not negative."
    return reduce


DTYPES = {"f": np.float64, "c": np.complex128, "i": np.int64, "u": np.uint8, "b": np.bool_}
"""The dtype that samples of each kind have."""


def _float32(kinds: str, params: dict[str, Any]) -> list[Sample]:
    return [Sample((array_type((2, 3), np.float32),), params)] if "f" in kinds else []


def _spread(y: Any, like: Any, axes: Sequence[int]) -> Any:
    """A result of a reduction over the shape of its operand again."""
    shape = type_of(like).shape
    return broadcast(y, shape, kept_axes(len(shape), axes))


# -- sum ---------------------------------------------------------------------------------------------------------------

reduce_sum: Reduce = _reduction(
    "sum",
    lambda x, *, axes: np.add.reduce(x, axis=axes, dtype=x.dtype),
    "fciu",
    jvp=lambda ts, xs, y, *, axes: reduce_sum(ts[0], axes),
    transpose=lambda ct, x, *, axes: (broadcast(ct, x.type.shape, kept_axes(x.type.ndim, axes)),),
)


def sum_all(x: Any) -> Any:
    """Sum over all axes."""
    return reduce_sum(x, range(type_of(x).ndim))


# -- prod: dy = sum_i dx_i * (product of all x_j before i) * (product of all x_j after i): no division by an x_i = 0 ---


def _prod_jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any, *, axes: Axes) -> Any:
    from functad.primitives.cumulative import cumprod, shifted

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


reduce_prod = _reduction(
    "prod", lambda x, *, axes: np.prod(x, axis=axes, dtype=x.dtype), "fciu", jvp=_prod_jvp, kernel=_kernel("prod")
)


# -- max, min: elements that tie share the tangent equally; so do NaNs where the result is NaN -------------------------


def _extremum_jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any, *, axes: Axes) -> Any:
    (t,), (x,) = ts, xs
    attained = bit_or(eq(x, _spread(y, x, axes)), isnan(x))
    return div(reduce_sum(select(attained, t, 0), axes), reduce_sum(convert(attained, type_of(x).dtype), axes))


reduce_max = _reduction(
    "max",
    lambda x, *, axes: np.max(x, axis=axes),
    "fciub",
    jvp=_extremum_jvp,
    kernel=_kernel("max", "any"),
    empty=False,
)
reduce_min = _reduction(
    "min",
    lambda x, *, axes: np.min(x, axis=axes),
    "fciub",
    jvp=_extremum_jvp,
    kernel=_kernel("min", "all"),
    empty=False,
)


# -- any, all: of bools ------------------------------------------------------------------------------------------------

reduce_any = _reduction("any", lambda x, *, axes: np.any(x, axis=axes), "b")
reduce_all = _reduction("all", lambda x, *, axes: np.all(x, axis=axes), "b")


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
