"""Constant folding: an equation whose operands are all rank-0 literals is computed once, by the evaluator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functad.ir.program import Atom, Eqn, Literal, Program
from functad.ir.rewrite import Rewriting, rewrite

__all__ = ["fold"]


def fold(program: Program) -> Program:
    """The Program without rank-0 arithmetic on constants."""
    return rewrite(program, _folded)


def _folded(eqn: Eqn, made: Rewriting) -> Eqn | Sequence[Atom]:
    if not _foldable(eqn):
        return eqn
    values = [a.value for a in eqn.inputs if isinstance(a, Literal)]
    with np.errstate(all="ignore"):
        result = eqn.primitive.evaluate(*values, **eqn.params)
    return [Literal(np.asarray(result)[()])]


def _foldable(eqn: Eqn) -> bool:
    if eqn.primitive.multiple_results or eqn.primitive.may_raise or not eqn.inputs or eqn.outputs[0].type.ndim:
        return False
    return all([type(a) is Literal and not a.type.ndim for a in eqn.inputs])
