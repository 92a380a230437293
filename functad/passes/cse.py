"""Common subexpressions: equations that compute the same thing from the same operands become one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.ir.dce import has_effect
from functad.ir.program import Atom, Eqn, Program, Var
from functad.ir.rewrite import Rewriting, rewrite

__all__ = ["cse"]


COMMUTATIVE = frozenset({"add", "mul", "eq", "ne", "bit_and", "bit_or", "bit_xor"})
"""What gives the same for two operands in either order; not so ``maximum``, of zeros of different sign, nor the product
of complex numbers, where NumPy fuses one of the two products in a part with the sum."""


FOR_MESSAGES = {"check_index": "axis"}
"""Params that say only how an error is worded: what has been checked along one axis raises along no other."""


def atom_key(atom: Atom) -> Any:
    """What two atoms share exactly if they are the same value."""
    if type(atom) is Var:
        return atom
    value = atom.value  # type: ignore[union-attr]
    if isinstance(value, np.ndarray):
        return id(value)
    return value.dtype.char, value.tobytes()  # bits: -0.0 is not 0.0, and NaN is itself


def cse(program: Program) -> Program:
    """The Program with equal equations merged; the first one stays, with its location."""
    seen: dict[Any, tuple[Var, ...]] = {}

    def rule(e: Eqn, made: Rewriting) -> Eqn | Sequence[Atom]:
        if has_effect(e):
            return e
        operands: Any = [atom_key(a) for a in e.inputs]
        if e.primitive.name in COMMUTATIVE and not (e.primitive.name == "mul" and e.outputs[0].type.dtype.kind == "c"):
            operands = [frozenset(operands)]
        ignored = FOR_MESSAGES.get(e.primitive.name)
        key = (e.primitive.name, *operands, *[item for item in e.params.items() if item[0] != ignored])
        found = seen.get(key)
        if found is not None:
            return found
        seen[key] = e.outputs
        return e

    return rewrite(program, rule)
