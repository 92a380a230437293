"""``range`` with a bound whose value is not known."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from functad.core.integers import Affine, affine_of, number
from functad.core.tracer import PYTHON, Tracer
from functad.front.branches import is_unknown
from functad.front.values import described
from functad.numpy.dispatch import stands_for
from functad.numpy.operands import cast, whole
from functad.numpy.ragged.methods import len_
from functad.numpy.ragged.regions import Window
from functad.numpy.ragged.value import Ragged
from functad.numpy.traced import here
from functad.primitives.arithmetic import add, sub
from functad.primitives.check import Failure, check
from functad.primitives.comparison import gt, lt, ne
from functad.primitives.rounding import absolute, floor_divide
from functad.primitives.selection import minimum, select

__all__ = ["TracedRange", "counted"]

INT64, UINT64 = np.dtype(np.int64), np.dtype(np.uint64)

LARGEST = np.uint64(np.iinfo(np.int64).max)


class TracedRange:
    """``range`` with a bound whose value is not known: a loop goes over it, and nothing else."""

    def __init__(self, start: Any, stop: Any, step: Any) -> None:
        self.start, self.stop, self.step = start, stop, step

    @property
    def bounds(self) -> tuple[Any, Any, Any]:
        """Start, stop and step."""
        return self.start, self.stop, self.step

    def __iter__(self) -> Iterator[Any]:
        bound = next(x for x in (self.stop, self.start, self.step) if is_unknown(x))
        bound.__index__()  # raises
        raise AssertionError

    def at(self, index: Any) -> Any:
        """The number at an index."""
        return self.start + index * self.step

    def last(self) -> Affine | None:
        """The greatest index, where it is affine: start + step * index lies before the end."""
        start, stop, step = [affine_of(x) if type(x) is Tracer else number(x) for x in self.bounds]
        if not step.fixed:
            return None
        by = step.fixed
        return stop.plus(start, -1).plus(number(1 if by > 0 else -1), -1).times(Fraction(1, by))

    def count(self, exact: bool) -> Any:
        """How many numbers there are, as int64.

        In steps of 1 that is stop - start, unless it is more than 2**63: a loop that goes over all of them never ends,
        so that it matters to one that may end before (``exact``), and to larger steps.
        """
        if not exact and type(self.step) is int and self.step == 1:
            from_zero = type(self.start) is int and self.start == 0
            return cast(self.stop if from_zero else self.stop - self.start, INT64)
        start, stop, step = [cast(x, INT64) for x in self.bounds]
        up = gt(step, np.int64(0))
        low, high = select(up, start, stop), select(up, stop, start)
        # the distance is less than 2**64: exact in unsigned numbers, whose differences wrap around
        between = sub(sub(cast(high, UINT64), cast(low, UINT64)), np.uint64(1))
        steps = add(floor_divide(between, cast(absolute(step), UINT64)), np.uint64(1))
        return select(lt(low, high), cast(minimum(steps, LARGEST), INT64), np.int64(0))


class TracedItems(TracedRange):
    """The elements of a slice with traced bounds, along its first axis."""

    def __init__(self, part: Ragged) -> None:
        super().__init__(0, len_(part), 1)
        self.part: Any = part

    def at(self, index: Any) -> Any:
        return self.part[index]


def counted(items: Any) -> Any:
    """What a loop goes over: of a slice whose length is traced, so many elements."""
    unknown = type(items) is Ragged and items._regions and isinstance(items._regions[0], Window)
    return TracedItems(items) if unknown and type(len_(items)) is Tracer else items


@stands_for(range)
def range_(*args: Any) -> Any:
    """``range``."""
    if not any([is_unknown(a) for a in args]):
        return range(*args)
    bounds = [_bound(a) for a in args]
    start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1) if len(bounds) == 2 else bounds
    if type(step) is Tracer:
        check(ne(step, np.int64(0)), NO_STEP)
    elif step == 0:
        raise _no_step()
    return TracedRange(start, stop, step)


def _bound(x: Any) -> Any:
    """An argument of ``range`` as the Python integer that it becomes there."""
    if type(x) is not Tracer:
        return operator.index(x)
    if x.ndim or not (x.dtype.kind in "iu" or (x.dtype.kind == "b" and x._kind == PYTHON)):
        raise TypeError(f"{described(x)} cannot be interpreted as an integer{here()}: range takes integers")
    bound = whole(x)
    return Tracer(bound._variable, bound._owner, PYTHON)


def _no_step() -> ValueError:
    return ValueError("range() arg 3 must not be zero")


NO_STEP = Failure(_no_step)
