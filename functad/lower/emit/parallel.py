"""Which kernels run in blocks on several threads, along which axis, and how their common results are put together.

A block is a range of indices of one axis. Every store must depend on that axis, so that blocks write apart; a small
reduction over it goes to memory of the block's own, and these partial results are accumulated afterwards in the order
of the blocks. The blocks depend on sizes alone, so that results do not depend on the number of threads; a loop with
little work is one block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from functad.kernel_ir.nodes import Buffer, Reduce, Scan, Scatter, Store
from functad.kernel_ir.sizes import poly, product
from functad.lower.emit.code import Code
from functad.lower.emit.loops import LoopNest
from functad.lower.emit.nest import linear
from functad.lower.emit.reduce import BLOCK
from functad.lower.emit.workspace import stack
from functad.lower.native.blocks import BLOCKS, MOST, accumulation

__all__ = ["Blocks", "Division", "blocks_of"]

GRAIN = 2**22
"""About the instructions of the smallest block that is worth another thread: some 300 microseconds, so that a core that
is busy elsewhere, and late for the region, costs little by comparison.
"""

MEMORY = 8
"""What the memory accesses of a point count as, in instructions."""

SMALL = 64
"""Reductions to at most this many elements may have partial results."""

LINE = 64
"""Partial results of different blocks are at least so many bytes apart."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """How a nest is divided: along ``axis``; reductions to these buffers have partial results, which are at these bytes
    of ``memory``.
    """

    nest: LoopNest
    axis: int
    partial: Mapping[Buffer, int]
    ops: Mapping[Buffer, str]
    stride: int
    memory: Buffer


def blocks_of(nest: LoopNest) -> Blocks | None:
    """The division of a nest, if it can have enough work and its points can be told apart."""
    total = product(nest.axes).constant
    if any(isinstance(i, Scatter) for i in nest.instructions) or (
        total is not None and total * (nest.weight + MEMORY) < 2 * GRAIN
    ):
        return None
    scanned = {len(nest.axes) - 1} if any(isinstance(i, Scan) for i in nest.instructions) else set()
    for axis in range(len(nest.axes)):
        if axis not in scanned and axis not in nest.written_out:
            found = _along(nest, axis)
            if found is not None:
                return found
    return None


def _along(nest: LoopNest, axis: int) -> Blocks | None:
    """The division along an axis, if what does not depend on it is a few small reductions."""
    common = [
        i for i in nest.instructions if isinstance(i, Store | Reduce) and linear(i.buffer, i.index).scale(axis) == 0
    ]
    ops: dict[Buffer, str] = {}
    partial: dict[Buffer, int] = {}
    stride = 0
    for instr in common:
        root = instr.buffer.root
        size = product(root.shape).constant
        if not isinstance(instr, Reduce) or size is None or size > SMALL or ops.setdefault(root, instr.op) != instr.op:
            return None
        if root not in partial:
            partial[root] = stride
            stride += -(-size * root.dtype.itemsize // LINE) * LINE
    return Blocks(nest, axis, partial, ops, stride, Buffer((poly(MOST * stride),), np.dtype(np.uint8)))


class Division:
    """The call that runs a nest in blocks, written into the driver; ``partials`` is the memory for partial results."""

    def __init__(self, code: Code, blocks: Blocks, partials: str) -> None:
        self.code = code
        self.blocks = blocks
        self.partials = partials
        self.count = stack(code, 8)

    def run(self, kernel: str, data: str) -> None:
        """Calls the kernel for all blocks."""
        code, nest = self.code, self.blocks.nest
        length = code.size(nest.axes[self.blocks.axis])
        work = code.size(product(nest.axes) * (nest.weight + MEMORY))
        unit = BLOCK if self.blocks.axis == nest.vector else 1
        memory = self.partials, str(self.blocks.stride), self.count
        code.call(BLOCKS, kernel, data, length, work, str(GRAIN), str(unit), *memory)

    def combine(self, pointers: Mapping[Buffer, str]) -> None:
        """Accumulate the partial results, block by block, where the whole ones belong."""
        code = self.code
        if self.blocks.partial:
            count = code.emit(f"load i64, ptr {self.count}")
        for root, offset in self.blocks.partial.items():
            source = code.offset("i8", self.partials, str(offset))
            sizes = str(self.blocks.stride), count, str(product(root.shape))
            code.call(accumulation(self.blocks.ops[root], root.dtype), pointers[root], source, *sizes)
