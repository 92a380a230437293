"""What equations with derivative rules of the user's own have in common.

What the function, its rules and its nondifferentiable arguments close over is found when the function is called, and
fixed: traced values are explicit operands, ``consts`` of them, in front of the arguments; ``program`` and the rules
take all of them. A rule says nothing about how the result moves with these, so one that is used must not be
differentiated.

A rule is run when the equation is differentiated: in the trace that is open then, or on values where none is. Only
vectorisation asks for its Programs, and so must whoever stores a Program: they need no Python.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from functad.caches import remember
from functad.core.evaluator import run_program
from functad.errors import FunctadError, StructureError
from functad.ir.program import Program
from functad.transforms.programs import transpose_call

__all__ = ["Rule", "moves", "transposed"]


class Rule(ABC):
    """The rule of one call, a param of its equation; its Programs are traced once, when someone asks for them."""

    _programs: tuple[Program, ...] | None = None
    _mapped: dict[tuple[int, tuple[Any, ...]], Rule] | None = None

    @abstractmethod
    def trace(self) -> tuple[Program, ...]:
        """The rule as Programs."""

    @property
    def programs(self) -> tuple[Program, ...]:
        """The rule as Programs, which need nothing else: traced now, if they are not yet."""
        if self._programs is None:
            self._programs = self.trace()
        return self._programs

    def mapped(self, size: int, batched: tuple[Any, ...], make: Callable[[], Rule]) -> Rule:
        """The rule over a mapped axis of the operands flagged, made once."""
        if self._mapped is None:
            self._mapped = {}
        found = self._mapped.get((size, batched))
        return remember(self._mapped, (size, batched), make(), times=4) if found is None else found


def moves(mask: Sequence[bool], program: Program, rule: Rule, consts: int, kind: str, name: str) -> bool:
    """Whether an argument is differentiated; refuses derivatives with respect to what is closed over, if it is used."""
    if not consts:
        return True in mask
    for i in range(consts):
        if mask[i] and _is_used(i, program, rule):
            raise StructureError(
                f"{kind} function {name} closes over a value ({program.in_types[i]}) that is being differentiated, or "
                "takes it in nondiff_argnums, but its rule covers only the other arguments; pass the value as one of "
                "these, "
                "or wrap it in fd.stop_gradient"
            )
    return True in mask[consts:]


def _is_used(number: int, program: Program, rule: Rule) -> bool:
    """Whether the function or its rule uses an operand."""
    try:
        return any(_reads(p, number) for p in (program, *rule.programs))
    except FunctadError:  # Python looks at values: nothing can be said
        return True


def _reads(program: Program, number: int) -> bool:
    """Whether a Program uses an input; a function with rules is given what it closes over, used or not."""
    variable = program.inputs[number]
    for eqn in program.eqns:
        for i, a in enumerate(eqn.inputs):
            passed = eqn.primitive.own_rules and i < eqn.params["consts"]
            if a is variable and not (passed and not _reads(eqn.params["program"], i)):
                return True
    return variable in program.outputs


def transposed(cts: Sequence[Any], *operands: Any, program: Program, **params: Any) -> list[Any]:
    """Where the function is linear its transpose is, whatever its rules say about derivatives."""
    return transpose_call(run_program, program, cts, operands)
