"""Linear systems: general, triangular, definite, banded, Toeplitz; Sylvester's and Lyapunov's equations."""

from __future__ import annotations

from typing import Any

import scipy.linalg as sp

from functad.errors import ShapeError
from functad.numpy.linear import systems as in_numpy
from functad.numpy.linear.operands import matrices, one_batch, same_dtype, side_by_side, square
from functad.numpy.linear.systems import solved
from functad.numpy.operands import as_array, shape_of
from functad.numpy.traced import here
from functad.primitives.arithmetic import add, div, mul, neg, sub
from functad.primitives.broadcasting import broadcast
from functad.primitives.complex import conj
from functad.primitives.joining import concatenate
from functad.primitives.linalg.banded import banded_solve
from functad.primitives.linalg.cholesky import cholesky
from functad.primitives.linalg.lu import lu, permutation_of, permuted
from functad.primitives.linalg.matrices import (
    adjoint,
    diagonal,
    eye_like,
    hermitian,
    lower_part,
    matmul,
    on_diagonal,
    turned,
    upper_part,
)
from functad.primitives.linalg.nonzero import require_nonzero
from functad.primitives.linalg.solving import cholesky_solve
from functad.primitives.linalg.sylvester import sylvester
from functad.primitives.linalg.triangular import SINGULAR, require_pivots, triangular_solve
from functad.primitives.scatter import scatter_set_p
from functad.primitives.shapes import reshape
from functad.primitives.slicing import slice_
from functad.primitives.stops import stop_gradient
from functad.scipy.linear.special_matrices import toeplitz_matrix
from functad.scipy.routines import choice, routine

__all__ = [
    "cho_factor", "cho_solve", "inv", "det", "lu_factor", "lu_solve", "solve", "solve_banded",
    "solve_continuous_lyapunov", "solve_discrete_lyapunov", "solve_sylvester", "solve_toeplitz", "solve_triangular",
    "solveh_banded",
]  # fmt: skip


def right_sides(a: Any, b: Any, name: str) -> tuple[Any, Any, Any]:
    """A matrix and right-hand sides as matrices of one dtype, and what makes vectors again of solutions of vectors."""
    a, b = same_dtype(a, as_array(b, name))
    is_vector = len(shape_of(b)) == 1
    if is_vector:
        b = reshape(b, (*shape_of(b), 1))
    if len(shape_of(b)) < 2 or shape_of(a)[-1] != shape_of(b)[-2]:
        raise ShapeError(
            f"{name}{here()}: right-hand sides of shape {shape_of(b)[: -1 if is_vector else None]} do not fit matrices "
            f"of shape {shape_of(a)}"
        )
    return a, b, (lambda x: reshape(x, shape_of(x)[:-1])) if is_vector else (lambda x: x)


def for_all(solver: Any, a: Any, b: Any, name: str) -> Any:
    """``solver(a, b)`` with batches broadcast; right-hand sides of one matrix side by side."""
    if len(shape_of(a)) == 2 and len(shape_of(b)) > 2:
        wide, undo = side_by_side(b)
        return undo(solver(a, wide))
    return solver(*one_batch(a, b, name))


# -- general systems ---------------------------------------------------------------------------------------------------

GENERAL = ("gen", "general", "tridiagonal", "banded", None)
DEFINITE = ("pos", "positive definite")
STRUCTURES = (
    *GENERAL, *DEFINITE, "sym", "symmetric", "her", "hermitian", "diagonal", "upper triangular", "lower triangular",
)  # fmt: skip


@routine(sp.solve)
def solve(a: Any, b: Any, lower: bool = False, assume_a: Any = None, transposed: bool = False) -> Any:
    """``scipy.linalg.solve``: of matrices that are said to have a structure, only what decides them is read."""
    choice(assume_a, STRUCTURES, "solve", "assume_a")
    a, b, undo = right_sides(square(a, "scipy.linalg.solve"), b, "scipy.linalg.solve")
    if assume_a in ("her", "hermitian"):
        a = hermitian(a, lower)
    elif assume_a in ("sym", "symmetric"):
        part = lower_part(a) if lower else upper_part(a)
        a = on_diagonal(a, add(part, turned(part)))
    if transposed:
        a = turned(a)
    if assume_a in DEFINITE:
        return undo(for_all(_definite, hermitian(a, lower != transposed), b, "scipy.linalg.solve"))
    if assume_a == "diagonal":
        return undo(for_all(_by_diagonal, a, b, "scipy.linalg.solve"))
    if assume_a in ("upper triangular", "lower triangular"):
        is_lower = (assume_a == "lower triangular") != transposed
        return undo(for_all(_triangular(is_lower, False, False), a, b, "scipy.linalg.solve"))
    return undo(solved(a, b, "scipy.linalg.solve"))


def _definite(a: Any, b: Any) -> Any:
    return cholesky_solve((cholesky(stop_gradient(a)), a), b)


def _by_diagonal(a: Any, b: Any) -> Any:
    d = diagonal(a)
    require_nonzero(d, SINGULAR)
    return div(b, broadcast(d, shape_of(b), range(len(shape_of(d)))))


@routine(sp.inv)
def inv(a: Any) -> Any:
    """``scipy.linalg.inv``."""
    return in_numpy.inv(a)


@routine(sp.det)
def det(a: Any) -> Any:
    """``scipy.linalg.det``."""
    return in_numpy.det(a)


# -- triangular systems, factors ---------------------------------------------------------------------------------------


@routine(sp.solve_triangular)
def solve_triangular(a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False) -> Any:
    """``scipy.linalg.solve_triangular``."""
    choice(trans, (0, 1, 2, "N", "T", "C"), "solve_triangular", "trans")
    name = "scipy.linalg.solve_triangular"
    a, b, undo = right_sides(square(a, name), b, name)
    if trans in (2, "C") and a.dtype.kind == "c":
        a = conj(a)
    return undo(for_all(_triangular(lower, trans not in (0, "N"), unit_diagonal), a, b, name))


def _triangular(lower: bool, trans: bool, unit: bool) -> Any:
    def solver(a: Any, b: Any) -> Any:
        if not unit:
            require_pivots(a)
        return triangular_solve(a, b, lower=bool(lower), trans=trans, unit=bool(unit))

    return solver


@routine(sp.lu_factor)
def lu_factor(a: Any) -> Any:
    """``scipy.linalg.lu_factor``."""
    factors, pivots, _ = lu(matrices(a, "scipy.linalg.lu_factor"))
    return factors, pivots


@routine(sp.lu_solve)
def lu_solve(lu_and_piv: Any, b: Any, trans: int = 0) -> Any:
    """``scipy.linalg.lu_solve``."""
    choice(trans, (0, 1, 2), "lu_solve", "trans")
    factors, pivots = lu_and_piv
    factors, b, undo = right_sides(square(factors, "scipy.linalg.lu_solve"), b, "scipy.linalg.lu_solve")
    order = permutation_of(as_array(pivots, "scipy.linalg.lu_solve"), shape_of(factors)[-1])
    if len(shape_of(factors)) != len(shape_of(b)):
        raise ShapeError(
            f"scipy.linalg.lu_solve{here()}: factors of shape {shape_of(factors)} and right-hand sides of shape "
            f"{shape_of(b)} must be batches of one shape; broadcast one of them"
        )
    if trans == 2 and factors.dtype.kind == "c":
        factors = conj(factors)
    if not trans:
        half = triangular_solve(factors, permuted(b, order), lower=True, unit=True)
        return undo(triangular_solve(factors, half, lower=False))
    half = triangular_solve(factors, b, lower=False, trans=True)
    half = triangular_solve(factors, half, lower=True, trans=True, unit=True)
    batch = len(shape_of(b)) - 2
    return undo(scatter_set_p.bind(half, half, order, batch=batch))


@routine(sp.cho_factor)
def cho_factor(a: Any, lower: bool = False) -> Any:
    """``scipy.linalg.cho_factor``; the other triangle, where SciPy leaves anything, is 0."""
    a = square(a, "scipy.linalg.cho_factor")
    return (cholesky(a) if lower else adjoint(cholesky(adjoint(a)))), lower


@routine(sp.cho_solve)
def cho_solve(c_and_lower: Any, b: Any) -> Any:
    """``scipy.linalg.cho_solve``."""
    c, lower = c_and_lower
    c, b, undo = right_sides(square(c, "scipy.linalg.cho_solve"), b, "scipy.linalg.cho_solve")
    conjugate = conj(c) if c.dtype.kind == "c" else c

    def solver(matrix: Any, right: Any) -> Any:
        other = conj(matrix) if conjugate is not c else matrix
        first, second = (matrix, other) if lower else (other, matrix)
        half = triangular_solve(first, right, lower=bool(lower), trans=not lower)
        return triangular_solve(second, half, lower=bool(lower), trans=bool(lower))

    return undo(for_all(solver, c, b, "scipy.linalg.cho_solve"))


# -- banded systems ----------------------------------------------------------------------------------------------------


def _bands(ab: Any, b: Any, rows: int | None, name: str) -> tuple[Any, Any, Any]:
    ab, b, undo = right_sides(matrices(ab, name), b, name)
    if rows is not None and shape_of(ab)[-2] != rows:
        raise ShapeError(f"{name}{here()}: expected {rows} rows of diagonals (l + u + 1), got shape {shape_of(ab)}")
    return ab, b, undo


@routine(sp.solve_banded)
def solve_banded(l_and_u: Any, ab: Any, b: Any) -> Any:
    """``scipy.linalg.solve_banded``."""
    below, above = (int(n) for n in l_and_u)
    ab, b, undo = _bands(ab, b, below + above + 1, "scipy.linalg.solve_banded")
    x = for_all(lambda a, y: banded_solve(a, y, below=below, above=above), ab, b, "scipy.linalg.solve_banded")
    return undo(x)


@routine(sp.solveh_banded)
def solveh_banded(ab: Any, b: Any, lower: bool = False) -> Any:
    """``scipy.linalg.solveh_banded``: of a positive definite matrix by the diagonals of one triangle."""
    ab, b, undo = _bands(ab, b, None, "scipy.linalg.solveh_banded")
    u = shape_of(ab)[-2] - 1
    full = _both_triangles(ab, u, lower)
    x = for_all(lambda a, y: banded_solve(a, y, below=u, above=u, definite=True), full, b, "scipy.linalg.solveh_banded")
    return undo(x)


def _both_triangles(ab: Any, u: int, lower: bool) -> Any:
    """All diagonals of a Hermitian matrix from those of one triangle."""
    *lead, _, n = shape_of(ab)
    axis, zeros = len(lead), [0] * len(lead)

    def row(k: int) -> Any:
        return slice_(ab, (*zeros, k, 0), (*lead, k + 1, n))

    def shifted(x: Any, by: int) -> Any:
        """Element j of a row is that at j - by; what comes from outside does not matter."""
        if not by or not n:
            return x
        m, start = min(abs(by), n), (*zeros, 0, 0)
        rest = broadcast(x.dtype.type(0), (*lead, 1, m), ())
        if by > 0:
            return concatenate([rest, slice_(x, start, (*lead, 1, n - m))], axis + 1)
        return concatenate([slice_(x, (*zeros, 0, m), (*lead, 1, n)), rest], axis + 1)

    def flipped(x: Any) -> Any:
        return conj(x) if ab.dtype.kind == "c" else x

    if lower:  # row d holds element (j + d, j)
        above = [flipped(shifted(row(d), d)) for d in range(u, 0, -1)]
        return concatenate([*above, *[row(d) for d in range(u + 1)]], axis)
    below = [flipped(shifted(row(u - d), -d)) for d in range(1, u + 1)]  # row u - d holds element (j - d, j)
    return concatenate([*[row(k) for k in range(u + 1)], *below], axis)


@routine(sp.solve_toeplitz)
def solve_toeplitz(c_or_cr: Any, b: Any) -> Any:
    """``scipy.linalg.solve_toeplitz``, by the factors of the whole matrix."""
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    a, b, undo = right_sides(toeplitz_matrix(c, r), b, "scipy.linalg.solve_toeplitz")
    return undo(solved(a, b, "scipy.linalg.solve_toeplitz"))


# -- equations with matrices on both sides -----------------------------------------------------------------------------


@routine(sp.solve_sylvester)
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """``scipy.linalg.solve_sylvester``."""
    name = "scipy.linalg.solve_sylvester"
    a, b = same_dtype(square(a, name), square(b, name))
    a, q = same_dtype(a, matrices(q, name))
    b, q = same_dtype(b, q)
    return sylvester(a, b, q)


@routine(sp.solve_continuous_lyapunov)
def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """``scipy.linalg.solve_continuous_lyapunov``: of ``a x + x a^H = q``."""
    name = "scipy.linalg.solve_continuous_lyapunov"
    a, q = same_dtype(square(a, name), square(q, name))
    return sylvester(a, adjoint(a), q)


@routine(sp.solve_discrete_lyapunov)
def solve_discrete_lyapunov(a: Any, q: Any, method: Any = None) -> Any:
    """``scipy.linalg.solve_discrete_lyapunov``: of ``a x a^H - x + q = 0``, by the bilinear transformation."""
    name = "scipy.linalg.solve_discrete_lyapunov"
    choice(method, (None, "direct", "bilinear"), "solve_discrete_lyapunov", "method")
    a, q = same_dtype(square(a, name), square(q, name))
    one, of_a = eye_like(a), adjoint(a)
    inverse = in_numpy.inv(add(of_a, one))
    b = matmul(sub(of_a, one), inverse)
    c = mul(matmul(matmul(in_numpy.inv(add(a, one)), q), inverse), 2)
    return sylvester(adjoint(b), b, neg(c))
