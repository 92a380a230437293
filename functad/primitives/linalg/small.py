"""Matrices of up to four rows: factored and solved by straight-line code, in registers, a matrix (or a right-hand
side) a point of the kernel. The results are LAPACK's up to rounding, the same rows are exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.ir.types import ArrayType
from functad.kernel_ir.builder import Complex
from functad.kernel_ir.nodes import Affine

__all__ = ["cholesky_in_registers", "is_small", "lu_in_registers", "solve_in_registers"]

ROWS = 4
Rows = list[list[Any]]


def is_small(*sizes: Any) -> bool:
    """Whether a matrix of these sizes, which are then no run-time data, is worth code of its own."""
    return all(isinstance(n, int) and 1 <= n <= ROWS for n in sizes)


def _read(read: Any, index: Sequence[Any], n: int) -> Rows:
    return [[read((*index, Affine(i), Affine(j))) for j in range(n)] for i in range(n)]


def _write(b: Any, out: Any, index: Sequence[Any], rows: Rows) -> None:
    for i, row in enumerate(rows):
        for j, x in enumerate(row):
            b.store(out, (*index, Affine(i), Affine(j)), x)


def _size(b: Any, x: Any) -> Any:
    """What LAPACK compares: of complex numbers the sum of both parts."""
    return b.add(b.abs(x.re), b.abs(x.im)) if isinstance(x, Complex) else b.abs(x)


def _minus(b: Any, x: Any, y: Any, z: Any) -> Any:
    return b.sub(x, b.mul(y, z))


# -- lu ----------------------------------------------------------------------------------------------------------------


def lu_in_registers(ctx: Any, out_types: Sequence[ArrayType]) -> None:
    """Factors, exchanges and permutation of the operand."""
    *lead, n, _ = out_types[0].shape
    read = ctx.read(0)

    def factor(b: Any, index: Any) -> None:
        rows = _read(read, index, n)
        order = [b.const(i, np.int64) for i in range(n)]
        for k in range(n):
            largest, pivot = _size(b, rows[k][k]), b.const(k, np.int64)
            for i in range(k + 1, n):
                larger = b.gt(_size(b, rows[i][k]), largest)
                largest = b.select(larger, _size(b, rows[i][k]), largest)
                pivot = b.select(larger, b.const(i, np.int64), pivot)
            b.store(ctx.output(1), (*index, Affine(k)), b.cast(pivot, np.int32))
            for i in range(k + 1, n):
                swap = b.eq(pivot, i)
                pairs = [(b.select(swap, y, x), b.select(swap, x, y)) for x, y in zip(rows[k], rows[i], strict=True)]
                rows[k], rows[i] = [p[0] for p in pairs], [p[1] for p in pairs]
                order[k], order[i] = b.select(swap, order[i], order[k]), b.select(swap, order[k], order[i])
            zero = b.eq(rows[k][k], 0)
            for i in range(k + 1, n):  # under a pivot of 0 there is nothing but 0
                ratio = b.div(rows[i][k], rows[k][k])
                rows[i][k] = b.select(zero, rows[i][k], ratio)
                for j in range(k + 1, n):
                    rows[i][j] = _minus(b, rows[i][j], rows[i][k], rows[k][j])
        _write(b, ctx.output(), index, rows)
        for i, x in enumerate(order):
            b.store(ctx.output(2), (*index, Affine(i)), x)

    ctx.kernel(lead, factor, "lu")


# -- triangular systems ------------------------------------------------------------------------------------------------


def _substituted(b: Any, rows: Rows, x: list[Any], lower: bool, trans: bool, unit: bool) -> list[Any]:
    """The solution of ``op(rows) y = x``, of which one triangle counts."""
    n, y = len(x), list(x)
    forward = lower != trans
    for i in range(n) if forward else range(n - 1, -1, -1):
        for j in range(i) if forward else range(i + 1, n):
            y[i] = _minus(b, y[i], rows[j][i] if trans else rows[i][j], y[j])
        if not unit:
            y[i] = b.div(y[i], rows[i][i])
    return y


def solve_in_registers(
    ctx: Any, out: ArrayType, steps: Sequence[tuple[bool, bool]], trans: bool, right: int, order: int | None = None
) -> None:
    """Solve triangular systems, each ``(lower, unit)``, one after the other, by the matrix of operand 0. Where
    ``order`` is the operand of a permutation, rows of the right-hand sides are permuted before, or (transposed) of
    the solution after.
    """
    *lead, n, _ = out.shape
    matrix, sides = ctx.read(0), ctx.read(right)

    def solve(b: Any, index: Any) -> None:
        *batch, column = index
        rows = _read(matrix, batch, n)
        x = [sides((*batch, Affine(i), column)) for i in range(n)]
        places = [] if order is None else [ctx.read(order)((*batch, Affine(i))) for i in range(n)]
        if places and not trans:
            x = [_one_of(b, x, [b.eq(place, r) for r in range(n)]) for place in places]
        for lower, unit in steps:
            x = _substituted(b, rows, x, lower, trans, unit)
        if places and trans:
            x = [_one_of(b, x, [b.eq(place, r) for place in places]) for r in range(n)]
        for i, y in enumerate(x):
            b.store(ctx.output(), (*batch, Affine(i), column), y)

    ctx.kernel((*lead, out.shape[-1]), solve, "solve")


def _one_of(b: Any, xs: Sequence[Any], flags: Sequence[Any]) -> Any:
    """The number whose flag is set; the first where none is."""
    found = xs[0]
    for x, flag in zip(xs[1:], flags[1:], strict=True):
        found = b.select(flag, x, found)
    return found


# -- Cholesky ----------------------------------------------------------------------------------------------------------


def cholesky_in_registers(ctx: Any, out: ArrayType, message: str) -> None:
    """The lower factor of the operand."""
    *lead, n, _ = out.shape
    read, is_complex = ctx.read(0), out.dtype.kind == "c"

    def factor(b: Any, index: Any) -> None:
        zero = b.const(0, out.dtype)
        rows = [[read((*index, Affine(i), Affine(j))) if j <= i else zero for j in range(n)] for i in range(n)]
        for k in range(n):
            d = rows[k][k].re if is_complex else rows[k][k]
            for j in range(k):
                x = rows[k][j]
                square = b.add(b.mul(x.re, x.re), b.mul(x.im, x.im)) if is_complex else b.mul(x, x)
                d = b.sub(d, square)
            b.require(b.bit_not(b.le(d, 0)), "LinAlgError", message)
            root = b.sqrt(d)
            inverse = b.div(b.const(1, root.dtype), root)
            rows[k][k] = b.complex(root, b.const(0, root.dtype)) if is_complex else root
            for i in range(k + 1, n):
                for j in range(k):
                    other = rows[k][j]
                    rows[i][k] = _minus(b, rows[i][k], rows[i][j], b.conj(other) if is_complex else other)
                x = rows[i][k]
                rows[i][k] = b.complex(b.mul(x.re, inverse), b.mul(x.im, inverse)) if is_complex else b.mul(x, inverse)
        _write(b, ctx.output(), index, rows)

    ctx.kernel(lead, factor, "cholesky")
