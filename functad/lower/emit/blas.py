"""Calls of BLAS, which counts with 32 bits and takes matrices in column-major order.

A row-major matrix is the transpose of what it sees: it computes ``out^T = rhs^T lhs^T``, with the operands swapped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.nodes import Product
from functad.lower.emit.code import Code, memory_type
from functad.lower.native.blas import blas_routine

__all__ = ["KINDS", "Gemm", "gemv", "letter", "too_large"]

LARGEST_COUNT = 2**31 - 1


KINDS: dict[str, tuple[np.dtype, bool]] = {
    "s": (np.dtype(np.float32), False),
    "d": (np.dtype(np.float64), False),
    "c": (np.dtype(np.float32), True),
    "z": (np.dtype(np.float64), True),
}
"""The letters with which names of routines begin: the dtype of the reals, and whether elements are pairs of them."""


def letter(dtype: np.dtype, complex: bool) -> str:
    """The letter of a kind of matrix."""
    return next(name for name, kind in KINDS.items() if kind == (dtype, complex))


class _Arguments:
    """Arguments by address: constants, and counts that are stored on the stack."""

    def __init__(self, code: Code, dtype: np.dtype, complex: bool) -> None:
        self.code = code
        self.letter = letter(dtype, complex)
        self.type = memory_type(dtype)
        self.dtype = dtype_name(dtype)

    def letter_of(self, transposed: bool) -> str:
        name = "@functad_transposed" if transposed else "@functad_plain"
        self.code.declarations.add(f'{name} = internal constant [1 x i8] c"{"T" if transposed else "N"}"')
        return name

    def scalar(self, value: float) -> str:
        name = f"@functad_{'one' if value else 'zero'}_{self.dtype}"
        parts = ", ".join(f"{self.type} {self.code.scalar.const(self.dtype, x)}" for x in (value, 0.0))
        self.code.declarations.add(f"{name} = internal constant [2 x {self.type}] [{parts}]")
        return name

    def count(self, value: str, at_least: int = 0) -> str:
        if at_least:
            value = (
                str(max(int(value), at_least))
                if value[0] != "%"
                else self.code.scalar.intrinsic("smax", "i64", value, str(at_least))
            )
        slot = self.code.name()
        self.code.prologue.append(f"  {slot} = alloca i32, align 4")
        self.code.line(f"store i32 {self.code.emit(f'trunc i64 {value} to i32')}, ptr {slot}")
        return slot

    def call(self, routine: str, arguments: Sequence[str]) -> None:
        self.code.call(blas_routine(self.letter, routine), *arguments)


def too_large(code: Code, sizes: Sequence[str]) -> str:
    """Whether BLAS cannot count one of these sizes: an i1."""
    if any(n[0] != "%" and int(n) > LARGEST_COUNT for n in sizes):
        return "true"
    large = "false"
    for n in sizes:
        if n[0] == "%":
            above = code.emit(f"icmp sgt i64 {n}, {LARGEST_COUNT}")
            large = above if large == "false" else code.scalar.ior("bool", large, above)
    return large


class Gemm:
    """Products of matrices of the same sizes, none of them with too many rows or columns."""

    def __init__(self, code: Code, p: Product) -> None:
        a = self.arguments = _Arguments(code, p.out.dtype, p.complex)
        m, n, k = (code.size(size) for size in (p.m, p.n, p.k))
        self.flags = a.letter_of(p.transpose_rhs), a.letter_of(p.transpose_lhs)
        self.sizes = a.count(n), a.count(m), a.count(k)
        self.strides = a.count(k if p.transpose_rhs else n, 1), a.count(m if p.transpose_lhs else k, 1), a.count(n, 1)
        self.one, self.zero = a.scalar(1.0), a.scalar(0.0)

    def write(self, out: str, lhs: str, rhs: str) -> None:
        """One product, of the matrices at these addresses."""
        by_rhs, by_lhs, by_out = self.strides
        self.arguments.call(
            "gemm", (*self.flags, *self.sizes, self.one, rhs, by_rhs, lhs, by_lhs, self.zero, out, by_out)
        )


def gemv(
    code: Code, dtype: np.dtype, complex: bool, by_row: bool, rows: str, columns: str, addresses: tuple[str, str, str]
) -> None:
    """Add the product of a matrix, neither empty nor too large, and a vector to the result; their ``addresses``, that
    of the result first.

    ``by_row``: the rows in memory are what is multiplied with the vector, not its columns.
    """
    out, matrix, vector = addresses
    a = _Arguments(code, dtype, complex)
    # in column-major order, rows are columns
    m, n, step, one = a.count(columns), a.count(rows), a.count("1"), a.scalar(1.0)
    a.call("gemv", (a.letter_of(by_row), m, n, one, matrix, m, vector, step, one, out, step))
