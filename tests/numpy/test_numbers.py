"""Floats and integers as they are stored, bits, and the functions of ``windows.py``."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.special

import functad as fd
from functad.errors import ArgumentError, DtypeError, ShapeError, TracerConversionError
from functad.primitives.bessel import modified_bessel, spherical_bessel
from tests.numpy.against_numpy import array, check, check_natively, tracing

FLOATS = np.array([0.0, -0.0, 1, -1.5, 3e300, 5e-324, -1e-310, 1.7e308, np.inf, -np.inf, np.nan, 0.75, 1024, -7e-5])
TESTS = [np.spacing, np.frexp, np.isposinf, np.isneginf, np.isreal, np.iscomplex]


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2"])
def test_floats(dtype):
    with np.errstate(over="ignore"):
        x = FLOATS.astype(dtype)
    for f in TESTS:
        check(f, x)
    for n in (3, -4, 0, -1080, 1030, 2000, np.arange(14) - 7):
        check(lambda x, n=n: np.ldexp(x, n), x)
    check(lambda x: np.nextafter(x, 2.0), x)
    check(np.logaddexp2, x, x[::-1].copy())


@pytest.mark.parametrize("dtype", ["i8", "i4", "u1", "i1", "u8"])
def test_integers(dtype):
    a, b = array(20, dtype, -60, 60, seed=1), array(20, dtype, -60, 60, seed=2)
    a[:3] = 0
    b[2:5] = 0
    for f in (np.gcd, np.lcm):
        check(f, a, b)
        check(lambda a, f=f: f(a, 12), a)
        check(lambda a, b, f=f: f(a[:, None], b), a, b)
    check(np.bitwise_count, a)


def test_bits():
    rng = np.random.default_rng(0)
    bytes_ = rng.integers(0, 256, (3, 2)).astype("u1")
    for order in ("big", "little"):
        for bits in (rng.integers(0, 2, (3, 11)), rng.integers(0, 2, 16) > 0):
            check(lambda a, o=order: np.packbits(a, bitorder=o), bits)
            check(lambda a, o=order: np.packbits(a, axis=0, bitorder=o), bits)
        for count in (None, 5, -3, 20):
            check(lambda a, c=count, o=order: np.unpackbits(a, count=c, bitorder=o), bytes_)
            check(lambda a, c=count, o=order: np.unpackbits(a, axis=1, count=c, bitorder=o), bytes_)
    check(np.bitwise_count, np.array([2**63 - 1, -(2**63), -1, 0]))
    for z in (np.array([1 + 1e-18j, 2]), np.array([1 + 1j, 2]), np.ones(3)):
        check(np.real_if_close, z)


@pytest.mark.deep
def test_natively():
    n = np.array([0, 12, -18, 7])
    with np.errstate(over="ignore"):
        cases = [(f, FLOATS.astype(t)) for f in TESTS for t in ("f8", "f4", "f2")]
    check_natively(
        *cases, (lambda x: np.ldexp(x, np.arange(14) - 7), FLOATS), (np.logaddexp2, FLOATS, FLOATS[::-1].copy()),
        (np.gcd, n, n[::-1].copy()), (np.lcm, n, n[::-1].copy()), (np.bitwise_count, n), (np.packbits, n > 0),
        (np.sinc, FLOATS[:4]), (np.sinc, array(3, "f4")), (np.i0, np.array([0.0, 1, -8, 8.1, 100, 700])),
    )  # fmt: skip
    assert fd.vmap(np.gcd)(np.array([[4, 6], [9, 3]]), np.array([[6, 4], [6, 6]])).tolist() == [[2, 2], [3, 3]]


def test_derivatives():
    assert fd.grad(lambda x: np.frexp(x)[0])(12.0) == 1 / 16 and fd.grad(lambda x: np.ldexp(x, 3))(2.0) == 8
    assert fd.grad(np.spacing)(2.0) == 0 and fd.grad(lambda x: np.nextafter(x, 9.0))(2.0) == 1
    curvature = fd.grad(fd.grad(lambda x: np.logaddexp2(x, 1.0)))
    np.testing.assert_allclose(curvature(1.0), np.log(2) / 4)
    f = np.sinc
    for order in range(1, 5):
        f = fd.grad(f)
        for x in (0.0, 1e-5, 0.3, 1.0, 2.7, 9.3):
            np.testing.assert_allclose(f(x), float(mpmath.diff(mpmath.sincpi, x, order)), rtol=1e-11, atol=1e-14)
    window = fd.jit(fd.grad(lambda beta: np.kaiser(8, beta).sum()))(3.0)
    np.testing.assert_allclose(window, (np.kaiser(8, 3.001).sum() - np.kaiser(8, 2.999).sum()) / 0.002, rtol=1e-5)


def test_bessel_functions():
    x = np.concatenate([np.linspace(1e-3, 12, 200), [20, 100.0]])
    for n in range(5):
        np.testing.assert_allclose(spherical_bessel(x, n), scipy.special.spherical_jn(n, x), rtol=2e-13)
        np.testing.assert_allclose(modified_bessel(x, n), scipy.special.iv(n, x), rtol=4e-13)
        assert spherical_bessel(np.float64(0), n) == (n == 0)
        np.testing.assert_allclose(modified_bessel(np.float64(0), n), n == 0, rtol=1e-14)
    check(np.sinc, np.array([0.0, 0.5, -2.5]))
    check(np.sinc, array(3, "c16"))
    check(np.i0, np.arange(4))


def test_errors():
    with pytest.raises(DtypeError, match="np.isposinf at .* is of real numbers"):
        tracing(np.isposinf, np.ones(2) * 1j)
    with pytest.raises(ArgumentError, match="np.packbits at .*: bitorder must be 'big' or 'little', got 'x'"):
        tracing(lambda x: np.packbits(x, bitorder="x"), np.ones(2, int))
    with pytest.raises(DtypeError, match="np.packbits at .* is of integers or booleans, got dtype float64"):
        tracing(np.packbits, np.ones(2))
    with pytest.raises(DtypeError, match="np.unpackbits at .* is of uint8, got dtype int64"):
        tracing(np.unpackbits, np.ones(2, int))
    with pytest.raises(TracerConversionError, match="np.real_if_close, whose dtype depends on it"):
        fd.jit(np.real_if_close)(np.ones(2) * 1j)
    with pytest.raises(ShapeError, match=r"np.roll at .*: a shift is an integer, got f64\[\]"):
        fd.jit(np.roll)(np.ones(2), 1.0)


def test_others():
    x = array((3, 4, 5))
    for shift, axis in ((3, None), (-7, 1), ((4, 2), (0, 2)), ((1, 2), 1), (1, (0, 1))):
        check(lambda x, s=shift, a=axis: np.roll(x, s, a), x)
    compiled = fd.jit(lambda x, s: (np.roll(x, s), np.roll(x, (s, 1), (0, 1))))
    for s in (2, -9):
        for found, expected in zip(compiled(x, s), (np.roll(x, s), np.roll(x, (s, 1), (0, 1))), strict=True):
            np.testing.assert_array_equal(found, expected)
    if hasattr(np, "matvec"):
        check(np.matvec, x, array((3, 5)))
        check(np.vecmat, array(4, "c16"), array((3, 4, 5), "c16"))
    for other in (x[0], x[:, :2]):
        check(lambda x, y=other: np.array_equiv(x, y), x)
    for low, high in ((1.0, 1000.0), (-2.0, -50.0), (2, 300), (1j, 1000j)):
        check(lambda a, b: np.geomspace(a, b, 5), low, high)
        check(lambda a, b: np.geomspace(a, b, 4, endpoint=False), low, high)
    check(lambda x: np.cumulative_prod(x, axis=0, include_initial=True), x)
    check(lambda x: np.common_type(x, np.ones(2, "f4")), x)
    check(lambda x: np.einsum_path("ij,jk->ik", x[0].T, x[0])[0], x)
