"""What all drivers share: reading atoms, and emitting a Program's primal equations again without computing them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functad.core.trace import ABSENT, current_trace
from functad.core.tracer import Tracer
from functad.ir.program import Atom, Eqn, Literal, Program, Var

__all__ = ["Reader", "primal"]


class Reader:
    """The values of a Program's variables while a driver walks over it."""

    __slots__ = ("values",)

    def __init__(self, program: Program, args: Sequence[Any]) -> None:
        self.values: dict[Var, Any] = dict(zip(program.inputs, args, strict=True))

    def __call__(self, atom: Atom) -> Any:
        return atom.value if type(atom) is Literal else self.values[atom]  # type: ignore[index]

    def write(self, variables: Sequence[Var], values: Sequence[Any]) -> None:
        """Define variables."""
        self.values.update(zip(variables, values, strict=True))


def primal(eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Any, ...]:
    """The results of an equation on new operands; where its values are known already they are carried over, not computed."""
    trace = current_trace()
    outputs = eqn.outputs
    values = [known.get(v, ABSENT) for v in outputs] if known else [ABSENT]
    have = values[0] is not ABSENT and not any(v is ABSENT for v in values)
    if trace is None and have:
        return tuple(values)
    if trace is not None and trace.concrete and have and eqn.primitive.may_raise:
        # evaluated without raising before: do not evaluate again at bind
        cursor, trace.cursor = trace.cursor, len(trace.eqns) + 1
        out = eqn.primitive.bind(*ins, **eqn.params)
        trace.cursor = cursor
    else:
        out = eqn.primitive.bind(*ins, **eqn.params)
    outs = tuple(out) if eqn.primitive.multiple_results else (out,)
    if trace is not None and trace.concrete and have:
        for o, v in zip(outs, values, strict=True):
            if type(o) is Tracer:
                trace.env[o.var] = v
    return outs

