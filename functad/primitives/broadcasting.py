"""Broadcasting, and summing over axes: each is the transpose of the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.errors import ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.nodes import Affine
from functad.kernel_ir.rules import Pull
from functad.primitives.axes import Reduce, kept_axes, reduction
from functad.primitives.shapes import reshape

__all__ = ["broadcast", "broadcast_p", "lead_axes", "reduce_sum", "sum_all"]

Shape = tuple[int, ...]


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


def lead_axes(size: int, batched: Sequence[bool], operands: Sequence[Any]) -> list[Any]:
    """The operands of a batching rule, all with the mapped axis in front."""
    shapes = [type_of(x).shape for x in operands]
    return [
        x if flag else broadcast(x, (size, *shape), range(1, 1 + len(shape)))
        for x, flag, shape in zip(operands, batched, shapes, strict=True)
    ]


# -- sum ---------------------------------------------------------------------------------------------------------------

reduce_sum: Reduce = reduction(
    "sum",
    lambda x, *, axes: np.add.reduce(x, axis=axes, dtype=x.dtype),
    "fciu",
    jvp=lambda ts, xs, y, *, axes: reduce_sum(ts[0], axes),
    transpose=lambda ct, x, *, axes: (broadcast(ct, x.type.shape, kept_axes(x.type.ndim, axes)),),
)


def sum_all(x: Any) -> Any:
    """Sum over all axes."""
    return reduce_sum(x, range(type_of(x).ndim))
