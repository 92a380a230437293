"""Linear recurrences along the last axis: what is recursive of a filter.

    y_n = u_n - a_1 y_{n-1} - ... - a_p y_{n-p},        y before the beginning is 0

With A for the matrix of a convolution with (1, a_1, ..., a_p), it is A y = u: so it is linear in u, with dy = A^-1 (du
- dA y), and its transpose is the recurrence from the end to the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.core.zeros import add
from functad.errors import DtypeError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.lines import Carried, Lines
from functad.kernel_ir.native import NativeFunction, Text, family, reads, writes
from functad.kernel_ir.rules import Statements
from functad.primitives.arithmetic import mul, neg
from functad.primitives.broadcasting import broadcast, lead_axes
from functad.primitives.shapes import flip, reshape
from functad.primitives.slicing import pad, slice_

__all__ = ["recurrence"]


def recurrence(u: Any, a: Any) -> Any:
    """The recurrence of each row of u with the coefficients of that row of a."""
    return recurrence_p.bind(u, a)


def _type_rule(u: ArrayType, a: ArrayType) -> ArrayType:
    if u.dtype != a.dtype or u.dtype.kind not in "fc" or u.dtype == np.float16:
        raise DtypeError(f"a recurrence takes operands of one dtype of float32 or wider, got {u} and {a}")
    if u.ndim < 1 or u.ndim != a.ndim or u.shape[:-1] != a.shape[:-1]:
        raise ShapeError(f"a recurrence takes operands of equal shapes but for the last axis, got {u} and {a}")
    return u


def _evaluate(u: Any, a: Any) -> Any:
    from scipy.signal import lfilter

    y = np.empty(u.shape, u.dtype)
    one = np.ones(1, u.dtype)
    if u.size:
        for row in np.ndindex(*u.shape[:-1]):
            y[row] = lfilter(one, np.concatenate([one, a[row]]), u[row])
    return y


def _jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any) -> Any:
    """dA y is a sum of products of earlier results."""
    (tu, ta), (_, a) = ts, xs
    change = tu
    if ta is not None:
        *lead, p = type_of(ta).shape
        *_, n = type_of(y).shape
        axes, starts = range(len(lead)), [0] * len(lead)
        for k in range(min(p, n - 1)):
            earlier = pad(
                slice_(y, [*starts, 0], (*lead, n - k - 1)),
                type_of(y).dtype.type(0),
                [(0, 0, 0)] * len(lead) + [(k + 1, 0, 0)],
            )
            one = broadcast(_column(ta, k), (*lead, n), axes)
            change = add(change, neg(mul(one, earlier)))
    return None if change is None else recurrence(change, a)


def _column(a: Any, k: int) -> Any:
    *lead, _ = type_of(a).shape
    return reshape(slice_(a, [*[0] * len(lead), k], (*lead, k + 1)), lead)


def _transpose(ct: Any, u: Any, a: Any) -> tuple[Any, None]:
    last = (type_of(ct).ndim - 1,)
    return flip(recurrence(flip(ct, last), a), last), None


@family
def _native(dtype: np.dtype, rank: int) -> NativeFunction:
    """Complex numbers are left to SciPy."""
    operands = (reads(dtype, rank), reads(dtype, rank), writes(dtype, rank))

    def evaluate(u: np.ndarray, a: np.ndarray, y: np.ndarray) -> None:
        y[...] = _evaluate(u, a)

    symbol = f"functad_recurrence_{dtype.name}_{rank}"
    code = None if dtype.kind == "c" else Text(_text(symbol, "double" if dtype.itemsize == 8 else "float", rank))
    return NativeFunction(symbol, code, operands, evaluate)


def _text(symbol: str, type: str, rank: int) -> str:
    code = Lines()

    def load(kind: str, pointer: str, index: str) -> str:
        return code.emit(f"load {kind}, ptr {code.emit(f'getelementptr {kind}, ptr {pointer}, i64 {index}')}")

    u, a, y = (load("ptr", "%buffers", str(k)) for k in range(3))
    rows, n, p = "1", load("i64", "%sizes", str(rank - 1)), load("i64", "%sizes", str(2 * rank - 1))
    for k in range(rank - 1):
        rows = code.emit(f"mul i64 {rows}, {load('i64', '%sizes', str(k))}")
    count = code.emit(f"mul i64 {rows}, {n}")
    step, column, row = Carried("i64", "0"), Carried("i64", "0"), Carried("i64", "0")
    with code.when(code.emit(f"icmp sgt i64 {count}, 0"), ()), code.repeat([step, column, row]) as again:
        own = code.emit(f"getelementptr {type}, ptr {a}, i64 {code.emit(f'mul i64 {row.name}, {p}')}")
        total, term_number = Carried(type, load(type, u, step.name)), Carried("i64", "0")
        less = code.emit(f"icmp slt i64 {column.name}, {p}")
        m = code.emit(f"select i1 {less}, i64 {column.name}, i64 {p}")
        with code.when(code.emit(f"icmp sgt i64 {m}, 0"), [total]), code.repeat([term_number, total]) as more:
            before = code.emit(f"sub i64 {code.emit(f'sub i64 {step.name}, {term_number.name}')}, 1")
            term = code.emit(f"fmul {type} {load(type, own, term_number.name)}, {load(type, y, before)}")
            total.name = code.emit(f"fsub {type} {total.name}, {term}")
            term_number.name = code.emit(f"add i64 {term_number.name}, 1")
            more(code.emit(f"icmp slt i64 {term_number.name}, {m}"))
        code.line(f"store {type} {total.name}, ptr {code.emit(f'getelementptr {type}, ptr {y}, i64 {step.name}')}")
        step.name = code.emit(f"add i64 {step.name}, 1")
        following = code.emit(f"add i64 {column.name}, 1")
        ends = code.emit(f"icmp eq i64 {following}, {n}")
        column.name = code.emit(f"select i1 {ends}, i64 0, i64 {following}")
        row.name = code.emit(f"add i64 {row.name}, {code.emit(f'zext i1 {ends} to i64')}")
        again(code.emit(f"icmp slt i64 {step.name}, {count}"))
    return "\n".join([f"define i32 @{symbol}(ptr %buffers, ptr %sizes) {{", "entry:", *code.lines, "  ret i32 0", "}"])


def _statements(ctx: Any, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType]) -> None:
    (u, _) = in_types
    ctx.call(_native(u.dtype, u.ndim), ctx.input(0), ctx.input(1), ctx.output())


recurrence_p = Primitive(
    "recurrence",
    type_rule=_type_rule,
    evaluate=_evaluate,
    copies=True,
    jvp=_jvp,
    linear=(0,),
    transpose=_transpose,
    batch=lambda size, batched, u, a: (recurrence(*lead_axes(size, batched, (u, a))), True),
    kernel=Statements(_statements),
    samples=lambda: [
        Sample((array_type((*lead, n), t), array_type((*lead, p), t)), {}, -0.6, 0.6)
        for t, lead, n, p in [
            *[(np.float64, (), 7, 2), (np.float64, (2,), 20, 3), (np.float64, (3,), 2, 4), (np.float32, (2, 2), 5, 1)],
            *[(np.complex128, (2,), 6, 2), (np.float64, (2,), 0, 1), (np.float64, (), 4, 0)],
        ]
    ],
)
