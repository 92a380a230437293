"""Sums of halves are float32, rounded once at the end.

NumPy does so too, along the axis that it adds up in one go, and for products of matrices; natively it is so for all
axes.
"""

from __future__ import annotations

import numpy as np

from functad.core.primitive import REGISTRY
from functad.ir.program import Eqn, Program
from functad.ir.rewrite import Rewriting, rewrite
from functad.kernel_ir.rules import Contraction, Reduction

__all__ = ["widen"]

HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)


def widen(program: Program) -> Program:
    """The Program with accumulations in float32 in place of those in float16."""
    if not any([_narrow(e) for e in program.eqns]):
        return program
    return rewrite(program, lambda eqn, made: _wide(eqn, made) if _narrow(eqn) else eqn)


def _wide(eqn: Eqn, made: Rewriting) -> Eqn:
    convert = REGISTRY["convert"]
    operands = [made.emit(convert, [a], {"dtype": SINGLE}, eqn.loc)[0] for a in eqn.inputs]
    total = made.emit(eqn.primitive, operands, eqn.params, eqn.loc)
    return Eqn(convert, total, {"dtype": HALF}, eqn.outputs, eqn.loc)


def _narrow(eqn: Eqn) -> bool:
    """Whether an equation adds up, or multiplies, halves."""
    if not eqn.inputs or eqn.inputs[0].type.dtype != HALF:
        return False
    rule = eqn.primitive.kernel_rule(tuple([a.type for a in eqn.inputs]), eqn.params)
    return isinstance(rule, Contraction) or (isinstance(rule, Reduction) and rule.op in ("sum", "prod"))
