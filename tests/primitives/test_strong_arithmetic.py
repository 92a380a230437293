"""Products and quotients in which zero wins."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import functad as fd
from functad.primitives.arithmetic import SMALL, strong_div, strong_mul, strong_product, tangent_mul

VALUES = (0.0, -0.0, 1.0, -2.0, np.inf, -np.inf, np.nan, 1e-310, 1e300)


def expected(op, t, f):
    plain = t / f if op is strong_div else t * f
    zero = (t == 0) | (f == 0) if op is strong_product else t == 0
    return np.where(zero, 0, plain)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
@pytest.mark.parametrize("op", [strong_mul, strong_div, strong_product])
def test_zero_wins(op, dtype):
    with np.errstate(all="ignore"):
        t, f = (np.array(v).astype(dtype) for v in zip(*itertools.product(VALUES, VALUES), strict=True))
        for size in (len(t), 20 * SMALL):  # small and large arrays take different ways
            x, y = np.resize(t, size), np.resize(f, size)
            np.testing.assert_array_equal(op(x, y), expected(op, x, y))
            np.testing.assert_array_equal(fd.jit(op)(x, y), expected(op, x, y))
        for x, y in zip(t, f, strict=True):
            np.testing.assert_array_equal(op(x, y), expected(op, x, y))
        for x, y in ((t, f[3]), (t[0], f), (t[2], f)):  # a number and an array
            np.testing.assert_array_equal(op(x, y), expected(op, x, y))
        nothing = op(np.zeros((0, 2), dtype), np.zeros((0, 2), dtype))
        assert nothing.shape == (0, 2) and nothing.dtype == dtype


@pytest.mark.parametrize("op", [strong_mul, strong_div, strong_product])
def test_the_zero_is_positive(op):
    for t, f in ((-0.0, 3.0), (0.0, -3.0), (-0.0, np.inf), (0.0, -np.inf)):
        for found in (op(np.float64(t), np.float64(f)), fd.jit(op)(t, f), op(np.full(3, t), np.full(3, f))):
            assert not np.any(np.signbit(found))


def test_nobody_is_warned_of_what_zero_hides():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for t in (np.float64(0), np.zeros(3), np.zeros(2 * SMALL)):
            f = np.full_like(t, np.inf)[()]
            strong_mul(t, f), strong_product(t, f), strong_product(f, t), strong_div(t, t)
        with pytest.warns(RuntimeWarning, match="divide by zero"):
            strong_div(np.float64(1), np.float64(0))


def test_derivatives_where_the_tangent_is_zero():
    """In the factor they are zero, of any order; in the tangent they are the factor."""
    for op in (strong_mul, strong_div):
        for t, f in ((0.0, np.inf), (0.0, 0.0), (0.0, np.nan)):
            by_t, by_f = fd.grad(op, (0, 1))(t, f)
            with np.errstate(all="ignore"):
                np.testing.assert_equal(by_t, np.float64(f) if op is strong_mul else 1 / np.float64(f))
            assert by_f == 0
            assert fd.grad(fd.grad(op, 1), 1)(t, f) == 0
            assert fd.jacfwd(fd.jacfwd(op, 1), 1)(t, f) == 0
    assert fd.grad(tangent_mul, 1)(0.0, np.inf) == 0
    assert fd.grad(fd.grad(lambda t, f: tangent_mul(t, np.log(f)), 1), 1)(0.0, 0.0) == 0
    assert fd.grad(strong_product, (0, 1))(0.0, np.inf) == (np.inf, 0.0)


def test_numpy_warns_of_what_is_no_number_only_where_no_zero_wins():
    t, f = np.array([0.0, np.inf]), np.array([np.inf, 0.0])
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(strong_mul(t, np.array([np.inf, 1.0])), [0.0, np.inf])
        with pytest.raises(FloatingPointError, match="invalid value"):
            strong_mul(t, f)
