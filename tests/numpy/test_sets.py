"""Distinct elements and sets; elements put in and taken out; indices as arrays."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad.errors import (
    ArgumentError,
    DtypeError,
    ImmutableError,
    IndexOutOfBoundsError,
    ShapeError,
    TracerConversionError,
    UnsupportedError,
)
from functad.testing import check_grads
from tests.numpy.against_numpy import array, check, check_natively, tracing

X = np.array([3.0, 1, 2, np.nan, 1, 3, np.nan])
WHOLE = array(20, "i8", 0, 6)
PAIRS = np.round(array((6, 2), low=0, high=2))
Y = array((4, 3))

# -- sets --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "x", [X, WHOLE, PAIRS, PAIRS.astype("c16"), WHOLE > 2, np.zeros(0)], ids=lambda x: str(x.dtype)
)
def test_distinct_elements(x):
    everything = {"return_index": True, "return_inverse": True, "return_counts": True}
    for kwargs in ({}, everything, {"return_counts": True}, {"equal_nan": False}):
        check(lambda x, k=kwargs: np.unique(x, **k), x)
    for f in (np.unique_all, np.unique_counts, np.unique_inverse):
        check(lambda x, f=f: tuple(f(x)), x)
    for y in (np.array([1.0, 2, 5]), np.array([1, 3]), np.zeros(0)):
        for f in (np.isin, np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d):
            check(lambda x, f=f, y=y: f(x, y), x)
            check(lambda x, f=f, y=y: f(y, x), x)
        check(lambda x, y=y: np.intersect1d(x, y, return_indices=True), x)
        check(lambda x, y=y: np.isin(x, y, invert=True), x)


def test_distinct_parts():
    check(lambda x: np.unique(x, axis=0, return_inverse=True, return_index=True), PAIRS)
    check(lambda x: np.setdiff1d(np.array([4.0, 1, 3, 2]), x, assume_unique=True), X)
    assert fd.grad(lambda x: np.sum(np.unique(x)[:3] ** 2))(X).tolist() == [6, 2, 4, 0, 0, 0, 0]


def test_with_a_size():
    compiled = fd.jit(lambda x: fnp.unique(x, True, True, True, size=8))
    for x in (X, WHOLE, PAIRS):
        distinct, index, inverse, counts = np.unique(x, True, True, True)
        n = len(distinct)
        for f in (compiled, lambda x: fnp.unique(x, True, True, True, size=8)):
            found = f(x)
            np.testing.assert_array_equal(found[0], np.append(distinct, np.full(8 - n, distinct[0])))
            np.testing.assert_array_equal(found[1][:n], index)
            np.testing.assert_array_equal(found[2], inverse)
            np.testing.assert_array_equal(found[3], np.append(counts, np.zeros(8 - n, int)))
    assert fnp.unique(WHOLE, size=9, fill_value=-1).tolist() == [0, 1, 2, 3, 4, 5, 6, -1, -1]
    assert fd.vmap(lambda x: fnp.unique(x, size=2))(np.array([[2, 1, 2], [5, 5, 5]])).tolist() == [[1, 2], [5, 5]]
    assert fnp.unique_counts(WHOLE, size=2).counts.tolist() == np.unique_counts(WHOLE).counts[:2].tolist()
    with pytest.raises(TracerConversionError, match="np.unique, whose length depends on it .give functad.numpy's"):
        fd.jit(np.unique)(X)
    with pytest.raises(UnsupportedError, match="np.unique at .*: size= and axis= do not go together"):
        fd.jit(lambda x: fnp.unique(x, axis=0, size=2))(PAIRS)
    with pytest.raises(ArgumentError, match="np.unique at .* of no elements has no size=2"):
        fd.jit(lambda x: fnp.unique(x, size=2))(X[:0])
    with pytest.raises(TracerConversionError, match="np.setdiff1d, .*sizes of sets are not known under jit and vmap"):
        fd.jit(np.setdiff1d)(X, X)


# -- elements put in and taken out -------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_insert_and_delete(axis):
    for where in (1, [0, 2], slice(0, 2), [1], -1, [1, 1], np.array([True, False, True])):
        if not (axis == 0 and isinstance(where, np.ndarray)):
            check(lambda y, w=where: np.delete(y, w, axis), Y if axis == 1 or axis == -1 else Y[:3, :1])
        check(lambda y, w=where: np.insert(y, w, 5.0, axis), Y)
    for values in (5.0, [9.0]):
        check(lambda y, v=values: np.insert(y, [0, 2], v, axis), Y)
    check(lambda y: np.insert(y, 2, y[:, 0] if axis in (1, -1) else y[0], axis), Y)
    check(lambda y: np.insert(y, [1], y[:2] if axis == 0 else y[:, :2] if axis else y[0, :2], axis), Y)


def test_resize_and_trim():
    for shape in ((2, 3), 7, (3, 0), (2, 2, 5), ()):
        check(lambda y, s=shape: np.resize(y, s), Y)
    z, block = np.array([0.0, 0, 1, 2, 0, 3, 0]), np.zeros((5, 6))
    block[1:3, 2:4] = 1
    for trim in ("f", "b", "fb"):
        check(lambda z, t=trim: np.trim_zeros(z, t), z)
        check(lambda z, t=trim: np.trim_zeros(z, t), block)
    check(lambda z: np.trim_zeros(z, axis=0), block)
    check(np.trim_zeros, np.zeros(3))
    with pytest.raises(ArgumentError, match="np.trim_zeros at .*: trim must be 'f', 'b' or 'fb', got 'x'"):
        tracing(lambda z: np.trim_zeros(z, "x"), z)
    with pytest.raises(ArgumentError, match="np.resize at .*: lengths must not be negative"):
        tracing(lambda z: np.resize(z, -1), z)
    with pytest.raises(TracerConversionError, match="np.delete, whose result depends on the places"):
        fd.jit(np.delete)(z, np.int64(1))


# -- indices as arrays -------------------------------------------------------------------------------------------------


def test_places():
    holes = np.where(array((3, 4)) > 0, 1.0, 0.0)
    check(np.flatnonzero, holes)
    for x in (holes, 2.0, 0.0):
        check(np.argwhere, x)
    check(lambda i: np.ix_(i, [1, 2]), np.array([0, 2]))
    check(lambda m: np.ix_(m), np.array([True, False, True]))
    for f in (np.tril_indices_from, np.triu_indices_from):
        check(lambda y, f=f: f(y, 1), Y)
    check(np.diag_indices_from, np.zeros((3, 3)))
    i, j = np.array([0, 2, 3]), np.array([1, 1, 2])
    for order in "CF":
        check(lambda i, j, o=order: np.ravel_multi_index((i, j), (4, 3), order=o), i, j)
        check(lambda i, o=order: np.unravel_index(i, (4, 3), order=o), np.array([0, 5, 11]))
    check(lambda i, j: np.ravel_multi_index((i - 3, j + 3), (4, 3), mode=("wrap", "clip")), i, j)
    with pytest.raises(IndexOutOfBoundsError, match="index 4 is out of bounds for axis 0 with size 4"):
        tracing(lambda i, j: np.ravel_multi_index((i - 1, j), (4, 3)), i, j)  # -1 does not count from the end


def test_choices_and_writes():
    n = np.array([5, -2, 1])
    check(lambda n, y: np.choose(n, [y[0], y[1], 5.0]), np.array([0, 2, 1]), Y)
    check(lambda n, y: n.choose(y, mode="wrap"), n, Y)
    check(lambda n, y: np.choose(n, y, mode="clip"), n, Y)

    def put(y):
        z, w = y.copy(), y.copy()
        np.put_along_axis(z, np.argmax(z, axis=1)[:, None], 99.0, axis=1)
        np.put_along_axis(w, np.array([1, 5]), w[0, :2] * 2, None)
        return z, w

    check(put, Y)
    with pytest.raises(ImmutableError, match="np.put_along_axis at .* would write a traced value into a plain array"):
        tracing(lambda y: np.put_along_axis(np.zeros((4, 3)), np.zeros((4, 1), int), y, 1), Y)


def test_natively():
    n = np.array([0, 2, 1])
    check_natively(
        (lambda x: np.isin(x, [1.0, 3.0]), X), (np.isin, WHOLE, np.array([1, 3])),
        (lambda y: np.insert(y, [1, 2], y[0], axis=0), Y), (lambda y: np.delete(y, 1, axis=1), Y),
        (lambda y: np.resize(y, (5, 4)), Y), (lambda i: np.unravel_index(i, (4, 3)), n),
        (lambda i, j: np.ravel_multi_index((i, j), (4, 3)), n, n), (np.choose, n, Y),
        (lambda x: np.r_[x, 1.0, x[0]], X), (lambda x: np.c_[x, x**2], X),
    )  # fmt: skip


def test_concatenators():
    x, y = array(5, seed=3), array((4, 5), seed=4)
    for f in (
        lambda x: np.r_[0:3, x], lambda x: np.r_["0,2", x, x], lambda x: np.r_["1,2,0", x, x], lambda x: np.r_[x[0], x],
        lambda x: np.r_[-1:1:3j, x], lambda x: np.c_[y.T, x], lambda x: fnp.r_[x, 2], lambda x: fnp.c_[x, x],
    ):  # fmt: skip
        np.testing.assert_allclose(fd.jit(f)(x), f(x), rtol=1e-15)
        assert fd.jacobian(f)(x).shape == (*np.shape(f(x)), 5)
    with pytest.raises(ArgumentError, match="np.r_ at .*: a directive is one to three integers, got 'r'"):
        fd.grad(lambda x: np.r_["r", x].sum())(x)


def test_derivatives_and_errors():
    check_grads(lambda y: np.insert(y, 1, y[0] ** 2, 0), (Y,), order=2)
    with pytest.raises(ShapeError, match="np.ix_ at .* is of arrays with one axis"):
        tracing(np.ix_, Y)
    with pytest.raises(ShapeError, match="np.tril_indices_from at .* is of matrices"):
        tracing(np.tril_indices_from, X)
    with pytest.raises(ShapeError, match="np.diag_indices_from at .* is of arrays whose axes have one length"):
        tracing(np.diag_indices_from, Y)
    with pytest.raises(ArgumentError, match="np.ravel_multi_index at .*: 1 index arrays for 2 axes"):
        tracing(lambda i: np.ravel_multi_index((i,), (4, 3)), WHOLE)
    with pytest.raises(DtypeError, match="np.unravel_index at .*: indices must be integers, got dtype float64"):
        tracing(lambda i: np.unravel_index(i, (4, 3)), X)
    with pytest.raises(ArgumentError, match="np.choose at .*: mode must be 'raise', 'wrap' or 'clip', got 'x'"):
        tracing(lambda n: np.choose(n, [1, 2], mode="x"), WHOLE)
