"""The ``checkpointed_while`` equation: a ``while`` whose reverse mode holds a fixed number of carries, however many
steps there turn out to be.

It is a call of a Program that is one ``while`` equation, with another linear rule. What must be held to run a loop of
known length backwards is a classic: c carries allow binomial(c + t, t) steps where each is repeated at most t times
(Griewank and Walther, "Algorithm 799: revolve", ACM TOMS 26 (2000)). Here the length is not known while the carries are
chosen, so the sweep forward keeps them at equal distances, and drops every second one when there is no room left
(so-called online checkpointing: Heuveline and Walther, Euro-Par 2006; Wang, Moin and Iaccarino, SIAM J. Sci. Comput. 31
(2009); Stumm and Walther, SIAM J. Sci. Comput. 32 (2010), distribute them so that repetitions are fewest at any length,
and move some at nearly every step; dropping half of them costs one repetition more, and nothing per step). Between two
of them the length is known, and the way back uses what slots are free by revolve's rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Primitive, Sample, bind_all, type_of
from functad.core.zeros import instantiate, zeros
from functad.errors import StructureError
from functad.ir.dce import dce
from functad.ir.derived import derived
from functad.ir.masks import Mask, cut, expand, grow, present, select
from functad.ir.program import Eqn, Program, Var
from functad.ir.regions import CALL, call_types
from functad.ir.types import ArrayType, SeqType, array_type
from functad.primitives.arithmetic import add, mul, sub
from functad.primitives.bitwise import bit_and, bit_not
from functad.primitives.comparison import eq, gt, le, lt
from functad.primitives.gather import gather_p
from functad.primitives.generate import iota
from functad.primitives.lanes import map_over_lanes
from functad.primitives.loop import loop_p
from functad.primitives.loop_body import bind_loop
from functad.primitives.repeat_rules import RepeatRule
from functad.primitives.reversible import FirstResults, PullbackOf, reversible_p
from functad.primitives.rounding import floor_divide
from functad.primitives.scatter import scatter_set_p
from functad.primitives.selection import maximum, minimum
from functad.primitives.selection import select as choose
from functad.primitives.slicing import pad
from functad.primitives.while_loop import bind_while, while_p
from functad.transforms.programs import batch_of, jvp_of, trace_program, transpose_call
from functad.transforms.replay import replay

__all__ = ["BLOCK", "bind_checkpointed_while", "checkpointed_while_p", "kept_slots"]

BLOCK = 16
"""The steps that are run backwards at once, with all their residuals: the schedule, which counts in blocks, costs
little beside them.
"""

INDEX = array_type((), np.int64)
NEVER = np.int64(2**62)
"""More steps than any loop runs."""


def kept_slots(slots: int) -> int:
    """How many of the slots the sweep forward uses: half of them, an even number; the others are for the way back."""
    return max(1, slots // 4 * 2)


def bind_checkpointed_while(
    cond: Program,
    body: Program,
    cond_consts: Sequence[Any],
    body_consts: Sequence[Any],
    carry: Sequence[Any],
    slots: int,
) -> tuple[list[Any], Any]:
    """Run a body while the condition holds: the last carry, and the number of steps."""
    program = as_program(cond, body, len(cond_consts), len(body_consts))
    outs = checkpointed_while_p.bind(*cond_consts, *body_consts, *carry, program=program, slots=slots)
    return list(outs[:-1]), outs[-1]


def as_program(cond: Program, body: Program, cond_consts: int, body_consts: int) -> Program:
    """The Program that is one ``while`` equation."""
    return _as_program(body, cond, cond_consts, body_consts)


@derived
def _as_program(body: Program, cond: Program, cond_consts: int, body_consts: int) -> Program:
    params = {"cond": cond, "body": body, "cond_consts": cond_consts, "body_consts": body_consts}
    types = (*cond.in_types[:cond_consts], *body.in_types)
    return trace_program(lambda *args: while_p.bind(*args, **params), types)


@derived
def as_call(program: Program, slots: int) -> Program:
    """The Program that is one ``checkpointed_while`` equation."""
    return trace_program(lambda *args: checkpointed_while_p.bind(*args, program=program, slots=slots), program.in_types)


# -- the linear rule ---------------------------------------------------------------------------------------------------


class CheckpointedRule:
    """Residuals are the operands, the carries kept by the sweep forward, as far as recomputing the steps needs them,
    and how far it went.
    """

    active = True

    def __init__(self, program: Program, slots: int, mask: Mask) -> None:
        self.call = as_call(program, slots)
        (loop_eqn,) = program.eqns
        p = loop_eqn.params
        self.cond, self.body, self.slots, self.kept = p["cond"], p["body"], slots, kept_slots(slots)
        self.counts = p["cond_consts"], p["body_consts"]
        self.conditions, self.cm, self.start = [tuple(m) for m in cut(mask, *self.counts)]
        self.moving = (*[False] * self.counts[0], *self.cm, *self.start)
        n = len(self.start)
        loop = {"body": self.body, "length": None, "reverse": False, "consts": len(self.cm), "carry": n, "unroll": 1}
        self.km = RepeatRule(loop_p, loop, (False, *self.cm, *self.start)).km
        self.block = RepeatRule(loop_p, loop, (False, *self.cm, *self.km), counting=False)
        self.const_types = select(self.body.in_types[: len(self.cm)], self.cm)
        self.carry_types = select(self.body.out_types, self.km)
        self._ways_back: dict[Mask, dict[str, Any]] = {}
        self._find_needed(n)

    def _find_needed(self, n: int) -> None:
        """What of the carry and of the constants a step needs to recompute its residuals, and those of the steps after
        it.
        """
        whole = self.block.stacking

        def recording(needed: Sequence[bool]) -> tuple[Program, list[bool]]:
            made = dce(Program(whole.inputs, whole.eqns, (*select(whole.outputs[:n], needed), *whole.outputs[n:])))
            read = {a for e in made.eqns for a in e.inputs} | set(made.outputs)
            return made, [v in read for v in made.inputs]

        consts = len(self.cm)
        self.needed = grow([False] * n, lambda needed: recording(needed)[1][consts:])
        made, read = recording(self.needed)
        self.consts = read[:consts]
        inputs = select(made.inputs, [*self.consts, *self.needed])
        self.recording = Program(inputs, made.eqns, made.outputs)
        self.advance = dce(Program(inputs, made.eqns, made.outputs[: sum(self.needed)]))
        self.state_types = select(self.body.out_types, self.needed)

    # -- the sweep forward --

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        n = len(eqn.outputs)
        outs = reversible_p.bind(*ins, program=self._sweep, reverse=FirstResults(self.call))
        _, consts, carry = cut(ins, *self.counts)
        fixed = self.block.residuals([outs[n - 1]], consts, carry, outs[: n - 1], (), [])[1:]
        return outs[:n], [*ins, *outs[n - 1 :], *fixed]

    @cached_property
    def _sweep(self) -> Program:
        """(operands) -> (the last carry, the steps taken, the rows in use, the steps between two of them, the rows)."""
        test, body = self._strides
        stride = np.int64(BLOCK) if self.kept > 1 else NEVER

        def sweep(*args: Any) -> Sequence[Any]:
            for_cond, for_body, carry = cut(args, *self.counts)
            rows = [zeros(t) for t in self._row_types(self.kept)]
            first = [np.int64(0), stride, np.int64(0), *carry, *rows]
            (count, distance, steps, *rest), _, _ = bind_while(test, body, for_cond, [*for_cond, *for_body], first)
            carry, rows = cut(rest, len(carry))
            return [*carry, steps, count, distance, *rows]

        return trace_program(sweep, [*self.cond.in_types[: self.counts[0]], *self.body.in_types])

    def _row_types(self, n: int) -> list[ArrayType]:
        return [t.with_shape((n, *t.shape)) for t in self.state_types]

    @cached_property
    def _strides(self) -> tuple[Program, Program]:
        """The loop over strides: each keeps the carry that it starts from in row number ``count``; so row k has the
        carry after k strides.
        """
        n, (tests, consts), kept = len(self.start), self.counts, self.kept

        def within(*args: Any) -> Sequence[Any]:
            for_cond, (stride, i), carry = cut(args, tests, 2)
            return [bit_and(lt(i, stride), run_program(self.cond, (*for_cond, *carry))[0])]

        def step(*args: Any) -> Sequence[Any]:
            for_body, (stride, i), carry = cut(args, consts, 2)
            return [stride, add(i, 1), *run_program(self.body, (*for_body, *carry))]

        def goes_on(*args: Any) -> Sequence[Any]:
            for_cond, _, carry, _ = cut(args, tests, 3, n)
            return run_program(self.cond, (*for_cond, *carry))

        def stride_on(*args: Any) -> Sequence[Any]:
            for_cond, for_body, (count, stride, steps), carry, rows = cut(args, tests, consts, 3, n)
            full = eq(count, kept)
            factor = choose(full, np.int64(2), np.int64(1))
            count, stride = floor_divide(count, factor), mul(stride, factor)
            thinned = minimum(mul(iota((kept,), np.int64, 0), factor), kept - 1)
            rows = [gather_p.bind(r, thinned, batch=0) for r in rows]
            rows = [put(r, count, x) for r, x in zip(rows, select(carry, self.needed), strict=True)]
            (_, taken, *carry), _, _ = bind_while(
                inner_test, inner_step, for_cond, for_body, [stride, np.int64(0), *carry]
            )
            return [add(count, 1), stride, add(steps, taken), *carry, *rows]

        for_cond, for_body, carry = self.cond.in_types[:tests], self.body.in_types[:consts], self.body.out_types
        inner_test = trace_program(within, [*for_cond, INDEX, INDEX, *carry])
        inner_step = trace_program(step, [*for_body, INDEX, INDEX, *carry])
        state = [INDEX, INDEX, INDEX, *carry, *self._row_types(kept)]
        return trace_program(goes_on, [*for_cond, *state]), trace_program(stride_on, [*for_cond, *for_body, *state])

    def _cut_residuals(self, residuals: Sequence[Any]) -> tuple[list[Any], tuple[Any, Any, Any], list[Any], list[Any]]:
        """The constants, the steps with rows in use and their distance, the rows, and what is the same in every
        step.
        """
        _, for_body, _, (steps, count, stride), rows, fixed = cut(
            residuals, *self.counts, len(self.start), 3, sum(self.needed)
        )
        return select(for_body, self.consts), (steps, count, stride), rows, fixed

    def _fixed_types(self) -> list[ArrayType]:
        """The types of the residuals that are the same in every step."""
        return [*[t for t in self.const_types if isinstance(t, SeqType)], *self.block.invariants.out_types]

    def _record(
        self, consts: Sequence[Any], state: Sequence[Any], fixed: Sequence[Any], steps: Any
    ) -> tuple[list[Any], list[Any]]:
        """The state after some steps, and all residuals of these steps."""
        after, stacked = bind_loop(self.recording, consts, state, (), length=None, steps=[steps])
        return after, [steps, *fixed, *stacked]

    # -- tangents: once more from the start --

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        consts, (steps, _, _), rows, fixed = self._cut_residuals(residuals)
        const_dots, carry_dots = cut(expand(tangents[sum(self.conditions) :], (*self.cm, *self.start)), len(self.cm))
        given = present(select(const_dots, self.cm))
        const_dots = [t for t in const_dots if t is not None]

        def block(*args: Any) -> Sequence[Any]:
            c, f, const_dots, (total, done), state, dots = cut(args, len(consts), len(fixed), sum(given), 2, len(rows))
            now = minimum(sub(total, done), BLOCK)
            state, recorded = self._record(c, state, f, now)
            found = self.block.forward(recorded, [*expand(const_dots, given), *dots])
            return [total, add(done, now), *state, *select(found, self.km)]

        state = [gather_p.bind(r, np.int64(0), batch=0) for r in rows]
        dots = [instantiate(t, ty) for t, ty in zip(select(carry_dots, self.km), self.carry_types, strict=True)]
        shared, carry = [*consts, *fixed, *const_dots], [steps, np.int64(0), *state, *dots]
        types = [type_of(x) for x in carry]
        test = trace_program(lambda total, done, *_: [lt(done, total)], types)
        body = trace_program(block, [*[type_of(x) for x in shared], *types])
        found, _, _ = bind_while(test, body, (), shared, carry)
        return [*expand(found[len(carry) - len(dots) :], self.km), None]

    # -- the way back --

    @property
    def summed(self) -> Mask:
        """The active operands that ``backward`` takes sums for: those that are the same in all steps."""
        return (*[False] * sum(self.conditions), *[True] * len(self.const_types), *[False] * sum(self.start))

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any], sums: Sequence[Any] = ()) -> Sequence[Any]:
        """The cotangents of the active operands; to those of constants their ``sums`` (or None) are added."""
        cts = [instantiate(c, t) for c, t in zip(select(cotangents[:-1], self.km), self.carry_types, strict=True)]
        sums = select(sums, self.summed) if sums else [None] * len(self.const_types)
        given = present(sums)
        if given not in self._ways_back:
            self._ways_back[given] = self._way_back(given)
        found = reversible_p.bind(*residuals, *cts, *[s for s in sums if s is not None], **self._ways_back[given])
        return [*[None] * sum(self.conditions), *found]

    def _way_back(self, given: Mask) -> dict[str, Any]:
        """A call (residuals, cotangents of the moving carry, sums that are given) -> cotangents of the moving operands,
        added to the sums.
        """
        test, body = self._actions
        swept = [INDEX, INDEX, INDEX, *self._row_types(self.kept)]
        types = [*self.call.in_types, *swept, *self._fixed_types(), *self.carry_types]
        sum_types = select(self.const_types, given)

        def back(*args: Any) -> Sequence[Any]:
            residuals, cts, sums = cut(args, len(types) - len(self.carry_types), len(self.carry_types))
            consts, (steps, count, stride), rows, fixed = self._cut_residuals(residuals)
            more = (0, self.slots + 1 - self.kept, 0)
            rows = [pad(r, type_of(r).dtype.type(0), [more] + [(0, 0, 0)] * (type_of(r).ndim - 1)) for r in rows]
            starts = mul(iota((self.slots + 1,), np.int64, 0), stride)
            zero = self.block.no_sums(fixed)
            first = [z if s is None else s for s, z in zip(expand(sums, given), zero, strict=True)]
            carry = [steps, sub(count, 1), starts, *rows, *cts, *first]
            found, _, _ = bind_while(test, body, (), [*consts, *fixed], carry)
            _, cts, sums = cut(found, 3 + len(rows), len(cts))
            return [*sums, *select(expand(cts, self.km), self.start)]

        reverse = PullbackOf(self.call, self.moving, (*self.km, False), (*given, *[False] * sum(self.start)))
        return {"program": trace_program(back, [*types, *sum_types]), "reverse": reverse}

    @cached_property
    def _actions(self) -> tuple[Program, Program]:
        """The loop over actions: a carry further on is put on top of the others, or the last steps run backwards.

        The rows up to ``top`` hold the carries after ``starts`` steps, and ``end`` steps are left. A row beyond the
        slots takes what is not kept.
        """
        consts = select(self.body.in_types[: len(self.cm)], self.consts)
        fixed, width = self._fixed_types(), len(self.state_types)

        def act(*args: Any) -> Sequence[Any]:
            c, f, (end, top, starts), rows, cts, sums = cut(
                args, len(consts), len(fixed), 3, width, len(self.carry_types)
            )
            start = gather_p.bind(starts, top, batch=0)
            left, free = sub(end, start), sub(np.int64(self.slots - 1), top)
            last = le(left, BLOCK)
            push = bit_and(bit_not(last), gt(free, 0))
            blocks = floor_divide(add(left, BLOCK - 1), BLOCK)
            # without a free slot, the last block is run backwards from the top at once
            first = choose(push, split(choose(push, blocks, np.int64(1)), add(free, 1)), sub(blocks, 1))
            ahead = mul(first, BLOCK)
            state = [gather_p.bind(r, top, batch=0) for r in rows]
            state, _ = bind_loop(self.advance, c, state, (), length=None, steps=[ahead])
            row = choose(push, add(top, 1), np.int64(self.slots))
            rows = [put(r, row, x) for r, x in zip(rows, state, strict=True)]
            back = choose(push, np.int64(0), sub(left, ahead))
            _, recorded = self._record(c, state, f, back)
            found = self.block.backward(recorded, [*expand(cts, self.km)], sums)
            sums = [s if new is None else new for s, new in zip(sums, found, strict=False)]
            top = choose(push, row, choose(last, sub(top, 1), top))
            return [sub(end, back), top, put(starts, row, add(start, ahead)), *rows, *found[len(sums) :], *sums]

        index = array_type((self.slots + 1,), np.int64)
        state = [INDEX, INDEX, index, *self._row_types(self.slots + 1), *self.carry_types, *self.const_types]
        return trace_program(lambda end, *_: [gt(end, 0)], state), trace_program(act, [*consts, *fixed, *state])


@derived
def checkpointed_rule(program: Program, slots: int, mask: Mask) -> CheckpointedRule:
    """The linear rule of a call, the same one each time."""
    return CheckpointedRule(program, slots, mask)


def put(rows: Any, index: Any, x: Any) -> Any:
    """The rows with x in place of one of them."""
    return scatter_set_p.bind(rows, x, index, batch=0)


def split(blocks: Any, slots: Any) -> Any:
    """How many of a number of blocks (two or more) to advance before the next carry is kept, with c ``slots``, two or
    more, for them all.

    With b(c, t) = binomial(c + t, t), c carries allow b(c, t) blocks where each is repeated at most t times: b(c, t) =
    b(c, t - 1) + b(c - 1, t), and the first b(c, t - 1) of them still have all c slots, and one repetition less, once
    the others are done with. Among all such divisions, those with b(c, t - 2) or more in the first part and b(c - 1, t
    - 1) or more in the second have the fewest repetitions in sum.
    """

    def test(blocks: Any, slots: Any, t: Any, b2: Any, b1: Any, b0: Any) -> Sequence[Any]:
        return [lt(b0, blocks)]

    def step(blocks: Any, slots: Any, t: Any, b2: Any, b1: Any, b0: Any) -> Sequence[Any]:
        t = add(t, 1)
        return [blocks, slots, t, b1, b0, floor_divide(mul(b0, add(slots, t)), t)]

    types = [INDEX] * 6
    carry = [blocks, slots, np.int64(0), np.int64(0), np.int64(0), np.int64(1)]
    (_, _, _, b2, b1, b0), _, _ = bind_while(trace_program(test, types), trace_program(step, types), (), (), carry)
    return maximum(maximum(b2, sub(blocks, sub(b0, b1))), 1)


# -- the primitive -----------------------------------------------------------------------------------------------------


def _rebind(program: Program, args: Sequence[Any], slots: int) -> list[Any]:
    """Run a Program with its ``while`` equations checkpointed."""

    def results(eqn: Eqn, ins: list[Any]) -> Sequence[Any]:
        if eqn.primitive is not while_p:
            return bind_all(eqn.primitive, ins, eqn.params)
        for_cond, for_body, carry = cut(ins, eqn.params["cond_consts"], eqn.params["body_consts"])
        state, steps = bind_checkpointed_while(eqn.params["cond"], eqn.params["body"], for_cond, for_body, carry, slots)
        return [*state, steps]

    return replay(program, args, results)


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, program: Program, slots: int
) -> tuple[Sequence[Any], Sequence[Any]]:
    mask = present(tangents)
    made, out_mask = jvp_of(program, mask)
    outs = _rebind(made, (*primals, *select(tangents, mask)), slots)
    n = len(program.outputs)
    return outs[:n], expand(outs[n:], out_mask)


def _batch(
    size: int, batched: Sequence[Any], *operands: Any, program: Program, slots: int
) -> tuple[Sequence[Any], Sequence[Any]]:
    made, flags = batch_of(program, size, batched)
    if not any(e.primitive is while_p for e in made.eqns):  # the number of steps differs: a loop over lanes
        return map_over_lanes(checkpointed_while_p, size, batched, operands, {"program": program, "slots": slots})
    return _rebind(made, operands, slots), flags


def _doubting(params: Mapping[str, Any], doubts: Sequence[bool]) -> tuple[Mapping[str, Any], Sequence[bool]]:
    (loop,) = params["program"].eqns
    inside, results = while_p.doubting(loop.params, doubts)  # type: ignore[misc]
    return {**params, "program": as_program(**inside)}, results


def _samples() -> list[Sample]:
    return [
        Sample(s.operands, {"program": as_program(**s.params), "slots": n}) for s in while_p.samples() for n in (1, 4)
    ]


def _types(*types: ArrayType, program: Program, slots: int) -> tuple[ArrayType, ...]:
    loops = [e for e in program.eqns if e.primitive is while_p]  # beside it is what passes take out of its body
    if len(loops) != 1 or type(slots) is not int or slots < 1:
        raise StructureError("checkpointed_while is a call of a Program of one while equation, with 1 slot or more")
    return call_types(types, program)


checkpointed_while_p: Primitive = Primitive(
    "checkpointed_while",
    type_rule=_types,
    evaluate=lambda *args, program, slots: tuple(run_program(program, args)),
    multiple_results=True,
    control=CALL,
    jvp_call=_jvp,
    linearize=lambda types, params, mask: checkpointed_rule(params["program"], params["slots"], mask),
    doubting=_doubting,
    transpose=lambda cts, *operands, program, slots: transpose_call(
        run_program, program, cts, operands
    ),  # what is linear leaves no residuals
    linear="jointly",
    batch=_batch,
    samples=_samples,
)
