"""Carries that do not change: what every step gives back as it came is a constant, and comes out as it went in."""

from __future__ import annotations

from collections.abc import Sequence

from functad.ir.masks import any_of, select
from functad.ir.program import Eqn, Program
from functad.ir.regions import Region, Regions, has_control, regions_of
from functad.ir.rewrite import Rewriting, rewrite
from functad.passes.control import inside

__all__ = ["steady"]


def steady(program: Program) -> Program:
    """The Program with constants in place of carries that do not change, at any depth: the innermost first, for others
    may follow from them.
    """
    return rewrite(inside(program, steady), _steadied) if has_control(program) else program


def _steadied(eqn: Eqn, made: Rewriting) -> Eqn:
    form = regions_of(eqn)
    if form is None or not form.kind.repeats:
        return eqn
    moves = any_of([_moves(form, r) for r in form.steps])
    if all(moves):
        return eqn
    same = [not flag for flag in moves]
    operands, results = form.operands(eqn.inputs), form.results(eqn.outputs)
    fixed = select(operands.carry, same)
    made.replaced.update(zip(select(results.carry, same), fixed, strict=True))
    consts = [[*fixed, *group] for group in operands.consts]
    return form.rebuilt(
        eqn,
        [_with_constant_carry(form, r, moves, same) for r in form.regions],
        operands._replace(consts=consts, carry=select(operands.carry, moves)),
        results._replace(carry=select(results.carry, moves)),
    )


def _moves(form: Regions, region: Region) -> list[bool]:
    """Which parts of the carry a step does not give back as they are."""
    carry = form.inputs(region, region.program.inputs).carry
    return [a is not v for a, v in zip(form.outputs(region, region.program.outputs).carry, carry, strict=True)]


def _with_constant_carry(form: Regions, region: Region, moves: Sequence[bool], same: Sequence[bool]) -> Program:
    p = region.program
    consts, carry, elements = form.inputs(region, p.inputs)
    outputs = p.outputs
    if region.step:
        given = form.outputs(region, p.outputs)
        outputs = (*select(given.carry, moves), *given.tests, *given.written)
    return Program([*select(carry, same), *consts, *select(carry, moves), *elements], p.eqns, outputs, p.name)
