"""The evaluator of statements with statements inside: a sequence is a Python list, a body a program on arrays of the
one around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from functad.kernel_ir.control import Branch, Carry, Control, Loop, SequenceBuffer, SequenceCopy, SequenceLength, While
from functad.kernel_ir.nodes import Buffer, KernelProgram
from functad.kernel_ir.sizes import Poly

__all__ = ["Failed", "Machine", "run_control"]


class Failed(Exception):
    """Error codes ended the call; those of checks come with what they found."""

    def __init__(self, found: Mapping[int, int | None]) -> None:
        super().__init__(found)
        self.found = found


class Machine(NamedTuple):
    """What the evaluator offers: the value of a size, the memory of a buffer, and running a program on memory."""

    size: Callable[[Poly], int]
    memory: Callable[[Buffer], Any]
    run: Callable[[KernelProgram, Sequence[Any], Mapping[int, Any]], list[Any]]  # with what some outputs hold before


def run_control(m: Machine, statement: Control) -> None:
    """Run one statement."""
    match statement:
        case Loop():
            _loop(m, statement)
        case While():
            _while(m, statement)
        case Branch():
            chosen = min(max(int(m.memory(statement.index)), 0), len(statement.branches) - 1)
            state = _first(m, statement.carry)
            given = [*[m.memory(b) for b in statement.operands], *state]
            results = m.run(statement.branches[chosen], given, _held(statement.carry, state))
            for buffer, value in zip(statement.writes, results, strict=True):
                _assign(m, buffer, value)
        case SequenceLength():
            m.memory(statement.out)[...] = len(m.memory(statement.sequence))
        case SequenceCopy():
            _assign(m, statement.out, m.memory(statement.sequence))


def _assign(m: Machine, buffer: Buffer, value: Any) -> None:
    memory = m.memory(buffer)
    memory[slice(None) if isinstance(buffer, SequenceBuffer) else ...] = value


def _loop(m: Machine, loop: Loop) -> None:
    n = int(m.memory(loop.steps)) if isinstance(loop.steps, Buffer) else m.size(loop.steps)
    elements = [m.memory(b) for b in loop.elements]
    if any(len(x) < n for x in elements):
        raise Failed({loop.code: None})
    consts = [m.memory(b) for b in loop.consts]
    state = _first(m, loop.carry)
    for b in loop.written:
        if isinstance(b, SequenceBuffer):
            m.memory(b)[:] = [None] * n
    for i in range(n - 1, -1, -1) if loop.reverse else range(n):
        outs = m.run(
            loop.body,
            [*consts, *state, *[x[i] if isinstance(x, list) else x[i, ...] for x in elements]],
            _held(loop.carry, state),
        )
        state = outs[: len(state)]
        for b, value in zip(loop.written, outs[len(state) :], strict=True):
            m.memory(b)[i] = value
    _last(m, loop.carry, state)


def _while(m: Machine, loop: While) -> None:
    tested = [m.memory(b) for b in loop.test_consts]
    consts = [m.memory(b) for b in loop.consts]
    state = _first(m, loop.carry)
    steps = 0
    for b in loop.written:
        m.memory(b).clear()
    while m.run(loop.test, [*tested, *state], {})[0]:
        outs = m.run(loop.body, [*consts, *state], _held(loop.carry, state))
        state = outs[: len(state)]
        for b, value in zip(loop.written, outs[len(state) :], strict=True):
            m.memory(b).append(value)
        steps += 1
    _last(m, loop.carry, state)
    m.memory(loop.steps)[...] = steps


def _first(m: Machine, carry: Sequence[Carry]) -> list[Any]:
    return [m.memory(c.first).copy() for c in carry]


def _held(carry: Sequence[Carry], state: Sequence[Any]) -> dict[int, Any]:
    """What the outputs for parts that are updated in place hold."""
    return {k: value.copy() for k, (c, value) in enumerate(zip(carry, state, strict=True)) if c.in_place}


def _last(m: Machine, carry: Sequence[Carry], state: Sequence[Any]) -> None:
    for c, value in zip(carry, state, strict=True):
        _assign(m, c.last, value)
