"""Inlining: replace each call (``jit``, a function with a custom rule) by the equations of its Program."""

from __future__ import annotations

from collections.abc import Sequence

from functad.ir.program import Atom, Eqn, Program
from functad.ir.regions import call_of
from functad.ir.rewrite import Rewriting

__all__ = ["inline", "inlined"]


def inline(program: Program) -> Program:
    """The Program with all calls expanded, at any depth."""
    if all(call_of(e) is None for e in program.eqns):
        return program
    made = Rewriting()
    outputs = inlined(made, program, program.inputs)
    return Program(program.inputs, made.eqns, outputs, program.name)


def inlined(made: Rewriting, program: Program, operands: Sequence[Atom]) -> list[Atom]:
    """The outputs of a Program of these operands, with all calls in it expanded.

    A Program may be called many times: each expansion gets variables of its own.
    """

    def results(eqn: Eqn, inputs: list[Atom]) -> Sequence[Atom]:
        inner = call_of(eqn)
        return made.again(eqn, inputs) if inner is None else made.copy(inner, inputs, results)

    return made.copy(program, operands, results)
