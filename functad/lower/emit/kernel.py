"""One kernel as LLVM text: its loops, and in them each value at the outermost loop that it depends on.

Loops of a few known turns are written out; the one along the vector axis is written by ``Strips``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from functad.ir.types import dtype_name
from functad.kernel_ir.nodes import Buffer, Check, Compute, Load, Reduce, Scatter, Store, Value
from functad.kernel_ir.ops import identity
from functad.kernel_ir.sizes import product
from functad.lower.emit.access import Addresses, Place
from functad.lower.emit.body import Body
from functad.lower.emit.code import Carried, Code, memory_type
from functad.lower.emit.failures import Failure, note_failures
from functad.lower.emit.memory import Span, splat, store_one
from functad.lower.emit.nest import Nest, linear
from functad.lower.emit.operations import neutral
from functad.lower.emit.reduce import Accumulator
from functad.lower.emit.regions import find_regions
from functad.lower.emit.strips import Strips
from functad.lower.emit.turn import Turn
from functad.lower.llvm.target import Target

__all__ = ["LoopNest"]

HEAVY = 48
"""A body of more instructions than this is written once, whatever its loop."""

WRITTEN_OUT = 16
"""Loops of at most this many turns in all are written out, where that gives no more instructions than ``LONG``."""

LONG = 600

SCALAR = Span()


class LoopNest:
    """Writes one nest, whose loops and widths are decided when this is made."""

    def __init__(self, nest: Nest, target: Target) -> None:
        self.nest = nest
        self.axes = nest.axes
        self.last = len(self.axes) - 1
        self.instructions = nest.kernel.body
        self.depth = nest.depth
        self.vector = nest.vector if nest.vector is not None else len(self.axes)
        self.width = 1 if nest.vector is None else self._width(target)
        self.body = Body(nest, self.width)
        self.written_out = self._written_out()
        self.regions = find_regions(nest, self.body) if self._divisible() else []
        self.needs_splat = set().union(self.body.splats(), *(region.body.splats() for region in self.regions))
        self.checks = any(isinstance(i, Check) for i in self.instructions)

    # ---- decisions

    def _width(self, target: Target) -> int:
        sizes = [i.buffer.dtype.itemsize for i in self.instructions if isinstance(i, Load | Store | Reduce | Scatter)]
        sizes += [i.out.dtype.itemsize for i in self.instructions if isinstance(i, Compute) and i.out.dtype.kind == "f"]
        width = max(2, min(target.lanes(max(sizes, default=8)), 16))
        length = self.axes[self.vector].constant
        while length is not None and width >= 2 * length and width > 1:
            width //= 2
        return width

    @property
    def weight(self) -> int:
        """About the instructions of a point, where most of them are."""
        return min([self.body.weight, *(region.body.weight for region in self.regions)])

    def _divisible(self) -> bool:
        """Whether the innermost loop is the one along the vectors, and may be long."""
        return self.last == self.vector and self.axes[self.last].constant is None

    def _written_out(self) -> frozenset[int]:
        """The inner loops of few turns."""
        turns, axes = 1, set()
        for axis in range(self.last, -1, -1):
            length = self.axes[axis].constant
            if length is None:
                break
            turns *= -(-length // self.width) if axis == self.vector else length
            if turns > WRITTEN_OUT or turns * max(self.body.weight, 2 * len(self.instructions)) > LONG:
                break
            axes.add(axis)
        return frozenset(axes)

    @property
    def compact(self) -> bool:
        """Whether the body is written once for whole and partial vectors."""
        return self.body.weight > HEAVY or self.vector < self.last

    @property
    def straight(self) -> bool:
        """Whether no loop is left."""
        return len(self.written_out) == len(self.axes)

    # ---- the whole

    def emit(
        self,
        code: Code,
        pointers: Mapping[Buffer, str],
        registers: dict[Buffer, str],
        *,
        inline: bool = False,
        block: tuple[int, str, str] | None = None,
    ) -> None:
        """Write the nest into ``code``.

        ``pointers`` are the addresses of buffers, ``registers`` the values of scalars; ``inline`` says that the latter
        take new values. A ``block`` is an axis and the range of its indices to run over; what results of several blocks
        have in common must have been filled before.
        """
        self.code = code
        self.registers = registers
        self.inline = inline
        self.block = block
        self.values: dict[Value, str] = {v: str(c) for v, c in self.body.constants.items() if v.dtype.kind in "iu"}
        self.splats: dict[tuple[Value, int], str] = {}
        self.failures: list[Failure] | None = None
        self.carried_scans: dict[int, Carried] = {}
        self.addresses = Addresses(code, pointers, self.values, len(self.axes), self.nest.vector)
        reductions = [i for i in self.instructions if isinstance(i, Reduce)]
        accumulated = self.accumulated(None if block is None else block[0])
        if any(n == 0 for n in self.axes):
            self._fill(reductions)
            return
        self._fill(accumulated)
        doubtful = [code.size(n) for n in self.axes if n.constant is None]
        if not doubtful:
            self.level(-1, SCALAR)
            return
        some = self._positive(doubtful)
        with code.when(some, ()):
            self.level(-1, SCALAR)
        whole = [i for i in reductions if self.body.stored_whole(i)]
        if whole:
            with code.when(code.scalar.ixor("bool", some, "true"), ()):
                self._fill(whole)

    def accumulated(self, axis: int | None) -> list[Reduce]:
        """The reductions that accumulate in memory, but for those that blocks along an axis have in common."""
        return [
            i for i in self.instructions
            if isinstance(i, Reduce) and not self.body.stored_whole(i) and (axis is None or linear(i.buffer,
                i.index).scale(axis) == 0)
        ]  # fmt: skip

    def _positive(self, sizes: Sequence[str]) -> str:
        """Whether every axis has a point: only then may anything be read ahead of the loops."""
        conditions = [self.code.emit(f"icmp sgt i64 {n}, 0") for n in sizes]
        total = conditions[0]
        for condition in conditions[1:]:
            total = self.code.scalar.iand("bool", total, condition)
        return total

    def spread(self, value: Value, name: str, width: int) -> str:
        """A value from outside of the vector loop in all lanes; usually its splat was made where it was computed."""
        found = self.splats.get((value, width))
        return splat(self.code, self.code.scalar.ty(dtype_name(value.dtype)), width, name) if found is None else found

    def write_register(self, place: Place, value: str, mask: str | None) -> bool:
        """Note the new value of a scalar that lives in a register; whether it lives in memory as well."""
        root = place.root
        if self.inline:
            if mask is not None:
                value = self.code.scalar.select(dtype_name(root.dtype), mask, value, self.registers[root])
            self.registers[root] = value
        return root in self.addresses.pointers

    def _fill(self, reductions: Sequence[Reduce]) -> None:
        """Set the buffers of reductions to what they start from."""
        for root, instr in {i.buffer.root: i for i in reductions}.items():
            if root.shape == () and self.inline:
                self.registers[root] = neutral(self.code.scalar, instr.op, root.dtype)
            if root in self.addresses.pointers:
                fill_buffer(self.code, instr, self.addresses.pointers[root])

    # ---- loops

    def level(self, level: int, span: Span) -> None:
        """Everything inside of loop ``level`` (-1: outside of all)."""
        if not self.addresses.shift:
            self.addresses.enter(level)
        Turn(self, level, span).run(self.body.levels[level + 1])
        if level < self.last:
            for place in self.body.deeper[level + 1]:
                if place.root in self.addresses.pointers:  # the others are registers
                    self.addresses.prepare(place, level)
            self.axis(level + 1, span)

    def axis(self, axis: int, span: Span) -> None:
        """The loop over an axis, with the accumulators that live in it and those that end with it."""
        started = [a for a in self.body.accumulators if a.scope == axis - 1 and a.depth >= axis]
        carried: list[Carried] = [a for a in self.body.accumulators if a.scope < axis <= a.depth]
        for a in started:
            a.begin(self.code, self.width if a.depth >= self.vector >= axis else span.width)
        if axis == self.last:
            carried.extend(self._begin_scans(span))
        if axis == self.vector:
            Strips(self, axis, carried).run(*self._bounds(axis))
        elif axis in self.written_out:
            length = self.axes[axis].constant
            assert length is not None
            for turn in range(length):
                self.turn(axis, str(turn), span)
        else:
            low, high = self._bounds(axis)
            with self.code.loop(low, high, 1, carried) as index:
                self.turn(axis, index, span)
        for a in started:
            self.end(a, axis, span)

    def turn(self, axis: int, index: str, span: Span) -> None:
        """One turn of a loop."""
        if axis == self.last and any(s.reverse for s in self.body.scans):
            index = self.code.sub(self.code.size(self.axes[axis] - 1), index)
        self.addresses.index[axis] = index
        self.level(axis, span)

    @contextmanager
    def together(self) -> Iterator[None]:
        """The checks of several strips of the innermost loop take one branch."""
        failures: list[Failure] = []
        self.failures = failures
        yield
        self.failures = None
        self.note(self.width, failures)

    def note(self, width: int, failures: Sequence[Failure]) -> None:
        """Note what has failed in a turn of a loop."""
        if self.failures is not None:
            self.failures += failures
        elif failures:
            note_failures(self.code, width, failures, "0" if self.block is None else self.block[1])

    def _bounds(self, axis: int) -> tuple[str, str]:
        if self.block is not None and self.block[0] == axis:
            return self.block[1:]
        return "0", self.code.size(self.axes[axis])

    def _begin_scans(self, span: Span) -> list[Carried]:
        self.carried_scans = {}
        for scan in self.body.scans:
            lanes, dtype = self.code.lanes(span.width), dtype_name(scan.value.dtype)
            # -0 + x is x for every x, where 0 + x is not
            initial = (
                lanes.const(dtype, -0.0)
                if dtype[0] == "f" and scan.op == "sum"
                else neutral(lanes, scan.op, scan.value.dtype)
            )
            self.carried_scans[id(scan)] = Carried(lanes.ty(dtype), initial)
        return list(self.carried_scans.values())

    def end(self, a: Accumulator, axis: int, span: Span) -> None:
        """What becomes of an accumulator after the loop that it lived in."""
        if a.depth >= self.vector >= axis:
            a.across(self.code)
        turn = Turn(self, axis - 1, span)
        turn.write_reduced(a.instr, a.name)
        turn.finish()

    # ---- the vector axis

    @contextmanager
    def version(self, body: Body) -> Iterator[None]:
        """The innermost loop is written with another body."""
        whole, self.body = self.body, body
        self.values.update({v: str(c) for v, c in body.constants.items() if v.dtype.kind in "iu"})
        yield
        self.body = whole

    def strip(self, axis: int, index: str, span: Span, shift: int = 0) -> None:
        """One vector of points, ``shift`` points after the index."""
        if index[0] != "%":
            index, shift = str(int(index) + shift), 0
        self.addresses.index[axis], self.addresses.shift = index, shift
        self.level(axis, span)
        self.addresses.shift = 0


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
