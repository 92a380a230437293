"""Folding: operations that need no new instruction, by name. Every rule is exact for NaN, inf and -0, too; each gives
the value, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from functad.kernel_ir.nodes import Value

if TYPE_CHECKING:
    from functad.kernel_ir.builder import Builder

__all__ = ["FOLD"]

BOOL = np.dtype(np.bool_)


def _is(b: Builder, x: Value, number: float) -> bool:
    constant = b.constant(x)
    return constant is not None and bool(constant == number)


def _is_negative_zero(b: Builder, x: Value) -> bool:
    constant = b.constant(x)
    return constant is not None and bool(constant == 0) and (x.dtype.kind != "f" or bool(np.signbit(constant)))


def _fold_add(b: Builder, x: Value, y: Value) -> Value | None:
    if _is_negative_zero(b, y):  # x + -0 is x for every x; x + 0 is not, where x is -0
        return x
    return y if _is_negative_zero(b, x) else None


def _fold_sub(b: Builder, x: Value, y: Value) -> Value | None:
    constant = b.constant(y)
    if constant is not None and constant == 0 and not np.signbit(constant):
        return x
    return b.neg(y) if _is_negative_zero(b, x) and x.dtype.kind == "f" else None  # type: ignore[no-any-return]


def _fold_mul(b: Builder, x: Value, y: Value) -> Value | None:
    for p, q in ((x, y), (y, x)):
        if _is(b, q, 1):
            return p
        if q.dtype.kind != "u" and _is(b, q, -1):
            return b.neg(p)  # type: ignore[no-any-return]
    return None


def _fold_div(b: Builder, x: Value, y: Value) -> Value | None:
    if _is(b, y, 1):
        return x
    constant = b.constant(y)
    if (
        constant is not None
        and np.isfinite(constant)
        and constant != 0
        and np.isfinite(1 / constant)
        and np.frexp(constant)[0] in (0.5, -0.5)
    ):
        return b.mul(x, 1 / constant)  # type: ignore[no-any-return]  # the reciprocal of a power of two is exact
    return None


def _fold_neg(b: Builder, x: Value) -> Value | None:
    if x not in b.negated:
        out = b.emit("neg", (x,), x.dtype)
        b.negated[out] = x
        return out
    return b.negated[x]


def _fold_power(b: Builder, x: Value, y: Value) -> Value | None:
    """Small powers as products and roots: within an ulp and a half, where NumPy's own ``x**2`` is one too."""
    exponent = b.constant(y)
    if exponent in (-1.5, -0.5, 0.5, 1.5) and x.dtype.kind == "f" and x.dtype != np.float16:
        return _half_power(b, x, float(exponent))
    if exponent is None or exponent not in (-2, -1, 0, 1, 2, 3, 4) or (exponent < 0 and x.dtype.kind != "f"):
        return None
    if x.dtype == np.float16:  # rounded once
        return b.cast(b.power(b.cast(x, np.float32), b.cast(y, np.float32)), np.float16)  # type: ignore[no-any-return]
    if exponent == 0:
        return b.const(1, x.dtype)  # type: ignore[no-any-return]
    if exponent == 1:
        return x
    square = b.mul(x, x)
    if exponent < 0:
        return b.div(1, x if exponent == -1 else square)  # type: ignore[no-any-return]
    return square if exponent == 2 else b.mul(square, x if exponent == 3 else square)  # type: ignore[no-any-return]


def _half_power(b: Builder, x: Value, exponent: float) -> Value:
    """x ** (k + 1/2). A power of -0 is one of 0, and a power of -inf one of inf, unlike their roots."""
    root = b.sqrt(x)
    if exponent == 1.5:
        power = b.mul(x, root)
    elif exponent == -1.5:
        power = b.div(b.div(1, x), root)  # not 1 / (x * root): that product may overflow
    else:
        root = b.add(root, 0)
        power = root if exponent > 0 else b.div(1, root)
    return b.select(b.eq(x, -np.inf), np.inf if exponent > 0 else 0, power)  # type: ignore[no-any-return]


def _fold_select(b: Builder, p: Value, x: Value, y: Value) -> Value | None:
    if x is y:
        return x
    constant = b.constant(p)
    if constant is not None:
        return x if constant else y
    if x.dtype == BOOL and _is(b, y, 0):
        return b.bit_and(p, x)  # type: ignore[no-any-return]
    if x.dtype == BOOL and _is(b, x, 1):
        return b.bit_or(p, y)  # type: ignore[no-any-return]
    # a choice within the branch that the same predicate takes: masked reads of masked reads
    inner_x, inner_y = b.selected.get(x), b.selected.get(y)
    if inner_x is not None and inner_x[0] is p:
        return b.select(p, inner_x[1], y)  # type: ignore[no-any-return]
    if inner_y is not None and inner_y[0] is p:
        return b.select(p, x, inner_y[2])  # type: ignore[no-any-return]
    out = b.emit("select", (p, x, y), x.dtype)
    b.selected[out] = (p, x, y)
    return out


def _fold_and(b: Builder, x: Value, y: Value) -> Value | None:
    if x is y:
        return x
    for p, q in ((x, y), (y, x)):
        if _is(b, q, 0):
            return q
        if x.dtype == BOOL and _is(b, q, 1):
            return p
    return None


def _fold_or(b: Builder, x: Value, y: Value) -> Value | None:
    if x is y:
        return x
    for p, q in ((x, y), (y, x)):
        if _is(b, q, 0):
            return p
        if x.dtype == BOOL and _is(b, q, 1):
            return q
    return None


def _fold_zero_test(name: str) -> Callable[[Builder, Value, Value], Value | None]:
    """-x is 0 where x is."""
    return lambda b, x, y: b.compute(name, b.negated[x], y) if x in b.negated and _is(b, y, 0) else None


FOLD: dict[str, Callable[..., Value | None]] = {
    "add": _fold_add, "sub": _fold_sub, "neg": _fold_neg, "mul": _fold_mul, "div": _fold_div, "power": _fold_power,
    "select": _fold_select, "bit_and": _fold_and, "bit_or": _fold_or, "eq": _fold_zero_test("eq"),
    "ne": _fold_zero_test("ne"),
}  # fmt: skip
