"""Comparing results to the last bit: values, signs of zeros, and where there is NaN; not which NaN, which CPUs choose
differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["assert_same_bits", "same_bits"]


def same_bits(x: Any, y: Any) -> bool:
    """Whether two arrays or scalars have one dtype and shape and the same elements.

    Examples
    --------
    >>> same_bits(0.1 + 0.2, 0.3), same_bits(0.0, -0.0), same_bits(np.nan, -np.nan)
    (False, False, True)
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype != y.dtype or x.shape != y.shape:
        return False
    if x.dtype.kind == "c":
        return same_bits(x.real, y.real) and same_bits(x.imag, y.imag)
    if x.dtype.kind != "f":
        return np.array_equal(x, y)
    equal = (x == y) & (np.signbit(x) == np.signbit(y))
    return bool(np.all(equal | (np.isnan(x) & np.isnan(y))))


def assert_same_bits(found: Sequence[Any], expected: Sequence[Any], what: str) -> None:
    """Raise unless all results are the same."""
    for i, (x, y) in enumerate(zip(found, expected, strict=True)):
        if not same_bits(x, y):
            raise AssertionError(f"{what}: result {i} is\n{x!r}, not\n{y!r}; difference {np.subtract(x, y)}")
