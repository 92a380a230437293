"""Convolutions under JAX's names: ``conv_general_dilated`` and what is made of it.

As in all libraries of neural networks, these are correlations: kernels are not turned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.convolution.dimensions import ConvDimensionNumbers, Pads, conv_dimension_numbers, lengths, pads_of
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here
from functad.primitives.complex import imag, make_complex, real
from functad.primitives.conv import conv as sums_over_windows
from functad.primitives.shapes import flip, reshape
from functad.primitives.slicing import pad, slice_

__all__ = ["conv", "conv_general_dilated", "conv_transpose", "conv_with_general_padding"]


def conv_general_dilated(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: Any,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """The sums of products of a kernel with all windows of an array (``jax.lax.conv_general_dilated``).

    Parameters
    ----------
    lhs, rhs
        The array and the kernel, of equal rank n + 2.
    window_strides
        The step from window to window along each of n spatial axes.
    padding
        "SAME", "SAME_LOWER", "VALID", or a (low, high) for each spatial axis; what is negative is cut off.
    lhs_dilation, rhs_dilation
        The distances of neighbouring elements, with zeros between them.
    dimension_numbers
        None (features before space: "NCHW", "OIHW", "NCHW"), three such strings, or ``ConvDimensionNumbers``.
    feature_group_count
        Into so many groups the features are divided; each has its own part of the kernel's output features.
    batch_group_count
        Likewise for the batch, whose groups go into the features.
    precision
        For JAX's callers; products are of full precision.
    preferred_element_type
        The dtype in which is computed, and of the result; by default, the operands' common one.

    Raises
    ------
    ShapeError
        Where lengths do not fit.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> x = np.arange(5.0).reshape(1, 1, 5)
    >>> fd.lax.conv_general_dilated(x, np.array([[[1.0, -1.0]]]), (1,), "VALID")
    array([[[-1., -1., -1., -1.]]])
    """
    x, w = as_array(lhs, "conv"), as_array(rhs, "conv")
    spec = conv_dimension_numbers(shape_of(x), shape_of(w), dimension_numbers)
    count = len(shape_of(x)) - 2
    name = "conv_general_dilated"
    strides = lengths(tuple(window_strides), count, name, "window_strides")
    spread = lengths(tuple(lhs_dilation or (1,) * count), count, name, "lhs_dilation")
    apart = lengths(tuple(rhs_dilation or (1,) * count), count, name, "rhs_dilation")
    space = [shape_of(x)[a] for a in spec.lhs_spec[2:]]
    dilated = [max(0, (n - 1) * d + 1) if n else 0 for n, d in zip(space, spread, strict=True)]
    windows = [(shape_of(w)[a] - 1) * d + 1 for a, d in zip(spec.rhs_spec[2:], apart, strict=True)]
    pads = pads_of(padding, dilated, windows, strides)
    groups = feature_group_count, batch_group_count
    return _convolved(x, w, spec, strides, pads, spread, apart, groups, preferred_element_type)


def _convolved(
    x: Any, w: Any, spec: ConvDimensionNumbers, strides: Any, pads: Pads, spread: Any, apart: Any,
    groups: tuple[int, int], dtype: Any,
) -> Any:  # fmt: skip
    out = np.dtype(dtype) if dtype is not None else result_dtype([x, w])
    if out.kind == "b":
        raise DtypeError(f"a convolution{here()} is of numbers, got booleans; convert with .astype")
    work = np.dtype(np.float32) if out == np.float16 else out
    x, w = cast(x, work), cast(w, work)
    rest = spec, strides, pads, spread, apart, groups
    if work.kind != "c":
        return fresh_array(cast(_real(x, w, *rest), out))
    xr, xi, wr, wi = real(x), imag(x), real(w), imag(w)
    re = _real(xr, wr, *rest) - _real(xi, wi, *rest)
    return fresh_array(make_complex(re, _real(xr, wi, *rest) + _real(xi, wr, *rest)))


BATCH, GROUP, IN, OUT, SPACE = 0, 1, 2, 3, 4
"""Labels of axes; those of space follow."""


def _real(
    x: Any, w: Any, spec: ConvDimensionNumbers, strides: Any, pads: Pads, spread: Any, apart: Any,
    groups: tuple[int, int],
) -> Any:  # fmt: skip
    """The features, or the batch, and the features of the kernel, get an axis of groups; the result's loses it."""
    of_features, of_batch = groups
    x = _padded(x, shape_of(w), spec, strides, pads, spread, apart)
    x_axes, w_axes, out_axes = ([0] * len(s) for s in spec)
    for axes, axis_spec, first in ((x_axes, spec.lhs_spec, (BATCH, IN)), (w_axes, spec.rhs_spec, (OUT, IN)),
                                   (out_axes, spec.out_spec, (BATCH, OUT))):  # fmt: skip
        for label, a in zip((*first, *range(SPACE, SPACE + len(strides))), axis_spec, strict=True):
            axes[a] = label
    _check_groups(x, w, spec, groups)
    if of_features > 1:
        x, x_axes = _divided(x, x_axes, IN, of_features)
    elif of_batch > 1:
        x, x_axes = _divided(x, x_axes, BATCH, of_batch)
    if max(groups) > 1:
        w, w_axes = _divided(w, w_axes, OUT, max(groups))
        at = out_axes.index(OUT)
        out_axes.insert(at, GROUP)
    moved = [(SPACE + k, s, d) for k, (s, d) in enumerate(zip(strides, apart, strict=True))]
    y = sums_over_windows(x, w, x_axes, w_axes, out_axes, moved)
    if max(groups) > 1:
        shape = shape_of(y)
        y = reshape(y, (*shape[:at], shape[at] * shape[at + 1], *shape[at + 2 :]))
    return y


def _divided(x: Any, axes: list[int], label: int, groups: int) -> tuple[Any, list[int]]:
    at, shape = axes.index(label), shape_of(x)
    divided = (*shape[:at], groups, shape[at] // groups, *shape[at + 1 :])
    return reshape(x, divided), [*axes[:at], GROUP, *axes[at:]]


def _check_groups(x: Any, w: Any, spec: ConvDimensionNumbers, groups: tuple[int, int]) -> None:
    features, batch = shape_of(x)[spec.lhs_spec[1]], shape_of(x)[spec.lhs_spec[0]]
    out, taken = shape_of(w)[spec.rhs_spec[0]], shape_of(w)[spec.rhs_spec[1]]
    of_features, of_batch = groups
    if min(groups) < 1 or (of_features > 1 and of_batch > 1):
        raise ArgumentError(f"a convolution{here()} has groups of features or of the batch, at least one, got {groups}")
    if features != taken * of_features:
        each = f" for each of {of_features} groups" if of_features > 1 else ""
        raise ShapeError(
            f"a convolution{here()}: the array has {features} features, and the kernel takes {taken}{each} "
            f"(shapes {shape_of(x)} and {shape_of(w)}, axes {spec.lhs_spec[1]} and {spec.rhs_spec[1]})"
        )
    if out % max(groups) or batch % of_batch:
        what = f"{batch} elements of the batch" if batch % of_batch else f"{out} output features"
        raise ShapeError(f"a convolution{here()}: {what} cannot be divided into {max(groups)} groups")


def _padded(
    x: Any, kernel: tuple[int, ...], spec: ConvDimensionNumbers, strides: Any, pads: Pads, spread: Any, apart: Any
) -> Any:
    """The array with zeros around and between its elements, without what no window reaches."""
    widths, low_cut, high_cut = [(0, 0, 0)] * len(kernel), [0] * len(kernel), list(shape_of(x))
    for k, (a, b) in enumerate(zip(spec.lhs_spec[2:], spec.rhs_spec[2:], strict=True)):
        (low, high), d = pads[k], spread[k]
        n = shape_of(x)[a]
        length = ((n - 1) * d + 1 if n else 0) + low + high
        reach = (kernel[b] - 1) * apart[k] + 1
        if kernel[b] < 1 or length < reach:
            raise ShapeError(
                f"a convolution{here()}: a window of {reach} elements does not fit spatial axis {k}, which has "
                f"{length} "
                f"with its padding (shapes {shape_of(x)} and {kernel})"
            )
        high -= (length - reach) % strides[k]
        widths[a] = (max(low, 0), max(high, 0), d - 1)
        low_cut[a] = max(-low, 0)
        high_cut[a] = length - (length - reach) % strides[k] + low_cut[a]
    x = pad(x, x.dtype.type(0), widths)
    return slice_(x, low_cut, high_cut)


def conv(
    lhs: Any, rhs: Any, window_strides: Sequence[int], padding: Any, precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:  # fmt: skip
    """``conv_general_dilated`` with strides and padding alone (``jax.lax.conv``).

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.conv(np.arange(5.0).reshape(1, 1, 5), np.ones((1, 1, 2)), (1,), "VALID")
    array([[[1., 3., 5., 7.]]])
    """
    return conv_general_dilated(
        lhs, rhs, window_strides, padding, precision=precision, preferred_element_type=preferred_element_type
    )


def conv_with_general_padding(
    lhs: Any, rhs: Any, window_strides: Sequence[int], padding: Any, lhs_dilation: Any, rhs_dilation: Any,
    precision: Any = None, preferred_element_type: Any = None,
) -> Any:  # fmt: skip
    """``conv_general_dilated`` without layouts and groups (``jax.lax.conv_with_general_padding``).

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> x, w = np.arange(3.0).reshape(1, 1, 3), np.ones((1, 1, 2))
    >>> fd.lax.conv_with_general_padding(x, w, (1,), [(1, 0)], (1,), (2,))
    array([[[1., 2.]]])
    """
    return conv_general_dilated(
        lhs, rhs, window_strides, padding, lhs_dilation, rhs_dilation, preferred_element_type=preferred_element_type
    )


def conv_transpose(
    lhs: Any,
    rhs: Any,
    strides: Sequence[int],
    padding: Any,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    transpose_kernel: bool = False,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """``jax.lax.conv_transpose``: a convolution of an array that ``strides`` spread, of the size that a convolution
    with these strides would reduce to that of the array.

    ``padding`` is "SAME", "VALID", or what ``conv_general_dilated`` puts around the spread array. With
    ``transpose_kernel`` it is the gradient of a convolution, with the kernel of that one.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.conv_transpose(np.ones((1, 2, 1)), np.ones((3, 1, 1)), (2,), "VALID")[0, :, 0]
    array([1., 1., 2., 1., 1.])
    """
    x, w = as_array(lhs, "conv_transpose"), as_array(rhs, "conv_transpose")
    count = len(shape_of(x)) - 2
    if dimension_numbers is None:
        last = tuple(range(1, count + 1))
        dimension_numbers = ConvDimensionNumbers(
            (0, count + 1, *last), (count + 1, count, *range(count)), (0, count + 1, *last)
        )
    spec = conv_dimension_numbers(shape_of(x), shape_of(w), dimension_numbers)
    steps = lengths(tuple(strides), count, "conv_transpose", "strides")
    apart = lengths(tuple(rhs_dilation or (1,) * count), count, "conv_transpose", "rhs_dilation")
    pads = padding
    if isinstance(padding, str):
        reach = [(shape_of(w)[a] - 1) * d + 1 for a, d in zip(spec.rhs_spec[2:], apart, strict=True)]
        pads = [_spread_pads(k, s, padding.upper()) for k, s in zip(reach, steps, strict=True)]
    if transpose_kernel:
        w = flip(w, spec.rhs_spec[2:])
        out_features, in_features, *space = spec.rhs_spec
        spec = spec._replace(rhs_spec=(in_features, out_features, *space))
    return conv_general_dilated(
        x, w, (1,) * count, pads, steps, apart, spec, preferred_element_type=preferred_element_type
    )


def _spread_pads(window: int, stride: int, padding: str) -> tuple[int, int]:
    """What is put around an array that a stride spreads."""
    if padding not in ("SAME", "VALID"):
        raise ArgumentError(f"padding{here()} must be 'SAME', 'VALID' or a (low, high) for each axis, got {padding!r}")
    total = window + stride - 2
    if padding == "VALID":
        total += max(window - stride, 0)
        low = window - 1
    else:
        low = window - 1 if stride > window - 1 else -(-total // 2)
    return low, total - low
