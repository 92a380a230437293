"""Which kernels run in blocks on several threads, along which axis, and how their common results are put together.

A block is a range of indices of one axis. Every store must depend on that axis, so that blocks write apart; a small reduction over it goes to
memory of the block's own, and these partial results are accumulated afterwards in the order of the blocks. The blocks depend on sizes
alone, so that results do not depend on the number of threads; a loop with little work is one block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from functad.kernel_ir.nodes import Buffer, Reduce, Scan, Scatter, Store
from functad.kernel_ir.sizes import poly, product
from functad.lower.emit.code import Carried, Code, memory_type
from functad.lower.emit.kernel import LoopNest
from functad.lower.emit.memory import load_one, store_one
from functad.lower.emit.nest import linear
from functad.lower.emit.operations import accumulate
from functad.lower.emit.reduce import BLOCK
from functad.lower.emit.workspace import stack

__all__ = ["Blocks", "Division", "blocks_of"]

GRAIN = 2**18
"""About the instructions of the smallest block that is worth another thread: some twenty microseconds."""

MEMORY = 8
"""What the memory accesses of a point count as, in instructions."""

MOST = 64
"""At most so many blocks."""

SMALL = 64
"""Reductions to at most this many elements may have partial results."""

LINE = 64
"""Partial results of different blocks are at least so many bytes apart."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """How a nest is divided: along ``axis``; reductions to these buffers have partial results, which are at these bytes of ``memory``."""

    nest: LoopNest
    axis: int
    partial: Mapping[Buffer, int]
    ops: Mapping[Buffer, str]
    stride: int
    memory: Buffer


def blocks_of(nest: LoopNest) -> Blocks | None:
    """The division of a nest, if it can have enough work and its points can be told apart."""
    total = product(nest.axes).constant
    if any(isinstance(i, Scatter) for i in nest.body) or (total is not None and total * (nest.weight + MEMORY) < 2 * GRAIN):
        return None
    scanned = {len(nest.axes) - 1} if any(isinstance(i, Scan) for i in nest.body) else set()
    for axis in range(len(nest.axes)):
        if axis not in scanned and axis not in nest.written_out:
            found = _along(nest, axis)
            if found is not None:
                return found
    return None


def _along(nest: LoopNest, axis: int) -> Blocks | None:
    """The division along an axis, if what does not depend on it is a few small reductions."""
    common = [i for i in nest.body if isinstance(i, Store | Reduce) and linear(i.buffer, i.index).scale(axis) == 0]
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
    """The code that runs a nest in blocks, written into the driver; ``partials`` is the memory for partial results."""

    def __init__(self, code: Code, blocks: Blocks, partials: str) -> None:
        self.code = code
        self.blocks = blocks
        self.partials = partials
        self.length = code.size(blocks.nest.axes[blocks.axis])
        self.rows, self.count = self._divide()

    def run(self, kernel: str, data: str) -> str:
        """Calls the kernel for all blocks; the result is the smallest error code that is not 0, or 0."""
        code = self.code
        errors = stack(code, 4 * MOST)
        code.declarations.add("declare void @functad_blocks(ptr, ptr, i64, i64, ptr, i64, ptr)")

        def at_once() -> list[str]:
            return [code.emit(f"call i32 {kernel}(ptr {data}, i64 0, i64 {self.length}, ptr {self.partials})")]

        def apart() -> list[str]:
            arguments = f"ptr {kernel}, ptr {data}, i64 {self.length}, i64 {self.rows}, ptr {self.partials}, i64 {self.blocks.stride}, ptr {errors}"
            code.line(f"call void @functad_blocks({arguments})")
            return [self._first_error(errors)] if self.blocks.nest.checks else ["0"]

        return code.either(code.emit(f"icmp slt i64 {self.count}, 2"), at_once, apart, ["i32"])[0]

    def combine(self, pointers: Mapping[Buffer, str]) -> None:
        """Accumulate the partial results, block by block, where the whole ones belong."""
        code = self.code
        for root, offset in self.blocks.partial.items():
            size, type = product(root.shape).constant, memory_type(root.dtype)
            source, target = code.offset("i8", self.partials, str(offset)), pointers[root]
            code.declarations.add("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
            assert size is not None
            code.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size * root.dtype.itemsize}, i1 false)")
            if not size:
                continue
            with code.when(code.emit(f"icmp sgt i64 {self.count}, 1"), ()), code.loop("1", self.count, 1, ()) as block:
                place = code.offset("i8", source, code.mul(block, str(self.blocks.stride)))
                with code.loop("0", str(size), 1, ()) as index:
                    total, part = code.offset(type, target, index), code.offset(type, place, index)
                    values = [load_one(code, root.dtype, pointer) for pointer in (total, part)]
                    store_one(code, root.dtype, total, accumulate(code.scalar, self.blocks.ops[root], root.dtype, *values))

    def _first_error(self, errors: str) -> str:
        """The smallest error code of the blocks: as an unsigned number less one."""
        code = self.code
        smallest = Carried("i32", "-1")
        with code.loop("0", self.count, 1, [smallest]) as block:
            error = code.emit(f"load i32, ptr {code.offset('i32', errors, block)}")
            smallest.name = code.scalar.intrinsic("umin", "u32", smallest.name, code.emit(f"sub i32 {error}, 1"))
        return code.emit(f"add i32 {smallest.name}, 1")

    def _divide(self) -> tuple[str, str]:
        """Indices a block, and blocks: one where there is little work."""
        code, nest = self.code, self.blocks.nest
        work = code.size(product(nest.axes) * (nest.weight + MEMORY))
        wanted = self._maximum("1", code.minimum(self._quotient(work, GRAIN), str(MOST)))
        rows = self._ceiling(self.length, wanted)
        if self.blocks.axis == nest.vector:
            rows = code.mul(self._ceiling(rows, str(BLOCK)), str(BLOCK))
        return rows, self._maximum("1", self._ceiling(self.length, self._maximum("1", rows)))

    def _quotient(self, x: str, y: int) -> str:
        return str(int(x) // y) if x[0] != "%" else self.code.emit(f"sdiv i64 {x}, {y}")

    def _ceiling(self, x: str, y: str) -> str:
        """x / y, rounded up."""
        if x[0] != "%" and y[0] != "%":
            return str(-(-int(x) // int(y)))
        return self.code.emit(f"sdiv i64 {self.code.sub(self.code.add(x, y), '1')}, {y}")

    def _maximum(self, x: str, y: str) -> str:
        if x[0] != "%" and y[0] != "%":
            return str(max(int(x), int(y)))
        return self.code.scalar.intrinsic("smax", "i64", x, y)
