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
from functad.ir.program import Atom, Eqn, Program, Var
from functad.ir.types import ArrayType, seq_type
from functad.primitives.cond import blank, shared_slots
from functad.primitives.loop_body import Layout, stacked_type
from functad.primitives.loop_rules import dependent_on, grow
from functad.transforms.programs import derived, select, trace_program

__all__ = ["CONTROL", "Division", "Policy", "divide", "first_run", "saveable"]

Policy = Callable[[str, Sequence[ArrayType], Mapping[str, Any]], bool]
"""Whether to save the results of an equation, given its primitive's name, its operands' types and its params."""

Mask = Sequence[bool]


CONTROL = ("loop", "while", "cond")
"""Equations that a policy is not asked about, but about what is inside."""


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
        read = [v in needed for v in eqn.outputs]
        if eqn.primitive.name == "cond":
            branches = tuple([_keeping(b, read) for b in eqn.params["branches"]])
            eqn = Eqn(eqn.primitive, eqn.inputs, {"branches": branches}, tuple(select(eqn.outputs, read)), eqn.loc)
        elif eqn.primitive.name in ("loop", "while"):
            body = eqn.params["body"]
            n = len(body.inputs) - eqn.params["body_consts"] if eqn.primitive.name == "while" else eqn.params["carry"]
            start = n + len(eqn.outputs) - len(body.outputs)  # a while loop gives its number of steps, too
            made = _keeping(body, [*[True] * n, *read[start:]])
            outputs = (*eqn.outputs[:start], *select(eqn.outputs[start:], read[start:]))
            eqn = Eqn(eqn.primitive, eqn.inputs, {**eqn.params, "body": made}, outputs, eqn.loc)
        needed.update(eqn.inputs)
        eqns.append(eqn)
    return Program(program.inputs, eqns[::-1], program.outputs, program.name)


def _keeping(program: Program, outputs: Mask) -> Program:
    return first_run(Program(program.inputs, program.eqns, select(program.outputs, outputs), program.name))


# -- what is accepted --------------------------------------------------------------------------------------------------


def saveable(program: Program, policy: Policy) -> Set[Var]:
    """The variables that the policy accepts; a loop's or a choice's results are those of the equations in it that give
    them.
    """
    return derived(program, ("saveable", policy), lambda: _saveable(program, policy))  # type: ignore[no-any-return]


def _saveable(program: Program, policy: Policy) -> Set[Var]:
    found: set[Var] = set()
    for eqn in program.eqns:
        name = eqn.primitive.name
        if name in _ACCEPTED:
            flags = _ACCEPTED[name](eqn, policy)
            found.update([v for v, flag in zip(eqn.outputs, flags, strict=True) if flag])
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


def _saveable_in_loop(body: Program, consts: int, carry: int, policy: Policy) -> Set[Var]:
    """Neither what every step would save again, nor what it reads step by step: that is there already."""
    return (saveable(body, policy) & dependent_on(body, body.inputs[consts:])) - set(body.inputs[consts + carry :])


def _accepted_of_loop(eqn: Eqn, policy: Policy) -> Mask:
    body, layout = eqn.params["body"], Layout.of(eqn.params)
    found = _saveable_in_loop(body, layout.consts, layout.carry, policy)
    return [a in found for a in body.outputs]


def _accepted_of_while(eqn: Eqn, policy: Policy) -> Mask:
    body, consts = eqn.params["body"], eqn.params["body_consts"]
    n = len(body.inputs) - consts
    found = _saveable_in_loop(body, consts, n, policy)
    flags = [a in found for a in body.outputs]
    return [*flags[:n], bool(found), *flags[n:]]


def _accepted_of_cond(eqn: Eqn, policy: Policy) -> Mask:
    branches = eqn.params["branches"]
    found = [saveable(b, policy) for b in branches]
    return [all(b.outputs[k] in f for b, f in zip(branches, found, strict=True)) for k in range(len(eqn.outputs))]


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
    rule = _DIVIDE.get(eqn.primitive.name)
    return None if rule is None or policy is None else rule(eqn, wanted, policy)


def _divide_body(body: Program, consts: int, carry: Mask, written: Mask, policy: Policy) -> tuple[Division, Mask]:
    """A loop's body divided for some parts of its last carry and of what it writes, and which parts of the carry the
    second run has.
    """
    n = len(carry)
    save = _saveable_in_loop(body, consts, n, policy)
    moving = grow(carry, lambda k: divide(body, [*k, *written], policy, save).reads[consts : consts + n])
    return divide(body, [*moving, *written], policy, save), moving


def _second_loop(eqn: Eqn, made: Division, steps: Sequence[Atom], operands: Sequence[Atom], carry: Mask, consts: int,
    more: Sequence[Var],
                 results: Sequence[Var], wanted: Mask, params: Mapping[str, Any]) -> Eqn:  # fmt: skip
    """The loop over what the first one saved."""
    n = len(carry)
    reads = [*made.reads[:consts], *carry, *made.reads[consts + n :]]
    inputs = [v if v not in made.saved else Var(v.type) for v in select(made.first.inputs, reads)]
    body = Program((*inputs, *made.saved), made.again.eqns, made.again.outputs)
    outputs = [
        v if flag else Var(v.type) for v, flag, moves in zip(results[:n], wanted[:n], carry, strict=True) if moves
    ]
    counts = {"consts": sum(made.reads[:consts]), "carry": sum(carry)}
    ins = (*steps, *select(operands, reads), *more)
    return Eqn(
        REGISTRY["loop"], ins, {**params, **counts, "body": body}, (*outputs, *select(results[n:], wanted[n:])), eqn.loc
    )


def _divide_loop(eqn: Eqn, wanted: Mask, policy: Policy) -> Parts:
    p, layout = eqn.params, Layout.of(eqn.params)
    n, dynamic = layout.carry, int(layout.dynamic)
    made, carry = _divide_body(p["body"], layout.consts, wanted[:n], wanted[n:], policy)
    if not made.saved:
        return None
    more = [Var(stacked_type(v.type, p["length"])) for v in made.saved]
    first = Eqn(eqn.primitive, eqn.inputs, {**p, "body": made.first}, (*eqn.outputs, *more), eqn.loc)
    steps, operands = eqn.inputs[:dynamic], eqn.inputs[dynamic:]
    return first, _second_loop(eqn, made, steps, operands, carry, layout.consts, more, eqn.outputs, wanted, p), more


def _divide_while(eqn: Eqn, wanted: Mask, policy: Policy) -> Parts:
    """How many steps it takes is known the second time: no condition is tested again."""
    tests, consts = eqn.params["cond_consts"], eqn.params["body_consts"]
    n = len(eqn.inputs) - tests - consts
    steps = eqn.outputs[n]
    results, wanted = [*eqn.outputs[:n], *eqn.outputs[n + 1 :]], [*wanted[:n], *wanted[n + 1 :]]
    made, carry = _divide_body(eqn.params["body"], consts, wanted[:n], wanted[n:], policy)
    if not made.saved:
        return None
    more = [Var(seq_type(v.type)) for v in made.saved]
    first = Eqn(eqn.primitive, eqn.inputs, {**eqn.params, "body": made.first}, (*eqn.outputs, *more), eqn.loc)
    params = {"length": None, "reverse": False, "unroll": 1}
    return (
        first,
        _second_loop(eqn, made, [steps], eqn.inputs[tests:], carry, consts, more, results, wanted, params),
        [steps, *more],
    )


def _divide_cond(eqn: Eqn, wanted: Mask, policy: Policy) -> Parts:
    branches = eqn.params["branches"]
    made = [divide(b, wanted, policy, saveable(b, policy) - set(b.inputs)) for b in branches]
    slots, places = shared_slots([[v.type for v in d.saved] for d in made])
    if not slots:
        return None
    n = len(eqn.outputs)
    reads = [any(flags) for flags in zip(*[d.reads for d in made], strict=True)]

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
    firsts, agains = [tuple([f(d, own) for d, own in zip(made, places, strict=True)]) for f in (first, again)]
    operands = (eqn.inputs[0], *select(eqn.inputs[1:], reads), *more)
    return (
        Eqn(eqn.primitive, eqn.inputs, {"branches": firsts}, (*eqn.outputs, *more), eqn.loc),
        Eqn(eqn.primitive, operands, {"branches": agains}, tuple(select(eqn.outputs, wanted)), eqn.loc),
        more,
    )


_ACCEPTED: dict[str, Callable[[Eqn, Policy], Mask]] = {
    "loop": _accepted_of_loop,
    "while": _accepted_of_while,
    "cond": _accepted_of_cond,
}
_DIVIDE: dict[str, Callable[[Eqn, Mask, Policy], Parts]] = {
    "loop": _divide_loop,
    "while": _divide_while,
    "cond": _divide_cond,
}
