"""Where a part of an array is, axis by axis: all of an axis, a window of traced bounds, or where a mask holds.

The array itself is whole, so that two parts at the same place need not be moved to meet element by element. A mask has
several axes of the array, and is one axis of the part.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.handles import snapshot
from functad.core.integers import identity_of, made_of
from functad.core.primitive import type_of
from functad.core.tracer import Tracer
from functad.numpy.operands import cast
from functad.numpy.ragged.sizes import Size, fixed
from functad.primitives import arithmetic
from functad.primitives.bitwise import bit_and
from functad.primitives.broadcasting import broadcast, reduce_sum
from functad.primitives.comparison import eq, ge, lt
from functad.primitives.gather import gather_p
from functad.primitives.generate import iota
from functad.primitives.rounding import floor_divide, remainder
from functad.primitives.selection import clip, select

__all__ = ["Chosen", "Plain", "Region", "Window", "holds", "inside", "moved", "same_place"]

INT64 = np.dtype(np.int64)


class Plain:
    """All elements of an axis of the array."""

    __slots__ = ("n",)
    width = 1  # axes of the array

    def __init__(self, n: int) -> None:
        self.n = n

    @property
    def length(self) -> Size:
        """How many elements of the part there are."""
        return fixed(self.n)


class Window:
    """The elements ``start, start + step, ...`` of an axis of n elements, so many.

    ``short`` says that these are all n, unless the slice reached beyond the end of its array: ``x[i:i+3]``.
    """

    __slots__ = ("length", "n", "short", "start", "step")
    width = 1

    def __init__(self, n: int, start: Size, length: Size, step: int = 1, short: bool = False) -> None:
        self.n, self.start, self.length, self.step, self.short = n, start, length, step, short

    def position(self, index: Size) -> Size:
        """Where in the array an element of the part is."""
        return self.start + index.times(self.step)


class Chosen:
    """The elements where a mask holds, in order."""

    __slots__ = ("_length", "key", "mask")

    def __init__(self, mask: Tracer) -> None:
        self.mask = snapshot(mask)  # it may be written to
        self.key = identity_of(mask)
        self._length: Size | None = None

    @property
    def width(self) -> int:
        """How many axes of the array it has."""
        return self.mask.ndim

    @property
    def length(self) -> Size:
        """How many elements there are."""
        if self._length is None:
            count = reduce_sum(cast(self.mask, INT64), range(self.mask.ndim))
            self._length = Size(count, made_of(("count", self.key, prod(self.mask.shape))))
        return self._length


Region = Plain | Window | Chosen


def same_place(a: Region, b: Region) -> bool:
    """Whether two parts of an axis are surely at the same place of equally long axes."""
    if isinstance(a, Plain) and isinstance(b, Plain):
        return a.n == b.n
    if isinstance(a, Window) and isinstance(b, Window):
        return a.n == b.n and a.step == b.step and a.start.equals(b.start) and a.length.equals(b.length)
    return isinstance(a, Chosen) and isinstance(b, Chosen) and a.key == b.key


# -- masks -------------------------------------------------------------------------------------------------------------


def holds(regions: Sequence[Region], shape: Sequence[int]) -> Any:
    """Whether an element of an array of this shape is in the part; None: all are."""
    found: Any = None
    axis = 0
    for region in regions:
        for condition in _conditions(region, tuple(shape), axis):
            found = condition if found is None else bit_and(found, condition)
        axis += region.width
    return found


def _conditions(region: Region, shape: tuple[int, ...], axis: int) -> list[Any]:
    if isinstance(region, Chosen):
        return [broadcast(region.mask, shape, range(axis, axis + region.width))]
    if isinstance(region, Plain) or (region.start.known == 0 and region.step == 1 and region.length.known == region.n):
        return []
    place, found = iota(shape, INT64, axis), []
    if region.start.known != 0:
        found.append(ge(place, region.start.atom))
    end = region.start + region.length.times(region.step)
    if not end.is_at_least(region.n):
        found.append(lt(place, end.atom))
    if region.step > 1:
        found.append(eq(remainder(arithmetic.sub(place, region.start.atom), np.int64(region.step)), np.int64(0)))
    return found


def inside(x: Any, regions: Sequence[Region], otherwise: Any) -> Any:
    """The array with a number in place of what is not in the part."""
    mask = holds(regions, type_of(x).shape)
    return x if mask is None else select(mask, x, type_of(x).dtype.type(otherwise))


# -- from one place to another -----------------------------------------------------------------------------------------


def moved(x: Any, axis: int, source: Plain | Window, target: Plain | Window) -> Any:
    """The array with an axis of ``target.n`` elements, where those of the part are at the target's place; what lies
    elsewhere is anything.
    """
    shape = type_of(x).shape
    new = (*shape[:axis], target.n, *shape[axis + 1 :])
    if not shape[axis]:
        return broadcast(type_of(x).dtype.type(0), new, ())
    place = iota((target.n,), INT64, 0)
    start, step = (fixed(0), 1) if isinstance(source, Plain) else (source.start, source.step)
    first, by = (fixed(0), 1) if isinstance(target, Plain) else (target.start, target.step)
    if by == 1:
        shift = start - first.times(step)
        index = arithmetic.mul(place, np.int64(step)) if step != 1 else place
    else:
        number = floor_divide(arithmetic.sub(place, first.atom), np.int64(by))
        shift, index = start, arithmetic.mul(number, np.int64(step))
    index = arithmetic.add(index, shift.atom) if shift.known != 0 else index
    index = clip(index, np.int64(0), np.int64(shape[axis] - 1))
    lead = shape[:axis]
    return gather_p.bind(x, broadcast(index, (*lead, target.n), (axis,)), batch=axis)
