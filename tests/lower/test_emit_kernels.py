"""Loop nests: accesses of every stride, masks, all layouts of reductions, scans, scatters, checks, at sizes around the
vector's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from functad.ir.types import Symbol
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.nodes import Affine, Buffer, CheckInfo, KernelProgram, Value
from functad.kernel_ir.sizes import Extent, poly
from functad.lower.emit.nest import shape_nest
from tests.lower.native import Native, agree

F64, F32, I64, I32, BOOL = (np.dtype(t) for t in ("f8", "f4", "i8", "i4", "?"))
N, M, K = (Symbol(k) for k in range(3))
SIZES = [0, 1, 7, 8, 9, 1023, 1025]
axis = Affine.axis


def one_kernel(
    axes: Sequence[Extent],
    inputs: Sequence[Buffer],
    outputs: Sequence[Buffer],
    build: Callable[[Builder], None],
    checks: int = 0,
) -> KernelProgram:
    b = Builder()
    build(b)
    infos = tuple(CheckInfo("IndexOutOfBoundsError", f"check {k}") for k in range(checks))
    return KernelProgram(tuple(inputs), tuple(outputs), (b.finish(axes),), 3, infos)


def data(shape: Sequence[int], dtype: np.dtype = F64, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape).astype(dtype) if dtype.kind == "f" else rng.integers(0, 100, size=shape).astype(dtype)


def eps(dtype: np.dtype) -> float:
    """What a fused multiply-add may differ by from two roundings, at numbers around 1."""
    return float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0


def source(*shape: Extent, dtype: np.dtype = F64) -> Buffer:
    return Buffer(shape, dtype, "input")


def result(*shape: Extent, dtype: np.dtype = F64) -> Buffer:
    return Buffer(shape, dtype, "output")


# ---- sizes


def elementwise(dtype: np.dtype, size: Extent) -> KernelProgram:
    x, y, out = source(size, dtype=dtype), source(dtype=dtype), result(size, dtype=dtype)
    return one_kernel(
        (size,),
        (x, y),
        (out,),
        lambda b: b.store(out, (axis(0),), b.add(b.mul(b.load(x, (axis(0),)), b.load(y, ())), 1)),
    )


@pytest.mark.parametrize("dtype", [F64, F32, I64, I32, np.dtype("u1")], ids=str)
def test_symbolic_sizes(dtype: np.dtype) -> None:
    program = elementwise(dtype, N)
    native = Native(program)
    for size in SIZES:
        agree(program, [data((size,), dtype), data((), dtype)], [size, 0, 0], native=native, atol=4 * eps(dtype))


@pytest.mark.parametrize("size", [*SIZES, 2, 3, 16, 17])
def test_static_sizes(size: int) -> None:
    agree(elementwise(F64, size), [data((size,)), data(())], [0, 0, 0], atol=4 * eps(F64))


@pytest.mark.parametrize("size", [0, 1, 7, 9, 1025])
def test_heavy_bodies_are_written_once(size: int) -> None:
    """A long body has no copy for the rest: one exponential polynomial, in one loop."""
    x, out = source(N), result(N)

    def build(b: Builder) -> None:
        v = b.load(x, (axis(0),))
        b.store(out, (axis(0),), b.add(b.tanh(v), b.log1p(b.exp(b.expm1(v)))))

    program = one_kernel((N,), (x,), (out,), build)
    native = Native(program)
    agree(program, [data((size,))], [size, 0, 0], native=native, atol=1e-15)
    text = native.module.text
    assert (
        len(re.findall(r"store <\d+ x double>", text)) == 1
        and len(re.findall(r"call void @llvm.masked.store", text)) == 1
    )


def test_mixed_dtypes_in_one_kernel() -> None:
    x, i, p, out, flags = (
        source(N, dtype=F32),
        source(N, dtype=I64),
        source(N, dtype=BOOL),
        result(N),
        result(N, dtype=BOOL),
    )

    def build(b: Builder) -> None:
        at = (axis(0),)
        wide = b.add(b.cast(b.load(x, at), F64), b.cast(b.load(i, at), F64))
        b.store(out, at, b.select(b.load(p, at), wide, b.neg(wide)))
        b.store(flags, at, b.bit_xor(b.load(p, at), b.gt(wide, 50.0)))

    program = one_kernel((N,), (x, i, p), (out, flags), build)
    native = Native(program)
    for size in SIZES:
        rng = np.random.default_rng(size)
        agree(
            program,
            [data((size,), F32), data((size,), I64), rng.random(size) < 0.5],
            [size, 0, 0],
            native=native,
            rtol=0,
        )


@pytest.mark.parametrize("to", ["i4", "i2", "i1", "u1", "f4", "?"])
@pytest.mark.parametrize("wide", ["i8", "u4", "f8"])
@pytest.mark.parametrize("flipped", [False, True])
def test_narrowing_writes_no_further(to: str, wide: str, flipped: bool) -> None:
    """LLVM stores too much where a single narrowed element is left, unless it is kept from knowing that."""
    for size in (1, 3, 5, 9, 17):
        x, out = source(size, dtype=np.dtype(wide)), result(size, dtype=np.dtype(to))
        at = (Affine(size - 1, ((0, -1),)) if flipped else axis(0),)

        def build(b: Builder, x: Buffer = x, out: Buffer = out, at: Any = at) -> None:
            b.store(out, at, b.cast(b.load(x, (axis(0),)), out.dtype))

        agree(one_kernel((size,), (x,), (out,), build), [data((size,), I64).astype(wide)], [0, 0, 0], rtol=0)


# ---- accesses

ACCESSES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "row": (lambda: (N, M), lambda: (axis(0), axis(1))),
    "transposed": (lambda: (M, N), lambda: (axis(1), axis(0))),
    "flipped": (lambda: (N, M), lambda: (axis(0), Affine(poly(M) - 1, ((1, -1),)))),
    "flipped rows": (lambda: (N, M), lambda: (Affine(poly(N) - 1, ((0, -1),)), axis(1))),
    "every second": (lambda: (N, poly(M) * 2), lambda: (axis(0), axis(1) * 2)),
    "every fifth": (lambda: (N, poly(M) * 5), lambda: (axis(0), axis(1) * 5 + 2)),
    "shifted": (lambda: (N, poly(M) + 3), lambda: (axis(0), axis(1) + 3)),
    "first of pairs": (lambda: (N, M, 2), lambda: (axis(0), axis(1), Affine(0))),
    "last of three": (lambda: (N, M, 3), lambda: (axis(0), axis(1), Affine(2))),
    "third of four": (lambda: (N, M, 4), lambda: (axis(0), axis(1), Affine(2))),
    "sixth of seven": (lambda: (N, M, 7), lambda: (axis(0), axis(1), Affine(5))),
    "row vector": (lambda: (M,), lambda: (axis(1),)),
    "column vector": (lambda: (N,), lambda: (axis(0),)),
    "scalar": (lambda: (), lambda: ()),
    "one element": (lambda: (N, 3), lambda: (Affine(0), Affine(2))),
    "diagonal of windows": (lambda: (poly(N) + M,), lambda: (axis(0) + axis(1),)),
}


@pytest.mark.parametrize("name", ACCESSES)
@pytest.mark.parametrize("dtype", [F64, BOOL, np.dtype("i2")], ids=str)
def test_loads(name: str, dtype: np.dtype) -> None:
    shape, index = ACCESSES[name]
    x, out = source(*shape(), dtype=dtype), result(N, M, dtype=dtype)
    program = one_kernel((N, M), (x,), (out,), lambda b: b.store(out, (axis(0), axis(1)), b.load(x, index())))
    native = Native(program)
    for n, m in [(1, 1), (3, 9), (9, 3), (8, 8), (2, 33), (0, 4), (4, 0)]:
        sizes = [s.evaluate([n, m, 0]) for s in x.shape]
        agree(program, [data(sizes, I64).astype(dtype)], [n, m, 0], native=native, rtol=0)


@pytest.mark.parametrize(
    "name", [n for n in ACCESSES if "vector" not in n and n not in ("scalar", "one element", "diagonal of windows")]
)
def test_stores(name: str) -> None:
    shape, index = ACCESSES[name]
    x, out = source(N, M), result(*shape())

    def build(b: Builder) -> None:
        b.store(out, index(), b.load(x, (axis(0), axis(1))))

    fill = Builder()
    fill.store(out, tuple(axis(k) for k in range(len(out.shape))), fill.const(0, F64))
    store = one_kernel((N, M), (x,), (out,), build)
    program = KernelProgram((x,), (out,), (fill.finish(out.shape, "fill"), *store.body), 3)
    native = Native(program)
    for n, m in [(1, 1), (3, 9), (9, 3), (8, 8), (2, 33)]:
        agree(program, [data((n, m))], [n, m, 0], native=native, rtol=0)


@pytest.mark.parametrize("group", [2, 3, 4])
def test_groups_are_read_and_written_as_runs(group: int) -> None:
    """The parts of complex numbers (or of points) are moved by vector accesses and shuffles."""
    x, out = source(N, group), result(N, group)

    def build(b: Builder) -> None:
        parts = [b.load(x, (axis(0), Affine(k))) for k in range(group)]
        for k in range(group):
            b.store(out, (axis(0), Affine(k)), b.mul(parts[(k + 1) % group], k + 2.0))

    program = one_kernel((N,), (x,), (out,), build)
    native = Native(program)
    assert "extractelement" not in native.module.text
    # vectors of other lengths LLVM takes apart between blocks
    lengths = [int(n) for n in re.findall(r"phi <(\d+) x", native.module.text)]
    assert lengths and all(n & (n - 1) == 0 for n in lengths)
    for size in SIZES:
        agree(program, [data((size, group))], [size, 0, 0], native=native, rtol=0)


def test_store_to_some_parts_leaves_the_others() -> None:
    x, out = source(N), result(N, 2)
    first = Builder()
    first.store(out, (axis(0), axis(1)), first.const(5, F64))
    second = Builder()
    second.store(out, (axis(0), Affine(1)), second.load(x, (axis(0),)))
    program = KernelProgram((x,), (out,), (first.finish((N, 2)), second.finish((N,))), 3)
    native = Native(program)
    for size in SIZES:
        agree(program, [data((size,))], [size, 0, 0], native=native, rtol=0)


@pytest.mark.parametrize("shift", [-3, -1, 2])
@pytest.mark.parametrize("stride", [1, -1, 3])
@pytest.mark.parametrize("pairs", [False, True])
def test_masked_loads_touch_nothing_else(shift: int, stride: int, pairs: bool) -> None:
    """Padding reads out of bounds where the mask is false; there is no memory there."""
    x, out = source(N, *([2] if pairs else [])), result(N)

    def build(b: Builder) -> None:
        where = axis(0) * stride + shift if stride > 0 else Affine(poly(N) - 1 + shift, ((0, -1),))
        position = b.axis(where)
        mask = b.bit_and(b.ge(position, 0), b.lt(position, b.size(N)))
        b.store(out, (axis(0),), b.load(x, (where, Affine(1)) if pairs else (where,), mask, 7.0))

    program = one_kernel((N,), (x,), (out,), build)
    native = Native(program)
    for size in SIZES:
        agree(program, [data((size, 2) if pairs else (size,))], [size, 0, 0], native=native, rtol=0)


def test_masked_load_outside_of_the_vector_loop() -> None:
    x, out = source(N), result(N, M)

    def build(b: Builder) -> None:
        position = b.axis(axis(0) + 1)
        row = b.load(x, (axis(0) + 1,), b.lt(position, b.size(N)), -1.0)
        b.store(out, (axis(0), axis(1)), b.add(row, b.cast(b.axis(axis(1)), F64)))

    program = one_kernel((N, M), (x,), (out,), build)
    native = Native(program)
    for n, m in [(1, 1), (5, 9), (3, 0)]:
        agree(program, [data((n,))], [n, m, 0], native=native, rtol=0)


@pytest.mark.parametrize("pairs", [False, True])
def test_masked_stores(pairs: bool) -> None:
    x, p, out = source(N), source(N, dtype=BOOL), result(N, *([2] if pairs else []))
    fill = Builder()
    fill.store(out, tuple(axis(k) for k in range(len(out.shape))), fill.const(-1, F64))
    b = Builder()
    mask = b.load(p, (axis(0),))
    value = b.load(x, (axis(0),))
    for index in ((axis(0), Affine(0)), (axis(0), Affine(1))) if pairs else ((axis(0),),):
        b.store(out, index, value, mask)
    program = KernelProgram((x, p), (out,), (fill.finish(out.shape), b.finish((N,))), 3)
    native = Native(program)
    for size in SIZES:
        agree(
            program,
            [data((size,)), np.random.default_rng(size).random(size) < 0.5],
            [size, 0, 0],
            native=native,
            rtol=0,
        )


def test_uniform_load_under_a_varying_mask() -> None:
    """The element does not exist where no lane wants it."""
    x, p, out = source(N), source(M, dtype=BOOL), result(M)

    def build(b: Builder) -> None:
        b.store(out, (axis(0),), b.load(x, (Affine(0),), b.load(p, (axis(0),)), 2.0))

    program = one_kernel((M,), (x, p), (out,), build)
    native = Native(program)
    for m in (1, 8, 11):
        agree(program, [data((0,)), np.zeros(m, bool)], [0, m, 0], native=native)
        agree(program, [data((1,)), np.arange(m) % 3 == 0], [1, m, 0], native=native)


def test_nothing_is_read_ahead_of_an_empty_loop() -> None:
    """What does not depend on the inner loop is read before it, but not where it has no turns: here it does not exist
    then.
    """
    x, y, out = source(K), source(N, M), result(N, M)

    def build(b: Builder) -> None:
        first = b.load(x, (Affine(0),))
        b.store(out, (axis(0), axis(1)), b.mul(first, b.load(y, (axis(0), axis(1)))))

    program = one_kernel((N, M), (x, y), (out,), build)
    native = Native(program)
    for n, m, k in [(0, 5, 0), (5, 0, 0), (0, 0, 0), (2, 9, 1)]:
        agree(program, [data((k,)), data((n, m))], [n, m, k], native=native, rtol=0)


@pytest.mark.parametrize("dtype", [F64, F32, BOOL], ids=str)
def test_gather(dtype: np.dtype) -> None:
    x, where, out = source(M, K, dtype=dtype), source(N, dtype=I64), result(N, K, dtype=dtype)

    def build(b: Builder) -> None:
        b.store(out, (axis(0), axis(1)), b.load(x, (Affine.value(b.load(where, (axis(0),))), axis(1))))

    program = one_kernel((N, K), (x, where), (out,), build)
    native = Native(program)
    for n, m, k in [(9, 4, 1), (3, 2, 11), (17, 1, 3), (0, 3, 3)]:
        rng = np.random.default_rng(n)
        agree(program, [data((m, k), I64).astype(dtype), rng.integers(0, m, n)], [n, m, k], native=native, rtol=0)


def test_gather_along_the_vector_axis_reads_no_lane_that_is_not_there() -> None:
    x, where, out = source(M), source(N, dtype=I64), result(N)

    def build(b: Builder) -> None:
        i = b.load(where, (axis(0),))
        # dead lanes hold 0, which this takes far out of bounds
        far = b.sub(b.mul(i, 10**6), 10**6 * 5)
        b.store(out, (axis(0),), b.load(x, (Affine.value(far),)))

    program = one_kernel((N,), (x, where), (out,), build)
    native = Native(program)
    for n in (1, 3, 8, 13):
        agree(program, [data((1,)), np.full(n, 5)], [n, 1, 0], native=native, rtol=0)


# ---- checks


def test_checks_give_the_smallest_code_that_failed() -> None:
    where, out = source(N, dtype=I64), result(N)

    def build(b: Builder) -> None:
        i = b.load(where, (axis(0),))
        b.check(b.ge(i, 0), 2)
        b.check(b.lt(i, 10), 1)
        b.check(b.ne(b.load(where, (Affine(0),)), 100), 3)
        b.store(out, (axis(0),), b.cast(i, F64))

    program = one_kernel((N,), (where,), (out,), build, checks=3)
    native = Native(program)
    for size in (1, 7, 8, 9, 1025):
        ok = np.arange(size) % 10
        for values, code in (
            (ok, 0),
            (np.where(np.arange(size) == size - 1, -1, ok), 2),
            (np.where(np.arange(size) == 0, 100, ok), 1),
        ):
            agree(program, [values], [size, 0, 0], native=native)
            assert native([values], [size, 0, 0])[1] == code
    assert native([np.zeros(0, np.int64)], [0, 0, 0])[1] == 0


# ---- reductions

LAYOUTS = {
    "all": (),
    "rows": (0,),
    "columns": (1,),
    "planes": (2,),
    "outer": (0, 1),
    "inner": (1, 2),
    "ends": (0, 2),
    "swapped": (2, 0),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("op", ["sum", "prod", "max", "min"])
def test_reductions(layout: str, op: str) -> None:
    kept = LAYOUTS[layout]
    x, out = source(N, M, K), result(*((N, M, K)[a] for a in kept))

    def build(b: Builder) -> None:
        b.reduce(out, tuple(axis(a) for a in kept), op, b.load(x, (axis(0), axis(1), axis(2))))

    program = one_kernel((N, M, K), (x,), (out,), build)
    native = Native(program)
    for sizes in [(1, 1, 1), (3, 4, 5), (2, 3, 17), (5, 1, 8), (0, 3, 3), (3, 0, 3), (3, 3, 0), (2, 2, 1025)]:
        rtol = 1e-13 if op in ("sum", "prod") else 0
        agree(program, [1 + 0.01 * data(sizes)], sizes, native=native, rtol=rtol)


@pytest.mark.parametrize("op", ["any", "all"])
@pytest.mark.parametrize("kept", [(), (0,), (1,)])
def test_any_and_all(op: str, kept: tuple[int, ...]) -> None:
    x, out = source(N, M, dtype=BOOL), result(*((N, M)[a] for a in kept), dtype=BOOL)
    program = one_kernel(
        (N, M), (x,), (out,), lambda b: b.reduce(out, tuple(map(axis, kept)), op, b.load(x, (axis(0), axis(1))))
    )
    native = Native(program)
    for n, m in [(1, 1), (4, 9), (3, 33), (0, 3), (3, 0)]:
        for p in (0.1, 0.95):
            agree(program, [np.random.default_rng(n).random((n, m)) < p], [n, m, 0], native=native)


@pytest.mark.parametrize("dtype", [I64, I32, np.dtype("u1"), F32], ids=str)
@pytest.mark.parametrize("op", ["sum", "max", "min"])
def test_reductions_of_other_dtypes(dtype: np.dtype, op: str) -> None:
    x, out = source(N, dtype=dtype), result(dtype=dtype)
    program = one_kernel((N,), (x,), (out,), lambda b: b.reduce(out, (), op, b.load(x, (axis(0),))))
    native = Native(program)
    for size in SIZES:
        agree(program, [data((size,), dtype)], [size, 0, 0], native=native, rtol=2e-5 if op == "sum" else 0)


@pytest.mark.parametrize("op", ["max", "min"])
def test_extremes_propagate_nan(op: str) -> None:
    x, total, rows = source(N, M), result(), result(M)

    def build(b: Builder) -> None:
        v = b.load(x, (axis(0), axis(1)))
        b.reduce(total, (), op, v)
        b.reduce(rows, (axis(1),), op, v)

    program = one_kernel((N, M), (x,), (total, rows), build)
    native = Native(program)
    for n, m in [(1, 1), (3, 9), (2, 40)]:
        for place in range(0, n * m, 5):
            a = data((n, m))
            a.flat[place] = np.nan
            (got, columns), _ = native([a], [n, m, 0])
            assert np.isnan(got)
            np.testing.assert_array_equal(columns, (np.max if op == "max" else np.min)(a, axis=0))


def test_several_results_of_one_loop() -> None:
    """A full sum, a sum along each axis and a store, in one kernel."""
    x, total, rows, columns, out = source(N, M), result(), result(N), result(M), result(N, M)

    def build(b: Builder) -> None:
        v = b.load(x, (axis(0), axis(1)))
        b.reduce(total, (), "sum", b.mul(v, v))
        b.reduce(rows, (axis(0),), "max", v)
        b.reduce(columns, (axis(1),), "sum", v)
        b.store(out, (axis(0), axis(1)), b.exp(v))

    program = one_kernel((N, M), (x,), (total, rows, columns, out), build)
    native = Native(program)
    for n, m in [(1, 1), (5, 9), (9, 5), (2, 1025), (0, 3), (3, 0)]:
        agree(program, [data((n, m))], [n, m, 0], native=native)


@pytest.mark.parametrize("op", ["sum", "max"])
def test_elements_that_no_point_reduces_to_hold_the_neutral_one(op: str) -> None:
    x, out, edges, one = source(N, M), result(N, 3), result(poly(N) + 2), result(5)

    def build(b: Builder) -> None:
        v = b.load(x, (axis(0), axis(1)))
        b.reduce(out, (axis(0), Affine(1)), op, v)
        b.reduce(edges, (axis(0) + 1,), op, v)
        b.reduce(one, (Affine(2),), op, v)

    program = one_kernel((N, M), (x,), (out, edges, one), build)
    native = Native(program)
    for n, m in [(1, 1), (5, 9), (9, 1030), (0, 3), (3, 0)]:
        agree(program, [data((n, m))], [n, m, 0], native=native, atol=1e-13)


def test_sum_of_a_value_from_outside_of_the_loop_counts_each_point() -> None:
    x, out = source(N), result(N)
    program = one_kernel((N, M), (x,), (out,), lambda b: b.reduce(out, (axis(0),), "sum", b.load(x, (axis(0),))))
    native = Native(program)
    for n, m in [(3, 1), (2, 13), (4, 0)]:
        agree(program, [data((n,))], [n, m, 0], native=native)


def test_windows_that_overlap() -> None:
    """Several points of the loop add to one element, as the transpose of a convolution does."""
    x, out = source(N, M), result(poly(N) + M - 1)
    program = one_kernel(
        (N, M), (x,), (out,), lambda b: b.reduce(out, (axis(0) + axis(1),), "sum", b.load(x, (axis(0), axis(1))))
    )
    native = Native(program)
    for n, m in [(1, 1), (3, 9), (9, 3), (5, 17)]:
        agree(program, [data((n, m))], [n, m, 0], native=native, atol=1e-14)


@pytest.mark.parametrize("columns", [2, 3, 4])
def test_sums_over_coordinates_are_unrolled(columns: int) -> None:
    x, out = source(N, columns), result(N)
    v = (axis(0), axis(1))
    program = one_kernel(
        (N, columns), (x,), (out,), lambda b: b.reduce(out, (axis(0),), "sum", b.mul(b.load(x, v), b.load(x, v)))
    )
    assert len(shape_nest(program.body[0]).axes) == 1  # type: ignore[arg-type]
    native = Native(program)
    for size in SIZES:
        agree(program, [data((size, columns))], [size, 0, 0], native=native)


@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
@pytest.mark.parametrize("layout", ["vector", "rows"])
def test_sums_are_accurate(dtype: np.dtype, layout: str) -> None:
    """Blocks of 1 024: a long sum of positive numbers is off by a few ulp, where plain accumulation would be by
    hundreds.
    """
    n = 2**20 + 77
    x = np.random.default_rng(0).random(n).astype(dtype)
    shape = (N,) if layout == "vector" else (1, N, 1)
    buffer, out = source(*shape, dtype=dtype), result(dtype=dtype)
    program = one_kernel(
        shape,
        (buffer,),
        (out,),
        lambda b: b.reduce(out, (), "sum", b.load(buffer, tuple(axis(k) for k in range(len(shape))))),
    )
    ((got,), _) = Native(program)([x.reshape(-1, *[1] * (len(shape) - 1))], [n, 0, 0])
    exact = float(np.sum(x.astype(np.longdouble)))
    assert abs(float(got) - exact) <= 4 * np.finfo(dtype).eps * exact


def test_float_sums_in_the_loop_are_fused() -> None:
    """A dot product is one fused multiply-add an element, with several accumulators."""
    x, y, out = source(N), source(N), result()
    program = one_kernel(
        (N,), (x, y), (out,), lambda b: b.reduce(out, (), "sum", b.mul(b.load(x, (axis(0),)), b.load(y, (axis(0),))))
    )
    assert len(re.findall(r"phi <\d+ x double>", Native(program).module.text)) >= 4


# ---- scans


@pytest.mark.parametrize("op", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize("reverse", [False, True])
def test_scan(op: str, reverse: bool) -> None:
    x, out = source(N, M), result(N, M)
    at = (axis(0), axis(1))
    program = one_kernel((N, M), (x,), (out,), lambda b: b.store(out, at, b.scan(op, b.load(x, at), reverse)))
    native = Native(program)
    for n, m in [(1, 1), (3, 7), (2, 40), (0, 3), (3, 0)]:
        agree(program, [1 + 0.1 * data((n, m))], [n, m, 0], native=native, rtol=1e-13 if op in ("sum", "prod") else 0)


@pytest.mark.parametrize("length", [1, 2, 5, N])
def test_scan_along_the_first_axis(length: Any) -> None:
    """The points of the other axis are lanes."""
    x, out = source(length, M), result(length, M)
    at = (axis(1), axis(0))
    program = one_kernel((M, length), (x,), (out,), lambda b: b.store(out, at, b.scan("sum", b.load(x, at))))
    native = Native(program)
    n = length if isinstance(length, int) else 6
    for m in (1, 8, 9, 33, 0):
        agree(program, [data((n, m))], [n, m, 0], native=native)


def test_scan_keeps_the_sign_of_zero() -> None:
    x, out = source(N), result(N)
    program = one_kernel((N,), (x,), (out,), lambda b: b.store(out, (axis(0),), b.scan("sum", b.load(x, (axis(0),)))))
    ((got,), _) = Native(program)([np.array([-0.0, -0.0, 1.0])], [3, 0, 0])
    assert np.signbit(got).tolist() == [True, True, False]


# ---- scatters


@pytest.mark.parametrize("op", ["set", "sum", "prod", "max", "min"])
@pytest.mark.parametrize("rows", [False, True])
def test_scatter(op: str, rows: bool) -> None:
    """Repeated indices accumulate; of several sets the last one wins."""
    tail = (K,) if rows else ()
    x, where, start, out = source(N, *tail), source(N, dtype=I64), source(M, *tail), result(M, *tail)
    fill = Builder()
    index = tuple(axis(k) for k in range(1 + len(tail)))
    fill.store(out, index, fill.load(start, index))
    b = Builder()
    target: tuple[Affine, ...] = (Affine.value(b.load(where, (axis(0),))), *index[1:])
    b.scatter(out, target, op, b.load(x, index))
    program = KernelProgram((x, where, start), (out,), (fill.finish((M, *tail)), b.finish((N, *tail))), 3)
    native = Native(program)
    for n, m, k in [(1, 1, 1), (20, 3, 9), (7, 5, 2), (0, 3, 3)]:
        rest = (k,) if rows else ()
        rng = np.random.default_rng(n)
        agree(program, [data((n, *rest)), rng.integers(0, m, n), data((m, *rest), seed=1)], [n, m, k], native=native)
    assert (f"<{8} x double>" in native.module.text) or not rows or "x double>" in native.module.text


# ---- the shape of nests


def shaped(axes: Sequence[Extent], build: Callable[[Builder], None]) -> tuple[int, int | None]:
    b = Builder()
    build(b)
    nest = shape_nest(b.finish(axes))
    return len(nest.axes), nest.vector


def copy_of(x: Buffer, index: tuple[Affine, ...], out: Buffer, to: tuple[Affine, ...]) -> Callable[[Builder], None]:
    return lambda b: b.store(out, to, b.load(x, index))


def test_contiguous_axes_merge() -> None:
    at = (axis(0), axis(1), axis(2))
    assert shaped((N, M, 3), copy_of(source(N, M, 3), at, result(N, M, 3), at)) == (1, 0)


def test_axes_of_length_one_vanish() -> None:
    at = (axis(0), axis(1), axis(2))
    assert shaped((1, N, 1), copy_of(source(1, N, 1), at, result(1, N, 1), at)) == (1, 0)


def test_broadcast_axes_do_not_merge() -> None:
    assert shaped((N, M), copy_of(source(M), (axis(1),), result(N, M), (axis(0), axis(1)))) == (2, 1)


def test_the_contiguous_axis_becomes_the_innermost() -> None:
    b = Builder()
    x, out = source(M, N), result(N)
    b.reduce(out, (axis(0),), "sum", b.load(x, (axis(1), axis(0))))
    nest = shape_nest(b.finish((N, M)))
    assert nest.axes == (poly(M), poly(N)) and nest.vector == 1


def test_scatters_at_one_element_by_several_lanes_are_not_vectorised() -> None:
    x, where, out = source(N), source(N, dtype=I64), result(M)

    def build(b: Builder) -> None:
        i: Value = b.load(where, (axis(0),))
        b.scatter(out, (Affine.value(i),), "sum", b.load(x, (axis(0),)))

    assert shaped((N,), build) == (1, None)
