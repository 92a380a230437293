"""The ``loop`` equation: a body run for a known number of steps (``scan``), or for one that is an operand.

Operands are, in this order: the number of steps (only where ``length`` is None), constants, the carry, and what is read
step by step (arrays along axis 0, or sequences). Results are the last carry and what is written step by step: arrays
with the steps along axis 0, or sequences where the number of steps or the elements are not static. The body maps
(constants, carry, elements) to (carry, elements). ``unroll`` is the number of steps that native code makes in a turn
(``passes/unroll.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Sample
from functad.ir.masks import cut
from functad.ir.program import Program
from functad.ir.regions import Control, Kind, Region, Regions
from functad.ir.types import array_type
from functad.primitives.arithmetic import add, mul
from functad.primitives.control import control_primitive
from functad.primitives.control_native import LOOP
from functad.primitives.long_loops import LONG, native_results, work
from functad.primitives.loop_body import stacked, storage
from functad.primitives.trigonometric import sin
from functad.transforms.programs import trace_program

__all__ = ["loop_p"]


def _evaluate(
    *operands: Any, body: Program, length: int | None, reverse: bool, unroll: int, consts: int, carry: int
) -> tuple[Any, ...]:
    steps, const_values, state, xs = cut(operands, int(length is None), consts, carry)
    n = int(steps[0]) if length is None else length
    if n * work(body) > LONG:
        params = {
            "body": body,
            "length": length,
            "reverse": reverse,
            "unroll": unroll,
            "consts": consts,
            "carry": carry,
        }
        found = native_results(loop_p, operands, params)
        if found is not None:
            return tuple(found)
    types = body.out_types[carry:]
    ys: list[Any] = [storage(t, n, length) for t in types]
    for i in range(n - 1, -1, -1) if reverse else range(n):
        outs = run_program(body, (*const_values, *state, *[x[i] for x in xs]))
        state = list(outs[:carry])
        for y, value in zip(ys, outs[carry:], strict=True):
            y[i] = value
    return (*state, *[stacked(y, t, length) for y, t in zip(ys, types, strict=True)])


def _samples() -> list[Sample]:
    scalar, vector = array_type((), np.float64), array_type((2,), np.float64)
    body = trace_program(lambda a, c, x: [add(mul(a, sin(c)), x), mul(c, x)], (scalar, vector, vector))
    shared = {"body": body, "consts": 1, "carry": 1, "unroll": 1}
    counted = trace_program(lambda a, c: [mul(a, sin(c)), mul(c, a)], (scalar, vector))
    xs = array_type((3, 2), np.float64)
    return [
        Sample((scalar, vector, xs), {**shared, "length": 3, "reverse": False}),
        Sample((scalar, vector, xs), {**shared, "length": 3, "reverse": True}),
        Sample((scalar, vector, array_type((5, 2), np.float64)), {**shared, "length": 5, "reverse": True, "unroll": 2}),
        Sample((scalar, vector, xs), {**shared, "length": 3, "reverse": False, "unroll": 3}),
        Sample((scalar, vector, array_type((0, 2), np.float64)), {**shared, "length": 0, "reverse": False}),
        Sample((scalar, vector, array_type((1, 2), np.float64)), {**shared, "length": 1, "reverse": False}),
        Sample((np.int64(3), scalar, vector), {**shared, "body": counted, "length": None, "reverse": False}),
    ]


def _regions(params: Mapping[str, Any]) -> Regions:
    length, consts, carry = params["length"], params["consts"], params["carry"]
    return Regions(
        Kind.STEPS, (Region(params["body"]),), (consts,), carry, heads=int(length is None), count=length,
        reverse=params["reverse"], turn=params["unroll"],
    )  # fmt: skip


def _params(params: Mapping[str, Any], form: Regions) -> Mapping[str, Any]:
    counts = {"length": form.count, "unroll": form.turn, "consts": form.consts[0], "carry": form.carry}
    return {**params, **counts, "body": form.regions[0].program}


loop_p = control_primitive("loop", Control(_regions, _params), evaluate=_evaluate, kernel=LOOP, samples=_samples)
