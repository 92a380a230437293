"""What a trace takes from outside besides its inputs, as the trace sees it; ``api.world`` says what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from functad.ir.program import Var
from functad.ir.types import ArrayType

if TYPE_CHECKING:
    from functad.core.trace import Trace

__all__ = ["Outside"]


class Outside(Protocol):
    """What a trace takes from outside besides its inputs, where its Program is to serve later calls too: they read it
    anew.

    The traces inside such a trace share its ``Outside``. Other traces, whose Programs serve one call, hold arrays as
    they were.
    """

    trace: Trace
    """The outermost of them, whose inputs they are."""

    def operand(self, array: np.ndarray) -> Any:
        """A tracer of what the array holds when the Program runs; an array that nobody can write to is given back."""
        ...

    def converted(self, x: Any, array: np.ndarray) -> None:
        """Note that an array of another library gave this one."""
        ...

    def hide(self, place: Any, type: ArrayType, kind: int) -> Any:
        """A tracer of what a place holds when the Program runs."""
        ...

    def runs_later(self, f: Any) -> None:
        """Note that a function runs when the Program does: what it reads beside its arguments is of no concern while it
        is traced.
        """
        ...

    def inherit(self, guards: Any) -> None:
        """Take over what the Program of a function that is called depends on."""
        ...

    def depends_on(self, array: np.ndarray) -> None:
        """Note that what is traced is right only as long as the array holds what it holds now."""
        ...

    def value(self, trace: Trace, var: Var) -> Any:
        """What the array behind a variable holds now, which is noted; ABSENT for any other variable."""
        ...
