"""The same elements under another shape or in another order: reshape, transpose, flip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Alias, Pull
from functad.kernel_ir.sizes import poly
from functad.primitives.axes import check_axes

__all__ = ["flip", "inverse_permutation", "reshape", "transpose"]

Shape = tuple[int, ...]


# -- reshape: the same elements in row-major order ---------------------------------------------------------------------


def reshape(x: Any, shape: Sequence[int]) -> Any:
    """The same elements in row-major order under another shape."""
    shape = tuple(shape)
    return x if type_of(x).shape == shape else reshape_p.bind(x, shape=shape)


def _reshape_type(x: ArrayType, *, shape: Shape) -> ArrayType:
    if prod(shape) != x.size:
        raise ShapeError(f"cannot reshape {x} ({x.size} elements) to shape {shape} ({prod(shape)} elements)")
    return x.with_shape(shape)


reshape_p = Primitive(
    "reshape",
    type_rule=_reshape_type,
    evaluate=lambda x, *, shape: x.reshape(shape),
    jvp=lambda ts, xs, y, *, shape: reshape(ts[0], shape),
    linear="jointly",
    transpose=lambda ct, x, *, shape: (reshape(ct, x.type.shape),),
    batch=lambda size, batched, x, *, shape: (reshape(x, (size, *shape)), True),
    kernel=Alias(),
    cheap=True,
    samples=lambda: [
        Sample((array_type((2, 3), np.float64),), {"shape": (6,)}),
        Sample((array_type((6,), np.complex64),), {"shape": (1, 3, 2)}),
        Sample((array_type((), np.float32),), {"shape": (1, 1)}),
        Sample((array_type((0, 3), np.int32),), {"shape": (0,)}),
        Sample((array_type((1,), np.bool_),), {"shape": ()}),
    ],
)


# -- transpose: result axis i is operand axis axes[i] ------------------------------------------------------------------


def transpose(x: Any, axes: Iterable[int]) -> Any:
    """Permute axes: axis i of the result is axis ``axes[i]`` of the operand."""
    axes = tuple(axes)
    return x if axes == tuple(range(len(axes))) else transpose_p.bind(x, axes=axes)


def inverse_permutation(axes: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes another."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _transpose_pull(b: Any, index: Any, reads: Any, types: Any, out: Any, *, axes: tuple[int, ...]) -> Any:
    return reads[0](tuple(index[i] for i in inverse_permutation(axes)))


def _transpose_type(x: ArrayType, *, axes: tuple[int, ...]) -> ArrayType:
    if sorted(axes) != list(range(x.ndim)):
        raise ShapeError(f"cannot transpose {x} by axes {axes}: they must be a permutation of 0 to {x.ndim - 1}")
    return x.with_shape(tuple([x.shape[a] for a in axes]))


transpose_p = Primitive(
    "transpose",
    type_rule=_transpose_type,
    evaluate=lambda x, *, axes: x.transpose(axes),
    jvp=lambda ts, xs, y, *, axes: transpose(ts[0], axes),
    linear="jointly",
    transpose=lambda ct, x, *, axes: (transpose(ct, inverse_permutation(axes)),),
    batch=lambda size, batched, x, *, axes: (transpose(x, (0, *[a + 1 for a in axes])), True),
    kernel=Pull(_transpose_pull),
    samples=lambda: [
        Sample((array_type((2, 3), np.float64),), {"axes": (1, 0)}),
        Sample((array_type((2, 3, 4), np.float32),), {"axes": (2, 0, 1)}),
        Sample((array_type((0, 2), np.complex128),), {"axes": (1, 0)}),
        Sample((array_type((2, 2), np.int64),), {"axes": (1, 0)}),
    ],
)


# -- flip: the order along some axes reversed --------------------------------------------------------------------------


def flip(x: Any, axes: Iterable[int]) -> Any:
    """Reverse the order of the elements along axes."""
    axes = tuple(sorted(axes))
    return flip_p.bind(x, axes=axes) if axes else x


def _flip_type(x: ArrayType, *, axes: tuple[int, ...]) -> ArrayType:
    check_axes("flip", x, axes)
    return x


def _flip_pull(b: Any, index: Any, reads: Any, types: Any, out: Any, *, axes: tuple[int, ...]) -> Any:
    return reads[0](
        tuple(i * -1 + (poly(n) - 1) if a in axes else i for a, (i, n) in enumerate(zip(index, out.shape, strict=True)))
    )


flip_p = Primitive(
    "flip",
    type_rule=_flip_type,
    evaluate=lambda x, *, axes: np.flip(x, axes),
    jvp=lambda ts, xs, y, *, axes: flip(ts[0], axes),
    linear="jointly",
    transpose=lambda ct, x, *, axes: (flip(ct, axes),),
    batch=lambda size, batched, x, *, axes: (flip(x, [a + 1 for a in axes]), True),
    kernel=Pull(_flip_pull),
    samples=lambda: [
        Sample((array_type((3,), np.float64),), {"axes": (0,)}),
        Sample((array_type((2, 3, 2), np.complex128),), {"axes": (0, 2)}),
        Sample((array_type((20, 1), np.float32),), {"axes": (0, 1)}),
        Sample((array_type((0, 3), np.int64),), {"axes": (1,)}),
        Sample((array_type((2, 2), np.bool_),), {"axes": (0,)}),
    ],
)
