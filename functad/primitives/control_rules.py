"""The rules that all equations of control flow have in common: types, forward mode, batching, doubts.

They follow from the description of an equation (``ir/regions.py``). Which part of a carry has tangents, a mapped axis,
values that may be infinite, depends on the steps themselves: each rule grows the set until a step gives no more than it
takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, type_of
from functad.core.zeros import repeated, zeros_like
from functad.errors import StructureError
from functad.ir.derived import derived
from functad.ir.masks import Mask, any_of, cut, expand, grow, present, select
from functad.ir.program import Program, Var
from functad.ir.regions import Control, Operands, Region, Regions, Results
from functad.ir.types import ArrayType, SeqType, scalar_type
from functad.primitives.lanes import map_over_lanes
from functad.primitives.loop_body import element_type, stacked_type
from functad.primitives.shapes import transpose
from functad.transforms.programs import batch_of, jvp_of
from functad.transforms.strong import doubtful_results, with_doubts

__all__ = ["control_batch", "control_doubting", "control_jvp", "control_types"]

INDEX, BOOL = scalar_type(np.int64), scalar_type(np.bool_)


# -- types -------------------------------------------------------------------------------------------------------------


def control_types(name: str, form: Regions, types: Sequence[ArrayType]) -> tuple[ArrayType, ...]:
    """The types of the results; what is written step by step is an array or a sequence."""
    if min(form.turn, form.carry + 1, *[n + 1 for n in form.consts]) < 1:
        raise StructureError(f"{name} has a negative number of operands of a kind, or makes no step at a time")
    operands = form.operands(types)
    for t in operands.elements if form.kind.repeats else ():
        if not isinstance(t, SeqType) and (t.ndim < 1 or form.count not in (None, t.shape[0])):
            raise StructureError(f"{name} makes {form.count} steps over an operand of type {t}")
    read = [element_type(t) for t in operands.elements] if form.kind.repeats else operands.elements
    first = form.outputs(form.steps[0], form.steps[0].program.out_types)
    for region in form.regions:
        expected = tuple(form.given(region, operands, read))
        given = form.outputs(region, region.program.out_types)
        if region.program.in_types != expected:
            raise StructureError(f"{name} runs a Program of {region.program.in_types}, but its operands are {expected}")
        if any(t is not BOOL for t in given.tests) or len(given.tests) != region.tests:
            raise StructureError(f"a test of {name} gives {given.tests}; it must be one boolean")
        if region.step and (given.carry != operands.carry or given.written != first.written):
            raise StructureError(
                f"{name} runs a Program that gives {region.program.out_types}, but the carry is "
                f"{tuple(operands.carry)}, and the others give {tuple(first.written)}"
            )
    stacked = [stacked_type(t, form.count) if form.kind.repeats else t for t in first.written]
    return (*operands.carry, *[INDEX] * form.own, *stacked)


# -- forward mode ------------------------------------------------------------------------------------------------------


def control_jvp(
    primitive: Primitive, form: Regions, primals: Sequence[Any], tangents: Sequence[Any], params: Mapping[str, Any]
) -> tuple[Sequence[Any], Sequence[Any]]:
    """One equation that carries primals and tangents together."""
    given, dots = form.operands(primals), form.operands(tangents)
    read = {r.group for r in form.steps}  # tangents of what only tests take go nowhere
    cm = [present(group) if g in read else (False,) * len(group) for g, group in enumerate(dots.consts)]
    xm, n = present(dots.elements), form.carry

    def masks(carry: Mask) -> list[bool]:
        return any_of([jvp_of(r.program, (*cm[r.group], *carry, *xm))[1] for r in form.steps])

    km = grow(present(dots.carry), lambda k: masks(k)[:n])
    moves = masks(km)
    programs = [
        _with_tangents(r.program, (form.consts[r.group], n), (*cm[r.group], *km, *xm), (*km, *moves[n:]))
        if r.step
        else _ignoring_tangents(r.program, form.consts[r.group], km)
        for r in form.regions
    ]
    zero = [
        zeros_like(v) if t is None else t for v, t in zip(select(given.carry, km), select(dots.carry, km), strict=True)
    ]
    operands = Operands(
        given.heads,
        [[*group, *select(t, m)] for group, t, m in zip(given.consts, dots.consts, cm, strict=True)],
        [*given.carry, *zero],
        [*given.elements, *select(dots.elements, xm)],
    )
    found = form.bind(primitive, params, programs, operands)
    (k, kt), (y, yt) = cut(found.carry, n), cut(found.written, len(moves) - n - form.steps[0].tests)
    written = expand(yt, moves[n + form.steps[0].tests :])
    return Results(k, found.own, y).all, Results(expand(kt, km), [None] * form.own, written).all


@derived
def _with_tangents(program: Program, roles: tuple[int, int], mask: Mask, force: Mask) -> Program:
    """A step that takes tangents behind what they are tangents of, role by role, and so gives them."""
    consts, n = roles
    both, moves = jvp_of(program, mask, force)
    inputs, dots = cut(both.inputs, len(mask))
    outputs, out_dots = cut(both.outputs, len(moves))
    c, k, x = cut(inputs, consts, n)
    ct, kt, xt = cut(dots, sum(mask[:consts]), sum(mask[consts : consts + n]))
    next_k, next_kt = outputs[:n], out_dots[: sum(moves[:n])]
    written = [*outputs[n:], *out_dots[len(next_kt) :]]  # tests come first, and have no tangents
    return Program((*c, *ct, *k, *kt, *x, *xt), both.eqns, (*next_k, *next_kt, *written), both.name)


@derived
def _ignoring_tangents(program: Program, consts: int, carry: Mask) -> Program:
    """What only tests does without the tangents of the carry."""
    dots = [Var(t) for t in select(program.in_types[consts:], carry)]
    return Program((*program.inputs, *dots), program.eqns, program.outputs, program.name)


# -- batching ----------------------------------------------------------------------------------------------------------


def control_batch(
    primitive: Primitive,
    form: Regions,
    size: int,
    batched: Sequence[Any],
    operands: Sequence[Any],
    params: Mapping[str, Any],
) -> tuple[Sequence[Any], Sequence[Any]]:
    """One equation over mapped values; where it takes another course in each lane, a loop over lanes."""
    given, flags, n = form.operands(operands), form.operands(batched), form.carry

    def of(region: Region, carry: Sequence[Any], force: Mask = ()) -> tuple[Program, Sequence[Any]]:
        return batch_of(region.program, size, form.given(region, flags._replace(carry=list(carry))), force)

    if any(flags.heads) or (form.kind.repeats and "lanes" in batched):
        return map_over_lanes(primitive, size, batched, operands, params)
    km = grow(flags.carry, lambda k: any_of([of(r, k)[1][:n] for r in form.steps]))
    found = [(r, of(r, km)[1]) for r in form.regions]
    if any([any(form.outputs(r, f).tests) for r, f in found]) or _leaves_lanes(form, found, given.carry, flags.carry):
        return map_over_lanes(primitive, size, batched, operands, params)
    out_flags = any_of([f for r, f in found if r.step])
    force = (*[bool(k) for k in km], *out_flags[n:])
    programs = [of(r, km, force if r.step else ())[0] for r in form.regions]
    elements = [steps_first(x) if flag is True else x for x, flag in zip(given.elements, flags.elements, strict=True)]
    carry = [
        repeated(x, size) if want and not have else x
        for x, want, have in zip(given.carry, km, flags.carry, strict=True)
    ]
    results = form.bind(primitive, params, programs, given._replace(carry=carry, elements=elements))
    mapped = out_flags[n + form.steps[0].tests :]
    marks = [
        "elements" if flag and isinstance(type_of(y), SeqType) else flag
        for y, flag in zip(results.written, mapped, strict=True)
    ]
    written = [
        steps_first(y) if flag is True and form.kind.repeats else y
        for y, flag in zip(results.written, marks, strict=True)
    ]
    return results._replace(written=written).all, [*km, *[False] * form.own, *marks]


def _leaves_lanes(
    form: Regions,
    found: Sequence[tuple[Region, Sequence[Any]]],
    carry: Sequence[Any],
    given: Sequence[Any],
) -> bool:
    """Whether an equation has to run lane by lane: it leaves sequences of lanes, a carried sequence becomes mapped on
    the way, or a sequence is mapped in one branch only.
    """
    steps = [f for r, f in found if r.step]
    types = form.steps[0].program.out_types
    differ = [isinstance(t, SeqType) and len(set(flags)) > 1 for t, *flags in zip(types, *steps, strict=True)]
    becomes = [
        isinstance(type_of(x), SeqType) and not have and any(flags)
        for x, have, *flags in zip(carry, given, *[f[: form.carry] for f in steps], strict=True)
    ]
    return any(differ) or any(becomes) or any("lanes" in f for f in steps)


def steps_first(x: Any) -> Any:
    """Swap the mapped axis with the axis of the steps; it is its own inverse."""
    return transpose(x, (1, 0, *range(2, type_of(x).ndim)))


# -- doubts ------------------------------------------------------------------------------------------------------------


def control_doubting(
    control: Control, params: Mapping[str, Any], doubts: Sequence[bool]
) -> tuple[Mapping[str, Any], Sequence[bool]]:
    """The params with steps that know which of their inputs may be infinite or NaN, and which results may be so; a
    carry may, if a step can make it.
    """
    form = control.regions(params)
    given, n = form.operands(doubts), form.carry

    def of(region: Region, carry: Sequence[bool]) -> list[bool]:
        return form.given(region, given._replace(carry=list(carry)))

    moving = grow(given.carry, lambda k: any_of([doubtful_results(r.program, of(r, k))[:n] for r in form.steps]))
    programs = [with_doubts(r.program, of(r, moving)) if r.step else r.program for r in form.regions]
    found = any_of([doubtful_results(r.program, of(r, moving)) for r in form.steps])
    written = found[n + form.steps[0].tests :]
    return control.params(params, form.running(programs)), (*moving, *[False] * form.own, *written)
