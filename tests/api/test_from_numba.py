"""``fd.from_numba``: functions that are called by address, with rules of one's own; what is wrong."""

from __future__ import annotations

import ctypes
import ctypes.util
import math

import numba
import numpy as np
import pytest

import functad as fd
from functad import config
from functad.errors import ArgumentError, DtypeError, ShapeError, StructureError, UnsupportedError

X = np.random.default_rng(0).normal(size=6)


@numba.njit
def cube(x):
    if x > 100:
        raise OverflowError("x is too large")
    return x * x * x


def cube_rule(primals, tangents):
    (x,), (t,) = primals, tangents
    return called(x), 3 * x * x * t


called = fd.from_numba(cube, jvp=cube_rule)


def test_numbers_in_loops_under_vmap_and_transforms() -> None:
    def recurrence(x):
        for _ in range(40):
            x = 0.5 * called(x)
        return x

    def plain(x):
        for _ in range(40):
            x = 0.5 * x**3
        return x

    with fd.config.debug(True):
        f = fd.jit(fd.vmap(fd.value_and_grad(recurrence)))
        values, slopes = f(X)
    np.testing.assert_allclose(values, [plain(x) for x in X], rtol=1e-12)
    np.testing.assert_allclose(slopes, [fd.grad(plain)(x) for x in X], rtol=1e-12)
    np.testing.assert_allclose(fd.hessian(called)(2.0), 12.0)
    assert called(2.0) == 8.0 and type(called(2.0)) is np.float64
    assert "functad_numba" in fd.jit(called).lower(1.0).compile().llvm  # no call of Python
    with config.backend("kernel"):
        np.testing.assert_allclose(fd.jit(fd.vmap(called))(X), X**3, rtol=1e-15)


@pytest.mark.parametrize("run", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_what_it_raises_is_raised(run) -> None:
    with pytest.raises(OverflowError, match="x is too large"):
        run(lambda x: called(x) + 1)(1e3)
    assert run(lambda x: called(x) + 1)(2.0) == 9.0


@numba.njit
def spoil(x, n):
    total = x.sum()
    x[:] = -1.0
    return np.full(n, total), total


@pytest.mark.deep
def test_arrays_it_writes_to_are_copies() -> None:
    f = fd.from_numba(spoil, out=lambda x, n: (fd.ShapeDtypeStruct((3,), float), fd.ShapeDtypeStruct((), float)))
    for run in (f, fd.jit(f)):
        x = X.reshape(3, 2).T.copy()
        for given in (x, x[:, ::2], x[:0]):
            spread, total = run(given, 3)
            np.testing.assert_allclose(spread, np.full(3, given.sum()), rtol=1e-14)
            np.testing.assert_allclose(total, given.sum(), rtol=1e-14)
        np.testing.assert_array_equal(x, X.reshape(3, 2).T)
        with pytest.raises(ShapeError, match="from_numba: result 1 of spoil has another shape than out= says"):
            run(x, 4)


def test_a_rule_for_reverse_mode() -> None:
    running = numba.njit(lambda x: np.cumsum(x))
    total = fd.from_numba(
        running, out=lambda x: x, vjp=(lambda x: (total(x), None), lambda _, ct: (np.cumsum(ct[::-1])[::-1],))
    )
    expected = fd.grad(lambda x: np.cumsum(x) @ x)(X)
    np.testing.assert_allclose(fd.jit(fd.grad(lambda x: total(x) @ x))(X), expected, rtol=1e-12)


def test_c_functions() -> None:
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    library.j1.restype, library.j1.argtypes = ctypes.c_double, [ctypes.c_double]
    bessel = fd.from_numba(library.j1)
    expected = [library.j1(float(x)) for x in X]
    np.testing.assert_array_equal(fd.jit(fd.vmap(bessel))(X), expected)

    twice = fd.from_numba(numba.cfunc("int32(int32, float64)")(lambda n, x: n * 2 + int(x)))
    found = fd.jit(twice)(np.int32(4), 1.5)
    assert found == 9 and found.dtype == np.int32


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fd.from_numba(math.sin), ArgumentError, "got a builtin_function_or_method"),
        (lambda: fd.from_numba(cube, jvp=cube_rule, vjp=(cube_rule,) * 2), ArgumentError, "jvp= or vjp=, not both"),
        (lambda: fd.from_numba(ctypes.CDLL(None).qsort), ArgumentError, "a C function takes and returns numbers"),
        (lambda: fd.grad(fd.from_numba(cube))(2.0), StructureError, "does not look into cube, so it has no derivative"),
        (lambda: fd.from_numba(cube)("a"), StructureError, "argument 0 of cube is a str"),
        (lambda: fd.jit(fd.from_numba(cube))(np.float16(1)), DtypeError, "and no float16"),
        (lambda: fd.from_numba(numba.njit(lambda x: x + 1))(X), UnsupportedError, "state them by out="),
        (lambda: fd.from_numba(numba.njit(lambda x: x.y))(1.0), ArgumentError, "cannot be compiled for .float64.: "),
        (lambda: fd.from_numba(cube, out=(1.0, 2.0))(1.0), StructureError, "out= says a tuple of 2"),
        (lambda: fd.from_numba(cube, out=[1.0, 2.0])(1.0), StructureError, "expected one result or a tuple"),
    ],
)
def test_errors(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()
