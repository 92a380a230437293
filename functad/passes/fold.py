"""Constant folding: an equation whose operands are all rank-0 literals is computed once, by the evaluator."""

from __future__ import annotations

import numpy as np

from functad.ir.program import Atom, Eqn, Literal, Program, Var

__all__ = ["fold"]


def fold(program: Program) -> Program:
    """The Program without rank-0 arithmetic on constants."""
    known: dict[Var, Atom] = {}
    eqns: list[Eqn] = []
    for e in program.eqns:
        if known:
            inputs = tuple([known.get(a, a) if type(a) is Var else a for a in e.inputs])
            if any(a is not b for a, b in zip(inputs, e.inputs, strict=True)):
                e = Eqn(e.primitive, inputs, e.params, e.outputs, e.loc)
        if _foldable(e):
            values = [a.value for a in e.inputs if isinstance(a, Literal)]
            with np.errstate(all="ignore"):
                result = e.primitive.evaluate(*values, **e.params)
            known[e.outputs[0]] = Literal(np.asarray(result)[()])
        else:
            eqns.append(e)
    outputs = [known.get(a, a) if type(a) is Var else a for a in program.outputs]
    return Program(program.inputs, eqns, outputs, program.name)


def _foldable(eqn: Eqn) -> bool:
    if eqn.primitive.multiple_results or eqn.primitive.may_raise or not eqn.inputs or eqn.outputs[0].type.ndim:
        return False
    return all([type(a) is Literal and not a.type.ndim for a in eqn.inputs])
