"""Gather and scatter against plain loops: repeated, negative, batched, hostile indices; derivatives at ties, zeros,
overwritten updates.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import functad as fd
from functad.errors import DtypeError, IndexOutOfBoundsError, LinearityError, ShapeError
from functad.primitives.arithmetic import mul
from functad.primitives.broadcasting import reduce_sum, sum_all
from functad.primitives.gather import gather
from functad.primitives.indexing import check_index
from functad.primitives.reductions import reduce_prod
from functad.primitives.scatter import scatter
from functad.primitives.shapes import reshape
from functad.testing import check_grads

CASES = {
    "repeated": ((4,), [[3, 0, 3, 3]], 0),
    "negative": ((4,), [[-1, 3, -4, 0]], 0),
    "one": ((4,), [2], 0),
    "rows": ((3, 2), [[[1, 1], [2, 0]]], 0),
    "elements": ((3, 4), [[1, 2, 1, 1], [3, -1, -1, 0]], 0),
    "batch": ((2, 3, 2), [[[0, 2, -1], [1, 1, 0]]], 1),
    "two batch axes": ((2, 1, 3), [[[[0, 2, 2]], [[1, 1, 1]]]], 2),
    "one a batch": ((2, 3), [[2, -3]], 1),
    "batch of elements": ((2, 2, 3), [[[0, 1], [1, 1]], [[2, 0], [0, 0]]], 1),
    "none": ((4,), [np.zeros((0,), int)], 0),
    "none of none": ((0, 2), [np.zeros((0,), int)], 0),
    "empty rows": ((3, 0), [[2, 1]], 0),
}


def operands(case, dtype=np.float64):
    shape, indices, batch = CASES[case]
    indices = [np.array(i, np.int64) for i in indices]
    rng = np.random.default_rng(3)
    updates = indices[0].shape + shape[batch + len(indices) :]
    x, u = (
        np.asarray(rng.integers(-4, 5, s) * (1 - 1j if np.dtype(dtype).kind == "c" else 1)).astype(dtype)
        for s in (shape, updates)
    )
    return x, u, indices, batch


def places(indices, batch):
    """For each update in row-major order: its position among the updates, and where it goes."""
    for position in np.ndindex(indices[0].shape):
        yield position, (*position[:batch], *[int(i[position]) for i in indices])


# -- gather ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.complex64, np.int64, np.bool_])
@pytest.mark.parametrize("case", CASES)
def test_gather(case, dtype):
    x, u, indices, batch = operands(case, dtype)
    expected = np.empty_like(u)
    for position, place in places(indices, batch):
        expected[position] = x[place]
    np.testing.assert_array_equal(gather(x, *indices, batch=batch), expected)


@pytest.mark.parametrize("case", CASES)
def test_gather_derivative(case):
    x, u, indices, batch = operands(case)
    check_grads(lambda x: gather(x, *indices, batch=batch), (x,))
    ct = fd.vjp(lambda x: gather(x, *indices, batch=batch), x)[1](np.asarray(u))[0]
    np.testing.assert_array_equal(ct, scatter(np.zeros_like(x), u, *indices, batch=batch))


# -- scatter -----------------------------------------------------------------------------------------------------------

COMBINE = {"add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum, "set": lambda old, new: new}


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64])
@pytest.mark.parametrize("op", COMBINE)
@pytest.mark.parametrize("case", CASES)
def test_scatter(case, op, dtype):
    x, u, indices, batch = operands(case, dtype)
    expected = x.copy()
    for position, place in places(indices, batch):
        expected[place] = COMBINE[op](expected[place], u[position])
    before = x.copy()
    np.testing.assert_array_equal(scatter(x, u, *indices, op=op, batch=batch), expected, strict=True)
    np.testing.assert_array_equal(x, before)


def test_last_one_wins_in_row_major_order_whatever_the_layout():
    rng = np.random.default_rng(4)
    index = np.asfortranarray(rng.integers(0, 50, (300, 40)))
    updates = np.arange(12000.0).reshape(300, 40)
    last = np.zeros(50)
    for position in np.ndindex(300, 40):
        last[index[position]] = updates[position]
    for i, u in ((index, updates), (index, np.asfortranarray(updates)), (index[::-1][::-1], updates)):
        np.testing.assert_array_equal(scatter(np.zeros(50), u, i, op="set"), last)


def test_scatter_of_bools():
    x = np.array([True, False, True])
    np.testing.assert_array_equal(scatter(x, np.array([False, True]), np.array([0, 1]), op="set"), [False, True, True])
    with pytest.raises(DtypeError, match="bools can only be set"):
        fd.make_ir(lambda x: scatter(x, x, np.arange(3), op="max"))(x)


def test_scatter_keeps_nan():
    x, u, index = np.array([1.0, np.nan, 2.0]), np.array([np.nan, 5.0]), np.array([0, 1])
    for op in ("add", "mul", "min", "max"):
        np.testing.assert_array_equal(scatter(x, u, index, op=op), [np.nan, np.nan, 2.0])


# -- derivatives of scatter: smooth ones by differences, the others in closed form -------------------------------------


@pytest.mark.parametrize("op", ["add", "mul", "set"])
@pytest.mark.parametrize("case", CASES)
def test_smooth_scatters(case, op):
    """The values hold zeros, which a product must bear."""
    x, u, indices, batch = operands(case)
    check_grads(lambda x, u: scatter(x, u, *indices, op=op, batch=batch), (x, np.asarray(u)))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("op", ["min", "max"])
def test_scattered_extrema_away_from_ties(case, op):
    x, u, indices, batch = operands(case)
    rng = np.random.default_rng(5)
    x, u = x + rng.uniform(0.1, 0.4, x.shape), u + rng.uniform(0.6, 0.9, u.shape)
    check_grads(lambda x, u: scatter(x, u, *indices, op=op, batch=batch), (x, np.asarray(u)))


def test_only_the_last_update_gets_the_cotangent():
    u, index = np.ones((4, 2)), np.array([3, -4, 3, -1])
    ct = np.array([[1.0, 2], [3, 4], [5, 6], [np.inf, 8]])
    ct_x, ct_u = fd.vjp(lambda x, u: scatter(x, u, index, op="set"), np.ones((4, 2)), u)[1](ct)
    np.testing.assert_array_equal(ct_x, [[0, 0], [3, 4], [5, 6], [0, 0]])
    np.testing.assert_array_equal(ct_u, [[0, 0], [1, 2], [0, 0], [np.inf, 8]])
    ct = fd.grad(lambda u: sum_all(scatter(np.ones(4), u, np.array([[1, 2], [2, 1]]), op="set")))(np.ones((2, 2)))
    np.testing.assert_array_equal(ct, [[0, 0], [1, 1]])


@pytest.mark.parametrize("op, sign", [("max", 1.0), ("min", -1.0)])
def test_scattered_ties_share(op, sign):
    x, u, index = (
        sign * np.array([2.0, 2.0, 0.0, 7.0]),
        sign * np.array([2.0, 1.0, 2.0, 3.0, 3.0]),
        np.array([0, 1, 0, 2, -2]),
    )

    def f(x, u):
        return scatter(x, u, index, op=op)

    by_x, by_u = fd.jacrev(f, argnums=(0, 1))(x, u)
    np.testing.assert_allclose(by_x, np.diag([1 / 3, 1, 0, 1]), rtol=1e-15)
    np.testing.assert_allclose(by_u, [[1 / 3, 0, 1 / 3, 0, 0], [0] * 5, [0, 0, 0, 0.5, 0.5], [0] * 5], rtol=1e-15)
    np.testing.assert_array_equal(fd.jacfwd(f, argnums=(0, 1))(x, u)[1], by_u)
    np.testing.assert_array_equal(fd.hessian(lambda u: sum_all(f(x, u)))(u), np.zeros((5, 5)))


def test_scattered_nan_takes_the_tangent():
    x, u = np.array([np.nan, 1.0]), np.array([2.0, np.nan])
    by_x, by_u = fd.jacfwd(lambda x, u: scatter(x, u, np.array([0, 1]), op="max"), argnums=(0, 1))(x, u)
    np.testing.assert_array_equal(by_x, [[1, 0], [0, 0]])
    np.testing.assert_array_equal(by_u, [[0, 0], [0, 1]])


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_scattered_product_to_third_order(dtype):
    """All updates to one element: its derivatives are those of the product of all."""
    u = np.array([2.0, 0.0, -3.0, 0.0]).astype(dtype)
    holomorphic = dtype is np.complex128

    def scattered(u):
        return reduce_sum(scatter(np.array([5.0], dtype), u, np.array([0, 0, -1, 0]), op="mul"), (0,))

    def product(u):
        return mul(reduce_prod(u, (0,)), dtype(5.0))

    derivatives = []
    for f in (scattered, product):
        first = fd.grad(f, holomorphic=holomorphic)
        second = fd.jacrev(first, holomorphic=holomorphic)
        derivatives.append([first(u), second(u), fd.jacfwd(second, holomorphic=holomorphic)(u)])
    for found, expected in zip(*derivatives, strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(derivatives[0][1][1, 3], -30.0)


def test_vmap_of_gather_and_scatter_is_a_loop():
    rng = np.random.default_rng(6)
    x, index, u = rng.normal(size=(3, 4, 2)), rng.integers(-4, 4, (3, 5)), rng.normal(size=(3, 5, 2))

    def f(x, i, u):
        return gather(scatter(x, u, i, op="mul"), i)

    for axes in itertools.product((0, None), repeat=3):
        if axes == (None,) * 3:
            continue
        args = [a if axis == 0 else a[0] for a, axis in zip((x, index, u), axes, strict=True)]
        lanes = [f(*[a[k] if axis == 0 else a for a, axis in zip(args, axes, strict=True)]) for k in range(3)]
        np.testing.assert_allclose(fd.vmap(f, in_axes=axes)(*args), lanes, rtol=1e-13)


# -- hostile indices ---------------------------------------------------------------------------------------------------

HOSTILE = [3, -4, 2**31, -(2**31), 2**62, np.iinfo(np.int64).max, np.iinfo(np.int64).min]


@pytest.mark.parametrize("bad", HOSTILE)
def test_indices_out_of_bounds_raise(bad):
    x, index = np.zeros((2, 3)), np.array([0, bad, -3])
    message = rf"index {bad} is out of bounds for axis 1 with size 3: valid are -3 to 2, and np.clip"
    with pytest.raises(IndexOutOfBoundsError, match=message):
        gather(x, np.zeros(3, np.int64), index)
    with pytest.raises(IndexError, match=message):
        scatter(x, np.zeros((3,)), np.zeros(3, np.int64), index)
    with pytest.raises(IndexOutOfBoundsError, match=message):
        fd.grad(lambda x: sum_all(gather(x, np.zeros(3, np.int64), index)))(x)
    with pytest.raises(IndexOutOfBoundsError, match=message):
        fd.vmap(lambda i: gather(x, np.int64(0), i))(index)


def test_an_index_out_of_bounds_raises_where_nothing_is_read():
    with pytest.raises(IndexOutOfBoundsError, match="index 5 is out of bounds for axis 0 with size 3"):
        gather(np.zeros((3, 0)), np.array([5]))
    with pytest.raises(
        IndexOutOfBoundsError, match="index 0 is out of bounds for axis 0 with size 0: it has no elements"
    ):
        scatter(np.zeros((0, 2)), np.zeros((1, 2)), np.array([0]), op="set")


def test_an_unused_gather_still_raises():
    def f(x):
        gather(x, np.array([7]))
        return sum_all(x)

    with pytest.raises(IndexOutOfBoundsError):
        fd.grad(f)(np.zeros(3))


def test_try_except_works_in_a_traced_function():
    def f(x):
        try:
            return sum_all(gather(x, np.array([7])))
        except IndexError:
            return sum_all(x)

    np.testing.assert_array_equal(fd.grad(f)(np.zeros(3)), np.ones(3))


def test_check_index_wraps():
    np.testing.assert_array_equal(check_index(np.array([-3, -1, 0, 2]), 0, 3), [0, 2, 0, 2])
    assert check_index(np.int64(-1), 0, 5) == 4


def test_wrong_operands_are_refused():
    x = np.zeros((2, 3))

    def refused(error, message, f, *args):
        with pytest.raises(error, match=message):
            fd.make_ir(f)(*args)

    refused(
        DtypeError,
        r"gather of f64\[2,3\] at indices i32\[1\]: indices must be int64",
        lambda x: gather(x, np.zeros(1, np.int32)),
        x,
    )
    refused(DtypeError, "indices must be int64.*mask with np.nonzero", lambda x: gather(x, np.array([True, False])), x)
    refused(DtypeError, r"an index must be int64, got f64\[\]", lambda x: check_index(x, 0, 3), 1.0)
    refused(
        ShapeError,
        r"i64\[1\], i64\[2\]: index arrays must have one shape",
        lambda x: gather(x, np.array([0]), np.array([0, 1])),
        x,
    )
    refused(
        ShapeError, r"at indices i64\[\], i64\[\], i64\[\]: there must be", lambda x: gather(x, *[np.int64(0)] * 3), x
    )
    refused(ShapeError, "at least one index array", lambda x: gather(x), x)
    refused(
        ShapeError,
        "with batch=1: the first 1 axes of both must be equal",
        lambda x: gather(x, np.zeros((3, 1), np.int64), batch=1),
        x,
    )
    refused(
        ShapeError,
        r"scatter_add into f64\[2,3\] at indices i64\[1\] takes updates of type f64\[1,3\], got f64\[3\]; broadcast",
        lambda x: scatter(x, np.zeros(3), np.array([0])),
        x,
    )
    refused(
        DtypeError,
        r"takes updates of type f64\[1,3\], got i64\[1,3\]",
        lambda x: scatter(x, np.zeros((1, 3), int), np.array([0])),
        x,
    )


def test_scattered_extrema_and_products_are_not_linear():
    for op in ("max", "min", "mul"):
        with pytest.raises(LinearityError, match=f"scatter_{op}"):
            fd.linear_transpose(lambda u, op=op: scatter(np.zeros(2), u, np.array([0, 0]), op=op), np.ones(2))(
                np.ones(2)
            )
    (ct,) = fd.linear_transpose(lambda x: scatter(x, np.array([2.0, 3.0]), np.array([0, 0]), op="mul"), np.ones(2))(
        np.ones(2)
    )
    np.testing.assert_array_equal(ct, [6.0, 1.0])


def test_reshaped_gather_of_one_element():
    assert fd.grad(lambda x: reshape(gather(x, np.array([-1])), ()))(np.array([1.0, 2.0])).tolist() == [0.0, 1.0]
