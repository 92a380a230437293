"""Sums of halves are float32, rounded once at the end.

NumPy does so too, along the axis that it adds up in one go, and for products of matrices; natively it is so for all
axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import REGISTRY, Primitive
from functad.ir.program import Atom, Eqn, Program, Var
from functad.kernel_ir.rules import Contraction, Reduction

__all__ = ["widen"]

HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)


def widen(program: Program) -> Program:
    """The Program with accumulations in float32 in place of those in float16."""
    if not any([_narrow(e) for e in program.eqns]):
        return program
    eqns: list[Eqn] = []
    convert = REGISTRY["convert"]

    def emit(eqn: Eqn, primitive: Primitive, operands: Sequence[Atom], params: Mapping[str, Any]) -> Var:
        (type,) = primitive.out_types(tuple([a.type for a in operands]), params)
        out = Var(type)
        eqns.append(Eqn(primitive, tuple(operands), params, (out,), eqn.loc))
        return out

    for e in program.eqns:
        if _narrow(e):
            total = emit(e, e.primitive, [emit(e, convert, [a], {"dtype": SINGLE}) for a in e.inputs], e.params)
            eqns.append(Eqn(convert, (total,), {"dtype": HALF}, e.outputs, e.loc))
        else:
            eqns.append(e)
    return Program(program.inputs, eqns, program.outputs, program.name)


def _narrow(eqn: Eqn) -> bool:
    """Whether an equation adds up, or multiplies, halves."""
    if not eqn.inputs or eqn.inputs[0].type.dtype != HALF:
        return False
    rule = eqn.primitive.kernel_rule(tuple([a.type for a in eqn.inputs]), eqn.params)
    return isinstance(rule, Contraction) or (isinstance(rule, Reduction) and rule.op in ("sum", "prod"))
