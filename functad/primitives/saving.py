"""What a rematerialisation policy saves: a Program is divided into a first run, which also gives what is saved, and one
that continues from there.

The policy is asked about every equation but those of control flow. In the body of a loop, what it accepts is saved step
by step, and the second run is a loop over what was saved; the branches of a choice share slots for what they save.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, NamedTuple

from functad.core.evaluator import run_program
from functad.core.primitive import REGISTRY
from functad.ir.dce import dce
from functad.ir.dependence import computed_from
from functad.ir.derived import derived
from functad.ir.masks import any_of, grow, select
from functad.ir.program import Atom, Eqn, Program, Var
from functad.ir.regions import Kind, Region, Regions, Results, control_of
from functad.ir.types import ArrayType
from functad.primitives.choice_rules import blank, shared_slots
from functad.primitives.loop_body import stacked_type
from functad.transforms.programs import trace_program

__all__ = ["Division", "Policy", "divide", "first_run", "saveable"]

Policy = Callable[[str, Sequence[ArrayType], Mapping[str, Any]], bool]
"""Whether to save the results of an equation, given its primitive's name, its operands' types and its params."""

Mask = Sequence[bool]


class Division(NamedTuple):
    """A Program divided in two."""

    first: Program
    """(inputs) -> (outputs, what is saved)"""
    again: Program
    """(the inputs that it reads, what was saved) -> the wanted outputs"""
    reads: list[bool]
    """Which inputs the second run reads."""
    saved: list[Var]
    """What is saved: variables of the Program, or of an equation that stands for one of it in the first run."""


def divide(program: Program, wanted: Mask, policy: Policy | None, save: Set[Var] = frozenset()) -> Division:
    """The wanted outputs from the inputs and from what of ``save`` they need; all else is computed again. Without a
    policy, all of it is.
    """
    needed: set[Atom] = {a for a in select(program.outputs, wanted) if type(a) is Var}
    saved: dict[Var, None] = {}
    first, again = [], []
    for eqn in reversed(program.eqns):
        saved.update((v, None) for v in eqn.outputs if v in needed and v in save)
        missing = [v in needed and v not in save for v in eqn.outputs]
        run = eqn
        if any(missing):
            run, rerun, kept = _divided(eqn, missing, policy) or (eqn, _again(eqn, missing), ())
            saved.update((v, None) for v in kept)
            again.append(rerun)
            needed.update([a for a in rerun.inputs if type(a) is Var])
        first.append(run)
    saved.update((v, None) for v in program.inputs if v in needed and v in save)
    reads = [v in needed and v not in saved for v in program.inputs]
    return Division(
        Program(program.inputs, first[::-1], (*program.outputs, *saved), program.name),
        Program((*select(program.inputs, reads), *saved), again[::-1], select(program.outputs, wanted)),
        reads,
        list(saved),
    )


def first_run(program: Program) -> Program:
    """The Program without work that its outputs do not need, in the bodies of loops and in branches too: there, what
    was only for the second run.
    """
    program = dce(program)
    needed: set[Atom] = set(program.outputs)
    eqns = []
    for eqn in reversed(program.eqns):
        form = control_of(eqn)
        if form is not None:
            eqn = _writing(eqn, form, [v in needed for v in eqn.outputs])
        needed.update(eqn.inputs)
        eqns.append(eqn)
    return Program(program.inputs, eqns[::-1], program.outputs, program.name)


def _writing(eqn: Eqn, form: Regions, read: Mask) -> Eqn:
    """The equation with all of its carry, and of what is written what is read."""
    written = form.results(read).written
    programs = [
        _keeping(r.program, [*[True] * (form.carry + r.tests), *written]) if r.step else r.program for r in form.regions
    ]
    results = form.results(eqn.outputs)
    kept = results._replace(written=select(results.written, written))
    return form.rebuilt(eqn, programs, form.operands(eqn.inputs), kept)


def _keeping(program: Program, outputs: Mask) -> Program:
    return first_run(Program(program.inputs, program.eqns, select(program.outputs, outputs), program.name))


# -- what is accepted --------------------------------------------------------------------------------------------------


@derived
def saveable(program: Program, policy: Policy) -> Set[Var]:
    """The variables that the policy accepts; a loop's or a choice's results are those of the equations in it that give
    them.
    """
    found: set[Var] = set()
    for eqn in program.eqns:
        name, form = eqn.primitive.name, control_of(eqn)
        if form is not None:
            found.update(select(eqn.outputs, _accepted(form, policy)))
        elif name == "name":
            # the name is that of the operand, too: the derivative of what gave it needs it as it was before
            accepted, nameless = [
                policy(name, [a.type for a in eqn.inputs], {"name": n}) for n in (eqn.params["name"], "")
            ]
            if accepted:
                found.update([a for a in eqn.inputs if type(a) is Var])
            elif nameless:
                found.difference_update(eqn.inputs)  # it is refused for its name
        elif policy(name, [a.type for a in eqn.inputs], eqn.params):
            found.update(eqn.outputs)
    return found


def _saveable_in(form: Regions, region: Region, policy: Policy) -> Set[Var]:
    """What to save of a step: neither what every step would save again, nor what it reads step by step, for that is
    there already.
    """
    found = saveable(region.program, policy)
    if not form.kind.repeats:
        return found
    consts, _, elements = form.inputs(region, region.program.inputs)
    moving = region.program.inputs[len(consts) :]
    return (found & computed_from(region.program, moving)) - set(elements)


def _accepted(form: Regions, policy: Policy) -> Mask:
    """The results that the policy accepts: those that it accepts in each step or branch, and the number of steps, if it
    accepts anything in them.
    """
    found = [_saveable_in(form, r, policy) for r in form.steps]
    flags = [[a in f for a in r.program.outputs] for r, f in zip(form.steps, found, strict=True)]
    carry, _, written = form.outputs(form.steps[0], [all(each) for each in zip(*flags, strict=True)])
    return [*carry, *[any(found)] * form.own, *written]


# -- the second run of an equation -------------------------------------------------------------------------------------

Parts = tuple[Eqn, Eqn, Sequence[Var]] | None
"""The equation of the first run, that of the second, and what the first saves for it; None where nothing is saved
inside.
"""


def _again(eqn: Eqn, wanted: Mask) -> Eqn:
    """The same equation, whose other results are not those of the first run, some of which are saved."""
    outputs = tuple([v if flag else Var(v.type) for v, flag in zip(eqn.outputs, wanted, strict=True)])
    return Eqn(eqn.primitive, eqn.inputs, eqn.params, outputs, eqn.loc)


def _divided(eqn: Eqn, wanted: Mask, policy: Policy | None) -> Parts:
    form = control_of(eqn)
    if form is None or policy is None:
        return None
    return (_divide_steps if form.kind.repeats else _divide_choice)(eqn, form, wanted, policy)


def _divide_body(
    form: Regions, region: Region, wanted: Results[bool], policy: Policy
) -> tuple[Division, tuple[bool, ...]]:
    """A step divided for some parts of the last carry and of what is written, and which parts of the carry the second
    run has.
    """
    save, body = _saveable_in(form, region, policy), region.program

    def parts(carry: Mask) -> Division:
        return divide(body, [*carry, *[False] * region.tests, *wanted.written], policy, save)

    moving = grow(wanted.carry, lambda k: form.inputs(region, parts(k).reads).carry)
    return parts(moving), moving


def _divide_steps(eqn: Eqn, form: Regions, wanted: Mask, policy: Policy) -> Parts:
    """The second run is a ``loop`` over what the first one saved. How many steps it takes is known by then: nothing is
    tested again.
    """
    (region,) = form.steps
    operands, results, flags = form.operands(eqn.inputs), form.results(eqn.outputs), form.results(wanted)
    made, carry = _divide_body(form, region, flags, policy)
    if not made.saved:
        return None
    more = [Var(stacked_type(v.type, form.count)) for v in made.saved]
    programs = [made.first if r is region else r.program for r in form.regions]
    first = form.rebuilt(eqn, programs, operands, results._replace(written=[*results.written, *more]))
    steps = [] if form.count is not None else operands.heads[:1] if form.kind is Kind.STEPS else results.own[:1]
    consts, _, read = form.inputs(region, made.reads)
    reads = [*consts, *carry, *read]
    inputs = [v if v not in made.saved else Var(v.type) for v in select(made.first.inputs, reads)]
    last = [v if flag else Var(v.type) for v, flag in zip(results.carry, flags.carry, strict=True)]
    again = Eqn(
        REGISTRY["loop"],
        (*steps, *select(form.given(region, operands), reads), *more),
        {
            "body": Program((*inputs, *made.saved), made.again.eqns, made.again.outputs),
            "length": form.count, "reverse": form.reverse, "unroll": form.turn,
            "consts": sum(consts), "carry": sum(carry),
        },
        (*select(last, carry), *select(results.written, flags.written)),
        eqn.loc,
    )  # fmt: skip
    return first, again, [*(steps if form.kind is Kind.WHILE else ()), *more]


def _divide_choice(eqn: Eqn, form: Regions, wanted: Mask, policy: Policy) -> Parts:
    branches = form.programs
    made = [divide(b, wanted, policy, saveable(b, policy) - set(b.inputs)) for b in branches]
    slots, places = shared_slots([[v.type for v in d.saved] for d in made])
    if not slots:
        return None
    n = len(eqn.outputs)
    reads = any_of([d.reads for d in made])

    def first(d: Division, own: Sequence[int]) -> Program:
        def f(*args: Any) -> list[Any]:
            outs = run_program(d.first, args)
            filled = dict(zip(own, outs[n:], strict=True))
            return [*outs[:n], *[filled[i] if i in filled else blank(t) for i, t in enumerate(slots)]]

        return trace_program(f, d.first.in_types)

    def again(d: Division, own: Sequence[int]) -> Program:
        inputs = [Var(t) for t in slots]
        for i, v in zip(own, d.saved, strict=True):
            inputs[i] = v
        return Program((*select(d.first.inputs, reads), *inputs), d.again.eqns, d.again.outputs)

    more = [Var(t) for t in slots]
    firsts, agains = [[f(d, own) for d, own in zip(made, places, strict=True)] for f in (first, again)]
    operands, results = form.operands(eqn.inputs), form.results(eqn.outputs)
    read = operands._replace(consts=[[*select(operands.consts[0], reads), *more]])
    return (
        form.rebuilt(eqn, firsts, operands, results._replace(written=[*results.written, *more])),
        form.rebuilt(eqn, agains, read, results._replace(written=select(results.written, wanted))),
        more,
    )
