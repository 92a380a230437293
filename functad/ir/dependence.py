"""What depends on what: the variables of a Program that some of its inputs may change.

A loop may carry a counter beside a sum, and write what it only passes on: equations with regions are looked into,
since of their results only some may depend on the operands that do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from functad.ir.derived import derived
from functad.ir.masks import Mask, any_of
from functad.ir.program import Eqn, Program, Var
from functad.ir.regions import Kind, Regions, Results, regions_of

__all__ = ["computed_from", "dependent_on", "dependent_results", "through"]


def dependent_on(program: Program, sources: Iterable[Var]) -> set[Var]:
    """The variables that depend on some inputs, these included."""
    found = set(sources)
    for eqn in program.eqns:
        flags = [type(a) is Var and a in found for a in eqn.inputs]
        if any(flags):
            found.update([v for v, d in zip(eqn.outputs, dependent_results(eqn, flags), strict=True) if d])
    return found


def computed_from(program: Program, sources: Iterable[Var]) -> set[Var]:
    """Some inputs, and the results of all equations that take one of them, or one of their results: what cannot be
    computed without these inputs, unless equations are taken apart.
    """
    found = set(sources)
    for eqn in program.eqns:
        if any([type(a) is Var and a in found for a in eqn.inputs]):
            found.update(eqn.outputs)
    return found


def dependent_results(eqn: Eqn, operands: Sequence[bool]) -> Sequence[bool]:
    """Which results of an equation depend on the flagged operands."""
    control, form = eqn.primitive.control, regions_of(eqn)
    found = None
    if control is not None and form is not None and (control.open or form.kind is not Kind.CALL):
        found = through(form, operands)  # rules of the user's, which are calls, may say otherwise than the Program
    return [True] * len(eqn.outputs) if found is None else found.all


def through(form: Regions, flags: Sequence[bool]) -> Results[bool] | None:
    """Which results depend on the flagged operands; None: how often or which region runs does, and so all of them."""
    given = form.operands(flags)
    if any(given.heads):
        return None
    while True:
        found = [form.outputs(r, _dependent_outputs(r.program, tuple(form.given(r, given)))) for r in form.regions]
        if any([any(f.tests) for f in found]):
            return None
        steps = [f for r, f in zip(form.regions, found, strict=True) if r.step]
        carry = any_of([given.carry, *[f.carry for f in steps]])
        if carry == given.carry:
            return Results(carry, [False] * form.own, any_of([f.written for f in steps]))
        given = given._replace(carry=carry)


@derived
def _dependent_outputs(program: Program, inputs: Mask) -> Mask:
    found = dependent_on(program, [v for v, flag in zip(program.inputs, inputs, strict=True) if flag])
    return tuple([type(a) is Var and a in found for a in program.outputs])
