"""The native form of control flow: each equation is one statement of the kernel IR over the kernel programs of its
sub-Programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.ir.masks import cut
from functad.ir.program import Program
from functad.ir.types import ArrayType
from functad.kernel_ir.control import Branch, Carry, Loop, SequenceLength, While
from functad.kernel_ir.in_place import branches_in_place, in_place
from functad.kernel_ir.nodes import Buffer
from functad.kernel_ir.rules import Statements
from functad.kernel_ir.sizes import poly

__all__ = ["COND", "LOOP", "SEQ_LENGTH", "WHILE", "carried", "operand_buffers"]

Types = tuple[ArrayType, ...]


def operand_buffers(ctx: Any, in_types: Types) -> list[Buffer]:
    """The buffers of all operands."""
    return [ctx.input(k) for k in range(len(in_types))]


def carried(ctx: Any, first: Sequence[Buffer], flags: Sequence[bool]) -> tuple[Carry, ...]:
    """What is carried from these buffers to the first results; ``flags`` says which parts steps update in place."""
    return tuple(
        [Carry(b, ctx.output(k), ctx.spare(k), flag) for k, (b, flag) in enumerate(zip(first, flags, strict=True))]
    )


def _loop(
    ctx: Any,
    in_types: Types,
    out_types: Types,
    *,
    body: Program,
    length: Any,
    reverse: bool,
    unroll: int,
    consts: int,
    carry: int,
) -> None:
    # what could be unrolled is so by now
    steps, fixed, first, elements = cut(operand_buffers(ctx, in_types), int(length is None), consts, carry)
    written = [ctx.output(k) for k in range(carry, len(out_types))]
    code = ctx.check("InternalError", "a sequence is shorter than the loop over it")
    n = steps[0] if length is None else poly(length)
    made, flags = in_place(ctx.program(0, body), consts, carry)
    ctx.append(Loop(made, n, tuple(fixed), carried(ctx, first, flags), tuple(elements), tuple(written), reverse, code))


def _while(
    ctx: Any, in_types: Types, out_types: Types, *, cond: Program, body: Program, cond_consts: int, body_consts: int
) -> None:
    tested, fixed, first = cut(operand_buffers(ctx, in_types), cond_consts, body_consts)
    n = len(first)
    written = [ctx.output(k) for k in range(n + 1, len(out_types))]
    test = ctx.program(1, cond)
    made, flags = in_place(ctx.program(0, body), body_consts, n)
    flag = ctx.temp((), np.dtype(np.bool_))
    carry = carried(ctx, first, flags)
    ctx.append(While(test, made, tuple(tested), tuple(fixed), carry, ctx.output(n), tuple(written), flag))


def _cond(ctx: Any, in_types: Types, out_types: Types, *, branches: tuple[Program, ...]) -> None:
    index, *operands = operand_buffers(ctx, in_types)
    results = [ctx.output(k) for k in range(len(out_types))]
    made, pairs = branches_in_place([ctx.program(number, b) for number, b in enumerate(branches)])
    carry = tuple([Carry(operands[j], results[k], results[k], True) for j, k in pairs])
    others = [b for j, b in enumerate(operands) if j not in [p[0] for p in pairs]]
    rest = [b for k, b in enumerate(results) if k not in [p[1] for p in pairs]]
    ctx.append(Branch(index, made, tuple(others), tuple(rest), carry))


def _seq_length(ctx: Any, in_types: Types, out_types: Types) -> None:
    ctx.append(SequenceLength(ctx.input(0), ctx.output()))


LOOP = Statements(_loop, static=("unroll", "consts", "carry"))
WHILE = Statements(_while, static=("cond_consts", "body_consts"))
COND = Statements(_cond)
SEQ_LENGTH = Statements(_seq_length)
