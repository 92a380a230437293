"""Accumulation along one axis, forwards or (``reverse``) from its far end; the result has the shape of the operand.

The derivatives of all of them but ``cumsum`` are linear recurrences, ``y_i = a_i y_(i-1) + b_i``, and so is the
derivative of a linear recurrence. So everything here has derivatives of any order in linear time, whatever is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.core.zeros import add
from functad.errors import DtypeError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Statements
from functad.kernel_ir.sizes import poly
from functad.primitives.arithmetic import div, mul, product_kernel, strong_product
from functad.primitives.axes import check_axes
from functad.primitives.bitwise import bit_and, bit_or
from functad.primitives.broadcasting import lead_axes
from functad.primitives.comparison import eq, isnan
from functad.primitives.convert import convert
from functad.primitives.ordered import combine, start
from functad.primitives.selection import select
from functad.primitives.slicing import pad, slice_

__all__ = ["cummax", "cummin", "cumprod", "cumsum", "linear_recurrence", "shifted"]


def shifted(x: Any, axis: int, first: complex, reverse: bool = False) -> Any:
    """Element i is x's element i - 1 (i + 1 if reverse) along the axis; ``first`` is before x."""
    shape = type_of(x).shape
    n = shape[axis]
    if n == 0:
        return x
    starts, stops, widths = [0] * len(shape), list(shape), [(0, 0, 0)] * len(shape)
    starts[axis], stops[axis], widths[axis] = (1, n, (0, 1, 0)) if reverse else (0, n - 1, (1, 0, 0))
    return pad(slice_(x, starts, stops), first, widths)


def _visits(index: Any, out: ArrayType, axis: int, reverse: bool) -> Any:
    """The index of the elements in the order in which a kernel's points visit them."""
    return (*index[:axis], index[axis] * -1 + (poly(out.shape[axis]) - 1), *index[axis + 1 :]) if reverse else index


Cumulative = Callable[..., Any]

# -- cumsum, cumprod, cummax, cummin -----------------------------------------------------------------------------------


def _cumulative(name: str, op: str, ufunc: np.ufunc, **rules: Any) -> Cumulative:
    def type_rule(x: ArrayType, *, axis: int, reverse: bool) -> ArrayType:
        check_axes(name, x, (axis,))
        if x.dtype.kind not in "fciu":
            raise DtypeError(f"{name} does not take {x.dtype} operands; convert with .astype(int)")
        return x

    def evaluate(x: Any, *, axis: int, reverse: bool) -> Any:
        if reverse:
            return np.flip(ufunc.accumulate(np.flip(x, axis), axis, x.dtype), axis)
        return ufunc.accumulate(x, axis, x.dtype)

    def statements(
        ctx: Any, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType], *, axis: int, reverse: bool
    ) -> None:
        (out,) = out_types
        mixes = out.dtype.kind == "c" and op != "sum"  # its parts cannot be accumulated one by one
        apart = any(n != 1 for n in out.shape[axis + 1 :])
        (in_memory if mixes or apart else in_register)(ctx, out, axis, reverse)

    def in_register(ctx: Any, out: ArrayType, axis: int, reverse: bool) -> None:
        """One running value at a time, along an axis whose elements are adjacent."""

        def body(b: Any, loop: Any) -> None:
            index = (*loop[:axis], loop[-1], *loop[axis:-1])
            x = ctx.read(0)(index)
            if x.dtype.kind == "c":
                y = b.complex(b.scan(op, x.re, reverse), b.scan(op, x.im, reverse))
            else:
                y = b.scan(op, x, reverse)
            b.store(ctx.output(), index, y)

        ctx.kernel((*out.shape[:axis], *out.shape[axis + 1 :], out.shape[axis]), body, name)

    def in_memory(ctx: Any, out: ArrayType, axis: int, reverse: bool) -> None:
        """All running values at a time, so that elements are visited as they lie in memory."""
        others = (*out.shape[:axis], *out.shape[axis + 1 :])
        running = ctx.temp(others, out.dtype)
        if op == "sum" and out.dtype.kind in "fc":  # from -0, so that a first -0 stays what it is
            zero = -0.0 if out.dtype.kind == "f" else complex(-0.0, -0.0)
            ctx.kernel(others, lambda b, index: b.store(running, index, b.const(zero, out.dtype)), "start")
        else:
            start(ctx, running, others, op, out.dtype)

        def body(b: Any, loop: Any) -> None:
            index = _visits(loop, out, axis, reverse)
            place = (*index[:axis], *index[axis + 1 :])
            y = combine(b, op, b.load(running, place), ctx.read(0)(index))
            b.scatter(running, place, "set", y)
            b.store(ctx.output(), index, y)

        ctx.kernel(out.shape, body, name)

    def samples() -> list[Sample]:
        cases = [
            ((4,), 0),
            ((2, 3), 0),
            ((20, 3), 0),
            ((2, 20), 1),
            ((2, 3, 2), 1),
            ((1,), 0),
            ((0, 3), 0),
            ((0, 3), 1),
        ]
        made = [
            Sample((array_type(shape, np.float64),), {"axis": axis, "reverse": bool(k % 2)})
            for k, (shape, axis) in enumerate(cases)
        ]
        dtypes = (np.float32, np.complex128, np.int64, np.uint8)
        return made + [
            Sample((array_type((3, 2), t),), {"axis": 0, "reverse": r}) for t in dtypes for r in (False, True)
        ]

    def cumulative(x: Any, axis: int, reverse: bool = False) -> Any:
        return primitive.bind(x, axis=axis, reverse=reverse)

    primitive = Primitive(
        name,
        type_rule=type_rule,
        evaluate=evaluate,
        batch=lambda size, batched, x, *, axis, reverse: (cumulative(x, axis + 1, reverse), True),
        kernel=Statements(statements, static=("axis", "reverse")),
        samples=samples,
        **rules,
    )
    cumulative.__name__ = name
    cumulative.__doc__ = f"The {op} of all elements up to each one along an axis (``reverse``: from each one on)."
    return cumulative


cumsum: Cumulative = _cumulative(
    "cumsum", "sum", np.add,
    jvp=lambda ts, xs, y, *, axis, reverse: cumsum(ts[0], axis, reverse),
    linear="jointly",
    transpose=lambda ct, x, *, axis, reverse: (cumsum(ct, axis, not reverse),),
)  # fmt: skip


# y_i = x_i y_(i-1), so dy_i = x_i dy_(i-1) + y_(i-1) dx_i
cumprod = _cumulative(
    "cumprod", "prod", np.multiply,
    jvp=lambda ts, xs, y, *, axis,
    reverse: linear_recurrence(xs[0], mul(ts[0], shifted(y, axis, 1, reverse)), axis, reverse),
)  # fmt: skip


def _extremum_jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any, *, axis: int, reverse: bool) -> Any:
    """The mean of the tangents of all elements so far that equal the extremum: a sum and a count that start anew where
    it changes.

    Zero wins in the sum: what it leaves behind is not taken, be it infinite.
    """
    (t,), (x,) = ts, xs
    dtype = type_of(x).dtype
    before = shifted(y, axis, 0, reverse)
    goes_on = convert(bit_or(eq(y, before), bit_and(isnan(y), isnan(before))), dtype)
    attained = bit_or(eq(x, y), isnan(x))
    total = linear_recurrence(goes_on, select(attained, t, 0), axis, reverse, strong=True)
    return div(total, linear_recurrence(goes_on, convert(attained, dtype), axis, reverse))


cummax = _cumulative("cummax", "max", np.maximum, jvp=_extremum_jvp)
cummin = _cumulative("cummin", "min", np.minimum, jvp=_extremum_jvp)


# -- linear recurrence: y_0 = b_0, y_i = a_i y_(i-1) + b_i -------------------------------------------------------------


def linear_recurrence(a: Any, b: Any, axis: int, reverse: bool = False, strong: bool = False) -> Any:
    """``y_i = a_i y_(i-1) + b_i`` along an axis (``reverse``: ``y_(i+1)``); the first factor has nothing to multiply,
    so it is not used.

    In a ``strong`` one, the product is 0 where one of its factors is, whatever the other.
    """
    return recurrence_p.bind(a, b, axis=axis, reverse=reverse, strong=strong)


def _recurrence_type(a: ArrayType, b: ArrayType, *, axis: int, reverse: bool, strong: bool) -> ArrayType:
    check_axes("linear_recurrence", a, (axis,))
    if a is not b:
        raise (DtypeError if a.dtype != b.dtype else ShapeError)(
            f"linear_recurrence takes factors and terms of one type, got {a} and {b}"
        )
    if a.dtype.kind not in "fciu":
        raise DtypeError(f"linear_recurrence does not take {a.dtype} operands; convert with .astype(int)")
    return a


def _recurrence_evaluate(a: Any, b: Any, *, axis: int, reverse: bool, strong: bool) -> Any:
    y = np.array(b)
    times = strong_product.primitive.evaluate if strong else np.multiply
    steps, factors = np.moveaxis(y, axis, 0), np.moveaxis(a, axis, 0)
    if reverse:
        steps, factors = steps[::-1], factors[::-1]
    for i in range(1, len(steps)):
        steps[i] += times(factors[i], steps[i - 1])
    return y


def _recurrence_jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any, *, axis: int, reverse: bool, strong: bool) -> Any:
    """``dy_i = a_i dy_(i-1) + (da_i y_(i-1) + db_i)``."""
    (ta, tb), (a, _) = ts, xs
    times = strong_product if strong else mul
    return linear_recurrence(
        a, add(None if ta is None else times(ta, shifted(y, axis, 0, reverse)), tb), axis, reverse, strong
    )


def _recurrence_transpose(ct: Any, a: Any, b: Linear, *, axis: int, reverse: bool, strong: bool) -> tuple[None, Any]:
    """y_i goes into the result, and by a_(i+1) into y_(i+1): ``ct_b_i = ct_i + a_(i+1) ct_b_(i+1)``."""
    return None, linear_recurrence(shifted(a, axis, 0, not reverse), ct, axis, not reverse, strong)


def _recurrence_batch(
    size: int, batched: Sequence[bool], a: Any, b: Any, *, axis: int, reverse: bool, strong: bool
) -> tuple[Any, bool]:
    a, b = lead_axes(size, batched, (a, b))
    return linear_recurrence(a, b, axis + 1, reverse, strong), True


def _recurrence_statements(
    ctx: Any, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType], *, axis: int, reverse: bool, strong: bool
) -> None:
    (out,) = out_types
    others = (*out.shape[:axis], *out.shape[axis + 1 :])
    running = ctx.temp(others, out.dtype)
    start(ctx, running, others, "sum", out.dtype)

    def body(b: Any, loop: Any) -> None:
        index = _visits(loop, out, axis, reverse)
        place = (*index[:axis], *index[axis + 1 :])
        factor, term = ctx.read(0)(index), ctx.read(1)(index)
        first = b.eq(b.axis(loop[axis]), 0)  # an infinite factor times the 0 before the first element would be NaN
        before = b.load(running, place)
        product = product_kernel(b, factor, before) if strong else b.mul(factor, before)
        value = b.select(first, term, b.add(product, term))
        b.scatter(running, place, "set", value)
        b.store(ctx.output(), index, value)

    ctx.kernel(out.shape, body, "linear_recurrence")


def _recurrence_samples() -> list[Sample]:
    cases = [((4,), 0), ((2, 3), 0), ((20, 2), 0), ((2, 20), 1), ((2, 3, 2), 1), ((1,), 0), ((0, 3), 0)]
    params = [{"axis": axis, "reverse": bool(k % 2), "strong": k % 4 > 1} for k, (_, axis) in enumerate(cases)]
    made = [Sample((array_type(shape, np.float64),) * 2, p) for (shape, _), p in zip(cases, params, strict=True)]
    dtypes = (np.float32, np.complex128, np.int64)
    return made + [
        Sample((array_type((3, 2), t),) * 2, {"axis": 0, "reverse": True, "strong": t is np.complex128}) for t in dtypes
    ]


recurrence_p: Primitive = Primitive(
    "linear_recurrence",
    type_rule=_recurrence_type,
    evaluate=_recurrence_evaluate,
    jvp=_recurrence_jvp,
    linear=(1,),
    transpose=_recurrence_transpose,
    batch=_recurrence_batch,
    kernel=Statements(_recurrence_statements, static=("axis", "reverse", "strong")),
    samples=_recurrence_samples,
)
