"""Addresses: where the element that an instruction reads or writes is, computed as far out of the loops as its indices
allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from functad.kernel_ir.nodes import Buffer, Load, Reduce, Scatter, Store, Value
from functad.kernel_ir.sizes import Poly
from functad.lower.emit.code import Code, memory_type
from functad.lower.emit.memory import Span, splat
from functad.lower.emit.nest import Linear, linear

__all__ = ["Addresses", "Place"]

Atom = int | Value
NOTHING = Poly({})


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an access in memory, its terms sorted by the loop that decides them.

    ``terms[k + 1]`` change with loop k (``terms[0]`` before the loops); ``lanes`` with the lanes, beside ``step``, the
    distance from lane to lane. Of a group of adjacent elements (the parts of a complex number) this is element
    ``part``; a group that is not split has ``group`` 1.
    """

    root: Buffer
    dtype: np.dtype
    offset: int
    start: Poly
    terms: tuple[tuple[tuple[Atom, Poly], ...], ...]
    lanes: tuple[tuple[Value, Poly], ...]
    step: Poly
    group: int
    part: int

    @staticmethod
    def of(instr: Load | Store | Reduce | Scatter, loops: int, vector: int | None, depth: Mapping[Value, int]) -> Place:
        """The place that an instruction of a nest of ``loops`` loops accesses."""
        if not instr.index:
            return Place(instr.buffer.root, instr.buffer.dtype, 0, NOTHING, ((),) * (loops + 1), (), NOTHING, 1, 0)
        place = linear(instr.buffer, instr.index)
        constant = dict(place.offset.terms).get((), 0)
        terms: list[list[tuple[Atom, Poly]]] = [[] for _ in range(loops + 1)]
        lanes = []
        for atom, scale in place.terms:
            if isinstance(atom, int):
                terms[atom + 1].append((atom, scale))
            elif vector is not None and depth[atom] >= vector:
                lanes.append((atom, scale))
            else:
                terms[depth[atom] + 1].append((atom, scale))
        step = NOTHING if vector is None else place.scale(vector)
        group, part = _group(instr, place, step, bool(lanes))
        key = tuple(tuple(level) for level in terms)
        return Place(
            instr.buffer.root,
            instr.buffer.dtype,
            constant - part,
            place.offset - constant,
            key,
            tuple(lanes),
            step,
            group,
            part,
        )

    @property
    def contiguous(self) -> bool:
        """Whether the lanes are one run of memory, forwards or backwards, with or without other elements of their
        groups between them.
        """
        return not self.lanes and (self.group > 1 or self.step in (1, -1))

    @property
    def varies(self) -> bool:
        """Whether lanes differ in their address at all."""
        return bool(self.lanes) or self.step != 0


def _group(instr: Load | Store | Reduce | Scatter, place: Linear, step: Poly, scattered: bool) -> tuple[int, int]:
    shape = instr.buffer.shape
    if len(shape) != 2 or scattered or step != shape[1] or isinstance(instr, Scatter):
        return 1, 0
    group, part = shape[1].constant, instr.index[1].offset.constant
    assert group is not None and part is not None
    return group, part


class Addresses:
    """Addresses of places, as of now: ``index`` holds the loops' current indices, ``shift`` what to add to that of the
    vector axis.
    """

    def __init__(
        self, code: Code, pointers: Mapping[Buffer, str], values: Mapping[Value, str], loops: int, vector: int | None
    ) -> None:
        self.code = code
        self.pointers = pointers
        self.values = values
        self.vector = vector
        self.index: list[str] = [""] * loops
        self.shift = 0
        self._known: list[dict[object, tuple[str, int]]] = [{} for _ in range(loops + 1)]

    def enter(self, level: int) -> None:
        """A new turn of a loop: what was known inside of it no longer holds."""
        self._known[level + 1].clear()

    def prepare(self, place: Place, level: int) -> tuple[str, int]:
        """The address as far as the loops up to ``level`` decide it: a pointer, and a number of elements that is still
        to be added.
        """
        known = self._known[level + 1]
        key = (place.root, place.start, place.terms[: level + 2])
        found = known.get(key)
        if found is None:
            found = known[key] = self._advance(place, level)
        return found

    def _advance(self, place: Place, level: int) -> tuple[str, int]:
        code, type = self.code, memory_type(place.dtype)
        if level < 0:
            pointer, offset = code.offset(type, self.pointers[place.root], code.size(place.start)), 0
        else:
            pointer, offset = self.prepare(place, level - 1)
        for atom, scale in place.terms[level + 1]:
            position = self.index[atom] if isinstance(atom, int) else self.values[atom]
            if position[0] != "%" and scale.constant is not None:
                offset += int(position) * scale.constant
            else:
                pointer = code.offset(type, pointer, code.mul(position, code.size(scale)))
        return pointer, offset

    def first(self, place: Place, level: int) -> str:
        """The address of the first lane, or of the group that it is in."""
        pointer, offset = self.prepare(place, level)
        offset += place.offset
        type = memory_type(place.dtype)
        if self.shift:
            if place.step.constant is None:
                pointer = self.code.offset(type, pointer, self.code.size(place.step * self.shift))
            else:
                offset += place.step.constant * self.shift
        return self.code.offset(type, pointer, str(offset))

    def each(self, place: Place, level: int, span: Span, masked: bool) -> list[str]:
        """The address of every lane. Lanes that do not exist get that of one that does, unless the access is ``masked``
        anyway.
        """
        code, type = self.code, memory_type(place.dtype)
        first = code.offset(type, self.first(place, level), str(place.part))
        if place.lanes:
            offsets = self._lane_offsets(place, span, masked)
            ty = f"<{span.width} x i64>"
            return [
                code.offset(type, first, code.emit(f"extractelement {ty} {offsets}, i64 {k}"))
                for k in range(span.width)
            ]
        pointers = [first]
        for lane in range(1, span.width):
            if span.mask is None or masked:
                moved = code.size(place.step * lane)
            else:
                moved = code.mul(code.minimum(str(lane), code.sub(span.count, "1")), code.size(place.step))
            pointers.append(code.offset(type, first, moved))
        return pointers

    def _lane_offsets(self, place: Place, span: Span, masked: bool) -> str:
        code, lanes = self.code, self.code.lanes(span.width)
        total = ""
        for value, scale in place.lanes:
            term = self.values[value]
            if term[0] != "%":  # known in this version of the body
                term = splat(code, "i64", span.width, term)
            if scale != 1:
                term = lanes.imul("i64", term, splat(code, "i64", span.width, code.size(scale)))
            total = lanes.iadd("i64", total, term) if total else term
        if place.step != 0:
            numbers = "<" + ", ".join(f"i64 {lane}" for lane in range(span.width)) + ">"
            steps = lanes.imul("i64", numbers, splat(code, "i64", span.width, code.size(place.step)))
            total = lanes.iadd("i64", total, steps)
        if span.mask is not None and not masked:
            live = code.emit(f"extractelement {lanes.ty('i64')} {total}, i64 0")
            total = lanes.select("i64", span.mask, total, splat(code, "i64", span.width, live))
        return total
