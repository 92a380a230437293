"""What comparisons of loop indices with sizes say: each is a condition ``affine >= 0``, and a conjunction of them is a
polyhedron, mostly a box.

Over the integers ``x < y`` is ``y - x - 1 >= 0``, and ``not (d >= 0)`` is ``-d - 1 >= 0``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum

import numpy as np

from functad.kernel_ir.nodes import Affine, AxisIndex, Compute, Const, Instr, SizeValue, Value
from functad.kernel_ir.sizes import Poly, never_negative

__all__ = [
    "ARITHMETIC", "MODERATE", "Box", "Condition", "Room", "bookkeeping", "complement", "conditions", "conjuncts",
    "difference",
]  # fmt: skip

Condition = Affine
"""An affine expression of loop axes and sizes that is to be at least 0."""

INT64 = np.dtype(np.int64)

LARGE = 64
"""Sizes that are symbols are taken to be at least this when it is asked what can be worth it, never when it is asked
what is true.
"""

FEW = 8
"""Fewer points than this along an axis are few."""


MODERATE = 2**20
"""Larger numbers are left alone: an index times one may not be what it is in mathematics, but wrap around."""

MANY_PARTS = 64
"""Of conjunctions of more conditions than this, not all are known."""


class Room(IntEnum):
    """How many points there are, if sizes that are symbols are large: few, or that depends on the sizes, or many."""

    FEW = 0
    UNKNOWN = 1
    MANY = 2


def conditions(body: Iterable[Instr]) -> dict[Value, Condition]:
    """The comparisons of a body that are affine in its axes."""
    return _read(body)[1]


def bookkeeping(body: Sequence[Instr]) -> set[Value]:
    """What a body computes to know where it is: affine expressions, comparisons of them, and conjunctions of these."""
    numbers, known = _read(body)
    found = {*numbers, *known}
    for instr in body:
        if isinstance(instr, Compute) and instr.op == "bit_and" and found.issuperset(instr.args):
            found.add(instr.out)
    return found


def _read(body: Iterable[Instr]) -> tuple[dict[Value, Affine], dict[Value, Condition]]:
    """The numbers and the comparisons of a body that are affine."""
    numbers: dict[Value, Affine] = {}
    found: dict[Value, Condition] = {}
    for instr in body:
        match instr:
            case Const(out, value) if out.dtype == INT64 and abs(value) <= MODERATE:
                numbers[out] = Affine(int(value))
            case SizeValue(out, size):
                numbers[out] = Affine(size)
            case AxisIndex(out, axis):
                numbers[out] = Affine.axis(axis)
            case Compute(out, op, args) if all(a in numbers for a in args):
                operands = [numbers[a] for a in args]
                if op in ARITHMETIC and (result := ARITHMETIC[op](*operands)) is not None:
                    numbers[out] = result
                elif op in _COMPARISON:
                    found[out] = _COMPARISON[op](*operands)
            case _:
                pass
    return numbers, found


def difference(x: Affine, y: Affine) -> Affine:
    """x - y."""
    return x + y * -1


def _scaled(x: Affine, y: Affine) -> Affine | None:
    """x * y, if one of them is a moderate number."""
    for affine, other in ((x, y), (y, x)):
        factor = None if other.terms else other.offset.constant
        if factor is not None and all(abs(number * factor) <= MODERATE for number in _numbers(affine)):
            return affine * factor
    return None


def _numbers(affine: Affine) -> Iterator[int]:
    for size in (affine.offset, *(scale for _, scale in affine.terms)):
        yield from (coefficient for _, coefficient in size.terms)


ARITHMETIC: dict[str, Callable[..., Affine | None]] = {
    "add": lambda x, y: x + y,
    "sub": difference,
    "neg": lambda x: x * -1,
    "mul": _scaled,
}

_COMPARISON: dict[str, Callable[[Affine, Affine], Condition]] = {
    "ge": difference,
    "le": lambda x, y: difference(y, x),
    "gt": lambda x, y: difference(x, y) + -1,
    "lt": lambda x, y: difference(y, x) + -1,
}


def complement(condition: Condition) -> Condition:
    """What holds where a condition does not."""
    return condition * -1 + -1


def conjuncts(body: Iterable[Instr], known: Mapping[Value, Condition]) -> dict[Value, tuple[Condition, ...]]:
    """The conditions that the conjunctions of a body (and its comparisons) contain; those with nothing affine in them
    are left out.
    """
    found: dict[Value, tuple[Condition, ...]] = {v: (c,) for v, c in known.items()}
    for instr in body:
        if isinstance(instr, Compute) and instr.op == "bit_and" and instr.out.dtype.kind == "b":
            parts = dict.fromkeys(c for a in instr.args for c in found.get(a, ()))
            if 0 < len(parts) <= MANY_PARTS:
                found[instr.out] = tuple(parts)
    return found


class Box:
    """The points at which some conditions hold. Only the strictest are kept: of those that are the same but for a
    number, one.
    """

    def __init__(self, some: Iterable[Condition] = ()) -> None:
        self._offsets: dict[frozenset[tuple[int | Value, Poly]], list[Poly]] = {}
        self.add(*some)

    @staticmethod
    def of(axes: Sequence[Poly]) -> Box:
        """All points of a loop nest."""
        return Box(c for k, n in enumerate(axes) for c in (Affine.axis(k), Affine.axis(k) * -1 + (n - 1)))

    def add(self, *some: Condition) -> None:
        """Let more conditions hold."""
        for condition in some:
            if not self.implies(condition):
                offsets = self._offsets.setdefault(frozenset(condition.terms), [])
                offsets[:] = [o for o in offsets if not never_negative(o - condition.offset)] + [condition.offset]

    def implies(self, condition: Condition) -> bool:
        """Whether one of the conditions is at least as strict, whatever the sizes are (none is negative)."""
        if not condition.terms:
            return never_negative(condition.offset)
        return any(never_negative(condition.offset - o) for o in self._offsets.get(frozenset(condition.terms), ()))

    def facts(self, known: Mapping[Value, Condition]) -> dict[Value, bool]:
        """The comparisons that are the same at all points."""
        return {
            v: truth
            for v, c in known.items()
            for truth, fact in ((True, c), (False, complement(c)))
            if self.implies(fact)
        }

    def room(self, condition: Condition) -> Room:
        """How many points this and each of the conditions leave along an axis: ``i - a >= 0`` and ``b - i >= 0`` leave
        ``b - a + 1``.
        """
        opposite = frozenset((condition * -1).terms)
        offsets = self._offsets.get(opposite, ()) if opposite else ()
        return min((_room(condition.offset + o + 1) for o in offsets), default=Room.MANY)

    def beyond(self, other: Box) -> tuple[Condition, ...]:
        """The conditions that another box does not imply."""
        mine = [Affine(o, tuple(terms)) for terms, offsets in self._offsets.items() for o in offsets]
        return tuple(c for c in mine if not other.implies(c))


def _room(points: Poly) -> Room:
    typical = points.evaluate([LARGE] * (1 + max((n for monomial, _ in points.terms for n in monomial), default=-1)))
    signs = {coefficient > 0 for monomial, coefficient in points.terms if monomial}
    if typical >= FEW:
        return Room.UNKNOWN if False in signs else Room.MANY
    return Room.UNKNOWN if True in signs else Room.FEW
