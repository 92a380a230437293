"""Loops, branches and sequences of the kernel IR: evaluator, checker and printer, without fusion and LLVM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from functad.errors import InternalError
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.checker import check_program
from functad.kernel_ir.control import Branch, Carry, Loop, SequenceBuffer, SequenceCopy, SequenceLength, While
from functad.kernel_ir.evaluator import evaluate_program
from functad.kernel_ir.nodes import Buffer, CheckInfo, KernelProgram
from functad.kernel_ir.printer import format_program
from functad.kernel_ir.sizes import poly
from functad.lower.compile import DRIVER
from functad.lower.emit.module import emit_module
from functad.lower.llvm.target import Target

F64, I64, BOOL = np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_)
SHORT = CheckInfo("InternalError", "a sequence is shorter than the loop over it")


def scalar(role: str = "temp", dtype: np.dtype = F64) -> Buffer:
    return Buffer((), dtype, role)


def program(inputs, outputs, f) -> KernelProgram:
    """Outputs as a function of loaded inputs, all of rank 0."""
    b = Builder()
    for out, value in zip(outputs, f(b, *[b.load(x, ()) for x in inputs]), strict=True):
        b.store(out, (), value)
    return KernelProgram(tuple(inputs), tuple(outputs), (b.finish(),), 0)


def doubling() -> tuple[KernelProgram, While, SequenceBuffer]:
    """``x *= 2`` while ``x < bound``, and what x was in each step."""
    x, bound, tape = scalar("input"), scalar("input"), SequenceBuffer(scalar())
    last, steps = scalar("output"), scalar("output", I64)
    test = program([scalar("input"), scalar("input")], [scalar("output", BOOL)], lambda b, bound, x: [b.lt(x, bound)])
    body = program([scalar("input")], [scalar("output"), scalar("output")], lambda b, x: [b.mul(x, 2), x])
    loop = While(test, body, (bound,), (), (Carry(x, last, scalar()),), steps, (tape,), scalar(dtype=BOOL))
    return KernelProgram((x, bound), (last, steps), (loop,), 0), loop, tape


def summing(steps, elements: Buffer, total: Buffer, start: Buffer, reverse: bool = False) -> Loop:
    """``total = total / 2 + element`` for each element."""
    body = program([scalar("input"), scalar("input")], [scalar("output")], lambda b, c, x: [b.add(b.mul(c, 0.5), x)])
    return Loop(body, steps, (), (Carry(start, total, scalar()),), (elements,), (), reverse, 1)


def test_while_and_a_loop_over_what_it_wrote():
    made, loop, tape = doubling()
    zero, total, length = scalar("input"), scalar("output"), scalar("output", I64)
    statements = (loop, SequenceLength(tape, length), summing(loop.steps, tape, total, zero, reverse=True))
    whole = KernelProgram((*made.inputs, zero), (*made.outputs, total, length), statements, 0, (SHORT,))
    check_program(whole)
    (last, steps, found, count), code = evaluate_program(whole, [np.float64(1.0), np.float64(10.0), np.float64(0.0)])
    assert (last, steps, count, code) == (16.0, 4, 4, 0)
    assert found == ((8 / 2 + 4) / 2 + 2) / 2 + 1
    text = format_program(whole)
    assert "= sequence seq f64[]" in text and "while (" in text and "reverse (" in text and "length of t" in text
    assert f"@{DRIVER}(" in emit_module(whole, Target.host(), DRIVER).text


def test_a_sequence_that_is_too_short():
    made, loop, tape = doubling()
    zero, total = scalar("input"), scalar("output")
    short = KernelProgram(
        (*made.inputs, zero), (*made.outputs, total), (loop, summing(poly(5), tape, total, zero)), 0, (SHORT,)
    )
    _, code = evaluate_program(short, [np.float64(1.0), np.float64(10.0), np.float64(0.0)])
    assert code == 1


def test_a_loop_over_an_array():
    xs, zero, total = Buffer((3,), F64, "input"), scalar("input"), scalar("output")
    made = KernelProgram((xs, zero), (total,), (summing(poly(3), xs, total, zero),), 0, (SHORT,))
    check_program(made)
    (found,), _ = evaluate_program(made, [np.array([1.0, 2.0, 3.0]), np.float64(0.0)])
    assert found == (1 / 2 + 2) / 2 + 3


def test_branches_and_copies():
    index, x, out = scalar("input", I64), scalar("input"), scalar("output")
    makers = (lambda b, x: [b.neg(x)], lambda b, x: [b.mul(x, x)])
    branches = tuple(program([scalar("input")], [scalar("output")], f) for f in makers)
    made = KernelProgram((index, x), (out,), (Branch(index, branches, (x,), (out,)),), 0)
    check_program(made)
    assert [evaluate_program(made, [np.int64(i), np.float64(3.0)])[0][0] for i in (-1, 0, 1, 2)] == [
        -3.0,
        -3.0,
        9.0,
        9.0,
    ]
    given, copied = SequenceBuffer(scalar(), "input"), SequenceBuffer(scalar(), "output")
    (found,), _ = evaluate_program(
        KernelProgram((given,), (copied,), (SequenceCopy(given, copied),), 0), [np.array([1.0, 2.0])]
    )
    assert [float(x) for x in found] == [1.0, 2.0]


def test_the_checker_compares_what_is_bound():
    made, loop, tape = doubling()
    wrong = replace(loop, carry=(Carry(loop.carry[0].first, Buffer((3,), F64, "output"), scalar()),))
    with pytest.raises(InternalError, match="buffers of other types than the inputs of a program inside"):
        check_program(replace(made, outputs=(wrong.carry[0].last, loop.steps), body=(wrong,)))
    with pytest.raises(InternalError, match="1 buffers for 2 inputs of a program inside"):
        check_program(replace(made, body=(replace(loop, test_consts=()),)))
    with pytest.raises(InternalError, match="read before anything is written"):
        check_program(replace(made, body=(SequenceLength(tape, loop.steps), loop)))
