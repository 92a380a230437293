"""Running a Program: with NumPy where no trace is open (the specification of native code), else equation by equation into the trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from functad.core.trace import current_trace, location_scope
from functad.ir.program import Literal, Program, Var

__all__ = ["run_program"]

Step = tuple[Callable[..., Any], Callable[..., Any], tuple[int, ...], dict[str, Any], int | tuple[int, ...], Any]


class Plan:
    """A Program with its variables numbered: registers hold the inputs, then the literals, then results."""

    __slots__ = ("literals", "outputs", "registers", "steps")

    def __init__(self, program: Program) -> None:
        slots: dict[Var, int] = {v: i for i, v in enumerate(program.inputs)}
        self.literals: list[Any] = []
        n_inputs = len(program.inputs)
        found = [a for e in program.eqns for a in e.inputs if isinstance(a, Literal)]
        found += [a for a in program.outputs if isinstance(a, Literal)]
        literal_slots: dict[int, int] = {}
        for a in found:
            if id(a) not in literal_slots:
                literal_slots[id(a)] = n_inputs + len(self.literals)
                self.literals.append(a.value)
        count = n_inputs + len(self.literals)

        def slot(atom: Any) -> int:
            return literal_slots[id(atom)] if isinstance(atom, Literal) else slots[atom]

        self.steps: list[Step] = []
        for e in program.eqns:
            ins = tuple(slot(a) for a in e.inputs)
            for v in e.outputs:
                slots[v] = count
                count += 1
            outs = tuple(slots[v] for v in e.outputs)
            target = outs if e.primitive.multiple_results else outs[0]
            self.steps.append((e.primitive.evaluate, e.primitive.bind, ins, dict(e.params), target, e.loc))
        self.registers = count
        self.outputs = tuple(slot(a) for a in program.outputs)


def plan_of(program: Program) -> Plan:
    """The plan of a Program, made once and kept on it."""
    if program.plan is None:
        program.plan = Plan(program)
    return program.plan  # type: ignore[no-any-return]


def run_program(program: Program, args: Sequence[Any]) -> list[Any]:
    """The outputs of a Program: NumPy values, or tracers of the current trace."""
    plan = plan_of(program)
    registers: list[Any] = [*args, *plan.literals]
    registers += [None] * (plan.registers - len(registers))
    if current_trace() is None:
        for evaluate, _, ins, params, target, _ in plan.steps:
            result = evaluate(*[registers[i] for i in ins], **params)
            if type(target) is tuple:
                for t, r in zip(target, result, strict=True):
                    registers[t] = r
            else:
                registers[target] = result  # type: ignore[index]
    else:
        for _, bind, ins, params, target, loc in plan.steps:
            with location_scope(loc):
                result = bind(*[registers[i] for i in ins], **params)
            if type(target) is tuple:
                for t, r in zip(target, result, strict=True):
                    registers[t] = r
            else:
                registers[target] = result  # type: ignore[index]
    return [registers[i] for i in plan.outputs]
