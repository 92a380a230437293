"""Shape operations against NumPy: broadcast, reshape, transpose, flip, slice, pad, concatenate, iota; all but iota are
linear maps.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import DtypeError, ShapeError
from functad.primitives.broadcasting import broadcast, sum_all
from functad.primitives.generate import iota
from functad.primitives.joining import concatenate
from functad.primitives.shapes import flip, reshape, transpose
from functad.primitives.slicing import pad, slice_


def array(*shape):
    return np.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape)


def check_linear(f, *xs):
    """``f`` is its own derivative, and forward and reverse mode pair."""
    rng = np.random.default_rng(0)
    tangents = tuple(rng.normal(size=x.shape) for x in xs)
    value, tangent = fd.jvp(f, xs, tangents)
    np.testing.assert_array_equal(value, f(*xs))
    np.testing.assert_array_equal(tangent, f(*tangents))
    ct = rng.normal(size=value.shape)
    cts = fd.vjp(f, *xs)[1](ct)
    np.testing.assert_allclose(
        sum(np.sum(a * t) for a, t in zip(cts, tangents, strict=True)), np.sum(ct * tangent), rtol=1e-13, atol=1e-13
    )


def test_flip():
    x = array(2, 3, 2)
    for axes in ((), (1,), (2, 0)):
        np.testing.assert_array_equal(flip(x, axes), np.flip(x, axes))
        check_linear(lambda x, axes=axes: flip(x, axes), x)
    assert flip(np.float64(2.0), ()) == 2.0


@pytest.mark.parametrize(
    "shape, index",
    [
        ((5,), np.s_[1:4]),
        ((5,), np.s_[::2]),
        ((6,), np.s_[1:6:2]),
        ((6,), np.s_[5:6:3]),
        ((6,), np.s_[2:2]),
        ((6,), np.s_[0:6:20]),
        ((3, 4), np.s_[1:3, ::3]),
        ((0, 4), np.s_[:, 1:]),
        ((), ()),
    ],
)
def test_slice(shape, index):
    x = array(*shape)
    spans = [s.indices(n) for s, n in zip(index if isinstance(index, tuple) else (index,), shape, strict=True)]

    def f(x):
        return slice_(x, *(zip(*spans, strict=True) if spans else ((), (), ())))

    np.testing.assert_array_equal(f(x), x[index])
    check_linear(f, x)


def test_equal_slices_are_equal_equations():
    program = fd.make_ir(lambda x: slice_(x, (0,), (5,), (3,)))(array(6))
    assert str(program) == str(fd.make_ir(lambda x: slice_(x, (0,), (4,), (3,)))(array(6)))
    assert not fd.make_ir(lambda x: slice_(x, (0,), (6,), (1,)))(array(6)).eqns


@pytest.mark.parametrize(
    "starts, stops, steps",
    [((0,), (4,), (1,)), ((-1,), (3,), (1,)), ((0,), (3,), (0,)), ((2,), (0,), (-1,)), ((), (), ())],
)
def test_slices_outside_are_refused(starts, stops, steps):
    with pytest.raises(ShapeError, match=r"cannot slice f64\[3\] as \[.*0 <= start <= stop <= n"):
        fd.make_ir(lambda x: slice_(x, starts, stops, steps))(array(3))


@pytest.mark.parametrize(
    "shape, widths",
    [
        ((3,), ((1, 2, 0),)),
        ((3,), ((0, 0, 2),)),
        ((2, 3), ((2, 0, 1), (0, 1, 3))),
        ((1,), ((1, 1, 5),)),
        ((0,), ((2, 1, 4),)),
        ((0, 2), ((0, 0, 3), (1, 1, 1))),
        ((), ()),
    ],
)
def test_pad(shape, widths):
    x = array(*shape)
    expected = x
    for axis, (low, high, interior) in enumerate(widths):
        gaps = np.repeat(np.arange(1, expected.shape[axis]), interior)
        expected = np.insert(expected, gaps, -7.0, axis)
        expected = np.pad(expected, [(low, high) if a == axis else (0, 0) for a in range(x.ndim)], constant_values=-7.0)
    np.testing.assert_array_equal(pad(x, np.float64(-7.0), widths), expected)
    check_linear(lambda x, v: pad(x, v, widths), x, np.float64(-7.0))


def test_cotangent_of_the_value_ignores_the_rest():
    pullback = fd.vjp(lambda x, v: pad(x, v, ((1, 1, 0),)), np.zeros(2), np.float64(0.0))[1]
    ct_x, ct_value = pullback(np.array([1.0, np.inf, np.nan, 2.0]))
    np.testing.assert_array_equal(ct_x, [np.inf, np.nan])
    assert ct_value == 3.0


def test_pad_refusals():
    with pytest.raises(ShapeError, match=r"cannot pad f64\[3\] by \(\(0, -1, 0\),\).*none negative"):
        fd.make_ir(lambda x: pad(x, np.float64(0), ((0, -1, 0),)))(array(3))
    with pytest.raises(ShapeError, match=r"cannot pad f64\[3,2\] by \(\(1, 1, 0\),\)"):
        fd.make_ir(lambda x: pad(x, np.float64(0), ((1, 1, 0),)))(array(3, 2))
    with pytest.raises(ShapeError, match=r"takes a value of type f64\[\], got f64\[1\]"):
        fd.make_ir(lambda x, v: pad(x, v, ((0, 1, 0),)))(array(3), array(1))
    with pytest.raises(DtypeError, match=r"takes a value of type f64\[\], got i64\[\]"):
        fd.make_ir(lambda x: pad(x, np.int64(0), ((0, 1, 0),)))(array(3))


def test_concatenate():
    xs = array(2, 3), array(2, 1), array(2, 0)
    np.testing.assert_array_equal(concatenate(xs, 1), np.concatenate(xs, 1))
    check_linear(lambda *xs: concatenate(xs, 1), *xs)
    check_linear(lambda x: concatenate([x, x], 0), array(3))
    pullback = fd.vjp(lambda x: concatenate([np.zeros(2), x], 0), array(1))[1]  # a part that is held fixed
    np.testing.assert_array_equal(pullback(array(3))[0], [3.0])


def test_concatenate_refusals():
    with pytest.raises(ShapeError, match=r"cannot concatenate f64\[2,3\] and f64\[3,3\] along axis 1"):
        fd.make_ir(lambda x, y: concatenate([x, y], 1))(array(2, 3), array(3, 3))
    with pytest.raises(ShapeError, match=r"cannot concatenate f64\[2\] and f64\[2,1\]"):
        fd.make_ir(lambda x, y: concatenate([x, y], 0))(array(2), array(2, 1))
    with pytest.raises(DtypeError, match=r"got f64\[2\] and i64\[2\]; convert"):
        fd.make_ir(lambda x: concatenate([x, np.arange(2)], 0))(array(2))
    with pytest.raises(ShapeError, match=r"concatenate of f64\[\] over axes \(0,\)"):
        fd.make_ir(lambda x: concatenate([x, x], 0))(1.0)


def test_iota():
    for dtype in (np.int64, np.uint8, np.float32, np.complex128):
        found = iota((2, 300), dtype, 1)
        np.testing.assert_array_equal(found, np.broadcast_to(np.arange(300).astype(dtype), (2, 300)), strict=True)
    assert iota((0, 2), np.int64, 0).shape == (0, 2)
    with pytest.raises(DtypeError, match="iota does not make bool"):
        fd.make_ir(lambda x: iota((2,), np.bool_, 0))(1.0)
    with pytest.raises(ShapeError, match=r"iota of f64\[\] over axes \(0,\)"):
        fd.make_ir(lambda x: iota((), np.float64, 0))(1.0)


@pytest.mark.parametrize(
    "x", [array(3), array(1), array(2, 3), array(3, 2).T, array(4, 3)[::2], array(0), np.asfortranarray(array(2, 3))]
)
def test_broadcast_is_a_view_that_nobody_can_write_to(x):
    shape = (2, *[4 if n == 1 else n for n in x.shape])
    y = broadcast(x, shape, range(1, 1 + x.ndim))
    np.testing.assert_array_equal(y, np.broadcast_to(x, shape), strict=True)
    assert not y.flags.writeable and (np.shares_memory(y, x) or not x.size)


def test_broadcast_reshape_transpose():
    check_linear(lambda x: broadcast(x, (2, 3, 4), (0, 2)), array(2, 1))
    check_linear(lambda x: broadcast(x, (2, 0), (0,)), array(2))
    check_linear(lambda x: reshape(x, (3, 1, 2)), array(6))
    check_linear(lambda x: transpose(x, (2, 0, 1)), array(2, 3, 4))
    np.testing.assert_array_equal(fd.grad(lambda x: sum_all(broadcast(x, (2, 3), ())))(1.0), 6.0)


def test_shape_refusals():
    with pytest.raises(ShapeError, match=r"cannot broadcast f64\[2\] to shape \(3,\): axis of length 2 does not fit 3"):
        fd.make_ir(lambda x: broadcast(x, (3,), (0,)))(array(2))
    with pytest.raises(ShapeError, match="one axis of the shape for each"):
        fd.make_ir(lambda x: broadcast(x, (2, 2), (0, 0)))(array(2, 2))
    with pytest.raises(ShapeError, match=r"cannot reshape f64\[6\] \(6 elements\) to shape \(4,\)"):
        fd.make_ir(lambda x: reshape(x, (4,)))(array(6))
    with pytest.raises(ShapeError, match=r"cannot transpose f64\[2,3\] by axes \(0, 0\).*permutation of 0 to 1"):
        fd.make_ir(lambda x: transpose(x, (0, 0)))(array(2, 3))
    with pytest.raises(ShapeError, match=r"flip of f64\[2\] over axes \(1,\)"):
        fd.make_ir(lambda x: flip(x, (1,)))(array(2))
