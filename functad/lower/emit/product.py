"""Matrix products: small ones of known size as vector code, large ones by BLAS, all others as ordinary kernels.

BLAS counts with 32 bits and takes matrices in column-major order: a row-major matrix is the transpose of what it sees, so it computes
``out^T = rhs^T lhs^T``, with the operands swapped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.nodes import Affine, Buffer, Kernel, Product
from functad.kernel_ir.sizes import Poly, poly, product
from functad.lower.emit.code import Code, memory_type
from functad.lower.emit.memory import lane_mask, load_apart, load_one, load_run, splat, store_run
from functad.lower.target import Target

__all__ = ["blas_product", "is_small", "product_kernel", "small_product", "uses_blas"]

SMALL = 16
"""Products of matrices of at most this size are written as vector code: BLAS takes longer to start than they take."""

ROWS = 4
"""Rows of the result that are computed together: so many accumulators hide the latency of a multiplication."""

WRITTEN_OUT = 40
"""Products of at most this many vector operations are written without a loop over the rows."""

MATRIX_VECTOR = 4096
"""Matrix-vector products of at most this many operations are kernels rather than calls of BLAS."""

LARGEST_COUNT = 2**31 - 1


def is_small(p: Product) -> bool:
    """Whether a product is written as vector code."""
    sizes = (p.m.constant, p.n.constant, p.k.constant)
    return p.out.dtype.kind == "f" and all(n is not None and 1 <= n <= SMALL for n in sizes) and p.n != 1


def uses_blas(p: Product) -> bool:
    """Whether a product that is not small is left to BLAS."""
    if p.out.dtype.kind != "f" or 0 in (p.m.constant, p.n.constant, p.k.constant):
        return False
    if p.m != 1 and p.n != 1:
        return True
    if p.m == p.n:
        return False
    rows = _matrix(p)[0].constant
    if rows is not None and rows <= SMALL:  # few rows, maybe long: loops start sooner than BLAS, and take about as long
        return False
    work = product((p.m, p.n, p.k)).constant
    return work is None or work > MATRIX_VECTOR


def _matrix(p: Product) -> tuple[Poly, Poly, bool]:
    """Rows and columns in memory of the matrix in its product with a vector, and whether the rows are those of what is multiplied."""
    length, by_row = (p.m, not p.transpose_lhs) if p.n == 1 else (p.n, p.transpose_rhs)
    return (length, p.k, True) if by_row else (p.k, length, False)


# ---- as an ordinary kernel


def product_kernel(p: Product) -> Kernel:
    """A product as a sum over the innermost of four axes."""
    pair = (poly(2),) if p.complex else ()
    batch, row, column, inner = (Affine.axis(k) for k in range(4))

    def view(buffer: Buffer, rows: Poly, columns: Poly) -> Buffer:
        return Buffer((p.batch, rows, columns, *pair), buffer.dtype, buffer.role, buffer.root)

    lhs = view(p.lhs, p.k, p.m) if p.transpose_lhs else view(p.lhs, p.m, p.k)
    rhs = view(p.rhs, p.n, p.k) if p.transpose_rhs else view(p.rhs, p.k, p.n)
    b = Builder()
    load = b.load_complex if p.complex else b.load
    x = load(lhs, (batch, inner, row) if p.transpose_lhs else (batch, row, inner))
    y = load(rhs, (batch, column, inner) if p.transpose_rhs else (batch, inner, column))
    reduce = b.reduce_complex if p.complex else b.reduce
    reduce(view(p.out, p.m, p.n), (batch, row, column), "any" if p.out.dtype.kind == "b" else "sum", b.mul(x, y))
    return b.finish((p.batch, p.m, p.n, p.k), "product")


# ---- by BLAS


def blas_product(code: Code, p: Product, out: str, lhs: str, rhs: str) -> str:
    """Calls of BLAS for each matrix of a batch; the result is an i1: whether a matrix has too many rows or columns."""
    call = _gemv(code, p) if 1 in (p.m.constant, p.n.constant) else _gemm(code, p)
    sizes = [code.size(n) for n in (p.m, p.n, p.k)]
    if any(n[0] != "%" and int(n) > LARGEST_COUNT for n in sizes):
        return "true"
    huge = "false"
    for n in sizes:
        if n[0] == "%":
            above = code.emit(f"icmp sgt i64 {n}, {LARGEST_COUNT}")
            huge = above if huge == "false" else code.scalar.ior("bool", huge, above)
    some = code.emit(f"icmp sgt i64 {code.size(p.batch * p.m * p.n)}, 0")
    if huge != "false":
        some = code.scalar.iand("bool", some, code.scalar.ixor("bool", huge, "true"))
    with code.when(some, ()):
        if p.batch == 1:
            call(out, lhs, rhs)
        else:
            type, pair = memory_type(p.out.dtype), 2 if p.complex else 1
            with code.loop("0", code.size(p.batch), 1, ()) as index:
                call(
                    *(
                        code.offset(type, pointer, code.mul(index, code.size(rows * columns * pair)))
                        for pointer, rows, columns in ((out, p.m, p.n), (lhs, p.m, p.k), (rhs, p.k, p.n))
                    )
                )
    return huge


class _Arguments:
    """Arguments by address: constants, and counts that are stored on the stack once."""

    def __init__(self, code: Code, p: Product) -> None:
        self.code = code
        self.letter = {(4, False): "s", (8, False): "d", (4, True): "c", (8, True): "z"}[p.out.dtype.itemsize, p.complex]
        self.type = memory_type(p.out.dtype)
        self.dtype = dtype_name(p.out.dtype)

    def letter_of(self, transposed: bool) -> str:
        name = "@functad_transposed" if transposed else "@functad_plain"
        self.code.declarations.add(f'{name} = internal constant [1 x i8] c"{"T" if transposed else "N"}"')
        return name

    def scalar(self, value: float) -> str:
        name = f"@functad_{'one' if value else 'zero'}_{self.dtype}"
        parts = ", ".join(f"{self.type} {self.code.scalar.const(self.dtype, x)}" for x in (value, 0.0))
        self.code.declarations.add(f"{name} = internal constant [2 x {self.type}] [{parts}]")
        return name

    def count(self, size: Poly, at_least: int = 0) -> str:
        value = self.code.size(size)
        if at_least:
            value = str(max(int(value), at_least)) if value[0] != "%" else self.code.scalar.intrinsic("smax", "i64", value, str(at_least))
        slot = self.code.name()
        self.code.prologue.append(f"  {slot} = alloca i32, align 4")
        self.code.line(f"store i32 {self.code.emit(f'trunc i64 {value} to i32')}, ptr {slot}")
        return slot

    def call(self, routine: str, arguments: Sequence[str]) -> None:
        name = f"@functad_{self.letter}{routine}"
        self.code.declarations.add(f"declare void {name}({', '.join(['ptr'] * len(arguments))})")
        self.code.line(f"call void {name}({', '.join(f'ptr {a}' for a in arguments)})")


def _gemm(code: Code, p: Product) -> Callable[[str, str, str], None]:
    a = _Arguments(code, p)
    m, n, k = (a.count(size) for size in (p.m, p.n, p.k))
    stride_rhs = a.count(p.k if p.transpose_rhs else p.n, 1)
    stride_lhs = a.count(p.m if p.transpose_lhs else p.k, 1)
    stride_out = a.count(p.n, 1)
    one, zero = a.scalar(1.0), a.scalar(0.0)
    flags = (a.letter_of(p.transpose_rhs), a.letter_of(p.transpose_lhs))

    def call(out: str, lhs: str, rhs: str) -> None:
        a.call("gemm", (*flags, n, m, k, one, rhs, stride_rhs, lhs, stride_lhs, zero, out, stride_out))

    return call


def _gemv(code: Code, p: Product) -> Callable[[str, str, str], None]:
    """A matrix times a vector; it is added to zeros, for BLAS does nothing at all where the vector is empty."""
    a = _Arguments(code, p)
    rows, columns, by_row = _matrix(p)
    length = rows if by_row else columns
    # in BLAS's column-major order, rows are columns
    m, n, leading, step = a.count(columns), a.count(rows), a.count(columns, 1), a.count(poly(1))
    one, flag = a.scalar(1.0), a.letter_of(by_row)
    code.declarations.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
    bytes = code.size(length * (p.out.dtype.itemsize * (2 if p.complex else 1)))

    def call(out: str, lhs: str, rhs: str) -> None:
        code.line(f"call void @llvm.memset.p0.i64(ptr {out}, i8 0, i64 {bytes}, i1 false)")
        matrix, vector = (lhs, rhs) if p.n == 1 else (rhs, lhs)
        a.call("gemv", (flag, m, n, one, matrix, leading, vector, step, one, out, step))

    return call


# ---- as vector code


def small_product(code: Code, target: Target, p: Product, out: str, lhs: str, rhs: str) -> None:
    """A batch of small products."""
    small = _Small(code, target, p)
    if p.batch == 1:
        small.one(out, lhs, rhs)
        return
    count = code.size(p.batch)
    with code.when(code.emit(f"icmp sgt i64 {count}, 0"), ()), code.loop("0", count, 1, ()) as index:
        small.one(
            *(
                code.offset(small.type, pointer, code.mul(index, str(elements)))
                for pointer, elements in zip((out, lhs, rhs), small.elements, strict=True)
            )
        )


class _Small:
    """Row by row: a row of the result is the sum of the rows of ``rhs``, each times one element of ``lhs``, in vectors along the row.

    A complex row is a row of twice as many reals; products with the real and the imaginary part of the element of ``lhs`` are summed apart,
    and joined at the end, the second with the parts of its elements swapped.
    """

    def __init__(self, code: Code, target: Target, p: Product) -> None:
        m, n, k = p.m.constant, p.n.constant, p.k.constant
        assert m is not None and n is not None and k is not None
        self.code, self.p = code, p
        self.m, self.n, self.k = m, n, k
        self.dtype: np.dtype = p.out.dtype
        self.name, self.type = dtype_name(self.dtype), memory_type(self.dtype)
        self.pair = 2 if p.complex else 1
        self.elements = tuple(size * self.pair for size in (m * n, m * k, k * n))
        length = n * self.pair
        self.width = max(2, min(target.lanes(self.dtype.itemsize), 1 << (length - 1).bit_length()))
        self.vectors = [(start, min(self.width, length - start)) for start in range(0, length, self.width)]
        self.lanes = code.lanes(self.width)

    def one(self, out: str, lhs: str, rhs: str) -> None:
        """One product."""
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
            return load_run(self.code, self.dtype, self._at(rhs, inner * self.n * self.pair + start), self.width, self._mask(count))
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
                store_run(code, self.dtype, self._at(target, row * self.n * self.pair + begin), self.width, total, self._mask(live))

    def _factor(self, lhs: str, row: int, inner: int, part: int) -> str:
        place = inner * self.m + row if self.p.transpose_lhs else row * self.k + inner
        return splat(self.code, self.type, self.width, load_one(self.code, self.dtype, self._at(lhs, place * self.pair + part)))

    def _sum(self, factors: Sequence[str], rows: Sequence[str]) -> str:
        total = self.lanes.fmul(self.name, factors[0], rows[0])
        for factor, row in zip(factors[1:], rows[1:], strict=True):
            total = self.lanes.fadd(self.name, total, self.lanes.fmul(self.name, factor, row))
        return total

    def _joined(self, by_real: str, by_imaginary: str) -> str:
        ty, scalar = self.lanes.ty(self.name), self.code.scalar
        order = ", ".join(f"i32 {lane ^ 1}" for lane in range(self.width))
        swapped = self.code.emit(f"shufflevector {ty} {by_imaginary}, {ty} poison, <{self.width} x i32> <{order}>")
        signs = ", ".join(f"{self.type} {scalar.const(self.name, 1.0 if lane % 2 else -1.0)}" for lane in range(self.width))
        return self.lanes.fadd(self.name, by_real, self.lanes.fmul(self.name, swapped, f"<{signs}>"))
