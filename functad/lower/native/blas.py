"""BLAS, as emitted matrix products call it."""

from __future__ import annotations

from functad.kernel_ir.fortran import fortran_routine
from functad.kernel_ir.native import NativeFunction

__all__ = ["blas_routine"]

ARGUMENTS = {"gemm": 13, "gemv": 11}


def blas_routine(kind: str, name: str) -> NativeFunction:
    """``functad_dgemm`` and the like: ``kind`` is the letter with which the name of the routine begins."""
    return fortran_routine("blas", kind + name, ARGUMENTS[name])
