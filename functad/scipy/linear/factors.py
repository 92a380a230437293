"""Factorisations: Cholesky, LU, QR, singular values, polar; pseudoinverses and null spaces."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as sp

from functad.numpy.linear.operands import matrices, square
from functad.numpy.linear.ranks import cutoff
from functad.numpy.operands import as_array, cast, shape_of
from functad.primitives.arithmetic import reciprocal
from functad.primitives.broadcasting import broadcast, reduce_sum
from functad.primitives.comparison import eq, gt
from functad.primitives.convert import convert
from functad.primitives.generate import iota
from functad.primitives.linalg import cholesky as definite
from functad.primitives.linalg import lu as general
from functad.primitives.linalg import qr as orthogonal
from functad.primitives.linalg import svd as singular
from functad.primitives.linalg.hermitian import times_columns
from functad.primitives.linalg.matrices import (
    adjoint,
    hermitian,
    lower_part,
    matmul,
    on_diagonal,
    upper_part,
)
from functad.primitives.linalg.nonzero import require_nonzero
from functad.primitives.linalg.pseudoinverse import pinv_of
from functad.primitives.linalg.sylvester import polar_of
from functad.primitives.selection import maximum, select
from functad.primitives.slicing import slice_
from functad.primitives.stops import stop_gradient
from functad.scipy.routines import choice, routine

__all__ = ["cholesky", "lu", "null_space", "orth", "pinv", "pinvh", "polar", "qr", "svd", "svdvals"]


@routine(sp.cholesky)
def cholesky(a: Any, lower: bool = False) -> Any:
    """``scipy.linalg.cholesky``; one triangle is read, and has a derivative."""
    a = square(a, "scipy.linalg.cholesky")
    return definite.cholesky(a) if lower else adjoint(definite.cholesky(adjoint(a)))


@routine(sp.lu)
def lu(a: Any, permute_l: bool = False, p_indices: bool = False) -> Any:
    """``scipy.linalg.lu``."""
    a = matrices(a, "scipy.linalg.lu")
    factors, _, permutation = general.lu(a)
    *lead, m, n = shape_of(a)
    k, start = min(m, n), [0] * len(shape_of(a))
    left = on_diagonal(1, lower_part(slice_(factors, start, (*lead, m, k)), diagonal=False))
    right = upper_part(slice_(factors, start, (*lead, k, n)))
    square_, axes = (*lead, m, m), range(len(lead))
    column = iota(square_, np.int64, len(lead))  # a[permutation[j]] is row j of the product: p[permutation[j], j] = 1
    exchange = eq(column, broadcast(permutation, square_, (*axes, len(lead) + 1)))
    if permute_l:
        return matmul(convert(exchange, left.dtype), left), right
    if p_indices:
        number = iota(square_, np.int64, len(lead) + 1)
        order = reduce_sum(select(exchange, number, 0), (len(lead) + 1,))
        return convert(order, np.dtype(np.int32)), left, right
    return convert(exchange, np.empty(0, left.dtype).real.dtype), left, right


@routine(sp.qr)
def qr(a: Any, mode: str = "full", pivoting: bool = False) -> Any:
    """``scipy.linalg.qr`` in the modes "full", "economic" and "r"."""
    choice(mode, ("full", "economic", "r"), "qr", "mode")
    outs = orthogonal.qr(matrices(a, "scipy.linalg.qr"), mode != "economic", bool(pivoting))
    return tuple(outs[1:]) if mode == "r" else tuple(outs)


@routine(sp.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """``scipy.linalg.svd``."""
    a = matrices(a, "scipy.linalg.svd")
    return tuple(singular.svd(a, bool(full_matrices))) if compute_uv else singular.svdvals(a)


@routine(sp.svdvals)
def svdvals(a: Any) -> Any:
    """``scipy.linalg.svdvals``."""
    return singular.svdvals(matrices(a, "scipy.linalg.svdvals"))


@routine(sp.polar)
def polar(a: Any, side: str = "right") -> Any:
    """``scipy.linalg.polar``; its derivative is that for matrices of full rank, on the side where p is the smaller."""
    choice(side, ("right", "left"), "polar", "side")
    a = matrices(a, "scipy.linalg.polar")
    if side == "left":  # a = p u, and a^H = u^H p
        u, p = _polar(adjoint(a))
        return adjoint(u), p
    return _polar(a)


def _polar(a: Any) -> tuple[Any, Any]:
    u, s, vh = singular.svd(stop_gradient(a))
    return polar_of(matmul(u, vh), matmul(times_columns(adjoint(vh), s), vh), a)


# -- by the rank -------------------------------------------------------------------------------------------------------


def _large(s: Any, atol: Any, rtol: Any, shape: tuple[int, ...]) -> Any:
    """Which singular values count."""
    if rtol is None:
        rtol = max(shape[-2:]) * float(np.finfo(s.dtype).eps) if atol is None else 0.0
    least = cutoff(s, rtol)
    return gt(s, least if atol is None else maximum(least, cast(as_array(atol, "scipy.linalg.pinv"), s.dtype)))


@routine(sp.pinv)
def pinv(a: Any, atol: Any = None, rtol: Any = None, return_rank: bool = False) -> Any:
    """``scipy.linalg.pinv``; its derivative is that at fixed rank."""
    return _pseudoinverse(matrices(a, "scipy.linalg.pinv"), atol, rtol, return_rank)


@routine(sp.pinvh)
def pinvh(a: Any, atol: Any = None, rtol: Any = None, lower: bool = True, return_rank: bool = False) -> Any:
    """``scipy.linalg.pinvh``."""
    return _pseudoinverse(hermitian(square(a, "scipy.linalg.pinvh"), lower), atol, rtol, return_rank)


def _pseudoinverse(a: Any, atol: Any, rtol: Any, return_rank: bool) -> Any:
    u, s, vh = singular.svd(stop_gradient(a))
    large = _large(s, atol, rtol, shape_of(a))
    inverse = select(large, reciprocal(select(large, s, 1)), 0)
    y = pinv_of(matmul(times_columns(adjoint(vh), inverse), adjoint(u)), a)
    rank = reduce_sum(convert(large, np.dtype(np.int64)), (len(shape_of(s)) - 1,))
    return (y, rank) if return_rank else y


FULL_RANK = "the rank decides the shape of the result, which for traced values is that of a matrix of full rank"


def _of_full_rank(a: Any, rcond: Any) -> tuple[Any, Any, int]:
    u, s, vh = singular.svd(a, True)
    require_nonzero(convert(_large(s, None, rcond, shape_of(a)), s.dtype), FULL_RANK)
    return u, vh, min(shape_of(a)[-2:])


@routine(sp.null_space)
def null_space(A: Any, rcond: Any = None) -> Any:
    """``scipy.linalg.null_space`` of a matrix of full rank."""
    a = matrices(A, "scipy.linalg.null_space")
    _, vh, k = _of_full_rank(a, rcond)
    return singular.columns(adjoint(vh), k, shape_of(a)[-1])


@routine(sp.orth)
def orth(A: Any, rcond: Any = None) -> Any:
    """``scipy.linalg.orth`` of a matrix of full rank."""
    u, _, k = _of_full_rank(matrices(A, "scipy.linalg.orth"), rcond)
    return singular.columns(u, 0, k)
