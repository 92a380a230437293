"""Constants of a Program: which are part of its code; the others are given at run time."""

from __future__ import annotations

import numpy as np

from functad.ir.program import Literal

__all__ = ["is_embedded", "stays"]

_EMBEDDED = frozenset({0.25, 0.5, 1.5, -0.5, -1.5, float("inf"), float("-inf"), *range(-16, 17)})
"""Numbers that are part of the code: kernels simplify products and powers with them."""


def is_embedded(value: np.generic) -> bool:
    """Whether a number is part of the code.

    Examples
    --------
    >>> is_embedded(np.float64(2)), is_embedded(np.float64(0.1)), is_embedded(np.float32("nan"))
    (True, False, True)
    """
    return value.dtype.kind == "b" or all(part in _EMBEDDED or part != part for part in (value.real, value.imag))


def stays(constant: Literal) -> bool:
    """Whether a constant is part of the code: arrays never are."""
    return not constant.type.ndim and is_embedded(constant.value)
