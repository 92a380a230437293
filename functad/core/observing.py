"""Evaluation that somebody looks at: who looks for numbers that are not finite, or at the clock, evaluates equations
himself while he is in force. Nobody pays for it else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from functad.errors import OF_VALUES
from functad.ir.program import Literal, Location, Program

if TYPE_CHECKING:
    from functad.core.primitive import Primitive

__all__ = ["Observer", "observing"]

T = TypeVar("T")

observing: ContextVar[Observer | None] = ContextVar("functad_observing", default=None)
"""The observer in force in this context."""


class Observer:
    """Evaluates equations one by one, each where ``equation`` is overridden; the same results as without."""

    stepwise = False
    """Whether it wants to see each step of a long loop, which else is native code."""

    def __init__(self) -> None:
        self.loc: Location | None = None  # of what is evaluated now, where its equations have none

    def run(self, program: Program, args: Sequence[Any]) -> list[Any]:
        """The outputs of a Program."""
        values: dict[Any, Any] = dict(zip(program.inputs, args, strict=True))
        around = self.loc
        for eqn in program.eqns:
            ins = [a.value if type(a) is Literal else values[a] for a in eqn.inputs]
            results = self.equation(eqn.primitive, ins, eqn.params, eqn.loc or around)
            values.update(zip(eqn.outputs, results, strict=True))
        return [a.value if type(a) is Literal else values[a] for a in program.outputs]

    def equation(
        self, primitive: Primitive, ins: Sequence[Any], params: Any, loc: Location | None = None
    ) -> tuple[Any, ...]:
        """The results of an equation."""
        around = self.loc
        self.loc = loc or around
        try:
            result = primitive.evaluate(*ins, **params)
        except OF_VALUES as error:
            error.at(self.loc)
            raise
        finally:
            self.loc = around
        return tuple(result) if primitive.multiple_results else (result,)

    def native(
        self, program: Program, args: Sequence[Any], options: Any, run: Callable[[], Sequence[Any]]
    ) -> Sequence[Any]:
        """The outputs of a Program that ``run`` gets from native code, which is compiled with some options."""
        return run()

    def call(self, name: str, run: Callable[[], T]) -> T:
        """What a call of the user's returns."""
        return run()

    def took(self, kind: str, name: str, seconds: float) -> None:
        """Note that something took so long, which has just ended."""

    def pass_on(self, x: Any, given: Sequence[Any]) -> Any:
        """A value that was made of others without an equation: a copy, a sum."""
        return x
