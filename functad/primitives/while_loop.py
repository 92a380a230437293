"""The ``while`` equation: a body run until a condition fails.

Operands are the constants of the condition, those of the body, and the carry. Results are the last carry, the number of
steps, and a sequence for each further output of the body, one element a step. Reverse mode is nothing special: the
forward loop writes the residuals of its steps as sequences, and the linear loops are ``loop`` equations over them, with
the number of steps as an operand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.core.seq import Seq
from functad.core.zeros import zeros_like
from functad.errors import LinearityError, StructureError
from functad.ir.program import Eqn, Program, Var
from functad.ir.regions import Control, Kind, Region, Regions
from functad.ir.types import ArrayType, array_type, seq_type
from functad.primitives.control_native import WHILE
from functad.primitives.lanes import map_over_lanes
from functad.primitives.loop_rules import LoopRule, at_zero, cut, doubting_body, grow, leaves_lanes, present
from functad.transforms.programs import batch_of, derived, expand, jvp_of, mapped_value, select, trace_program
from functad.transforms.transpose import linear_variables

__all__ = ["bind_while", "while_p"]

Mask = tuple[bool, ...]


def bind_while(
    cond: Program, body: Program, cond_consts: Sequence[Any], body_consts: Sequence[Any], carry: Sequence[Any]
) -> tuple[list[Any], Any, list[Any]]:
    """Run a body while the condition holds: the last carry, the number of steps, and what was written step by step."""
    counts = {"cond_consts": len(cond_consts), "body_consts": len(body_consts)}
    outs = while_p.bind(*cond_consts, *body_consts, *carry, cond=cond, body=body, **counts)
    n = len(carry)
    return list(outs[:n]), outs[n], list(outs[n + 1 :])


def _type_rule(
    *types: ArrayType, cond: Program, body: Program, cond_consts: int, body_consts: int
) -> tuple[ArrayType, ...]:
    for_cond, for_body, carry = cut(types, cond_consts, body_consts)
    n = len(carry)
    if (
        body.in_types != (*for_body, *carry)
        or body.out_types[:n] != tuple(carry)
        or cond.in_types != (*for_cond, *carry)
    ):
        raise StructureError(
            f"a while loop's body takes {body.in_types} and gives {body.out_types[:n]}, but the carry is {tuple(carry)}"
        )
    return (*carry, array_type((), np.int64), *[seq_type(t) for t in body.out_types[n:]])


def _evaluate(*operands: Any, cond: Program, body: Program, cond_consts: int, body_consts: int) -> tuple[Any, ...]:
    for_cond, for_body, state = cut(operands, cond_consts, body_consts)
    n = len(state)
    types = body.out_types[n:]
    ys: list[list[Any]] = [[] for _ in types]
    steps = 0
    while run_program(cond, (*for_cond, *state))[0]:
        outs = run_program(body, (*for_body, *state))
        state = list(outs[:n])
        for y, value in zip(ys, outs[n:], strict=True):
            y.append(value)
        steps += 1
    return (*state, np.int64(steps), *[Seq(seq_type(t), y) for t, y in zip(types, ys, strict=True)])


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    cond, body = params["cond"], params["body"]
    counts = params["cond_consts"], params["body_consts"]
    for_cond, for_body, carry = cut(primals, *counts)
    _, const_dots, carry_dots = cut(tangents, *counts)
    n = len(carry)
    ys = len(body.outputs) - n
    cm = present(const_dots)
    km = grow(present(carry_dots), lambda k: jvp_of(body, (*cm, *k))[1][:n])
    both, out_mask = jvp_of(body, (*cm, *km), (*km, *[False] * ys))

    def step(*args: Any) -> list[Any]:
        c, ct, k, kt = cut(args, len(for_body), sum(cm), n)
        k, y, kt, yt = cut(run_program(both, (*c, *k, *ct, *kt)), n, ys, sum(km))
        return [*k, *kt, *y, *yt]

    def test(*args: Any) -> Sequence[Any]:
        return run_program(cond, args[: len(for_cond) + n])

    carry_types = [type_of(v) for v in (*carry, *select(carry, km))]
    const_types = [type_of(v) for v in (*for_body, *select(const_dots, cm))]
    made = derived(both, "while step", lambda: trace_program(step, [*const_types, *carry_types]))
    tested = derived(
        cond, ("while test", km), lambda: trace_program(test, [*[type_of(c) for c in for_cond], *carry_types])
    )
    first = [zeros_like(v) if t is None else t for t, v in zip(select(carry_dots, km), select(carry, km), strict=True)]
    state, steps, written = bind_while(tested, made, for_cond, [*for_body, *select(const_dots, cm)], [*carry, *first])
    dots = [*expand(state[n:], km), None, *expand(written[ys:], out_mask[n:])]
    return [*state[:n], steps, *written[:ys]], dots


class WhileRule:
    """The linear rule of a while loop: its linear loops are those of a ``loop`` of as many steps."""

    active = True

    def __init__(self, params: Mapping[str, Any], mask: Mask) -> None:
        self.params = params
        self.conditions = sum(mask[: params["cond_consts"]])  # active operands that only the condition reads
        loop = {"body": params["body"], "length": None, "reverse": False, "unroll": 1, "consts": params["body_consts"]}
        rest = mask[params["cond_consts"] :]
        carry = len(rest) - params["body_consts"]
        self.loop = LoopRule((), {**loop, "carry": carry}, (False, *rest))
        self.carry = carry

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        for_cond, for_body, carry = cut(ins, self.params["cond_consts"], self.params["body_consts"])
        state, steps, written = bind_while(self.params["cond"], self.loop.stacking, for_cond, for_body, carry)
        ys = len(self.params["body"].outputs) - len(carry)
        return [*state, steps, *written[:ys]], self.loop.residuals([steps], for_body, carry, state, (), written[ys:])

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        outs = self.loop.forward(residuals, tangents[self.conditions :])
        return [*outs[: self.carry], None, *outs[self.carry :]]

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        cts = [*cotangents[: self.carry], *cotangents[self.carry + 1 :]]
        return [*[None] * self.conditions, *self.loop.backward(residuals, cts)]


def _transpose(cts: Sequence[Any], *operands: Any, **params: Any) -> list[Any]:
    """A loop that is linear in part of its carry is its own derivative in that: transpose the derivative, at zero."""
    mask = tuple([type(x) is Linear for x in operands])
    rule = WhileRule(params, mask)
    linear_variables(params["body"], (*rule.loop.cm, *rule.loop.km))  # raises where the body is not linear
    cond = params["cond"]
    read = {a for e in cond.eqns for a in e.inputs} | set(cond.outputs)
    if any(
        flag and v in read for v, flag in zip(cond.inputs, (*mask[: params["cond_consts"]], *rule.loop.km), strict=True)
    ):
        raise LinearityError("the condition of a while loop depends on values that the loop would have to be linear in")
    _, residuals = rule.primal(None, [at_zero(x) if type(x) is Linear else x for x in operands], {})  # type: ignore[arg-type]
    return expand(rule.backward(residuals, cts), mask)


def _batch(size: int, batched: Sequence[Any], *operands: Any, **params: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    cond, body = params["cond"], params["body"]
    counts = params["cond_consts"], params["body_consts"]
    for_cond, for_body, carry = cut(operands, *counts)
    cond_flags, const_flags, start = cut(batched, *counts)
    n = len(carry)
    flags = grow([bool(f) for f in start], lambda k: batch_of(body, size, (*const_flags, *k))[1][:n])
    tested, test_flags = batch_of(cond, size, (*cond_flags, *flags))
    if test_flags[0] or "lanes" in batched:
        return map_over_lanes(while_p, size, batched, operands, params)
    made, out_flags = batch_of(body, size, (*const_flags, *flags), (*flags, *[False] * (len(body.outputs) - n)))
    if leaves_lanes(out_flags, carry, flags, start):
        return map_over_lanes(while_p, size, batched, operands, params)
    spread = [
        mapped_value(x, size) if want and not have else x for x, want, have in zip(carry, flags, start, strict=True)
    ]
    state, steps, written = bind_while(tested, made, for_cond, for_body, spread)
    return [*state, steps, *written], [*flags, False, *["elements" if f else False for f in out_flags[n:]]]


def _doubting(params: Mapping[str, Any], doubts: Sequence[bool]) -> tuple[Mapping[str, Any], Sequence[bool]]:
    _, consts, carry = cut(doubts, params["cond_consts"], params["body_consts"])
    body, results = doubting_body(params["body"], consts, carry, ())
    return {**params, "body": body}, (*results[: len(carry)], False, *results[len(carry) :])


def _samples() -> list[Sample]:
    from functad.primitives.arithmetic import add, mul
    from functad.primitives.comparison import lt
    from functad.primitives.trigonometric import sin

    scalar = array_type((), np.float64)
    cond = trace_program(lambda bound, x, y: [lt(x, bound)], (scalar, scalar, scalar))
    body = trace_program(lambda a, x, y: [add(x, mul(a, a)), mul(sin(y), x)], (scalar, scalar, scalar))
    params = {"cond": cond, "body": body, "cond_consts": 1, "body_consts": 1}
    bound, step, x, y = np.float64(3.3), np.float64(0.9), np.float64(0.4), np.float64(1.2)
    return [Sample((bound, step, x, y), params), Sample((np.float64(0.0), step, x, y), params)]


def _regions(params: Mapping[str, Any]) -> Regions:
    cond, body, tests, consts = params["cond"], params["body"], params["cond_consts"], params["body_consts"]
    regions = Region(cond, group=0, tests=1, step=False), Region(body, group=1)
    return Regions(Kind.WHILE, regions, (tests, consts), len(body.in_types) - consts, own=1)


def _params(params: Mapping[str, Any], form: Regions) -> Mapping[str, Any]:
    cond, body = form.programs
    return {"cond": cond, "body": body, "cond_consts": form.consts[0], "body_consts": form.consts[1]}


while_p = Primitive(
    "while",
    control=Control(_regions, _params),
    type_rule=_type_rule,
    evaluate=_evaluate,
    multiple_results=True,
    jvp_call=_jvp,
    linearize=lambda types, params, mask: WhileRule(params, mask),
    doubting=_doubting,
    transpose=_transpose,
    linear="jointly",
    batch=_batch,
    kernel=WHILE,
    samples=_samples,
)
