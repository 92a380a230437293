"""One kernel as LLVM text: its loops, and in them each value at the outermost loop that it depends on.

Loops of a few known turns are written out; the one along the vector axis is written by ``Strips``, and what is in a
loop by ``Turn``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from functad.ir.types import dtype_name
from functad.kernel_ir.lines import Carried
from functad.kernel_ir.nodes import Buffer, Reduce
from functad.kernel_ir.ops import identity
from functad.kernel_ir.sizes import product
from functad.lower.emit.code import Code, memory_type
from functad.lower.emit.exits import Exits
from functad.lower.emit.loops import LoopNest
from functad.lower.emit.memory import Span, store_one
from functad.lower.emit.operations import neutral
from functad.lower.emit.reduce import Accumulator
from functad.lower.emit.strips import Strips
from functad.lower.emit.turn import Turn
from functad.lower.emit.writing import Block, Writing

__all__ = ["fill_buffer", "write_nest"]

SCALAR = Span()


def write_nest(
    nest: LoopNest,
    code: Code,
    pointers: Mapping[Buffer, str],
    registers: dict[Buffer, str],
    *,
    inline: bool = False,
    block: Block | None = None,
    exits: Exits | None = None,
) -> None:
    """Write a nest into ``code``.

    ``pointers`` are the addresses of buffers, ``registers`` the values of scalars; ``inline`` says that the latter take
    new values; with ``exits`` the function is left where a check fails. What results of several blocks have in common
    must have been filled before.
    """
    _Loops(Writing(nest, code, pointers, registers, inline, block, exits)).run()


class _Loops:
    """Writes the loops of a nest, from the outermost to the innermost."""

    def __init__(self, writing: Writing) -> None:
        self.writing = writing
        self.nest = writing.nest
        self.code = writing.code
        self.addresses = writing.addresses

    def run(self) -> None:
        """All of it, where it has a point at all."""
        code, nest, block = self.code, self.nest, self.writing.block
        reductions = [i for i in nest.instructions if isinstance(i, Reduce)]
        accumulated = nest.accumulated(None if block is None else block[0])
        if any(n == 0 for n in nest.axes):
            self._fill(reductions)
            return
        self._fill(accumulated)
        doubtful = [code.size(n) for n in nest.axes if n.constant is None]
        if not doubtful:
            self._level(-1, SCALAR)
            return
        some = self._positive(doubtful)
        with code.when(some, ()):
            self._level(-1, SCALAR)
        whole = [i for i in reductions if nest.body.stored_whole(i)]
        if whole:
            with code.when(code.scalar.ixor("bool", some, "true"), ()):
                self._fill(whole)

    def _positive(self, sizes: Sequence[str]) -> str:
        """Whether every axis has a point: only then may anything be read ahead of the loops."""
        conditions = [self.code.emit(f"icmp sgt i64 {n}, 0") for n in sizes]
        total = conditions[0]
        for condition in conditions[1:]:
            total = self.code.scalar.iand("bool", total, condition)
        return total

    def _fill(self, reductions: Sequence[Reduce]) -> None:
        """Set the buffers of reductions to what they start from."""
        for root, instr in {i.buffer.root: i for i in reductions}.items():
            if root.shape == () and self.writing.inline:
                self.writing.registers[root] = neutral(self.code.scalar, instr.op, root.dtype)
            if root in self.addresses.pointers:
                fill_buffer(self.code, instr, self.addresses.pointers[root])

    def _level(self, level: int, span: Span) -> None:
        """Everything inside of loop ``level`` (-1: outside of all)."""
        if not self.addresses.shift:
            self.addresses.enter(level)
        body = self.writing.body
        Turn(self.writing, level, span).run(body.levels[level + 1])
        if level < self.nest.last:
            for place in body.deeper[level + 1]:
                if place.root in self.addresses.pointers:  # the others are registers
                    self.addresses.prepare(place, level)
            self._axis(level + 1, span)

    def _axis(self, axis: int, span: Span) -> None:
        """The loop over an axis, with the accumulators that live in it and those that end with it."""
        nest, accumulators = self.nest, self.writing.body.accumulators
        started = [a for a in accumulators if a.scope == axis - 1 and a.depth >= axis]
        carried: list[Carried] = [a for a in accumulators if a.scope < axis <= a.depth]
        for a in started:
            a.begin(self.code, nest.width if a.depth >= nest.vector >= axis else span.width)
        if axis == nest.last:
            carried.extend(self._begin_scans(span))
        if axis == nest.vector:
            Strips(self.writing, axis, carried, self._strip).run(*self.writing.bounds(axis))
        elif axis in nest.written_out:
            length = nest.axes[axis].constant
            assert length is not None
            for turn in range(length):
                self._turn(axis, str(turn), span)
        else:
            low, high = self.writing.bounds(axis)
            with self.code.loop(low, high, 1, carried) as index:
                self._turn(axis, index, span)
        for a in started:
            self._end(a, axis, span)

    def _turn(self, axis: int, index: str, span: Span) -> None:
        """One turn of a loop."""
        if axis == self.nest.last and any(s.reverse for s in self.writing.body.scans):
            index = self.code.sub(self.code.size(self.nest.axes[axis] - 1), index)
        self.addresses.index[axis] = index
        self._level(axis, span)

    def _strip(self, axis: int, index: str, span: Span, shift: int = 0) -> None:
        """One vector of points, ``shift`` points after the index."""
        if index[0] != "%":
            index, shift = str(int(index) + shift), 0
        self.addresses.index[axis], self.addresses.shift = index, shift
        self._level(axis, span)
        self.addresses.shift = 0

    def _begin_scans(self, span: Span) -> list[Carried]:
        carried = self.writing.scans
        carried.clear()
        for scan in self.writing.body.scans:
            lanes, dtype = self.code.lanes(span.width), dtype_name(scan.value.dtype)
            # -0 + x is x for every x, where 0 + x is not
            initial = (
                lanes.const(dtype, -0.0)
                if dtype[0] == "f" and scan.op == "sum"
                else neutral(lanes, scan.op, scan.value.dtype)
            )
            carried[id(scan)] = Carried(lanes.ty(dtype), initial)
        return list(carried.values())

    def _end(self, a: Accumulator, axis: int, span: Span) -> None:
        """What becomes of an accumulator after the loop that it lived in."""
        if a.depth >= self.nest.vector >= axis:
            a.across(self.code)
        turn = Turn(self.writing, axis - 1, span)
        turn.write_reduced(a.instr, a.name)
        turn.finish()


def fill_buffer(code: Code, instr: Reduce, pointer: str) -> None:
    """Set a whole buffer to what a reduction starts from."""
    dtype, count = instr.buffer.dtype, product(instr.buffer.root.shape)
    first = identity(instr.op, dtype)
    pattern = set(first.tobytes())
    if len(pattern) == 1:
        code.declarations.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        bytes = code.size(count * dtype.itemsize)
        code.line(f"call void @llvm.memset.p0.i64(ptr {pointer}, i8 {pattern.pop()}, i64 {bytes}, i1 false)")
        return
    end = code.size(count)
    with code.when(code.emit(f"icmp sgt i64 {end}, 0"), ()), code.loop("0", end, 1, ()) as index:
        store_one(code, dtype, code.offset(memory_type(dtype), pointer, index), neutral(code.scalar, instr.op, dtype))
