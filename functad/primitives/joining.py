"""Concatenation of arrays along an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.core.zeros import instantiate
from functad.errors import DtypeError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import KernelRule, Pull, Statements
from functad.kernel_ir.sizes import poly
from functad.primitives.axes import check_axes
from functad.primitives.broadcasting import lead_axes
from functad.primitives.slicing import slice_

__all__ = ["concatenate"]


def concatenate(xs: Sequence[Any], axis: int) -> Any:
    """The arrays one after the other along an axis; they agree in dtype and in all other axes."""
    return xs[0] if len(xs) == 1 else concatenate_p.bind(*xs, axis=axis)


def _concatenate_type(*types: ArrayType, axis: int) -> ArrayType:
    if not types:
        raise ShapeError("concatenate takes at least one array, got none")
    first = types[0]
    check_axes("concatenate", first, (axis,))
    for t in types[1:]:
        if t.dtype != first.dtype:
            raise DtypeError(f"concatenate takes operands of one dtype, got {first} and {t}; convert with .astype")
        if t.ndim != first.ndim or any(
            m != n for a, (m, n) in enumerate(zip(first.shape, t.shape, strict=True)) if a != axis
        ):
            raise ShapeError(
                f"cannot concatenate {first} and {t} along axis {axis}: their other axes must have equal lengths; "
                "broadcast one"
            )
    return first.with_shape((*first.shape[:axis], sum(t.shape[axis] for t in types), *first.shape[axis + 1 :]))


def _concatenate_transpose(ct: Any, *xs: Any, axis: int) -> list[Any]:
    cts: list[Any] = []
    offset = 0
    for x in xs:
        shape = x.type.shape if type(x) is Linear else type_of(x).shape
        starts = [offset if a == axis else 0 for a in range(len(shape))]
        cts.append(
            slice_(ct, starts, [a + n for a, n in zip(starts, shape, strict=True)]) if type(x) is Linear else None
        )
        offset += shape[axis]
    return cts


_CHOSEN = 9
"""Up to so many elements along the axis are chosen from, as many as fusion writes out."""

_PARTS = 3
"""So many parts of any length are chosen from, too: loops have versions for so many (``lower.emit.regions``)."""


def _concatenate_kernel(in_types: Sequence[ArrayType], params: Mapping[str, Any]) -> KernelRule:
    """Few elements, or a few parts, are chosen from where they are read; in memory, each part is written by a loop of
    its own.
    """
    lengths = [x.shape[params["axis"]] for x in in_types]
    if all(isinstance(n, int) for n in lengths):
        return _CHOICE if sum(lengths) <= _CHOSEN else _WRITTEN
    return _CHOICE_OR_WRITTEN if len(in_types) <= _PARTS else _WRITTEN


def _concatenate_pull(b: Any, index: Any, reads: Any, types: Sequence[ArrayType], out: Any, *, axis: int) -> Any:
    """The element of the part that the index lies in; where the index is a constant the comparisons are, too."""
    position, end, value = b.axis(index[axis]), sum((x.shape[axis] for x in types), poly(0)), None
    for read, x in reversed(list(zip(reads, types, strict=True))):
        start = end - x.shape[axis]
        before = b.lt(position, b.size(end))
        inside = b.bit_and(b.ge(position, b.size(start)), before)
        part = read((*index[:axis], index[axis] + (-start), *index[axis + 1 :]), mask=inside)
        value = part if value is None else b.select(before, part, value)
        end = start
    return value


def _concatenate_statements(ctx: Any, in_types: Sequence[ArrayType], out_types: Any, *, axis: int) -> None:
    offset = poly(0)
    for k, x in enumerate(in_types):

        def part(b: Any, index: Any, k: int = k, offset: Any = offset) -> None:
            b.store(ctx.output(), (*index[:axis], index[axis] + offset, *index[axis + 1 :]), ctx.read(k)(index))

        ctx.kernel(x.shape, part, "concatenate")
        offset = offset + x.shape[axis]


_CHOICE = Pull(_concatenate_pull, static=("axis",))
_WRITTEN = Statements(_concatenate_statements, static=("axis",))
_CHOICE_OR_WRITTEN = Pull(_concatenate_pull, static=("axis",), in_memory=_WRITTEN)

concatenate_p = Primitive(
    "concatenate",
    type_rule=_concatenate_type,
    evaluate=lambda *xs, axis: np.concatenate(xs, axis),
    jvp=lambda ts, xs, y, *, axis: concatenate([instantiate(t, type_of(x)) for t, x in zip(ts, xs, strict=True)], axis),
    linear="jointly",
    transpose=_concatenate_transpose,
    batch=lambda size, batched, *xs, axis: (concatenate(lead_axes(size, batched, xs), axis + 1), True),
    kernel=_concatenate_kernel,
    samples=lambda: [
        Sample((array_type((2,), np.float64), array_type((3,), np.float64)), {"axis": 0}),
        Sample((array_type((20, 1), np.float64), array_type((20, 2), np.float64)), {"axis": 1}),
        Sample(
            (array_type((2, 3), np.float32), array_type((2, 1), np.float32), array_type((2, 0), np.float32)),
            {"axis": 1},
        ),
        Sample((array_type((20, 2), np.complex128), array_type((30, 2), np.complex128)), {"axis": 0}),
        Sample((array_type((1, 2), np.int64), array_type((1, 2), np.int64)), {"axis": 0}),
        Sample((array_type((0,), np.bool_), array_type((1,), np.bool_)), {"axis": 0}),
    ],
)
