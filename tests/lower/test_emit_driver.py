"""The driver: registers, memory for temporaries, native functions, errors, products, long straight-line code, blocks on
threads.
"""

from __future__ import annotations

import ctypes
import itertools
import re
from collections.abc import Sequence

import numpy as np
import pytest

from functad import config
from functad.ir.types import Symbol
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.codes import OUT_OF_MEMORY, SIZE_OVERFLOW
from functad.kernel_ir.evaluator import evaluate_program
from functad.kernel_ir.native import Address, NativeFunction, reads, writes
from functad.kernel_ir.nodes import Affine, Buffer, Call, CheckInfo, KernelProgram, Product, Statement, Store
from functad.kernel_ir.pending import take_offender
from functad.kernel_ir.sizes import Extent, poly
from functad.lower.emit import parallel, straight
from functad.lower.native import threads
from tests.lower.native import Native, agree

F64, F32, I64, BOOL = (np.dtype(t) for t in ("f8", "f4", "i8", "?"))
N, M, K = (Symbol(k) for k in range(3))
axis = Affine.axis


def program(inputs: Sequence[Buffer], outputs: Sequence[Buffer], *body: Statement, checks: int = 0) -> KernelProgram:
    infos = tuple(CheckInfo("IndexOutOfBoundsError", f"check {k}: {{value}}") for k in range(checks))
    return KernelProgram(tuple(inputs), tuple(outputs), body, 3, infos)


def source(*shape: Extent, dtype: np.dtype = F64) -> Buffer:
    return Buffer(shape, dtype, "input")


def result(*shape: Extent, dtype: np.dtype = F64) -> Buffer:
    return Buffer(shape, dtype, "output")


def data(*shape: int, dtype: np.dtype = F64, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape).astype(dtype) if dtype.kind == "f" else rng.integers(-9, 9, size=shape).astype(dtype)


def elementwise(op: str, size: Extent, out: Buffer, *operands: Buffer) -> Statement:
    b = Builder()
    values = [b.load(x, (axis(0),) if x.shape else ()) for x in operands]
    b.store(out, (axis(0),) if out.shape else (), b.compute(op, *values))
    return b.finish((size,) if out.shape else (), op)


def summed(x: Buffer, out: Buffer, size: Extent) -> Statement:
    b = Builder()
    b.reduce(out, (), "sum", b.load(x, (axis(0),)))
    return b.finish((size,), "sum")


# ---- scalars


def test_scalars_are_registers() -> None:
    """From a sum through straight-line code to the next loop: nothing but the sum and the result is in memory."""
    x, out, last = source(N), result(N), result()
    total, root, twice = (Buffer((), F64) for _ in range(3))
    p = program(
        [x], [out, last],
        summed(x, total, N), elementwise("sqrt", 1, root, total), elementwise("add", 1, twice, root, root),
        elementwise("mul", N, out, x, twice), elementwise("neg", 1, last, twice),
    )  # fmt: skip
    native = Native(p)
    for size in (1, 9, 100):
        agree(p, [np.abs(data(size))], [size, 0, 0], native=native)
    driver = native.module.text[native.module.text.index("@driver(") :]
    assert driver.count("load double") == 1 and driver.count("store double") == 1


def test_scalars_of_every_dtype_go_to_kernels_by_value() -> None:
    dtypes = [F64, F32, I64, BOOL, np.dtype("u1")]
    inputs = [source(dtype=t) for t in dtypes]
    outputs = [result(N, dtype=t) for t in dtypes]
    b = Builder()
    for x, out in zip(inputs, outputs, strict=True):
        b.store(out, (axis(0),), b.load(x, ()))
    p = program(inputs, outputs, b.finish((N,)))
    native = Native(p)
    for size in (1, 11):
        agree(
            p,
            [np.array(v, t) for v, t in zip((1.5, -2.5, -3, True, 200), dtypes, strict=True)],
            [size, 0, 0],
            native=native,
        )


def test_a_scalar_output_may_be_read_later() -> None:
    x, total, out = source(N), result(), result(N)
    p = program([x], [total, out], summed(x, total, N), elementwise("div", N, out, x, total))
    agree(p, [data(10)], [10, 0, 0])


def test_a_scalar_under_a_mask() -> None:
    x, p, out = source(), source(dtype=BOOL), result()
    value = Buffer((), F64)
    first = Builder()
    first.store(value, (), first.const(-1, F64))
    second = Builder()
    second.store(value, (), second.load(x, ()), second.load(p, ()))
    third = Builder()
    third.store(out, (), third.load(value, (), third.load(p, ()), 7.0))
    prog = program([x, p], [out], first.finish(), second.finish(), third.finish())
    native = Native(prog)
    for flag in (True, False):
        ((got,), _) = native([np.array(3.0), np.array(flag)], [0, 0, 0])
        assert got == (3.0 if flag else 7.0)


def test_reductions_over_nothing_into_a_register() -> None:
    x, out = source(0), result()
    total = Buffer((), F64)
    b = Builder()
    b.reduce(total, (), "max", b.load(x, (axis(0),)))
    p = program([x], [out], b.finish((0,)), elementwise("neg", 1, out, total))
    agree(p, [data(0)], [0, 0, 0])


def test_small_arrays_need_no_loop() -> None:
    x, out = source(3, 4), result(3)
    b = Builder()
    b.reduce(out, (axis(0),), "sum", b.load(x, (axis(0), axis(1))))
    p = program([x], [out], b.finish((3, 4)))
    native = Native(p)
    agree(p, [data(3, 4)], [0, 0, 0], native=native)
    assert "phi" not in native.module.text and "internal" not in native.module.text


# ---- memory


def chain(count: int, size: Extent) -> KernelProgram:
    """``count`` temporaries of one size, of which two are alive at a time."""
    x, out = source(size), result(size)
    temps = [Buffer((size,), F64) for _ in range(count)]
    steps = [elementwise("neg", size, b, a) for a, b in itertools.pairwise([x, *temps, out])]
    return program([x], [out], *steps)


@pytest.mark.parametrize("size", [5, 40, 5000, N])
def test_temporaries_share_places(size: Extent) -> None:
    p = chain(6, size)
    native = Native(p)
    length = size if isinstance(size, int) else 1000
    agree(p, [data(length)], [length, 0, 0], native=native, rtol=0)
    text = native.module.text
    if size in (5, 40):
        assert f"alloca [{2 * -(-8 * length // 64) * 64} x i8]" in text and "@malloc" not in text
    else:
        assert text.count("call ptr @malloc") == text.count("call void @free") == 1


def test_no_memory_is_an_error_code_not_a_crash() -> None:
    """Sizes whose product does not even fit an address."""
    a, b, out = source(N), source(M), result()
    outer = Buffer((N, M, K), F64)
    first = Builder()
    first.store(outer, (axis(0), axis(1), axis(2)), first.mul(first.load(a, (axis(0),)), first.load(b, (axis(1),))))
    second = Builder()
    second.reduce(out, (), "sum", second.load(outer, (axis(0), axis(1), axis(2))))
    native = Native(program([a, b], [out], first.finish((N, M, K)), second.finish((N, M, K))))
    assert native([data(3), data(4)], [3, 4, 2])[1] == 0
    for sizes in ([3, 4, 2**58], [3, 4, 2**61], [2**31, 2**31, 2**31], [2**21, 2**21, 2**22]):
        # the arrays are too short for these sizes: nothing may be read before the memory is there
        assert native([data(3), data(4)], sizes)[1] == OUT_OF_MEMORY


def test_views_are_the_same_memory() -> None:
    x, out = source(N, M), result(poly(N) * M)
    temp = Buffer((N, M), F64)
    flat = Buffer((poly(N) * M,), F64, base=temp)
    b = Builder()
    b.store(temp, (axis(0), axis(1)), b.exp(b.load(x, (axis(0), axis(1)))))
    p = program([x], [out], b.finish((N, M)), elementwise("neg", poly(N) * M, out, flat))
    agree(p, [data(3, 7)], [3, 7, 0], rtol=1e-15)


# ---- native functions and errors

C_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int64))


def test_calls() -> None:
    """A native function sees arrays, scalars and sizes, and what it writes is used by what follows."""

    @C_FUNCTION
    def native_code(buffers, sizes):  # type: ignore[no-untyped-def]
        n = sizes[0]
        x, scale, y, total = (ctypes.cast(buffers[k], ctypes.POINTER(ctypes.c_double)) for k in range(4))
        for i in range(n):
            y[i] = x[n - 1 - i] * scale[0]
        total[0] = sum(x[i] for i in range(n))
        return 0 if n < 50 else n

    def evaluate(x: np.ndarray, scale: np.ndarray, y: np.ndarray, total: np.ndarray) -> int:
        y[...] = x[::-1] * scale
        total[...] = sum(x.tolist())
        return 0 if x.size < 50 else x.size

    function = NativeFunction(
        "test_reverse_driver",
        Address(lambda: ctypes.cast(native_code, ctypes.c_void_p).value or 0),
        (reads(F64, 1), reads(F64, 0), writes(F64, 1), writes(F64, 0)),
        evaluate,
        error=("IndexOutOfBoundsError", "{value} are too many"),
    )
    x, out = source(N), result(N)
    scale, y, total = Buffer((), F64), Buffer((N,), F64), Buffer((), F64)
    b = Builder()
    b.store(scale, (), b.const(2.0, F64))
    p = program(
        [x], [out],
        b.finish(), Call(function, (x, scale, y, total), (poly(N), poly(N)), 2), elementwise("add", N, out, y, total),
        checks=2,
    )  # fmt: skip
    native = Native(p)
    for size, code, found in ((3, 0, None), (20, 0, None), (60, 2, 60)):
        agree(p, [data(size)], [size, 0, 0], native=native)
        take_offender()
        assert (native([data(size)], [size, 0, 0])[1], take_offender()) == (code, found)


def test_the_smallest_code_of_several_statements() -> None:
    x, out = source(N), result(N)
    steps = []
    for code, limit in ((3, 1.0), (1, 3.0), (2, 2.0)):
        b = Builder()
        b.check(b.lt(b.load(x, (axis(0),)), limit), code)
        steps.append(b.finish((N,)))
    p = program([x], [out], *steps, elementwise("neg", N, out, x), checks=3)
    native = Native(p)
    for top, code in ((0.0, 0), (1.5, 3), (2.5, 2), (3.5, 1)):
        assert native([np.array([0.0, top, 0.5])], [3, 0, 0])[1] == code


# ---- products

SHAPES = [
    (1, 3, 3, 3), (5, 8, 8, 8), (1, 16, 16, 16), (2, 1, 5, 7), (1, 7, 1, 5), (1, 1, 1, 9), (1, 4, 13, 2), (3, 10, 16,
        3), (1, 20, 30, 40),
    (2, 17, 1, 100), (2, 1, 17, 100), (1, 1, 1, 5000), (1, 0, 3, 3), (2, 3, 0, 3), (2, 3, 4, 0), (0, 3, 3, 3), (1, 90,
        1, 80), (1, 1, 90, 80),
    (1, 20, 20, 0), (2, 4, 1, 0), (1, 17, 16, 15),
]  # fmt: skip


def matrix_product(
    sizes: Sequence[Extent], left: bool, right: bool, dtype: np.dtype, complex: bool = False
) -> KernelProgram:
    batch, m, n, k = map(poly, sizes)
    pair: tuple[Extent, ...] = (2,) if complex else ()
    lhs = source(batch, *((k, m) if left else (m, k)), *pair, dtype=dtype)
    rhs = source(batch, *((n, k) if right else (k, n)), *pair, dtype=dtype)
    out = result(batch, m, n, *pair, dtype=dtype)
    return program([lhs, rhs], [out], Product(out, lhs, rhs, batch, m, n, k, left, right, complex))


def inputs_of(p: KernelProgram, symbols: Sequence[int]) -> list[np.ndarray]:
    return [data(*[n.evaluate(symbols) for n in b.shape], dtype=b.dtype, seed=k) for k, b in enumerate(p.inputs)]


@pytest.mark.one_in(5)
@pytest.mark.parametrize("complex", [False, True])
@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
def test_products(sizes: tuple[int, ...], dtype: np.dtype, complex: bool) -> None:
    for left, right in ((False, False), (True, False), (False, True), (True, True)):
        p = matrix_product(sizes, left, right, dtype, complex)
        tolerance = (
            20 * float(np.finfo(dtype).eps) * max(1, sizes[3]) ** 0.5
        )  # errors are relative to the terms, which are around 1
        agree(p, inputs_of(p, ()), [0, 0, 0], rtol=tolerance, atol=tolerance * 4)


@pytest.mark.parametrize("complex", [False, True])
@pytest.mark.parametrize("columns", [M, 1])
def test_products_of_symbolic_size(columns: Extent, complex: bool) -> None:
    for left, right in ((False, False), (True, False), (False, True), (True, True)):
        p = matrix_product((2, N, columns, K), left, right, F64, complex)
        native = Native(p)
        for sizes in [(20, 30, 40), (1, 1, 1), (1, 9, 3), (0, 3, 3), (3, 0, 3), (3, 3, 0)]:
            agree(p, inputs_of(p, sizes), sizes, native=native, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [I64, np.dtype("i4"), BOOL], ids=str)
def test_products_that_blas_does_not_have(dtype: np.dtype) -> None:
    for sizes in ((1, 3, 4, 5), (2, 20, 30, 7)):
        p = matrix_product(sizes, False, True, dtype)
        agree(p, inputs_of(p, ()), [0, 0, 0])


def test_matrices_too_large_for_blas_are_refused() -> None:
    """2^31 rows of no columns take no memory; a count cut to 32 bits would be negative."""
    p = matrix_product((1, N, M, K), False, False, F64)
    native = Native(p)
    for sizes in ((2**31, 0, 5), (2**32 + 1, 0, 5), (0, 2**31, 0)):
        assert native([np.zeros(0), np.zeros(0)], [0, 0, 0])[1] == 0
        pointers = (ctypes.c_void_p * 2)(), (ctypes.c_void_p * 1)()
        assert native.entry(*pointers, (ctypes.c_int64 * 3)(*sizes)) == SIZE_OVERFLOW


def test_a_huge_inner_dimension_is_refused_before_anything_is_read() -> None:
    p = matrix_product((1, N, M, K), False, False, F64)
    pointers = (ctypes.c_void_p * 2)(), (ctypes.c_void_p * 1)()
    assert Native(p).entry(*pointers, (ctypes.c_int64 * 3)(3, 3, 2**31)) == SIZE_OVERFLOW


# ---- long code without loops


def long_program(count: int, kernels: int) -> KernelProgram:
    """Random scalar operations, in a few kernels that pass scalars on."""
    rng = np.random.default_rng(count)
    inputs, outputs = [source() for _ in range(4)], [result() for _ in range(3)]
    body: list[Statement] = []
    temps: list[Buffer] = []
    for number in range(kernels):
        b = Builder()
        values = [b.load(x, ()) for x in [*inputs, *temps]]
        for k in range(count // kernels):
            near = rng.integers(max(0, len(values) - 20), len(values), 2)
            x, y = values[near[0]], values[near[1] if k % 9 else rng.integers(len(values))]
            values.append(
                b.tanh(b.add(x, y))
                if k % 5 == 0
                else b.compute(("add", "mul", "maximum", "sub")[k % 4], x, b.mul(y, 0.5))
            )
        targets = outputs if number == kernels - 1 else [Buffer((), F64) for _ in range(5)]
        for target, value in zip(targets, values[-len(targets) :], strict=True):
            b.store(target, (), b.tanh(value))
        temps.extend(targets)
        body.append(b.finish((), "scalar"))
    return program(inputs, outputs, *body)


@pytest.mark.parametrize(("count", "kernels"), [(300, 1), (4000, 1), (4000, 20)])
def test_long_straight_code(count: int, kernels: int) -> None:
    p = long_program(count, kernels)
    native = Native(p)
    agree(p, [np.array(v) for v in (0.5, -1.25, 2.0, 0.1)], [0, 0, 0], native=native, rtol=1e-9)
    functions = re.findall(r"^define internal void @straight", native.module.text, re.MULTILINE)
    assert (len(functions) > 2) == (count == 4000)
    assert native.module.text.count("define internal double @functad_tanh_f64_1(") == 1


def test_long_code_is_cut_where_few_values_live() -> None:
    """Of sums of 60 values one after the other, each piece has whole ones: only their results cross."""
    x, out = source(), result()
    b = Builder()
    total = b.load(x, ())
    for _ in range(40):
        parts = [b.mul(total, float(k)) for k in range(60)]
        for part in parts:
            total = b.add(total, part)
    b.store(out, (), total)
    pieces = straight.cut(b.finish((), "sums"))
    # with the loads and stores of what crosses
    assert all(straight.size(piece.body) <= straight.PIECE + 10 for piece in pieces)
    moved = [i for piece in pieces for i in piece.body if isinstance(i, Store)]
    assert len(moved) == len(pieces)  # between two pieces one value, and the result


def test_long_straight_code_beside_loops() -> None:
    """Arrays, checks and scalars cross between functions."""
    x, where, out, total = source(N), source(dtype=I64), result(N), result()
    s = Buffer((), F64)
    b = Builder()
    index = b.load(where, ())
    b.check(b.lt(index, b.size(N)), 1)
    value = b.add(b.load(x, (Affine.value(b.minimum(index, b.size(poly(N) - 1))),)), b.load(s, ()))
    for _ in range(1500):
        value = b.add(b.mul(value, 0.25), b.load(x, (Affine(0),)))
        value = b.sub(value, b.load(s, ()))
    t = Buffer((), F64)
    b.store(t, (), value)
    p = program(
        [x, where],
        [out, total],
        summed(x, s, N),
        b.finish(),
        elementwise("mul", N, out, x, t),
        elementwise("neg", 1, total, t),
        checks=1,
    )
    native = Native(p)
    for size, place in ((5, 2), (100, 99), (5, 7)):
        agree(p, [data(size), np.array(place)], [size, 0, 0], native=native, rtol=1e-9)


# ---- blocks


def statistics() -> KernelProgram:
    """A map, its full sum and extremes, sums of rows and of a few columns: stores, and results that blocks have in
    common.
    """
    x, out, total, top, rows, columns = source(N, 5), result(N, 5), result(), result(), result(N), result(5)
    b = Builder()
    v = b.load(x, (axis(0), axis(1)))
    y = b.exp(b.sin(v))
    b.check(b.lt(v, 100.0), 1)
    b.store(out, (axis(0), axis(1)), y)
    b.reduce(total, (), "sum", y)
    b.reduce(top, (), "max", v)
    b.reduce(rows, (axis(0),), "sum", y)
    b.reduce(columns, (axis(1),), "sum", y)
    return program([x], [out, total, top, rows, columns], b.finish((N, 5), "statistics"), checks=1)


@pytest.fixture
def team() -> object:
    """Two threads, afterwards the number of the environment again."""
    with config.threads(2):
        threads.configure()
        yield
    threads.configure()


@pytest.mark.usefixtures("team")
def test_blocks_agree_with_the_evaluator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "GRAIN", 2000)
    p = statistics()
    native = Native(p, threads=True)
    assert "functad_blocks" in native.calls
    for size in (0, 1, 3, 100, 1000, 5003):
        agree(p, [data(size, 5)], [size, 0, 0], native=native, rtol=1e-12, atol=1e-12)
    bad = data(1000, 5)
    for place in (0, 700, 4999):
        wrong = bad.copy()
        wrong.flat[place] = 200
        assert native([wrong], [1000, 0, 0])[1] == 1


def test_results_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "GRAIN", 2000)
    x = data(3000, 5)
    native = Native(statistics(), threads=True)
    found = []
    for count in (1, 2, 3, 7):
        with config.threads(count):
            threads.configure()
            found.append([a.tobytes() for a in native([x], [3000, 0, 0])[0]])
    threads.configure()
    assert all(f == found[0] for f in found)


@pytest.mark.usefixtures("team")
def test_a_sum_over_rows_is_divided_by_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partial results of unknown size would need too much memory: blocks take columns of their own instead."""
    monkeypatch.setattr(parallel, "GRAIN", 2000)
    x, out = source(N, M), result(M)
    b = Builder()
    b.reduce(out, (axis(1),), "sum", b.load(x, (axis(0), axis(1))))
    p = program([x], [out], b.finish((N, M)))
    native = Native(p, threads=True)
    assert "functad_blocks" in native.calls
    for n, m in ((1, 1), (3, 5000), (40, 3000), (0, 9), (9, 0)):
        agree(p, [data(n, m)], [n, m, 0], native=native, atol=1e-13)


def test_small_loops_of_known_size_are_not_divided() -> None:
    x, out = source(1000), result(1000)
    assert "functad_blocks" not in Native(program([x], [out], elementwise("exp", 1000, out, x)), threads=True).calls


def test_evaluator_and_native_agree_on_junk() -> None:
    """What is read but never written is a defect of the program, and the checker says so."""
    x, out = source(N), result(N)
    temp = Buffer((N,), F64)
    p = program([x], [out], elementwise("add", N, out, x, temp))
    with pytest.raises(Exception, match="read before anything is written"):
        Native(p)
    (junk,), _ = evaluate_program(p, [data(3)], [3, 0, 0])
    assert np.isnan(junk).all()
