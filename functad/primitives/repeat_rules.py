"""The linear rule of equations that repeat a step (``loop``, ``while`` and whatever else is declared).

The equation itself runs once more, with a step that also writes what the linear steps need; its tangents and cotangents
are ``loop`` equations over that, with as many steps as it made. Which parts of the carry have tangents (cotangents)
depends on the step itself: the rule grows the set until the step gives no more than it takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import REGISTRY, Primitive, type_of
from functad.core.zeros import zeros, zeros_like
from functad.ir.dce import dce, program_may_raise
from functad.ir.dependence import computed_from, dependent_on
from functad.ir.masks import Mask, cut, expand, grow, present, select
from functad.ir.program import Eqn, Literal, Program, Var
from functad.ir.regions import Kind, Operands, Results
from functad.ir.types import ArrayType, SeqType, scalar_type
from functad.primitives.arithmetic import add, mul, sub
from functad.primitives.comparison import gt
from functad.primitives.convert import convert
from functad.primitives.generate import iota
from functad.primitives.loop_body import bind_loop
from functad.primitives.step_sums import StepSum, last_part, sum_over_steps
from functad.transforms.programs import Linearized, linearized, trace_program
from functad.transforms.residuals import unchecked

__all__ = ["RepeatRule", "sequences"]

INDEX = scalar_type(np.int64)


class RepeatRule:
    """The linear rule of an equation with a step that is repeated.

    The equation also writes the residuals of its steps, but not those that are the same in every step (they are
    computed once, outside), that it read step by step itself (they are there already), that count the steps (the linear
    loops count, too; not if they are not to be ``counting``), or that cost less to compute again
    (``transforms.residuals``). What the step tests has no tangents; nor has what only tests read.
    """

    active = True

    def __init__(self, primitive: Primitive, params: Mapping[str, Any], mask: Mask, counting: bool = True) -> None:
        assert primitive.control is not None
        self.primitive, self.params, self.mask = primitive, params, mask
        self.form = primitive.control.regions(params)
        (self.region,) = self.form.steps
        self.body = self.region.program
        self.length, self.reverse, self.unroll = self.form.count, self.form.reverse, self.form.turn
        self.consts, n = self.form.consts[self.region.group], self.form.carry
        _, groups, start, xm = self.form.operands(mask)
        cm = groups[self.region.group]
        self.cm, self.xm = tuple(cm), tuple(xm)
        self.counters = counters(self.body, self.consts, n) if counting else {}
        inexact = [t.inexact for t in self.body.out_types[:n]]

        def step(k: Mask) -> list[bool]:
            depends = self._linearized(k).depends
            return [d and i for d, i in zip(depends[:n], inexact, strict=True)]

        self.start = tuple(start)
        self.km = grow(self.start, step)
        self.split = self._linearized(self.km)
        self._sort_residuals()
        self._made: dict[Any, Any] = {}

    def _linearized(self, carry: Mask) -> Linearized:
        counters = [self.consts + k for k in self.counters]
        return linearized(self.body, (*self.cm, *carry, *self.xm), (self.consts, len(self.xm), *counters))

    def _sort_residuals(self) -> None:
        """Sort the residuals of one step by where the reverse pass finds them."""
        forward = self.split.forward
        consts, n = self.consts, len(self.body.outputs)
        fixed = computed_from(forward, forward.inputs[consts:])
        elements = forward.inputs[consts + self.form.carry :]
        counting = {forward.inputs[consts + k]: k for k in self.counters}
        counted: dict[int, int] = {}
        self.places: list[tuple[str, int]] = []
        invariant: dict[Any, int] = {}
        stacked: dict[Any, int] = {}
        for atom in forward.outputs[n:]:
            if isinstance(atom, Literal) or atom not in fixed:
                self.places.append(("invariant", invariant.setdefault(atom, len(invariant))))
            elif atom in elements:
                self.places.append(("read", elements.index(atom)))
            elif atom in counting:
                self.places.append(("counted", counted.setdefault(counting[atom], len(counted))))
            else:
                self.places.append(("stacked", stacked.setdefault(atom, len(stacked))))
        # what has no results is a check, which belongs to its step
        before = [e for e in forward.eqns if e.outputs and not fixed.intersection(e.outputs)]
        if not self.length:  # there may be no step, which alone checks its indices
            before = [unchecked(e) for e in before]
        self.invariants = dce(Program(forward.inputs[:consts], before, invariant))
        self.stacking = dce(Program(forward.inputs, forward.eqns, (*forward.outputs[:n], *stacked)))
        self.reads = sorted({i for kind, i in self.places if kind == "read"})
        self.counted = list(counted)
        self.counts = len(invariant), len(self.reads), len(self.counted)

    def _residual(
        self, invariant: Sequence[Any], counted: Sequence[Any], read: Sequence[Any], stacked: Sequence[Any]
    ) -> list[Any]:
        """The residuals of one step in the order of the linear Programs."""
        by_kind = {
            "invariant": invariant,
            "counted": counted,
            "read": dict(zip(self.reads, read, strict=True)),
            "stacked": stacked,
        }
        return [by_kind[kind][i] for kind, i in self.places]  # type: ignore[index]

    def primal(
        self, eqn: Eqn | None, ins: Sequence[Any], known: Mapping[Var, Any]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        given = self.form.operands(ins)
        programs = [self.stacking if r is self.region else r.program for r in self.form.regions]
        found = self.form.bind(self.primitive, self.params, programs, given)
        written, stacked = cut(found.written, len(self.form.outputs(self.region, self.body.outputs).written))
        steps = [] if self.length is not None else [given.heads[0] if self.form.kind is Kind.STEPS else found.own[0]]
        consts = given.consts[self.region.group]
        residuals = self.residuals(steps, consts, given.carry, found.carry, given.elements, stacked)
        return found._replace(written=written).all, residuals

    def residuals(
        self,
        steps: Sequence[Any],
        consts: Sequence[Any],
        first: Sequence[Any],
        last: Sequence[Any],
        xs: Sequence[Any],
        stacked: Sequence[Any],
    ) -> list[Any]:
        """All that the linear loops need; active sequences are references, for zeros as long as they are."""
        references = sequences([*select(consts, self.cm), *select(first, self.km), *select(last, self.km)])
        invariant, read = self._of_all_steps(steps, consts), [xs[i] for i in self.reads]
        return [*steps, *references, *invariant, *read, *[first[k] for k in self.counted], *stacked]

    def _of_all_steps(self, steps: Sequence[Any], consts: Sequence[Any]) -> Sequence[Any]:
        """The invariant residuals. What may raise does so where there is a step."""
        if self.length or not program_may_raise(self.invariants):
            return run_program(self.invariants, consts)
        none = trace_program(lambda *_: [zeros(t) for t in self.invariants.out_types], self.invariants.in_types)
        any_step = convert(gt(steps[0] if steps else np.int64(0), np.int64(0)), INDEX.dtype)
        return REGISTRY["cond"].bind(any_step, *consts, branches=(none, self.invariants))  # type: ignore[no-any-return]

    def _cut_residuals(
        self, residuals: Sequence[Any]
    ) -> tuple[list[Any], list[list[Any]], list[Any], list[Any], list[Any], list[Any]]:
        """The number of steps; references for constants, for the first and for the last carry; and the other residuals
        by kind, of what counts steps the first.
        """
        consts, carry, _ = [sum([isinstance(t, SeqType) for t in part]) for part in self._active_types()]
        steps, of_consts, first, last, invariant, read, counted, stacked = cut(
            residuals, int(self.length is None), consts, carry, carry, *self.counts
        )
        return steps, [of_consts, first, last], invariant, counted, read, stacked

    def _active_types(self) -> list[list[ArrayType]]:
        """The types of the active constants, of the moving carry, and of the active elements."""
        return cut(self.split.in_types, sum(self.cm), sum(self.km))

    def _step_types(self) -> tuple[list[ArrayType], list[ArrayType], list[ArrayType]]:
        """The types of invariant residuals, of elements read, and of elements of what was stacked."""
        first = self.consts + self.form.carry
        read = [self.body.in_types[first + i] for i in self.reads]
        return list(self.invariants.out_types), read, list(self.stacking.out_types[len(self.body.outputs) :])

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        steps, references, invariant, counted, read, stacked = self._cut_residuals(residuals)
        const_dots, carry_dots, x_dots = self._by_role(tangents)
        given = present(const_dots), present(carry_dots), present(x_dots)
        if given not in self._made:
            self._made[given] = self._tangent_body(*given)
        body, km, out_mask = self._made[given]
        first = starting(carry_dots, self._active_types()[1], km, references[1])
        state, written = bind_loop(
            body, [*invariant, *select(const_dots, given[0])], [*first, *counted],
            [*read, *stacked, *select(x_dots, given[2])],
            length=self.length, steps=steps, reverse=self.reverse, unroll=self.unroll,
        )  # fmt: skip
        carry, outs = expand(expand(state[: len(first)], km), self.km), expand(written, out_mask)
        return Results(carry, [None] * self.form.own, outs[self.region.tests :]).all

    def _by_role(self, tangents: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """Tangents of the active operands as (constants, moving carry, step by step)."""
        _, groups, carry, xs = self.form.operands(expand(tangents, self.mask))
        return select(groups[self.region.group], self.cm), select(carry, self.km), select(xs, self.xm)

    def _tangent_body(self, cg: Mask, kg: Mask, xg: Mask) -> tuple[Program, Mask, Mask]:
        n = self.form.carry
        ys = len(self.body.outputs) - n
        km = grow(kg, lambda k: select(self.split.tangent((*cg, *k, *xg))[1][:n], self.km))
        force = (*expand_flags(km, self.km), *[False] * ys)
        linear, mask = self.split.tangent((*cg, *km, *xg), force)
        invariant, read, stacked = self._step_types()
        ct, kt, xt = self._active_types()

        def step(*args: Any) -> Sequence[Any]:
            i, c, k, t, r, s, x = cut(
                args, len(invariant), sum(cg), sum(km), len(self.counted), len(read), len(stacked)
            )
            k, written = cut(run_program(linear, (*self._residual(i, t, r, s), *c, *k, *x)), sum(km))
            return [*k, *self._count_on(t, 1), *written]

        counted = [INDEX] * len(self.counted)
        types = (*invariant, *select(ct, cg), *select(kt, km), *counted, *read, *stacked, *select(xt, xg))
        return trace_program(step, types), km, mask[n:]

    def _count_on(self, counted: Sequence[Any], times: Any) -> list[Any]:
        """What counts steps, so many steps later."""
        by = [np.int64(self.counters[k]) for k in self.counted]
        more = [n * times if isinstance(times, int | np.int64) else mul(n, times) for n in by]
        return [add(t, n) for t, n in zip(counted, more, strict=True)]

    @property
    def summed(self) -> Mask:
        """The active operands that ``backward`` takes sums for: those that are the same in all steps."""
        of_mask = self.form.operands(self.mask)
        groups = [[g == self.region.group] * k for g, k in enumerate(self.form.consts)]
        flags = Operands([False] * self.form.heads, groups, [False] * self.form.carry, [False] * len(of_mask.elements))
        return tuple(select(flags.all, self.mask))

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any], sums: Sequence[Any] = ()) -> Sequence[Any]:
        """The cotangents of the active operands; to those of constants their ``sums`` (or None) are added."""
        steps, references, invariant, counted, read, stacked = self._cut_residuals(residuals)
        cts = self.form.results(cotangents)
        carry_cts, y_cts = select(cts.carry, self.km), [*[None] * self.region.tests, *cts.written]
        given = "backward", present(carry_cts), present(y_cts)
        if given not in self._made:
            self._made[given] = CotangentBody(self, *given[1:])  # type: ignore[misc]
        made: CotangentBody = self._made[given]
        first = starting(carry_cts, self._active_types()[1], made.km, references[2])
        before = self._sums_of_constants(sums)
        zero = before if all(present(before)) else self.no_sums(references[0])
        starts = select([z if s is None else s for s, z in zip(before, zero, strict=True)], made.sums)
        elements = [*read, *stacked, *[c for c in y_cts if c is not None]]
        state, written = bind_loop(
            made.body,
            invariant,
            [*first, *starts, *self._count_on(counted, sub(steps[0] if steps else np.int64(self.length), 1))],
            elements,
            length=self.length,
            steps=steps,
            reverse=not self.reverse,
            unroll=self.unroll,
        )
        x_cts, left = cut(written, len(written) - made.left)
        consts = expand(state[len(first) : len(first) + len(starts)], made.sums)
        for i, (later, sources) in made.later.items():
            values = {"invariant": invariant, "elements": elements, "left": left}
            if any(kind == "counted" for kind, _ in sources):
                values["counted"] = self._all_counts(counted)
            consts[i] = later.total([values[kind][k] for kind, k in sources], before[i])
        carry = expand(expand(state[: len(first)], made.km), self.km)
        xs = expand(expand(x_cts, made.x_mask), self.xm)
        groups: list[list[Any]] = [[None] * k for k in self.form.consts]
        groups[self.region.group] = expand(consts, self.cm)
        return select(Operands([None] * self.form.heads, groups, carry, xs).all, self.mask)

    def _all_counts(self, counted: Sequence[Any]) -> list[Any]:
        """What counts steps, in all steps, in the order of the elements."""
        steps = iota((self.length,), np.int64, 0)
        return self._count_on(counted, sub(np.int64(self.length - 1), steps) if self.reverse else steps)

    def _sums_of_constants(self, sums: Sequence[Any]) -> list[Any]:
        """Of sums for active operands, the first of which may be all there are, those for active constants."""
        full = [*sums, *[None] * (sum(self.mask) - len(sums))]
        return select(self.form.operands(expand(full, self.mask)).consts[self.region.group], self.cm)

    def no_sums(self, references: Sequence[Any]) -> list[Any]:
        """Zeros for the cotangents of the active constants; ``references`` starts with those of them that are
        sequences.
        """
        types = self._active_types()[0]
        return starting(
            [None] * len(types), types, [True] * len(types), references[: sum([isinstance(t, SeqType) for t in types])]
        )


class CotangentBody:
    """One step of the reverse pass of a loop, given cotangents of parts of the moving carry and of what is written step
    by step.

    The body takes what is invariant; carries the cotangents ``km`` of the moving carry, the ``sums`` of those of
    constants, and what counts steps, backwards; reads residuals and cotangents; and writes the cotangents ``x_mask`` of
    what was read, and the last ``left`` values of which sums over the steps are taken ``later``: for each such constant
    the sum, and where its operands are.
    """

    def __init__(self, rule: RepeatRule, kg: Mask, yg: Mask) -> None:
        split, consts, carry = rule.split, sum(rule.cm), sum(rule.km)

        def given(k: Mask) -> Mask:
            return (*expand_flags(k, rule.km), *yg)

        self.km = grow(kg, lambda k: split.cotangent(given(k))[1][consts : consts + carry])
        force = (*[False] * consts, *self.km, *[False] * sum(rule.xm))
        linear, mask = split.cotangent(given(self.km), force)
        # the carry's cotangents flow from step to step; what a step adds to parts outside km stays outside: it is zero
        invariant, read, stacked = rule._step_types()
        const_types, carry_types, _ = rule._active_types()
        y_types = select(rule.body.out_types[rule.form.carry :], yg)
        self.residuals = len(read) + len(stacked)
        const_mask, self.x_mask = mask[:consts], mask[consts + carry :]

        counted = [INDEX] * len(rule.counted)

        def traced(linear: Program, sums: Mask) -> Program:
            """The step as a Program: (invariant, carry, sums, counts, elements) -> (carry, cotangents of constants,
            counts, cotangents of what was read).
            """

            def step(*args: Any) -> list[Any]:
                i, k, c, t, r, s, y = cut(
                    args, len(invariant), sum(self.km), sum(sums), len(counted), len(read), len(stacked)
                )
                found = run_program(linear, (*rule._residual(i, t, r, s), *k, *y, *c))
                c, k, x = cut(found, sum(const_mask), sum(self.km))
                return [*k, *c, *rule._count_on(t, -1), *x]

            sum_types = select(const_types, sums)
            types = (
                *invariant, *select(carry_types, self.km), *sum_types, *counted, *read, *stacked, *y_types
            )  # fmt: skip
            return dce(trace_program(step, types))

        def ends(step: Program, sums: Mask) -> dict[int, Program]:
            """The parts of a step that are left for later, by the number of the constant."""
            moving = step.inputs[len(invariant) : len(invariant) + sum(self.km) + sum(sums)]
            found = {}
            for place, i in enumerate([i for i in range(consts) if const_mask[i]]):
                part = None if sums[i] else last_part(step, sum(self.km) + place, set(step.inputs) - set(moving))
                if part is not None:
                    found[i] = part
            return found

        none = (False,) * consts
        parts = ends(traced(linear, none), none) if rule.length is not None and any(const_mask) else {}
        self.sums = tuple([m and i not in parts for i, m in enumerate(const_mask)])
        step = traced(split.cotangent(given(self.km), force, self.sums)[0], self.sums)
        first, moving = len(invariant), len(invariant) + sum(self.km) + sum(self.sums)
        last = moving + len(counted)
        places = {
            "invariant": step.inputs[:first], "counted": step.inputs[moving:last], "elements": step.inputs[last:]
        }  # fmt: skip
        self._leave(step, ends(step, self.sums) if parts else {}, rule.length, places)

    def _leave(
        self,
        step: Program,
        parts: Mapping[int, Program],
        length: Any,
        inputs: Mapping[str, Sequence[Var]],
    ) -> None:
        """Make the body of a step and the sums ``later`` of what it leaves out; ``inputs`` are those that are known."""
        places = {v: (kind, k) for kind, group in inputs.items() for k, v in enumerate(group)}
        elements = inputs["elements"][self.residuals :]
        cotangents = dependent_on(step, [*[v for v in step.inputs if v not in places], *elements])
        left: dict[Var, int] = {}
        self.later: dict[int, tuple[StepSum, list[tuple[str, int]]]] = {}
        for i, part in parts.items():
            sources = [places[v] if v in places else ("left", left.setdefault(v, len(left))) for v in part.inputs]
            linear = tuple([v in cotangents for v in part.inputs])
            later, taken = sum_over_steps(part, linear, tuple([kind != "invariant" for kind, _ in sources]), length)
            self.later[i] = later, [sources[k] for k in taken]
        self.left = len(left)
        k, consts, t, x = cut(step.outputs, sum(self.km), len(self.later) + sum(self.sums), len(inputs["counted"]))
        given = [i for i, _ in enumerate(self.sums) if i in self.later or self.sums[i]]
        kept = [c for i, c in zip(given, consts, strict=True) if i not in self.later]
        self.body = dce(Program(step.inputs, step.eqns, (*k, *kept, *t, *x, *left)))


def counters(body: Program, consts: int, carry: int) -> dict[int, int]:
    """The parts of a carry to which each step adds a constant, by their numbers, and what it adds."""
    made = {v: e for e in body.eqns for v in e.outputs}
    found = {}
    for k, (before, after) in enumerate(zip(body.inputs[consts : consts + carry], body.outputs, strict=False)):
        e = made.get(after) if before.type is INDEX else None  # type: ignore[arg-type]
        if e is not None and e.primitive.name == "add" and before in e.inputs:
            others = [a.value for a in e.inputs if isinstance(a, Literal)]
            if others:
                found[k] = int(others[0])
    return found


def starting(
    values: Sequence[Any], types: Sequence[ArrayType], mask: Sequence[bool], references: Sequence[Any]
) -> list[Any]:
    """What a carry starts from where the mask says that there is one: values, or zeros; ``references`` are as long as
    those of sequences.
    """
    likes = expand(references, [isinstance(t, SeqType) for t in types])
    full = zip(values, types, likes, mask, strict=True)
    return [v if v is not None else zeros(t) if like is None else zeros_like(like) for v, t, like, m in full if m]


def sequences(values: Sequence[Any]) -> list[Any]:
    """Those values that are sequences."""
    return [v for v in values if isinstance(type_of(v), SeqType)]


def expand_flags(flags: Sequence[bool], mask: Sequence[bool]) -> Mask:
    """Flags in the places that the mask flags; False elsewhere."""
    return tuple([bool(f) for f in expand(flags, mask)])
