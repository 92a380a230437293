"""The sequences that a driver and the bodies inside it work on: each has a cell, and all cells are one piece of memory.

The function that all others are called from owns that memory, so that what a sequence has grown to outlives the step of
a loop that wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable

from functad.kernel_ir.control import SequenceBuffer
from functad.kernel_ir.nodes import Buffer
from functad.lower.emit import sequences
from functad.lower.emit.code import Code
from functad.lower.emit.workspace import stack
from functad.lower.native.sequences import CELL

__all__ = ["Cells"]


class Cells:
    """The cells of one function: those of its ``own`` sequences, then those that its bodies need.

    ``memory`` is where they are: a parameter of a body, the stack of the outermost function.
    """

    def __init__(self, code: Code, buffers: Iterable[Buffer]) -> None:
        self.code = code
        self.own = [b for b in dict.fromkeys(buffers) if isinstance(b, SequenceBuffer) and b.role == "sequence"]
        self.all: list[SequenceBuffer] = list(self.own)
        self.memory = "%cells"
        self._first: dict[str, int] = {}  # of those that a body needs

    def include(self, body: str, cells: Iterable[SequenceBuffer]) -> None:
        """Cells for a body, too."""
        self._first[body] = len(self.all)
        self.all += cells

    def place(self, number: int) -> str:
        """The address of a cell."""
        return self.code.offset("i8", self.memory, str(CELL * number))

    def places(self) -> dict[Buffer, str]:
        """The addresses of its own sequences."""
        return {cell: self.place(number) for number, cell in enumerate(self.own)}

    def of(self, body: str) -> str:
        """The address of the cells of a body."""
        return self.place(self._first[body])

    def make(self) -> None:
        """Empty cells on the stack."""
        self.memory = stack(self.code, CELL * len(self.all)) if self.all else "null"
        for number in range(len(self.all)):
            sequences.empty(self.code, self.place(number))

    def free(self) -> None:
        """Give back what all of them own."""
        for number, cell in enumerate(self.all):
            sequences.free(self.code, cell, self.place(number))

    def trim(self) -> None:
        """Free what its own sequences own if it is much."""
        for number, cell in enumerate(self.own):
            sequences.trim(self.code, cell, self.place(number))
