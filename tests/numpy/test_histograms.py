"""Counts, histograms, covariances."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad.errors import ArgumentError, DtypeError, IndexOutOfBoundsError, ShapeError
from functad.testing import check_grads
from tests.numpy.against_numpy import array, check, check_natively, tracing

X, W = array(40), np.abs(array(40, seed=5))
WHOLE = array(40, "i8", 0, 9)
BINS = [10, 1, np.array([-1.0, 0, 0, 1.5]), [-1, 0, 2]]


def test_histogram():
    for x in (X, X.astype("f4"), WHOLE, X.reshape(5, 8)):
        w = W.reshape(x.shape)
        for bins in BINS:
            check(lambda x, b=bins: np.histogram(x, b, density=True), x)
            check(lambda x, w, b=bins: np.histogram(x, b, range=(-1, 1.5), weights=w), x, w)
    for name in ("auto", "fd", "sturges", "sqrt"):
        check(lambda x, n=name: np.histogram(x, n), X)
        check(lambda x, n=name: np.histogram_bin_edges(x, n), X)
    holes = X.copy()
    holes[3] = np.nan
    check(lambda x: np.histogram(x, 4, range=(-1, 1)), holes)
    check(lambda x: np.histogram(x, 3), np.zeros(0))
    check(lambda x: np.histogram(x, 3), np.ones(4))


def test_of_several_coordinates():
    p = array((30, 3))
    check(lambda p: np.histogramdd(p, 4), p)
    check(lambda p: np.histogramdd(p, (2, 3, [-1, 0, 1.0]), density=True), p)
    check(lambda p: np.histogramdd(p, 4, weights=W[:30], range=[(-1, 1)] * 3), p)
    check(lambda x, y: np.histogram2d(x, y, [2, 4]), X, W)
    check(lambda x, y: np.histogram2d(x, y, np.array([-1.0, 0, 1])), X, W)


def test_bincount():
    for n in (WHOLE, WHOLE.astype("u1"), np.zeros(0, "i8")):
        check(np.bincount, n)
        check(lambda n: np.bincount(n, minlength=20), n)
        check(lambda n, w: np.bincount(n, w), n, W[: len(n)])
    assert fnp.bincount(np.array([0, 9, 1]), length=3).tolist() == [1, 1, 0]
    assert fd.jit(lambda n: fnp.bincount(n, length=3))(np.array([0, 9, -1])).tolist() == [1, 0, 0]


def test_covariances():
    m, f, a = array((3, 7)), np.array([1, 2, 1, 0, 3, 1, 1]), np.abs(array(7))
    for x in (m, m[0], m.astype("f4"), array((3, 7), "i8"), array((3, 7), "c16")):
        for kwargs in ({}, {"rowvar": False}, {"bias": True}, {"ddof": 0}):
            check(lambda x, k=kwargs: np.cov(x, **k), x)
        check(lambda x: np.cov(x, 2 * x + 1), x)
        check(np.corrcoef, x)
    for kwargs in ({"fweights": f}, {"aweights": a}, {"fweights": f, "aweights": a, "bias": True}):
        check(lambda x, k=kwargs: np.cov(x, **k), m)


def test_natively():
    m = array((3, 7))
    check_natively(
        *[(lambda x, b=b: np.histogram(x, b), X) for b in BINS],
        (lambda x, w: np.histogram(x, 5, weights=w, density=True), X.astype("f4"), W),
        (lambda p: np.histogramdd(p, 4), array((30, 3))), (lambda n: np.bincount(n, minlength=10), WHOLE),
        (np.cov, m), (np.corrcoef, m), (lambda x, a: np.cov(x, aweights=a), m, np.abs(array(7))),
    )  # fmt: skip


def test_derivatives():
    m = array((3, 7))
    check_grads(np.cov, (m,), order=2)
    check_grads(lambda m: np.corrcoef(m)[0, 1:], (m,), order=2)
    check_grads(lambda m, a: np.cov(m, aweights=a), (m, np.abs(array(7))), order=1)
    check_grads(lambda w: np.histogram(X, 5, weights=w, density=True)[0], (W,), order=2)


def test_errors():
    with pytest.raises(ArgumentError, match="np.bincount at .*: numbers must not be negative, got -1"):
        tracing(np.bincount, np.array([1, -1]))
    with pytest.raises(ArgumentError, match="np.bincount at .*: how many numbers .* say so with minlength="):
        fd.jit(lambda n: np.bincount(n))(WHOLE)
    with pytest.raises(IndexOutOfBoundsError, match="is out of bounds for axis 0 with size 4"):
        fd.jit(lambda n: np.bincount(n, minlength=4))(WHOLE)
    with pytest.raises(DtypeError, match="np.bincount at .* is of integers along one axis"):
        tracing(lambda x: np.bincount(x), X)
    with pytest.raises(ShapeError, match=r"np.bincount at .*: weights of shape \(2,\) for numbers of shape \(40,\)"):
        tracing(lambda n: np.bincount(n, [1.0, 2.0]), WHOLE)
    with pytest.raises(ArgumentError, match="np.histogram at .*: edges of bins must ascend"):
        tracing(lambda x: np.histogram(x, [1.0, 0.0]), X)
    with pytest.raises(ArgumentError, match="np.histogram at .*: there must be at least one bin, got 0"):
        tracing(lambda x: np.histogram(x, 0), X)
    with pytest.raises(ArgumentError, match="np.histogram at .*: bins must be an integer, a name or edges, got 2.5"):
        tracing(lambda x: np.histogram(x, 2.5), X)
    with pytest.raises(ArgumentError, match=r"np.histogram at .*: the range \[nan, nan\] of the bins must be finite"):
        tracing(lambda x: np.histogram(x * np.nan), X)
    with pytest.raises(ShapeError, match="np.histogram at .*: weights of shape"):
        tracing(lambda x: np.histogram(x, weights=[1.0]), X)
    with pytest.raises(ArgumentError, match="np.histogramdd at .*: bins and range must have one entry for each of 3"):
        tracing(lambda p: np.histogramdd(p, [2, 2]), array((5, 3)))
    with pytest.raises(ShapeError, match="np.histogram2d at .*: x and y must have the same length"):
        tracing(lambda x: np.histogram2d(x, x[:2]), X)
    with pytest.raises(ShapeError, match="np.cov at .* is of at most two axes"):
        tracing(np.cov, np.ones((2, 2, 2)))
    with pytest.raises(ShapeError, match="np.cov at .*: fweights must have shape"):
        tracing(lambda m: np.cov(m, fweights=[1]), np.ones((2, 3)))
    with pytest.raises(ArgumentError, match="np.cov at .*: aweights must not be negative"):
        tracing(lambda m: np.cov(m, aweights=[1, -1]), np.ones((2, 2)))
