"""Loop-invariant code: what every step of a loop would compute again moves out of it.

Only what can neither raise nor run forever moves, for the loop may have no steps; and only what pays in memory: not
broadcasts, views and the like, which fuse into what reads them, nor large arrays that are larger than all that they are
computed from, nor what is made of literals alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from functad.ir.dce import dce, may_raise
from functad.ir.program import Atom, Eqn, Literal, Program, Var, sub_programs
from functad.ir.types import SeqType
from functad.kernel_ir.rules import Alias, Pull
from functad.primitives.loop_body import Layout

__all__ = ["hoist"]

SMALL = 16
"""Arrays of at most so many elements cost nothing to read."""


def hoist(program: Program) -> Program:
    """The Program with what is the same in every step of a loop in front of the loop."""
    if not any(e.primitive.name in ("loop", "while") for e in program.eqns):
        return program
    eqns: list[Eqn] = []
    for e in program.eqns:
        if e.primitive.name == "loop":
            e = _out_of_loop(e, eqns)
        elif e.primitive.name == "while":
            e = _out_of_while(e, eqns)
        eqns.append(e)
    return Program(program.inputs, eqns, program.outputs, program.name)


def _out_of_loop(eqn: Eqn, before: list[Eqn]) -> Eqn:
    layout = Layout.of(eqn.params)
    steps, consts, carry, xs = layout.split(eqn.inputs)
    body, more = _hoisted(eqn.params["body"], consts, before)
    if not more:
        return eqn
    params = {**eqn.params, "body": body, "consts": layout.consts + len(more)}
    return Eqn(eqn.primitive, (*steps, *more, *consts, *carry, *xs), params, eqn.outputs, eqn.loc)


def _out_of_while(eqn: Eqn, before: list[Eqn]) -> Eqn:
    n, m = eqn.params["cond_consts"], eqn.params["body_consts"]
    tested, consts, carry = eqn.inputs[:n], eqn.inputs[n : n + m], eqn.inputs[n + m :]
    cond, for_cond = _hoisted(eqn.params["cond"], tested, before)
    body, for_body = _hoisted(eqn.params["body"], consts, before)
    if not for_cond and not for_body:
        return eqn
    params = {"cond": cond, "body": body, "cond_consts": n + len(for_cond), "body_consts": m + len(for_body)}
    return Eqn(eqn.primitive, (*for_cond, *tested, *for_body, *consts, *carry), params, eqn.outputs, eqn.loc)


def _hoisted(body: Program, consts: Sequence[Atom], before: list[Eqn]) -> tuple[Program, list[Atom]]:
    """The body with what it no longer computes as first inputs, and these; the equations for them go to ``before``."""
    memory: dict[Atom, int] = {
        v: v.type.size for v in body.inputs[: len(consts)]
    }  # what is invariant, by the size of the arrays it stems from
    invariant: list[Eqn] = []
    moved: set[Atom] = set()
    for e in body.eqns:
        if all([a in memory or isinstance(a, Literal) for a in e.inputs]) and not may_raise(e) and not sub_programs(e):
            stems = max([memory.get(a, a.type.size) for a in e.inputs], default=0)
            pays = _pays(e, stems)
            memory.update((v, v.type.size if pays else stems) for v in e.outputs)
            moved.update(e.outputs if pays else ())
            invariant.append(e)
    kept = [e for e in body.eqns if not moved.intersection(e.outputs)]
    read = {a for e in kept for a in e.inputs} | set(body.outputs)
    frontier = [v for e in invariant for v in e.outputs if v in moved and v in read]
    if not frontier:
        return body, []
    outside = dce(Program(body.inputs[: len(consts)], invariant, frontier))
    return dce(Program((*frontier, *body.inputs), kept, body.outputs, body.name)), _emitted(outside, consts, before)


def _emitted(program: Program, operands: Sequence[Atom], eqns: list[Eqn]) -> list[Atom]:
    """The equations of a Program under new variables; its outputs."""
    made: dict[Atom, Atom] = dict(zip(program.inputs, operands, strict=True))
    for e in program.eqns:
        outputs = tuple([Var(v.type) for v in e.outputs])
        eqns.append(Eqn(e.primitive, tuple([made.get(a, a) for a in e.inputs]), e.params, outputs, e.loc))
        made.update(zip(e.outputs, outputs, strict=True))
    return [made[a] for a in program.outputs]


def _pays(eqn: Eqn, size: int) -> bool:
    """Whether the result is better in memory than computed again from arrays of a size."""
    if any(isinstance(v.type, SeqType) for v in eqn.outputs):
        return False
    rule = eqn.primitive.kernel_rule(tuple([a.type for a in eqn.inputs]), eqn.params)
    return (
        size > 0 and not isinstance(rule, Pull | Alias) and all([v.type.size <= max(size, SMALL) for v in eqn.outputs])
    )
