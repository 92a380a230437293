"""Forward mode: push tangents through a Program, equation by equation.

For each equation ``y = p(x)`` with tangents ``x'``, the linear rule gives ``y' = dp(x) x'`` in terms of other
primitives. It is the one that reverse mode transposes, so they cannot disagree. What has no tangent costs nothing: a
tangent that is zero is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functad.core.trace import inherited_location
from functad.ir.dce import live_equations
from functad.ir.program import Eqn, Literal, Program, Var
from functad.transforms.linearize import linear_rule
from functad.transforms.replay import Reader, derived_locations, primal
from functad.transforms.strong import Doubts, doubtful_atoms, doubting, doubts_about, note_doubtful

__all__ = ["jvp_program"]


def jvp_program(
    program: Program, primals: Sequence[Any], tangents: Sequence[Any], known: Mapping[Var, Any] | None = None
) -> tuple[list[Any], list[Any]]:
    """The outputs of a Program and their tangents (None where zero).

    ``known`` holds values of the Program's variables that were computed while it was traced.
    """
    read = Reader(program, primals)
    tangent: dict[Var, Any] = {v: t for v, t in zip(program.inputs, tangents, strict=True) if t is not None}
    known = known or {}
    doubtful, derived = doubtful_atoms(program), derived_locations()
    with inherited_location() as at:
        for eqn in live_equations(program):
            at.loc = eqn.loc
            ins = [read(a) for a in eqn.inputs]
            dots = [None if type(a) is Literal else tangent.get(a) for a in eqn.inputs]  # type: ignore[arg-type]
            doubts = doubts_about(eqn, doubtful) if doubtful or eqn.signature.singular else ()
            outs, out_dots = jvp_equation(eqn, ins, dots, known, doubts, at, derived)
            if doubts or eqn.signature.singular:
                note_doubtful(eqn, doubts, doubtful)
            read.write(eqn.outputs, outs)
            tangent.update((v, t) for v, t in zip(eqn.outputs, out_dots, strict=True) if t is not None)
    out_tangents = [None if type(a) is Literal else tangent.get(a) for a in program.outputs]  # type: ignore[arg-type]
    return [read(a) for a in program.outputs], out_tangents


def jvp_equation(
    eqn: Eqn, ins: Sequence[Any], dots: Sequence[Any], known: Mapping[Var, Any], doubts: Doubts, at: Any, derived: Any
) -> tuple[Sequence[Any], Sequence[Any]]:
    """The results of one equation and their tangents; ``doubts`` flags the operands that may be infinite. ``derived``
    makes the location of the tangents' equations, which those emitted ``at`` a trace take; None: that of the equation.
    """
    prim = eqn.primitive
    mask = tuple([t is not None for t in dots])
    if True not in mask or prim.piecewise_constant:
        same = primal(eqn, ins, known)
        return same, [None] * len(same)
    if prim.jvp_call is not None:
        return prim.jvp_call(ins, dots, **doubting(eqn, doubts))  # type: ignore[no-any-return]
    rule = linear_rule(eqn, mask, doubts)
    outs, residuals = rule.primal(eqn, ins, known)
    if not rule.active:
        return outs, [None] * len(outs)
    if derived is not None:
        at.loc = derived("tangent", rule, eqn.loc)
    return outs, rule.forward(residuals, [t for t in dots if t is not None])
