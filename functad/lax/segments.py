"""Loops in checkpointed segments: reverse mode keeps the carry at the start of each segment, and the residuals of one
segment at a time.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.errors import StructureError
from functad.ir.masks import cut
from functad.ir.program import Program
from functad.ir.types import array_type
from functad.numpy import concatenate
from functad.primitives.checkpointed_while import bind_checkpointed_while
from functad.primitives.loop_body import bind_loop
from functad.primitives.remat import checkpoint_p
from functad.primitives.while_loop import bind_while
from functad.transforms.programs import trace_program

__all__ = ["run_blocks", "run_checkpointed", "scan_blocks"]

RADIX = 16
"""Segments of a segment in a "binomial" scan: r at each of log n / log r levels keep r log n / log r carries, and each
step is computed once a level.

Two would keep the fewest carries, but a million steps would need 20 levels, each a copy of the loop around it in native
code, and 20 runs of each step; 16 needs 5 of both, for twice the carries.
"""

Block = tuple[int, tuple[int, ...]]
"""A number of segments, and how many segments of the level below make one of each level, lowest first; () where they
are the steps themselves.
"""


# -- scan --------------------------------------------------------------------------------------------------------------


def scan_blocks(checkpoint: str | int, n: int) -> list[Block]:
    """How ``checkpoint`` cuts n steps: blocks that run one after the other."""
    if checkpoint == "binomial":
        return binomial_blocks(n)
    if checkpoint == "sqrt":
        segments = max(1, math.isqrt(n))
    elif isinstance(checkpoint, str) or operator.index(checkpoint) < 1:
        raise StructureError(
            f"scan: checkpoint={checkpoint!r}; expected 'sqrt', 'binomial' or a positive number of segments"
        )
    else:
        segments = max(1, min(operator.index(checkpoint), n))
    steps, rest = divmod(n, segments)
    return [(segments, (steps,)), (rest, ())] if rest else [(segments, (steps,))]


def binomial_blocks(n: int) -> list[Block]:
    """The digits of n to the base `RADIX`, highest first: as many segments of that power of it."""
    level, blocks = 0, []
    while n:
        n, digit = divmod(n, RADIX)
        if digit:
            blocks.append((digit, (RADIX,) * level))
        level += 1
    return blocks[::-1] or [(0, ())]


def run_blocks(
    body: Program,
    consts: Sequence[Any],
    carry: Sequence[Any],
    xs: Sequence[Any],
    blocks: Sequence[Block],
    reverse: bool,
    unroll: int = 1,
) -> tuple[list[Any], list[Any]]:
    """The last carry, and what was written step by step, of a loop that runs in blocks of checkpointed segments."""
    segment = Segments(body, len(consts), len(carry), reverse, unroll)
    state, start = list(carry), 0
    spans = []
    for count, radices in blocks:
        spans.append((start, count, radices))
        start += count * math.prod(radices)
    written: list[list[Any]] = []
    for first, count, radices in reversed(spans) if reverse else spans:
        size = math.prod(radices)
        part = [x[first : first + count * size] for x in xs]
        state, ys = segment.loop(consts, state, part, count, radices)
        written.append(ys)
    if reverse:
        written.reverse()
    return state, [concatenate(parts) if len(parts) > 1 else parts[0] for parts in zip(*written, strict=True)]


class Segments:
    """The nested segments of one loop's body; the Program of a segment is made once, however many blocks are made of
    it.
    """

    def __init__(self, body: Program, consts: int, carry: int, reverse: bool, unroll: int) -> None:
        self.body, self.consts, self.carry, self.reverse, self.unroll = body, consts, carry, reverse, unroll
        self.made: dict[tuple[int, ...], Program] = {(): body}

    def loop(
        self, consts: Sequence[Any], carry: Sequence[Any], xs: Sequence[Any], count: int, radices: tuple[int, ...]
    ) -> tuple[list[Any], list[Any]]:
        """The steps of ``count`` segments; ``xs`` and what is written have one element a step."""
        size = math.prod(radices)
        if radices:
            xs = [np.reshape(x, (count, size, *x.shape[1:])) for x in xs]
        unroll = 1 if radices else self.unroll
        state, ys = bind_loop(
            self.program(radices), consts, carry, xs, length=count, reverse=self.reverse, unroll=unroll
        )
        return state, [np.reshape(y, (count * size, *y.shape[2:])) for y in ys] if radices else ys

    def program(self, radices: tuple[int, ...]) -> Program:
        """(constants, carry, elements of the steps of one segment) -> (carry, what they write)."""
        if radices not in self.made:
            below, count = radices[:-1], radices[-1]

            def steps(*args: Any) -> list[Any]:
                consts, carry, xs = cut(args, self.consts, self.carry)
                state, ys = self.loop(consts, carry, xs, count, below)
                return [*state, *ys]

            elements = self.body.in_types[self.consts + self.carry :]
            size = math.prod(radices)
            types = [
                *self.body.in_types[: self.consts + self.carry],
                *[t.with_shape((size, *t.shape)) for t in elements],
            ]
            self.made[radices] = checkpointed(trace_program(steps, types))
        return self.made[radices]


def checkpointed(program: Program) -> Program:
    """A Program that is one checkpointed call of another."""
    return trace_program(lambda *args: checkpoint_p.bind(*args, program=program, policy=None), program.in_types)


# -- while -------------------------------------------------------------------------------------------------------------


SLOTS = 100
"""The carries that a "binomial" while loop holds; a million steps are then computed four times each, 136 million six
times at most.
"""


def run_checkpointed(
    cond: Program,
    body: Program,
    cond_consts: Sequence[Any],
    body_consts: Sequence[Any],
    carry: Sequence[Any],
    checkpoint: str | int,
) -> list[Any]:
    """The last carry of a while loop that saves memory in reverse mode."""
    if checkpoint == "sqrt":
        return run_segments(cond, body, cond_consts, body_consts, carry)
    slots = SLOTS if checkpoint == "binomial" else 0 if isinstance(checkpoint, str) else operator.index(checkpoint)
    if slots < 1:
        raise StructureError(
            f"while_loop: checkpoint={checkpoint!r}; expected 'sqrt', 'binomial' or a positive number of carries to "
            "hold"
        )
    return bind_checkpointed_while(cond, body, cond_consts, body_consts, carry, slots)[0]


def run_segments(
    cond: Program, body: Program, cond_consts: Sequence[Any], body_consts: Sequence[Any], carry: Sequence[Any]
) -> list[Any]:
    """The last carry of a while loop that runs in checkpointed segments of one step, two steps, three steps, ...

    The outer loop carries the length of the next segment; the loop of a segment also stops after that many steps.
    """
    counter = array_type((), np.int64)
    for_cond, for_body = (
        [v.type for v in cond.inputs[: len(cond_consts)]],
        [v.type for v in body.inputs[: len(body_consts)]],
    )
    state_types = list(body.out_types)

    def goes_on(*args: Any) -> list[Any]:
        consts, (limit, step), state = cut(args, len(for_cond), 2)
        return [(step < limit) & run_program(cond, (*consts, *state))[0]]

    def advance(*args: Any) -> list[Any]:
        consts, (limit, step), state = cut(args, len(for_body), 2)
        return [limit, step + 1, *run_program(body, (*consts, *state))]

    test = trace_program(goes_on, [*for_cond, counter, counter, *state_types])
    stride = trace_program(advance, [*for_body, counter, counter, *state_types])

    def segment(*args: Any) -> list[Any]:
        tested, moved, (limit,), state = cut(args, len(for_cond), len(for_body), 1)
        return bind_while(test, stride, tested, moved, [limit, np.int64(0), *state])[0][2:]

    made = trace_program(segment, [*for_cond, *for_body, counter, *state_types])

    def outer_test(*args: Any) -> Sequence[Any]:
        consts, _, state = cut(args, len(for_cond), 1)
        return run_program(cond, (*consts, *state))

    def outer_step(*args: Any) -> list[Any]:
        consts, (limit,), state = cut(args, len(for_cond) + len(for_body), 1)
        return [limit + 1, *checkpoint_p.bind(*consts, limit, *state, program=made, policy=None)]

    outer_cond = trace_program(outer_test, [*for_cond, counter, *state_types])
    outer_body = trace_program(outer_step, [*for_cond, *for_body, counter, *state_types])
    state, _, _ = bind_while(outer_cond, outer_body, cond_consts, [*cond_consts, *body_consts], [np.int64(1), *carry])
    return state[1:]
