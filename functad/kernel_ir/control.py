"""Statements with statements inside: loops, branches, and the sequences that loops leave behind.

What runs inside is a ``KernelProgram`` of its own, a function from buffers to buffers; it shares the size symbols and
error codes of the program around it. A sequence is a ``SequenceBuffer``: a cell that owns memory which grows with each
step. Whoever writes a cell first empties it. The first error of a step ends the whole call.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from functad.kernel_ir.nodes import Buffer, KernelProgram, Statement
from functad.kernel_ir.sizes import Poly

__all__ = ["Branch", "Carry", "Control", "Loop", "SequenceBuffer", "SequenceCopy", "SequenceLength", "While"]

CELL_WORDS = 3
"""A cell in memory: the address of the elements, their number, and for how many there is room (each 8 bytes)."""


class SequenceBuffer(Buffer):
    """A sequence: ``element`` describes what each step wrote, an array or a sequence again. A temporary has the role
    ``sequence``.
    """

    __slots__ = ("element",)

    def __init__(self, element: Buffer, role: str = "sequence") -> None:
        super().__init__((CELL_WORDS,), np.dtype(np.int64), role)
        self.element = element

    @property
    def depth(self) -> int:
        """How many sequences are inside one another, this one included."""
        return 1 + (self.element.depth if isinstance(self.element, SequenceBuffer) else 0)


@dataclass(eq=False, slots=True)
class Carry:
    """What a loop carries: the buffer with the first value, that for the last, and a ``spare`` of the same kind, which
    steps write in turn. Of a branch, what it changes: its carries are all in place, and ``spare`` is the last.

    Where it is updated ``in_place``, the body's output holds the carry from the start of a step, and its input is not
    read.
    """

    first: Buffer
    last: Buffer
    spare: Buffer
    in_place: bool = False


class Control(Statement):
    """A statement of this module: the buffers that it ``reads`` and ``writes``, and the ``programs`` inside it."""

    __slots__ = ()

    @property
    def reads(self) -> list[Buffer]:
        """The buffers that are read."""
        raise TypeError(type(self).__name__)

    @property
    def writes(self) -> list[Buffer]:
        """The buffers that are written."""
        raise TypeError(type(self).__name__)

    @property
    def spares(self) -> list[Buffer]:
        """Memory that is used meanwhile."""
        return []

    @property
    def programs(self) -> tuple[KernelProgram, ...]:
        """What runs inside."""
        return ()


@dataclass(eq=False, slots=True)
class Loop(Control):
    """``body`` for each step below ``steps`` (a size, or a rank-0 int64 buffer); from the last step to the first if
    ``reverse``.

    The body's inputs are ``consts``, the carry, and for each of ``elements`` (arrays with the steps along axis 0, or
    sequences) that of the step; its outputs the next carry, and an element for each of ``written``. The call fails with
    error ``code`` where there are fewer elements than steps.
    """

    body: KernelProgram
    steps: Poly | Buffer
    consts: tuple[Buffer, ...]
    carry: tuple[Carry, ...]
    elements: tuple[Buffer, ...]
    written: tuple[Buffer, ...]
    reverse: bool
    code: int

    @property
    def reads(self) -> list[Buffer]:
        """The buffers that are read."""
        steps = [self.steps] if isinstance(self.steps, Buffer) else []
        return [*steps, *self.consts, *[c.first for c in self.carry], *self.elements]

    @property
    def writes(self) -> list[Buffer]:
        """The buffers that are written."""
        return [*[c.last for c in self.carry], *self.written]

    @property
    def spares(self) -> list[Buffer]:
        """Memory that is used meanwhile."""
        return [c.spare for c in self.carry]

    @property
    def programs(self) -> tuple[KernelProgram, ...]:
        """What runs inside."""
        return (self.body,)


@dataclass(eq=False, slots=True)
class While(Control):
    """``body`` while ``test`` holds.

    The test takes ``test_consts`` and the carry and gives one boolean; the body takes ``consts`` and the carry and
    gives the next carry and an element for each of the sequences ``written``. ``steps`` (rank 0, int64) counts.
    """

    test: KernelProgram
    body: KernelProgram
    test_consts: tuple[Buffer, ...]
    consts: tuple[Buffer, ...]
    carry: tuple[Carry, ...]
    steps: Buffer
    written: tuple[SequenceBuffer, ...]
    flag: Buffer

    @property
    def reads(self) -> list[Buffer]:
        """The buffers that are read."""
        return [*self.test_consts, *self.consts, *[c.first for c in self.carry]]

    @property
    def writes(self) -> list[Buffer]:
        """The buffers that are written."""
        return [*[c.last for c in self.carry], self.steps, *self.written]

    @property
    def spares(self) -> list[Buffer]:
        """Memory that is used meanwhile."""
        return [self.flag, *[c.spare for c in self.carry]]

    @property
    def programs(self) -> tuple[KernelProgram, ...]:
        """What runs inside."""
        return self.test, self.body


@dataclass(eq=False, slots=True)
class Branch(Control):
    """``branches[index]`` of the operands, with the index (rank 0, int64) clamped to the branches there are.

    A branch's inputs are ``operands`` and the carry, its outputs the carry as it is afterwards, and ``results``.
    """

    index: Buffer
    branches: tuple[KernelProgram, ...]
    operands: tuple[Buffer, ...]
    results: tuple[Buffer, ...]
    carry: tuple[Carry, ...] = ()

    @property
    def reads(self) -> list[Buffer]:
        """The buffers that are read."""
        return [self.index, *self.operands, *[c.first for c in self.carry]]

    @property
    def writes(self) -> list[Buffer]:
        """The buffers that are written."""
        return [*[c.last for c in self.carry], *self.results]

    @property
    def programs(self) -> tuple[KernelProgram, ...]:
        """What runs inside."""
        return self.branches


@dataclass(eq=False, slots=True)
class SequenceLength(Control):
    """``out`` (rank 0, int64) is the number of elements."""

    sequence: SequenceBuffer
    out: Buffer

    @property
    def reads(self) -> list[Buffer]:
        """The buffers that are read."""
        return [self.sequence]

    @property
    def writes(self) -> list[Buffer]:
        """The buffers that are written."""
        return [self.out]


@dataclass(eq=False, slots=True)
class SequenceCopy(Control):
    """``out`` becomes a copy of ``sequence``, with memory of its own."""

    sequence: SequenceBuffer
    out: SequenceBuffer

    @property
    def reads(self) -> list[Buffer]:
        """The buffers that are read."""
        return [self.sequence]

    @property
    def writes(self) -> list[Buffer]:
        """The buffers that are written."""
        return [self.out]
