"""Reshaping, transposing, repeating, joining, splitting, padding, diagonals."""

from __future__ import annotations

import numpy as np
import pytest

from functad.errors import ArgumentError, AxisError, ShapeError, UnsupportedError
from tests.numpy.against_numpy import array, check, tracing


@pytest.mark.parametrize("dtype", ["f8", "c8", "i4", "?"])
def test_reshape(dtype):
    x = array((2, 3, 4), dtype)
    for shape in ((6, 4), (-1,), -1, 24, (4, -1, 2), (2, 1, 3, 4), [3, 8]):
        for order in "CF":
            check(lambda x: np.reshape(x, shape, order=order), x)
            check(lambda x: x.reshape(shape, order=order), x)
    check(lambda x: x.reshape(4, 6), x)
    check(lambda x: np.ravel(x), x)
    check(lambda x: np.ravel(x, "F"), x)
    check(lambda x: x.flatten(), x)
    check(lambda x: x.reshape(()), array(1, dtype))
    check(lambda x: x.reshape(-1), array((0, 3), dtype))
    check(lambda x: x.reshape(3, -1), array((0, 3), dtype))


@pytest.mark.parametrize("shape", [(5, 5), (-1, 5), (-1, -1), (0, -1), (-2, 12)])
def test_reshape_refuses(shape):
    with pytest.raises(
        ShapeError, match=r"np.reshape at .*: cannot reshape array of shape \(2, 3, 4\) \(24 elements\) into shape"
    ):
        tracing(lambda x: x.reshape(shape), np.ones((2, 3, 4)))


def test_a_shape_is_made_of_integers():
    with pytest.raises(ShapeError, match="a shape is made of integers, got"):
        tracing(lambda x: x.reshape(2.0, 3), np.ones(6))
    for order in "AK":
        for flat in (lambda x: x.T.ravel(order), lambda x: np.ravel(x, order=order), lambda x: x.flatten(order)):
            with pytest.raises(
                ArgumentError,
                match=rf"order='{order}' goes by how an array lies in memory, which traced values do not know",
            ):
                tracing(flat, np.ones((2, 3)))
        check(lambda x: np.ravel(x, order=order), np.ones(3))
    with pytest.raises(ArgumentError, match="order must be 'C' or 'F', got 'Z'"):
        tracing(lambda x: np.reshape(x, (2, 3), order="Z"), np.ones(6))


def test_axes():
    x = array((2, 3, 4))
    for f in (
        lambda x: np.transpose(x), lambda x: x.T, lambda x: x.mT, lambda x: np.transpose(x, (1, 0, 2)),
        lambda x: x.transpose(2, 0, 1), lambda x: x.transpose((-1, 0, 1)), lambda x: np.swapaxes(x, 0, -1),
        lambda x: x.swapaxes(0, 1), lambda x: np.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, (0, 1), (-1, 0)),
        lambda x: np.rollaxis(x, 2), lambda x: np.rollaxis(x, 0, 3), lambda x: np.flip(x), lambda x: np.flip(x, 1),
        lambda x: np.flip(x, (0, -1)), lambda x: np.flipud(x), lambda x: np.fliplr(x), lambda x: np.rot90(x),
        lambda x: np.rot90(x, 2), lambda x: np.rot90(x, -1, (1, 2)), lambda x: np.rot90(x, 4),
        lambda x: np.matrix_transpose(x), lambda x: np.expand_dims(x, 0), lambda x: np.expand_dims(x, (0, -1)),
        lambda x: np.squeeze(x[None, :, :1]), lambda x: np.squeeze(x[None], 0), lambda x: x[:1].squeeze(0),
        lambda x: np.permute_dims(x, (1, 0, 2)),
    ):  # fmt: skip
        check(f, x)
    for x in (2.0, np.float32(1), array(3), array((2, 3)), array((2, 3, 4))):
        for f in (
            np.atleast_1d,
            np.atleast_2d,
            np.atleast_3d,
            np.squeeze,
            np.copy,
            np.shape,
            np.ndim,
            np.size,
            np.ravel,
        ):
            check(f, x)
    check(lambda x: np.atleast_2d(x, 1.0), array(3))
    check(lambda x: np.size(x, 1), array((2, 3)))


def test_axes_refused():
    x = np.ones((2, 3))
    with pytest.raises(ShapeError, match=r"cannot squeeze axis 0 of length 2 of shape \(2, 3\)"):
        tracing(lambda x: np.squeeze(x, 0), x)
    with pytest.raises(AxisError, match=r"axes \(0,\) do not match an array of shape \(2, 3\)"):
        tracing(lambda x: np.transpose(x, (0,)), x)
    with pytest.raises(AxisError, match="must have the same number of axes"):
        tracing(lambda x: np.moveaxis(x, (0, 1), 0), x)
    with pytest.raises(AxisError, match="axis 2 is out of bounds for array of dimension 2"):
        tracing(lambda x: np.swapaxes(x, 0, 2), x)
    with pytest.raises(ShapeError, match="must have at least two axes"):
        tracing(lambda x: x.mT, np.ones(3))


def test_repetition():
    x = array((2, 3))
    for shape in ((2, 3), (4, 2, 3), [1, 2, 3]):
        check(lambda x: np.broadcast_to(x, shape), x)
    check(lambda x: np.broadcast_to(x, 3), 2.0)
    check(lambda x: np.broadcast_arrays(x, np.ones((4, 1, 1)), 2), x)
    for reps in (2, (2,), (2, 1), (3, 2, 1), (0, 2)):
        check(lambda x: np.tile(x, reps), x)
        check(lambda x: np.tile(x, reps), 1.5)
    for axis in (None, 0, 1, -1):
        for repeats in (2, 0, [2], np.array(3)):
            check(lambda x: np.repeat(x, repeats, axis), x)
            check(lambda x: x.repeat(repeats, axis), x)
    check(lambda x: np.repeat(x, [1, 0, 2], 1), x)
    for shift, axis in ((1, None), (-2, 0), (4, 1), ((1, 2), (0, 1)), (1, (0, 1)), (0, 0), ((1, 1), 0)):
        check(lambda x: np.roll(x, shift, axis), x)
    check(lambda x: np.roll(x, 1), array(0))
    with pytest.raises(ShapeError, match=r"an array of shape \(2, 3\) cannot be broadcast to shape \(2, 4\)"):
        tracing(lambda x: np.broadcast_to(x, (2, 4)), x)
    with pytest.raises(ShapeError, match=r"\(2,\) repeats do not fit an axis of length 3"):
        tracing(lambda x: np.repeat(x, [1, 2], 1), x)


def test_joining():
    x, y = array((2, 3), seed=1), array((2, 3), "f4", seed=2)
    for axis in (0, 1, -1, None):
        check(lambda x, y: np.concatenate([x, y, np.ones((2, 3), int)], axis), x, y)
        if axis is not None:
            check(lambda x, y: np.stack((x, y), axis), x, y)
    for f in (np.vstack, np.hstack, np.dstack, np.column_stack):
        check(lambda x, y, f=f: f([x, y]), x, y)
        check(lambda x, y, f=f: f((x[0], y[1])), x, y)
        check(lambda x, f=f: f([x, 1.0, 2]), 3.0)
    check(lambda x: np.stack([x, x * 2, 1]), 0.5)
    check(lambda x: np.concatenate([x]), array(3))
    check(lambda x: np.concatenate([x, x], dtype="f4"), array(3))
    check(lambda x: np.append(x, [1, 2]), array(3))
    check(lambda x: np.append(x, x, 0), x)
    check(lambda x, y: np.block([[x, y], [np.ones((1, 6))]]), x, y)
    check(lambda x: np.block([x, 1.0]), array(3))
    check(lambda x: np.unstack(x, axis=1), x)


def test_joining_refused():
    with pytest.raises(ShapeError, match=r"all axes but axis 0 must have equal lengths, got shapes \(2, 3\) \(2, 4\)"):
        tracing(lambda x: np.concatenate([x, np.ones((2, 4))]), np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"np.stack at .*: all arrays must have one shape, got \(2, 3\) \(2,\)"):
        tracing(lambda x: np.stack([x, np.ones(2)]), np.ones((2, 3)))
    with pytest.raises(ShapeError, match="use np.stack"):
        tracing(lambda x: np.concatenate([x, x]), 1.0)


def test_splitting():
    x = array((4, 6))
    for where, axis in ((2, 0), (3, 1), ([1, 3], 1), ([2, 2, 9], -1), (np.array([1]), 0)):
        check(lambda x: np.split(x, where, axis), x)
        check(lambda x: np.array_split(x, where, axis), x)
    check(lambda x: np.array_split(x, 4, 1), x)
    check(lambda x: np.vsplit(x, 2), x)
    check(lambda x: np.hsplit(x, 2), x)
    check(lambda x: np.hsplit(x, 2), array(4))
    check(lambda x: np.dsplit(x, 2), array((2, 3, 4)))
    with pytest.raises(ShapeError, match="an axis of length 4 cannot be split into 3 equal parts; use np.array_split"):
        tracing(lambda x: np.split(x, 3), x)
    with pytest.raises(ArgumentError, match="must be at least 1, got 0"):
        tracing(lambda x: np.array_split(x, 0), x)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("widths", [1, (1, 2), ((1, 2), (0, 3)), 0, ((2, 0),), {1: (1, 2)}, {-1: 2}], ids=str)
def test_pad(mode, widths):
    if isinstance(widths, dict) and tuple(map(int, np.__version__.split(".")[:2])) < (2, 2):
        pytest.skip("NumPy takes a dict since 2.2")
    check(lambda x: np.pad(x, widths, mode), array((3, 4)))
    check(lambda x: np.pad(x, widths, mode), array((3, 4), "i4"))


def test_pad_values():
    x = array((2, 3))
    check(lambda x: np.pad(x, 1, constant_values=3), x)
    check(lambda x: np.pad(x, ((1, 2), (2, 1)), constant_values=((1, 2), (3, 4))), x)
    check(lambda x: np.pad(x, 2, constant_values=(5, 6)), x)
    got = tracing(lambda x, v: np.pad(x, 1, constant_values=v), array(2), 7.0)
    assert got[1][0] == got[1][-1] == 7.0
    with pytest.raises(
        UnsupportedError, match="mode 'mean' is not available for traced values; there are constant, edge"
    ):
        tracing(lambda x: np.pad(x, 1, "mean"), x)
    with pytest.raises(ArgumentError, match="must be made of integers that are not negative"):
        tracing(lambda x: np.pad(x, -1), x)
    with pytest.raises(ShapeError, match="does not fit an array of 2 axes"):
        tracing(lambda x: np.pad(x, ((1, 1), (1, 1), (1, 1))), x)


def test_differences():
    x = array((3, 4))
    for n in (0, 1, 2, 4):
        check(lambda x: np.diff(x, n), x)
    check(lambda x: np.diff(x, axis=0), x)
    check(lambda x: np.diff(x, axis=0, prepend=0, append=np.ones((1, 4))), x)
    check(np.diff, array(4, "?"))
    check(np.diff, array(0))
    check(np.ediff1d, x)
    with pytest.raises(ArgumentError, match="the order must not be negative, got -1"):
        tracing(lambda x: np.diff(x, -1), x)


@pytest.mark.parametrize("k", [-4, -3, -1, 0, 1, 2, 5])
def test_diagonals(k):
    x, wide = array((3, 3)), array((2, 4))
    for m in (x, wide, wide.T):
        check(lambda m: np.diag(m, k), m)
        check(lambda m: np.diagonal(m, k), m)
        check(lambda m: m.diagonal(k), m)
        check(lambda m: np.trace(m, k), m)
        check(lambda m: np.tril(m, k), m)
        check(lambda m: np.triu(m, k), m)
        check(lambda m: np.linalg.diagonal(m, offset=k), m)
        check(lambda m: np.linalg.trace(m, offset=k), m)
    check(lambda v: np.diag(v, k), array(3))
    check(lambda v: np.diagflat(v, k), x)
    cube = array((2, 3, 4))
    check(lambda m: np.diagonal(m, k, 0, 2), cube)
    check(lambda m: np.diagonal(m, k, -1, 0), cube)
    check(lambda m: np.trace(m, k, 1, 2), cube)
    check(lambda m: m.trace(k), array((3, 3), "i4"))
    check(lambda m: np.tril(m, k), cube)
    check(lambda m: np.triu(m, k), np.full((3, 3), np.nan))
    check(lambda m: np.triu(m, k), array(3))


def test_diagonals_refused():
    with pytest.raises(ShapeError, match=r"np.diagonal at .* needs an array of at least two axes, got shape \(3,\)"):
        tracing(np.diagonal, np.ones(3))
    with pytest.raises(ShapeError, match="needs an array of one or two axes"):
        tracing(np.diag, np.ones((1, 1, 1)))
