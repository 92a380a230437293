"""The checker refuses each way in which a kernel program can be wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from functad.errors import InternalError
from functad.ir.types import Symbol
from functad.kernel_ir.checker import check_kernel, check_program
from functad.kernel_ir.nodes import (
    Affine,
    AxisIndex,
    Buffer,
    Check,
    Compute,
    Const,
    Instr,
    Kernel,
    KernelProgram,
    Load,
    Product,
    Reduce,
    Scan,
    Scatter,
    SizeValue,
    Store,
    Value,
)
from functad.kernel_ir.sizes import poly

F64, F32, I64, BOOL = (np.dtype(t) for t in ("f8", "f4", "i8", "?"))
N = Symbol(0)
i = Affine.axis(0)
V, W, INDEX, P = Value(F64), Value(F64), Value(I64), Value(BOOL)
X, OUT, TOTAL = Buffer((N,), F64, "input"), Buffer((N,), F64), Buffer((), F64)
GIVEN: tuple[Instr, ...] = (Const(V, 1.0), Const(INDEX, 0), Const(P, True))

WRONG: dict[str, Instr | tuple[Instr, ...]] = {
    "a value used before its definition": Compute(W, "neg", (Value(F64),)),
    "a value defined twice": Const(V, 2.0),
    "unknown operation frobnicate": Compute(W, "frobnicate", (V,)),
    "add with 1 operands": Compute(W, "add", (V,)),
    "operands of several dtypes": Compute(W, "add", (V, INDEX)),
    "select by a value that is no bool": Compute(W, "select", (V, V, V)),
    "sqrt of i64": Compute(Value(I64), "sqrt", (INDEX,)),
    "add of f64 giving f32": Compute(Value(F32), "add", (V, V)),
    "a size that is not int64": SizeValue(W, poly(3)),
    "a wrong axis index": AxisIndex(Value(I64), 1),
    r"1 indices of input f64\[n0, n0\]": Load(W, Buffer((N, N), F64, "input"), (i,)),
    "an index that is not int64": Load(W, X, (Affine.value(V),)),
    "an index by loop axis 2 of 1": Load(W, X, (Affine.axis(2),)),
    "a mask that is no bool": Load(W, X, (i,), V),
    "accessed above its bounds": Load(W, X, (i + 1,)),
    "accessed below its bounds": Load(W, X, (i + -1,)),
    r"accessed above its bounds in": Load(W, Buffer((3,), F64, "input"), (Affine(3),)),
    "a load of f32 from": Load(Value(F32), X, (i,)),
    "i64 written to temp f64": Store(OUT, (i,), INDEX),
    "a store to .* at the same element again and again": Store(Buffer((3,), F64), (Affine(1),), V),
    "any of float64": Reduce(TOTAL, (), "any", V),
    "accumulation by mean": Reduce(TOTAL, (), "mean", V),
    "a reduction at a data-dependent index": Reduce(OUT, (Affine.value(INDEX),), "sum", V),
    "accumulation by set": Reduce(TOTAL, (), "set", V),
    "a wrong scan by set": Scan(W, "set", V),
    "scans of both directions": (Scan(W, "sum", V), Scan(Value(F64), "sum", V, True)),
    "a check of a value that is no bool": Check(V, 1),
    "unknown error code 3": Check(P, 3),
    "is read at another element than it is written at": (Store(OUT, (i,), V), Load(W, OUT, (Affine(0),))),
    "is written at one element by two instructions": (Store(OUT, (i,), V), Store(OUT, (i,), V)),
    "is read while it is reduced to": (Reduce(TOTAL, (), "sum", V), Load(W, TOTAL, ())),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_instructions(message: str) -> None:
    wrong = WRONG[message]
    body = GIVEN + (wrong if isinstance(wrong, tuple) else (wrong,))
    with pytest.raises(InternalError, match=message) as error:
        check_kernel(Kernel((poly(N),), body, "wrong"), codes=2)
    assert "kernel wrong" in str(error.value)


def test_masked_accesses_may_lie_outside() -> None:
    check_kernel(Kernel((poly(N),), (*GIVEN, Load(W, X, (i + -1,), P))))


def test_nothing_is_accessed_by_an_empty_loop() -> None:
    check_kernel(Kernel((poly(0),), (*GIVEN, Load(W, Buffer((0,), F64, "input"), (i,)))))


def test_scatters_may_repeat_elements() -> None:
    check_kernel(
        Kernel(
            (poly(N),),
            (*GIVEN, Scatter(OUT, (Affine.value(INDEX),), "set", V), Scatter(OUT, (Affine.value(INDEX),), "set", V)),
        )
    )


def copy(x: Buffer, out: Buffer) -> Kernel:
    value = Value(x.dtype)
    return Kernel((poly(N),), (Load(value, x, (i,)), Store(out, (i,), value)), "copy")


def wrong_programs() -> dict[str, Callable[[], KernelProgram]]:
    x, out = Buffer((N,), F64, "input"), Buffer((N,), F64, "output")
    temp = Buffer((N,), F64)
    three, matrix = Buffer((3,), F64, "output"), Buffer((2, 2), F64, "input")
    product = Product(three, matrix, matrix, poly(1), poly(2), poly(2), poly(2))
    return {
        "is read before anything is written to it": lambda: KernelProgram((x,), (out,), (copy(temp, out),), 1),
        "is an input and is written to": lambda: KernelProgram(
            (x, y := Buffer((N,), F64, "input")), (), (copy(x, y),), 1
        ),
        "is never written": lambda: KernelProgram((x,), (out,), (), 1),
        "has role temp": lambda: KernelProgram((temp,), (), (), 1),
        "an input does not have role input": lambda: KernelProgram((out,), (), (), 1),
        "is not in the calling order": lambda: KernelProgram((), (out,), (copy(x, out),), 1),
        "unknown size symbol": lambda: KernelProgram((x,), (out,), (copy(x, out),), 0),
        "in a product of another size": lambda: KernelProgram((matrix,), (three,), (product,), 1),
        "a buffer of dtype complex128": lambda: KernelProgram(
            (z := Buffer((N,), np.dtype("c16"), "input"),), (out,), (copy(z, out),), 1
        ),
        "is a view with another dtype": lambda: KernelProgram(
            (x,), (out,), (copy(Buffer((N,), F32, "input", x), out),), 1
        ),
        "is a view of": lambda: KernelProgram(
            (y := Buffer((3,), F64, "input"),), (out,), (copy(Buffer((4,), F64, "input", y), out),), 1
        ),
    }


@pytest.mark.parametrize("message", wrong_programs())
def test_wrong_programs(message: str) -> None:
    with pytest.raises(InternalError, match=message):
        check_program(wrong_programs()[message]())
