"""The checker: what every Program must satisfy. It runs after each pass and transform in debug mode and names the
culprit.
"""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from functad.errors import InternalError, message_of
from functad.ir.printer import format_equation
from functad.ir.program import Atom, Eqn, Literal, Program, Var, sub_programs
from functad.ir.types import ArrayType, array_type

__all__ = ["check_program"]


def check_program(program: Program, where: str) -> None:
    """Raise ``InternalError`` where a Program is malformed.

    Every variable is defined once and before its uses, every atom has a type and every literal the type that it claims,
    and every equation's results have the types that its primitive's type rule gives. The same holds for the Programs in
    params, which see no variables but their own.

    Parameters
    ----------
    program
        The Program to check.
    where
        The pass or transform that made it, for the message.
    """
    _Checker(program, where, set()).run()


class _Checker:
    """Checks one Program; sub-Programs that were seen already are not checked again."""

    def __init__(self, program: Program, where: str, seen: set[Program]) -> None:
        self.program = program
        self.where = where
        self.seen = seen
        self.defined: set[Var] = set()

    def run(self) -> None:
        for v in self.program.inputs:
            self.define(v, None)
        for eqn in self.program.eqns:
            for a in eqn.inputs:
                self.use(a, eqn)
            self.types(eqn)
            for v in eqn.outputs:
                self.define(v, eqn)
            for sub in sub_programs(eqn):
                if sub not in self.seen:
                    self.seen.add(sub)
                    _Checker(sub, f"{self.where}, in {eqn.primitive.name}", self.seen).run()
        for a in self.program.outputs:
            self.use(a, None)

    def define(self, var: Var, eqn: Eqn | None) -> None:
        if not isinstance(var, Var) or not isinstance(var.type, ArrayType):
            self.fail(f"{var!r} is defined but is not a typed variable", eqn)
        if var in self.defined:
            self.fail(f"a variable of type {var.type} is defined twice", eqn)
        self.defined.add(var)

    def use(self, atom: Atom, eqn: Eqn | None) -> None:
        if isinstance(atom, Var):
            if atom not in self.defined:
                self.fail(f"a variable of type {atom.type} is used but not defined before", eqn)
        elif not isinstance(atom, Literal):
            self.fail(
                f"{type(atom).__name__} {atom!r} is used as an operand{_of(eqn)}; it is neither a variable nor a "
                "literal",
                None,
            )
        elif not isinstance(atom.value, np.generic) and not (type(atom.value) is np.ndarray and atom.value.ndim):
            self.fail(f"a literal holds {atom.value!r}; it must be a NumPy scalar or an array of rank 1 or more", eqn)
        elif array_type(atom.value.shape, atom.value.dtype) is not atom.type:
            self.fail(
                f"a literal of type {array_type(atom.value.shape, atom.value.dtype)} claims to be {atom.type}", eqn
            )
        elif type(atom.value) is np.ndarray and atom.value.flags.writeable:
            self.fail(f"a literal array of type {atom.type} can be written to", eqn)

    def types(self, eqn: Eqn) -> None:
        try:
            expected = tuple(eqn.primitive.out_types(tuple([a.type for a in eqn.inputs]), dict(eqn.params)))
        except Exception as error:
            self.fail(
                f"the type rule of {eqn.primitive.name} refuses it: {type(error).__name__}: {message_of(error)}",
                eqn,
                error,
            )
        found = tuple([v.type for v in eqn.outputs])
        if found != expected:
            self.fail(f"its results have types {_listing(found)}, but the type rule gives {_listing(expected)}", eqn)

    def fail(self, message: str, eqn: Eqn | None, cause: Exception | None = None) -> NoReturn:
        text = "" if eqn is None else f" in the equation `{format_equation(eqn, self.program).strip()}`"
        place = "" if eqn is None or eqn.loc is None else f" from {eqn.loc}"
        raise InternalError(f"malformed Program after {self.where}: {message}{text}{place}") from cause


def _listing(types: tuple[ArrayType, ...]) -> str:
    return f"({', '.join(map(str, types))})"


def _of(eqn: Eqn | None) -> str:
    return "" if eqn is None else f" of {eqn.primitive.name}"
