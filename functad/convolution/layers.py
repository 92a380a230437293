"""Convolution layers, in the arguments of neural networks: ``fd.nn.conv`` and ``fd.nn.conv_transpose``."""

from __future__ import annotations

from typing import Any

from functad.convolution.dimensions import conv_dimension_numbers, layout_axes, lengths, pads_of
from functad.convolution.general import conv_general_dilated
from functad.errors import ArgumentError, ShapeError
from functad.numpy.operands import as_array, shape_of
from functad.numpy.traced import here
from functad.primitives.shapes import flip, reshape, transpose

__all__ = ["conv", "conv_transpose"]


def conv(
    x: Any, kernel: Any, stride: Any = 1, padding: Any = "VALID", dilation: Any = 1, groups: int = 1,
    layout: str | None = None,
) -> Any:  # fmt: skip
    """A convolution layer: the sums of products of a kernel with all windows of an array.

    Parameters
    ----------
    x
        An array with a batch, features and one or more spatial axes.
    kernel
        Shape (output features, features, lengths of the window ...), "OIHW"; for a layout with the features last
        (lengths of the window ..., features, output features), "HWIO". With groups, of the features those of one.
    stride
        The step from window to window along all spatial axes, or one for each.
    padding
        "VALID"; "SAME" (the result has the array's size, divided by the stride); a number; or a number or (low, high)
        for each spatial axis: so many zeros around.
    dilation
        The distance of neighbouring elements of a window.
    groups
        The features are divided into so many groups, each with its own part of the output features.
    layout
        "NCHW" (the default) or "NHWC", "NCW" or "NWC", "NCDHW" or "NDHWC".

    Raises
    ------
    ArgumentError, ShapeError
        Where an argument does not fit the array.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> from functad import nn
    >>> x, kernel = np.ones((32, 1, 28, 28)), np.ones((6, 1, 5, 5))
    >>> nn.conv(x, kernel).shape, nn.conv(x, kernel, stride=2, padding="SAME").shape
    ((32, 6, 24, 24), (32, 6, 14, 14))
    >>> fd.grad(lambda w: np.sum(nn.conv(x, w)))(kernel)[0, 0, 0]
    array([18432., 18432., 18432., 18432., 18432.])
    """
    ndim = _rank(x, kernel, "conv")
    text, kernel_text = _layouts(layout, ndim, "conv")
    count = ndim - 2
    strides, apart = (lengths(n, count, "nn.conv", what) for n, what in ((stride, "stride"), (dilation, "dilation")))
    return conv_general_dilated(
        x, kernel, strides, _padding(padding), None, apart, (text, kernel_text, text), feature_group_count=groups
    )  # fmt: skip


def conv_transpose(
    x: Any, kernel: Any, stride: Any = 1, padding: Any = "VALID", dilation: Any = 1, groups: int = 1,
    layout: str | None = None,
) -> Any:  # fmt: skip
    """The transpose of ``conv`` with these arguments: what its gradient is with respect to its array.

    Its array has the shape of the result of ``conv``, with as many features as the kernel has output features. The
    result is the smallest that ``conv`` takes to that shape; with "SAME", ``stride`` times the size. (PyTorch's
    ``output_padding`` is the second number of a padding, made less.)

    Examples
    --------
    >>> import numpy as np
    >>> from functad import nn
    >>> nn.conv_transpose(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 1.0, 1.0]]]), stride=2)
    array([[[1., 1., 3., 2., 2.]]])
    """
    ndim = _rank(x, kernel, "conv_transpose")
    text, kernel_text = _layouts(layout, ndim, "conv_transpose")
    x, w = as_array(x, "conv_transpose"), as_array(kernel, "conv_transpose")
    spec = conv_dimension_numbers(shape_of(x), shape_of(w), (text, kernel_text, text))
    strides, apart = (
        lengths(n, ndim - 2, "nn.conv_transpose", what) for n, what in ((stride, "stride"), (dilation, "dilation"))
    )
    out_axis, in_axis, *space = spec.rhs_spec
    if shape_of(x)[spec.lhs_spec[1]] != shape_of(w)[out_axis]:
        raise ShapeError(
            f"nn.conv_transpose{here()}: the array has {shape_of(x)[spec.lhs_spec[1]]} features, and the kernel "
            f"{shape_of(w)[out_axis]} output features (shapes {shape_of(x)} and {shape_of(w)})"
        )
    reach = [(shape_of(w)[a] - 1) * d + 1 for a, d in zip(space, apart, strict=True)]
    sizes = [shape_of(x)[a] * s for a, s in zip(spec.lhs_spec[2:], strides, strict=True)]
    of_conv = pads_of(_padding(padding), sizes, reach, strides)
    pads = [(r - 1 - low, r - 1 - high) for r, (low, high) in zip(reach, of_conv, strict=True)]
    if isinstance(padding, str) and padding.upper() != "VALID":
        pads = [(low, n - 1 - (m - 1) * s + r - 1 - low) for n, m, s, r, (low, _) in zip(
            sizes, [shape_of(x)[a] for a in spec.lhs_spec[2:]], strides, reach, pads, strict=True)]  # fmt: skip
    w = _exchanged(flip(w, space), out_axis, in_axis, groups)
    return conv_general_dilated(
        x, w, (1,) * len(reach), pads, strides, apart, (text, kernel_text, text), feature_group_count=groups
    )  # fmt: skip


def _exchanged(w: Any, out_axis: int, in_axis: int, groups: int) -> Any:
    """A kernel with its features and output features exchanged, in each group."""
    shape = list(shape_of(w))
    if groups < 1 or shape[out_axis] % groups:
        raise ArgumentError(
            f"nn.conv_transpose{here()}: {shape[out_axis]} output features cannot be divided into {groups} groups"
        )
    divided = reshape(w, (*shape[:out_axis], groups, shape[out_axis] // groups, *shape[out_axis + 1 :]))
    features = out_axis + 1
    others = in_axis + (in_axis > out_axis)
    order = list(range(len(shape) + 1))
    order[features], order[others] = others, features
    turned = transpose(divided, order)
    shape[out_axis], shape[in_axis] = shape[in_axis] * groups, shape[out_axis] // groups
    return reshape(turned, shape)


def _rank(x: Any, kernel: Any, name: str) -> int:
    shapes = [shape_of(as_array(each, name)) for each in (x, kernel)]
    if len(shapes[0]) < 3 or len(shapes[0]) != len(shapes[1]):
        raise ArgumentError(
            f"nn.{name}{here()} takes an array with a batch, features and spatial axes and a kernel of the same rank, "
            f"got shapes {shapes[0]} and {shapes[1]}"
        )
    return len(shapes[0])


def _layouts(layout: str | None, ndim: int, name: str) -> tuple[str, str]:
    """The layouts of the array and of the kernel."""
    text, features, space = layout_axes(layout, ndim, name)
    letters = "".join([text[a] for a in space])
    return text, f"OI{letters}" if features == 1 else f"{letters}IO"


def _padding(padding: Any) -> Any:
    return padding.upper() if isinstance(padding, str) else padding
