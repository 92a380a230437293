"""Matrices that are made of vectors or of blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as sp

from functad.errors import ShapeError
from functad.numpy.operands import as_array, cast, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here
from functad.primitives.arithmetic import div, mul, neg
from functad.primitives.broadcasting import broadcast
from functad.primitives.complex import conj
from functad.primitives.convert import convert
from functad.primitives.gather import gather_p
from functad.primitives.joining import concatenate
from functad.primitives.shapes import flip, reshape
from functad.primitives.slicing import pad, slice_
from functad.scipy.routines import routine

__all__ = ["block_diag", "circulant", "companion", "hankel", "khatri_rao", "toeplitz"]


def _vector(x: Any, name: str) -> Any:
    x = as_array(x, f"scipy.linalg.{name}")
    if len(shape_of(x)) != 1:
        raise ShapeError(f"scipy.linalg.{name}{here()}: expected a vector, got shape {shape_of(x)}")
    return x


def _at(x: Any, index: np.ndarray) -> Any:
    """The elements of a vector at indices that are known to be in bounds."""
    return gather_p.bind(x, index, batch=0)


def toeplitz_matrix(c: Any, r: Any) -> Any:
    """The matrix with this first column and, from the second element on, this first row."""
    c = _vector(c, "toeplitz")
    if r is None:
        r = conj(c) if c.dtype.kind == "c" else c
    r = _vector(r, "toeplitz")
    dtype = result_dtype([c, r])
    c, r = cast(c, dtype), cast(r, dtype)
    m, n = shape_of(c)[0], shape_of(r)[0]
    if not m or not n:
        return broadcast(dtype.type(0), (m, n), ())
    values = concatenate([flip(slice_(r, (1,), (n,)), (0,)), c], 0)
    return _at(values, np.subtract.outer(np.arange(m), np.arange(n)) + (n - 1))


@routine(sp.toeplitz)
def toeplitz(c: Any, r: Any = None) -> Any:
    """``scipy.linalg.toeplitz`` of vectors."""
    return toeplitz_matrix(c, r)


@routine(sp.circulant)
def circulant(c: Any) -> Any:
    """``scipy.linalg.circulant`` of a vector."""
    c = _vector(c, "circulant")
    n = shape_of(c)[0]
    return _at(c, np.subtract.outer(np.arange(n), np.arange(n)) % max(n, 1))


@routine(sp.hankel)
def hankel(c: Any, r: Any = None) -> Any:
    """``scipy.linalg.hankel`` of vectors."""
    c = _vector(c, "hankel")
    r = broadcast(c.dtype.type(0), shape_of(c), ()) if r is None else _vector(r, "hankel")
    dtype = result_dtype([c, r])
    m, n = shape_of(c)[0], shape_of(r)[0]
    values = concatenate([cast(c, dtype), slice_(cast(r, dtype), (min(1, n),), (n,))], 0)
    return _at(values, np.add.outer(np.arange(m), np.arange(n)))


@routine(sp.companion)
def companion(a: Any) -> Any:
    """``scipy.linalg.companion`` of the coefficients of a polynomial."""
    a = _vector(a, "companion")
    n = shape_of(a)[0]
    if n < 2:
        raise ShapeError(f"scipy.linalg.companion{here()}: expected at least two coefficients, got {n}")
    a = cast(a, result_dtype([a, 1.0])) if a.dtype.kind in "iub" else a
    row = neg(div(slice_(a, (1,), (n,)), reshape(slice_(a, (0,), (1,)), ())))
    below = convert(np.eye(n - 2, n - 1), a.dtype)
    return concatenate([reshape(row, (1, n - 1)), below], 0)


@routine(sp.block_diag)
def block_diag(*arrs: Any) -> Any:
    """``scipy.linalg.block_diag`` of matrices, vectors (as rows) and numbers."""
    xs = [as_array(x, "scipy.linalg.block_diag") for x in arrs]
    xs = [reshape(x, (1,) * (2 - len(shape_of(x))) + shape_of(x)) if len(shape_of(x)) < 2 else x for x in xs]
    for x in xs:
        if len(shape_of(x)) != 2:
            raise ShapeError(f"scipy.linalg.block_diag{here()}: expected matrices, got an array of shape {shape_of(x)}")
    dtype, total, before, rows = result_dtype(xs), sum([shape_of(x)[1] for x in xs]), 0, []
    for x in xs:
        n = shape_of(x)[1]
        rows.append(pad(cast(x, dtype), dtype.type(0), [(0, 0, 0), (before, total - before - n, 0)]))
        before += n
    return concatenate(rows, 0)


@routine(sp.khatri_rao)
def khatri_rao(a: Any, b: Any) -> Any:
    """``scipy.linalg.khatri_rao``: the Kronecker products of columns."""
    a, b = as_array(a, "scipy.linalg.khatri_rao"), as_array(b, "scipy.linalg.khatri_rao")
    if len(shape_of(a)) != 2 or len(shape_of(b)) != 2 or shape_of(a)[1] != shape_of(b)[1]:
        raise ShapeError(
            f"scipy.linalg.khatri_rao{here()}: expected matrices with as many columns, got shapes {shape_of(a)} and "
            f"{shape_of(b)}"
        )
    dtype = result_dtype([a, b])
    (m, k), (n, _) = shape_of(a), shape_of(b)
    full = (m, n, k)
    product = mul(broadcast(cast(a, dtype), full, (0, 2)), broadcast(cast(b, dtype), full, (1, 2)))
    return reshape(product, (m * n, k))
