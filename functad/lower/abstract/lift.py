"""Constants of sub-Programs become operands of the equations around them, so that code does not depend on their
values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functad.errors import InternalError
from functad.ir.program import Atom, Eqn, Literal, Program, Var, sub_programs
from functad.lower.abstract.constants import Constants, is_embedded
from functad.primitives.loop_body import Layout

__all__ = ["lift_constants"]


def lift_constants(program: Program) -> Program:
    """The Program without constants in sub-Programs, but for those that are part of the code anyway; equations keep
    their places.
    """
    if not any(sub_programs(e) for e in program.eqns):
        return program
    return Program(
        program.inputs, [_lifted(e) if sub_programs(e) else e for e in program.eqns], program.outputs, program.name
    )


def _lifted(eqn: Eqn) -> Eqn:
    """The equation with what its sub-Programs' constants are as further operands."""
    p, ins = eqn.params, eqn.inputs
    match eqn.primitive.name:
        case "loop":
            layout = Layout.of(p)
            steps, consts, carry, xs = layout.split(ins)
            body, more = _closed(p["body"])
            return _with(
                eqn, (*steps, *more, *consts, *carry, *xs), {**p, "body": body, "consts": layout.consts + len(more)}
            )
        case "while":
            n, m = p["cond_consts"], p["body_consts"]
            cond, tested = _closed(p["cond"])
            body, more = _closed(p["body"])
            params = {"cond": cond, "body": body, "cond_consts": n + len(tested), "body_consts": m + len(more)}
            return _with(eqn, (*tested, *ins[:n], *more, *ins[n:]), params)
        case "cond":
            closed = [_closed(b) for b in p["branches"]]
            found = [more for _, more in closed]
            branches = tuple([_ignoring(b, found[:k], found[k + 1 :]) for k, (b, _) in enumerate(closed)])
            return _with(eqn, (ins[0], *[a for more in found for a in more], *ins[1:]), {"branches": branches})
    raise InternalError(f"lowering knows no sub-Programs of {eqn.primitive.name}")


def _with(eqn: Eqn, inputs: Sequence[Atom], params: Mapping[str, Any]) -> Eqn:
    return Eqn(eqn.primitive, tuple(inputs), params, eqn.outputs, eqn.loc)


def _ignoring(program: Program, before: Sequence[Sequence[Literal]], after: Sequence[Sequence[Literal]]) -> Program:
    """A branch that also takes, among its first inputs, the constants of the other branches."""
    own = len(program.inputs) - program.derived["operands"]
    others = [[Var(a.type) for more in part for a in more] for part in (before, after)]
    return Program(
        (*others[0], *program.inputs[:own], *others[1], *program.inputs[own:]),
        program.eqns,
        program.outputs,
        program.name,
    )


def _closed(program: Program) -> tuple[Program, list[Literal]]:
    """The Program with its constants as first inputs, and these."""
    program = lift_constants(program)
    found = _Lifting()
    eqns = [_with(e, [found.atom(a) for a in e.inputs], e.params) for e in program.eqns]
    outputs = [found.atom(a) for a in program.outputs]
    made = Program((*found.constants.variables, *program.inputs), eqns, outputs, program.name)
    made.derived["operands"] = len(program.inputs)
    return made, list(found.literals.values())


class _Lifting:
    """The constants of one Program, each once."""

    def __init__(self) -> None:
        self.constants = Constants()
        self.literals: dict[Var, Literal] = {}

    def atom(self, atom: Atom) -> Atom:
        """The atom, or the variable for a constant."""
        if isinstance(atom, Var) or (not atom.type.ndim and is_embedded(atom.value)):
            return atom
        var = self.constants.variable(atom, atom.type)
        self.literals[var] = atom
        return var
