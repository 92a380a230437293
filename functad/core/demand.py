"""Python integers among the arguments of a jitted function: run-time data, until Python asks for their values.

A shape, a bound of a slice, ``if n > 3`` cannot be traced for all values of an integer. Where what is asked for is
computed of such integers and nothing else, tracing ends at once (`Demanded`), and begins anew with their values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from functad.core.location import user_location
from functad.ir.program import Location, Var

if TYPE_CHECKING:
    from functad.core.trace import Trace

__all__ = ["Demanded", "Integers", "demand"]


class Integers:
    """Which leaves of a call are Python integers that are traced, and which of them have been asked for, and where."""

    __slots__ = ("asked", "call", "numbers", "variables")

    def __init__(self, call: object, numbers: Iterable[int]) -> None:
        self.call = call
        self.numbers = tuple(numbers)
        self.variables: dict[Var, int] = {}
        self.asked: dict[int, Location | None] = {}

    def stand_for(self, inputs: Sequence[Var]) -> None:
        """Note the variables of the leaves."""
        self.variables = {inputs[n]: n for n in self.numbers}


class Demanded(BaseException):
    """Python has asked for the value of some integers: no error, and nothing that the user's ``except`` may catch."""

    def __init__(self, integers: Integers) -> None:
        super().__init__("the value of an integer was asked for")
        self.integers = integers


def demand(trace: Trace, var: Var) -> None:
    """End the trace of the function whose Python integers decide the value of a variable; do nothing where something
    else does, too.
    """
    around: Trace | None = trace
    while around is not None and around.integers is None:
        around = around.parent
    if around is None:
        return
    found = integers_behind(trace, var)
    if found:
        integers = found[0][0]
        where = user_location()
        for other, number in found:
            if other is integers:
                integers.asked.setdefault(number, where)
        raise Demanded(integers)


def integers_behind(trace: Trace, var: Var) -> list[tuple[Integers, int]]:
    """The Python integers that a value is computed of; none if it is computed of anything else, too."""
    found: list[tuple[Integers, int]] = []
    todo, seen = [(trace, var)], set()
    while todo:
        trace, var = todo.pop()
        if var in seen:
            continue
        seen.add(var)
        eqn = trace.made_by(var)
        if eqn is not None:
            todo += [(trace, a) for a in eqn.inputs if type(a) is Var]
        elif trace.integers is not None and var in trace.integers.variables:
            found.append((trace.integers, trace.integers.variables[var]))
        elif var in trace.sources:
            source = trace.sources[var]
            todo.append((source._owner, source._variable))
        else:
            return []
    return found
