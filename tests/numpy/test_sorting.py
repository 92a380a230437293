"""Sorts, places in what is sorted, and their derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import ArgumentError, DtypeError, ImmutableError, ShapeError
from functad.testing import check_grads
from tests.numpy.against_numpy import array, check, check_natively, tracing

DTYPES = ["?", "u1", "i4", "i8", "f2", "f4", "f8", "c16"]


def ties(dtype, shape=(3, 40)):
    """Few different values, and NaN where there is one."""
    x = np.random.default_rng(0).integers(0, 9, shape).astype(dtype)
    if x.dtype.kind in "fc":
        x.reshape(-1)[::7] = np.nan
    return x


@pytest.mark.parametrize("dtype", DTYPES)
def test_order_of_what_is_equal(dtype):
    x = ties(dtype)
    for axis in (0, -1, None):
        check(lambda x: np.sort(x, axis), x)
        check(lambda x: np.argsort(x, axis, kind="stable"), x)
    check(np.sort_complex, x)


def test_natively():
    cases = []
    for dtype in DTYPES:
        x = ties(dtype)
        cases += [(lambda x, a=a: np.sort(x, a), x) for a in (0, 1)]
        cases += [(lambda x, a=a: np.argsort(x, a, kind="stable"), x) for a in (0, 1)]
    few, nothing = ties("f8", (4, 5)), np.zeros((3, 0))
    cases += [(np.sort, few), (lambda x: np.argsort(x, 0, stable=True), few), (np.sort, nothing), (np.argsort, nothing)]
    check_natively(*cases)


def test_methods():
    def in_place(x):
        y = x.copy()
        y.sort()
        y[:2].sort()  # a view
        return y, x.argsort(0), x.argsort(axis=None), x.searchsorted(0.5) if x.ndim == 1 else 0

    check(in_place, array((3, 4)))
    check(in_place, array(5))
    check(lambda x: np.partition(x, 1) * 0 + np.sort(x), array(5))
    assert tracing(lambda x: np.partition(x, [0, -1]), np.array([3.0, 1.0, 2.0]))[1].tolist() == [1, 2, 3]
    assert tracing(lambda x: np.argpartition(x, 1), np.array([3.0, 1.0, 2.0]))[1].tolist() == [1, 2, 0]
    with pytest.raises(ImmutableError):
        fd.grad(lambda x: x.sort() or 0.0)(np.ones(3))


def test_lexsort():
    a, b = np.array([1, 2, 1, 2, 1]), np.array([3.0, 1.0, 2.0, 1.0, 3.0])
    check(lambda a, b: np.lexsort((a, b)), a, b)
    check(lambda a: np.lexsort((a,)), a)
    check(lambda x: np.lexsort(x, axis=0), np.round(array((2, 4, 3))))


def test_derivatives():
    x = np.array([3.0, 1.0, 2.0, -1.0])
    check_grads(lambda x: np.sort(x) ** 2 * np.arange(4), (x,), order=2)
    check_grads(lambda x: np.sort(x, 0) ** 2, (np.stack([x, x[::-1] + 0.1]),), order=1)
    assert fd.jacobian(np.sort)(np.array([1.0, 0.0, 1.0])).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    rows = np.stack([x, -x])
    np.testing.assert_array_equal(fd.vmap(np.argsort)(rows), np.argsort(rows))
    slope = fd.jit(fd.grad(lambda x: np.sum(np.sort(x) * np.arange(40.0))))
    x = np.random.default_rng(1).random(40)
    np.testing.assert_array_equal(slope(x), np.argsort(np.argsort(x)))


PLACES = np.array([-1.0, 0.0, 0.0, 1.5, 1.5, 3.0])
WANTED = np.array([[-2.0, 0.0, 1.5], [3.0, np.nan, 9.0]])


def test_searchsorted_and_digitize():
    for side in ("left", "right"):
        check(lambda a, v, s=side: np.searchsorted(a, v, s), PLACES, WANTED)
        check(lambda a, s=side: np.searchsorted(a, 0.0, s), PLACES)
        check(lambda a, s=side: np.searchsorted(a, [0.0, 2], s), PLACES[:0])
    check(lambda a, v: np.searchsorted(a, v, sorter=np.arange(6)[::-1]), PLACES[::-1].copy(), WANTED)
    check(lambda v: np.searchsorted([1, 2, 3], v), np.array([2, 9, 0]))
    for right in (False, True):
        check(lambda v, b, r=right: np.digitize(v, b, r), WANTED, PLACES)
        check(lambda v, b, r=right: np.digitize(v, b, r), WANTED, PLACES[::-1].copy())
    many = np.linspace(-2, 2, 100)
    check_natively(
        (np.searchsorted, PLACES, WANTED), (lambda a, v: np.searchsorted(a, v, "right"), many, WANTED),
        (np.digitize, WANTED, PLACES), (np.digitize, WANTED, PLACES[::-1].copy()),
    )  # fmt: skip
    lanes = fd.vmap(np.searchsorted)(np.stack([PLACES, PLACES + 1]), WANTED)
    np.testing.assert_array_equal(lanes, [np.searchsorted(PLACES + k, WANTED[k]) for k in range(2)])


def test_errors():
    x = np.ones((2, 3))
    with pytest.raises(ArgumentError, match="np.sort at .*: kind must be one of .*, got 'fast'"):
        tracing(lambda x: np.sort(x, kind="fast"), x)
    with pytest.raises(ArgumentError, match="np.argsort at .*: give kind= or stable=, not both"):
        tracing(lambda x: np.argsort(x, kind="stable", stable=True), x)
    with pytest.raises(ArgumentError, match="np.partition at .*: kth=3 is out of bounds for an axis of 3 elements"):
        tracing(lambda x: np.partition(x, 3), x)
    with pytest.raises(ShapeError, match="np.searchsorted at .*: the sorted array must have one axis"):
        tracing(lambda x: np.searchsorted(x, 1.0), x)
    with pytest.raises(ArgumentError, match="np.searchsorted at .*: side must be 'left' or 'right', got 'both'"):
        tracing(lambda x: np.searchsorted(x[0], 1.0, "both"), x)
    with pytest.raises(DtypeError, match="np.searchsorted at .* is of real numbers"):
        tracing(lambda x: np.searchsorted(x[0], 1j), x)
    with pytest.raises(ArgumentError, match="np.digitize at .*: the edges of bins must ascend or descend"):
        tracing(lambda x: np.digitize(x, [1.0, 2.0, 0.0]), x)
    with pytest.raises(DtypeError, match="np.digitize at .* is of real numbers"):
        tracing(lambda x: np.digitize(x, [1.0]), x * 1j)
    with pytest.raises(ArgumentError, match="np.lexsort at .*: there must be at least one key"):
        tracing(lambda x: np.lexsort(x[:0]), x)
    with pytest.raises(ShapeError, match="np.lexsort at .*: all keys must have one shape"):
        tracing(lambda x: np.lexsort((x, x[0])), x)
