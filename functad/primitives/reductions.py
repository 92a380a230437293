"""Reductions over axes; the result lacks them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Reduction
from functad.primitives.shapes import broadcast

__all__ = ["reduce_sum", "sum_all"]


def kept_axes(ndim: int, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The axes that a reduction leaves."""
    return tuple([i for i in range(ndim) if i not in axes])


def reduced_type(x: ArrayType, *, axes: tuple[int, ...]) -> ArrayType:
    """The type without some axes."""
    return x.with_shape(tuple([n for i, n in enumerate(x.shape) if i not in axes]))


def reduce_sum(x: Any, axes: Iterable[int]) -> Any:
    """Sum over axes, all different and not negative."""
    axes = tuple(sorted(axes))
    return sum_p.bind(x, axes=axes) if axes else x


def sum_all(x: Any) -> Any:
    """Sum over all axes."""
    return reduce_sum(x, range(type_of(x).ndim))


sum_p = Primitive(
    "sum",
    type_rule=reduced_type,
    evaluate=lambda x, *, axes: np.sum(x, axis=axes, dtype=x.dtype),
    jvp=lambda ts, xs, y, *, axes: reduce_sum(ts[0], axes),
    linear="jointly",
    transpose=lambda ct, x, *, axes: (broadcast(ct, x.type.shape, kept_axes(x.type.ndim, axes)),),
    batch=lambda size, batched, x, *, axes: (reduce_sum(x, [a + 1 for a in axes]), True),
    kernel=Reduction("sum"),
    samples=lambda: [
        Sample((array_type((2, 3), np.float64),), {"axes": (0,)}),
        Sample((array_type((2, 3), np.float32),), {"axes": (1,)}),
        Sample((array_type((2, 3, 2), np.complex128),), {"axes": (0, 2)}),
        Sample((array_type((0, 3), np.float64),), {"axes": (0,)}),
        Sample((array_type((4,), np.int64),), {"axes": (0,)}),
    ],
)
