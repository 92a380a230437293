"""A loop nest and all that is decided about it before a line of it is written: how wide its vectors are, which of its
loops are written out, which versions its innermost loop has.
"""

from __future__ import annotations

from functad.kernel_ir.nodes import Check, Compute, Load, Reduce, Scatter, Store
from functad.lower.emit.body import Body
from functad.lower.emit.nest import Nest, linear
from functad.lower.emit.regions import find_regions
from functad.lower.llvm.target import Target

__all__ = ["LoopNest"]

HEAVY = 48
"""A body of more instructions than this is written once, whatever its loop."""

WRITTEN_OUT = 16
"""Loops of at most this many turns in all are written out, where that gives no more instructions than ``LONG``."""

LONG = 600


class LoopNest:
    """A nest, ready to be written for a target."""

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

    def accumulated(self, axis: int | None) -> list[Reduce]:
        """The reductions that accumulate in memory, but for those that blocks along an axis have in common."""
        reductions = [i for i in self.instructions if isinstance(i, Reduce) and not self.body.stored_whole(i)]
        return [i for i in reductions if axis is None or linear(i.buffer, i.index).scale(axis) == 0]
