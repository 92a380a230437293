"""What arguments of convolutions say: which axis is what, and what is put around an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from functad.errors import ArgumentError
from functad.numpy.traced import here

__all__ = [
    "ConvDimensionNumbers", "Pads", "conv_dimension_numbers", "default_layout", "layout_axes", "lengths", "pads_of",
    "padtype_to_pads",
]  # fmt: skip

Pads = list[tuple[int, int]]


class ConvDimensionNumbers(NamedTuple):
    """The axes of the operands of a convolution and of its result, as JAX has it.

    ``lhs_spec`` and ``out_spec`` are (batch axis, feature axis, spatial axes ...); ``rhs_spec`` is (axis of output
    features, of input features, spatial axes ...).

    Examples
    --------
    >>> import functad as fd
    >>> fd.lax.ConvDimensionNumbers((0, 1, 2), (0, 1, 2), (0, 1, 2)).lhs_spec
    (0, 1, 2)
    """

    lhs_spec: tuple[int, ...]
    rhs_spec: tuple[int, ...]
    out_spec: tuple[int, ...]


def conv_dimension_numbers(lhs_shape: Sequence[int], rhs_shape: Sequence[int], dimension_numbers: Any) -> Any:
    """What ``dimension_numbers`` of a convolution means: None, three strings, or ``ConvDimensionNumbers``.

    Strings name batch "N" and features "C" of the operand and the result, output features "O" and input features "I" of
    the kernel, and spatial axes by any other letters.

    Examples
    --------
    >>> conv_dimension_numbers((1, 28, 28, 3), (5, 5, 3, 8), ("NHWC", "HWIO", "NHWC"))
    ConvDimensionNumbers(lhs_spec=(0, 3, 1, 2), rhs_spec=(3, 2, 0, 1), out_spec=(0, 3, 1, 2))
    """
    ndim = len(lhs_shape)
    if len(rhs_shape) != ndim or ndim < 2:
        raise ArgumentError(
            f"a convolution{here()} takes an array and a kernel of equal ranks, at least 2, got shapes "
            f"{tuple(lhs_shape)} and {tuple(rhs_shape)}"
        )
    if isinstance(dimension_numbers, ConvDimensionNumbers):
        return dimension_numbers
    if dimension_numbers is None:
        same = tuple(range(ndim))
        return ConvDimensionNumbers(same, same, same)
    if not (isinstance(dimension_numbers, tuple | list) and len(dimension_numbers) == 3):
        raise ArgumentError(
            f"dimension_numbers{here()} must be None, three strings or ConvDimensionNumbers, got {dimension_numbers!r}"
        )
    lhs, rhs, out = dimension_numbers
    spatial = [c for c in rhs if c not in "OI"]
    specs = [_spec(text, first, spatial, ndim) for text, first in ((lhs, "NC"), (rhs, "OI"), (out, "NC"))]
    return ConvDimensionNumbers(*specs)


def _spec(text: str, first: str, spatial: list[str], ndim: int) -> tuple[int, ...]:
    letters = [*first, *spatial]
    if len(text) != ndim or sorted(text) != sorted(letters) or len(set(text)) != ndim:
        raise ArgumentError(
            f"dimension_numbers{here()}: {text!r} must name {ndim} axes by the letters {', '.join(letters)}, once each"
        )
    return tuple([text.index(c) for c in letters])


def default_layout(ndim: int) -> str:
    """The layout with features before space: "NCW", "NCHW", "NCDHW"."""
    return "NC" + "DHW"[-(ndim - 2) :] if 3 <= ndim <= 5 else "NC" + "abcdefgh"[: ndim - 2]


def layout_axes(layout: str | None, ndim: int, name: str) -> tuple[str, int, list[int]]:
    """A layout, where it has the features, and where space."""
    text = default_layout(ndim) if layout is None else layout
    if len(text) != ndim or len(set(text)) != ndim or text[0] != "N" or "C" not in text:
        raise ArgumentError(
            f"nn.{name}{here()}: layout must name {ndim} axes, one letter each, beginning with N for the batch, and C "
            f"for the features ({default_layout(ndim)!r} or {_last(ndim)!r}), got {layout!r}"
        )
    return text, text.index("C"), [k for k, c in enumerate(text) if c not in "NC"]


def _last(ndim: int) -> str:
    text = default_layout(ndim)
    return f"N{text[2:]}C"


def lengths(value: Any, count: int, name: str, argument: str) -> tuple[int, ...]:
    """A number for each spatial axis: one for all of them, or a sequence."""
    given = [value] * count if not isinstance(value, tuple | list) else list(value)
    if len(given) != count or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in given):
        raise ArgumentError(
            f"{name}{here()}: {argument} must be a positive integer, or one for each of {count} spatial axes, "
            f"got {value!r}"
        )
    return tuple(given)


def padtype_to_pads(in_shape: Any, window_shape: Any, window_strides: Any, padding: Any) -> Pads:
    """What "SAME", "SAME_LOWER" or "VALID" puts before and after each axis.

    Examples
    --------
    >>> padtype_to_pads((10,), (4,), (3,), "SAME")
    [(1, 2)]
    """
    if padding == "VALID":
        return [(0, 0)] * len(in_shape)
    if padding not in ("SAME", "SAME_LOWER"):
        raise ArgumentError(
            f"padding{here()} must be 'SAME', 'SAME_LOWER', 'VALID' or a (low, high) for each spatial axis, "
            f"got {padding!r}"
        )
    pads = []
    for n, window, stride in zip(in_shape, window_shape, window_strides, strict=True):
        total = max(0, (-(-n // stride) - 1) * stride + window - n)
        low = total // 2 if padding == "SAME" else total - total // 2
        pads.append((low, total - low))
    return pads


def pads_of(padding: Any, shape: Sequence[int], windows: Sequence[int], strides: Sequence[int]) -> Pads:
    """What ``padding`` puts before and after each spatial axis: a word, a number for all, or numbers or pairs."""
    if isinstance(padding, str):
        return padtype_to_pads(shape, windows, strides, padding.upper())
    given = [padding] * len(shape) if isinstance(padding, int) else list(padding)
    pairs = [(p, p) if isinstance(p, int) else tuple(p) for p in given]
    if len(pairs) != len(shape) or not all(len(p) == 2 and all(isinstance(n, int) for n in p) for p in pairs):
        raise ArgumentError(
            f"padding{here()} must be 'SAME', 'SAME_LOWER', 'VALID' or a (low, high) for each of {len(shape)} spatial "
            f"axes, got {padding!r}"
        )
    return [(low, high) for low, high in pairs]
