"""Loop-invariant code: what every step of a loop would compute again moves out of it.

Only what can neither raise nor run forever moves, for the loop may have no steps; and only what pays in memory: not
broadcasts, views and the like, which fuse into what reads them, nor large arrays that are larger than all that they are
computed from, nor what is made of literals alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from functad.ir.dce import dce, may_raise
from functad.ir.program import Atom, Eqn, Literal, Program, sub_programs
from functad.ir.regions import has_control, regions_of
from functad.ir.rewrite import Rewriting, rewrite
from functad.ir.types import SeqType
from functad.kernel_ir.rules import Alias, Pull

__all__ = ["hoist"]

SMALL = 16
"""Arrays of at most so many elements cost nothing to read."""


def hoist(program: Program) -> Program:
    """The Program with what is the same in every step of a loop in front of the loop."""
    return rewrite(program, _hoisted) if has_control(program) else program


def _hoisted(eqn: Eqn, made: Rewriting) -> Eqn:
    form = regions_of(eqn)
    if form is None or not form.kind.repeats:
        return eqn
    operands = form.operands(eqn.inputs)
    found = [_out_of(r.program, operands.consts[r.group], made) for r in form.regions]
    more = [moved for _, moved in found]
    if not any(more):
        return eqn
    return form.rebuilt(eqn, *form.with_constants([p for p, _ in found], more, operands))


def _out_of(body: Program, consts: Sequence[Atom], made: Rewriting) -> tuple[Program, list[Atom]]:
    """The body with what it no longer computes as first inputs, and these, whose equations are appended."""
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
    return dce(Program((*frontier, *body.inputs), kept, body.outputs, body.name)), made.copy(outside, consts)


def _pays(eqn: Eqn, size: int) -> bool:
    """Whether the result is better in memory than computed again from arrays of a size."""
    if any(isinstance(v.type, SeqType) for v in eqn.outputs):
        return False
    rule = eqn.primitive.kernel_rule(tuple([a.type for a in eqn.inputs]), eqn.params)
    return (
        size > 0 and not isinstance(rule, Pull | Alias) and all([v.type.size <= max(size, SMALL) for v in eqn.outputs])
    )
