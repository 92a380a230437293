"""What functions of neural networks take."""

from __future__ import annotations

from typing import Any

from functad.errors import DtypeError
from functad.numpy.operands import as_array, cast
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here

__all__ = ["floating", "real_floating"]


def floating(x: Any, name: str) -> Any:
    """An argument as a floating-point or complex array."""
    y = as_array(x, name)
    return cast(y, result_dtype([y, 1.0]))


def real_floating(x: Any, name: str) -> Any:
    """An argument as a floating-point array; complex ones are refused."""
    y = floating(x, name)
    if y.dtype.kind == "c":
        raise DtypeError(f"nn.{name}{here()} is of real numbers, got {y.dtype}; take .real or np.abs of it first")
    return y
