"""Constants of a Program: which are part of its code, and which are given at run time.

Those of sub-Programs become operands of the equations around them (``lift_constants``), so that code does not depend on
their values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.errors import InternalError
from functad.ir.program import Atom, Eqn, Literal, Program, Var, sub_programs
from functad.ir.regions import regions_of
from functad.ir.types import ArrayType
from functad.kernel_ir.rules import Pointwise

__all__ = ["Constants", "divisors", "is_embedded", "lift_constants"]

_EMBEDDED = frozenset({0.25, 0.5, 1.5, -0.5, -1.5, float("inf"), float("-inf"), *range(-16, 17)})
"""Numbers that are part of the code: kernels simplify products and powers with them."""


def is_embedded(value: np.generic, divides: bool = False) -> bool:
    """Whether a number is part of the code; ``divides`` says that it is what something is divided by.

    Examples
    --------
    >>> is_embedded(np.float64(2)), is_embedded(np.float64(0.1)), is_embedded(np.float32("nan"))
    (True, False, True)
    >>> is_embedded(np.int64(1000)), is_embedded(np.int64(1000), divides=True)
    (False, True)
    """
    if divides and value.dtype.kind in "iu":
        return True
    return value.dtype.kind == "b" or all(part in _EMBEDDED or part != part for part in (value.real, value.imag))


def divisors(eqn: Eqn) -> tuple[int, ...]:
    """Which operands of an equation others are divided by, where integers are."""
    if not any([isinstance(a, Literal) for a in eqn.inputs]):
        return ()
    rule = eqn.primitive.kernel_rule(tuple([a.type for a in eqn.inputs]), eqn.params)
    return rule.divisors if isinstance(rule, Pointwise) else ()


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


# -- of sub-Programs ---------------------------------------------------------------------------------------------------


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
    eqns = [Eqn(e.primitive, found.operands(e), e.params, e.outputs, e.loc) for e in program.eqns]
    outputs = [found.atom(a) for a in program.outputs]
    made = Program((*found.constants.variables, *program.inputs), eqns, outputs, program.name)
    return made, list(found.literals.values())


class _Lifting:
    """The constants of one Program, each once."""

    def __init__(self) -> None:
        self.constants = Constants()
        self.literals: dict[Var, Literal] = {}

    def operands(self, eqn: Eqn) -> tuple[Atom, ...]:
        """The operands of an equation, constants replaced."""
        divided = divisors(eqn)
        return tuple([self.atom(a, k in divided) for k, a in enumerate(eqn.inputs)])

    def atom(self, atom: Atom, divides: bool = False) -> Atom:
        """The atom, or the variable for a constant."""
        if isinstance(atom, Var) or (not atom.type.ndim and is_embedded(atom.value, divides)):
            return atom
        var = self.constants.variable(atom, atom.type)
        self.literals[var] = atom
        return var
