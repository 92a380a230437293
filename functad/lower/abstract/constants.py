"""Constants of a Program: which are part of its code, and which are given at run time."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.ir.program import Literal, Var
from functad.ir.types import ArrayType

__all__ = ["Constants", "is_embedded"]

_EMBEDDED = frozenset({0.25, 0.5, 1.5, float("inf"), float("-inf"), *range(-16, 17)})
"""Numbers that are part of the code: kernels simplify products and powers with them."""


def is_embedded(value: np.generic) -> bool:
    """Whether a number is part of the code.

    Examples
    --------
    >>> is_embedded(np.float64(2)), is_embedded(np.float64(0.1)), is_embedded(np.float32("nan"))
    (True, False, True)
    """
    return value.dtype.kind == "b" or all(part in _EMBEDDED or part != part for part in (value.real, value.imag))


class Constants:
    """The constants that become inputs, each once: equal numbers of a dtype share one, and so do uses of the same
    array.
    """

    def __init__(self) -> None:
        self._found: dict[Any, tuple[Var, np.ndarray]] = {}

    def variable(self, literal: Literal, type: ArrayType) -> Var:
        """The input that stands for a literal; ``type`` is what its type became."""
        value = literal.value
        key = id(value) if isinstance(value, np.ndarray) else (value.dtype, value.tobytes())  # bytes tell -0.0 from 0.0
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = Var(type), np.asarray(value, order="C")
        return found[0]

    @property
    def variables(self) -> tuple[Var, ...]:
        """The inputs, in order of first use."""
        return tuple([var for var, _ in self._found.values()])

    @property
    def values(self) -> tuple[np.ndarray, ...]:
        """Their values, C-contiguous."""
        return tuple([value for _, value in self._found.values()])
