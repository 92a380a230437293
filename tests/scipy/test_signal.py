"""``scipy.signal`` and ``scipy.ndimage`` in traced functions, by SciPy's names."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as N
import scipy.signal as S

import functad as fd
from functad.errors import ArgumentError, ShapeError
from functad.testing import check_grads
from tests.scipy.against_scipy import same

RNG = np.random.default_rng(0)
X, H, LINE, SHORT = RNG.normal(size=(3, 20)), RNG.normal(size=(2, 3)), RNG.normal(size=30), RNG.normal(size=5)
B, A = S.butter(3, 0.3)
OUT = np.zeros(30)
SECTIONS = S.butter(4, 0.3, output="sos")


@pytest.mark.one_in(3)
@pytest.mark.parametrize("mode", ["same", "full", "valid"])
def test_convolution(mode):
    for method in ("auto", "direct", "fft"):
        same(lambda x, h, m=method: (S.convolve(x, h, mode, m), S.correlate(x, h, mode, m)), X, H)
        same(lambda x, h, m=method: S.correlate(h * 1j, x, mode, m), LINE, SHORT)
    same(lambda x, h: (S.fftconvolve(x, h, mode), S.fftconvolve(h, x, mode)), X, H)
    same(lambda x, h: S.oaconvolve(x, h[:1], mode, axes=1), X, H)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("boundary", ["symm", "fill", "wrap"])
def test_two_dimensional_convolution(boundary):
    for mode in ("full", "same", "valid"):
        for f in (S.convolve2d, S.correlate2d):
            for h in (H, RNG.normal(size=(3, 4))):
                same(lambda x, h, f=f, mode=mode: f(x, h, mode, boundary), X, h)
    small = (H * (1 + 1j), X[:2] * (2 - 1j))
    same(lambda h, x: S.correlate2d(h, x, "valid"), *small)
    same(lambda x: S.convolve2d(x, H, "full", "fill", 1.5), X)


def test_filters():
    same(lambda b, a, x, z: S.lfilter(b, a, x, zi=z), B, A, LINE, SHORT[:3])
    same(lambda s, x: (S.sosfilt(s, x), S.lfilter(B, A, x, axis=0)), SECTIONS, X)


@pytest.mark.deep
def test_more_filters():
    zi = RNG.normal(size=3)
    same(lambda b, a, x: (S.lfilter(b, a, x), S.lfilter(b, a, x, axis=0), S.lfilter(b, 2.0, x)), B, A, X)
    for n in (1, 2, 30):
        same(lambda b, a, x, z: S.lfilter(b, a, x, zi=z), B, A, LINE[:n], zi)
    same(lambda b, a, x, z: S.lfilter(b[:2], a, x, axis=0, zi=z), B, A, X.T.copy(), RNG.normal(size=(3, 3)))
    same(lambda b, a, x, z: S.lfilter(b, a[:2], x, zi=z), B, A, LINE, zi)
    same(lambda b, a, x: S.lfilter(b, a, x * 1j), B, A, LINE)
    same(lambda s, x: S.sosfilt(s, x), SECTIONS, X)
    same(lambda s, x, z: S.sosfilt(s, x, zi=z), SECTIONS, LINE, RNG.normal(size=(2, 2)))
    same(lambda b, a, x: (S.filtfilt(b, a, x), S.lfilter_zi(b, a)), B, A, X)
    same(lambda x: S.sosfiltfilt(SECTIONS, x), LINE)
    same(lambda h, x: (S.upfirdn(h, x, 2, 3), S.upfirdn(h, x, 3)), SHORT, X)


def test_what_scipy_composes():
    same(lambda x: (S.detrend(x), S.hilbert(x), S.savgol_filter(x, 5, 2)), X)
    same(lambda x: S.savgol_filter(x, 6, 3), X)
    same(lambda x: N.gaussian_filter1d(x, 1.0), X)


@pytest.mark.deep
def test_all_that_scipy_composes():
    for mode in ("interp", "mirror", "nearest", "wrap", "constant"):
        same(lambda x, m=mode: S.savgol_filter(x, 5, 2, mode=m), X)
    same(lambda x: S.savgol_filter(x, 7, 3, deriv=1, delta=0.1, axis=0), LINE.reshape(10, 3))
    same(lambda x: (S.detrend(x), S.hilbert(x), S.resample(x, 7, axis=1), S.periodogram(x)[1]), X)
    same(lambda x: (np.abs(S.hilbert(x)), S.resample_poly(x, 2, 3)), LINE)
    for mode in ("reflect", "mirror", "nearest", "wrap", "constant"):
        same(lambda x, w, m=mode: N.convolve1d(x, w, mode=m, axis=1, origin=1), X, SHORT)
        same(lambda x, w, m=mode: N.correlate1d(x, w[:4], mode=m, axis=0, origin=-1), X.T.copy(), SHORT)
    same(lambda x: (N.gaussian_filter1d(x, 1.0), N.gaussian_filter(x, 1.0)), X)


def test_natively():
    def filtered(b, a, x, h):
        y, last = S.lfilter(b, a, x, zi=h[:3])
        return y, last, S.savgol_filter(y, 5, 2)

    same(filtered, B, A, LINE, SHORT, natively=True)
    same(lambda x, h: S.convolve(x, h), np.arange(6), np.arange(3), natively=True)


@pytest.mark.deep
def test_more_natively():
    same(lambda x, h: S.convolve2d(x, h, "same", "symm"), X, H, natively=True)
    same(lambda x, h: (S.convolve(x, h, "same", "fft"), S.sosfilt(SECTIONS, x)), LINE, SHORT, natively=True)


def test_derivatives():
    check_grads(lambda b, a, x: S.lfilter(b, a, x), (B, A, LINE[:8]), order=1)
    check_grads(lambda a, z: S.lfilter([1.0, 0.5], a, LINE[:5], zi=z)[1], (A, SHORT[:3]), order=1)
    rows = fd.vmap(lambda a, x: S.lfilter(B, np.concatenate([np.ones(1), a]), x))(np.stack([A[1:], A[1:] / 2]), X[:2])
    np.testing.assert_allclose(rows[1], S.lfilter(B, np.concatenate([[1.0], A[1:] / 2]), X[1]), rtol=1e-12)


@pytest.mark.deep
def test_more_derivatives():
    check_grads(lambda b, a, x: S.lfilter(b, a, x) ** 2, (B, A, LINE[:8]), order=2)
    check_grads(lambda x: np.abs(S.hilbert(x)), (LINE[:6],), order=1)
    check_grads(lambda x, h: S.convolve2d(x, h, "same", "symm"), (X[:, :4], H), order=1)
    check_grads(lambda x, h: S.fftconvolve(x, h, "same") ** 2, (LINE[:6], SHORT[:3]), order=1)


def test_errors():
    with pytest.raises(
        ArgumentError, match=r"scipy.signal.convolve at .*test_signal.py:\d+: mode must be one of 'full'"
    ):
        fd.jit(lambda x: S.convolve(x, x, "most"))(LINE)
    with pytest.raises(
        ShapeError, match=r"scipy.signal.convolve at .* takes arrays of one rank, got shapes \(30,\) and"
    ):
        fd.jit(lambda x: S.convolve(x, H))(LINE)
    with pytest.raises(ShapeError, match="with mode 'valid' one array must be at least as long as the other"):
        fd.jit(lambda x: S.convolve2d(x, np.ones((4, 2)), "valid"))(X)
    with pytest.raises(ShapeError, match="scipy.signal.convolve2d at .* takes matrices, got shape"):
        fd.jit(lambda x: S.convolve2d(x, x))(LINE)
    with pytest.raises(ShapeError, match="fftconvolve at .*: axes that are not transformed must have equal lengths"):
        fd.jit(lambda x: S.fftconvolve(x, H, axes=1))(X)
    with pytest.raises(
        ShapeError, match="scipy.signal.lfilter at .*: zi must have the shape of x with 3 elements along"
    ):
        fd.jit(lambda x: S.lfilter(B, A, x, zi=np.zeros(2)))(LINE)
    with pytest.raises(ShapeError, match="scipy.signal.lfilter at .* takes coefficients with one axis and a signal"):
        fd.jit(lambda x: S.lfilter(H, A, x))(LINE)
    with pytest.raises(ShapeError, match=r"scipy.signal.sosfilt at .*: sos must have shape \(sections, 6\), got"):
        fd.jit(lambda x: S.sosfilt(x, LINE))(LINE)
    with pytest.raises(ArgumentError, match="scipy.signal.upfirdn at .*: traced signals go on with zeros .* np.pad"):
        fd.jit(lambda x: S.upfirdn(SHORT, x, mode="edge"))(LINE)
    with pytest.raises(ShapeError, match="scipy.signal.upfirdn at .*: h must have one axis, not empty, got shape"):
        fd.jit(lambda x: S.upfirdn(H, x))(LINE)
    with pytest.raises(
        ArgumentError, match="savgol_filter at .*: with mode 'interp' window_length must not be more than"
    ):
        fd.jit(lambda x: S.savgol_filter(x, 31, 2))(LINE)
    with pytest.raises(
        ArgumentError, match="scipy.ndimage.correlate1d at .* takes weights with one axis, not empty, and"
    ):
        fd.jit(lambda x: N.correlate1d(x, SHORT, origin=3))(LINE)
    with pytest.raises(
        ArgumentError, match="scipy.ndimage at .*: output= is a plain array, which takes no traced values"
    ):
        fd.jit(lambda x: N.correlate1d(x, SHORT, output=OUT))(LINE)
