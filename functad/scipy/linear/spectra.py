"""Eigenvalues, also of pairs of matrices; norms, least squares; functions of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as sp

from functad.errors import ArgumentError, UnsupportedError
from functad.numpy.linear import ranks as in_numpy
from functad.numpy.linear.operands import one_batch, same_dtype, square
from functad.numpy.linear.systems import inv, solve
from functad.numpy.operands import cast, shape_of
from functad.numpy.statistics import linalg_norm
from functad.numpy.traced import here
from functad.primitives.complex import conj
from functad.primitives.linalg import eigen
from functad.primitives.linalg import hermitian as spectrum
from functad.primitives.linalg.cholesky import cholesky
from functad.primitives.linalg.functions import NAMES, frechet, matrix_function
from functad.primitives.linalg.matrices import adjoint, hermitian, matmul
from functad.primitives.linalg.svd import columns
from functad.primitives.linalg.triangular import triangular_solve
from functad.primitives.shapes import reshape
from functad.primitives.slicing import slice_
from functad.scipy.routines import choice, routine

__all__ = ["eig", "eigh", "eigvals", "eigvalsh", "expm_frechet", "lstsq", "norm", *NAMES]


@routine(sp.eigh)
def eigh(
    a: Any,
    b: Any = None,
    lower: bool = True,
    eigvals_only: bool = False,
    type: int = 1,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: Any = None,
) -> Any:
    """``scipy.linalg.eigh``, with its default drivers; one triangle of each matrix is read, and has a derivative."""
    name = "scipy.linalg.eigh"
    if subset_by_value is not None:
        raise UnsupportedError(
            f"{name}{here()}: how many eigenvalues there are in subset_by_value= is not known for traced values; use "
            "subset_by_index="
        )
    a = square(a, name)
    if b is None:
        w, v = spectrum.eigh(a, bool(lower), "evd" if driver in ("evd", "ev") else "evr")
    else:
        choice(type, (1, 2, 3), "eigh", "type")
        w, v = _of_pair(*one_batch(*same_dtype(a, square(b, name)), name), bool(lower), type)
    if subset_by_index is not None:
        first, last = (int(i) for i in subset_by_index)
        *lead, n = shape_of(w)
        if not 0 <= first <= last < n:
            raise ArgumentError(
                f"{name}{here()}: subset_by_index must be the first and the last index, of 0 to {n - 1}, "
                f"got {subset_by_index}"
            )
        w, v = slice_(w, (*[0] * len(lead), first), (*lead, last + 1)), columns(v, first, last + 1)
    return w if eigvals_only else (w, v)


def _of_pair(a: Any, b: Any, lower: bool, type: int) -> tuple[Any, Any]:
    """With b = l l^H: of ``a v = b v w`` the problem for ``l^-1 a l^-H``, of the other two that for ``l^H a l``."""
    a = hermitian(a, lower)
    factor = cholesky(b if lower else adjoint(b))
    conjugate = conj(factor) if factor.dtype.kind == "c" else factor
    if type == 1:
        half = triangular_solve(factor, a, lower=True)
        c = triangular_solve(factor, adjoint(half), lower=True)
    else:
        c = matmul(adjoint(factor), matmul(a, factor))
    w, y = spectrum.eigh(c, lower)
    return w, matmul(factor, y) if type == 3 else triangular_solve(conjugate, y, lower=True, trans=True)


@routine(sp.eigvalsh)
def eigvalsh(
    a: Any, b: Any = None, lower: bool = True, type: int = 1, subset_by_index: Any = None, subset_by_value: Any = None
) -> Any:
    """``scipy.linalg.eigvalsh``."""
    if b is None and subset_by_index is None and subset_by_value is None:
        return spectrum.eigvalsh(square(a, "scipy.linalg.eigvalsh"), bool(lower))
    return eigh(
        a,
        b,
        lower=lower,
        eigvals_only=True,
        type=type,
        subset_by_index=subset_by_index,
        subset_by_value=subset_by_value,
    )


@routine(sp.eig)
def eig(a: Any, b: Any = None, left: bool = False, right: bool = True) -> Any:
    """``scipy.linalg.eig``: eigenvalues and eigenvectors, complex, also of pairs ``a v = b v w`` with a regular b.

    With the right ones v, rows of (b v)^-1 are left ones; all columns have length 1 and a largest element that is real.
    """
    name = "scipy.linalg.eig"
    c = a = square(a, name)
    if b is not None:
        a, b = one_batch(*same_dtype(a, square(b, name)), name)
        c = solve(b, a)
    if not (left or right):
        return eigen.eigvals(c)
    w, v = eigen.eig(c)
    if not left:
        return w, v
    rows = inv(v if b is None else np.matmul(b, v))
    u = _normalised(np.conj(np.swapaxes(rows, -2, -1)))
    return (w, u, v) if right else (w, u)


def _normalised(v: Any) -> Any:
    """Columns of length 1 with a real largest element."""
    place = np.argmax(np.abs(v), axis=-2, keepdims=True)
    largest = np.take_along_axis(v, place, axis=-2)
    return v * (np.conj(largest) / (np.abs(largest) * np.linalg.norm(v, axis=-2, keepdims=True)))


@routine(sp.eigvals)
def eigvals(a: Any, b: Any = None) -> Any:
    """``scipy.linalg.eigvals``, complex."""
    return eig(a, b, right=False)


@routine(sp.norm)
def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """``scipy.linalg.norm``."""
    return linalg_norm(a, ord, axis, bool(keepdims))


@routine(sp.lstsq)
def lstsq(a: Any, b: Any, cond: Any = None) -> Any:
    """``scipy.linalg.lstsq``. The residuals are there for more rows than columns, whatever the rank turns out to be."""
    x, residuals, rank, s = in_numpy.lstsq(a, b, -1.0 if cond is None else cond)  # the dtype's precision
    if len(shape_of(x)) == 1 and shape_of(residuals)[0]:
        residuals = reshape(residuals, ())
    return x, residuals, cast(rank, np.dtype(np.int64)), s


# -- functions of matrices ---------------------------------------------------------------------------------------------


def _function(name: str) -> Any:
    def f(A: Any) -> Any:
        return matrix_function(square(A, f"scipy.linalg.{name}"), name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"``scipy.linalg.{name}``, in the dtype of the matrix: LinAlgError where a real one has no real result."
    return routine(getattr(sp, name))(f)


expm, logm, sqrtm, cosm, sinm, tanm, coshm, sinhm, tanhm = (_function(name) for name in NAMES)


@routine(sp.expm_frechet)
def expm_frechet(A: Any, E: Any, compute_expm: bool = True) -> Any:
    """``scipy.linalg.expm_frechet``."""
    name = "scipy.linalg.expm_frechet"
    a, e = one_batch(*same_dtype(square(A, name), square(E, name)), name)
    along = frechet(a, e, "expm")
    return (matrix_function(a, "expm"), along) if compute_expm else along
