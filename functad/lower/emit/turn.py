"""One turn of a loop: the instructions of one level of a nest, for the lanes of a span.

Loads of adjacent elements are done first and stores of them last, together: where the span may be partial, one branch
picks between whole and masked accesses for all of them. What is computed lies between, and is written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.nodes import (
    AxisIndex,
    Buffer,
    Check,
    Compute,
    Const,
    Instr,
    Load,
    Reduce,
    Scan,
    Scatter,
    SizeValue,
    Store,
    Value,
)
from functad.lower.emit.access import Place
from functad.lower.emit.code import NOTHING, Code, memory_type
from functad.lower.emit.failures import Failure
from functad.lower.emit.memory import (
    Span,
    combined_mask,
    interleaved,
    lane_mask,
    lanes_of_groups,
    load_apart,
    load_groups,
    load_one,
    part_of_run,
    repeated_lanes,
    reversed_lanes,
    splat,
    store_apart,
    store_groups,
    store_one,
)
from functad.lower.emit.operations import accumulate, operation, outlined
from functad.lower.emit.writing import Writing

__all__ = ["Turn"]


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of memory that the lanes of a span occupy: its lowest address, its elements, whether they go backwards."""

    dtype: np.dtype
    pointer: str
    group: int
    backwards: bool


class Turn:
    """Writes the instructions of loop ``level`` of a nest."""

    def __init__(self, writing: Writing, level: int, span: Span) -> None:
        self.writing = writing
        self.nest = writing.nest
        self.body = writing.body
        self.code: Code = writing.code
        self.level = level
        self.span = span
        self.lanes = self.code.lanes(span.width)
        self.runs: dict[Place, str] = {}
        self.stored: dict[Place, str] = {}
        self.pending: list[tuple[Place, str, Value | None]] = []
        self.failures: list[Failure] = []  # noted at the end

    def run(self, instructions: Sequence[Instr]) -> None:
        """Write them all."""
        if self.span.width > 1:
            self._load_ahead(instructions)
        for instr in instructions:
            self._instruction(instr)
        self.finish()
        self.writing.note(self.span.width, self.failures)

    def operand(self, value: Value) -> str:
        """A value in all lanes."""
        constant = self.body.constants.get(value)
        if constant is not None:
            return self.lanes.const(dtype_name(value.dtype), constant)  # type: ignore[arg-type]
        name = self.writing.values[value]
        if self.span.width == 1 or self.nest.depth[value] >= self.nest.vector:
            return name
        return self.writing.spread(value, name, self.span.width)

    def _define(self, out: Value, name: str) -> None:
        self.writing.values[out] = name
        if self.level < self.nest.vector and out in self.nest.needs_splat:
            self.writing.splats[out, self.nest.width] = splat(
                self.code, self.code.scalar.ty(dtype_name(out.dtype)), self.nest.width, name
            )

    def _instruction(self, instr: Instr) -> None:
        if self.failures and self.writing.leaves_early and _is_at_data(instr):
            self.writing.note(self.span.width, self.failures)
            self.failures = []
        match instr:
            case Const():
                pass
            case SizeValue():
                self._define(instr.out, self.code.size(instr.size))
            case AxisIndex():
                self._define(instr.out, self._axis_index(instr.axis))
            case Load():
                self._define(instr.out, self._load(instr))
            case Compute():
                self._define(instr.out, self._compute(instr))
            case Store():
                self.write(self.body.places[id(instr)], self.operand(instr.value), instr.mask)
            case Reduce():
                self._reduce(instr)
            case Scatter():
                self._scatter(instr)
            case Scan():
                carried = self.writing.scans[id(instr)]
                carried.name = accumulate(
                    self.lanes, instr.op, instr.value.dtype, carried.name, self.operand(instr.value)
                )
                self._define(instr.out, carried.name)
            case Check():
                self._check(instr)

    def _compute(self, instr: Compute) -> str:
        args, dtype = [self.operand(a) for a in instr.args], instr.args[-1].dtype
        if (instr.op, dtype) in self.code.outlined:
            return outlined(self.code, instr.op, dtype, args, self.span.width)
        return operation(self.lanes, instr.op, dtype, instr.out.dtype, args)

    def _axis_index(self, axis: int) -> str:
        index, shift = (
            self.writing.addresses.index[axis],
            self.writing.addresses.shift if axis == self.nest.vector else 0,
        )
        index = self.code.add(index, str(shift))
        width = self.span.width
        if axis < self.nest.vector or width == 1:
            return index
        first = splat(self.code, "i64", width, index)
        if axis > self.nest.vector:
            return first
        return self.lanes.iadd("i64", first, "<" + ", ".join(f"i64 {lane}" for lane in range(width)) + ">")

    def _check(self, instr: Check) -> None:
        failed = combined_mask(
            self.code,
            self.span.width,
            self.lanes.ixor("bool", self.operand(instr.ok), self.lanes.const("bool", True)),
            self.span.mask,
        )
        assert failed is not None
        self.failures.append(Failure(instr.code, failed, None if instr.value is None else self.operand(instr.value)))

    # ---- reading

    def _load(self, instr: Load) -> str:
        if instr.buffer.root in self.writing.registers:
            name = self.writing.registers[instr.buffer.root]
            return name if instr.mask is None else self._filled(instr, name)
        place = self.body.places[id(instr)]
        if place in self.stored:
            return self.stored[place]
        if place in self.runs and instr.mask is None:
            return self.runs[place]
        self.finish()
        return self.read(place, instr.mask, self._fill(instr))

    def _fill(self, instr: Load) -> str:
        return self.lanes.const(dtype_name(instr.buffer.dtype), instr.fill)

    def _filled(self, instr: Load, name: str) -> str:
        assert instr.mask is not None
        dtype = dtype_name(instr.buffer.dtype)
        width = self.span.width
        return self.lanes.select(
            dtype,
            self.operand(instr.mask),
            splat(self.code, self.code.scalar.ty(dtype), width, name),
            self._fill(instr),
        )

    def read(self, place: Place, mask: Value | None, fill: str) -> str:
        """The elements at a place, ``fill`` where the mask is false."""
        code, span, dtype = self.code, self.span, place.dtype
        chosen = None if mask is None else self.operand(mask)
        if span.width == 1:
            return load_one(code, dtype, self._one(place), chosen, fill)
        if not place.varies:
            return self._read_same(place, chosen, fill)
        if mask is None and place.contiguous:
            return self._parts(place, self._load_runs([place])[0])
        live = combined_mask(code, span.width, chosen, span.mask)
        if place.contiguous:
            assert live is not None
            run, size = self._locate(place), span.width * place.group * dtype.itemsize
            pointer = run.pointer
            if (
                chosen is not None and place in self.body.far and size <= NOTHING
            ):  # even a masked access takes long there
                pointer = code.emit(f"select i1 {self.lanes.any(live)}, ptr {pointer}, ptr {code.nothing()}")
            value = self._parts(
                place, load_groups(code, dtype, pointer, span.width, place.group, self._spread_mask(run, live))
            )
        else:
            masked = mask is not None
            value = load_apart(
                code, dtype, self.writing.addresses.each(place, self.level, span, masked), live if masked else None
            )
        return value if chosen is None else self.lanes.select(dtype_name(dtype), chosen, value, fill)

    def _one(self, place: Place) -> str:
        return self.code.offset(
            memory_type(place.dtype), self.writing.addresses.first(place, self.level), str(place.part)
        )

    def _read_same(self, place: Place, chosen: str | None, fill: str) -> str:
        """One element for all lanes, read if any of them wants it."""
        wanted = None if chosen is None else self.lanes.any(chosen)
        name = dtype_name(place.dtype)
        one = load_one(self.code, place.dtype, self._one(place), wanted, self.code.scalar.const(name, 0))
        value = splat(self.code, self.code.scalar.ty(name), self.span.width, one)
        return value if chosen is None else self.lanes.select(name, chosen, value, fill)

    def _load_ahead(self, instructions: Sequence[Instr]) -> None:
        """Read all runs of adjacent elements that no instruction of this turn writes before they are read."""
        written: set[Buffer] = {i.buffer.root for i in instructions if isinstance(i, Scatter)}
        places: dict[Place, None] = {}
        for instr in instructions:
            if isinstance(instr, Store):
                written.add(instr.buffer.root)
            in_memory = (
                isinstance(instr, Reduce) and id(instr) not in self.body.totals and not self.body.stored_whole(instr)
            )
            if in_memory or (isinstance(instr, Load) and instr.mask is None and id(instr) in self.body.places):
                place = self.body.places[id(instr)]
                if place.contiguous and place.root not in written:
                    places[place] = None
        if not places:
            return
        wide: dict[tuple[object, ...], list[Place]] = {}
        for place in places:
            wide.setdefault(_run_of(place), []).append(place)
        runs = self._load_runs([members[0] for members in wide.values()])
        for members, run in zip(wide.values(), runs, strict=True):
            for place in members:
                self.runs[place] = self._parts(place, run)

    def _load_runs(self, places: Sequence[Place]) -> list[str]:
        runs = [self._locate(place) for place in places]
        width = self.span.width

        def load(masked: bool) -> list[str]:
            return [
                load_groups(self.code, r.dtype, r.pointer, width, r.group, self._span_mask(r) if masked else None)
                for r in runs
            ]

        if self.span.full is None:
            return load(self.span.mask is not None)
        types = [self.code.lanes(lanes_of_groups(width, r.group)).ty(dtype_name(r.dtype)) for r in runs]
        return self.code.either(self.span.full, lambda: load(False), lambda: load(True), types)

    def _locate(self, place: Place) -> _Run:
        pointer = self.writing.addresses.first(place, self.level)
        backwards = place.group == 1 and place.step == -1
        if backwards:
            pointer = self.code.offset(memory_type(place.dtype), pointer, str(1 - self.span.width))
        return _Run(place.dtype, pointer, place.group, backwards)

    def _span_mask(self, run: _Run) -> str:
        """The live lanes of a partial span as a mask of the run."""
        if run.group == 1 and self.span.mask is not None:
            mask = self.span.mask
        else:
            mask = lane_mask(self.code, self.span.width, self.span.count, run.group)
        return reversed_lanes(self.code, "i1", self.span.width, mask) if run.backwards else mask

    def _spread_mask(self, run: _Run, mask: str) -> str:
        """A mask of lanes as a mask of the run."""
        if run.backwards:
            return reversed_lanes(self.code, "i1", self.span.width, mask)
        return mask if run.group == 1 else repeated_lanes(self.code, "i1", self.span.width, mask, run.group)

    def _parts(self, place: Place, run: str) -> str:
        """The lanes' own elements of a run."""
        type, width = self.code.scalar.ty(dtype_name(place.dtype)), self.span.width
        if place.group > 1:
            return part_of_run(self.code, type, width, run, place.group, place.part)
        return reversed_lanes(self.code, type, width, run) if place.step == -1 else run

    # ---- writing

    def write(self, place: Place, value: str, mask: Value | None = None) -> None:
        """Store the lanes' values where the mask holds."""
        if place.root.shape == () and not self.writing.write_register(
            place, value, None if mask is None else self.operand(mask)
        ):
            return
        if mask is None:
            self.stored[place] = value
        else:
            self.stored.pop(place, None)
        if self.span.width > 1 and place.contiguous:
            self.pending.append((place, value, mask))
        else:
            self._store(place, value, None if mask is None else self.operand(mask))

    def _store(self, place: Place, value: str, chosen: str | None) -> None:
        if self.span.width == 1:
            store_one(self.code, place.dtype, self._one(place), value, chosen)
            return
        live = combined_mask(self.code, self.span.width, chosen, self.span.mask)
        pointers = self.writing.addresses.each(place, self.level, self.span, live is not None)
        store_apart(self.code, place.dtype, pointers, value, live)

    def finish(self) -> None:
        """Store what is adjacent: the parts of groups joined, and all runs without a mask of their own together."""
        pending, self.pending = self.pending, []
        plain: list[tuple[_Run, str]] = []
        groups: dict[tuple[tuple[object, ...], Value | None], dict[int, tuple[Place, str]]] = {}
        for place, value, mask in pending:
            groups.setdefault((_run_of(place), mask), {})[place.part] = (place, value)
        for (_, mask), parts in groups.items():
            place, value = next(iter(parts.values()))
            chosen = None if mask is None else self.operand(mask)
            if len(parts) < place.group:
                for part in parts.values():
                    self._store(*part, chosen)
                continue
            type = self.code.scalar.ty(dtype_name(place.dtype))
            if place.group > 1:
                value = interleaved(self.code, type, self.span.width, [parts[k][1] for k in range(place.group)])
            elif place.step == -1:
                value = reversed_lanes(self.code, type, self.span.width, value)
            run = self._locate(place)
            if chosen is None:
                plain.append((run, value))
            else:
                live = combined_mask(self.code, self.span.width, chosen, self.span.mask)
                assert live is not None
                store_groups(
                    self.code, run.dtype, run.pointer, self.span.width, run.group, value, self._spread_mask(run, live)
                )
        if plain:
            self._store_runs(plain)

    def _store_runs(self, runs: Sequence[tuple[_Run, str]]) -> None:
        def store(masked: bool) -> list[str]:
            for run, value in runs:
                mask = self._span_mask(run) if masked else None
                store_groups(self.code, run.dtype, run.pointer, self.span.width, run.group, value, mask)
            return []

        if self.span.full is None:
            store(self.span.mask is not None)
        else:
            self.code.either(self.span.full, lambda: store(False), lambda: store(True), [])

    # ---- accumulating

    def _reduce(self, instr: Reduce) -> None:
        value = self.operand(instr.value)
        accumulator = self.body.totals.get(id(instr))
        if accumulator is not None:
            accumulator.include(self.code, value, self.span.mask)
        else:
            self.write_reduced(instr, value)

    def write_reduced(self, instr: Reduce, value: str) -> None:
        """Store a total, or accumulate it into memory where loops outside still add to it."""
        place = self.body.places[id(instr)]
        if not self.body.stored_whole(instr):
            before = self.runs[place] if place in self.runs else self.read(place, None, "")
            value = accumulate(self.code.sums(self.span.width), instr.op, place.dtype, before, value)
        self.write(place, value)

    def _scatter(self, instr: Scatter) -> None:
        """In order: what one point writes, the next may read."""
        self.finish()
        place, value = self.body.places[id(instr)], self.operand(instr.value)
        if instr.op != "set":
            value = accumulate(self.lanes, instr.op, place.dtype, self.read(place, None, ""), value)
        self.write(place, value)
        self.stored.clear()
        self.finish()


def _run_of(place: Place) -> tuple[object, ...]:
    """What parts of one group have in common."""
    return place.root, place.offset, place.start, place.terms, place.group


def _is_at_data(instr: Instr) -> bool:
    """Whether an instruction accesses an element at an index that is data."""
    return isinstance(instr, Load | Store | Reduce | Scatter) and any(
        isinstance(atom, Value) for affine in instr.index for atom, _ in affine.terms
    )
