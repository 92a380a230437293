"""Conversion between dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.errors import DtypeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Pointwise
from functad.primitives.complex import real

__all__ = ["convert"]


def convert(x: Any, dtype: Any) -> Any:
    """The same elements in another dtype, as ``astype``; a complex array stays complex (or becomes bool)."""
    dtype = np.dtype(dtype).newbyteorder("=")
    return x if type_of(x).dtype == dtype else convert_p.bind(x, dtype=dtype)


def _type_rule(x: ArrayType, *, dtype: np.dtype) -> ArrayType:
    if x.dtype.kind == "c" and dtype.kind in "fiu":
        raise DtypeError(f"cannot convert {x} to {dtype}: it would lose its imaginary part; use x.real, or np.abs(x)")
    return x.with_dtype(dtype)


def _jvp(tangents: Any, primals: Any, out: Any, *, dtype: np.dtype) -> Any:
    return convert(tangents[0], dtype) if dtype.kind in "fc" else None


def _transpose(ct: Any, x: Linear, *, dtype: np.dtype) -> tuple[Any]:
    to = x.type.dtype
    return (convert(real(ct) if dtype.kind == "c" and to.kind == "f" else ct, to),)


def _samples() -> list[Sample]:
    names = ["f8", "f4", "c16", "c8", "i8", "i4", "u1", "?"]
    allowed = [(a, b) for a in names for b in names if a != b and not (a[0] == "c" and b[0] in "fiu")]
    edges = [Sample((array_type(shape, np.float32),), {"dtype": np.dtype("f8")}) for shape in ((), (2, 1, 3), (0,))]
    return edges + [
        Sample((array_type((3,), np.dtype(a)),), {"dtype": np.dtype(b)}, 0, 9, smooth=b[0] in "fc") for a, b in allowed
    ]


convert_p = Primitive(
    "convert",
    type_rule=_type_rule,
    evaluate=lambda x, *, dtype: x.astype(dtype),
    jvp=_jvp,
    linear="jointly",
    transpose=_transpose,
    batch=lambda size, batched, x, *, dtype: (convert(x, dtype), True),
    kernel=Pointwise(lambda b, x, *, dtype: b.cast(x, dtype)),
    cheap=True,
    samples=_samples,
)
