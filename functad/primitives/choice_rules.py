"""The linear rule of equations that run one of several Programs (``cond``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Primitive
from functad.core.zeros import zeros, zeros_like
from functad.ir.derived import derived
from functad.ir.masks import Mask, any_of, cut, expand, present, select
from functad.ir.program import Eqn, Program, Var
from functad.ir.regions import Operands
from functad.ir.types import ArrayType, SeqType
from functad.primitives.loop_body import bind_loop
from functad.primitives.repeat_rules import sequences
from functad.transforms.programs import linearized, trace_program

__all__ = ["ChoiceRule", "blank", "shared_slots"]


def shared_slots(types: Sequence[Sequence[ArrayType]]) -> tuple[list[ArrayType], list[list[int]]]:
    """The types of slots that hold what any one of several branches leaves, and for each branch the slots that it
    uses.
    """
    slots: list[ArrayType] = []
    places = []
    for own in types:
        taken: list[int] = []
        for t in own:
            free = [i for i, slot in enumerate(slots) if slot is t and i not in taken]
            if not free:
                slots.append(t)
            taken.append(free[0] if free else len(slots) - 1)
        places.append(taken)
    return slots, places


class ChoiceRule:
    """The linear rule of a choice: forward, tangent and backward choose again by the same index.

    The residuals of all branches share slots, one a type; the chosen branch fills what it needs, and the rest is zeros
    (or empty sequences). Active sequences are residuals too: where one branch has a derivative for a sequence and
    another has none, that needs zeros of its length.
    """

    active = True

    def __init__(self, primitive: Primitive, params: Mapping[str, Any], mask: Mask) -> None:
        assert primitive.control is not None
        self.primitive, self.params = primitive, params
        self.form = primitive.control.regions(params)
        self.branches = self.form.programs
        heads, self.mask = cut(mask, self.form.heads)
        self.skip = sum(heads)
        self.splits = [linearized(b, tuple(self.mask)) for b in self.branches]
        self.slots, self.places = shared_slots([s.residual_types for s in self.splits])
        self.forwards = [self._fill(s.forward, p) for s, p in zip(self.splits, self.places, strict=True)]

    def _bind(self, heads: Sequence[Any], operands: Sequence[Any], branches: Sequence[Program]) -> list[Any]:
        """The results of other branches, chosen alike."""
        given = Operands(list(heads), [list(operands)], [], [])
        return self.form.bind(self.primitive, self.params, branches, given).written

    def _fill(self, forward: Program, places: Sequence[int]) -> Program:
        n = len(self.branches[0].outputs)

        def f(*args: Any) -> list[Any]:
            outs = run_program(forward, args)
            own = dict(zip(places, outs[n:], strict=True))
            return [*outs[:n], *[own[i] if i in own else blank(t) for i, t in enumerate(self.slots)]]

        return trace_program(f, forward.in_types)

    def primal(
        self, eqn: Eqn | None, ins: Sequence[Any], known: Mapping[Var, Any]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        heads, operands = cut(ins, self.form.heads)
        outs, residuals = cut(self._bind(heads, operands, self.forwards), len(self.branches[0].outputs))
        return outs, [*heads, *sequences(select(operands, self.mask)), *sequences(outs), *residuals]

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        return self._apply("tangent", residuals, tangents[self.skip :])

    @property
    def summed(self) -> Mask:
        """The active operands that ``backward`` takes sums for: all arrays."""
        types = select(self.branches[0].in_types, self.mask)
        return (*[False] * self.skip, *[not isinstance(t, SeqType) for t in types])

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any], sums: Sequence[Any] = ()) -> Sequence[Any]:
        """The cotangents of the active operands, added to ``sums`` (None where there is none)."""
        return [*[None] * self.skip, *self._apply("cotangent", residuals, cotangents, sums[self.skip :])]

    def _apply(self, kind: str, residuals: Sequence[Any], values: Sequence[Any], sums: Sequence[Any] = ()) -> list[Any]:
        given = present(values)
        force = tuple(any_of([getattr(s, kind)(given)[1] for s in self.splits]))
        if not any(force):
            return [None] * len(force)
        start = [s if f else None for s, f in zip(sums, force, strict=True)] if sums else []
        summed = (present(start),) if start else ()
        of_operands, of_results = select(self.branches[0].in_types, self.mask), self.branches[0].out_types
        targets = tuple(of_operands if kind == "cotangent" else of_results)
        arrays = tuple([f and not isinstance(t, SeqType) for f, t in zip(force, targets, strict=True)])
        lengths = [sum([isinstance(t, SeqType) for t in types]) for types in (of_operands, of_results)]
        heads, like_operands, like_results, slots = cut(residuals, self.form.heads, *lengths)
        like = like_operands if kind == "cotangent" else like_results
        made = []
        for s, places in zip(self.splits, self.places, strict=True):
            linear, found = getattr(s, kind)(given, arrays, *summed)
            made.append(on_slots(linear, tuple(places), tuple(self.slots), found, force, targets))
        more = [s for s in start if s is not None]
        return expand(self._bind(heads, [*like, *slots, *select(values, given), *more], made), force)


@derived
def on_slots(
    linear: Program,
    places: tuple[int, ...],
    slots: tuple[ArrayType, ...],
    found: Mask,
    force: Mask,
    targets: tuple[ArrayType, ...],
) -> Program:
    """A linear Program that takes sequences of the lengths of its results, all slots, and the given tangents or
    cotangents.
    """
    flags = [isinstance(t, SeqType) for t in targets]
    references = select(targets, flags)
    start, n = len(references), len(references) + len(slots)

    def f(*args: Any) -> list[Any]:
        results = expand(run_program(linear, (*[args[start + i] for i in places], *args[n:])), found)
        waiting = iter(args[:start])
        likes = [next(waiting) if flag else None for flag in flags]
        return [
            zeros_like(like) if r is None else r
            for r, like, wanted in zip(results, likes, force, strict=True)
            if wanted
        ]

    return trace_program(f, (*references, *slots, *linear.in_types[len(places) :]))


def blank(type: ArrayType) -> Any:
    """What stands for a residual of a branch that was not taken."""
    if not isinstance(type, SeqType):
        return zeros(type)
    body = trace_program(lambda: [blank(type.element)], ())
    _, (empty,) = bind_loop(body, (), (), (), length=None, steps=[np.int64(0)])
    return empty
