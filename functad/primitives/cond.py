"""The ``cond`` equation: one of several branches, chosen by an index. Only the chosen one runs, under every
transform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.core.zeros import zeros, zeros_like
from functad.errors import StructureError
from functad.ir.program import Eqn, Program, Var
from functad.ir.regions import Control, Kind, Region, Regions
from functad.ir.types import ArrayType, SeqType, array_type
from functad.primitives.control_native import COND
from functad.primitives.lanes import map_over_lanes
from functad.primitives.loop_body import bind_loop
from functad.primitives.loop_rules import at_zero, present, sequences
from functad.transforms.programs import batch_of, derived, expand, jvp_of, linearized, select, trace_program
from functad.transforms.strong import doubtful_results, with_doubts
from functad.transforms.transpose import linear_variables

__all__ = ["blank", "cond_p", "shared_slots"]

Mask = tuple[bool, ...]


def union(masks: Sequence[Sequence[Any]]) -> Mask:
    """What any of several masks flags."""
    return tuple([any(flags) for flags in zip(*masks, strict=True)])


def _bind(index: Any, operands: Sequence[Any], branches: Sequence[Program]) -> list[Any]:
    return list(cond_p.bind(index, *operands, branches=tuple(branches)))


def _type_rule(index: ArrayType, *operands: ArrayType, branches: tuple[Program, ...]) -> tuple[ArrayType, ...]:
    for b in branches:
        if b.in_types != operands or b.out_types != branches[0].out_types:
            raise StructureError(
                f"branches give {[b.out_types for b in branches]} on {operands}: they must agree in all types"
            )
    return branches[0].out_types


def _evaluate(index: Any, *operands: Any, branches: tuple[Program, ...]) -> tuple[Any, ...]:
    chosen = min(max(int(index), 0), len(branches) - 1)
    return tuple(run_program(branches[chosen], operands))


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, branches: tuple[Program, ...]
) -> tuple[Sequence[Any], Sequence[Any]]:
    mask = present(tangents[1:])
    force = union([jvp_of(b, mask)[1] for b in branches])
    made = [jvp_of(b, mask, force)[0] for b in branches]
    outs = _bind(primals[0], [*primals[1:], *select(tangents[1:], mask)], made)
    n = len(branches[0].outputs)
    return outs[:n], expand(outs[n:], force)


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


class CondRule:
    """The linear rule of a choice: forward, tangent and backward choose again by the same index.

    The residuals of all branches share slots, one a type; the chosen branch fills what it needs, and the rest is zeros
    (or empty sequences). Active sequences are residuals too: where one branch has a derivative for a sequence and
    another has none, that needs zeros of its length.
    """

    active = True

    def __init__(self, branches: tuple[Program, ...], mask: Mask) -> None:
        self.branches = branches
        self.skip = int(mask[0])
        self.mask = mask[1:]
        self.splits = [linearized(b, mask[1:]) for b in branches]
        self.slots, self.places = shared_slots([s.residual_types for s in self.splits])
        self.forwards = [self._fill(s.forward, p) for s, p in zip(self.splits, self.places, strict=True)]

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
        outs = _bind(ins[0], ins[1:], self.forwards)
        n = len(self.branches[0].outputs)
        return outs[:n], [ins[0], *sequences(select(ins[1:], self.mask)), *sequences(outs[:n]), *outs[n:]]

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        return self._apply("tangent", residuals, tangents[self.skip :])

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        return [*[None] * self.skip, *self._apply("cotangent", residuals, cotangents)]

    def _apply(self, kind: str, residuals: Sequence[Any], values: Sequence[Any]) -> list[Any]:
        given = present(values)
        force = union([getattr(s, kind)(given)[1] for s in self.splits])
        if not any(force):
            return [None] * len(force)
        references = {"cotangent": select(self.branches[0].in_types, self.mask), "tangent": self.branches[0].out_types}
        flags = [isinstance(t, SeqType) for t in references[kind]]
        arrays = tuple([f and not s for f, s in zip(force, flags, strict=True)])
        cut = len(residuals) - len(self.slots)
        active = sum([isinstance(t, SeqType) for t in references["cotangent"]])
        own = residuals[1 : 1 + active] if kind == "cotangent" else residuals[1 + active : cut]
        made = []
        for s, places in zip(self.splits, self.places, strict=True):
            linear, found = getattr(s, kind)(given, arrays)
            key = "slots", tuple(places), tuple(self.slots), force
            made.append(
                derived(
                    linear,
                    key,
                    lambda linear=linear, p=places, m=found: self._on_slots(  # type: ignore[misc]
                        linear, p, m, force, references[kind]
                    ),
                )
            )
        return expand(_bind(residuals[0], [*own, *residuals[cut:], *select(values, given)], made), force)

    def _on_slots(
        self, linear: Program, places: Sequence[int], found: Mask, force: Mask, targets: Sequence[ArrayType]
    ) -> Program:
        """A linear Program that takes sequences of the lengths of its results, all slots, and the given tangents or
        cotangents.
        """
        flags = [isinstance(t, SeqType) for t in targets]
        references = select(targets, flags)
        start, n = len(references), len(references) + len(self.slots)

        def f(*args: Any) -> list[Any]:
            results = expand(run_program(linear, (*[args[start + i] for i in places], *args[n:])), found)
            waiting = iter(args[:start])
            likes = [next(waiting) if flag else None for flag in flags]
            return [
                zeros_like(like) if r is None else r
                for r, like, wanted in zip(results, likes, force, strict=True)
                if wanted
            ]

        return trace_program(f, (*references, *self.slots, *linear.in_types[len(places) :]))


def blank(type: ArrayType) -> Any:
    """What stands for a residual of a branch that was not taken."""
    if not isinstance(type, SeqType):
        return zeros(type)
    body = trace_program(lambda: [blank(type.element)], ())
    _, (empty,) = bind_loop(body, (), (), (), length=None, steps=[np.int64(0)])
    return empty


def _doubting(params: Mapping[str, Any], doubts: Sequence[bool]) -> tuple[Mapping[str, Any], Sequence[bool]]:
    branches = params["branches"]
    return {"branches": tuple([with_doubts(b, doubts[1:]) for b in branches])}, union(
        [doubtful_results(b, doubts[1:]) for b in branches]
    )


def _transpose(cts: Sequence[Any], *operands: Any, branches: tuple[Program, ...]) -> list[Any]:
    mask = tuple([type(x) is Linear for x in operands])
    for b in branches:
        linear_variables(b, mask[1:])  # raises where a branch is not linear
    rule = CondRule(branches, mask)
    _, residuals = rule.primal(None, [at_zero(x) if type(x) is Linear else x for x in operands], {})
    return expand(rule.backward(residuals, cts), mask)


def _batch(
    size: int, batched: Sequence[Any], *operands: Any, branches: tuple[Program, ...]
) -> tuple[Sequence[Any], Sequence[Any]]:
    if batched[0]:
        return map_over_lanes(cond_p, size, batched, operands, {"branches": branches})
    flags = [batch_of(b, size, batched[1:])[1] for b in branches]
    force = union(flags)
    differ = [
        isinstance(t, SeqType) and len(set(found)) > 1 for t, *found in zip(branches[0].out_types, *flags, strict=True)
    ]
    if any(differ) or "lanes" in [flag for found in flags for flag in found]:
        return map_over_lanes(cond_p, size, batched, operands, {"branches": branches})
    made = [batch_of(b, size, batched[1:], force)[0] for b in branches]
    outs = _bind(operands[0], operands[1:], made)
    return outs, [
        "elements" if flag and isinstance(type_of(o), SeqType) else flag for o, flag in zip(outs, force, strict=True)
    ]


def _samples() -> list[Sample]:
    from functad.primitives.arithmetic import mul, square
    from functad.primitives.trigonometric import cos, sin

    vector, scalar = array_type((3,), np.float64), array_type((), np.float64)
    makers = (lambda x, a: [mul(sin(x), a), a], lambda x, a: [square(x), mul(a, a)], lambda x, a: [cos(mul(x, a)), a])
    branches = tuple(trace_program(f, (vector, scalar)) for f in makers)
    return [Sample((np.int64(i), vector, scalar), {"branches": branches}) for i in range(3)]


def _regions(params: Mapping[str, Any]) -> Regions:
    branches = params["branches"]
    return Regions(Kind.CHOICE, tuple(map(Region, branches)), (len(branches[0].in_types),), heads=1)


cond_p = Primitive(
    "cond",
    control=Control(_regions, lambda params, form: {"branches": tuple(form.programs)}),
    type_rule=_type_rule,
    evaluate=_evaluate,
    multiple_results=True,
    jvp_call=_jvp,
    linearize=lambda types, params, mask: CondRule(params["branches"], mask),
    doubting=_doubting,
    transpose=_transpose,
    linear="jointly",
    batch=_batch,
    kernel=COND,
    samples=_samples,
)
