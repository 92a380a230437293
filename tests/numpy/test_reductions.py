"""Reductions, running sums, means, variances, averages, norms."""

from __future__ import annotations

import numpy as np
import pytest

from functad.errors import ArgumentError, AxisError, DtypeError, ImmutableError, ShapeError, UnsupportedError
from tests.numpy.against_numpy import array, check, tracing

DTYPES = ["?", "i1", "u1", "i4", "i8", "u8", "f4", "f8", "c8", "c16"]
AXES = [None, 0, 1, -1, (0, 2), (-1, 0), (), (0, 1, 2)]
REDUCTIONS = [np.sum, np.prod, np.max, np.min, np.any, np.all, np.mean, np.var, np.std, np.ptp, np.count_nonzero]


@pytest.mark.parametrize("f", REDUCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(f, dtype):
    x = array((2, 3), dtype)
    if f is np.ptp and dtype == "?":
        with pytest.raises(TypeError):
            f(x)
        with pytest.raises(DtypeError, match="np.subtract at .* does not take operands of dtype bool"):
            tracing(f, x)
        return
    check(f, x)
    check(lambda x: f(x, axis=0), x)
    check(lambda x: f(x, axis=1, keepdims=True), x)


@pytest.mark.parametrize("f", REDUCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("axis", AXES, ids=str)
def test_axes(f, axis):
    x = array((2, 3, 4))
    check(lambda x: f(x, axis=axis), x)
    check(lambda x: f(x, axis=axis, keepdims=True), x)
    if f not in (np.ptp, np.count_nonzero):
        check(lambda x: getattr(x, f.__name__)(axis), x)
        check(lambda x: getattr(x, f.__name__)(axis=axis, keepdims=True), x)


@pytest.mark.parametrize("f", [np.sum, np.prod, np.any, np.all, np.mean, np.var, np.std], ids=lambda f: f.__name__)
def test_of_nothing(f):
    check(f, np.zeros((0, 3)))
    check(lambda x: f(x, axis=0), np.zeros((0, 3)))
    check(lambda x: f(x, axis=1), np.zeros((0, 3)))


@pytest.mark.parametrize("f", REDUCTIONS, ids=lambda f: f.__name__)
def test_of_numbers(f):
    for x in (2.5, np.float32(2.5), np.array(2.5), 3):
        check(f, x)


def test_extrema_of_nothing():
    with pytest.raises(ShapeError, match="no elements"):
        tracing(np.max, np.zeros((0, 3)))
    check(lambda x: np.max(x, axis=1, initial=-1.0), np.zeros((3, 0)))
    check(lambda x: np.min(x, initial=7.0), np.zeros((3, 0)))


def test_initial_where_dtype():
    x, mask = array((3, 4)), array((3, 4), "?")
    for f in (np.sum, np.prod, np.max, np.min):
        check(lambda x, f=f: f(x, axis=0, initial=0.5), x)
        check(lambda x, f=f: f(x, axis=0, initial=0.5, where=mask), x)
        check(lambda x, f=f: f(x, initial=0.5, where=mask[0]), x)
    for f in (np.sum, np.prod, np.any, np.all):
        check(lambda x, f=f: f(x, axis=1, where=mask), x)
    for f in (np.sum, np.prod, np.mean, np.cumsum):
        check(lambda x, f=f: f(x, dtype="f4"), x)
        check(lambda x, f=f: f(x, 0, "c16"), x)
    with pytest.raises(ArgumentError, match="np.max at .* with where= needs initial="):
        tracing(lambda x: np.max(x, where=mask), x)
    for f in (np.mean, np.var, np.std):
        check(lambda x, f=f: f(x, axis=1, where=mask), x)
    with pytest.raises(UnsupportedError, match="np.ptp at .*: the argument initial= is not available for traced"):
        tracing(lambda x: x.__array_function__(np.ptp, (), (x,), {"initial": 1.0}), x)
    with pytest.raises(ImmutableError, match="np.sum at .* would write a traced value into a plain array"):
        tracing(lambda x: np.sum(x, out=np.zeros(())), x)


@pytest.mark.parametrize("f", [np.sum, np.prod, np.max, np.min, np.any, np.all], ids=lambda f: f.__name__)
def test_masks_are_boolean(f):
    x, initial = array((3,)), {"initial": 0.0} if f in (np.max, np.min) else {}
    for mask in (np.array([1, 0, -2]), np.array([1.0, 0.0, 2.0]), np.array(1)):
        with pytest.raises(TypeError):
            f(x, where=mask, **initial)
        with pytest.raises(
            DtypeError,
            match=rf"np.{f.__name__} at .*: where= must be boolean, got an array of dtype {mask.dtype}; write x != 0",
        ):
            tracing(lambda x, m: f(x, where=m, **initial), x, mask)
    for mask in ([1, 0, 1], 1, False, np.array([True, False, True])):  # NumPy converts lists and numbers
        check(lambda x: f(x, where=mask, **initial), x)


@pytest.mark.parametrize("axis", [3, -4, (0, 3)])
def test_axis_out_of_bounds(axis):
    with pytest.raises(AxisError, match=r"np.sum at .*: axis -?\d is out of bounds for array of dimension 3") as found:
        tracing(lambda x: np.sum(x, axis=axis), np.zeros((2, 3, 4)))
    assert isinstance(found.value, np.exceptions.AxisError)
    with pytest.raises(AxisError, match="names an axis twice"):
        tracing(lambda x: np.sum(x, axis=(0, -3)), np.zeros((2, 3, 4)))


def test_nan_and_infinity():
    for values in ([1.0, np.nan, 2.0], [np.inf, -np.inf, 1.0], [np.inf, 1.0, 2.0]):
        for f in REDUCTIONS:
            check(f, np.array(values))


@pytest.mark.parametrize("f", [np.argmax, np.argmin], ids=lambda f: f.__name__)
def test_positions(f):
    x = np.round(array((3, 4, 2), low=-1, high=1))
    for axis in (None, 0, 1, -1):
        for keepdims in (False, True):
            check(lambda x: f(x, axis=axis, keepdims=keepdims), x)
    check(lambda x: getattr(x, f.__name__)(1), x)
    check(f, np.array([1.0, np.nan, 3.0]))
    check(f, 2.5)
    check(lambda x: f(x, axis=0), np.float64(2.5))
    with pytest.raises(ShapeError, match="empty"):
        tracing(f, np.zeros(0))


@pytest.mark.parametrize("f", [np.cumsum, np.cumprod], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["?", "i4", "u1", "f4", "f8", "c16"])
def test_running(f, dtype):
    x = array((2, 3), dtype)
    for axis in (None, 0, 1, -1):
        check(lambda x: f(x, axis=axis), x)
    check(lambda x: getattr(x, f.__name__)(0), x)
    check(f, x[0, 0])


def test_cumulative_sum():
    check(np.cumulative_sum, array(4))
    check(lambda x: np.cumulative_sum(x, axis=1, include_initial=True), array((2, 3)))
    with pytest.raises(ArgumentError, match="of an array of dimension 2 needs axis="):
        tracing(np.cumulative_sum, array((2, 3)))


@pytest.mark.parametrize("f", [np.var, np.std], ids=lambda f: f.__name__)
def test_degrees_of_freedom(f):
    for dtype in ("i4", "f4", "f8", "c16"):
        x = array((3, 4), dtype)
        check(lambda x: f(x, axis=0, ddof=1), x)
        check(lambda x: f(x, correction=2, keepdims=True), x)
    check(lambda x: f(x, axis=0, ddof=3), array((3, 4)))


def test_average():
    x = array((3, 4))
    check(np.average, x)
    check(lambda x: np.average(x, axis=1, keepdims=True), x)
    check(lambda x: np.average(x, axis=0, weights=[1, 2, 3]), x)
    check(lambda x, w: np.average(x, weights=w), x, np.abs(x))
    check(lambda x: np.average(x, axis=1, weights=[1.0, 2, 3, 4], returned=True), x)
    for dtype in ("i1", "u1", "?", "f4", "c8"):  # products of small integers do not overflow
        for weights in (np.array([100, 27, 3], "i1"), np.array([1.5, 2, 3], "f4")):
            check(lambda x, w: np.average(x, axis=0, weights=w, returned=True), (100 * x).astype(dtype), weights)
    with pytest.raises(ShapeError, match=r"weights of shape \(5,\) fit neither the array, \(3, 4\), nor axis 0 of it"):
        tracing(lambda x: np.average(x, axis=0, weights=np.ones(5)), x)


def test_trapezoid():
    y = array((3, 4))
    check(np.trapezoid, y)
    check(lambda y: np.trapezoid(y, dx=0.5, axis=0), y)
    check(lambda y: np.trapezoid(y, x=[0, 1, 3], axis=0), y)
    check(np.trapezoid, y, np.cumsum(np.abs(y), axis=1))


@pytest.mark.parametrize("dtype", ["i4", "f4", "f8", "c16"])
def test_norms(dtype):
    vector, matrix, cube = array(4, dtype), array((3, 4), dtype), array((2, 3, 4), dtype)
    check(np.linalg.norm, vector)
    check(np.linalg.norm, matrix)
    check(np.linalg.norm, cube)
    for order in (None, 1, 2, 3, 0, np.inf, -np.inf, 0.5):
        check(lambda x: np.linalg.norm(x, order), vector)
        check(lambda x: np.linalg.norm(x, order, axis=1, keepdims=True), matrix)
        if order is not None:
            check(lambda x: np.linalg.vector_norm(x, ord=order), matrix)
            check(lambda x: np.linalg.vector_norm(x, axis=(0, 1), ord=order), cube)
    for order in (None, "fro", 1, -1, np.inf, -np.inf):
        check(lambda x: np.linalg.norm(x, order, axis=(0, 1)), matrix)
        check(lambda x: np.linalg.norm(x, order, axis=(2, 0), keepdims=True), cube)
        if order is not None and dtype != "i4":
            check(lambda x: np.linalg.matrix_norm(x, ord=order), cube)


def test_norms_that_there_are_not():
    with pytest.raises(ArgumentError, match="matrices have no norm of order 'nope'"):
        tracing(lambda x: np.linalg.norm(x, "nope"), np.ones((2, 2)))
    with pytest.raises(ArgumentError, match="vectors have no norm of order 'fro'"):
        tracing(lambda x: np.linalg.norm(x, "fro"), np.ones(2))
    with pytest.raises(ShapeError, match="is of vectors or matrices; name one or two axes"):
        tracing(lambda x: np.linalg.norm(x, 1), np.ones((2, 2, 2)))
