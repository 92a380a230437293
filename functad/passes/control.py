"""Passes over equations with sub-Programs: the pipeline inside them, and dropping what of a loop nobody reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from functad.core.primitive import REGISTRY
from functad.ir.dce import dce
from functad.ir.masks import any_of, select
from functad.ir.program import Eqn, Literal, Program, Var
from functad.ir.regions import Operands, Region, Regions, Results, control_of, has_control, regions_of
from functad.ir.rewrite import Rewriting, rewrite
from functad.ir.types import SeqType

__all__ = ["expand_sequences", "inside", "trim"]


def inside(program: Program, f: Callable[[Program], Program]) -> Program:
    """The Program with ``f`` of each region in its place; ``f`` keeps the types of inputs and outputs."""
    if not has_control(program):
        return program
    return Program(program.inputs, [_mapped(e, f) for e in program.eqns], program.outputs, program.name)


def _mapped(eqn: Eqn, f: Callable[[Program], Program]) -> Eqn:
    form = regions_of(eqn)
    return eqn if form is None else form.rebuilt(eqn, [f(p) for p in form.programs], form.operands(eqn.inputs))


# -- arithmetic of sequences -------------------------------------------------------------------------------------------


def expand_sequences(program: Program) -> Program:
    """Sums and zeros of sequences as loops over them."""
    if not any(e.primitive.name in _ELEMENTS for e in program.eqns):
        return program
    return rewrite(program, lambda e, made: _by_elements(e, made) if e.primitive.name in _ELEMENTS else e)


def _sum(x: Var, y: Var, out: Var) -> Eqn:
    return Eqn(REGISTRY["add"], (x, y), {}, (out,), None)


def _zeros(x: Var, out: Var) -> Eqn:
    return Eqn(
        REGISTRY["broadcast"], (Literal(out.type.dtype.type(0)),), {"shape": out.type.shape, "axes": ()}, (out,), None
    )


_ELEMENTS: dict[str, Callable[..., Eqn]] = {"seq_add": _sum, "seq_zeros": _zeros}


def _by_elements(eqn: Eqn, made: Rewriting) -> Eqn:
    type, name = eqn.outputs[0].type, eqn.primitive.name
    assert isinstance(type, SeqType)
    xs, out = [Var(type.element) for _ in eqn.inputs], Var(type.element)
    inner = (
        Eqn(eqn.primitive, tuple(xs), {}, (out,), eqn.loc)
        if isinstance(type.element, SeqType)
        else _ELEMENTS[name](*xs, out)
    )
    body = expand_sequences(Program(xs, [inner], (out,)))
    params = {"body": body, "length": None, "reverse": False, "unroll": 1, "consts": 0, "carry": 0}
    steps = made.emit(REGISTRY["seq_length"], eqn.inputs[:1], {}, eqn.loc)
    return Eqn(REGISTRY["loop"], (*steps, *eqn.inputs), params, eqn.outputs, eqn.loc)


# -- what nobody reads -------------------------------------------------------------------------------------------------


def trim(program: Program) -> Program:
    """The Program without results of loops and branches that are not read, nor the operands and work that only those
    need.
    """
    if not has_control(program):
        return program
    needed = {a for a in program.outputs if type(a) is Var}
    eqns: list[Eqn] = []
    for e in reversed(program.eqns):
        form = control_of(e)
        made = e if form is None else _trimmed(e, form, form.results([v in needed for v in e.outputs]))
        needed.update([a for a in made.inputs if type(a) is Var])
        eqns.append(made)
    return Program(program.inputs, reversed(eqns), program.outputs, program.name)


def _trimmed(eqn: Eqn, form: Regions, wanted: Results[bool]) -> Eqn:
    """The equation with those parts of its carry that are wanted, or that what is wanted or tested depends on."""
    carry, grown = wanted.carry, True
    while grown:
        programs = [_giving(form, r, carry, wanted.written) for r in form.regions]
        used = [form.inputs(r, _used(p)) for r, p in zip(form.regions, programs, strict=True)]
        larger = any_of([carry, *[u.carry for u in used]])
        carry, grown = larger, larger != carry
    consts = [
        any_of([u.consts for r, u in zip(form.regions, used, strict=True) if r.group == g])
        for g in range(len(form.consts))
    ]
    elements = any_of([u.elements for r, u in zip(form.regions, used, strict=True) if r.step])
    taken = Operands([True] * form.heads, consts, carry, elements)
    kept = Results(carry, [True] * form.own, wanted.written)
    if all(taken.all) and all(kept.all):
        return eqn
    taking = [
        Program(select(p.inputs, form.given(r, taken)), p.eqns, p.outputs, p.name)
        for r, p in zip(form.regions, programs, strict=True)
    ]
    operands = form.operands(eqn.inputs).where(taken)
    return form.rebuilt(eqn, taking, operands, form.results(eqn.outputs).where(kept))


def _giving(form: Regions, region: Region, carry: Sequence[bool], written: Sequence[bool]) -> Program:
    """The Program of a region that gives these parts of the carry, what is tested, and these parts of what is
    written.
    """
    program = region.program
    if region.step and not (all(carry) and all(written)):
        outputs = form.outputs(region, program.outputs)
        kept = [*select(outputs.carry, carry), *outputs.tests, *select(outputs.written, written)]
        program = Program(program.inputs, program.eqns, kept, program.name)
    return dce(program)


def _used(program: Program) -> list[bool]:
    """Which inputs a Program reads."""
    read = {a for e in program.eqns for a in e.inputs if type(a) is Var} | {
        a for a in program.outputs if type(a) is Var
    }
    return [v in read for v in program.inputs]
