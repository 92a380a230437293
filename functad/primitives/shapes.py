"""The same elements under another shape or in another order: broadcast, reshape, transpose, flip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.errors import ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.nodes import Affine
from functad.kernel_ir.rules import Alias, Pull
from functad.kernel_ir.sizes import poly

__all__ = ["broadcast", "check_axes", "flip", "inverse_permutation", "lead_axes", "reshape", "transpose"]

Shape = tuple[int, ...]


def check_axes(name: str, x: ArrayType, axes: Sequence[int]) -> None:
    """Refuses axes that x lacks, and repeated ones."""
    if len(set(axes)) != len(axes) or not all(0 <= a < x.ndim for a in axes):
        raise ShapeError(
            f"{name} of {x} over axes {tuple(axes)}: each axis must be one of 0 to {x.ndim - 1}, and none may come "
            "twice"
        )


def lead_axes(size: int, batched: Sequence[bool], operands: Sequence[Any]) -> list[Any]:
    """The operands of a batching rule, all with the mapped axis in front."""
    shapes = [type_of(x).shape for x in operands]
    return [
        x if flag else broadcast(x, (size, *shape), range(1, 1 + len(shape)))
        for x, flag, shape in zip(operands, batched, shapes, strict=True)
    ]


# -- broadcast: axis i of the operand becomes axis axes[i] of the result; axes of length 1 stretch, the other axes of
# the result are new --


def broadcast(x: Any, shape: Sequence[int], axes: Iterable[int]) -> Any:
    """Spread an array over a larger shape; the operand's axis i is the result's axis ``axes[i]``."""
    shape, axes = tuple(shape), tuple(axes)
    if type_of(x).shape == shape and axes == tuple(range(len(shape))):
        return x
    return broadcast_p.bind(x, shape=shape, axes=axes)


def _broadcast_type(x: ArrayType, *, shape: Shape, axes: tuple[int, ...]) -> ArrayType:
    if len(axes) != x.ndim or len(set(axes)) != len(axes) or not all(0 <= a < len(shape) for a in axes):
        raise ShapeError(
            f"cannot broadcast {x} to shape {shape} by axes {axes}: one axis of the shape for each of its own"
        )
    for n, a in zip(x.shape, axes, strict=True):
        if n not in (1, shape[a]):
            raise ShapeError(f"cannot broadcast {x} to shape {shape}: axis of length {n} does not fit {shape[a]}")
    return x.with_shape(shape)


def _broadcast_evaluate(x: Any, *, shape: Shape, axes: tuple[int, ...]) -> Any:
    if not axes:  # what np.broadcast_to gives, in a tenth of its time
        return np.ndarray(shape, x.dtype, x[()], 0, (0,) * len(shape))
    if x.flags.c_contiguous and x.size:  # likewise
        strides = [0] * len(shape)
        for n, step, a in zip(x.shape, x.strides, axes, strict=True):
            strides[a] = step if n == shape[a] else 0
        spread = np.ndarray(shape, x.dtype, x, 0, strides)
        spread.flags.writeable = False
        return spread
    expanded = [1] * len(shape)
    for n, a in zip(np.shape(x), axes, strict=True):
        expanded[a] = n
    return np.broadcast_to(x.reshape(expanded), shape)


def _broadcast_transpose(ct: Any, x: Linear, *, shape: Shape, axes: tuple[int, ...]) -> tuple[Any]:
    from functad.primitives.reductions import reduce_sum

    stretched = [a for n, a in zip(x.type.shape, axes, strict=True) if n == 1 and shape[a] != 1]
    new = [a for a in range(len(shape)) if a not in axes]
    return (reshape(reduce_sum(ct, (*stretched, *new)), x.type.shape),)


def _broadcast_batch(size: int, batched: Any, x: Any, *, shape: Shape, axes: tuple[int, ...]) -> tuple[Any, bool]:
    return broadcast(x, (size, *shape), (0, *[a + 1 for a in axes])), True


def _broadcast_pull(
    b: Any, index: Any, reads: Any, types: Any, out: Any, *, shape: Shape, axes: tuple[int, ...]
) -> Any:
    (x,) = types
    return reads[0](
        tuple(Affine(0) if n == 1 and n != shape[a] else index[a] for n, a in zip(x.shape, axes, strict=True))
    )


broadcast_p: Primitive = Primitive(
    "broadcast",
    type_rule=_broadcast_type,
    evaluate=_broadcast_evaluate,
    jvp=lambda ts, xs, y, **params: broadcast_p.bind(ts[0], **params),
    linear="jointly",
    transpose=_broadcast_transpose,
    batch=_broadcast_batch,
    kernel=Pull(_broadcast_pull),
    cheap=True,
    samples=lambda: [
        Sample((array_type((), np.float64),), {"shape": (2, 3), "axes": ()}),
        Sample((array_type((3,), np.float32),), {"shape": (2, 3), "axes": (1,)}),
        Sample((array_type((2, 1), np.complex128),), {"shape": (2, 4, 3), "axes": (0, 2)}),
        Sample((array_type((1,), np.int64),), {"shape": (0,), "axes": (0,)}),
        Sample((array_type((1,), np.bool_),), {"shape": (1, 1), "axes": (1,)}),
    ],
)


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
