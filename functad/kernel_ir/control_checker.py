"""The checker of statements with statements inside: what is bound to a program's inputs and outputs is of their shape
and dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from functad.errors import InternalError
from functad.kernel_ir.control import Branch, Control, Loop, SequenceBuffer, While
from functad.kernel_ir.nodes import Buffer, KernelProgram

__all__ = ["check_control"]


def check_control(statement: Control, check: Callable[[KernelProgram, Sequence[Buffer]], None]) -> None:
    """Raises ``InternalError`` where a statement does not fit the programs inside it; ``check`` checks these, given the
    outputs that hold something from the start.
    """
    for program in statement.programs:
        held: list[Buffer] = []
        if isinstance(statement, Branch) or (isinstance(statement, Loop | While) and program is statement.body):
            held = [out for c, out in zip(statement.carry, program.outputs, strict=False) if c.in_place]
        check(program, held)
    match statement:
        case Loop():
            carry = [c.last for c in statement.carry]
            elements = [_element(b) for b in statement.elements]
            _fits(
                statement.body,
                [*statement.consts, *carry, *elements],
                [*carry, *[_element(b) for b in statement.written]],
            )
        case While():
            carry = [c.last for c in statement.carry]
            _fits(statement.test, [*statement.test_consts, *carry], [statement.flag])
            _fits(statement.body, [*statement.consts, *carry], [*carry, *[_element(b) for b in statement.written]])
        case Branch():
            carry = [c.last for c in statement.carry]
            for branch in statement.branches:
                _fits(branch, [*statement.operands, *carry], [*carry, *statement.results])
            _require(all([c.in_place for c in statement.carry]), "a branch with a carry that is not in place")
    if isinstance(statement, Loop | While | Branch):
        for c in statement.carry:
            _require(_same(c.first, c.last) and _same(c.spare, c.last), "a carry of several types")


def _fits(program: KernelProgram, inputs: Sequence[Buffer], outputs: Sequence[Buffer]) -> None:
    for what, own, given in (("inputs", program.inputs, inputs), ("outputs", program.outputs, outputs)):
        _require(len(own) == len(given), f"{len(given)} buffers for {len(own)} {what} of a program inside")
        _require(all(map(_same, own, given)), f"buffers of other types than the {what} of a program inside")


def _same(x: Buffer, y: Buffer) -> bool:
    if isinstance(x, SequenceBuffer) or isinstance(y, SequenceBuffer):
        return isinstance(x, SequenceBuffer) and isinstance(y, SequenceBuffer) and _same(x.element, y.element)
    return x.dtype == y.dtype and x.shape == y.shape


def _element(buffer: Buffer) -> Buffer:
    return buffer.element if isinstance(buffer, SequenceBuffer) else Buffer(buffer.shape[1:], buffer.dtype)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InternalError(f"kernel IR: {message}")
