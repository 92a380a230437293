"""Eigenvalues, singular values, orthogonal factors."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.errors import ArgumentError, UnsupportedError
from functad.numpy.dispatch import implements
from functad.numpy.linear.operands import matrices, square
from functad.numpy.traced import here
from functad.primitives.linalg import eigen, hermitian
from functad.primitives.linalg import qr as orthogonal
from functad.primitives.linalg import svd as singular
from functad.primitives.linalg.matrices import hermitian as mirrored

__all__ = ["eig", "eigh", "eigvals", "eigvalsh", "qr", "svd", "svdvals"]

EigResult: Any = type(np.linalg.eig(np.eye(1)))
EighResult: Any = type(np.linalg.eigh(np.eye(1)))
QRResult: Any = type(np.linalg.qr(np.eye(1)))
SVDResult: Any = type(np.linalg.svd(np.eye(1)))


def _lower(uplo: Any, name: str) -> bool:
    if not isinstance(uplo, str) or uplo.upper() not in ("L", "U"):
        raise ArgumentError(f"np.{name}{here()}: UPLO must be 'L' or 'U', got {uplo!r}")
    return uplo.upper() == "L"


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """``numpy.linalg.eigh``; one triangle is read, and has a derivative."""
    return EighResult(*hermitian.eigh(square(a, "linalg.eigh"), _lower(UPLO, "linalg.eigh")))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """``numpy.linalg.eigvalsh``."""
    return hermitian.eigvalsh(square(a, "linalg.eigvalsh"), _lower(UPLO, "linalg.eigvalsh"))


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """``numpy.linalg.eig``; the results are complex, whatever they turn out to be."""
    return EigResult(*eigen.eig(square(a, "linalg.eig")))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """``numpy.linalg.eigvals``; the result is complex, whatever it turns out to be."""
    return eigen.eigvals(square(a, "linalg.eigvals"))


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """``numpy.linalg.svd``."""
    x = maybe_hermitian(a, hermitian, "linalg.svd")
    return SVDResult(*singular.svd(x, bool(full_matrices))) if compute_uv else singular.svdvals(x)


def maybe_hermitian(a: Any, is_hermitian: bool, name: str) -> Any:
    """Matrices, of which only the lower triangle is read if they are said to be Hermitian."""
    return mirrored(square(a, name), lower=True) if is_hermitian else matrices(a, name)


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """``numpy.linalg.svdvals``."""
    return singular.svdvals(matrices(x, "linalg.svdvals"))


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """``numpy.linalg.qr`` in the modes "reduced", "complete" and "r"."""
    x = matrices(a, "linalg.qr")
    if mode == "raw":
        raise UnsupportedError(
            f"np.linalg.qr{here()}: mode='raw' (LAPACK's reflections) is not available for traced values; "
            "use 'reduced', 'complete' or 'r'"
        )
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"np.linalg.qr{here()}: mode must be 'reduced', 'complete' or 'r', got {mode!r}")
    q, r = orthogonal.qr(x, mode == "complete")
    return r if mode == "r" else QRResult(q, r)
