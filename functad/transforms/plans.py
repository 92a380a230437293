"""Plans: the derivative of a function that emits the same equations again, without another walk over them.

Without ``jit`` each call of a derivative traces its function, which follows a script (``core/following.py``): mostly
the equations are those of the call before, with other values. What ``linearize_program`` finds out about them (which
rule an equation has, what it keeps) follows from the script and from which constants are finite. So a plan is made of
it, the second time: two routines (``core/routine.py``), one that computes results and residuals, and one that pulls
cotangents back. They make the very calls of NumPy that the walks make, in their order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.observing import observing
from functad.core.primitive import type_of
from functad.core.routine import Code, Routine
from functad.core.trace import Trace, current_trace, within
from functad.ir.program import Eqn, Literal, Program, Var
from functad.transforms.backward_plans import Backward, Unexpected
from functad.transforms.linearize import Choice, DerivedRule, Entry, LinearMap, Observed, fresh_input, linearize_program
from functad.transforms.replay import primal
from functad.transforms.strong import is_finite

__all__ = ["derivative_at"]

MEETINGS = 1
"""How often equations are met before a plan is made of them: of what is met once, none is."""

MOST = 8
"""Plans of the same equations: with values that are known of other variables, say."""


def derivative_at(
    program: Program, primals: Sequence[Any], active: Sequence[bool], known: Mapping[Var, Any]
) -> tuple[list[Any], LinearMap]:
    """``linearize_program`` of a function that has just been traced; ``known`` holds values of its variables."""
    if current_trace() is not None or observing.get() or program.script is None or program.doubtful:
        return linearize_program(program, primals, active, known)
    script, eqns = program.script, program.eqns
    constants: list[Literal] = []
    looks: list[int] = []
    if script.bound:
        constants += [a for i in script.bound for a in eqns[i].inputs if type(a) is Literal]
        seen: dict[int, int] = {}  # data are used many times
        for a in constants:
            look = seen.get(id(a.value))
            if look is None:
                look = seen[id(a.value)] = looked_at(a)
            looks.append(look)
    # how memory is laid out decides in which order a sum adds up
    plain = not script.has_matrices or all(
        [c_contiguous(x) for x in (*primals, *known.values(), *[a.value for a in constants])]
    )
    key = (plain, tuple(active), tuple(looks), tuple(known) if len(known) > len(program.inputs) else ())
    plan = script.derived.get(key)
    if plan is None:
        if len(script.derived) >= MOST:
            script.derived.clear()
        plan = script.derived[key] = Plan()
    if plan.forward is None and plan.possible and plan.met >= MEETINGS:
        plan.make(program, active, known, plain)
    plan.met += 1
    if plan.forward is None:
        outs, linear = linearize_program(program, primals, active, known)
        linear.observed = plan.observed
        return outs, linear
    constants += [a for a in program.outputs if type(a) is Literal]
    return plan.run(program, primals, active, [a.value for a in constants], known)  # type: ignore[no-any-return]


def c_contiguous(x: Any) -> bool:
    """Whether a value is in memory as results of NumPy's are; those of one axis always are."""
    return type(x) is not np.ndarray or x.ndim < 2 or x.flags.c_contiguous


FINITE, ZERO, NOT_FINITE = range(3)
"""What rules depend on of a constant: its value is in no plan."""


def looked_at(constant: Literal) -> int:
    """What rules depend on of a constant."""
    value = constant.value
    if type(value) is np.float64:
        return ZERO if not value else FINITE if math.isfinite(value) else NOT_FINITE
    if constant.type.inexact and not is_finite(value):
        return NOT_FINITE
    return FINITE if constant.type.ndim or value else ZERO


# -- plans -------------------------------------------------------------------------------------------------------------


class Plan:
    """What is kept; no routines where the equations have been met once, or a plan would serve one call only."""

    __slots__ = (
        "_back",
        "applied",
        "carried",
        "customs",
        "entries",
        "forward",
        "met",
        "observed",
        "outputs",
        "possible",
        "residuals",
    )

    def __init__(self) -> None:
        self.met = 0
        self.possible = True
        self.applied: dict[Any, tuple[Program, Routine]] = {}
        self.observed: Observed = {}  # which arguments the user's own rules gave cotangents of
        self.forward: Routine | None = None
        self._back: dict[Any, tuple[Routine, Sequence[bool]]] = {}

    def make(self, program: Program, active: Sequence[bool], known: Mapping[Var, Any], plain: bool) -> None:
        """Write the routine that computes results and residuals."""
        if not all([serves_others(e) for e in program.eqns]):
            self.possible = False
            return
        carried = [v for e in program.eqns if not e.primitive.own_rules for v in e.outputs if v in known]
        choose = Choice(program, active)
        literals = [a for e in program.eqns for a in e.inputs if type(a) is Literal]
        literals += [a for a in program.outputs if type(a) is Literal]
        customs = [i for i, e in enumerate(program.eqns) if e.primitive.own_rules]
        given = [*program.inputs, *literals, *carried, *customs]
        code = Code(len(given))
        if plain:
            code.plain(range(len(given)))
        numbers: dict[Any, int] = {v: i for i, v in enumerate(program.inputs)}
        constants = iter(range(len(program.inputs), len(program.inputs) + len(literals)))
        first = len(program.inputs) + len(literals)
        numbers.update({v: first + i for i, v in enumerate(carried)})
        custom = {i: len(given) - len(customs) + k for k, i in enumerate(customs)}
        kept: dict[int, int] = {}  # values that are residuals: their places
        entries: list[tuple[int, Any, list[int], list[int]]] = []
        masks: list[tuple[int, Any]] = []
        for i, e in enumerate(program.eqns):
            code.source = i
            read = [next(constants) if type(a) is Literal else numbers[a] for a in e.inputs]  # type: ignore[index]
            rule, mask = choose(e)
            residuals: list[int] = []
            if e.primitive.own_rules:
                masks.append((i, mask if rule is not None else None))
                both = code.call(run_own, [custom[i], *read])
                results, residual = code.parts(both, 2)
                numbers.update(zip(e.outputs, code.parts(results, len(e.outputs)), strict=True))
                residuals = [residual]
                if rule is not None:
                    entries.append((i, None, residuals, [k for k, m in enumerate(mask) if m]))
            else:
                if e.outputs[0] not in numbers:
                    found = code.equation(e.primitive, read, e.params, [v.type for v in e.outputs])
                    numbers.update(zip(e.outputs, found, strict=True))
                if rule is not None:
                    assert type(rule) is DerivedRule
                    values = [*read, *[numbers[v] for v in e.outputs]]
                    residuals = (
                        code.program(rule.residuals, values)
                        if rule.selected is None
                        else [values[k] for k in rule.selected]
                    )
                    entries.append((i, rule, residuals, [k for k, m in enumerate(mask) if m]))
            for number in residuals if rule is not None else ():
                kept.setdefault(number, len(kept))
        outs = [next(constants) if type(a) is Literal else numbers[a] for a in program.outputs]  # type: ignore[index]
        self.carried = carried
        self.entries = [(i, rule, [kept[r] for r in residuals], moved) for i, rule, residuals, moved in entries]
        self.customs = masks
        self.outputs = [type(a) is Var and a in choose.moving for a in program.outputs]
        self.residuals = len(kept)
        self.forward = code.routine([*outs, *kept])

    def run(
        self,
        program: Program,
        primals: Sequence[Any],
        active: Sequence[bool],
        literals: Sequence[Any],
        known: Mapping[Var, Any],
    ) -> tuple[list[Any], LinearMap]:
        """The outputs of a Program of this structure, and its derivative."""
        eqns = program.eqns
        own = [Own(eqns[i], mask, known) for i, mask in self.customs]
        carried = [known[v] for v in self.carried]
        found = self.forward([*primals, *literals, *carried, *own], lambda i: eqns[i].loc)  # type: ignore[misc]
        n = len(program.outputs)
        return list(found[:n]), PlannedMap(self, program, list(found[n:]), own, active)

    def backward(
        self, program: Program, inputs: Sequence[Var], given: Sequence[bool], consume: bool
    ) -> tuple[Routine, Sequence[bool]] | None:
        """The routine that gives the cotangents of some inputs, and which it gives; None where that is not known. It
        may write over residuals if it is to ``consume`` them.
        """
        key = (len(inputs), consume, *given)  # the inputs are those that are active, or all
        way = self._back.get(key)
        if way is None:
            way = Backward(self, program, given, consume).routine(inputs)
            if way is not None:
                self._back[key] = way
        return way

    def forget(self) -> None:
        """Make the way back anew: a rule of the user's own has given other cotangents than before."""
        self._back.clear()
        self.observed.clear()


def serves_others(eqn: Eqn) -> bool:
    """Whether what is found out about an equation holds in other calls: not of what has Programs of its own."""
    primitive = eqn.primitive
    return bool(eqn.outputs) and (not primitive.owned or (primitive.own_rules and not eqn.params["consts"]))


class Own:
    """An equation with rules of its own, in one call."""

    __slots__ = ("eqn", "known", "rule")

    def __init__(self, eqn: Eqn, mask: Any, known: Mapping[Var, Any]) -> None:
        self.eqn = eqn
        self.known = known
        types = tuple([a.type for a in eqn.inputs])
        self.rule = None if mask is None else eqn.primitive.linearize(types, eqn.params, mask)  # type: ignore[misc]


def run_own(own: Own, *ins: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """Its results and residuals."""
    if own.rule is None:
        return primal(own.eqn, ins, own.known), ()
    return own.rule.primal(own.eqn, ins, own.known)  # type: ignore[no-any-return]


class PlannedMap(LinearMap):
    """A derivative at a point that a plan has computed."""

    __slots__ = ("_entries", "_own", "_plan", "_program", "_saved")

    def __init__(self, plan: Plan, program: Program, saved: list[Any], own: Sequence[Own], active: Sequence[bool]):
        self._plan, self._program, self._saved, self._own = plan, program, saved, own
        self._entries: list[Entry] | None = None
        self.inputs = [v for v, flag in zip(program.inputs, active, strict=True) if flag]
        self.outputs = [a if moving else None for a, moving in zip(program.outputs, plan.outputs, strict=True)]  # type: ignore[misc]
        self.observed = plan.observed

    @property
    def entries(self) -> Sequence[Entry]:  # type: ignore[override]
        """As the walk gives them, for what has no plan: forward mode, and what is traced."""
        if self._entries is None:
            self._entries = self._entries_with(self._saved)
        return self._entries

    def _entries_with(self, saved: Sequence[Any]) -> list[Entry]:
        """The same with these residuals."""
        own = {id(o.eqn): o.rule for o in self._own}
        entries: list[Entry] = []
        for number, rule, kept, moved in self._plan.entries:
            e = self._program.eqns[number]
            residuals = [saved[k] for k in kept]
            if rule is None:
                rule, (residuals,) = own[id(e)], residuals
            entries.append((rule, residuals, [e.inputs[k] for k in moved], e.outputs, e.loc))  # type: ignore[misc]
        return entries

    def backward(
        self, cotangents: Sequence[Any], sums: Sequence[Any] = (), unsettled: Sequence[bool] = ()
    ) -> list[Any]:
        """See ``LinearMap``."""
        found = None if sums or any(unsettled) else self._run(cotangents, consume=False)
        return super().backward(cotangents, sums, unsettled) if found is None else found

    def consume(self, cotangents: Sequence[Any]) -> list[Any]:
        """See ``LinearMap``."""
        found = self._run(cotangents, consume=True)
        return super().backward(cotangents) if found is None else found

    def _run(self, cotangents: Sequence[Any], consume: bool) -> list[Any] | None:
        """The cotangents of the inputs by the plan's routine, if there is one."""
        if current_trace() is not None or observing.get():
            return None
        given = [v is not None and c is not None for v, c in zip(self.outputs, cotangents, strict=True)]
        consume = consume and not self._own  # what a rule of the user's gives may be unexpected
        way = self._plan.backward(self._program, self.inputs, given, consume)
        if way is None:
            return None
        routine, present = way
        values = self._saved if consume else list(self._saved)
        values += self._own
        values += [c for c, flag in zip(cotangents, given, strict=True) if flag]
        if consume and not routine.may_consume(values):
            del values[self._plan.residuals :]
            return self._run(cotangents, consume=False)
        eqns = self._program.eqns
        try:
            found = iter(routine(values, lambda i: eqns[i].loc))
            return [next(found) if flag else None for flag in present]
        except Unexpected:
            self._plan.forget()
            return None

    def applied(self, key: Any, f: Callable[[LinearMap], list[Any]]) -> list[Any]:
        """See ``LinearMap``. The function is traced once for all residuals, and is then a routine."""
        if current_trace() is not None or self._own or observing.get():
            return f(self)
        made = self._plan.applied.get(key)
        if made is None:
            made = self._plan.applied[key] = self._traced(f)
        program, routine = made
        return list(routine(list(self._saved), lambda i: program.eqns[i].loc))

    def _traced(self, f: Callable[[LinearMap], list[Any]]) -> tuple[Program, Routine]:
        """``f`` of a map with abstract residuals."""
        trace = Trace("plan", concrete=False, locate=False)
        saved = [fresh_input(trace, type_of(x)) for x in self._saved]
        abstract = LinearMap(self._entries_with(saved), self.inputs, self.outputs)
        results = within(trace, f, abstract)
        program, _ = trace.finish(results)
        code = Code(len(saved))
        return program, code.routine(code.program(program, range(len(saved)), locate=True))
