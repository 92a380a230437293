"""Dead code: which equations the outputs of a Program need, and the Program without the others."""

from __future__ import annotations

from functad.ir.derived import derived
from functad.ir.program import Eqn, Program, ProgramOnDemand, Var, sub_programs

__all__ = ["dce", "has_effect", "kept_equations", "live_equations", "may_raise"]


def may_raise(eqn: Eqn) -> bool:
    """Whether running an equation, or the Programs that it calls, can raise."""
    return eqn.primitive.may_raise or any(program_may_raise(p) for p in sub_programs(eqn))


@derived
def program_may_raise(program: Program) -> bool:
    """Whether running a Program can raise: not where it is made on demand, for then it has been evaluated."""
    return not isinstance(program, ProgramOnDemand) and any(may_raise(e) for e in program.eqns)


def has_effect(eqn: Eqn) -> bool:
    """Whether running an equation, or the Programs that it calls, does something that is seen outside."""
    return eqn.primitive.effect or (may_raise(eqn) and any(_program_has_effect(p) for p in sub_programs(eqn)))


@derived
def _program_has_effect(program: Program) -> bool:
    return any(has_effect(e) for e in program.eqns)


def kept_equations(program: Program) -> list[bool]:
    """For each equation, whether it has to be run: an output needs it, it may raise, or such an equation needs it."""
    needed = {a for a in program.outputs if type(a) is Var}
    kept = [False] * len(program.eqns)
    for i in range(len(program.eqns) - 1, -1, -1):
        eqn = program.eqns[i]
        if not needed.isdisjoint(eqn.outputs) or may_raise(eqn):
            kept[i] = True
            needed.update([a for a in eqn.inputs if type(a) is Var])
    return kept


def dce(program: Program) -> Program:
    """The Program without the equations that need not run; its inputs stay.

    An equation that may raise stays: without its result the program would still have to raise.
    """
    kept = kept_equations(program)
    if all(kept):
        return program
    eqns = [eqn for eqn, keep in zip(program.eqns, kept, strict=True) if keep]
    return Program(program.inputs, eqns, program.outputs, program.name)


def live_equations(program: Program) -> list[Eqn]:
    """The equations that have to be run; calls without the results that nobody needs."""
    needed = {a for a in program.outputs if type(a) is Var}
    live: list[Eqn] = []
    for eqn in reversed(program.eqns):
        if not needed.isdisjoint(eqn.outputs) or may_raise(eqn):
            control = eqn.primitive.control
            if control is not None and control.open and not needed.issuperset(eqn.outputs):
                eqn = with_results(eqn, eqn.params["program"], tuple([v in needed for v in eqn.outputs]))
            live.append(eqn)
            needed.update([a for a in eqn.inputs if type(a) is Var])
    return live[::-1]


def with_results(eqn: Eqn, program: Program, live: tuple[bool, ...]) -> Eqn:
    """A call with the flagged results alone; as it is, if there are none, and it is run since it may raise."""
    if not any(live):
        return eqn
    kept = tuple([v for v, flag in zip(eqn.outputs, live, strict=True) if flag])
    return Eqn(eqn.primitive, eqn.inputs, {**eqn.params, "program": live_part(program, live)}, kept, eqn.loc)


@derived
def live_part(program: Program, live: tuple[bool, ...]) -> Program:
    """The Program of the flagged results."""
    outputs = [a for a, flag in zip(program.outputs, live, strict=True) if flag]
    found = dce(Program(program.inputs, program.eqns, outputs, program.name))
    found.doubtful = program.doubtful
    return found
