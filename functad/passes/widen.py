"""Sums of halves are float32, rounded once at the end.

NumPy does so too, along the axis that it adds up in one go, and for products of matrices; natively it is so for all axes.
"""

from __future__ import annotations

import numpy as np

from functad.core.primitive import REGISTRY
from functad.ir.program import Atom, Eqn, Program, Var

__all__ = ["widen"]

ACCUMULATING = frozenset(["sum", "prod", "dot_general"])

HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)


def widen(program: Program) -> Program:
    """The Program with accumulations in float32 in place of those in float16."""
    if not any([_narrow(e) for e in program.eqns]):
        return program
    eqns: list[Eqn] = []

    def emit(eqn: Eqn, name: str, *operands: Atom, **params: object) -> Var:
        primitive = REGISTRY[name]
        (type,) = primitive.out_types(tuple([a.type for a in operands]), params)
        out = Var(type)
        eqns.append(Eqn(primitive, operands, params, (out,), eqn.loc))
        return out

    for e in program.eqns:
        if _narrow(e):
            total = emit(e, e.primitive.name, *[emit(e, "convert", a, dtype=SINGLE) for a in e.inputs], **e.params)
            eqns.append(Eqn(REGISTRY["convert"], (total,), {"dtype": HALF}, e.outputs, e.loc))
        else:
            eqns.append(e)
    return Program(program.inputs, eqns, program.outputs, program.name)


def _narrow(eqn: Eqn) -> bool:
    return eqn.primitive.name in ACCUMULATING and eqn.inputs[0].type.dtype == HALF
