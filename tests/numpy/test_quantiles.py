"""Medians, quantiles and percentiles by all methods, and reductions of what is not NaN."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.numpy.quantiles import CONTINUOUS, DISCRETE
from functad.testing import check_grads
from tests.numpy.against_numpy import array, check, check_natively, tracing

METHODS = [*DISCRETE, *CONTINUOUS]
X = array((3, 4, 5))
HOLES = X.copy()
HOLES[0, 1, 2] = HOLES[2, :, 0] = np.nan
HOLES[1, :, 1] = np.nan
NAN_REDUCTIONS = [np.nansum, np.nanprod, np.nanmax, np.nanmin, np.nanmean, np.nanvar, np.nanstd, np.nanmedian]


@pytest.mark.parametrize("method", METHODS)
def test_methods(method):
    for f in (np.quantile, np.nanquantile):
        for q in (0.3, [0.0, 0.5, 0.77, 1.0]):
            check(lambda x: f(x, q, method=method), X)
            check(lambda x: f(x, q, axis=1, method=method), HOLES)
        check(lambda x: f(x, 0.4, axis=(0, 2), method=method, keepdims=True), X.astype("f4"))
        check(lambda x: f(x, np.array([0.4]), axis=0, method=method), array((4, 3), "i8"))


@pytest.mark.deep
def test_all_forms_of_quantiles():
    for f in (np.quantile, np.nanquantile):
        for method in METHODS:
            for q in (0.3, 0.0, 1.0, 0, 1, [0.1, 0.5, 0.77], np.array([0.25]), np.float64(0.4)):
                for x in (X, HOLES, X.astype("f4"), array((4, 3, 2), "i8")):
                    for axis in (None, 1, (0, 2)):
                        check(lambda x, a=axis, q=q: f(x, q, axis=a, method=method), x)


def test_percentiles_and_weights():
    for f in (np.percentile, np.nanpercentile):
        for q in (30, 30.0, [10, 50.0], 0, 100):
            for x in (X, HOLES, X.astype("f4"), array((4, 3), "i8")):
                check(lambda x, f=f, q=q: f(x, q, axis=1), x)
    w = np.abs(array((3, 4, 5), seed=3))
    for q in (0.0, [0.2, 1.0]):
        check(lambda x, q=q: np.quantile(x, q, axis=1, weights=w, method="inverted_cdf"), X)
        check(lambda x, q=q: np.quantile(x, q, axis=1, weights=w[0, :, 0], method="inverted_cdf"), X)


@pytest.mark.parametrize("f", [np.median, np.nanmedian])
def test_medians(f):
    for x in (X, HOLES, X.astype("f4"), array((4, 3), "i8"), array((3, 2), "c16"), array((3, 2), "?")):
        for axis in (None, 0, 1):
            check(lambda x, a=axis: f(x, axis=a), x)
        check(lambda x: f(x, axis=0, keepdims=True), x)
    check(f, np.zeros((0, 3)))


@pytest.mark.parametrize("f", NAN_REDUCTIONS, ids=lambda f: f.__name__)
def test_what_is_not_nan(f):
    for x in (X, HOLES, HOLES.astype("f4"), array((3, 4), "i4")):
        for axis in (None, 0, -1):
            check(lambda x, a=axis: f(x, axis=a), x)
    check(lambda x: f(x, axis=0, keepdims=True), HOLES)
    y = np.array([1.0, np.nan, 2.5, -1.0, 7.0])
    there = ~np.isnan(y)
    expected = np.zeros(5)
    expected[there] = fd.grad(f)(y[there])
    np.testing.assert_allclose(fd.grad(f)(y), expected)


def test_places_and_running_totals_of_what_is_not_nan():
    some = HOLES[:, :, 2:]
    for f in (np.nanargmax, np.nanargmin, np.nancumsum, np.nancumprod):
        for axis in (None, 0, -1):
            check(lambda x, f=f, a=axis: f(x, axis=a), some)
    with pytest.raises(ArgumentError, match="np.nanargmax at .*: all elements are NaN"):
        tracing(lambda x: np.nanargmax(x), np.full(3, np.nan))
    assert fd.jit(np.nanargmax)(np.full(3, np.nan)) == -1


def test_masks_and_means():
    mask = array((3, 4, 5), "?", seed=4)
    for f in (np.nansum, np.nanmean, np.nanvar, np.nanstd, np.nanprod):
        check(lambda x, f=f: f(x, axis=0, where=mask), HOLES)
    for f in (np.nanmax, np.nanmin):
        check(lambda x, f=f: f(x, axis=0, where=mask, initial=0.0), HOLES)
    check(lambda x: np.nanvar(x, axis=0, ddof=2), HOLES)
    check(lambda x: np.var(x, axis=0, mean=np.mean(x, axis=0, keepdims=True)), X)
    check(lambda x: np.nanstd(x, axis=0, correction=1), HOLES)


@pytest.mark.deep
def test_natively():
    q = [0.1, 0.5]
    check_natively(
        *[(lambda x, f=f: f(x, axis=1), HOLES) for f in NAN_REDUCTIONS],
        *[(lambda x, m=m: np.nanquantile(x, q, axis=1, method=m), HOLES) for m in METHODS],
        (lambda x: np.quantile(x, q, axis=0), HOLES), (lambda x: np.percentile(x, 30), X.astype("f4")),
        (np.quantile, X, np.float64(0.3)),
    )  # fmt: skip


def test_derivatives():
    x = np.array([3.0, 1.0, 2.0, -1.0, 0.5])
    check_grads(lambda x: np.quantile(x, [0.3, 0.6]) ** 2, (x,), order=2)
    check_grads(lambda x, q: np.quantile(x, q) ** 2, (x, 0.3), order=2)
    assert fd.grad(np.median)(x).tolist() == [0, 1, 0, 0, 0]
    assert fd.grad(np.median)(x[:4]).tolist() == [0, 0.5, 0.5, 0]
    rows = np.stack([x, x[::-1]])
    np.testing.assert_allclose(fd.vmap(np.median)(rows), np.median(rows, axis=1))


def test_errors():
    x = np.ones((2, 3))
    with pytest.raises(ArgumentError, match="np.quantile at .*: method must be one of .*, got 'best'"):
        tracing(lambda x: np.quantile(x, 0.5, method="best"), x)
    with pytest.raises(ArgumentError, match="np.percentile at .*: q must be between 0 and 100"):
        tracing(lambda x: np.percentile(x, 101), x)
    assert np.isnan(fd.jit(np.quantile)(x, 1.5))  # where it is not known before
    with pytest.raises(ArgumentError, match="weights go with method='inverted_cdf' alone, got method='linear'"):
        tracing(lambda x: np.quantile(x, 0.5, weights=x), x)
    with pytest.raises(DtypeError, match="np.quantile at .* is of real numbers, got dtype complex128"):
        tracing(lambda x: np.quantile(x, 0.5), x * 1j)
    with pytest.raises(ShapeError, match="np.quantile at .*: q must be a number or have one axis"):
        tracing(lambda x: np.quantile(x, [[0.5]]), x)
    with pytest.raises(ShapeError, match="np.quantile at .* of no elements"):
        tracing(lambda x: np.quantile(x, 0.5), x[:0])
    with pytest.raises(ShapeError, match="np.quantile at .*: weights of shape .* fit neither the array"):
        tracing(lambda x: np.quantile(x, 0.5, weights=[1.0], method="inverted_cdf"), x)
