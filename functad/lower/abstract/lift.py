"""Constants of sub-Programs become operands of the equations around them, so that code does not depend on their
values.
"""

from __future__ import annotations

from functad.errors import InternalError
from functad.ir.program import Atom, Eqn, Literal, Program, Var, sub_programs
from functad.ir.regions import regions_of
from functad.lower.abstract.constants import Constants, is_embedded

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
    form = regions_of(eqn)
    if form is None:
        raise InternalError(f"lowering knows no sub-Programs of {eqn.primitive.name}")
    closed = [_closed(p) for p in form.programs]
    more = [constants for _, constants in closed]
    return form.rebuilt(eqn, *form.with_constants([p for p, _ in closed], more, form.operands(eqn.inputs)))


def _closed(program: Program) -> tuple[Program, list[Literal]]:
    """The Program with its constants as first inputs, and these."""
    program = lift_constants(program)
    found = _Lifting()
    eqns = [
        Eqn(e.primitive, tuple([found.atom(a) for a in e.inputs]), e.params, e.outputs, e.loc) for e in program.eqns
    ]
    outputs = [found.atom(a) for a in program.outputs]
    made = Program((*found.constants.variables, *program.inputs), eqns, outputs, program.name)
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
