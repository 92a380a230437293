"""Carries that do not change: what every step gives back as it came is a constant, and comes out as it went in."""

from __future__ import annotations

from collections.abc import Sequence

from functad.ir.program import Atom, Eqn, Program, Var
from functad.passes.control import inside
from functad.primitives.loop_body import Layout

__all__ = ["steady"]


def steady(program: Program) -> Program:
    """The Program with constants in place of carries that do not change, at any depth: the innermost first, for others
    may follow from them.
    """
    program = inside(program, steady)
    if not any(e.primitive.name in ("loop", "while") for e in program.eqns):
        return program
    replaced: dict[Atom, Atom] = {}
    eqns: list[Eqn] = []
    for e in program.eqns:
        if replaced:
            e = Eqn(e.primitive, tuple([replaced.get(a, a) for a in e.inputs]), e.params, e.outputs, e.loc)
        if e.primitive.name == "loop":
            e = _loop(e, replaced)
        elif e.primitive.name == "while":
            e = _while(e, replaced)
        eqns.append(e)
    return Program(program.inputs, eqns, [replaced.get(a, a) for a in program.outputs], program.name)


def _parts(inputs: Sequence[Var], outputs: Sequence[Atom]) -> tuple[list[int], list[int]]:
    """The numbers of the parts of a carry that a step gives back as they are, and of the others."""
    same = [outputs[k] is v for k, v in enumerate(inputs)]
    return [k for k, flag in enumerate(same) if flag], [k for k, flag in enumerate(same) if not flag]


def _loop(eqn: Eqn, replaced: dict[Atom, Atom]) -> Eqn:
    layout, body = Layout.of(eqn.params), eqn.params["body"]
    steps, consts, carry, xs = layout.split(eqn.inputs)
    m, n = layout.consts, layout.carry
    same, moving = _parts(body.inputs[m : m + n], body.outputs)
    if not same:
        return eqn
    replaced.update([(eqn.outputs[k], carry[k]) for k in same])
    order = [*[m + k for k in same], *range(m), *[m + k for k in moving], *range(m + n, len(body.inputs))]
    results = [*moving, *range(n, len(body.outputs))]
    made = Program([body.inputs[i] for i in order], body.eqns, [body.outputs[i] for i in results], body.name)
    params = {**eqn.params, "body": made, "consts": m + len(same), "carry": len(moving)}
    inputs = (*steps, *[carry[k] for k in same], *consts, *[carry[k] for k in moving], *xs)
    return Eqn(eqn.primitive, inputs, params, tuple([eqn.outputs[i] for i in results]), eqn.loc)


def _while(eqn: Eqn, replaced: dict[Atom, Atom]) -> Eqn:
    cond, body = eqn.params["cond"], eqn.params["body"]
    t, m = eqn.params["cond_consts"], eqn.params["body_consts"]
    tested, consts, carry = eqn.inputs[:t], eqn.inputs[t : t + m], eqn.inputs[t + m :]
    n = len(carry)
    same, moving = _parts(body.inputs[m:], body.outputs)
    if not same:
        return eqn
    replaced.update([(eqn.outputs[k], carry[k]) for k in same])

    def reordered(program: Program, first: int, results: Sequence[int]) -> Program:
        order = [*[first + k for k in same], *range(first), *[first + k for k in moving]]
        return Program(
            [program.inputs[i] for i in order], program.eqns, [program.outputs[i] for i in results], program.name
        )

    results = [*moving, *range(n, len(body.outputs))]
    params = {
        "cond": reordered(cond, t, [0]), "body": reordered(body, m, results), "cond_consts": t + len(same),
        "body_consts": m + len(same),
    }  # fmt: skip
    steady = [carry[k] for k in same]
    inputs = (*steady, *tested, *steady, *consts, *[carry[k] for k in moving])
    outputs = [*[eqn.outputs[k] for k in moving], *eqn.outputs[n:]]
    return Eqn(eqn.primitive, inputs, params, tuple(outputs), eqn.loc)
