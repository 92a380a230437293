"""The loop along the vector axis, which runs in strips of ``width`` points.

A light body is written as a main loop of whole vectors (several at a time) and a masked rest; a heavy one once, in a
loop whose last turn may be partial. Where masks hold in regions (``regions``), each version of the body has a main
loop, and the body with masks is written once for the strips between: strips begin at the same points as they would
without regions, and those that a region does not contain whole are not of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from functad.kernel_ir.conditions import Condition
from functad.kernel_ir.lines import Carried
from functad.kernel_ir.nodes import Affine
from functad.lower.emit.memory import Span, lane_mask
from functad.lower.emit.reduce import BLOCK, Accumulator
from functad.lower.emit.regions import Region
from functad.lower.emit.writing import Writing

__all__ = ["Strips"]

NOWHERE = str(2**63 - 1)
"""Where an empty region starts."""


class Strip(Protocol):
    """Writes one vector of points along an axis, ``shift`` points after the index."""

    def __call__(self, axis: int, index: str, span: Span, shift: int = 0) -> None: ...


class Strips:
    """Writes the loop along ``axis``, which is that of the vectors, ``strip`` by strip; ``totals`` are those of the
    ``carried`` values that it accumulates.
    """

    def __init__(self, writing: Writing, axis: int, carried: Sequence[Carried], strip: Strip) -> None:
        self.writing = writing
        self.nest = writing.nest
        self.code = writing.code
        self.axis = axis
        self.width = self.nest.width
        self.carried = carried
        self.strip = strip
        self.totals = [a for a in carried if isinstance(a, Accumulator) and a.depth >= axis]

    def run(self, low: str, high: str) -> None:
        """All strips from ``low`` to ``high``, block by block if a sum needs it."""
        length = self.nest.axes[self.axis].constant
        if not any(a.rounds for a in self.totals) or (length is not None and length <= 2 * BLOCK):
            self._block(low, high)
            return
        with self.code.loop(low, high, BLOCK, self.carried) as start:
            end = self.code.minimum(self.code.add(start, str(BLOCK)), high)
            outer = [a.name for a in self.totals]
            for a in self.totals:
                a.name = a.start(self.code)
            self._block(start, end)
            for a, name in zip(self.totals, outer, strict=True):
                a.name = a.combine(self.code, name, a.name)

    def _block(self, low: str, high: str) -> None:
        known = low[0] != "%" and high[0] != "%"
        length = int(high) - int(low) if known else 0
        if self.axis in self.nest.written_out:
            self._whole(low, length // self.width)
            self._rest(str(int(low) + length - length % self.width), high)
        elif self.nest.regions:
            self._by_regions(low, high)
        elif self.nest.compact:
            self._either(low, high, known and length % self.width == 0)
        else:
            copies = self._copies()
            middle = self._main(low, high, copies)
            if known:
                start = int(middle)
                self._whole(middle, (int(high) - start) // self.width)
                self._rest(str(int(high) - (int(high) - start) % self.width), high)
            else:
                with self.code.when(self.code.emit(f"icmp slt i64 {middle}, {high}"), self.carried):
                    if copies == 1:
                        self._rest(middle, high)
                    else:
                        self._either(middle, high, False)

    # ---- one body everywhere

    def _copies(self) -> int:
        """How many vectors a turn of the main loop takes: more where a light body waits for its own accumulator."""
        weight = self.writing.body.weight
        if weight <= 8:
            return 4 if self.totals else 2
        return 2 if self.totals and weight <= 20 else 1

    def _main(self, low: str, high: str, copies: int) -> str:
        """The loop over whole vectors, ``copies`` at a time; the index where it ends."""
        code, step = self.code, self.width * copies
        length = code.sub(high, low)
        count = str(int(length) // step * step) if length[0] != "%" else code.emit(f"and i64 {length}, {-step}")
        middle = code.add(low, count)
        if count == "0":
            return low
        if count[0] != "%":
            self._copied_loop(low, middle, copies)
        else:
            with code.when(code.emit(f"icmp slt i64 {low}, {middle}"), self.carried):
                self._copied_loop(low, middle, copies)
        return middle

    def _copied_loop(self, low: str, high: str, copies: int) -> None:
        """Each copy of the body has accumulators of its own, which are combined after the loop."""
        code = self.code
        others = [[Carried(a.type, a.start(code)) for a in self.totals] for _ in range(copies - 1)]
        with (
            code.loop(low, high, self.width * copies, [*self.carried, *(c for copy in others for c in copy)]) as index,
            self.writing.together(),
        ):
            self.strip(self.axis, index, Span(self.width))
            for copy, own in enumerate(others, 1):
                firsts = [a.name for a in self.totals]
                for a, c in zip(self.totals, own, strict=True):
                    a.name = c.name
                self.strip(self.axis, index, Span(self.width), copy * self.width)
                for a, c, name in zip(self.totals, own, firsts, strict=True):
                    c.name, a.name = a.name, name
        for own in others:
            for a, c in zip(self.totals, own, strict=True):
                a.name = a.combine(code, a.name, c.name)

    def _whole(self, low: str, vectors: int) -> None:
        """A few whole vectors, written out; ``low`` is known."""
        for k in range(vectors):
            self.strip(self.axis, str(int(low) + k * self.width), Span(self.width))

    def _rest(self, low: str, high: str) -> None:
        """A partial vector, unless it is known to be empty."""
        count = self.code.sub(high, low)
        if count != "0":
            self.strip(self.axis, low, Span(self.width, lane_mask(self.code, self.width, count), count))

    def _either(self, low: str, high: str, whole: bool) -> None:
        """A loop that takes whole vectors and a partial one at the end."""
        code = self.code
        with code.loop(low, high, self.width, self.carried) as index:
            span = Span(self.width)
            if not whole:
                left = code.sub(high, index)
                full = code.emit(f"icmp sge i64 {left}, {self.width}")
                count = code.minimum(left, str(self.width))
                span = Span(self.width, lane_mask(code, self.width, count), count, full)
            self.strip(self.axis, index, span)

    # ---- versions of the body

    def _by_regions(self, low: str, high: str) -> None:
        """In turn: strips of no region, up to where one starts, and the strips of that one."""
        code = self.code
        versions = []
        for region in self.nest.regions:
            with self.writing.version(region.body):
                copies = self._copies()
            versions.append((region.body, copies, *self._range(region, low, high, self.width * copies)))
        place = Carried("i64", low)
        with code.repeat([place, *self.carried]) as again:
            end = high
            for _, _, start, _ in versions:
                ahead = code.emit(f"icmp sge i64 {start}, {place.name}")
                end = code.scalar.select("i64", ahead, code.minimum(end, start), end)
            with code.when(code.emit(f"icmp slt i64 {place.name}, {end}"), self.carried):
                self._either(place.name, end, False)
            place.name = end
            for body, copies, start, stop in versions:
                with code.when(code.emit(f"icmp eq i64 {place.name}, {start}"), [place, *self.carried]):
                    with self.writing.version(body):
                        self._copied_loop(start, stop, copies)
                    place.name = stop
            again(code.emit(f"icmp slt i64 {place.name}, {high}"))

    def _range(self, region: Region, low: str, high: str, step: int) -> tuple[str, str]:
        """The whole strips of a region, ``step`` points at a time: where they start (``NOWHERE`` if there is none) and
        stop.
        """
        code = self.code
        start, stop, some = low, high, ""
        for condition in region.conditions:
            along = next((scale.constant for atom, scale in condition.terms if atom == self.axis), 0)
            rest = Affine(condition.offset, [(atom, scale) for atom, scale in condition.terms if atom != self.axis])
            if along == 1:  # i + rest >= 0
                start = code.maximum(start, self._number(rest * -1))
            elif along == -1:  # rest - i >= 0
                stop = code.minimum(stop, self._number(rest + 1))
            else:
                holds = code.emit(f"icmp sge i64 {self._number(rest)}, 0")
                some = code.scalar.iand("bool", some, holds) if some else holds
        skipped = code.add(code.sub(start, low), str(self.width - 1))
        start = code.add(low, code.emit(f"and i64 {skipped}, {-self.width}"))
        length = code.emit(f"and i64 {code.sub(stop, start)}, {-step}")
        positive = code.emit(f"icmp sgt i64 {length}, 0")
        some = code.scalar.iand("bool", some, positive) if some else positive
        return code.scalar.select("i64", some, start, NOWHERE), code.add(start, length)

    def _number(self, affine: Condition) -> str:
        """The value of an affine expression of the loops around."""
        total = self.code.size(affine.offset)
        for atom, scale in affine.terms:
            assert isinstance(atom, int)
            total = self.code.add(total, self.code.mul(self.writing.addresses.index[atom], self.code.size(scale)))
        return total
