"""Matrices: the last two axes of an array; those before them are a batch. What the factorisations share.

LAPACK's matrices are column-major. ``in_columns`` and ``in_rows`` are the one place where matrices are turned: the
first writes an operand for LAPACK while it is computed, the second reads what LAPACK left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import type_of
from functad.errors import DtypeError, ShapeError
from functad.ir.types import ArrayType
from functad.primitives.arithmetic import add
from functad.primitives.broadcasting import broadcast
from functad.primitives.comparison import eq, ge
from functad.primitives.complex import conj, real
from functad.primitives.contractions import dot_general
from functad.primitives.convert import convert
from functad.primitives.generate import iota
from functad.primitives.selection import select
from functad.primitives.shapes import reshape, transpose
from functad.primitives.slicing import slice_

__all__ = [
    "adjoint", "cast_result", "check_matrices", "diagonal", "diagonal_matrix", "double", "eye_like", "hermitian",
    "in_columns", "in_rows", "instead", "items", "lower_part", "matmul", "on_diagonal", "places", "turned",
    "upper_part",
]  # fmt: skip

DTYPES = tuple([np.dtype(t) for t in "fdFD"])


def check_matrices(name: str, x: ArrayType, square: bool = False) -> None:
    """Refuse what is no (batch of) matrices of a dtype that LAPACK has."""
    if x.dtype not in DTYPES:
        raise DtypeError(
            f"{name} takes float32, float64, complex64 or complex128, got {x}; convert with .astype(float)"
        )
    if x.ndim < 2 or (square and x.shape[-2] != x.shape[-1]):
        raise ShapeError(f"{name} takes {'square ' if square else ''}matrices in the last two axes, got {x}")


def items(*arrays: Any, cores: Sequence[int]) -> Iterator[list[Any]]:
    """The items of batches, each with so many axes: for evaluation, one after the other."""
    for index in np.ndindex(arrays[0].shape[: arrays[0].ndim - cores[0]]):
        yield [a[index] for a in arrays]


# -- in the operations of other primitives -----------------------------------------------------------------------------


def matmul(x: Any, y: Any) -> Any:
    """The product of two batches of matrices."""
    n = type_of(x).ndim
    lead = range(n - 2)
    return dot_general(x, y, ((n - 1,), (n - 2,)), (lead, lead))


def turned(x: Any) -> Any:
    """The transposed matrices."""
    n = type_of(x).ndim
    return transpose(x, (*range(n - 2), n - 1, n - 2))


def adjoint(x: Any) -> Any:
    """The conjugate transposed matrices."""
    return turned(conj(x) if type_of(x).dtype.kind == "c" else x)


def places(x: Any) -> tuple[Any, Any]:
    """The row and the column of each element."""
    shape, n = type_of(x).shape, type_of(x).ndim
    return iota(shape, np.int64, n - 2), iota(shape, np.int64, n - 1)


def lower_part(x: Any, diagonal: bool = True) -> Any:
    """The lower triangle, with or without the diagonal; 0 elsewhere."""
    row, column = places(x)
    return select(ge(row, column), x, 0) if diagonal else select(ge(column, row), 0, x)


def upper_part(x: Any, diagonal: bool = True) -> Any:
    """The upper triangle, with or without the diagonal; 0 elsewhere."""
    row, column = places(x)
    return select(ge(column, row), x, 0) if diagonal else select(ge(row, column), 0, x)


def on_diagonal(x: Any, y: Any) -> Any:
    """x on the diagonal, y elsewhere; one of them may be a number."""
    return select(eq(*places(y if isinstance(x, int) else x)), x, y)


def diagonal(x: Any) -> Any:
    """The main diagonals: every (n + 1)th element of the rows laid end to end."""
    *lead, m, n = type_of(x).shape
    k = min(m, n)
    rows = reshape(x, (*lead, m * n))
    zeros, ones = [0] * len(lead), [1] * len(lead)
    stop = (k - 1) * (n + 1) + 1 if k else 0
    return slice_(rows, (*zeros, 0), (*lead, stop), (*ones, n + 1))


def diagonal_matrix(x: Any) -> Any:
    """The matrices with these diagonals."""
    shape = type_of(x).shape
    full = (*shape, shape[-1])
    return on_diagonal(broadcast(x, full, range(len(shape))), 0)


def hermitian(x: Any, lower: bool) -> Any:
    """The Hermitian matrices with these lower (or upper) triangles, and the real part of the diagonals."""
    strict = (lower_part if lower else upper_part)(x, diagonal=False)
    both = add(strict, adjoint(strict))
    return on_diagonal(convert(real(x), both.dtype) if type_of(x).dtype.kind == "c" else x, both)


def eye_like(x: Any) -> Any:
    """Identity matrices of the type of a batch of square matrices."""
    return convert(eq(*places(x)), type_of(x).dtype)


def instead(failed: Any, x: Any) -> Any:
    """A batch of square matrices with the identity in place of those that have failed."""
    shape = type_of(x).shape
    return select(broadcast(failed, shape, range(len(shape) - 2)), eye_like(x), x)


# -- in native code ----------------------------------------------------------------------------------------------------


def double(dtype: np.dtype) -> np.dtype:
    """The dtype of double precision, in which NumPy finds eigenvalues and singular values: vectors of single precision
    would have other signs.
    """
    return np.dtype(np.complex128 if dtype.kind == "c" else np.float64)


def in_columns(ctx: Any, operand: int, x: ArrayType, dtype: np.dtype | None = None) -> Any:
    """A temporary buffer of the matrices of an operand, turned, and of another dtype if one is given."""
    *lead, m, n = x.shape
    dtype = dtype or x.dtype
    columns = ctx.temp((*lead, n, m), dtype)
    read = ctx.read(operand)

    def body(b: Any, index: Any) -> None:
        b.store(columns, (*index[:-2], index[-1], index[-2]), b.cast(read(index), dtype))

    ctx.kernel(x.shape, body, "turn")
    return columns


def in_rows(ctx: Any, columns: Any, result: int, out: ArrayType) -> None:
    """A result is what a buffer of turned matrices holds."""

    def body(b: Any, index: Any) -> None:
        x = b.load(columns, (*index[:-2], index[-1], index[-2]))
        b.store(ctx.output(result), index, b.cast(x, out.dtype))

    ctx.kernel(out.shape, body, "turn back")


def cast_result(ctx: Any, found: Any, result: int, out: ArrayType) -> None:
    """A result is what a buffer holds, in another dtype."""
    ctx.kernel(out.shape, lambda b, i: b.store(ctx.output(result), i, b.cast(b.load(found, i), out.dtype)), "cast")
