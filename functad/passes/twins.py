"""What is one and the same in loops and branches: operands that are given twice, and results that are always equal.

Reverse mode makes many of them: each gather and scatter keeps the indices that it needs for the way back, and so they
come to the same index many times.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from functad.ir.program import Atom, Eqn, Program, Var
from functad.ir.regions import Inputs, Regions, has_control, regions_of
from functad.ir.rewrite import Rewriting, rewrite

__all__ = ["without_twins"]


def without_twins(program: Program, f: Callable[[Program], Program]) -> Program:
    """The Program with ``f`` of each region in its place, where nothing reads the second of what is the same; ``f``
    keeps the types of inputs and outputs.
    """
    if not has_control(program):
        return program

    def rule(eqn: Eqn, made: Rewriting) -> Eqn:
        form = regions_of(eqn)
        if form is None:
            return eqn
        programs = [f(p) for p in _reading_once(eqn, form)]
        made.replaced.update(_equal_results(eqn, form.running(programs)))
        return form.rebuilt(eqn, programs, form.operands(eqn.inputs))

    return rewrite(program, rule)


def _reading_once(eqn: Eqn, form: Regions) -> list[Program]:
    """The regions, where what has twins among the inputs is read by one name."""
    operands = form.operands(eqn.inputs)
    made = []
    for region in form.regions:
        inputs = form.inputs(region, region.program.inputs)
        given = Inputs(operands.consts[region.group], operands.carry, operands.elements if region.step else [])
        twins: dict[Atom, Atom] = {}
        for own, atoms in ((inputs.consts, given.consts), (inputs.elements, given.elements)):
            twins |= _twins(own, atoms)
        made.append(_renamed(region.program, twins))
    same = _equal_carries(form.running(made), operands.carry)
    if any(same):
        made = [
            _renamed(p, _twins(form.inputs(r, p.inputs).carry, same)) for r, p in zip(form.regions, made, strict=True)
        ]
    return made


def _equal_carries(form: Regions, first: Sequence[Atom]) -> list[Any]:
    """A name for each part of the carry that begins as another one does, and goes on as that in all steps."""
    if not form.kind.repeats:
        return []
    steps = [form.outputs(r, r.program.outputs).carry for r in form.steps]
    return [tuple(map(id, parts)) for parts in zip(first, *steps, strict=True)]


def _equal_results(eqn: Eqn, form: Regions) -> dict[Atom, Atom]:
    """Results that are the same as others, which stand for them."""
    results = form.results(eqn.outputs)
    written = [form.outputs(r, r.program.outputs).written for r in form.steps]
    names = [tuple(map(id, parts)) for parts in zip(*written, strict=True)]
    first = form.operands(eqn.inputs).carry
    return {**_twins(results.carry, _equal_carries(form, first)), **_twins(results.written, names)}


def _twins(own: Sequence[Var], names: Sequence[Hashable]) -> dict[Atom, Atom]:
    """Variables whose names others have before, and these."""
    found: dict[Hashable, Var] = {}
    return {v: found[n] for v, n in zip(own, names, strict=bool(names)) if found.setdefault(n, v) is not v}


def _renamed(program: Program, names: dict[Atom, Atom]) -> Program:
    if not names:
        return program
    eqns = [
        Eqn(e.primitive, tuple([names.get(a, a) for a in e.inputs]), e.params, e.outputs, e.loc) for e in program.eqns
    ]
    return Program(program.inputs, eqns, [names.get(a, a) for a in program.outputs], program.name)
