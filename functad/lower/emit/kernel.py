"""One kernel as LLVM text: its loops, and in them each value at the outermost loop that it depends on.

The vector axis runs in strips of ``width`` points. A light body is written as a main loop of whole vectors (several at a time) and a masked
rest; a heavy one once, in a loop whose last turn may be partial: there only the memory accesses are written twice, and a branch picks
between them. Loops of a few known turns are written out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from functad.ir.types import dtype_name
from functad.kernel_ir.nodes import (
    Buffer,
    Check,
    Compute,
    Const,
    Instr,
    Load,
    Reduce,
    Scan,
    Scatter,
    Store,
    Value,
)
from functad.kernel_ir.ops import identity
from functad.kernel_ir.sizes import poly, product
from functad.lower.emit.access import Addresses, Place
from functad.lower.emit.code import Carried, Code, memory_type
from functad.lower.emit.memory import Span, lane_mask, splat, store_one
from functad.lower.emit.nest import Nest, linear, operands
from functad.lower.emit.operations import cost, neutral
from functad.lower.emit.reduce import BLOCK, Accumulator
from functad.lower.emit.turn import Turn
from functad.lower.target import Target

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
        self.body = nest.kernel.body
        self.depth = nest.depth
        self.vector = nest.vector if nest.vector is not None else len(self.axes)
        self.width = 1 if nest.vector is None else self._width(target)
        self.constants: dict[Value, object] = {i.out: i.value for i in self.body if isinstance(i, Const)}
        self._sort()
        self._whole_stores = self._find_whole_stores()
        self.weight = self._weight()
        self.written_out = self._written_out()
        self.checks = any(isinstance(i, Check) for i in self.body)

    # ---- decisions

    def _width(self, target: Target) -> int:
        sizes = [i.buffer.dtype.itemsize for i in self.body if isinstance(i, Load | Store | Reduce | Scatter)]
        sizes += [i.out.dtype.itemsize for i in self.body if isinstance(i, Compute) and i.out.dtype.kind == "f"]
        width = max(2, min(target.lanes(max(sizes, default=8)), 16))
        length = self.axes[self.vector].constant
        while length is not None and width >= 2 * length and width > 1:
            width //= 2
        return width

    def _weight(self) -> int:
        """About the instructions of the body; elements that lie apart are moved lane by lane."""
        body = self.levels[self.last + 1]
        computing = sum(cost(i.op, i.args[-1].dtype) for i in body if isinstance(i, Compute))
        places = [self.places[id(i)] for i in body if id(i) in self.places]
        return computing + sum(2 * self.width for place in places if self.width > 1 and place.varies and not place.contiguous)

    def _sort(self) -> None:
        """Instructions by the loop that they are written in, and what is needed to place them."""
        self.levels: list[list[Instr]] = [[] for _ in range(self.last + 2)]
        self.places: dict[int, Place] = {}
        self.accumulators: list[Accumulator] = []
        self.totals: dict[int, Accumulator] = {}
        for instr in self.body:
            level = self._level(instr)
            self.levels[level + 1].append(instr)
            if isinstance(instr, Load | Store | Reduce | Scatter):
                self.places[id(instr)] = Place.of(instr, len(self.axes), self.nest.vector, self.depth)
            if isinstance(instr, Reduce) and (scope := self._scope(instr)) < self.last:
                self._accumulator(instr, scope, self.last)
            elif isinstance(instr, Check):
                self._accumulator(instr, -1, level)
        self.deeper = [
            list(dict.fromkeys(self.places[id(i)] for later in self.levels[level + 1 :] for i in later if id(i) in self.places))
            for level in range(len(self.levels))
        ]
        self.scans = [i for i in self.body if isinstance(i, Scan)]
        self.needs_splat = {
            v for level in self.levels[self.vector + 1 :] for i in level for v in operands(i) if -1 <= self.depth[v] < self.vector
        } - self.constants.keys()

    def _accumulator(self, instr: Reduce | Check, scope: int, depth: int) -> None:
        accumulator = self.totals[id(instr)] = Accumulator(instr, scope, depth)
        self.accumulators.append(accumulator)

    def _level(self, instr: Instr) -> int:
        if isinstance(instr, Store | Reduce | Scatter):
            return self.last
        return self.depth[instr.ok if isinstance(instr, Check) else instr.out]  # type: ignore[attr-defined]

    def _scope(self, instr: Reduce) -> int:
        """The innermost loop whose index the result has."""
        return max((atom for a in instr.index for atom, _ in a.terms if isinstance(atom, int)), default=-1)

    def _written_out(self) -> frozenset[int]:
        """The inner loops of few turns."""
        turns, axes = 1, set()
        for axis in range(self.last, -1, -1):
            length = self.axes[axis].constant
            if length is None:
                break
            turns *= -(-length // self.width) if axis == self.vector else length
            if turns > WRITTEN_OUT or turns * max(self.weight, 2 * len(self.body)) > LONG:
                break
            axes.add(axis)
        return frozenset(axes)

    @property
    def compact(self) -> bool:
        """Whether the body is written once for whole and partial vectors."""
        return self.weight > HEAVY or self.vector < self.last

    @property
    def straight(self) -> bool:
        """Whether no loop is left."""
        return len(self.written_out) == len(self.axes)

    def stored_whole(self, instr: Reduce) -> bool:
        """Whether a result need only be stored: no loop outside of its scope reduces, and no element of the buffer goes without."""
        return id(instr) in self._whole_stores

    def _find_whole_stores(self) -> set[int]:
        found: set[int] = set()
        reductions = [i for i in self.body if isinstance(i, Reduce)]
        for root in {i.buffer.root: None for i in reductions}:
            own = [i for i in reductions if i.buffer.root is root]
            elements = poly(0)
            for instr in own:
                elements = elements + product(self.axes[: self._scope(instr) + 1])
            if elements == product(root.shape) and all(map(self._separate, own)):
                found.update(map(id, own))
        return found

    def _separate(self, instr: Reduce) -> bool:
        """Whether the loops outside of a result's scope, and no others, each run through elements of their own."""
        plain = [a.terms[0][0] for a in instr.index if len(a.terms) == 1]
        mentioned = {atom for atom, _ in linear(instr.buffer, instr.index).terms}
        return len(plain) == sum(bool(a.terms) for a in instr.index) and mentioned == set(range(self._scope(instr) + 1))

    # ---- the whole

    def emit(
        self,
        code: Code,
        pointers: Mapping[Buffer, str],
        registers: dict[Buffer, str],
        *,
        inline: bool = False,
        block: tuple[int, str, str] | None = None,
    ) -> str:
        """Write the nest into ``code``; the result is the smallest failed error code, or 0.

        ``pointers`` are the addresses of buffers, ``registers`` the values of scalars; ``inline`` says that the latter take new values. A ``block``
        is an axis and the range of its indices to run over; what results of several blocks have in common must have been filled before.
        """
        self.code = code
        self.registers = registers
        self.inline = inline
        self.block = block
        self.values: dict[Value, str] = {v: str(c) for v, c in self.constants.items() if v.dtype.kind in "iu"}
        self.splats: dict[tuple[Value, int], str] = {}
        self.failures: list[tuple[int, str]] = []
        self.carried_scans: dict[int, Carried] = {}
        self.addresses = Addresses(code, pointers, self.values, len(self.axes), self.nest.vector)
        reductions = [i for i in self.body if isinstance(i, Reduce)]
        accumulated = self.accumulated(None if block is None else block[0])
        if any(n == 0 for n in self.axes):
            self._fill(reductions)
            return "0"
        self._fill(accumulated)
        failed = Carried("i32", "0")
        doubtful = [code.size(n) for n in self.axes if n.constant is None]
        if not doubtful:
            self._run(failed)
            return failed.name
        some = self._positive(doubtful)
        with code.when(some, [failed]):
            self._run(failed)
        whole = [i for i in reductions if self.stored_whole(i)]
        if whole:
            with code.when(code.scalar.ixor("bool", some, "true"), ()):
                self._fill(whole)
        return failed.name

    def accumulated(self, axis: int | None) -> list[Reduce]:
        """The reductions that accumulate in memory, but for those that blocks along an axis have in common."""
        return [
            i for i in self.body
            if isinstance(i, Reduce) and not self.stored_whole(i) and (axis is None or linear(i.buffer, i.index).scale(axis) == 0)
        ]  # fmt: skip

    def _positive(self, sizes: Sequence[str]) -> str:
        """Whether every axis has a point: only then may anything be read ahead of the loops."""
        conditions = [self.code.emit(f"icmp sgt i64 {n}, 0") for n in sizes]
        total = conditions[0]
        for condition in conditions[1:]:
            total = self.code.scalar.iand("bool", total, condition)
        return total

    def _run(self, failed: Carried) -> None:
        self.level(-1, SCALAR)
        for number, failure in sorted(self.failures, reverse=True):
            failed.name = self.code.emit(f"select i1 {failure}, i32 {number}, i32 {failed.name}")

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
        Turn(self, level, span).run(self.levels[level + 1])
        if level < self.last:
            for place in self.deeper[level + 1]:
                if place.root in self.addresses.pointers:  # the others are registers
                    self.addresses.prepare(place, level)
            self.axis(level + 1, span)

    def axis(self, axis: int, span: Span) -> None:
        """The loop over an axis, with the accumulators that live in it and those that end with it."""
        started = [a for a in self.accumulators if a.scope == axis - 1 and a.depth >= axis]
        carried: list[Carried] = [a for a in self.accumulators if a.scope < axis <= a.depth]
        for a in started:
            a.begin(self.code, self.width if a.depth >= self.vector >= axis else span.width)
        if axis == self.last:
            carried.extend(self._begin_scans(span))
        if axis == self.vector:
            self.strips(axis, carried)
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
        if axis == self.last and any(s.reverse for s in self.scans):
            index = self.code.sub(self.code.size(self.axes[axis] - 1), index)
        self.addresses.index[axis] = index
        self.level(axis, span)

    def _bounds(self, axis: int) -> tuple[str, str]:
        if self.block is not None and self.block[0] == axis:
            return self.block[1:]
        return "0", self.code.size(self.axes[axis])

    def _begin_scans(self, span: Span) -> list[Carried]:
        self.carried_scans = {}
        for scan in self.scans:
            lanes, dtype = self.code.lanes(span.width), dtype_name(scan.value.dtype)
            # -0 + x is x for every x, where 0 + x is not
            initial = lanes.const(dtype, -0.0) if dtype[0] == "f" and scan.op == "sum" else neutral(lanes, scan.op, scan.value.dtype)
            self.carried_scans[id(scan)] = Carried(lanes.ty(dtype), initial)
        return list(self.carried_scans.values())

    def end(self, a: Accumulator, axis: int, span: Span) -> None:
        """What becomes of an accumulator after the loop that it lived in."""
        if a.depth >= self.vector >= axis:
            a.across(self.code)
        if isinstance(a.instr, Check):
            self.failures.append((a.instr.code, a.name))
        else:
            turn = Turn(self, axis - 1, span)
            turn.write_reduced(a.instr, a.name)
            turn.finish()

    # ---- the vector axis

    def strips(self, axis: int, carried: Sequence[Carried]) -> None:
        """The vector axis, block by block if a sum needs it."""
        low, high = self._bounds(axis)
        totals = [a for a in carried if isinstance(a, Accumulator) and a.depth >= self.vector]
        length = self.axes[axis].constant
        blocked = any(a.rounds for a in totals) and (length is None or length > 2 * BLOCK)
        if not blocked:
            self._strips(axis, low, high, carried, totals)
            return
        with self.code.loop(low, high, BLOCK, carried) as start:
            end = self.code.minimum(self.code.add(start, str(BLOCK)), high)
            outer = [a.name for a in totals]
            for a in totals:
                a.name = a.start(self.code)
            self._strips(axis, start, end, carried, totals)
            for a, name in zip(totals, outer, strict=True):
                a.name = a.combine(self.code, name, a.name)

    def _strips(self, axis: int, low: str, high: str, carried: Sequence[Carried], totals: Sequence[Accumulator]) -> None:
        known = low[0] != "%" and high[0] != "%"
        length = int(high) - int(low) if known else 0
        if axis in self.written_out:
            self._whole(axis, low, length // self.width)
            self._rest(axis, str(int(low) + length - length % self.width), high)
        elif self.compact:
            self._either(axis, low, high, carried, known and length % self.width == 0)
        else:
            copies = self._copies(totals)
            middle = self._main(axis, low, high, carried, totals, copies)
            if known:
                start = int(middle)
                self._whole(axis, middle, (int(high) - start) // self.width)
                self._rest(axis, str(int(high) - (int(high) - start) % self.width), high)
            else:
                with self.code.when(self.code.emit(f"icmp slt i64 {middle}, {high}"), carried):
                    if copies == 1:
                        self._rest(axis, middle, high)
                    else:
                        self._either(axis, middle, high, carried, False)

    def _copies(self, totals: Sequence[Accumulator]) -> int:
        """How many vectors a turn of the main loop takes: more where a light body waits for its own accumulator."""
        if self.weight <= 8:
            return 4 if totals else 2
        return 2 if totals and self.weight <= 20 else 1

    def _main(self, axis: int, low: str, high: str, carried: Sequence[Carried], totals: Sequence[Accumulator], copies: int) -> str:
        """The loop over whole vectors, ``copies`` at a time; the index where it ends."""
        code, step = self.code, self.width * copies
        length = code.sub(high, low)
        count = str(int(length) // step * step) if length[0] != "%" else code.emit(f"and i64 {length}, {-step}")
        middle = code.add(low, count)
        if count == "0":
            return low
        if count[0] != "%":
            self._copied_loop(axis, low, middle, carried, totals, copies)
        else:
            with code.when(code.emit(f"icmp slt i64 {low}, {middle}"), carried):
                self._copied_loop(axis, low, middle, carried, totals, copies)
        return middle

    def _copied_loop(self, axis: int, low: str, high: str, carried: Sequence[Carried], totals: Sequence[Accumulator], copies: int) -> None:
        """Each copy of the body has accumulators of its own, which are combined after the loop."""
        code = self.code
        others = [[Carried(a.type, a.start(code)) for a in totals] for _ in range(copies - 1)]
        with code.loop(low, high, self.width * copies, [*carried, *(c for copy in others for c in copy)]) as index:
            self.addresses.index[axis] = index
            self.strip(axis, index, Span(self.width))
            for copy, own in enumerate(others, 1):
                firsts = [a.name for a in totals]
                for a, c in zip(totals, own, strict=True):
                    a.name = c.name
                self.strip(axis, index, Span(self.width), copy * self.width)
                for a, c, name in zip(totals, own, firsts, strict=True):
                    c.name, a.name = a.name, name
        for own in others:
            for a, c in zip(totals, own, strict=True):
                a.name = a.combine(code, a.name, c.name)

    def _whole(self, axis: int, low: str, vectors: int) -> None:
        """A few whole vectors, written out; ``low`` is known."""
        for k in range(vectors):
            self.strip(axis, str(int(low) + k * self.width), Span(self.width))

    def _rest(self, axis: int, low: str, high: str) -> None:
        """A partial vector, unless it is known to be empty."""
        count = self.code.sub(high, low)
        if count != "0":
            self.strip(axis, low, Span(self.width, lane_mask(self.code, self.width, count), count))

    def _either(self, axis: int, low: str, high: str, carried: Sequence[Carried], whole: bool) -> None:
        """A loop that takes whole vectors and a partial one at the end."""
        code = self.code
        with code.loop(low, high, self.width, carried) as index:
            span = Span(self.width)
            if not whole:
                left = code.sub(high, index)
                full = code.emit(f"icmp sge i64 {left}, {self.width}")
                count = code.minimum(left, str(self.width))
                span = Span(self.width, lane_mask(code, self.width, count), count, full)
            self.strip(axis, index, span)

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
