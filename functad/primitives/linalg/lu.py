r"""``lu``: ``a[permutation] = l u`` with l lower triangular, its diagonal 1, and u upper triangular, both in one
matrix.

With l and u completed to square matrices by ones on the diagonal, and p da for the permuted tangent,

    x = l^-1 (p da) u^-1,   dl = l (x below the diagonal),   du = (x from the diagonal on) u.

Rows are exchanged by size, which is constant between points where two are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg.lapack import get_lapack_funcs

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.lapack import Call, lapack_function
from functad.kernel_ir.native import NativeFunction, family, updates, writes
from functad.kernel_ir.rules import Statements
from functad.primitives.arithmetic import add
from functad.primitives.bitwise import bit_and
from functad.primitives.comparison import eq, ge
from functad.primitives.gather import gather_p
from functad.primitives.indexing import clamped
from functad.primitives.linalg.matrices import (
    check_matrices,
    in_columns,
    in_rows,
    items,
    lower_part,
    matmul,
    on_diagonal,
    places,
    turned,
    upper_part,
)
from functad.primitives.linalg.small import is_small, lu_in_registers
from functad.primitives.linalg.triangular import triangular_solve
from functad.primitives.selection import select
from functad.primitives.slicing import pad, slice_

__all__ = ["lu", "permutation_of", "permuted", "random_matrices"]


def lu(a: Any) -> tuple[Any, Any, Any]:
    """Both factors in one matrix, LAPACK's exchanges (from 0: row i was exchanged with row ``pivots[i]``), and the
    permutation that they make.
    """
    return lu_p.bind(a)  # type: ignore[no-any-return]


def permuted(x: Any, permutation: Any) -> Any:
    """Rows of matrices in an order of their own: ``x[..., permutation, :]``."""
    return gather_p.bind(x, permutation, batch=type_of(x).ndim - 2)


def _type_rule(a: ArrayType) -> tuple[ArrayType, ...]:
    check_matrices("lu", a)
    *lead, m, n = a.shape
    return a, array_type((*lead, min(m, n)), np.int32), array_type((*lead, m), np.int64)


def _evaluate(a: Any) -> tuple[Any, ...]:
    out = np.array(a, order="C")
    *lead, m, n = a.shape
    pivots = np.zeros((*lead, min(m, n)), np.int32)
    if out.size:
        for x, p in items(out, pivots, cores=(2, 1)):
            x[...], p[...] = _factored(x)
    return out, pivots, _permutation(pivots, rows=m)


def _factored(a: Any) -> tuple[Any, Any]:
    (getrf,) = get_lapack_funcs(("getrf",), (a,))
    return getrf(a)[:2]  # type: ignore[no-any-return]


def _jvp(ts: Sequence[Any], xs: Sequence[Any], outs: Sequence[Any]) -> tuple[Any, None, None]:
    factors, _, permutation = outs
    *lead, m, n = type_of(factors).shape
    k, start = min(m, n), [0] * type_of(factors).ndim
    none, zero = [(0, 0, 0)] * len(lead), factors.dtype.type(0)
    left, u = slice_(factors, start, (*lead, m, k)), upper_part(slice_(factors, start, (*lead, k, n)))
    if m > k:
        left = pad(left, zero, (*none, (0, 0, 0), (0, m - k, 0)))
    if n > k:  # the rows that are missing have ones on the diagonal
        u = pad(u, zero, (*none, (0, n - k, 0), (0, 0, 0)))
        row, column = places(u)
        u = select(bit_and(eq(row, column), ge(row, k)), 1, u)
    half = triangular_solve(left, permuted(ts[0], permutation), lower=True, unit=True)
    x = turned(triangular_solve(u, turned(half), lower=False, trans=True))
    ones = on_diagonal(1, lower_part(left, diagonal=False))
    return add(matmul(ones, lower_part(x, diagonal=False)), matmul(upper_part(x), u)), None, None


@family
def getrf(dtype: np.dtype, lead: int) -> NativeFunction:
    """In place, in columns; the exchanges count from 1."""

    def write(call: Call) -> None:
        n, m = call.length(0, 0), call.length(0, 1)
        call.call("getrf", call.count(m), call.count(n), call.item(0), call.leading(m), call.item(1), call.info)

    def evaluate(a: Any, pivots: Any) -> None:
        if a.size:
            found, exchanged = _factored(a.T)
            a[...], pivots[...] = found.T, exchanged + 1

    return lapack_function("getrf", dtype, lead, (updates(dtype, 2), writes(np.int32, 1)), write, evaluate)


def _kernel(ctx: Any, in_types: Any, out_types: Any) -> None:
    out, exchanged, order = out_types
    if is_small(*out.shape[-2:]) and out.shape[-2] == out.shape[-1]:
        lu_in_registers(ctx, out_types)
        return
    columns = in_columns(ctx, 0, out)
    counted = ctx.temp(exchanged.shape, exchanged.dtype)
    ctx.call(getrf(out.dtype, out.ndim - 2), columns, counted)
    in_rows(ctx, columns, 0, out)
    pivots, permutation = ctx.output(1), ctx.output(2)
    ctx.kernel(
        exchanged.shape, lambda b, i: b.store(pivots, i, b.sub(b.load(counted, i), b.const(1, np.int32))), "from 0"
    )
    _exchange(ctx, pivots, exchanged, permutation, order)


# -- permutations ------------------------------------------------------------------------------------------------------


def permutation_of(pivots: Any, rows: int) -> Any:
    """The permutation of so many rows that exchanges make."""
    return permutation_p.bind(pivots, rows=rows)


def _permutation_type(pivots: ArrayType, *, rows: int) -> ArrayType:
    if not pivots.ndim or pivots.shape[-1] > rows:
        raise ShapeError(f"permutation_of {rows} rows takes at most so many exchanges, got {pivots}")
    return array_type((*pivots.shape[:-1], rows), np.int64)


def _permutation(pivots: Any, *, rows: int) -> Any:
    permutation = np.empty((*pivots.shape[:-1], rows), np.int64)
    for p, order in items(pivots, permutation, cores=(1, 1)):
        order[...] = np.arange(rows)
        for i, j in enumerate(p):
            order[[i, j]] = order[[j, i]]
    return permutation


def _exchange(ctx: Any, pivots: Any, exchanged: ArrayType, permutation: Any, order: ArrayType) -> None:
    """Kernels that write the permutation that exchanges make, one after the other."""
    ctx.kernel(order.shape, lambda b, i: b.store(permutation, i, b.axis(i[-1])), "in order")

    def exchange(b: Any, index: Any) -> None:
        other = clamped(b, b.cast(b.load(pivots, index), np.int64), order.shape[-1])
        first, second = b.load(permutation, index), b.load(permutation, (*index[:-1], other))
        b.scatter(permutation, index, "set", second)
        b.scatter(permutation, (*index[:-1], other), "set", first)

    ctx.kernel(exchanged.shape, exchange, "exchange")


permutation_p: Primitive = Primitive(
    "permutation_of",
    type_rule=_permutation_type,
    evaluate=_permutation,
    batch=lambda size, batched, pivots, **params: (permutation_p.bind(pivots, **params), True),
    kernel=Statements(
        lambda ctx, in_types, out_types, *, rows: _exchange(ctx, ctx.input(0), in_types[0], ctx.output(), out_types[0])
    ),
    samples=lambda: [
        Sample((np.array([2, 1, 2], np.int32),), {"rows": 4}),
        Sample((np.array([[1, 1], [0, 1]], np.int32),), {"rows": 2}),
        Sample((np.zeros((0,), np.int32),), {"rows": 3}),
        Sample((np.array([17, 3, 3], np.int32),), {"rows": 20}),
    ],
)

# -- samples -----------------------------------------------------------------------------------------------------------


def random_matrices(
    shapes: Sequence[tuple[tuple[int, ...], str]], params: dict[str, Any], smooth: bool = True
) -> list[Sample]:
    """Matrices of shapes and dtypes, with singular values that are apart."""
    rng = np.random.default_rng(1)
    made = []
    for shape, letter in shapes:
        a = rng.uniform(-0.5, 0.5, shape) + (1j * rng.uniform(-0.5, 0.5, shape) if letter in "DF" else 0)
        a = a + np.eye(shape[-2], shape[-1]) * (1.0 + np.arange(shape[-1]))
        made.append(Sample((a.astype(letter),), params, smooth=smooth or letter in "df"))
    return made


SHAPES: list[tuple[tuple[int, ...], str]] = [
    ((3, 3), "d"), ((1, 1), "d"), ((2, 4, 4), "d"), ((0, 0), "d"), ((3, 3), "f"), ((3, 3), "D"),
    ((2, 2, 2), "F"), ((4, 2), "d"), ((2, 4), "d"), ((3, 0), "d"), ((20, 18), "d"),
]  # fmt: skip

lu_p: Primitive = Primitive(
    "lu",
    type_rule=_type_rule,
    evaluate=_evaluate,
    multiple_results=True,
    jvp=_jvp,
    batch=lambda size, batched, a: (lu(a), (True, True, True)),
    kernel=Statements(_kernel),
    samples=lambda: random_matrices(SHAPES, {}),
)
