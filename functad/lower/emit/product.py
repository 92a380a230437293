"""Matrix products: how each is computed is decided here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from functad.kernel_ir.builder import Builder
from functad.kernel_ir.nodes import Affine, Buffer, Kernel, Product
from functad.kernel_ir.sizes import Poly, poly
from functad.lower.emit.blas import Gemm, too_large
from functad.lower.emit.code import Code, memory_type
from functad.lower.emit.small_product import SmallProduct
from functad.lower.llvm.target import Target
from functad.lower.native.matvec import Matvec

__all__ = ["emit_product", "method", "product_kernel"]

SMALL = 16
"""Products of matrices of at most this size are vector code without a call: BLAS takes longer to start than they take.
"""


def method(p: Product) -> Literal["loops", "vectors", "matvec", "blas"]:
    """How a product is computed.

    - ``loops``: as an ordinary kernel. What is no product of floats, is empty, or is one of two vectors.
    - ``vectors``: as vector code, sizes known. Small products.
    - ``matvec``: a matrix and a vector, by functions of ours (``native/matvec.py``); large matrices go to BLAS.
    - ``blas``: all others.
    """
    sizes = p.m.constant, p.n.constant, p.k.constant
    small = all(n is not None and n <= SMALL for n in sizes)
    if p.out.dtype.kind != "f" or 0 in sizes or p.m == p.n == 1 or (small and p.n == 1):
        return "loops"
    if small:
        return "vectors"
    return "matvec" if 1 in sizes[:2] else "blas"


def emit_product(code: Code, target: Target, p: Product, out: str, lhs: str, rhs: str) -> str:
    """The code of a product that is no kernel; the result is an i1: whether a matrix has too many rows or columns."""
    addresses = out, lhs, rhs
    match method(p):
        case "vectors":
            _each(code, p, SmallProduct(code, target, p).write, addresses)
        case "matvec":
            _each(code, p, Matvec(code, p).write, addresses)
        case _:
            large = too_large(code, [code.size(n) for n in (p.m, p.n, p.k)])
            some = code.emit(f"icmp sgt i64 {code.size(p.m * p.n)}, 0")
            with code.when(code.scalar.iand("bool", some, code.scalar.ixor("bool", large, "true")), ()):
                _each(code, p, Gemm(code, p).write, addresses)
            return large
    return "false"


def _each(code: Code, p: Product, write: Callable[[str, str, str], None], addresses: tuple[str, str, str]) -> None:
    """The code of each product of a batch."""
    if p.batch == 1:
        write(*addresses)
        return
    type, pair, count = memory_type(p.out.dtype), 2 if p.complex else 1, code.size(p.batch)
    elements = [code.size(rows * columns * pair) for rows, columns in ((p.m, p.n), (p.m, p.k), (p.k, p.n))]
    with code.when(code.emit(f"icmp sgt i64 {count}, 0"), ()), code.loop("0", count, 1, ()) as index:
        write(*[code.offset(type, a, code.mul(index, n)) for a, n in zip(addresses, elements, strict=True)])


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
