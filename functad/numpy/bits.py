"""Bits as elements, and packed into bytes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.errors import ArgumentError, DtypeError
from functad.numpy.axes import normal_axis
from functad.numpy.dispatch import implements
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.traced import here
from functad.primitives.shapes import reshape

__all__: list[str] = []

UINT8 = np.dtype(np.uint8)


def _last(a: Any, axis: int | None, bitorder: str, name: str) -> tuple[Any, int, Any]:
    """The array with the axis last, that axis, and the value of each bit of a byte."""
    if bitorder not in ("big", "little"):
        raise ArgumentError(f"np.{name}{here()}: bitorder must be 'big' or 'little', got {bitorder!r}")
    x = as_array(a, name)
    if axis is None:
        x, axis = reshape(x, (prod(shape_of(x)),)), 0
    place = normal_axis(axis, len(shape_of(x)), name)
    shifts = np.arange(8, dtype=UINT8)
    return fnp.moveaxis(x, place, -1), place, shifts[::-1] if bitorder == "big" else shifts


@implements(np.packbits)
def packbits(a: Any, /, axis: int | None = None, bitorder: str = "big") -> Any:
    """``numpy.packbits``: eight elements, that are 0 or not, in a byte."""
    x, axis, shifts = _last(a, axis, bitorder, "packbits")
    if x.dtype.kind not in "iub":
        raise DtypeError(f"np.packbits{here()} is of integers or booleans, got dtype {x.dtype}")
    *rest, n = shape_of(x)
    bits = fnp.pad(cast(x != 0, UINT8), [(0, 0)] * len(rest) + [(0, -n % 8)])
    packed = fnp.sum(fnp.left_shift(reshape(bits, (*rest, (n + 7) // 8, 8)), shifts), -1, dtype=UINT8)
    return fresh_array(fnp.moveaxis(packed, -1, axis))


@implements(np.unpackbits)
def unpackbits(a: Any, /, axis: int | None = None, count: int | None = None, bitorder: str = "big") -> Any:
    """``numpy.unpackbits``: the bits of bytes."""
    x, axis, shifts = _last(a, axis, bitorder, "unpackbits")
    if x.dtype != UINT8:
        raise DtypeError(f"np.unpackbits{here()} is of uint8, got dtype {x.dtype}")
    *rest, n = shape_of(x)
    bits = reshape(fnp.bitwise_and(fnp.right_shift(fnp.expand_dims(x, -1), shifts), np.uint8(1)), (*rest, 8 * n))
    if count is not None:
        more = (count if count >= 0 else 8 * n + count) - 8 * n
        bits = fnp.pad(bits, [(0, 0)] * len(rest) + [(0, more)]) if more > 0 else bits[..., : 8 * n + more]
    return fresh_array(fnp.moveaxis(bits, -1, axis))
