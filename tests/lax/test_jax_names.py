"""JAX's names in ``fd.lax`` and ``fd.ops``: against NumPy, plain and compiled, mapped and differentiated."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad import lax
from functad.errors import ArgumentError, DtypeError, FunctadError, ShapeError

X = np.sin(np.arange(60.0)).reshape(4, 5, 3)


def inside(start, shape, sizes):
    """The places that a slice is moved to."""
    starts = [s + n if s < 0 else s for s, n in zip(start, shape, strict=True)]
    return tuple(slice(m := min(max(s, 0), n - k), m + k) for s, n, k in zip(starts, shape, sizes, strict=True))


def agrees(f, whole, *args):
    """A function of arrays and its derivative in the first one, against those of another."""
    expected = whole(*args)
    weights = np.cos(np.arange(np.size(expected))).reshape(np.shape(expected))
    for run in (f, fd.jit(f)):
        np.testing.assert_allclose(run(*args), expected, rtol=4e-15)  # sums of products may be in another order
    slope = fd.grad(lambda x, *rest: np.sum(weights * whole(x, *rest)))(*args)
    for run in (fd.grad, lambda g: fd.jit(fd.grad(g))):
        found = run(lambda x, *rest: np.sum(weights * f(x, *rest)))(*args)
        np.testing.assert_allclose(found, slope, rtol=1e-13, atol=1e-14)


STARTS = [(0, 1, 1), (-1, -2, 7), (3, -9, 0)]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("start", STARTS)
def test_dynamic_slices(start):
    at = inside(start, X.shape, (2, 5, 2))
    agrees(lambda x, s: lax.dynamic_slice(x, s, (2, 5, 2)), lambda x, s: x[at], X, np.array(start))
    agrees(lambda x, s: lax.dynamic_slice(x, start, (2, 5, 2)), lambda x, s: x[at], X, 0.0)
    np.testing.assert_array_equal(
        fd.jit(lambda x, i: lax.dynamic_slice(x, (i, 0, 1), (2, 5, 2)))(X, start[0]), X[at[0], :, 1:]
    )


@pytest.mark.one_in(2)
@pytest.mark.parametrize("start", STARTS[1:])
def test_dynamic_updates(start):
    v = np.arange(8.0).reshape(4, 2, 1)
    at = inside(start, X.shape, v.shape)

    def whole(x, v):
        y = x.copy()
        y[at] = v
        return y

    agrees(lambda x, v: lax.dynamic_update_slice(x, v, np.array(start)), whole, X, v)
    agrees(lambda v, x: lax.dynamic_update_slice(x, v, np.array(start)), lambda v, x: whole(x, v), v, X)
    moved = fd.jit(lambda x, v, s: lax.dynamic_update_slice(x, v, s))(X, v, np.array(start))
    np.testing.assert_array_equal(moved, whole(X, v))


def test_slices_along_one_axis():
    for axis in (0, 1, -1):
        n = X.shape[axis]
        agrees(
            lambda x, i: lax.dynamic_slice_in_dim(x, i, 2, axis), lambda x, i: np.take(x, [n - 2, n - 1], axis), X, 99
        )
        agrees(lambda x, i: lax.dynamic_index_in_dim(x, i, axis, False), lambda x, i: np.take(x, -1, axis), X, -1)
    row = np.arange(15.0).reshape(5, 3)
    agrees(
        lambda r, i: lax.dynamic_update_index_in_dim(X, r, i, 0), lambda r, i: np.stack([X[0], r, X[2], X[3]]), row, 1
    )
    np.testing.assert_array_equal(lax.slice(X, (0, 1, 0), (4, 4, 3), (2, 1, 2)), X[:4:2, 1:4, ::2])
    np.testing.assert_array_equal(lax.slice_in_dim(X, 1, -1, 2, axis=1), X[:, 1:-1:2])
    np.testing.assert_array_equal(lax.index_in_dim(X, -1, 1), X[:, -1:])


def test_slices_are_mapped():
    starts = np.array([0, 3, -1, 9])
    found = fd.vmap(lambda x, i: lax.dynamic_slice(x, (i, 0), (2, 3)))(X, starts)
    np.testing.assert_array_equal(found, [X[k][inside((s, 0), (5, 3), (2, 3))] for k, s in enumerate(starts)])
    shared = fd.jit(fd.vmap(lambda i: lax.dynamic_slice(X[0], (i, 0), (2, 3))))(starts)
    np.testing.assert_array_equal(shared, [X[0][inside((s, 0), (5, 3), (2, 3))] for s in starts])


def test_slices_share_no_memory():
    x = np.arange(6.0)
    for y in (lax.slice(x, (0,), (3,)), lax.dynamic_slice(x, (0,), (6,)), lax.dynamic_update_slice(x, x, (0,))):
        assert not np.shares_memory(x, y) and y.flags.writeable


def test_the_largest():
    x = np.array([2.0, 7.0, 1.0, 7.0, np.nan])
    values, indices = lax.top_k(x, 4)
    np.testing.assert_array_equal(values, [np.nan, 7, 7, 2])
    np.testing.assert_array_equal(indices, [4, 1, 3, 0])
    mapped = fd.vmap(lambda x: lax.top_k(x, 2)[1])(X[0])
    np.testing.assert_array_equal(mapped, np.argsort(-X[0], axis=1, kind="stable")[:, :2])
    keys, values = fd.jit(lax.sort_key_val)(np.array([3, 1, 1]), np.array([0.0, 1.0, 2.0]))
    assert keys.tolist() == [1, 1, 3] and values.tolist() == [1.0, 2.0, 0.0]


@pytest.mark.deep
def test_derivatives_of_the_largest():
    agrees(lambda x: lax.top_k(x, 2, axis=1)[0], lambda x: -np.sort(-x, axis=1)[:, :2], X)


CUMULATIVE = {
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "cummax": np.maximum.accumulate,
    "cummin": np.minimum.accumulate,
    "cumlogsumexp": np.logaddexp.accumulate,
}


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", CUMULATIVE)
def test_sums_along_an_axis(name):
    f, whole = getattr(lax, name), CUMULATIVE[name]
    x = X[:, :, 0]
    np.testing.assert_allclose(f(x, 1), whole(x, 1), rtol=1e-14)
    back = whole(x[::-1], 0)[::-1]
    np.testing.assert_allclose(fd.jit(lambda x: f(x, 0, True))(x), back, rtol=1e-14)
    slope = fd.grad(lambda x: np.sum(np.sin(f(x))))(x[:, 0])
    t = np.array([0.3, -1.0, 0.5, 0.2])
    h = 1e-6
    g = lambda x: np.sum(np.sin(whole(x, 0)))
    assert slope @ t == pytest.approx((g(x[:, 0] + h * t) - g(x[:, 0] - h * t)) / (2 * h), rel=1e-8)


A, Y = np.array([0.25, 4.0, 9.0]), np.cos(np.arange(24.0)).reshape(4, 3, 2)

OTHERS = {
    "dot_general": (lambda x: lax.dot_general(x, Y, (((2,), (1,)), ((0,), (0,)))), lambda x: np.matmul(x, Y), X),
    "rsqrt": (lax.rsqrt, lambda x: 1 / np.sqrt(x), A),
    "clamp": (lambda x: lax.clamp(1.0, x, 5.0), lambda x: np.clip(x, 1.0, 5.0), A),
    "pad": (
        lambda x: lax.pad(x, 0.5, [(1, -1, 2)]),
        lambda x: np.array([0.5, x[0], 0.5, 0.5, x[1], 0.5, 0.5]),
        A,
    ),
    "broadcast_in_dim": (
        lambda x: lax.broadcast_in_dim(x, (2, 3, 2), (1,)),
        lambda x: np.broadcast_to(x[:, None], (2, 3, 2)),
        A,
    ),
    "expand_dims": (lambda x: lax.expand_dims(x, (0, 2)), lambda x: x[None, :, None], A),
    "collapse": (lambda x: lax.collapse(x, 1), lambda x: x.reshape(4, 15), X),
    "rev": (lambda x: lax.rev(x, (0, 2)), lambda x: x[::-1, :, ::-1], X),
    "broadcast": (
        lambda x: lax.broadcast(lax.squeeze(x[:1], (0,)), (2,)),
        lambda x: np.broadcast_to(x[0], (2, 5, 3)),
        X,
    ),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", OTHERS)
def test_other_operations(name):
    agrees(*OTHERS[name])


def test_dtypes_of_numbers():
    assert lax.dot_general(A, A, (((0,), (0,)), ((), ())), preferred_element_type=np.float32).dtype == np.float32
    np.testing.assert_array_equal(lax.broadcasted_iota(int, (2, 3), 1), [[0, 1, 2], [0, 1, 2]])
    np.testing.assert_array_equal(fd.jit(lambda: lax.iota(np.int32, 3))(), np.arange(3, dtype=np.int32))


SEGMENTS = {"sum": (0, np.add), "prod": (1, np.multiply), "max": (-np.inf, np.maximum), "min": (np.inf, np.minimum)}


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", SEGMENTS)
def test_segments(name):
    start, ufunc = SEGMENTS[name]
    rows, ids = X[0], np.array([2, 0, 5, -1, 2])
    whole = np.full((4, 3), float(start))
    for row, i in zip(rows, ids, strict=True):
        if 0 <= i < 4:
            whole[i] = ufunc(whole[i], row)
    f = getattr(fd.ops, f"segment_{name}")
    np.testing.assert_array_equal(f(rows, ids, 4), whole)
    np.testing.assert_array_equal(fd.jit(lambda x, i: f(x, i, 4, indices_are_sorted=True))(rows, ids), whole)
    np.testing.assert_array_equal(fd.vmap(lambda x: f(x, ids, 4), in_axes=1, out_axes=1)(rows), whole)
    known = f(np.arange(3), np.array([1, 1, 0]))
    assert known.tolist() == [ufunc.reduce([2]), ufunc.reduce([0, 1])]
    slope = fd.grad(lambda x: np.sum(np.arctan(f(x, ids, 4))))(rows)
    jitted = fd.jit(fd.grad(lambda x: np.sum(np.arctan(f(x, ids, 4)))))(rows)
    np.testing.assert_allclose(slope, jitted, rtol=1e-14)
    assert not slope[[2, 3]].any() and slope[1].all()


@pytest.mark.parametrize(
    ("kind", "f", "message"),
    [
        (ShapeError, lambda: lax.dynamic_slice(X, (0, 0), (1, 1, 1)), "takes a start for each"),
        (ShapeError, lambda: lax.dynamic_slice(X, (0, 0, 0), (5, 1, 1)), "(5, 1, 1) does not fit into an array"),
        (ShapeError, lambda: lax.dynamic_slice(X, (0, 0, 0), (5, 1)), "has no slice of the shape (5, 1)"),
        (DtypeError, lambda: lax.dynamic_slice(X, (0.5, 0, 0), (1, 1, 1)), "begins at an integer along each axis"),
        (ShapeError, lambda: lax.dynamic_update_slice(X, X[0], (0, 0, 0)), "they need as many axes"),
        (DtypeError, lambda: lax.dynamic_update_slice(np.arange(3), np.array([0.5]), (0,)), "would be cut"),
        (ShapeError, lambda: lax.slice(X, (0,), (1,)), "takes as many starts, limits and strides"),
        (ShapeError, lambda: lax.slice(np.ones(3), (0,), (4,)), "0 to 4 by 1 does not lie in an axis of length 3"),
        (ShapeError, lambda: lax.index_in_dim(np.ones(3), 3), "index 3 is out of bounds for an axis of length 3"),
        (ShapeError, lambda: lax.top_k(np.ones(3), 4), "there are no 4 largest of 3 elements"),
        (ShapeError, lambda: lax.sort_key_val(np.ones(3), np.ones(2)), "keys have the shape (3,), values (2,)"),
        (DtypeError, lambda: lax.cumlogsumexp(np.ones(3) * 1j), "is of real numbers, got complex128"),
        (ShapeError, lambda: lax.broadcast_in_dim(np.ones(3), (2, 4), (1,)), "does not fit the axes (1,)"),
        (ShapeError, lambda: lax.pad(np.ones(3), 0.0, [(0, 0, -1)]), "nothing negative between"),
        (FunctadError, lambda: lax.cumsum(np.ones(3), 1), "axis 1"),
        (ShapeError, lambda: fd.ops.segment_sum(np.ones(3), np.array([0, 1])), "a number for each of its rows"),
        (DtypeError, lambda: fd.ops.segment_sum(np.ones(3), np.ones(3)), "must be integers, got float64"),
        (ArgumentError, lambda: fd.jit(fd.ops.segment_sum)(np.ones(2), np.array([0, 1])), "give num_segments"),
        (ArgumentError, lambda: fd.ops.segment_sum(np.ones(2), np.array([0, 1]), -1), "num_segments=-1 is negative"),
    ],
)
def test_wrong_arguments(kind, f, message):
    with pytest.raises(kind) as error:
        f()
    assert message in str(error.value)
    assert message == "axis 1" or "test_jax_names.py:" in str(error.value)
