"""Reductions against NumPy, and their derivatives where they are delicate: at zeros of a product, at ties and NaNs of a
maximum.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import functad as fd
from functad.errors import DtypeError, ShapeError
from functad.primitives import reductions as r
from functad.primitives.arithmetic import mul
from functad.primitives.broadcasting import reduce_sum, sum_all
from functad.primitives.convert import convert

NUMPY = {
    reduce_sum: np.sum, r.reduce_prod: np.prod, r.reduce_max: np.max, r.reduce_min: np.min, r.reduce_any: np.any,
    r.reduce_all: np.all
}  # fmt: skip
SHAPES = [
    ((), ()),
    ((3,), (0,)),
    ((1,), (0,)),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (1,)),
    ((2, 3), (1, 0)),
    ((3, 0), (0,)),
    ((0, 3), ()),
]


def numbers(shape, dtype):
    rng = np.random.default_rng(1)
    x = rng.integers(-3, 4, shape) + (1j * rng.integers(-3, 4, shape) if np.dtype(dtype).kind == "c" else 0)
    return (np.abs(x) if np.dtype(dtype).kind == "u" else x).astype(dtype)


@pytest.mark.parametrize("shape, axes", SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64, np.uint8])
@pytest.mark.parametrize("reduce", [reduce_sum, r.reduce_prod, r.reduce_max, r.reduce_min])
def test_numbers(reduce, dtype, shape, axes):
    x = numbers(shape, dtype)
    keep_dtype = {"dtype": dtype} if reduce in (reduce_sum, r.reduce_prod) else {}
    expected = NUMPY[reduce](x, axis=axes, **keep_dtype)
    found = reduce(x, axes)
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("shape, axes", [*SHAPES, ((0, 3), (0,))])
@pytest.mark.parametrize("reduce", [r.reduce_any, r.reduce_all, r.reduce_max, r.reduce_min])
def test_bools(reduce, shape, axes):
    if 0 in shape and axes == (0,) and shape[0] == 0 and reduce in (r.reduce_max, r.reduce_min):
        return  # refused, see below
    x = numbers(shape, np.int64) > 0
    np.testing.assert_array_equal(reduce(x, axes), NUMPY[reduce](x, axis=axes))


def test_nan_propagates():
    x = np.array([[1.0, np.nan, 3.0], [np.inf, 2.0, -np.inf]])
    for reduce in (r.reduce_max, r.reduce_min, r.reduce_prod):
        np.testing.assert_array_equal(reduce(x, (1,)), NUMPY[reduce](x, axis=1))


@pytest.mark.parametrize("reduce, name", [(r.reduce_max, "max"), (r.reduce_min, "min")])
@pytest.mark.parametrize("dtype", [np.float64, np.bool_])
def test_extremum_of_nothing_is_refused(reduce, name, dtype):
    def attempt(x):
        return reduce(x, (0,))

    with pytest.raises(ShapeError, match=rf"{name} of \w+\[0,3\] over axes \(0,\) is over no elements.*initial value"):
        fd.make_ir(attempt)(np.zeros((0, 3), dtype))
    assert fd.eval_shape(attempt, np.zeros((0, 0), dtype)).shape == (0,)  # a maximum for each of no columns


def test_wrong_operands_are_refused():
    with pytest.raises(DtypeError, match=r"sum does not take bool.*astype"):
        fd.make_ir(lambda x: reduce_sum(x, (0,)))(np.array([True]))
    with pytest.raises(DtypeError, match=r"any does not take float64"):
        fd.make_ir(lambda x: r.reduce_any(x, (0,)))(np.array([1.0]))
    with pytest.raises(ShapeError, match=r"sum of f64\[2\] over axes \(1,\): each axis must be one of 0 to 0"):
        fd.make_ir(lambda x: reduce_sum(x, (1,)))(np.zeros(2))
    with pytest.raises(ShapeError, match="none may come twice"):
        fd.make_ir(lambda x: reduce_sum(x, (0, 0)))(np.zeros(2))


# -- argmax, argmin ----------------------------------------------------------------------------------------------------

HARD = np.array(
    [
        [1, 3, 3, 0],
        [np.nan, 1, np.nan, 2],
        [-np.inf, -np.inf, -np.inf, -np.inf],
        [0.0, -0.0, 0.0, -1.0],
        [np.inf, np.nan, np.inf, 0],
    ]
)


@pytest.mark.parametrize("arg, reference", [(r.argmax, np.argmax), (r.argmin, np.argmin)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64, np.uint8, np.bool_])
def test_arg_extrema(arg, reference, dtype):
    x = (
        HARD.astype(dtype)
        if np.dtype(dtype).kind in "fc"
        else np.nan_to_num(HARD, posinf=7, neginf=0).clip(0, 7).astype(dtype)
    )
    for axis in (0, 1):
        found = arg(x, axis)
        np.testing.assert_array_equal(found, reference(x, axis=axis))
        assert found.dtype == np.int64
    assert arg(x[0], 0) == reference(x[0])
    assert arg(x[:, :0], 0).shape == (0,)


def test_arg_extremum_of_nothing_is_refused():
    with pytest.raises(ShapeError, match=r"argmax of f64\[2,0\] along axis 1, which is empty"):
        fd.make_ir(lambda x: r.argmax(x, 1))(np.zeros((2, 0)))


def test_arg_extrema_have_no_derivative():
    gradient = fd.grad(lambda x: mul(sum_all(x), convert(r.argmax(x, 0), np.float64)))(np.array([2.0, 5.0]))
    np.testing.assert_array_equal(gradient, [1.0, 1.0])


# -- the derivatives of a product: it is linear in each factor ---------------------------------------------------------


def multilinear(x, *which):
    """The derivative of ``prod(x)`` in the elements ``which``, one after the other."""
    return 0.0 if len(set(which)) < len(which) else np.prod(np.delete(x, which))


@pytest.mark.parametrize("zeros", [(), (1,), (0, 3), (0, 1, 3), (0, 1, 2, 3)])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_prod_to_third_order(zeros, dtype):
    x = np.array([2.0, -3.0, 0.5, 4.0]).astype(dtype) * (1 + 2j if dtype is np.complex128 else 1)
    x[list(zeros)] = 0
    n = range(4)
    holomorphic = dtype is np.complex128

    def f(x):
        return r.reduce_prod(x, (0,))

    first = fd.grad(f, holomorphic=holomorphic)
    second = fd.jacfwd(first, holomorphic=holomorphic)
    third = fd.jacrev(second, holomorphic=holomorphic)
    np.testing.assert_allclose(first(x), [multilinear(x, i) for i in n], rtol=1e-14)
    np.testing.assert_allclose(second(x), [[multilinear(x, i, j) for j in n] for i in n], rtol=1e-14)
    np.testing.assert_allclose(third(x), [[[multilinear(x, i, j, k) for k in n] for j in n] for i in n], rtol=1e-14)


def test_prod_over_several_axes():
    x = np.arange(12.0).reshape(2, 3, 2) - 4  # one zero
    gradient = fd.grad(lambda x: sum_all(r.reduce_prod(x, (2, 0))))(x)
    expected = np.empty_like(x)
    for i, j, k in itertools.product(range(2), range(3), range(2)):
        rest = [x[a, j, b] for a in range(2) for b in range(2) if (a, b) != (i, k)]
        expected[i, j, k] = np.prod(rest)
    np.testing.assert_array_equal(gradient, expected)


def test_prod_of_nothing():
    value, tangent = fd.jvp(lambda x: r.reduce_prod(x, (0,)), (np.zeros((0, 2)),), (np.zeros((0, 2)),))
    np.testing.assert_array_equal(value, [1.0, 1.0])
    np.testing.assert_array_equal(tangent, [0.0, 0.0])


# -- the derivatives of a maximum --------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduce, sign", [(r.reduce_max, 1.0), (r.reduce_min, -1.0)])
def test_ties_share(reduce, sign):
    x = sign * np.array([[1.0, 5.0, 5.0], [5.0, 2.0, 7.0], [3.0, 3.0, 3.0]])
    expected = [[0, 0.5, 0.5], [0, 0, 1], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_array_equal(fd.grad(lambda x: sum_all(reduce(x, (1,))))(x), expected)
    np.testing.assert_array_equal(fd.jvp(lambda x: reduce(x, (1,)), (x,), (x,))[1], reduce(x, (1,)))
    np.testing.assert_array_equal(fd.hessian(lambda x: sum_all(reduce(x, (1,))))(x), np.zeros((3, 3, 3, 3)))
    everywhere = fd.grad(lambda x: reduce(x, (0, 1)))(np.full((2, 2), 4.0))
    np.testing.assert_array_equal(everywhere, np.full((2, 2), 0.25))


def test_nan_and_infinite_extrema():
    with np.errstate(all="raise"):
        gradient = fd.grad(lambda x: r.reduce_max(x, (0,)))
        np.testing.assert_array_equal(gradient(np.array([1.0, np.nan, 2.0, np.nan])), [0, 0.5, 0, 0.5])
        np.testing.assert_array_equal(gradient(np.array([-np.inf, -np.inf])), [0.5, 0.5])
        np.testing.assert_array_equal(gradient(np.array([np.inf, 1.0])), [1, 0])


def test_what_does_not_win_gets_exactly_zero():
    pullback = fd.vjp(lambda x: r.reduce_max(x, (0,)), np.array([1.0, 2.0]))[1]
    np.testing.assert_array_equal(pullback(np.inf)[0], [0.0, np.inf])
