"""``scipy.fft`` in traced functions, by SciPy's names."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.fft as F

import functad as fd
from functad.errors import ArgumentError
from functad.testing import check_grads
from tests.scipy.against_scipy import same

X = np.random.default_rng(0).normal(size=(3, 6, 5))
REAL = ("dct", "idct", "dst", "idst")
CASES = list(itertools.product(REAL, (1, 2, 3, 4), (None, "ortho", "forward"), (None, True, False)))


@pytest.mark.one_in(13)
@pytest.mark.parametrize("name,kind,norm,orthogonal", CASES)
def test_cosine_and_sine_transforms(name, kind, norm, orthogonal):
    f = getattr(F, name)
    for axis in (1, 2):
        same(lambda x: f(x, kind, axis=axis, norm=norm, orthogonalize=orthogonal), X)
    for n in (2, 3, 9):
        same(lambda x: f(x, kind, n, norm=norm), X)


def test_natively_and_other_dtypes():
    same(lambda x: [F.dct(x), F.idct(x, norm="ortho")], X[0], natively=True)
    same(lambda x: [getattr(F, name + "n")(x, s=(4, 7), axes=(0, 2)) for name in REAL], X)
    for x in (X[0].astype("f4"), X[0].astype("i4"), X[0] * (1 + 2j)):
        same(lambda x: F.dct(x), x, natively=x.dtype.kind == "i")


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_fourier_transforms(name):
    """Of one and several axes."""
    for f in (getattr(F, name), getattr(F, name + "2"), getattr(F, name + "n")):
        same(f, X)
        same(lambda x, f=f: f(x, norm="ortho"), X.astype("f4"))
    same(lambda x: F.ifftshift(F.fftshift(getattr(F, name + "n")(x, axes=(0, 2), workers=2))), X)


def test_derivatives():
    """Transforms are linear: the gradient of one is the other, for orthogonal ones."""
    check_grads(lambda x: F.dct(x, 4) ** 2 + F.idst(x, 2), (X[0, 0],), order=2)
    w = X[0, 0]
    np.testing.assert_allclose(
        fd.grad(lambda x: np.sum(w * F.dct(x, norm="ortho")))(w), F.idct(w, norm="ortho"), rtol=1e-13
    )


def test_errors():
    with pytest.raises(
        ArgumentError, match=r"scipy.fft.dct at .*test_fft.py:\d+: type must be one of 1, 2, 3, 4, got 5"
    ):
        fd.jit(lambda x: F.dct(x, 5))(X)
    with pytest.raises(
        ArgumentError, match="scipy.fft.idst at .*: norm must be one of None, 'backward', .*, got 'half'"
    ):
        fd.jit(lambda x: F.idst(x, norm="half"))(X)
    with pytest.raises(ArgumentError, match="a cosine transform of type 1 is of at least 2 numbers, got 1"):
        fd.jit(lambda x: F.dct(x, 1))(X[..., :1])
    with pytest.raises(ArgumentError, match="scipy.fft.dstn at .*: 2 lengths for 1 axes"):
        fd.jit(lambda x: F.dstn(x, s=(2, 3), axes=(0,)))(X)
    with pytest.raises(ArgumentError, match="scipy.fft.dst at .*: there must be at least one data point, got 0"):
        fd.jit(lambda x: F.dst(x, n=0))(X)
