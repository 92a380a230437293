"""Constants of a Program that become operands: what is made of the Program then serves other values of them, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.errors import InternalError
from functad.ir.program import Atom, Eqn, Literal, Program, Var, sub_programs
from functad.ir.regions import Kind, regions_of
from functad.ir.types import ArrayType

__all__ = ["Constants", "closed", "lift_constants"]

Stays = Callable[[Literal, Eqn | None, int], bool]
"""Whether a constant stays where it is: as an operand of an equation, by its position, or as an output (None)."""


class Constants:
    """The constants that become inputs, each once: equal numbers of a dtype share one, and so do uses of the same
    array.
    """

    def __init__(self) -> None:
        self._found: dict[Any, tuple[Var, np.ndarray]] = {}

    def variable(self, literal: Literal, type: ArrayType) -> Var:
        """The input that stands for a literal; ``type`` is what its type became."""
        value = literal.value
        key = id(value) if isinstance(value, np.ndarray) else (value.dtype, value.tobytes())  # bytes tell -0.0 from 0.0
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = Var(type), np.asarray(value, order="C")
        return found[0]

    @property
    def variables(self) -> tuple[Var, ...]:
        """The inputs, in order of first use."""
        return tuple([var for var, _ in self._found.values()])

    @property
    def values(self) -> tuple[np.ndarray, ...]:
        """Their values, C-contiguous."""
        return tuple([value for _, value in self._found.values()])


def lift_constants(program: Program, stays: Stays) -> Program:
    """The Program without constants in sub-Programs, but for those that stay: they become operands of the equations
    around; equations keep their places.
    """
    if not any(sub_programs(e) for e in program.eqns):
        return program
    eqns = [_lifted(e, stays) if sub_programs(e) else e for e in program.eqns]
    return Program(program.inputs, eqns, program.outputs, program.name)


def _lifted(eqn: Eqn, stays: Stays) -> Eqn:
    """The equation with what its sub-Programs' constants are as further operands, unless its rules count on theirs."""
    form = regions_of(eqn)
    if form is None:
        raise InternalError(f"nothing is known of the sub-Programs of {eqn.primitive.name}")
    if form.kind is Kind.CALL and not eqn.primitive.control.open:  # type: ignore[union-attr]
        return eqn
    without = [closed(p, stays) for p in form.programs]
    more = [constants for _, constants in without]
    return form.rebuilt(eqn, *form.with_constants([p for p, _ in without], more, form.operands(eqn.inputs)))


def closed(program: Program, stays: Stays) -> tuple[Program, list[Literal]]:
    """The Program with its constants as first inputs, but for those that stay, and these."""
    program = lift_constants(program, stays)
    found = _Lifting(stays)
    eqns = [
        Eqn(e.primitive, tuple([found.atom(a, e, k) for k, a in enumerate(e.inputs)]), e.params, e.outputs, e.loc)
        for e in program.eqns
    ]
    outputs = [found.atom(a) for a in program.outputs]
    made = Program((*found.constants.variables, *program.inputs), eqns, outputs, program.name)
    return made, list(found.literals.values())


class _Lifting:
    """The constants of one Program, each once."""

    def __init__(self, stays: Stays) -> None:
        self.stays = stays
        self.constants = Constants()
        self.literals: dict[Var, Literal] = {}

    def atom(self, atom: Atom, eqn: Eqn | None = None, position: int = 0) -> Atom:
        """The atom, or the variable for a constant."""
        if isinstance(atom, Var) or self.stays(atom, eqn, position):
            return atom
        var = self.constants.variable(atom, atom.type)
        self.literals[var] = atom
        return var
