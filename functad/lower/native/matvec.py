"""Products of a matrix and a vector of any size, by native functions that all modules share.

Small matrices are multiplied there, large ones by BLAS; which is known at run time only. 20 x 20 doubles take 22 to 30
ns, where BLAS takes 65 to 80.

Complex matrices are matrices of reals, twice as wide. With z for an element of the matrix and w for one of the vector,

    Re zw = Re z Re w - Im z Im w    the sum of  z * (Re w, -Im w)
    Im zw = Re z Im w + Im z Re w    the sum of  z * (Im w, Re w)

where * multiplies pairs part by part: a row times a complex vector is that row of reals times two vectors of reals. By
columns, zw = z * (Re w, Re w) + (-Im z, Re z) * (Im w, Im w): rows are multiplied with both parts of w and summed
apart, and the second sums then swapped within pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.lines import Carried
from functad.kernel_ir.native import NativeFunction, Text, family
from functad.kernel_ir.nodes import Product
from functad.lower.emit.blas import KINDS, gemv, letter, too_large
from functad.lower.emit.code import Code, memory_type
from functad.lower.emit.memory import lane_mask, load_one, load_run, shuffle, splat, store_run
from functad.lower.llvm.target import Target

__all__ = ["Matvec", "matvec_function"]

OWN_BYTES = 2**18
"""Matrices of more bytes are left to BLAS, which takes as long for those that are in the second cache, and has threads
for those that are not.
"""

VECTOR_BITS = 256
"""The widest vectors in use: of longer ones, rows of 20 leave more lanes empty, and adding up the lanes takes longer.
"""

ROWS = 8
"""Rows (a power of two) whose products with the vector are summed together: so many sums hide the latency of a
multiplication.
"""

PANELS = (4, 2), (1, 4)
"""Vectors of the result that are summed together, and the rows that are added at a time: panels of four vectors, then
the rest by one.
"""


class Matvec:
    """Products of one kind of matrix with a vector."""

    def __init__(self, code: Code, p: Product) -> None:
        self.code, self.vector_first = code, p.n != 1
        by_row = p.transpose_rhs if self.vector_first else not p.transpose_lhs
        length = p.n if self.vector_first else p.m
        self.rows, self.columns = (code.size(n) for n in ((length, p.k) if by_row else (p.k, length)))
        self.function = matvec_function(by_row, letter(p.out.dtype, p.complex))

    def write(self, out: str, lhs: str, rhs: str) -> None:
        """One product, of the matrix and the vector at these addresses."""
        matrix, vector = (rhs, lhs) if self.vector_first else (lhs, rhs)
        self.code.call(self.function, out, matrix, vector, self.rows, self.columns)


@family
def matvec_function(by_row: bool, kind: str) -> NativeFunction:
    """The function for products by rows of a matrix or by its columns, of a letter of ``KINDS``."""
    name = f"functad_matvec_{'rows' if by_row else 'columns'}_{kind}"
    text = Text(lambda target: _module(name, by_row, kind, target))
    return NativeFunction(name, text, signature="void (ptr, ptr, ptr, i64, i64)")


def _module(name: str, by_row: bool, kind: str, target: Target) -> str:
    code, (dtype, complex) = Code(set()), KINDS[kind]
    itemsize = dtype.itemsize * (2 if complex else 1)
    bytes = code.mul(code.mul("%rows", "%columns"), str(itemsize))
    large = code.emit(f"icmp sgt i64 {bytes}, {OWN_BYTES}")
    countable = code.scalar.ixor("bool", too_large(code, ["%rows", "%columns"]), "true")

    def by_blas() -> list[str]:
        code.declarations.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        result = code.mul("%rows" if by_row else "%columns", str(itemsize))
        code.line(f"call void @llvm.memset.p0.i64(ptr %out, i8 0, i64 {result}, i1 false)")
        gemv(code, dtype, complex, by_row, "%rows", "%columns", ("%out", "%matrix", "%vector"))
        return []

    def by_us() -> list[str]:
        (_ByRows if by_row else _ByColumns)(code, target, dtype, complex).write()
        return []

    code.either(code.scalar.iand("bool", large, countable), by_blas, by_us, ())
    text = code.function(
        f"void @{name}(ptr noalias %out, ptr noalias %matrix, ptr noalias %vector, i64 %rows, i64 %columns) nounwind",
        "void",
    )
    return "\n".join([*sorted(code.declarations), text])


class _Writer:
    """What both orders have in common: vectors of reals, ``pair`` of which are an element, and rows of ``length``
    reals.
    """

    def __init__(self, code: Code, target: Target, dtype: np.dtype, complex: bool) -> None:
        self.code, self.dtype = code, dtype
        self.name, self.type = dtype_name(dtype), memory_type(dtype)
        self.pair = 2 if complex else 1
        self.width = max(2, min(target.vector_bits, VECTOR_BITS) // (8 * dtype.itemsize))
        self.lanes = code.sums(self.width)
        self.length = code.mul("%columns", str(self.pair))

    def at(self, pointer: str, index: str) -> str:
        return self.code.offset(self.type, pointer, index)

    def zeros(self, count: int) -> list[Carried]:
        return [Carried(self.lanes.ty(self.name), self.lanes.const(self.name, 0.0)) for _ in range(count)]

    def add_product(self, total: Carried, x: str, y: str) -> None:
        total.name = self.lanes.fadd(self.name, total.name, self.lanes.fmul(self.name, x, y))

    def swapped(self, x: str) -> str:
        """The two parts of each element in the other's place."""
        return shuffle(self.code, self.type, self.width, x, [lane ^ 1 for lane in range(self.width)])

    def signed(self, x: str, first: float, second: float) -> str:
        """The two parts of each element times 1 or -1."""
        signs = ", ".join(
            f"{self.type} {self.code.scalar.const(self.name, second if lane % 2 else first)}"
            for lane in range(self.width)
        )
        return self.lanes.fmul(self.name, x, f"<{signs}>")


class _ByRows(_Writer):
    """The rows of the matrix are multiplied with the vector: several rows at once, along them in vectors, whose lanes
    are added up in the end.
    """

    def write(self) -> None:
        """The loops over blocks of rows; the last blocks are smaller, and may have rows that do not exist."""
        code, count = self.code, ROWS // self.pair
        self.whole = code.emit(f"and i64 {self.length}, {-self.width}")
        self.rest = code.sub(self.length, self.whole)
        self.mask = lane_mask(code, self.width, self.rest)
        many = code.emit(f"and i64 %rows, {-count}")
        with code.when(code.emit(f"icmp sgt i64 {many}, 0"), ()), code.loop("0", many, count, ()) as first:
            self.block(first, count, all_exist=True)
        with code.when(code.emit(f"icmp slt i64 {many}, %rows"), ()), code.loop(many, "%rows", count // 2, ()) as first:
            self.block(first, count // 2, all_exist=False)

    def block(self, first: str, count: int, all_exist: bool) -> None:
        """``count`` rows; the last row takes the place of those that do not exist, and is not written there."""
        code = self.code
        last = code.sub(code.sub("%rows", "1"), first)
        offsets = [code.mul(str(k) if all_exist else code.minimum(str(k), last), self.length) for k in range(count)]
        sums = self.zeros(count * self.pair)
        rows, vector = Carried("ptr", self.at("%matrix", code.mul(first, self.length))), Carried("ptr", "%vector")
        carried = [rows, vector, *sums]
        with (
            code.when(code.emit(f"icmp sgt i64 {self.whole}, 0"), carried),
            code.loop("0", self.whole, self.width, carried),
        ):
            self.add(sums, [self.at(rows.name, k) for k in offsets], vector.name, None)
            rows.name, vector.name = (self.at(c.name, str(self.width)) for c in (rows, vector))
        with code.when(code.emit(f"icmp sgt i64 {self.rest}, 0"), sums):
            self.add(sums, [self.at(rows.name, k) for k in offsets], vector.name, self.mask)
        existing = (
            None if all_exist else lane_mask(code, count, code.minimum(code.sub("%rows", first), str(count)), self.pair)
        )
        result = self.added_up([total.name for total in sums])
        store_run(code, self.dtype, self.at("%out", code.mul(first, str(self.pair))), len(sums), result, existing)

    def add(self, sums: Sequence[Carried], rows: Sequence[str], vector: str, mask: str | None) -> None:
        """The products of a vector of each row with one of the vector."""
        x = load_run(self.code, self.dtype, vector, self.width, mask)
        factors = [x] if self.pair == 1 else [self.signed(x, 1.0, -1.0), self.swapped(x)]
        for k, row in enumerate(rows):
            run = load_run(self.code, self.dtype, row, self.width, mask)
            for part, factor in enumerate(factors):
                self.add_product(sums[k * self.pair + part], run, factor)

    def added_up(self, sums: list[str]) -> str:
        """The vector of the sums over the lanes of each; for each, in the same order: neighbours, then neighbouring
        pairs, and so on.

        A step adds neighbouring groups of lanes of two vectors, and puts the results of the second between those of the
        first. A vector that is left alone, with all sums in each group, is added up by halves.
        """
        code, width, group = self.code, self.width, 1
        while group < width and len(sums) > 1:
            starts = range(0, width, 2 * group)
            left = [vector + start + lane for start in starts for vector in (0, width) for lane in range(group)]
            right = [lane + group for lane in left]
            sums = [
                self.lanes.fadd(self.name, *[shuffle(code, self.type, width, x, order, y) for order in (left, right)])
                for x, y in zip(sums[::2], sums[1::2], strict=True)
            ]
            group *= 2
        while group < width:
            half = width // 2
            halves = [shuffle(code, self.type, width, sums[0], range(start, start + half)) for start in (0, half)]
            sums, width = [code.sums(half).fadd(self.name, *halves)], half
        while len(sums) > 1:
            sums = [
                shuffle(code, self.type, width, x, range(2 * width), y)
                for x, y in zip(sums[::2], sums[1::2], strict=True)
            ]
            width *= 2
        return sums[0]


class _ByColumns(_Writer):
    """The rows of the matrix, each times an element of the vector, are added: the sums of a panel of columns are in
    registers meanwhile.
    """

    def write(self) -> None:
        """The loops over panels."""
        code, start = self.code, "0"
        for count, rows in PANELS:
            span = count * self.width
            stop = self.length if count == 1 else code.emit(f"and i64 {self.length}, {-span}")
            with code.when(code.emit(f"icmp slt i64 {start}, {stop}"), ()), code.loop(start, stop, span, ()) as column:
                live = code.minimum(code.sub(self.length, column), str(self.width))
                self.panel(column, count, rows, lane_mask(code, self.width, live) if count == 1 else None)
            start = stop

    def panel(self, column: str, count: int, together: int, mask: str | None) -> None:
        """``count`` vectors of the result, from ``column`` on; rows that are added together have sums of their own."""
        code = self.code
        sums = [self.zeros(count * self.pair) for _ in range(together)]
        offsets = [code.mul(str(k), self.length) for k in range(together + 1)]
        row, element = Carried("ptr", self.at("%matrix", column)), Carried("ptr", "%vector")
        carried = [row, element, *[total for own in sums for total in own]]
        many = code.emit(f"and i64 %rows, {-together}")
        with code.when(code.emit(f"icmp sgt i64 {many}, 0"), carried), code.loop("0", many, together, carried):
            for k, own in enumerate(sums):
                self.add(own, self.at(row.name, offsets[k]), self.at(element.name, str(k * self.pair)), mask)
            row.name, element.name = (
                self.at(row.name, offsets[together]),
                self.at(element.name, str(together * self.pair)),
            )
        carried = [row, element, *sums[0]]
        with code.when(code.emit(f"icmp slt i64 {many}, %rows"), carried), code.loop(many, "%rows", 1, carried):
            self.add(sums[0], row.name, element.name, mask)
            row.name, element.name = self.at(row.name, self.length), self.at(element.name, str(self.pair))
        self.store(column, [self.total([own[k].name for own in sums]) for k in range(count * self.pair)], mask)

    def add(self, sums: Sequence[Carried], row: str, element: str, mask: str | None) -> None:
        """A row, times an element."""
        code = self.code
        factors = [
            splat(code, self.type, self.width, load_one(code, self.dtype, self.at(element, str(part))))
            for part in range(self.pair)
        ]
        for k in range(len(sums) // self.pair):
            run = load_run(code, self.dtype, self.at(row, str(k * self.width)), self.width, mask)
            for part, factor in enumerate(factors):
                self.add_product(sums[k * self.pair + part], run, factor)

    def total(self, sums: list[str]) -> str:
        """The sum of a power of two of sums, pairwise."""
        while len(sums) > 1:
            sums = [self.lanes.fadd(self.name, x, y) for x, y in zip(sums[::2], sums[1::2], strict=True)]
        return sums[0]

    def store(self, column: str, totals: Sequence[str], mask: str | None) -> None:
        """Vectors of the result; those that are sums of complex products come by twos, for the two parts of the
        vector's elements.
        """
        for k in range(len(totals) // self.pair):
            total = totals[k * self.pair]
            if self.pair == 2:
                total = self.lanes.fadd(self.name, total, self.signed(self.swapped(totals[2 * k + 1]), -1.0, 1.0))
            store_run(
                self.code,
                self.dtype,
                self.at("%out", self.code.add(column, str(k * self.width))),
                self.width,
                total,
                mask,
            )
