"""The text of statements with statements inside: a line that says what is bound to what, and the programs, indented;
``=>`` is an update in place.

loop n0 [reverse] (consts; first -> last ...; elements) -> (written):
while (consts of the test; consts; first -> last ...) -> (steps; written): test, body
branch index (operands[; first => last ...]) -> (results): branches
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from functad.kernel_ir.control import Branch, Carry, Control, Loop, SequenceCopy, SequenceLength, While
from functad.kernel_ir.nodes import Buffer, KernelProgram

__all__ = ["format_control"]


def format_control(
    statement: Control, name: Callable[[Buffer], str], text: Callable[[KernelProgram], Sequence[str]]
) -> list[str]:
    """The lines of a statement, given the names of buffers and the lines of the programs inside."""

    def names(buffers: Sequence[Buffer]) -> str:
        return ", ".join(map(name, buffers))

    def carried(carry: Sequence[Carry]) -> str:
        return ", ".join(f"{name(c.first)} {'=' if c.in_place else '-'}> {name(c.last)}" for c in carry)

    match statement:
        case Loop() as s:
            steps = name(s.steps) if isinstance(s.steps, Buffer) else str(s.steps)
            head = (
                f"loop {steps}{' reverse' * s.reverse} ({names(s.consts)}; {carried(s.carry)}; {names(s.elements)}) "
                f"-> ({names(s.written)}):"
            )
        case While() as s:
            head = (
                f"while ({names(s.test_consts)}; {names(s.consts)}; {carried(s.carry)}) -> ({name(s.steps)}; "
                f"{names(s.written)}):"
            )
        case Branch() as s:
            carry = f"; {carried(s.carry)}" if s.carry else ""
            head = f"branch {name(s.index)} ({names(s.operands)}{carry}) -> ({names(s.results)}):"
        case SequenceLength() as s:
            head = f"{name(s.out)} = length of {name(s.sequence)}"
        case SequenceCopy() as s:
            head = f"{name(s.out)} = copy of {name(s.sequence)}"
        case _:
            raise TypeError(f"not a statement: {statement!r}")
    return [head, *[f"  {line}" for program in statement.programs for line in text(program)]]
