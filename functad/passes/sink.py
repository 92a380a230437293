"""Operands of loops and branches that their bodies can do without, and the converse of ``hoist``.

What a body is given as an operand is memory that it reads; what it makes itself, it can be compiled for. A literal, or
what is made of literals alone (a mask of indices), or a spread scalar goes into the body, where it meets its readers: a
product with 1 goes away. Two constants that are one value are one.
"""

from __future__ import annotations

from collections.abc import Sequence

from functad.ir.program import Atom, Eqn, Program, Var, sub_programs
from functad.ir.regions import Regions, control_of, has_control
from functad.kernel_ir.rules import Contraction, Pointwise, Pull, Statements

__all__ = ["sink"]

SPREADING = ("broadcast", "iota")
"""What makes many elements of few."""

AT_MOST = 8
"""So many equations are put into a body in place of an operand."""

Made = dict[Atom, tuple[Eqn, ...]]
"""The variables that bodies may as well make, each with the equations for it."""


def sink(program: Program) -> Program:
    """The Program with loops and branches that make their constants themselves."""
    if not has_control(program):
        return program
    made: Made = {}
    eqns: list[Eqn] = []
    for e in program.eqns:
        form = control_of(e)
        if form is not None:
            e = _sunk_into(e, form, made)
        elif _is_cheap(e, made):
            before = [inner for a in e.inputs for inner in made.get(a, ())]
            made[e.outputs[0]] = tuple(dict.fromkeys([*before, e]))
        eqns.append(e)
    return Program(program.inputs, eqns, program.outputs, program.name)


def _rule(eqn: Eqn) -> object:
    return eqn.primitive.kernel_rule(tuple([a.type for a in eqn.inputs]), eqn.params)


def _is_cheap(eqn: Eqn, made: Made) -> bool:
    """Whether making a result again costs no more than reading it: spread scalars and indices, and arithmetic on
    indices.
    """
    if sum([len(made.get(a, ())) for a in eqn.inputs]) >= AT_MOST:
        return False
    if eqn.primitive.name in SPREADING:
        return all([not a.type.ndim or a in made for a in eqn.inputs])
    closed = all([a in made if type(a) is Var else not a.type.ndim for a in eqn.inputs])
    whole = all([a.type.dtype.kind in "iub" for a in eqn.inputs])
    return closed and whole and not eqn.primitive.may_raise and isinstance(_rule(eqn), Pointwise)


def _sunk_into(eqn: Eqn, form: Regions, made: Made) -> Eqn:
    operands = form.operands(eqn.inputs)
    programs, consts = form.programs, list(operands.consts)
    for group, given in enumerate(operands.consts):
        taking = [k for k, r in enumerate(form.regions) if r.group == group]
        found = _sunk([programs[k] for k in taking], given, made)
        if found is not None:
            bodies, consts[group] = found
            for k, body in zip(taking, bodies, strict=True):
                programs[k] = body
    if all([a is r.program for a, r in zip(programs, form.regions, strict=True)]):
        return eqn
    return form.rebuilt(eqn, programs, operands._replace(consts=consts))


def _sunk(bodies: Sequence[Program], operands: Sequence[Atom], made: Made) -> tuple[list[Program], list[Atom]] | None:
    """Bodies whose first inputs are these operands, and those of the operands that they still need; None if that is all
    of them.
    """
    moves = [_moves(a, made) and all([_fuses(b, b.inputs[k]) for b in bodies]) for k, a in enumerate(operands)]
    if not any(moves) and len(set(operands)) == len(operands):
        return None
    inside = list(dict.fromkeys(e for a, moved in zip(operands, moves, strict=True) if moved for e in made.get(a, ())))
    own = {v for e in inside for v in e.outputs}
    kept = dict.fromkeys(a for a, moved in zip(operands, moves, strict=True) if not moved)
    kept.update(dict.fromkeys(a for e in inside for a in e.inputs if type(a) is Var and a not in own))
    return [_with(b, operands, moves, list(kept), inside) for b in bodies], list(kept)


def _moves(atom: Atom, made: Made) -> bool:
    return atom in made if type(atom) is Var else not atom.type.ndim


def _with(
    body: Program, operands: Sequence[Atom], moves: Sequence[bool], kept: Sequence[Atom], inside: Sequence[Eqn]
) -> Program:
    """A body that takes what is kept, and begins with what it makes itself."""
    taken = {a: Var(a.type) for a in kept}
    own: dict[Atom, Atom] = {}
    eqns: list[Eqn] = []
    for e in inside:
        inputs = tuple([own.get(a, taken.get(a, a)) for a in e.inputs])
        own[e.outputs[0]] = out = Var(e.outputs[0].type)
        eqns.append(Eqn(e.primitive, inputs, e.params, (out,), e.loc))
    replaced: dict[Atom, Atom] = {
        v: own.get(a, a) if moved else taken[a] for v, a, moved in zip(body.inputs, operands, moves, strict=False)
    }  # fmt: skip
    eqns += [
        Eqn(e.primitive, tuple([replaced.get(a, a) for a in e.inputs]), e.params, e.outputs, e.loc) for e in body.eqns
    ]
    outputs = [replaced.get(a, a) for a in body.outputs]
    return Program((*taken.values(), *body.inputs[len(operands) :]), eqns, outputs, body.name)


def _fuses(body: Program, var: Var) -> bool:
    """Whether all that reads an input can make its elements where it reads them: matrix products, for one, need
    arrays.
    """
    readers = [e for e in body.eqns if var in e.inputs] if var.type.ndim else []
    return all([_fuses_inside(e, var) if sub_programs(e) else _takes_elements(e, var) for e in readers])


def _takes_elements(eqn: Eqn, var: Var) -> bool:
    rule = _rule(eqn)
    return not isinstance(rule, Contraction | Statements) and not (
        isinstance(rule, Pull) and rule.random_access and eqn.inputs[0] is var
    )


def _fuses_inside(eqn: Eqn, var: Var) -> bool:
    """The same for a loop or branch; as the first value of a carry, it is written in either case."""
    form = control_of(eqn)
    if form is None:
        return False
    consts = form.operands(eqn.inputs).consts
    bodies = [(r.program, k) for r in form.regions for k, a in enumerate(consts[r.group]) if a is var]
    return all([_fuses(body, body.inputs[k]) for body, k in bodies])
