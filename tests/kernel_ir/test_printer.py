"""The text of the kernel IR: a snapshot with every form in it."""

from __future__ import annotations

import numpy as np

from functad.ir.types import Symbol
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.native import NativeFunction, reads, writes
from functad.kernel_ir.nodes import Affine, Buffer, Call, CheckInfo, KernelProgram, Product
from functad.kernel_ir.printer import format_program
from functad.kernel_ir.sizes import poly

F64, I64, BOOL = (np.dtype(t) for t in ("f8", "i8", "?"))
N, M = Symbol(0), Symbol(1)

SORT = NativeFunction("sort", operands=(reads(F64, 1), writes(F64, 1)), evaluate=lambda x, out: 0)

SNAPSHOT = """\
program (n0, n1):
  in0 = input f64[n0, n1]
  in1 = input i64[n0]
  out0 = output f64[n0]
  out1 = output f64[]
  out2 = output f64[n1, n1]
  t0 = temp f64[n0*n1]
  t1 = temp f64[n0, n1] of t0
  kernel everything [i0 < n0, i1 < n1]:
    %0 f64 = load in0[i0, n1 - 1 + -1*i1]
    %1 i64 = load in1[i0]
    %2 i64 = size 2*n1
    %3 bool = lt %1, %2
    check %3 code 1
    %4 i64 = axis i1
    %5 f64 = cast %4
    %6 f64 = load in0[1 + 2*i0, %1] if %3 else -1.0
    %7 f64 = mul %0, %5
    %8 f64 = const 0.5
    %9 f64 = add %7, %8
    %10 f64 = scan reverse sum %9
    store t1[i0, i1] = %10 if %3
    reduce max out1[] <- %6
    reduce sum out0[i0] <- %0
    scatter set t0[%1 + n1*i0] <- %0
  product out2 = t1' @ t1 [1, n1, n1, n0]
  call sort(t0, out0) sizes (n0*n1) writes out0
  code 1: IndexOutOfBoundsError: index out of bounds"""


def example() -> KernelProgram:
    x, where = Buffer((N, M), F64, "input"), Buffer((N,), I64, "input")
    rows, top, square = Buffer((N,), F64, "output"), Buffer((), F64, "output"), Buffer((M, M), F64, "output")
    flat = Buffer((poly(N) * M,), F64)
    temp = Buffer((N, M), F64, base=flat)
    i, j = Affine.axis(0), Affine.axis(1)
    b = Builder()
    v = b.load(x, (i, Affine(poly(M) - 1, ((1, -1),))))
    k = b.load(where, (i,))
    ok = b.lt(k, b.size(poly(M) * 2))
    b.check(ok, 1)
    w = b.cast(b.axis(j), F64)
    masked = b.load(x, (i * 2 + 1, Affine.value(k)), ok, -1.0)
    b.store(temp, (i, j), b.scan("sum", b.add(b.mul(v, w), 0.5), reverse=True), ok)
    b.reduce(top, (), "max", masked)
    b.reduce(rows, (i,), "sum", v)
    b.scatter(flat, (Affine.value(k) + i * M,), "set", v)
    body = (
        b.finish((N, M), "everything"),
        Product(square, temp, temp, poly(1), poly(M), poly(M), poly(N), transpose_lhs=True),
        Call(SORT, (flat, rows), (poly(N) * M,)),
    )
    return KernelProgram(
        (x, where), (rows, top, square), body, 2, (CheckInfo("IndexOutOfBoundsError", "index out of bounds"),)
    )


def test_snapshot() -> None:
    assert format_program(example()) == SNAPSHOT


def test_equal_programs_print_alike() -> None:
    assert format_program(example()) == format_program(example())
