"""Sums over the steps of a loop, taken after it.

A constant c of a loop gets a cotangent from each step t, linear in a cotangent g_t of the step: ``S(r_t) g_t``, where
r_t are residuals. Where g_t is smaller than c, as where c is a matrix that multiplies a vector in each step, the loop
leaves g_t behind instead of adding to all of c, and the sum is taken at once. As ``S(r)`` is the transpose of some
``T(r)``, the sum

    sum_t S(r_t) g_t   is the transpose of   c -> (T(r_t) c)_t,   which is T mapped over the steps, with one c for all,

so the rules of transposition and batching give it: one product of matrices for a sum of outer products, one scatter for
as many as there are steps. It may begin with a sum that is there already, which a scatter adds to in place.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any, NamedTuple

from functad.core.evaluator import run_program
from functad.ir.masks import select
from functad.ir.program import Eqn, Literal, Program, Var, sub_programs
from functad.ir.types import SeqType
from functad.transforms.programs import batch_of, transpose_of

__all__ = ["StepSum", "last_part", "sum_over_steps"]

Mask = tuple[bool, ...]

SMALL = 16
"""A sum of at most so many elements is best taken in the loop, in registers."""

DEPTH = 64
"""Equations that a part is made of, at most."""


def last_part(step: Program, output: int, free: Set[Var]) -> Program | None:
    """The last equations of a step, those that only one output needs, as a Program of what they need; None where they
    need more than they give.

    What a step can have for nothing (``free``, among its inputs) does not count.
    """
    result = step.outputs[output]
    if isinstance(result, Literal) or result.type.size <= SMALL or isinstance(result.type, SeqType):
        return None
    makers = {v: e for e in step.eqns for v in e.outputs}
    users: dict[Var, list[Eqn | None]] = {}
    for eqn in step.eqns:
        for a in eqn.inputs:
            if isinstance(a, Var):
                users.setdefault(a, []).append(eqn)
    for a in step.outputs:
        if isinstance(a, Var):
            users.setdefault(a, []).append(None)
    needed, part, best = [result], set[Eqn](), (result.type.size, frozenset[Eqn](), [result])
    while len(part) < DEPTH and (e := _next(needed, makers, users, part, result)) is not None:
        part.add(e)
        needed = list(
            dict.fromkeys([*[v for v in needed if v not in e.outputs], *[a for a in e.inputs if isinstance(a, Var)]])
        )
        size = sum([v.type.size for v in needed if v not in free])
        if size < best[0] and not any(isinstance(v.type, SeqType) for v in needed):
            best = size, frozenset(part), needed
    return Program(tuple(best[2]), [e for e in step.eqns if e in best[1]], (result,)) if best[1] else None


def _next(
    needed: Sequence[Var], makers: dict[Var, Eqn], users: dict[Var, list[Eqn | None]], part: set[Eqn], result: Var
) -> Eqn | None:
    """The equation of the largest variable that nothing else needs."""
    for v in sorted(needed, key=lambda v: -v.type.size):
        e = makers.get(v)
        others = [u for u in users[v] if u is not None and u not in part]
        whole = users[v].count(None) == int(v is result)
        if (
            e is not None
            and len(e.outputs) == 1
            and whole
            and not others
            and not sub_programs(e)
            and not e.primitive.may_raise
        ):
            return e
    return None


class StepSum(NamedTuple):
    """A sum over steps: c -> (T(r_t) c)_t as a Program of r and c, whose transpose it is."""

    mapped: Program
    cotangents: int

    def total(self, values: Sequence[Any], start: Any = None) -> Any:
        """The sum for these r and g, added to ``start``."""
        known = len(self.mapped.inputs) - 1
        linear, given = (*[False] * known, True), (True,) * self.cotangents
        made, _ = transpose_of(self.mapped, linear, given, () if start is None else (True,))
        (total,) = run_program(made, [*values, *([] if start is None else [start])])
        return total


def sum_over_steps(part: Program, linear: Mask, mapped: Mask, steps: int) -> tuple[StepSum, list[int]]:
    """The sum over all steps of what ``part`` gives, and which inputs of the part it takes, in its order.

    The part is linear in the inputs flagged so; those ``mapped`` have the steps along axis 0, others are the same in
    each.
    """
    count = len(part.inputs)
    transposed, present = transpose_of(part, linear, (True,))
    over_steps, _ = batch_of(
        transposed, steps, (*[m for m, x in zip(mapped, linear, strict=True) if not x], False), (True,) * sum(present)
    )
    known = [i for i in range(count) if not linear[i]]
    taken = select([i for i in range(count) if linear[i]], present)
    return StepSum(over_steps, len(taken)), [*known, *taken]
