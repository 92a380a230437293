"""Primitives that are calls of native functions, declared here: by address, as LLVM text, as Python for Numba.

Nothing but these declarations knows of them, and they run natively, in both evaluators, un-jitted, in loops, mapped.
"""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.core.primitive import REGISTRY, Primitive
from functad.errors import InternalError, ShapeError
from functad.ir.types import array_type
from functad.kernel_ir.checker import check_program
from functad.kernel_ir.codes import OUT_OF_MEMORY
from functad.kernel_ir.native import NATIVE_FUNCTIONS, Address, NativeFunction, Python, Text, reads, updates, writes
from functad.kernel_ir.nodes import Buffer, Call, CheckInfo, KernelProgram
from functad.kernel_ir.rules import Statements
from functad.kernel_ir.sizes import poly
from functad.lower.llvm.target import Target, emit_object
from functad.lower.native.c_library import libm_function
from functad.lower.native.machine import link_native, machine_code

BACKENDS = ["native", "kernel", "evaluator"]


def calling(function: NativeFunction, **rules: Any) -> Primitive:
    """A primitive of one operand, whose result has its type."""
    p = Primitive(
        function.symbol,
        type_rule=lambda x: x,
        kernel=Statements(lambda ctx, in_types, out_types: ctx.call(function, ctx.input(0), ctx.output())),
        batch=lambda size, batched, x: (fd.lax.map(p.bind, x), True),
        **rules,
    )
    return p


# ---- by address: a function of the C library, through ctypes

DOUBLES = ctypes.POINTER(ctypes.c_double)


@ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.POINTER(DOUBLES), ctypes.POINTER(ctypes.c_int64))
def c_sort(buffers: Any, sizes: Any) -> int:
    ctypes.memmove(buffers[1], buffers[0], 8 * sizes[0])
    order = sorted(buffers[1][: sizes[0]])
    for k, x in enumerate(order):
        buffers[1][k] = x
    return 0


def evaluate_sort(x: np.ndarray, out: np.ndarray) -> None:
    out[...] = np.sort(x)


sort = calling(
    NativeFunction(
        "test_sort",
        Address(lambda: ctypes.cast(c_sort, ctypes.c_void_p).value or 0),
        (reads(float, 1), writes(float, 1)),
        evaluate_sort,
    ),
    evaluate=np.sort,
)

# ---- as LLVM text, which calls a function of libm, and fails where a number is negative

ROOTS = """
declare double @cbrt(double) nounwind willreturn memory(none)

define i32 @test_roots(ptr %buffers, ptr %sizes) {
entry:
  %x = load ptr, ptr %buffers
  %out.at = getelementptr ptr, ptr %buffers, i64 1
  %out = load ptr, ptr %out.at
  %n = load i64, ptr %sizes
  br label %test
test:
  %i = phi i64 [ 0, %entry ], [ %next, %more ]
  %going = icmp slt i64 %i, %n
  br i1 %going, label %body, label %done
body:
  %from = getelementptr double, ptr %x, i64 %i
  %value = load double, ptr %from
  %next = add i64 %i, 1
  %negative = fcmp olt double %value, 0.0
  br i1 %negative, label %failed, label %more
more:
  %root = call double @cbrt(double %value)
  %to = getelementptr double, ptr %out, i64 %i
  store double %root, ptr %to
  br label %test
failed:
  %number = trunc i64 %next to i32
  ret i32 %number
done:
  ret i32 0
}
"""


def evaluate_roots(x: np.ndarray, out: np.ndarray) -> int:
    out[...] = np.cbrt(x)
    return int(np.argmax(x < 0)) + 1 if np.any(x < 0) else 0


def roots_in_numpy(x: np.ndarray) -> np.ndarray:
    if np.any(x < 0):
        raise ShapeError(f"number {np.argmax(x < 0) + 1} is negative")
    return np.cbrt(x)


cbrt = libm_function("cbrt", "double", 1)

roots = calling(
    NativeFunction(
        "test_roots",
        Text(ROOTS),
        (reads(float, 1), writes(float, 1)),
        evaluate_roots,
        error=("ShapeError", "number {value} is negative"),
    ),
    evaluate=roots_in_numpy,
)

# ---- as Python, which Numba compiles; complex numbers


def squares(x, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] * x[i, j] + i
    return 0


square = calling(
    NativeFunction("test_squares", Python(squares), (reads(complex, 2), writes(complex, 2))),
    evaluate=lambda x: x * x + np.arange(x.shape[0])[:, None],
)

# ---- an operand that is updated in place, after it has been copied


def add_up(x, total):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        total[0] += x[i]
        x[i] = total[0]
    return 0


def running_sums(ctx: Any, in_types: Any, out_types: Any) -> None:
    ctx.kernel(in_types[0].shape, lambda b, i: b.store(ctx.output(0), i, ctx.read(0)(i)))
    ctx.kernel((1,), lambda b, i: b.store(ctx.output(1), i, b.const(0.0, np.dtype(float))))
    ctx.call(ADD_UP, ctx.output(0), ctx.output(1))


ADD_UP = NativeFunction("test_add_up", Python(add_up), (updates(float, 1), updates(float, 1)))

sums = Primitive(
    "test_sums",
    type_rule=lambda x: (x, array_type((1,), np.float64)),
    evaluate=lambda x: (np.cumsum(x), np.sum(x, keepdims=True)),
    multiple_results=True,
    kernel=Statements(running_sums),
)


# ---- functions that are not what they are declared to be


def three(x, out):  # type: ignore[no-untyped-def]
    return 3


def no_memory(x, out):  # type: ignore[no-untyped-def]
    return -1


def careless(x, out):  # type: ignore[no-untyped-def]
    if x[0] > 3:
        raise ValueError("too large")
    out[0] = 1 / (x[0] - x[0])
    return 0


def not_typed(x, out):  # type: ignore[no-untyped-def]
    return x.nothing_of_the_kind


VECTORS = (reads(float, 1), writes(float, 1))
called_back = calling(NativeFunction("test_called_back", None, VECTORS, three), evaluate=np.copy)
compiled = calling(NativeFunction("test_compiled", Python(three), VECTORS), evaluate=np.copy)
greedy = calling(NativeFunction("test_greedy", Python(no_memory), VECTORS), evaluate=np.copy)
raising = calling(NativeFunction("test_careless", Python(careless), VECTORS), evaluate=np.copy)
untyped = calling(NativeFunction("test_not_typed", Python(not_typed), VECTORS), evaluate=np.copy)

for p in (sort, roots, square, sums, called_back, compiled, greedy, raising, untyped):
    del REGISTRY[p.name]  # the tests of all primitives do not know these


X, Z = np.array([3.0, 0.5, 8.0, 1.0]), np.arange(12.0).reshape(3, 4) * (1 + 2j)
CASES = [(sort, X, np.sort(X)), (roots, X, np.cbrt(X)), (square, Z, Z * Z + np.arange(3)[:, None])]
cases = pytest.mark.parametrize(("p", "x", "expected"), CASES, ids=lambda v: v.name if isinstance(v, Primitive) else "")


@pytest.mark.parametrize("backend", BACKENDS)
@cases
def test_in_each_backend(backend: str, p: Primitive, x: np.ndarray, expected: np.ndarray) -> None:
    with config.backend(backend), config.debug(True):
        f = fd.jit(lambda x: p.bind(x + 0) * 2)
        np.testing.assert_allclose(f(x), expected * 2, rtol=1e-15)
        long = np.concatenate([x] * 30)
        np.testing.assert_allclose(f(long), p.evaluate(long) * 2, rtol=1e-15)
        np.testing.assert_array_equal(f(x[:0]), p.evaluate(x[:0]))
    np.testing.assert_allclose(p.bind(x), expected, rtol=1e-15)


@cases
def test_mapped_and_in_a_loop(p: Primitive, x: np.ndarray, expected: np.ndarray) -> None:
    both = np.stack([x, x + 1])
    np.testing.assert_allclose(fd.jit(fd.vmap(p.bind))(both), [expected, p.evaluate(x + 1)], rtol=1e-15)
    loop = fd.jit(lambda x: fd.lax.fori_loop(0, 3, lambda i, c: p.bind(c + i), x))
    want = x
    for i in range(3):
        want = p.evaluate(want + i)
    np.testing.assert_allclose(loop(x), want, rtol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS)
def test_updated_in_place(backend: str) -> None:
    with config.backend(backend):
        running, total = fd.jit(lambda x: sums.bind(x * 2))(X)
    np.testing.assert_array_equal(running, np.cumsum(2 * X))
    assert total == 2 * np.sum(X)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("where", ["alone", "in a loop", "in a branch"])
def test_an_error_names_the_value_and_the_line(backend: str, where: str) -> None:
    def f(x: Any) -> Any:
        if where == "in a loop":
            return fd.lax.fori_loop(0, 4, lambda i, c: roots.bind(c - 1.0), x)
        if where == "in a branch":
            return fd.lax.cond(x[0] > 0, lambda: roots.bind(x - 5.0), lambda: x)
        return roots.bind(x - 2.0)

    with config.backend(backend), pytest.raises(ShapeError, match=r"number \d is negative") as found:
        fd.jit(f)(X)
    first = {"alone": 2, "in a loop": 2, "in a branch": 1}[where]
    assert str(found.value).startswith(f"number {first} is negative")
    assert __file__ in str(found.value) or backend == "evaluator"


def test_checks_before_and_after_a_call() -> None:
    """The first equation that fails is the one that is seen, whichever kind it is of."""
    index = fd.jit(lambda x, i: (roots.bind(x), x[i]))
    with pytest.raises(ShapeError, match="number 1 is negative"):
        index(-X, 9)
    with pytest.raises(IndexError):
        index(X, 9)


def test_negative_results_are_errors_of_their_own() -> None:
    assert greedy.kernel and no_memory(X, X) == OUT_OF_MEMORY
    for backend in ("native", "kernel"):
        with config.backend(backend), pytest.raises(MemoryError):
            fd.jit(lambda x: greedy.bind(x + 1))(X)


@pytest.mark.parametrize("backend", ["native", "kernel"])
@pytest.mark.parametrize("p", [called_back, compiled], ids=lambda p: p.name)
def test_a_positive_result_that_is_not_declared(backend: str, p: Primitive) -> None:
    with config.backend(backend), pytest.raises(InternalError, match=f"'{p.name}' returned 3, but has no error"):
        fd.jit(lambda x: p.bind(x + 1))(X)


def test_what_numba_raises_is_raised_and_division_by_zero_is_not() -> None:
    f = fd.jit(lambda x: raising.bind(x + 1.0))
    assert f(np.zeros(1)) == np.inf
    for backend in ("native", "kernel"):
        with config.backend(backend), pytest.raises(ValueError, match="too large"):
            f(np.full(1, 9.0))


def test_what_numba_cannot_compile() -> None:
    with pytest.raises(InternalError, match="(?s)'test_not_typed' cannot be compiled by Numba: .*nothing_of_the_kind"):
        fd.jit(lambda x: untyped.bind(x + 1.0))(X)


# ---- declarations that are wrong


def test_declarations_are_checked() -> None:
    assert NATIVE_FUNCTIONS["test_add_up"] is ADD_UP
    with pytest.raises(InternalError, match="'test_add_up' is declared twice"):
        NativeFunction("test_add_up", Python(add_up))
    with pytest.raises(InternalError, match="'no name': expected letters"):
        NativeFunction("no name", Python(add_up))
    with pytest.raises(InternalError, match="'test_silent' does not say what it is in Python: state evaluate="):
        NativeFunction("test_silent", Text(""), (reads(float, 1),))


def test_text_that_calls_what_nobody_declares() -> None:
    function = NativeFunction("test_lost", Text("declare void @nowhere()\ndefine void @test_lost() {\n  ret void\n}"))
    with pytest.raises(InternalError, match="calls nowhere, which no NativeFunction declares"):
        machine_code(function, Target.host())


OUT, IN = Buffer((4,), np.dtype(float), "output"), Buffer((4,), np.dtype(float), "input")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (Call(ADD_UP, (OUT,), (poly(4),)), "1 buffers for the 2 operands of test_add_up"),
        (Call(ADD_UP, (IN, IN), (poly(4), poly(4))), "is an input and is written to"),
        (Call(NATIVE_FUNCTIONS["test_squares"], (IN, OUT), ()), "for operand 0 of test_squares"),
        (Call(NATIVE_FUNCTIONS["test_roots"], (IN, OUT), (poly(4), poly(4))), "error code 0 of test_roots"),
        (Call(NATIVE_FUNCTIONS["test_roots"], (IN, OUT), (poly(4), poly(4)), 2), "unknown error code 2"),
    ],
)
def test_calls_are_checked(call: Call, message: str) -> None:
    with pytest.raises(InternalError, match=message):
        check_program(KernelProgram((IN,), (OUT,), (call,), 0, (CheckInfo("ShapeError", ""),)))


# ---- lifetime

HOST = Target.host()
CALLS_NEGATIVES = """
declare i32 @test_negatives(ptr, ptr)
define i32 @call(ptr %buffers, ptr %sizes) {
  %code = call i32 @test_negatives(ptr %buffers, ptr %sizes)
  ret i32 %code
}
"""


def declare(f: Any) -> NativeFunction:
    return NativeFunction("test_negatives", Python(f), VECTORS)


@pytest.mark.deep
def test_code_lives_as_long_as_what_calls_it() -> None:
    def negatives(x, out):  # type: ignore[no-untyped-def]
        for i in range(x.size):
            out[i] = -x[i]
        return 0

    library = link_native(emit_object(CALLS_NEGATIVES, HOST), [declare(negatives)], HOST, ["call"])
    gc.collect()
    assert "test_negatives" not in NATIVE_FUNCTIONS
    buffers = (ctypes.c_void_p * 2)(X.ctypes.data, (out := np.empty_like(X)).ctypes.data)
    call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)(library.address("call"))
    assert call(buffers, (ctypes.c_int64 * 2)(4, 4)) == 0
    np.testing.assert_array_equal(out, -X)


@pytest.mark.deep
def test_numba_is_imported_when_it_is_needed() -> None:
    script = """
import sys, numpy as np, functad as fd
from functad.kernel_ir.native import NativeFunction, Python, reads, writes
NativeFunction("f", Python(lambda x, out: 0), (reads(float, 1), writes(float, 1)))
fd.jit(lambda x: np.sin(x) @ x)(np.ones(3))
print("numba" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
