"""Products of matrices of small, known sizes as vector code without calls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.nodes import Product
from functad.lower.emit.code import Code, memory_type
from functad.lower.emit.memory import lane_mask, load_apart, load_one, load_run, shuffle, splat, store_run
from functad.lower.llvm.target import Target

__all__ = ["SmallProduct"]

ROWS = 4
"""Rows of the result that are computed together: so many accumulators hide the latency of a multiplication."""

WRITTEN_OUT = 40
"""Products of at most this many vector operations are written without a loop over the rows."""


class SmallProduct:
    """Row by row: a row of the result is the sum of the rows of ``rhs``, each times one element of ``lhs``, in vectors
    along the row.

    A complex row is a row of twice as many reals; products with the real and the imaginary part of the element of
    ``lhs`` are summed apart, and joined at the end, the second with the parts of its elements swapped.
    """

    def __init__(self, code: Code, target: Target, p: Product) -> None:
        m, n, k = p.m.constant, p.n.constant, p.k.constant
        assert m is not None and n is not None and k is not None
        self.code, self.p = code, p
        self.m, self.n, self.k = m, n, k
        self.dtype: np.dtype = p.out.dtype
        self.name, self.type = dtype_name(self.dtype), memory_type(self.dtype)
        self.pair = 2 if p.complex else 1
        length = n * self.pair
        self.width = max(2, min(target.lanes(self.dtype.itemsize), 1 << (length - 1).bit_length()))
        self.vectors = [(start, min(self.width, length - start)) for start in range(0, length, self.width)]
        self.lanes = code.sums(self.width)

    def write(self, out: str, lhs: str, rhs: str) -> None:
        """One product, of the matrices at these addresses."""
        rows = [[self._row_of_rhs(rhs, inner, *vector) for vector in self.vectors] for inner in range(self.k)]
        if self.m * self.k * len(self.vectors) * self.pair <= WRITTEN_OUT:
            for start in range(0, self.m, ROWS):
                self._rows(out, lhs, rows, str(start), min(ROWS, self.m - start))
            return
        whole = self.m // ROWS * ROWS
        if whole:
            with self.code.loop("0", str(whole), ROWS, ()) as first:
                self._rows(out, lhs, rows, first, ROWS)
        if self.m > whole:
            self._rows(out, lhs, rows, str(whole), self.m - whole)

    def _mask(self, count: int) -> str | None:
        return None if count == self.width else lane_mask(self.code, self.width, str(count))

    def _row_of_rhs(self, rhs: str, inner: int, start: int, count: int) -> str:
        if not self.p.transpose_rhs:
            return load_run(
                self.code, self.dtype, self._at(rhs, inner * self.n * self.pair + start), self.width, self._mask(count)
            )
        places = [min(start + lane, start + count - 1) for lane in range(self.width)]
        offsets = [(place // self.pair * self.k + inner) * self.pair + place % self.pair for place in places]
        return load_apart(self.code, self.dtype, [self._at(rhs, offset) for offset in offsets])

    def _at(self, pointer: str, offset: int) -> str:
        return self.code.offset(self.type, pointer, str(offset))

    def _rows(self, out: str, lhs: str, rows: Sequence[Sequence[str]], start: str, count: int) -> None:
        """``count`` rows of the result, from row ``start`` on."""
        code = self.code
        stride = (1 if self.p.transpose_lhs else self.k) * self.pair
        first = code.offset(self.type, lhs, code.mul(start, str(stride)))
        target = code.offset(self.type, out, code.mul(start, str(self.n * self.pair)))
        for row in range(count):
            sums: list[list[str]] = []
            for part in range(self.pair):
                factors = [self._factor(first, row, inner, part) for inner in range(self.k)]
                sums.append([self._sum(factors, [r[v] for r in rows]) for v in range(len(self.vectors))])
            for v, (begin, live) in enumerate(self.vectors):
                total = sums[0][v] if self.pair == 1 else self._joined(sums[0][v], sums[1][v])
                store_run(
                    code,
                    self.dtype,
                    self._at(target, row * self.n * self.pair + begin),
                    self.width,
                    total,
                    self._mask(live),
                )

    def _factor(self, lhs: str, row: int, inner: int, part: int) -> str:
        place = inner * self.m + row if self.p.transpose_lhs else row * self.k + inner
        return splat(
            self.code, self.type, self.width, load_one(self.code, self.dtype, self._at(lhs, place * self.pair + part))
        )

    def _sum(self, factors: Sequence[str], rows: Sequence[str]) -> str:
        total = self.lanes.fmul(self.name, factors[0], rows[0])
        for factor, row in zip(factors[1:], rows[1:], strict=True):
            total = self.lanes.fadd(self.name, total, self.lanes.fmul(self.name, factor, row))
        return total

    def _joined(self, by_real: str, by_imaginary: str) -> str:
        scalar = self.code.scalar
        swapped = shuffle(self.code, self.type, self.width, by_imaginary, [lane ^ 1 for lane in range(self.width)])
        signs = ", ".join(
            f"{self.type} {scalar.const(self.name, 1.0 if lane % 2 else -1.0)}" for lane in range(self.width)
        )
        return self.lanes.fadd(self.name, by_real, self.lanes.fmul(self.name, swapped, f"<{signs}>"))
