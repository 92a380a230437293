"""Arrays from nothing: what has no operands. (An array of one value is a ``broadcast`` of it.)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample
from functad.errors import DtypeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Pull
from functad.primitives.axes import check_axes

__all__ = ["iota"]

Shape = tuple[int, ...]


def iota(shape: Sequence[int], dtype: np.dtype | type, axis: int) -> Any:
    """The array whose elements are their own index along an axis: 0, 1, 2, ..."""
    return iota_p.bind(shape=tuple(shape), dtype=np.dtype(dtype), axis=axis)


def _iota_type(*, shape: Shape, dtype: np.dtype, axis: int) -> ArrayType:
    out = array_type(shape, dtype)
    check_axes("iota", out, (axis,))
    if dtype.kind not in "iufc":
        raise DtypeError(f"iota does not make {dtype} (it makes numbers); compare or convert its result")
    return out


def _iota_evaluate(*, shape: Shape, dtype: np.dtype, axis: int) -> Any:
    column = [-1 if a == axis else 1 for a in range(len(shape))]
    return np.broadcast_to(np.arange(shape[axis]).astype(dtype).reshape(column), shape)


iota_p: Primitive = Primitive(
    "iota",
    type_rule=_iota_type,
    evaluate=_iota_evaluate,
    batch=lambda size, batched, **params: (iota_p.bind(**params), False),
    kernel=Pull(lambda b, index, reads, types, out, *, shape, dtype, axis: b.cast(b.axis(index[axis]), dtype)),
    cheap=True,
    samples=lambda: [
        Sample((), {"shape": (3,), "dtype": np.dtype(np.int64), "axis": 0}),
        Sample((), {"shape": (2, 20), "dtype": np.dtype(np.float64), "axis": 1}),
        Sample((), {"shape": (2, 3), "dtype": np.dtype(np.float32), "axis": 0}),
        Sample((), {"shape": (3, 1), "dtype": np.dtype(np.complex128), "axis": 0}),
        Sample((), {"shape": (300,), "dtype": np.dtype(np.uint8), "axis": 0}),
        Sample((), {"shape": (0, 2), "dtype": np.dtype(np.int64), "axis": 1}),
    ],
)
