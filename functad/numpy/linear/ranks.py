"""Pseudoinverses, least squares, ranks and condition numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from functad.errors import ArgumentError, LinAlgError
from functad.numpy.dispatch import implements
from functad.numpy.linear.operands import matrices, same_dtype, square
from functad.numpy.linear.spectra import maybe_hermitian
from functad.numpy.operands import as_array, cast, shape_of
from functad.numpy.statistics import linalg_norm, squares
from functad.numpy.traced import here
from functad.primitives.arithmetic import div, mul, reciprocal, sub
from functad.primitives.broadcasting import broadcast, reduce_sum
from functad.primitives.comparison import eq, gt, isnan, ne
from functad.primitives.convert import convert
from functad.primitives.linalg.hermitian import times_columns
from functad.primitives.linalg.matrices import adjoint, diagonal, eye_like, matmul
from functad.primitives.linalg.pseudoinverse import pinv_of
from functad.primitives.linalg.solving import factors_of, lu_solve
from functad.primitives.linalg.svd import svd, svdvals
from functad.primitives.reductions import reduce_any, reduce_max, reduce_min
from functad.primitives.selection import select
from functad.primitives.shapes import reshape
from functad.primitives.slicing import slice_
from functad.primitives.stops import stop_gradient

__all__ = ["cond", "lstsq", "matrix_rank", "pinv"]

NOT_GIVEN: Any = object()


# -- pseudoinverse, least squares --------------------------------------------------------------------------------------


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = NOT_GIVEN) -> Any:
    """``numpy.linalg.pinv``; its derivative is that at fixed rank."""
    if rcond is not None and rtol is not NOT_GIVEN:
        raise ArgumentError(f"np.linalg.pinv{here()}: rtol and rcond can't be both set")
    x = maybe_hermitian(a, hermitian, "linalg.pinv")
    if rcond is None:
        rcond = 1e-15 if rtol is NOT_GIVEN else rtol
    if rcond is None:
        rcond = max(shape_of(x)[-2:]) * float(np.finfo(x.dtype).eps)
    return pseudoinverse(x, rcond)


def pseudoinverse(x: Any, rcond: Any) -> Any:
    """The pseudoinverse; singular values up to ``rcond`` times the largest count as 0."""
    u, s, vh = svd(stop_gradient(x))
    large = gt(s, cutoff(s, rcond))
    inverse = select(large, reciprocal(select(large, s, 1)), 0)
    return pinv_of(matmul(times_columns(adjoint(vh), inverse), adjoint(u)), x)


def cutoff(s: Any, rtol: Any) -> Any:
    """For each singular value, the largest times a factor."""
    shape = shape_of(s)
    if not shape[-1]:
        return s
    factor = cast(as_array(rtol, "linalg.pinv"), s.dtype)
    return _spread(mul(reduce_max(s, (len(shape) - 1,)), factor), shape)


def _spread(x: Any, shape: tuple[int, ...]) -> Any:
    return broadcast(x, shape, range(len(shape_of(x))))


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """``numpy.linalg.lstsq``. The residuals are there for more rows than columns, whatever the rank turns out to be."""
    x, y = matrices(a, "linalg.lstsq"), as_array(b, "linalg.lstsq")
    if len(shape_of(x)) != 2 or len(shape_of(y)) not in (1, 2) or shape_of(x)[0] != shape_of(y)[0]:
        raise LinAlgError(
            f"np.linalg.lstsq{here()}: expected a matrix and a vector or matrix with as many rows, got shapes "
            f"{shape_of(x)} and {shape_of(y)}"
        )
    x, y = same_dtype(x, y)
    m, n = shape_of(x)
    right = reshape(y, (m, 1)) if len(shape_of(y)) == 1 else y
    eps = float(np.finfo(x.dtype).eps)
    rtol = max(m, n) * eps if rcond is None else eps if isinstance(rcond, int | float) and rcond < 0 else rcond
    solution = matmul(pseudoinverse(x, rtol), right)
    s = svdvals(x)
    rank = convert(reduce_sum(convert(gt(s, cutoff(s, rtol)), np.dtype(np.int64)), (0,)), np.dtype(np.int32))
    rest = sub(right, matmul(x, solution))
    residuals = reduce_sum(squares(rest), (0,))
    residuals = residuals if m > n else slice_(residuals, (0,), (0,))
    return reshape(solution, (n,)) if len(shape_of(y)) == 1 else solution, residuals, rank, s


# -- rank, condition ---------------------------------------------------------------------------------------------------


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """``numpy.linalg.matrix_rank``."""
    if tol is not None and rtol is not None:
        raise ArgumentError(f"np.linalg.matrix_rank{here()}: tol and rtol can't be both set")
    x = as_array(A, "linalg.matrix_rank")
    if len(shape_of(x)) < 2:
        return convert(reduce_any(ne(x, 0), range(len(shape_of(x)))), np.dtype(np.int64))
    x = maybe_hermitian(x, hermitian, "linalg.matrix_rank")
    s = svdvals(stop_gradient(x))
    if tol is None:
        factor = max(shape_of(x)[-2:]) * float(np.finfo(s.dtype).eps) if rtol is None else rtol
        least = cutoff(s, factor)
    else:
        least = _spread(cast(as_array(tol, "linalg.matrix_rank"), s.dtype), shape_of(s))
    return reduce_sum(convert(gt(s, least), np.dtype(np.int64)), (len(shape_of(s)) - 1,))


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """``numpy.linalg.cond``: infinite where x is singular."""
    a = matrices(x, "linalg.cond")
    if 0 in shape_of(a)[-2:]:
        raise LinAlgError(f"np.linalg.cond{here()} is not defined on empty matrices, got shape {shape_of(a)}")
    nd = len(shape_of(a))
    if p is None or p in (2, -2):
        s = svdvals(a)
        first, last = reduce_max(s, (nd - 2,)), reduce_min(s, (nd - 2,))
        above, below = (last, first) if p == -2 else (first, last)
        y = select(eq(below, 0), math.inf, div(above, select(eq(below, 0), 1, below)))
    else:
        a = square(a, "linalg.cond")
        factors, permutation, a = factors_of(a)
        singular = reduce_any(eq(diagonal(factors), 0), (nd - 2,))
        everywhere, one = _spread(singular, shape_of(a)), eye_like(a)
        inverse = lu_solve((select(everywhere, one, factors), permutation, select(everywhere, one, a)), one)
        y = mul(linalg_norm(a, p, (-2, -1)), linalg_norm(inverse, p, (-2, -1)))
        y = select(singular, math.inf, y)
    given = reduce_any(isnan(a), (nd - 2, nd - 1))
    return select(given, math.nan, select(isnan(y), math.inf, y))
