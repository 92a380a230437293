"""What comparisons of loop indices with sizes say: each is a condition ``affine >= 0``, and a conjunction of them is a polyhedron, mostly a box.

Over the integers ``x < y`` is ``y - x - 1 >= 0``, and ``not (d >= 0)`` is ``-d - 1 >= 0``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from functad.kernel_ir.nodes import Affine, AxisIndex, Compute, Const, Instr, SizeValue, Value
from functad.kernel_ir.sizes import Poly

__all__ = ["Box", "Condition", "complement", "conditions", "conjuncts"]

Condition = Affine
"""An affine expression of loop axes and sizes that is to be at least 0."""

INT64 = np.dtype(np.int64)

LARGE = 16
"""Sizes that are symbols are taken to be at least this when it is asked what can be worth it, never when it is asked what is true."""

FEW = 8
"""Fewer points than this along an axis are not worth a version of their own."""



def conditions(body: Iterable[Instr]) -> dict[Value, Condition]:
    """The comparisons of a body that are affine in its axes."""
    numbers: dict[Value, Affine] = {}
    found: dict[Value, Condition] = {}
    for instr in body:
        match instr:
            case Const(out, value) if out.dtype == INT64:
                numbers[out] = Affine(int(value))
            case SizeValue(out, size):
                numbers[out] = Affine(size)
            case AxisIndex(out, axis):
                numbers[out] = Affine.axis(axis)
            case Compute(out, op, args) if all(a in numbers for a in args):
                operands = [numbers[a] for a in args]
                if op in _ARITHMETIC and (result := _ARITHMETIC[op](*operands)) is not None:
                    numbers[out] = result
                elif op in _COMPARISON:
                    found[out] = _COMPARISON[op](*operands)
            case _:
                pass
    return found


def _difference(x: Affine, y: Affine) -> Affine:
    return x + y * -1


def _scaled(x: Affine, y: Affine) -> Affine | None:
    return x * y.offset if not y.terms else y * x.offset if not x.terms else None


_ARITHMETIC: dict[str, Callable[..., Affine | None]] = {"add": lambda x, y: x + y, "sub": _difference, "neg": lambda x: x * -1, "mul": _scaled}

_COMPARISON: dict[str, Callable[[Affine, Affine], Condition]] = {
    "ge": _difference,
    "le": lambda x, y: _difference(y, x),
    "gt": lambda x, y: _difference(x, y) + -1,
    "lt": lambda x, y: _difference(y, x) + -1,
}


def complement(condition: Condition) -> Condition:
    """What holds where a condition does not."""
    return condition * -1 + -1


def conjuncts(body: Iterable[Instr], known: Mapping[Value, Condition]) -> dict[Value, tuple[Condition, ...]]:
    """The conditions that the conjunctions of a body (and its comparisons) contain; those with nothing affine in them are left out."""
    found: dict[Value, tuple[Condition, ...]] = {v: (c,) for v, c in known.items()}
    for instr in body:
        if isinstance(instr, Compute) and instr.op == "bit_and" and instr.out.dtype.kind == "b":
            parts = dict.fromkeys(c for a in instr.args for c in found.get(a, ()))
            if parts:
                found[instr.out] = tuple(parts)
    return found


class Box:
    """The points at which some conditions hold. Only the strictest are kept: of those that are the same but for a number, one."""

    def __init__(self, some: Iterable[Condition] = ()) -> None:
        self._offsets: dict[frozenset[tuple[int | Value, Poly]], list[Poly]] = {}
        for condition in some:
            self.add(condition)

    def copy(self) -> Box:
        """A box of its own."""
        box = Box()
        box._offsets = {terms: list(offsets) for terms, offsets in self._offsets.items()}
        return box

    def add(self, condition: Condition) -> None:
        """Let one more condition hold."""
        offsets = self._offsets.setdefault(frozenset(condition.terms), [])
        if not self.implies(condition):
            offsets[:] = [o for o in offsets if not _never_negative(o - condition.offset)] + [condition.offset]

    def implies(self, condition: Condition) -> bool:
        """Whether one of the conditions is at least as strict, whatever the sizes are (none is negative)."""
        return any(_never_negative(condition.offset - o) for o in self._offsets.get(frozenset(condition.terms), ()))

    def excludes(self, condition: Condition) -> bool:
        """Whether this and one of the conditions leave nothing, or a few points along an axis, if sizes that are symbols are large.

        ``i - a >= 0`` and ``b - i >= 0`` leave ``b - a + 1`` points.
        """
        opposite = frozenset((condition * -1).terms)
        return bool(opposite) and any(_is_small(condition.offset + o + 1) for o in self._offsets.get(opposite, ()))

    def beyond(self, other: Box) -> tuple[Condition, ...]:
        """The conditions that another box does not imply."""
        mine = [Affine(o, tuple(terms)) for terms, offsets in self._offsets.items() for o in offsets]
        return tuple(c for c in mine if not other.implies(c))


def _never_negative(size: Poly) -> bool:
    return all(coefficient >= 0 for _, coefficient in size.terms)


def _is_small(size: Poly) -> bool:
    at_most = sum(coefficient * (LARGE if monomial else 1) for monomial, coefficient in size.terms)
    return all(coefficient <= 0 for monomial, coefficient in size.terms if monomial) and at_most < FEW
