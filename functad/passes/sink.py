"""Operands of loops and branches that their bodies can do without, and the converse of ``hoist``.

What a body is given as an operand is memory that it reads; what it makes itself, it can be compiled for. A literal, or
what is made of literals alone (a mask of indices), or a spread scalar goes into the body, where it meets its readers: a
product with 1 goes away. Two constants that are one value are one.
"""

from __future__ import annotations

from collections.abc import Sequence

from functad.ir.program import Atom, Eqn, Program, Var, sub_programs
from functad.kernel_ir.rules import Contraction, Pointwise, Pull, Statements
from functad.primitives.loop_body import Layout

__all__ = ["sink"]

CONTROL = ("loop", "while", "cond")

SPREADING = ("broadcast", "iota")
"""What makes many elements of few."""

AT_MOST = 8
"""So many equations are put into a body in place of an operand."""

Made = dict[Atom, tuple[Eqn, ...]]
"""The variables that bodies may as well make, each with the equations for it."""


def sink(program: Program) -> Program:
    """The Program with loops and branches that make their constants themselves."""
    if not any(e.primitive.name in CONTROL for e in program.eqns):
        return program
    made: Made = {}
    eqns: list[Eqn] = []
    for e in program.eqns:
        match e.primitive.name:
            case "loop":
                e = _sunk_loop(e, made)
            case "while":
                e = _sunk_while(e, made)
            case "cond":
                e = _sunk_cond(e, made)
            case _ if _is_cheap(e, made):
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


def _sunk_loop(eqn: Eqn, made: Made) -> Eqn:
    steps, consts, carry, xs = Layout.of(eqn.params).split(eqn.inputs)
    found = _sunk([eqn.params["body"]], consts, made)
    if found is None:
        return eqn
    (body,), kept = found
    params = {**eqn.params, "body": body, "consts": len(kept)}
    return Eqn(eqn.primitive, (*steps, *kept, *carry, *xs), params, eqn.outputs, eqn.loc)


def _sunk_while(eqn: Eqn, made: Made) -> Eqn:
    t, m = eqn.params["cond_consts"], eqn.params["body_consts"]
    tested, consts, carry = eqn.inputs[:t], eqn.inputs[t : t + m], eqn.inputs[t + m :]
    (cond,), for_cond = _sunk([eqn.params["cond"]], tested, made) or ([eqn.params["cond"]], tested)
    (body,), for_body = _sunk([eqn.params["body"]], consts, made) or ([eqn.params["body"]], consts)
    if cond is eqn.params["cond"] and body is eqn.params["body"]:
        return eqn
    params = {"cond": cond, "body": body, "cond_consts": len(for_cond), "body_consts": len(for_body)}
    return Eqn(eqn.primitive, (*for_cond, *for_body, *carry), params, eqn.outputs, eqn.loc)


def _sunk_cond(eqn: Eqn, made: Made) -> Eqn:
    index, *operands = eqn.inputs
    found = _sunk(eqn.params["branches"], operands, made)
    if found is None:
        return eqn
    branches, kept = found
    return Eqn(eqn.primitive, (index, *kept), {"branches": tuple(branches)}, eqn.outputs, eqn.loc)


def _sunk(
    bodies: Sequence[Program], operands: Sequence[Atom], made: Made
) -> tuple[list[Program], Sequence[Atom]] | None:
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
    p = eqn.params
    match eqn.primitive.name:
        case "loop":
            bodies, first, count = [p["body"]], int(p["length"] is None), p["consts"]
        case "while":
            bodies, first, count = [p["body"]], p["cond_consts"], p["body_consts"]
        case "cond":
            bodies, first, count = list(p["branches"]), 1, len(eqn.inputs) - 1
        case _:
            return False
    return all([_fuses(b, b.inputs[k]) for k in range(count) if eqn.inputs[first + k] is var for b in bodies])
