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
from functad.core.primitive import Sample
from functad.core.seq import Seq
from functad.ir.masks import cut
from functad.ir.program import Program
from functad.ir.regions import Control, Kind, Region, Regions
from functad.ir.types import array_type, seq_type
from functad.primitives.arithmetic import add, mul
from functad.primitives.comparison import lt
from functad.primitives.control import control_primitive
from functad.primitives.control_native import WHILE
from functad.primitives.long_loops import LONG, native_results, work
from functad.primitives.trigonometric import sin
from functad.transforms.programs import trace_program

__all__ = ["bind_while", "while_p"]


def bind_while(
    cond: Program, body: Program, cond_consts: Sequence[Any], body_consts: Sequence[Any], carry: Sequence[Any]
) -> tuple[list[Any], Any, list[Any]]:
    """Run a body while the condition holds: the last carry, the number of steps, and what was written step by step."""
    counts = {"cond_consts": len(cond_consts), "body_consts": len(body_consts)}
    outs = while_p.bind(*cond_consts, *body_consts, *carry, cond=cond, body=body, **counts)
    n = len(carry)
    return list(outs[:n]), outs[n], list(outs[n + 1 :])


def _evaluate(*operands: Any, cond: Program, body: Program, cond_consts: int, body_consts: int) -> tuple[Any, ...]:
    for_cond, for_body, state = cut(operands, cond_consts, body_consts)
    n = len(state)
    types = body.out_types[n:]
    ys: list[list[Any]] = [[] for _ in types]
    steps, short = 0, LONG // (work(cond) + work(body))
    while run_program(cond, (*for_cond, *state))[0]:
        if steps == short:  # it is a long one: all of it is native, so that no bit depends on where that begins
            params = {"cond": cond, "body": body, "cond_consts": cond_consts, "body_consts": body_consts}
            found = native_results(while_p, operands, params)
            if found is not None:
                return tuple(found)
        outs = run_program(body, (*for_body, *state))
        state = list(outs[:n])
        for y, value in zip(ys, outs[n:], strict=True):
            y.append(value)
        steps += 1
    return (*state, np.int64(steps), *[Seq(seq_type(t), y) for t, y in zip(types, ys, strict=True)])


def _samples() -> list[Sample]:
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


while_p = control_primitive("while", Control(_regions, _params), evaluate=_evaluate, kernel=WHILE, samples=_samples)
