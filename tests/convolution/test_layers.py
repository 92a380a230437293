"""Convolution layers against windows cut out by NumPy: layouts, strides, padding, dilation, groups; transposes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import functad as fd
from functad import lax, nn
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.testing import check_grads

RNG = np.random.default_rng(0)
ARGUMENTS = ("stride", "padding", "dilation", "groups", "layout")


def array(*shape, dtype=float):
    return RNG.uniform(-1, 1, shape).astype(dtype)


def reference(x, w, stride, pads, dilation, groups):
    """Features before space."""
    space = x.ndim - 2
    padded = np.pad(x, [(0, 0), (0, 0), *[(p, p) for p in pads]])
    reach = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilation, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=tuple(range(2, 2 + space)))
    seen = seen[(slice(None), slice(None), *[slice(None, None, s) for s in stride])]
    seen = seen[(..., *[slice(None, None, d) for d in dilation])]
    parts = zip(np.split(seen, groups, axis=1), np.split(w, groups), strict=True)
    letters = "uvw"[:space]
    each = [np.einsum(f"bc{letters.upper()}{letters},oc{letters}->bo{letters.upper()}", s, k) for s, k in parts]
    return np.concatenate(each, axis=1)


def last(x, to_last=True):
    return np.ascontiguousarray(np.moveaxis(x, 1, -1) if to_last else np.moveaxis(x, -1, 1))


CASES = list(itertools.product((1, 2, 3), ((1, 1), (2, 3)), (0, 1), (1, 2), (1, 2)))


@pytest.mark.one_in(16)
@pytest.mark.parametrize("rank,strides,pad,dilation,groups", CASES)
def test_convolution(rank, strides, pad, dilation, groups):
    """Both layouts, evaluated and natively; and its transpose, which is the gradient."""
    x, w = array(2, 4, *(9, 8, 7)[:rank]), array(6, 4 // groups, *(3, 2, 3)[:rank])
    stride = [*strides, 1][:rank]
    given = {"stride": tuple(stride), "padding": pad, "dilation": dilation, "groups": groups}
    expected = reference(x, w, stride, [pad] * rank, [dilation] * rank, groups)
    w_last = np.ascontiguousarray(np.moveaxis(w, (1, 0), (-2, -1)))
    layout = "N" + "DHW"[-rank:] + "C"
    for conv in (nn.conv, fd.jit(nn.conv, static_argnames=ARGUMENTS)):
        np.testing.assert_allclose(conv(x, w, **given), expected, rtol=1e-12, atol=1e-12)
        found = conv(last(x), w_last, **given, layout=layout)
        np.testing.assert_allclose(last(found, False), expected, rtol=1e-12, atol=1e-12)
    small = array(*expected.shape)
    _, pullback = fd.vjp(lambda x: nn.conv(x, w, **given), x)
    back, spread = pullback(small)[0], nn.conv_transpose(small, w, **given)
    cut = tuple([slice(0, n) for n in spread.shape])  # the rest of x no window reaches
    np.testing.assert_allclose(back[cut], spread, rtol=1e-12, atol=1e-12)
    spread = nn.conv_transpose(last(small), w_last, **given, layout=layout)
    np.testing.assert_allclose(last(back)[tuple([slice(0, n) for n in spread.shape])], spread, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["f4", "f2", "c16", "i4"])
def test_dtypes(dtype):
    x, w = (10 * array(2, 3, 6, 5)).astype(dtype), (10 * array(4, 3, 2, 3)).astype(dtype)
    if dtype == "c16":
        x, w = x + 1j * array(2, 3, 6, 5), w - 1j * array(4, 3, 2, 3)
    wide = (v.astype("c16" if dtype == "c16" else "f8") for v in (x, w))
    expected = reference(*wide, (1, 2), (1, 1), (1, 1), 1)
    for conv in (nn.conv, fd.jit(nn.conv, static_argnames=ARGUMENTS)):
        found = conv(x, w, stride=(1, 2), padding=1)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol={"f4": 1e-5, "f2": 2e-3}.get(dtype, 1e-12), atol=1e-2)


def test_long_lines_of_windows_and_deep_sums():
    """More columns than a panel has, images whose lines end in the middle of vectors, sums over several blocks."""
    for shape, kernel in (((3, 2, 13, 22), (7, 2, 3, 3)), ((1, 70, 9, 6), (5, 70, 3, 2))):
        x, w = array(*shape), array(*kernel)
        expected = reference(x, w, (1, 1), (0, 0), (1, 1), 1)
        np.testing.assert_allclose(fd.jit(nn.conv)(x, w), expected, rtol=1e-11, atol=1e-11)
        pairs = fd.jit(fd.grad(lambda x, w: np.sum(nn.conv(x, w) ** 2) / 2, argnums=(0, 1)))(x, w)
        plain = fd.vjp(nn.conv, x, w)[1](expected)
        for found, e in zip(pairs, plain, strict=True):
            np.testing.assert_allclose(found, e, rtol=1e-10, atol=1e-10)


def test_derivatives_and_mapped_axes():
    x, w = array(2, 2, 5, 4), array(2, 1, 2, 2)
    check_grads(lambda x, w: nn.conv(x, w, stride=2, padding=1, groups=2), (x, w), order=2)
    check_grads(lambda x, w: nn.conv_transpose(x, w, stride=2, dilation=2), (x, array(2, 3, 2, 2)), order=2)
    check_grads(lambda x, w: nn.conv(x * 1j, w + 1j), (x, array(3, 2, 2, 2)), order=1)
    kernels, images = array(3, 4, 2, 2, 2), array(3, 2, 2, 5, 4)
    for axes in ((0, None), (None, 0), (0, 0)):
        args = (images if axes[0] == 0 else x, kernels if axes[1] == 0 else kernels[0])
        one = [[a[k] if axis == 0 else a for a, axis in zip(args, axes, strict=True)] for k in range(3)]
        found = fd.jit(fd.vmap(nn.conv, in_axes=axes))(*args)
        np.testing.assert_allclose(found, [nn.conv(*lane) for lane in one], rtol=1e-12, atol=1e-13)


def test_same_padding_and_jax_names():
    x, w = array(1, 2, 10), array(3, 2, 4)
    assert lax.padtype_to_pads((10,), (4,), (3,), "SAME_LOWER") == [(2, 1)]
    np.testing.assert_allclose(nn.conv(x, w, 3, "SAME"), lax.conv_general_dilated(x, w, (3,), [(1, 2)]), rtol=1e-14)
    np.testing.assert_allclose(lax.conv(x, w, (3,), "SAME_LOWER"), nn.conv(x, w, 3, [(2, 1)]), rtol=1e-14)
    np.testing.assert_allclose(
        nn.conv(x, w, padding=[(-2, 3)]), nn.conv(np.pad(x, [(0, 0), (0, 0), (0, 3)])[..., 2:], w)
    )
    turned = lax.conv_general_dilated(x.transpose(2, 0, 1), w.T, (1,), "VALID", dimension_numbers=("HNC", "HIO", "CHN"))
    np.testing.assert_allclose(turned.transpose(2, 0, 1), nn.conv(x, w), rtol=1e-13)
    spread = lax.conv_with_general_padding(x, w, (1,), [(1, 1)], (3,), (2,))
    zeros = np.zeros((1, 2, 28))
    zeros[..., ::3] = x
    np.testing.assert_allclose(spread, nn.conv(zeros, w, padding=1, dilation=2), rtol=1e-14)
    batches = lax.conv_general_dilated(np.concatenate([x, 2 * x]), array(4, 2, 3), (1,), "VALID", batch_group_count=2)
    assert batches.shape == (1, 4, 8)
    assert nn.conv_transpose(array(1, 3, 5), w, 2, "same").shape == (1, 2, 10)
    back = fd.vjp(lambda x: nn.conv(x, w, 2, "SAME"), x)[1](y := array(1, 3, 5))[0]
    np.testing.assert_allclose(nn.conv_transpose(y, w, 2, "SAME"), back, rtol=1e-13)
    z = lax.conv_transpose(y.transpose(0, 2, 1), w.transpose(2, 1, 0), (2,), "SAME", transpose_kernel=True)
    np.testing.assert_allclose(z.transpose(0, 2, 1), back, rtol=1e-13)
    assert lax.conv_transpose(y.transpose(0, 2, 1), array(3, 3, 2), (2,), "VALID").shape == (1, 11, 2)


def windows(x, window, stride, reduce):
    axes = tuple(range(2, x.ndim))
    seen = np.lib.stride_tricks.sliding_window_view(x, window, axes)
    seen = seen[(slice(None), slice(None), *[slice(None, None, s) for s in stride])]
    return reduce(seen, axis=tuple(range(-len(window), 0)))


@pytest.mark.one_in(3)
@pytest.mark.parametrize("window", [(2, 2), (5, 6), (3, 2), (1, 7)])
@pytest.mark.parametrize("strides", [None, (1, 2)])
def test_pooling(window, strides):
    x = array(2, 3, 9, 8)
    stride = window if strides is None else strides
    for pool, reduce in ((nn.max_pool, np.max), (nn.min_pool, np.min), (nn.avg_pool, np.mean)):
        expected = windows(x, window, stride, reduce)
        for f in (pool, fd.jit(pool, static_argnames=("window", "stride"))):
            np.testing.assert_allclose(f(x, window=window, stride=strides), expected, rtol=1e-13)
        apart = RNG.permutation(72).reshape(1, 1, 9, 8) / 9.0  # no two are so near that a step exchanges them
        check_grads(lambda x, p=pool: p(x, window, strides), (apart,), order=1)
    padded = nn.avg_pool(x, window, strides, "SAME", count_include_pad=False)
    np.testing.assert_allclose(
        padded, nn.avg_pool(x, window, strides, "SAME") / nn.avg_pool(np.ones_like(x), window, strides, "SAME")
    )
    np.testing.assert_allclose(
        last(nn.max_pool(last(x), window, strides, layout="NHWC"), False), nn.max_pool(x, window, strides)
    )


def test_pooling_at_ties_of_integers_and_with_nan():
    """The first of equal elements has the derivative."""
    g = fd.grad(lambda x: np.sum(nn.max_pool(x, 2)))
    np.testing.assert_array_equal(g(np.zeros((1, 1, 2, 4))), [[[[1, 0, 1, 0], [0, 0, 0, 0]]]])
    np.testing.assert_array_equal(fd.jit(g)(np.zeros((1, 1, 2, 4)))[0, 0], [[1, 0, 1, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(nn.max_pool(np.array([[[1.0, np.nan, 3.0, 2.0]]]), 2), [[[np.nan, 3.0]]])
    found = nn.max_pool(np.array([[[-3, -2, -9]]]), 2, 1, padding=1)
    np.testing.assert_array_equal(found, [[[-3, -2, -2, -9]]])
    x = array(1, 1, 7)
    np.testing.assert_allclose(nn.max_pool(x, 2, 1, dilation=3), np.maximum(x[..., :-3], x[..., 3:]))


def test_reduce_window():
    x = array(5, 6)
    found = lax.reduce_window(x, 0.0, np.add, (2, 3), (1, 2), "VALID")
    np.testing.assert_allclose(found, np.lib.stride_tricks.sliding_window_view(x, (2, 3)).sum((2, 3))[:, ::2])
    squares = lax.reduce_window(x, 0.0, lambda a, b: np.hypot(a, b), (1, 9), None, "SAME")
    np.testing.assert_allclose(squares[:, 4], np.sqrt(np.sum(x**2, axis=1)), rtol=1e-13)
    spread = lax.reduce_window(x[0], 0.0, np.add, (3,), (1,), [(1, 0)], (2,), (2,))
    dilated = np.zeros(12)
    dilated[1::2] = x[0]
    np.testing.assert_allclose(spread, dilated[:-4] + dilated[2:-2] + dilated[4:])
    check_grads(lambda x: lax.reduce_window(x, 1.0, np.multiply, (2, 5), (1, 1), "SAME"), (x,), order=2)


def test_errors():
    x, w = array(1, 2, 5, 5), array(3, 2, 2, 2)
    with pytest.raises(
        ArgumentError, match=r"nn.conv at .*test_layers.py:\d+ takes an array with a batch, .* \(5, 5\)"
    ):
        nn.conv(x[0, 0], w)
    with pytest.raises(ShapeError, match="a convolution at .*: the array has 2 features, and the kernel takes 1 "):
        nn.conv(x, w[:, :1])
    with pytest.raises(ShapeError, match="the array has 2 features, and the kernel takes 2 for each of 2 groups"):
        nn.conv(x, w, groups=2)
    with pytest.raises(ShapeError, match="a window of 2 elements does not fit spatial axis 0, which has 1 with its"):
        nn.conv(x[:, :, :1], w)
    with pytest.raises(ArgumentError, match="nn.conv at .*: stride must be a positive integer, or one for each of 2"):
        nn.conv(x, w, stride=(1, 2, 3))
    with pytest.raises(ArgumentError, match=r"padding at .* must be 'SAME', .* got 'FULL'"):
        nn.conv(x, w, padding="full")
    with pytest.raises(ArgumentError, match=r"padding at .* must be 'SAME', .* for each of 2 spatial axes, got \[1\]"):
        nn.conv(x, w, padding=[1])
    with pytest.raises(ArgumentError, match="nn.conv at .*: layout must name 4 axes, .*'NCHW' or 'NHWC'.*, got 'NWC'"):
        nn.conv(x, w, layout="NWC")
    with pytest.raises(
        ArgumentError, match="dimension_numbers at .*: 'NXYZ' must name 4 axes by the letters N, C, H, W"
    ):
        lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NXYZ", "OIHW", "NCHW"))
    with pytest.raises(DtypeError, match="a convolution at .* is of numbers, got booleans"):
        nn.conv(x > 0, w > 0)
    with pytest.raises(ShapeError, match="nn.conv_transpose at .*: the array has 2 features, and the kernel 3 output"):
        nn.conv_transpose(x, w)
    with pytest.raises(ShapeError, match="a window at .* of 6 elements along axis 2 does not fit an array of shape"):
        nn.max_pool(x, 6)
    with pytest.raises(DtypeError, match="nn.max_pool at .* is of real numbers, got complex128"):
        nn.max_pool(x * 1j, 2)
    with pytest.raises(ShapeError, match="reduce_window at .*: init_value must be a number, got shape"):
        lax.reduce_window(x, np.zeros(2), np.add, (1, 1, 1, 1))
    with pytest.raises(ShapeError, match="a convolution at .*: 3 output features cannot be divided into 2 groups"):
        nn.conv(x, w[:, :1], groups=2)
    with pytest.raises(
        ArgumentError, match="nn.conv_transpose at .*: 3 output features cannot be divided into 2 groups"
    ):
        nn.conv_transpose(array(1, 3, 5, 5), w, groups=2)
    with pytest.raises(ArgumentError, match="has groups of features or of the batch, at least one, got"):
        lax.conv_general_dilated(x, w, (1, 1), "VALID", feature_group_count=0)
