"""Convolution, finite differences, unwrapped angles, windows onto arrays, interpolation, Fourier transforms."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import ArgumentError, ShapeError
from functad.testing import check_grads
from tests.numpy.against_numpy import array, check, check_natively, tracing

windows = np.lib.stride_tricks.sliding_window_view


@pytest.mark.parametrize("dtype", ["f8", "f4", "c16", "i8", "?"])
@pytest.mark.parametrize("f", [np.convolve, np.correlate])
def test_convolution(f, dtype):
    for n, m in ((5, 3), (3, 5), (4, 4), (1, 1), (5, 2), (2, 5), (40, 20)):
        a, v = array(n, dtype, seed=1), array(m, dtype, seed=2)
        for mode in ("full", "same", "valid"):
            check(lambda a, v, mode=mode: f(a, v, mode), a, v)


def test_gradient():
    y, x = array((6, 5)), np.cumsum(np.abs(array(6)) + 0.1)
    for order in (1, 2):
        check(lambda y, o=order: np.gradient(y, edge_order=o), y)
        check(lambda y, o=order: np.gradient(y, 0.5, axis=0, edge_order=o), y)
        check(lambda y, x, o=order: np.gradient(y, x, axis=0, edge_order=o), y, x)
        check(lambda y, o=order: np.gradient(y, x, 2.0, edge_order=o), y)
        check(lambda y, o=order: np.gradient(y, np.arange(6.0), axis=0, edge_order=o), y)
    check(np.gradient, array(5, "i4"))
    check_grads(lambda y, x: np.gradient(y, x, edge_order=2), (y[:, 0], x), order=2)


def test_unwrap_and_windows():
    p = np.cumsum(np.abs(array((3, 9), low=-6, high=6)), axis=1) % (2 * np.pi)
    check(np.unwrap, p)
    check(lambda p: np.unwrap(p, axis=0, discont=4.0), p)
    check(lambda p: np.unwrap(p, period=4), array(9, "i4", 0, 3))
    check(lambda x: windows(x, 3), array(7))
    check(lambda x: windows(x, (2, 2)), array((4, 5)))
    check(lambda x: windows(x, 2, axis=1), array((4, 5, 3)))
    check(lambda x: windows(x, (2, 2), axis=(0, 0)), array((4, 5)))
    check_grads(lambda x: windows(x, 3) ** 2, (array(7),), order=2)


POINTS, VALUES = np.array([0.0, 1, 2.5, 3]), np.array([1.0, -1, 2, 0.5])
AT = np.array([-1, 0, 0.3, 1, 2.6, 3, 4, np.nan, np.inf, -np.inf])


def test_interp():
    for at in (AT, AT[2], AT[:0], AT.reshape(2, 5), AT.astype("f4")):
        check(lambda at: np.interp(at, POINTS, VALUES), at)
        check(lambda at: np.interp(at, POINTS, VALUES * 1j + 1, left=2.0, right=3j), at)
        check(lambda at: np.interp(at, POINTS, VALUES, period=2.2), at)
    check(lambda at: np.interp(at, POINTS[:1], VALUES[:1]), AT)
    check(lambda xp: np.interp(np.array([0.5, 1, 2]), xp, np.array([0.0, 1, 5, 7])), np.array([0.0, 1, 1, 2]))
    check(lambda fp: np.interp(np.array([0.5, 1, 2]), POINTS, fp), np.array([0.0, np.inf, np.inf, 2]))
    check_grads(np.interp, (np.array([0.3, 0.7, 2.6, 5.0, -1]), POINTS, VALUES), order=2)
    assert fd.grad(lambda x: np.interp(x, POINTS, VALUES))(1.0) == 2.0  # to the right of a point


TRANSFORMS = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
OF_REAL = ("rfft", "ihfft", "rfft2", "rfftn")


@pytest.mark.parametrize("name", TRANSFORMS)
def test_fourier_transforms(name):
    f = getattr(np.fft, name)
    for dtype in ("f8", "f4", "i8", "f2", "c16", "c8"):
        if dtype[0] == "c" and name in OF_REAL:
            continue
        for shape in ((6,), (2, 7)):
            x = array(shape, dtype)
            check(f, x)
            for n, norm in ((1, "ortho"), (4, "forward"), (9, "backward")):
                check(lambda x, n=n, norm=norm: f(x, n, norm=norm), x)
            check(lambda x: f(x, axis=0), x)


@pytest.mark.parametrize("name", ["fft2", "ifft2", "fftn", "ifftn", "rfft2", "rfftn", "irfft2", "irfftn"])
def test_fourier_transforms_of_several_axes(name):
    f, x = getattr(np.fft, name), array((3, 4, 5))
    check(f, x)
    check(lambda x: f(x, s=(4, 6), axes=(0, 2)), x)
    check(lambda x: f(x, norm="ortho", axes=(0, 1)), x)
    check(lambda x: np.fft.ifftshift(np.fft.fftshift(x), axes=1), x)


def test_natively():
    x, z = array((3, 20, 4)), array((2, 30), "c16")
    cases = [(getattr(np.fft, n), x if n in OF_REAL else z) for n in (*TRANSFORMS, "fft2", "irfftn", "rfft2")]
    cases += [(lambda v, f=f: f(v, axis=1), x.astype("f4")) for f in (np.fft.rfft, np.fft.fft)]
    cases += [(lambda v: np.fft.rfft(v, axis=0), x[:0].reshape(3, 0))]
    for n, m in ((50, 20), (40, 3)):
        a, v = array(n, "c16"), array(m, "c16")
        cases += [(np.convolve, a, v), (np.correlate, a.real, v.real)]
    points = np.linspace(0, 3, 40)
    cases += [(np.interp, AT, points, np.sin(points)), (np.unwrap, x), (lambda v: windows(v, 3), x[0, 0])]
    check_natively(*cases, (lambda v: np.gradient(v, axis=1, edge_order=2), x))


def test_derivatives():
    check_grads(lambda a, v: np.convolve(a, v, "same"), (array(7), array(3)), order=2)
    check_grads(lambda a, v: np.correlate(a, v, "full"), (array(7, "c16"), array(3, "c16")), order=2)
    check_grads(lambda x: np.abs(np.fft.rfft(x)) ** 2, (array(6),), order=2)
    check_grads(lambda x: np.fft.irfft(x, 5) ** 2, (array(4, "c16"),), order=2)
    check_grads(lambda x: np.fft.fft(x, n=7), (array(5, "c16"),), order=1)
    rows = fd.vmap(np.convolve, in_axes=(0, None))(array((3, 5)), array(2))
    np.testing.assert_allclose(rows[1], np.convolve(array((3, 5))[1], array(2)))


def test_errors():
    x = np.ones((2, 3))
    with pytest.raises(ShapeError, match="np.convolve at .* is of arrays with one axis, got shapes"):
        tracing(lambda x: np.convolve(x, [1.0]), x)
    with pytest.raises(ArgumentError, match="np.convolve at .*: an array is empty"):
        tracing(lambda x: np.convolve(x[0], []), x)
    with pytest.raises(ArgumentError, match="np.correlate at .*: mode must be one of .*, got 'most'"):
        tracing(lambda x: np.correlate(x[0], x[0], "most"), x)
    with pytest.raises(ShapeError, match="np.gradient at .* needs 3 elements along axis 0, got 2"):
        tracing(lambda x: np.gradient(x, edge_order=2), x)
    with pytest.raises(ShapeError, match="np.gradient at .*: distances along axis 0 must be a number or have shape"):
        tracing(lambda x: np.gradient(x, [1.0, 2.0, 3.0], axis=0), x)
    with pytest.raises(ArgumentError, match="np.gradient at .*: give one distance, or one for each of 2 axes"):
        tracing(lambda x: np.gradient(x, 1.0, 2.0, 3.0), x)
    with pytest.raises(ArgumentError, match="np.gradient at .*: edge_order must be 1 or 2, got 3"):
        tracing(lambda x: np.gradient(x, edge_order=3), x)
    with pytest.raises(ShapeError, match="sliding_window_view at .*: a window of length 4 does not fit axis 1 of"):
        tracing(lambda x: windows(x, 4, axis=1), x)
    with pytest.raises(ArgumentError, match=r"sliding_window_view at .*: a window of shape \(4,\) does not fit axes"):
        tracing(lambda x: windows(x, 4), x)
    with pytest.raises(ShapeError, match="np.interp at .*: xp and fp must have one axis, of one length that is not 0"):
        tracing(lambda x: np.interp(1.0, x[0], x[0, :2]), x)
    with pytest.raises(ArgumentError, match="np.interp at .*: period must not be 0"):
        tracing(lambda x: np.interp(1.0, x[0], x[0], period=0), x)
    with pytest.raises(ArgumentError, match="np.fft.fft at .*: there must be at least one data point, got 0"):
        tracing(lambda x: np.fft.fft(x, n=0), x)
    with pytest.raises(ArgumentError, match="np.fft.rfft at .* is of real numbers; take np.real"):
        tracing(lambda x: np.fft.rfft(x), x * 1j)
    with pytest.raises(ArgumentError, match="np.fft.hfft at .*: norm must be 'backward', 'ortho' or 'forward', got"):
        tracing(lambda x: np.fft.hfft(x, norm="x"), x)
    with pytest.raises(ArgumentError, match="np.fft.fft2 at .*: 1 lengths for 2 axes"):
        tracing(lambda x: np.fft.fft2(x, s=(4,)), x)
