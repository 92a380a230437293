"""Loops and branches of the kernel IR as Python's: what a body works on has the names of what it is outside."""

from __future__ import annotations

from collections.abc import Sequence

from functad.errors import UnsupportedError
from functad.kernel_ir.control import Branch, Carry, Control, Loop, SequenceBuffer, SequenceCopy, SequenceLength, While
from functad.kernel_ir.nodes import Buffer, KernelProgram
from functad.lower.numba.memory import Writer
from functad.lower.numba.names import size_text

__all__ = ["write_control"]


def write_control(w: Writer, statement: Control) -> None:
    match statement:
        case Loop():
            _loop(w, statement)
        case While():
            _repeat(w, statement)
        case Branch():
            _branch(w, statement)
        case SequenceLength():
            w.set_value(statement.out, f"len({w.place(statement.sequence)})")
        case SequenceCopy():
            w.line(f"{w.place(statement.out)} = {w.place(statement.sequence)}.copy()")
        case _:
            raise UnsupportedError(f"the Numba backend knows no {type(statement).__name__}")


def _states(w: Writer, carry: Sequence[Carry], inputs: Sequence[Buffer], outputs: Sequence[Buffer]) -> list[_State]:
    """Start what a loop carries."""
    return [_State(w, c, i, o) for c, i, o in zip(carry, inputs, outputs, strict=True)]


def _loop(w: Writer, loop: Loop) -> None:
    steps = w.value(loop.steps) if isinstance(loop.steps, Buffer) else size_text(loop.steps)
    body, given = loop.body, len(loop.consts)
    for inner, outer in zip(body.inputs[:given], loop.consts, strict=True):
        w.bind_to(inner, outer)
    count = len(loop.carry)
    states = _states(w, loop.carry, body.inputs[given : given + count], body.outputs[:count])
    elements = list(zip(body.inputs[given + count :], loop.elements, strict=True))
    written = list(zip(body.outputs[count:], loop.written, strict=True))
    for _, outer in elements:
        if isinstance(loop.steps, Buffer) or isinstance(outer, SequenceBuffer):
            w.needs("fail")
            w.line(f"if len({w.place(outer)}) < {steps}:")
            w.line(f"    fail(status, {loop.code}, 0)")
            w.line("    return")
    for _, outer in written:
        if isinstance(outer, SequenceBuffer):
            w.line(f"{w.place(outer)} = {w.empty(outer)}")
        else:
            w.place(outer)
    step = w.names.new("step")
    with w.block(f"for {step} in range({f'{steps} - 1, -1, -1' if loop.reverse else steps}):"):
        for inner, outer in elements:
            name = w.names.new("element")
            w.line(f"{name} = {w.place(outer)}[{step}]")
            w.bind(inner, name, not inner.shape and not isinstance(inner, SequenceBuffer))
        _steps(w, body, states, [(b, outer, step) for b, outer in written])
    for _, outer in written:
        if isinstance(outer, SequenceBuffer) and loop.reverse:
            w.line(f"{w.place(outer)}.reverse()")
    for state in states:
        state.finish()


def _steps(
    w: Writer, body: KernelProgram, states: Sequence[_State], written: Sequence[tuple[Buffer, Buffer, str]]
) -> None:
    """The statements of a step."""
    for state in states:
        state.begin()
    for inner, outer, step in written:
        if inner in w.places:  # a carry, too
            continue
        if isinstance(outer, SequenceBuffer):
            w.make(inner)
        elif inner.shape:
            name = w.names.new("row")
            w.line(f"{name} = {w.place(outer)}[{step}]")
            w.bind(inner, name, False)
        else:
            w.make(inner)
    w.statements(body.body)
    w.leave_on_failure()
    for inner, outer, step in written:
        if isinstance(outer, SequenceBuffer):
            value = w.place(inner) if inner.shape or isinstance(inner, SequenceBuffer) else w.value(inner)
            w.line(f"{w.place(outer)}.append({value})")
        elif not inner.shape:
            w.line(f"{w.place(outer)}[{step}] = {w.value(inner)}")
    for state in states:
        state.end()


def _repeat(w: Writer, loop: While) -> None:
    tests, given, count = len(loop.test_consts), len(loop.consts), len(loop.carry)
    for inner, outer in zip(loop.test.inputs[:tests], loop.test_consts, strict=True):
        w.bind_to(inner, outer)
    for inner, outer in zip(loop.body.inputs[:given], loop.consts, strict=True):
        w.bind_to(inner, outer)
    states = _states(w, loop.carry, loop.body.inputs[given:], loop.body.outputs[:count])
    for outer in loop.written:
        w.line(f"{w.place(outer)} = {w.empty(outer)}")
    w.set_value(loop.steps, "0")
    written = [(b, o, "") for b, o in zip(loop.body.outputs[count:], loop.written, strict=True)]
    with w.block("while True:"):
        for inner, state in zip(loop.test.inputs[tests:], states, strict=True):
            state.show(inner)
        flag = loop.test.outputs[0]
        w.make(flag)
        w.statements(loop.test.body)
        w.leave_on_failure()
        w.line(f"if not {w.value(flag)}:")
        w.line("    break")
        _steps(w, loop.body, states, written)
        w.line(f"{w.value(loop.steps)} += 1")
    for state in states:
        state.finish()


def _branch(w: Writer, branch: Branch) -> None:
    given, count = len(branch.operands), len(branch.carry)
    first = branch.branches[0]
    states = _states(w, branch.carry, first.inputs[given:], first.outputs[:count])
    for outer in branch.results:
        w.place(outer)
    index = w.value(branch.index)
    for k, program in enumerate(branch.branches):
        with w.block(_test(index, k, len(branch.branches))):
            for inner, outer in zip(program.inputs[:given], branch.operands, strict=True):
                w.bind_to(inner, outer)
            for state, inner, out in zip(states, program.inputs[given:], program.outputs[:count], strict=True):
                state.show(inner)
                state.show(out)
            _results(w, program, list(zip(program.outputs[count:], branch.results, strict=True)))
            for state, out in zip(states, program.outputs[:count], strict=True):
                state.take(out)
    for state in states:
        state.finish()


def _results(w: Writer, program: KernelProgram, results: Sequence[tuple[Buffer, Buffer]]) -> None:
    """What one branch does, and where its results go."""
    for inner, outer in results:
        if isinstance(outer, SequenceBuffer) or (not inner.shape and inner in w.memory):
            w.make(inner)
        else:
            w.bind(inner, w.place(outer), not inner.shape and outer in w.scalars)
    w.statements(program.body)
    w.leave_on_failure()
    for inner, outer in results:
        if isinstance(outer, SequenceBuffer):
            w.line(f"{w.place(outer)} = {w.place(inner)}")
        elif not inner.shape and inner in w.memory:
            w.set_value(outer, f"{w.place(inner)}[0]")


def _test(index: str, number: int, count: int) -> str:
    """The head of a branch; an index beyond the last is the last."""
    if number and number == count - 1:
        return "else:"
    test = "True" if count == 1 else f"{index} == {number}" if number else f"{index} <= 0"
    return f"{'elif' if number else 'if'} {test}:"


class _State:
    """What goes round in a loop: a variable, an array that is updated, or two arrays that take turns."""

    def __init__(self, writer: Writer, carry: Carry, inner: Buffer, outer: Buffer) -> None:
        self.writer, self.carry, self.inner, self.outer = writer, carry, inner, outer
        w = writer
        self.sequence = isinstance(carry.last, SequenceBuffer)
        self.scalar = not carry.last.shape and not self.sequence
        if self.scalar:
            self.name = w.names.new("state")
            w.line(f"{self.name} = {w.value(carry.first)}")
            self.next = w.names.new("next")
        elif carry.in_place:
            self.name = w.place(carry.last)
            if w.place(carry.first) != self.name:
                w.line(f"{self.name}[...] = {w.place(carry.first)}")
            self.next = self.name
        else:
            self.name, self.next = w.names.new("state"), w.names.new("next")
            w.line(f"{self.name} = {w.place(carry.first)}.copy()")
            if not self.sequence:
                w.line(f"{self.next} = np.empty_like({self.name})")

    def show(self, buffer: Buffer) -> None:
        """Let a buffer be it."""
        self.writer.bind(buffer, self.name, self.scalar)

    def begin(self) -> None:
        """The start of a step."""
        w = self.writer
        self.show(self.inner)
        if self.scalar and self.carry.in_place:
            w.line(f"{self.next} = {self.name}")
        if self.sequence and not self.carry.in_place:
            w.make(self.outer)
        else:
            w.bind(self.outer, self.next, self.scalar)

    def end(self) -> None:
        """The end of a step."""
        w = self.writer
        if self.scalar:
            w.line(f"{self.name} = {w.value(self.outer)}")
        elif self.sequence and not self.carry.in_place:
            w.line(f"{self.name} = {w.place(self.outer)}")
        elif not self.carry.in_place:
            w.line(f"{self.name}, {self.next} = {self.next}, {self.name}")

    def take(self, out: Buffer) -> None:
        """The end of a branch, which may have changed it."""
        if self.scalar and self.writer.places[out] != self.name:
            self.writer.line(f"{self.name} = {self.writer.value(out)}")

    def finish(self) -> None:
        """The end of the loop."""
        w = self.writer
        if self.scalar:
            w.set_value(self.carry.last, self.name)
        elif self.sequence:
            w.places[self.carry.last] = self.name if self.carry.last.role == "sequence" else w.place(self.carry.last)
        elif w.place(self.carry.last) != self.name:
            w.line(f"{w.place(self.carry.last)}[...] = {self.name}")
