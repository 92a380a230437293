"""Hidden operands: inputs of a jitted function's Program that no call gives. Each call reads them where they are,
natively if it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.core.capture import as_leaf
from functad.core.tracer import ARRAY
from functad.errors import FunctadError
from functad.ir.types import ArrayType
from functad.lower.entry.places import ABSENT, Place

__all__ = ["HiddenOperand"]


@dataclass(frozen=True, eq=False)
class HiddenOperand:
    """What ``place`` holds at each call, as an input of this type and kind (ARRAY, SCALAR, PYTHON)."""

    place: Place
    type: ArrayType
    kind: int

    def fits(self) -> bool:
        """Whether the place holds something of this type and kind now."""
        value = self.place.get()
        if self.kind == ARRAY:
            return (
                isinstance(value, np.ndarray)
                and value.shape == self.type.shape
                and value.dtype.newbyteorder("=") == self.type.dtype
            )
        if value is ABSENT or isinstance(value, np.ndarray):
            return False
        try:
            leaf = as_leaf(value, lambda: "a hidden operand")
        except FunctadError:
            return False
        return leaf.type is self.type and leaf.kind == self.kind

    def value(self) -> Any:
        """What the place holds now, as primitives take it."""
        value = self.place.get()
        return value if self.kind == ARRAY else as_leaf(value, lambda: "a hidden operand").value
