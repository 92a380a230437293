"""Accumulation along an axis against NumPy and plain loops, and derivatives at zeros, ties, infinities."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import DtypeError, ShapeError
from functad.primitives import cumulative as c
from functad.primitives.arithmetic import neg
from functad.primitives.broadcasting import sum_all
from functad.testing import check_grads

NUMPY = {c.cumsum: np.add, c.cumprod: np.multiply, c.cummax: np.maximum, c.cummin: np.minimum}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64, np.uint8])
@pytest.mark.parametrize(
    "shape, axis", [((4,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 3, 2), 1), ((1,), 0), ((0,), 0), ((0, 3), 1)]
)
@pytest.mark.parametrize("cumulative", NUMPY)
def test_values(cumulative, shape, axis, dtype, reverse):
    x = (np.random.default_rng(1).integers(-3, 4, shape) * (1 - 2j if dtype is np.complex128 else 1)).astype(dtype)
    turned = np.flip(x, axis) if reverse else x
    expected = NUMPY[cumulative].accumulate(turned, axis=axis, dtype=dtype)
    np.testing.assert_array_equal(
        cumulative(x, axis, reverse), np.flip(expected, axis) if reverse else expected, strict=True
    )


def test_nan_stays():
    x = np.array([1.0, 3.0, np.nan, 2.0])
    np.testing.assert_array_equal(c.cummax(x, 0), [1, 3, np.nan, np.nan])
    np.testing.assert_array_equal(c.cummin(x, 0, reverse=True), [np.nan, np.nan, np.nan, 2])


@pytest.mark.parametrize("zeros", [(), (1,), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumprod_to_second_order(zeros, reverse):
    x = np.array([2.0, -3.0, 0.5, 4.0])
    x[list(zeros)] = 0
    n = len(x)

    def factors(k):
        return range(k, n) if reverse else range(k + 1)

    def product(k, *without):
        """The derivative of element k in the elements ``without``."""
        if len(set(without)) < len(without) or not set(without) <= set(factors(k)):
            return 0.0
        return np.prod([x[i] for i in factors(k) if i not in without])

    def f(x):
        return c.cumprod(x, 0, reverse)

    first = [[product(k, i) for i in range(n)] for k in range(n)]
    second = [[[product(k, i, j) for j in range(n)] for i in range(n)] for k in range(n)]
    np.testing.assert_allclose(fd.jacrev(f)(x), first, rtol=1e-14)
    np.testing.assert_allclose(fd.jacfwd(f)(x), first, rtol=1e-14)
    np.testing.assert_allclose(fd.jacfwd(fd.jacrev(f))(x), second, rtol=1e-14)


def test_running_extrema_share_among_the_ties_so_far():
    x = np.array([1.0, 1.0, 0.0, 2.0, 2.0, 1.0, 2.0])
    expected = np.zeros((7, 7))
    expected[0, 0] = 1
    expected[1:3, :2] = 1 / 2
    expected[3, 3] = 1
    expected[4:6, 3:5] = 1 / 2
    expected[6, [3, 4, 6]] = 1 / 3
    np.testing.assert_allclose(fd.jacrev(lambda x: c.cummax(x, 0))(x), expected, rtol=1e-15)
    np.testing.assert_allclose(fd.jacfwd(lambda x: c.cummin(neg(x), 0))(x), -expected, rtol=1e-15)
    np.testing.assert_allclose(
        fd.jacrev(lambda x: c.cummax(x, 0, reverse=True))(x[::-1].copy()), expected[::-1, ::-1], rtol=1e-15
    )


def test_derivative_of_running_maximum_at_nan():
    x = np.array([2.0, np.nan, 3.0, np.nan])
    expected = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0.5, 0, 0.5]]
    np.testing.assert_array_equal(fd.jacrev(lambda x: c.cummax(x, 0))(x), expected)


@pytest.mark.parametrize("reverse", [False, True])
def test_linear_recurrence_is_its_loop(reverse):
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 5, 3))
    y, running = np.empty((5, 3)), np.zeros(3)
    for i in range(4, -1, -1) if reverse else range(5):
        y[i] = running = a[i] * running + b[i]
    np.testing.assert_allclose(c.linear_recurrence(a, b, 0, reverse), y, rtol=1e-15)
    check_grads(lambda a, b: c.linear_recurrence(a, b, 0, reverse), (a, b))


def test_first_factor_is_not_used():
    a, b = np.array([np.inf, 2.0, np.nan]), np.array([1.0, 1.0, 1.0])
    np.testing.assert_array_equal(c.linear_recurrence(a, b, 0)[:2], [1.0, 3.0])
    tangent = fd.jvp(lambda x: c.cumprod(x, 0), (np.array([np.inf, 2.0]),), (np.array([1.0, 1.0]),))[1]
    np.testing.assert_array_equal(tangent, [1.0, np.inf])


def test_operands_are_left_alone():
    b = np.ones((2, 3))
    c.linear_recurrence(np.ones((2, 3)), b, 0)
    np.testing.assert_array_equal(b, np.ones((2, 3)))


def test_refusals():
    with pytest.raises(DtypeError, match=r"cumsum does not take bool.*astype"):
        fd.make_ir(lambda x: c.cumsum(x, 0))(np.array([True]))
    with pytest.raises(ShapeError, match=r"cumprod of f64\[2\] over axes \(1,\)"):
        fd.make_ir(lambda x: c.cumprod(x, 1))(np.zeros(2))
    with pytest.raises(ShapeError, match=r"factors and terms of one type, got f64\[2\] and f64\[3\]"):
        fd.make_ir(lambda a, b: c.linear_recurrence(a, b, 0))(np.zeros(2), np.zeros(3))
    with pytest.raises(DtypeError, match=r"got f64\[2\] and f32\[2\]"):
        fd.make_ir(lambda a, b: c.linear_recurrence(a, b, 0))(np.zeros(2), np.zeros(2, np.float32))


def test_cumsum_of_nothing_has_a_gradient():
    assert fd.grad(lambda x: sum_all(c.cumprod(x, 0)))(np.zeros((0,))).shape == (0,)
