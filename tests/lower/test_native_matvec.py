"""Products of a matrix and a vector: every order in memory, dtype and size around vectors and blocks, next to pages
that must not be touched.
"""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from functad.ir.types import Symbol
from functad.kernel_ir.nodes import Buffer, KernelProgram, Product
from functad.kernel_ir.sizes import Extent, poly
from functad.lower.emit.product import method
from functad.lower.llvm.link import link
from functad.lower.llvm.target import Target, emit_object
from functad.lower.native.matvec import OWN_BYTES
from tests.lower.native import Native

LENGTH, INNER, BATCH = (Symbol(k) for k in range(3))
SIZES = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 20, 31, 32, 33, 64, 100, 257]
DTYPES = [np.dtype(t) for t in ("f8", "f4", "c16", "c8")]
ORDERS = list(itertools.product((False, True), (False, True)))
orders = pytest.mark.parametrize(
    ("vector_first", "by_row"), ORDERS, ids=["A v, columns", "A v, rows", "v A, columns", "v A, rows"]
)
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def real(dtype: np.dtype) -> np.dtype:
    return np.empty(0, dtype).real.dtype


def matvec(dtype: np.dtype, vector_first: bool, by_row: bool, batch: Extent = 1) -> KernelProgram:
    """A program for a matrix of LENGTH by INNER elements, or, not ``by_row``, INNER by LENGTH."""
    pair: tuple[Extent, ...] = (2,) if dtype.kind == "c" else ()
    matrix = Buffer((batch, *((LENGTH, INNER) if by_row else (INNER, LENGTH)), *pair), real(dtype), "input")
    vector = Buffer((batch, INNER, *pair), real(dtype), "input")
    out = Buffer((batch, LENGTH, *pair), real(dtype), "output")
    sizes = (poly(1), poly(LENGTH)) if vector_first else (poly(LENGTH), poly(1))
    operands = (vector, matrix) if vector_first else (matrix, vector)
    turned = (False, by_row) if vector_first else (not by_row, False)
    product = Product(out, *operands, poly(batch), *sizes, poly(INNER), *turned, dtype.kind == "c")
    assert method(product) == "matvec"
    return KernelProgram((matrix, vector), (out,), (product,), 3)


def random(dtype: np.dtype, *shape: int) -> np.ndarray:
    rng = np.random.default_rng(len(shape) + sum(shape))
    parts = rng.normal(size=(2, *shape))
    return (parts[0] + 1j * parts[1] if dtype.kind == "c" else parts[0]).astype(dtype)


def pairs(x: np.ndarray) -> np.ndarray:
    """A complex array as one of reals, with a last axis of length 2."""
    return x.view(real(x.dtype)).reshape(*x.shape, 2) if x.dtype.kind == "c" else x


def run(
    native: Native, matrix: np.ndarray, vector: np.ndarray, by_row: bool, *, batch: int = 1
) -> Iterator[np.ndarray]:
    """The results for arrays that end where a protected page begins, and for arrays that begin where one ends."""
    rows, columns = matrix.shape[-2:]
    symbols = (rows, columns, batch) if by_row else (columns, rows, batch)
    for end in (True, False):
        (out,), code = native([pairs(matrix), pairs(vector)], symbols, end=end)
        assert code == 0
        yield out.view(matrix.dtype).reshape(matrix.shape[:-2] + symbols[:1])


def check(native: Native, dtype: np.dtype, by_row: bool, sizes: Sequence[tuple[int, int]]) -> None:
    """Against long doubles; a sum of k products, in any order, is off by less than k + 1 units of the sum of their
    absolute values.
    """
    for length, inner in sizes:
        matrix = random(dtype, *((length, inner) if by_row else (inner, length)))
        vector = random(dtype, inner)
        wide = (matrix if by_row else matrix.T).astype(np.clongdouble if dtype.kind == "c" else np.longdouble)
        expected = wide @ vector
        terms = 2 * inner if dtype.kind == "c" else inner
        bound = (terms + 1) * np.finfo(dtype).eps * (absolute(wide) @ absolute(vector))
        for out in run(native, matrix, vector, by_row):
            error = absolute(out - expected)
            assert (error <= bound).all(), (length, inner)


def absolute(x: np.ndarray) -> np.ndarray:
    return np.abs(x.real) + np.abs(x.imag)


@pytest.mark.one_in(3)
@dtypes
@orders
def test_all_sizes(dtype: np.dtype, vector_first: bool, by_row: bool) -> None:
    native = Native(matvec(dtype, vector_first, by_row))
    check(native, dtype, by_row, list(itertools.product(SIZES, SIZES)))


@pytest.mark.parametrize("bits", [64, 128, 256, 512])
@dtypes
@pytest.mark.parametrize("by_row", [False, True])
def test_vector_widths(bits: int, dtype: np.dtype, by_row: bool) -> None:
    native = Native(matvec(dtype, False, by_row), dataclasses.replace(Target.host(), vector_bits=bits))
    check(native, dtype, by_row, [(0, 3), (3, 0), (1, 1), (5, 3), (20, 20), (17, 33), (33, 17), (70, 9)])


@pytest.mark.parametrize("by_row", [False, True])
def test_batches(by_row: bool) -> None:
    dtype = np.dtype("f8")
    native = Native(matvec(dtype, True, by_row, BATCH))
    for batch, length, inner in [(0, 20, 20), (1, 20, 20), (3, 19, 21), (4, 1, 7), (2, 5, 0), (2, 0, 5)]:
        matrix, vector = (
            random(dtype, batch, *((length, inner) if by_row else (inner, length))),
            random(dtype, batch, inner),
        )
        expected = np.einsum("bij,bj->bi" if by_row else "bji,bj->bi", matrix, vector)
        for out in run(native, matrix, vector, by_row, batch=batch):
            np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-13)


@dtypes
@orders
def test_what_is_not_finite_stays_where_it_belongs(dtype: np.dtype, vector_first: bool, by_row: bool) -> None:
    """NaN, infinities, and 0 times infinity: in the elements where NumPy has them, and in no others."""
    native = Native(matvec(dtype, vector_first, by_row))
    for number, (length, inner) in enumerate([(9, 5), (20, 20), (21, 19), (33, 34)]):
        rng = np.random.default_rng(number)
        matrix, vector = random(dtype, *((length, inner) if by_row else (inner, length))), random(dtype, inner)
        place(pairs(matrix), rng, 0.6 / inner, [np.nan, np.inf, -np.inf, 0.0])
        place(pairs(vector), rng, 0.3, [0.0, -0.0])
        for last in (vector[-1], np.inf, np.nan):
            vector[-1] = last
            with np.errstate(invalid="ignore"):
                expected = terms_of(matrix if by_row else matrix.T, vector).sum(axis=1)
            assert np.isfinite(expected).any() == np.isfinite(last) and not np.isfinite(expected).all()
            for out in run(native, matrix, vector, by_row):
                np.testing.assert_allclose(
                    pairs(out), expected, rtol=1e-4 if real(dtype).itemsize == 4 else 1e-12, atol=1e-4
                )


def place(x: np.ndarray, rng: np.random.Generator, share: float, values: Sequence[float]) -> None:
    where = rng.random(x.shape) < share
    x[where] = rng.choice(values, where.sum())


def terms_of(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """What is added up, along axis 1: products of reals, those for a complex element's two parts in pairs."""
    if matrix.dtype.kind != "c":
        return matrix * vector
    re, im = matrix.real, matrix.imag
    parts = [[re * vector.real, -im * vector.imag], [re * vector.imag, im * vector.real]]
    return np.stack([np.concatenate(part, axis=1) for part in parts], axis=-1)


@dtypes
def test_a_row_has_one_sum_wherever_it_is(dtype: np.dtype) -> None:
    """Blocks of rows, the smaller ones at the end, and rows alone add in the same order."""
    native = Native(matvec(dtype, False, True))
    matrix, vector = random(dtype, 23, 37), random(dtype, 37)
    whole = next(run(native, matrix, vector, True))
    for count in (1, 2, 5, 8, 12):
        for start in range(23 - count):
            part = next(run(native, matrix[start : start + count], vector, True))
            assert part.tobytes() == whole[start : start + count].tobytes()


# ---- where BLAS takes over


@orders
@dtypes
def test_large_matrices_are_left_to_blas(dtype: np.dtype, vector_first: bool, by_row: bool) -> None:
    """On both sides of the limit, with one long axis, the other, and two of about one length."""
    calls = []
    gemv = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 11)(lambda *arguments: calls.append(arguments))
    p = matvec(dtype, vector_first, by_row)
    native = Native(p)
    (function,) = native.module.calls
    name = function.symbol
    code = emit_object(function.code.write(Target.host()), Target.host())  # type: ignore
    library = link(code, {f"functad_{name[-1]}gemv": ctypes.cast(gemv, ctypes.c_void_p).value or 0}, [name])
    counting = Native(p, **{name: library.address(name)})
    elements = OWN_BYTES // dtype.itemsize
    side = int(elements**0.5)
    for length, inner, ours in [
        (side, side, True), (side + 1, side + 1, False), (elements, 1, True), (elements + 1, 1, False),
        (1, elements, True), (1, elements + 1, False), (elements // 16, 16, True), (elements // 16 + 1, 16, False),
        (17, elements // 17, True), (17, elements // 17 + 1, False),
    ]:  # fmt: skip
        check(native, dtype, by_row, [(length, inner)])
        calls.clear()
        vector = np.zeros(inner, dtype)
        out = next(run(counting, np.zeros((length, inner) if by_row else (inner, length), dtype), vector, by_row))
        assert not out.any() and len(calls) == (0 if ours else 1), (length, inner)


@orders
def test_sizes_that_blas_cannot_count(vector_first: bool, by_row: bool) -> None:
    """Nothing is read or written where an axis is empty, however long the other one is."""
    native = Native(matvec(np.dtype("f8"), vector_first, by_row))
    pointers = (ctypes.c_void_p * 2)(), (ctypes.c_void_p * 1)()
    for inner in (2**31, 2**33 + 1):
        assert native.entry(*pointers, (ctypes.c_int64 * 3)(0, inner, 1)) == 0


# ---- the decision


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((LENGTH, INNER, 20), "blas"), ((LENGTH, 1, INNER), "matvec"), ((1, LENGTH, INNER), "matvec"),
        ((1, 1, INNER), "loops"), ((LENGTH, 1, 5), "matvec"), ((5, 1, LENGTH), "matvec"), ((5, 6, 7), "vectors"),
        ((1, 6, 7), "vectors"), ((5, 1, 7), "loops"), ((5, 17, 7), "blas"), ((0, 6, 7), "loops"),
        ((LENGTH, 1, 0), "loops"), ((1, LENGTH, 1), "matvec"),
    ],
    ids=str,
)  # fmt: skip
def test_which_way(sizes: tuple[Extent, Extent, Extent], expected: str) -> None:
    m, n, k = map(poly, sizes)

    def product(dtype: str) -> Product:
        out, lhs, rhs = (Buffer(shape, np.dtype(dtype)) for shape in ((m, n), (m, k), (k, n)))
        return Product(out, lhs, rhs, poly(1), m, n, k)

    assert method(product("f8")) == method(product("f4")) == expected
    assert method(product("i8")) == method(product("?")) == "loops"
