"""The body of a nest, sorted by the loop that each instruction is written in, and what is decided about it before a
line is written.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

from functad.kernel_ir.nodes import Check, Compute, Const, Instr, Load, Reduce, Scan, Scatter, Store, Value
from functad.kernel_ir.rewrite import operands
from functad.kernel_ir.sizes import poly, product
from functad.lower.emit.access import Place
from functad.lower.emit.nest import Nest, linear
from functad.lower.emit.operations import cost
from functad.lower.emit.reduce import Accumulator

__all__ = ["Body"]

Access = Load | Store | Reduce | Scatter


class Body:
    """``levels[k + 1]`` are the instructions of loop k, ``places`` where they read or write, ``totals`` the registers
    in which they accumulate.
    """

    def __init__(self, nest: Nest, width: int) -> None:
        self.nest = nest
        self.width = width
        self.last = len(nest.axes) - 1
        self.constants: dict[Value, object] = {}
        self.levels: list[list[Instr]] = [[] for _ in range(self.last + 2)]
        self.places: dict[int, Place] = {}
        self.accumulators: list[Accumulator] = []
        self.totals: dict[int, Accumulator] = {}
        for instr in nest.kernel.body:
            self._sort(instr)
        self.deeper = [
            list(
                dict.fromkeys(
                    self.places[id(i)] for later in self.levels[level + 1 :] for i in later if id(i) in self.places
                )
            )
            for level in range(len(self.levels))
        ]
        self.scans = [i for i in nest.kernel.body if isinstance(i, Scan)]
        self.whole_stores = self._find_whole_stores()
        self.weight = self._weight()
        masked = [i for i in nest.kernel.body if isinstance(i, Load) and i.mask is not None]
        self.far = {self.places[id(i)] for i in masked if not self._near(i)}

    def innermost(self, pairs: Iterable[tuple[Instr, Instr]]) -> Body:
        """A version of this body whose innermost loop has some other instructions, given with those that they stand
        for.
        """
        here = set(map(id, self.levels[-1]))
        version = copy.copy(self)
        version.constants, version.places, version.totals = dict(self.constants), dict(self.places), dict(self.totals)
        version.whole_stores = set(self.whole_stores)
        version.levels = [*self.levels[:-1], []]
        for instr, origin in pairs:
            if isinstance(instr, Const):
                version.constants[instr.out] = instr.value
            if id(origin) not in here:
                continue
            version.levels[-1].append(instr)
            if isinstance(instr, Access):
                version.places[id(instr)] = self.places[id(origin)]
            if id(origin) in self.totals:
                version.totals[id(instr)] = self.totals[id(origin)]
            if id(origin) in self.whole_stores:
                version.whole_stores.add(id(instr))
        version.weight = version._weight()
        return version

    def _sort(self, instr: Instr) -> None:
        level = self._level(instr)
        self.levels[level + 1].append(instr)
        if isinstance(instr, Const):
            self.constants[instr.out] = instr.value
        if isinstance(instr, Access):
            self.places[id(instr)] = Place.of(instr, self.last + 1, self.nest.vector, self.nest.depth)
        if isinstance(instr, Reduce) and (scope := self._scope(instr)) < self.last:
            accumulator = self.totals[id(instr)] = Accumulator(instr, scope, self.last)
            self.accumulators.append(accumulator)

    def _level(self, instr: Instr) -> int:
        if isinstance(instr, Store | Reduce | Scatter):
            return self.last
        if isinstance(instr, Check):
            return max(self.nest.depth[v] for v in operands(instr))
        return self.nest.depth[instr.out]  # type: ignore[attr-defined]

    def _scope(self, instr: Reduce) -> int:
        """The innermost loop whose index the result has."""
        return max((atom for a in instr.index for atom, _ in a.terms if isinstance(atom, int)), default=-1)

    def _weight(self) -> int:
        """About the instructions of the innermost loop; elements that lie apart are moved lane by lane."""
        body = self.levels[-1]
        computing = sum(cost(i.op, i.args[-1].dtype) for i in body if isinstance(i, Compute))
        places = [self.places[id(i)] for i in body if id(i) in self.places]
        return computing + sum(
            2 * self.width for place in places if self.width > 1 and place.varies and not place.contiguous
        )

    def _near(self, instr: Load) -> bool:
        """Whether no point's element lies more than some elements, or rows, beside the array: less than grows with the
        array itself.
        """
        place, size = linear(instr.buffer, instr.index), product(instr.buffer.shape)
        first, last = place.offset, place.offset - size
        for atom, scale in place.terms:
            if not isinstance(atom, int):
                return False
            span = scale * (self.nest.axes[atom] - 1)
            forwards = all(coefficient > 0 for _, coefficient in scale.terms)
            first, last = (first, last + span) if forwards else (first + span, last)
        return all(p.constant is not None or p.degree < size.degree for p in (first, last))

    def splats(self) -> set[Value]:
        """The values from outside of the vector loop that are used inside of it, constants apart."""
        vector, depth = self.nest.vector, self.nest.depth
        if vector is None:
            return set()
        used = {v for level in self.levels[vector + 1 :] for i in level for v in operands(i)}
        return {v for v in used if -1 <= depth[v] < vector} - self.constants.keys()

    # ---- reductions that need not accumulate in memory

    def _find_whole_stores(self) -> set[int]:
        found: set[int] = set()
        reductions = [i for i in self.nest.kernel.body if isinstance(i, Reduce)]
        for root in {i.buffer.root: None for i in reductions}:
            own = [i for i in reductions if i.buffer.root is root]
            elements = poly(0)
            for instr in own:
                elements = elements + product(self.nest.axes[: self._scope(instr) + 1])
            if elements == product(root.shape) and all(map(self._separate, own)):
                found.update(map(id, own))
        return found

    def _separate(self, instr: Reduce) -> bool:
        """Whether the loops outside of a result's scope, and no others, each run through elements of their own."""
        plain = [a.terms[0][0] for a in instr.index if len(a.terms) == 1]
        mentioned = {atom for atom, _ in linear(instr.buffer, instr.index).terms}
        return len(plain) == sum(bool(a.terms) for a in instr.index) and mentioned == set(range(self._scope(instr) + 1))

    def stored_whole(self, instr: Reduce) -> bool:
        """Whether a result need only be stored: no loop outside of its scope reduces, and no element of the buffer goes
        without.
        """
        return id(instr) in self.whole_stores
