"""What a function with rules of its own takes from outside where a jitted function calls it.

Its Program is a part of another, with inputs that are fixed before it is traced. So arrays that it closes over, or
finds in globals, are constants of it, and the Program around is right as long as they hold what they hold now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.api.world.hidden import HiddenOperand
from functad.api.world.outside import Outside
from functad.api.world.reach import Reach
from functad.core.trace import Trace
from functad.ir.program import Var, frozen, is_frozen
from functad.ir.types import ArrayType
from functad.lower.entry.places import Place
from functad.lower.entry.unchanged import Unchanged

__all__ = ["Kept"]


class Kept:
    """What is outside, as it is while the Program around is traced."""

    def __init__(self, around: Outside) -> None:
        self.around = around
        self.trace = around.trace

    def operand(self, array: np.ndarray) -> np.ndarray:
        """What the array holds now."""
        if is_frozen(array):
            return array
        self.around.depends_on(array)
        return frozen(array)

    def converted(self, x: Any, array: np.ndarray) -> None:
        """Note that an array of another library gave this one."""
        self.around.converted(x, array)

    def hide(self, place: Place, type: ArrayType, kind: int) -> Any:
        """What a place holds now."""
        self.around.guards.add(Unchanged({place: place.get()}))
        return HiddenOperand(place, type, kind).value()

    def runs_later(self, f: Any) -> None:
        """Note that a function runs when the Program does."""
        self.around.runs_later(f)

    def inherit(self, guards: Any) -> None:
        """Take over what the Program of a function that is called depends on."""
        self.around.inherit(guards)

    def depends_on(self, array: np.ndarray) -> None:
        """Note that what is traced is right only as long as the array holds what it holds now."""
        self.around.depends_on(array)

    def depends_on_all(self, functions: Sequence[Any]) -> None:
        """Note that so it is with the arrays that functions reach, which may run when nobody notes what they use: rules
        do.
        """
        reach = Reach(*functions)
        self.around.reads_no_operand(reach)
        for array in reach.arrays:
            if array.dtype.kind in "fciub":
                self.around.depends_on(array)
        for x in reach.foreign:
            self.around.compare_foreign(x)

    def value(self, trace: Trace, var: Var) -> Any:
        """What is behind a variable now, which is noted; ABSENT if nothing is."""
        return self.around.value(trace, var)
