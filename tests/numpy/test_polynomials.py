"""Polynomials and series."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import ArgumentError, ShapeError
from functad.testing import check_grads
from tests.numpy.against_numpy import array, check, check_natively, tracing

P, X = array(4), array((2, 3))
PREFIXES = {"chebyshev": "cheb", "legendre": "leg", "hermite": "herm", "hermite_e": "herme", "laguerre": "lag"}
SERIES = {"polynomial": "poly", **PREFIXES}


def of(name, what):
    """A function of ``numpy.polynomial``."""
    return getattr(getattr(np.polynomial, name), SERIES[name] + what)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "c16"])
def test_polynomials(dtype):
    p = array(4, dtype)
    for x in (X, X.astype("f4"), array(3, "i4"), 2, 0.5, np.inf):
        check(np.polyval, p, x)
    for m in (0, 1, 2, 5):
        check(lambda p, m=m: np.polyder(p, m), p)
    for m in (0, 1, 3):
        check(lambda p, m=m: np.polyint(p, m), p)
        check(lambda p, m=m: np.polyint(p, m, k=[1.0, 2, 3]), p)
    for q in (array(2), array(6, "i8"), np.array([0.0, 0, 1, 2])):
        for f in (np.polyadd, np.polysub, np.polymul):
            check(lambda p, f=f, q=q: f(p, q), p)
    check(lambda p: np.polydiv(p, [1.0, 2.0]), p)
    check(np.poly, p)
    for n in (None, 1, 6, 0):
        check(lambda p, n=n: np.vander(p, n), p)
        check(lambda p, n=n: np.vander(p, n, increasing=True), p)
    check(lambda p: np.polydiv(p, [1.0, 2]), np.array([1.0, 2, 0, 0]))
    check(np.poly, np.array([1j, -1j, 2]))


def test_natively():
    value = fd.jit(lambda c, x: [of(name, "val")(x, c) for name in SERIES])
    slopes = fd.jit(lambda c: [of(n, w)(c, 2) for n in SERIES for w in ("der", "int")])
    for c in (P, array(1), array((4, 2))):
        for name, got in zip(SERIES, value(c, X), strict=True):
            np.testing.assert_allclose(got, of(name, "val")(X, c), rtol=1e-12)
    names = [(n, w) for n in SERIES for w in ("der", "int")]
    for (name, what), got in zip(names, slopes(P), strict=True):
        np.testing.assert_allclose(got, of(name, what)(P, 2), atol=1e-14)
    f = np.polynomial.chebyshev.chebint
    np.testing.assert_allclose(fd.jit(lambda c: f(c, 1, [2.0], 0.3, axis=1))(X), f(X, 1, [2.0], 0.3, axis=1))
    check_natively(
        (np.polyval, P, X), (np.polyder, P), (np.polyint, P), (np.vander, P), (np.polymul, P, X[0]), (np.poly, P),
        (lambda p, q: np.polydiv(p, q)[0], P, X[0]),
    )  # fmt: skip


def test_derivatives():
    check_grads(np.polyval, (P, X), order=2)
    check_grads(lambda a, b: np.polydiv(a, b)[0], (array(5), array(3)), order=2)
    check_grads(np.poly, (P,), order=2)
    assert fd.grad(lambda c: np.polyval([c, 2 * c, 1.0], 2.0))(3.0) == 8.0
    line = fd.jit(fd.grad(lambda c: np.polynomial.Polynomial([1.0, 2.0, 3.0])(c)))
    assert line(2.0) == 14.0


def test_errors():
    with pytest.raises(ShapeError, match="np.polyval at .*: coefficients must have one axis"):
        tracing(lambda x: np.polyval(x, 1.0), X)
    with pytest.raises(ArgumentError, match="np.polyder at .*: m must not be negative, got -1"):
        tracing(lambda p: np.polyder(p, -1), P)
    with pytest.raises(ArgumentError, match="np.polyint at .*: k must be one constant or 3, got 2"):
        tracing(lambda p: np.polyint(p, 3, [1.0, 2.0]), P)
    with pytest.raises(ShapeError, match="np.vander at .* is of an array with one axis"):
        tracing(np.vander, X)
    with pytest.raises(ShapeError, match="np.poly at .* is of roots or of a square matrix"):
        tracing(np.poly, X)
    with pytest.raises(ArgumentError, match="np.polyfit at .* is of x with one axis"):
        tracing(lambda x: np.polyfit(x, x, 1), X)
    with pytest.raises(ShapeError, match="np.polyfit at .*: x and y must have the same length"):
        tracing(lambda p: np.polyfit(p, p[:2], 1), P)
