"""The way back of a plan: the routine that pulls cotangents back, as ``LinearMap.backward`` does it.

What the walk finds out on its way (which cotangents there are, which of them are sums of updates) is known before,
but for what rules of the user's own give: they are expected to give cotangents of the operands that they gave them of
when the walk observed them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from functad.core.cotangents import Sum, joined
from functad.core.primitive import REGISTRY
from functad.core.routine import Code, Routine
from functad.core.zeros import zeros
from functad.ir.program import Eqn, Program, Var
from functad.transforms.linearize import DerivedRule

if TYPE_CHECKING:
    from functad.transforms.plans import Own, Plan

__all__ = ["Backward", "Unexpected"]


class Backward:
    """Writes the routine that pulls cotangents back, as ``LinearMap.backward`` does it."""

    def __init__(self, plan: Plan, program: Program, given: Sequence[bool], consume: bool) -> None:
        self._plan, self._program = plan, program
        own = len(plan.customs)
        self._code = Code(plan.residuals + own + sum(given))
        forward, n = plan.forward, len(program.outputs)
        assert forward is not None
        self._code.plain([i - n for i in forward.plain if i >= n])
        for i, type in forward.loans.items() if consume else ():
            if i >= n:
                self._code.lend(i - n, type)
        self._own = {number: plan.residuals + k for k, (number, _) in enumerate(plan.customs)}
        self._ct: dict[Any, Any] = {}
        numbers = iter(range(plan.residuals + own, plan.residuals + own + sum(given)))
        for v, flag in zip(program.outputs, given, strict=False):
            if flag:
                self._add(v, next(numbers))

    def routine(self, inputs: Sequence[Var]) -> tuple[Routine, Sequence[bool]] | None:
        """The routine, and which inputs it gives cotangents of; None where a rule has not shown what it gives."""
        for position in range(len(self._plan.entries) - 1, -1, -1):
            number, rule, residuals, moved = self._plan.entries[position]
            e = self._program.eqns[number]
            self._code.source = number
            cts = [self._settled(v) for v in e.outputs]
            if all([c is None for c in cts]):
                continue
            if rule is not None:
                found = self._derived(e, rule, residuals, cts)
            else:
                observed = self._plan.observed.get(position)
                if observed is None or None in observed[0]:
                    return None
                found = self._pulled(number, residuals, cts, *observed, [e.inputs[k] for k in moved])  # type: ignore[arg-type]
            for k, c in zip(moved, found, strict=True):
                if c is not None:
                    self._add(e.inputs[k], c)
        cts = [self._settled(v) for v in inputs]
        return self._code.routine([c for c in cts if c is not None]), [c is not None for c in cts]

    def _derived(self, e: Eqn, rule: DerivedRule, residuals: Sequence[int], cts: Sequence[int | None]) -> Sequence[Any]:
        full = [
            self._code.call(partial(zeros, v.type), []) if c is None else c for c, v in zip(cts, e.outputs, strict=True)
        ]
        program, forms = rule.transposed
        found = self._code.program(program, [*residuals, *full])
        return joined(found, forms) if forms else found

    def _pulled(
        self,
        number: int,
        residuals: Sequence[int],
        cts: Sequence[int | None],
        expected: Sequence[bool],
        added: Sequence[bool],
        operands: Sequence[Any],
    ) -> Sequence[int | None]:
        code = self._code
        sums = [self._dense(v, flag and given) for v, flag, given in zip(operands, added, expected, strict=True)]
        full = [code.constant(None) if c is None else c for c in (*cts, *(sums if any(added) else ()))]
        pull = partial(pull_own, expected, len(sums) if any(added) else 0)
        found = code.parts(code.call(pull, [self._own[number], *residuals, *full]), len(expected))
        return [c if flag else None for c, flag in zip(found, expected, strict=True)]

    def _add(self, v: Any, c: Any) -> None:
        """Add to the cotangent of a variable, as ``accumulate`` does."""
        before = self._ct.get(v)
        if type(before) is Sum:
            updates = [*before.updates, *c.updates] if type(c) is Sum else before.updates
            self._ct[v] = Sum(updates, self._sum(v, before.dense, c.dense if type(c) is Sum else c))
        elif type(c) is Sum:
            self._ct[v] = Sum(c.updates, self._sum(v, before, c.dense))
        else:
            self._ct[v] = self._sum(v, before, c)

    def _sum(self, v: Any, x: int | None, y: int | None) -> int | None:
        if x is None or y is None:
            return y if x is None else x
        return self._code.equation(REGISTRY["add"], [x, y], {}, [v.type])[0]

    def _dense(self, v: Any, taken: bool) -> int | None:
        """The dense part of a cotangent, which is taken away."""
        c = self._ct.pop(v) if taken else None
        if type(c) is not Sum:
            return c  # type: ignore[no-any-return]
        self._ct[v] = Sum(c.updates)
        return c.dense  # type: ignore[no-any-return]

    def _settled(self, v: Any) -> int | None:
        """The cotangent of a variable, which no equation before adds to."""
        c = self._ct.pop(v, None)
        return self._code.call(partial(total, c), c.values()) if type(c) is Sum else c


def total(form: Sum, *values: Any) -> Any:
    """A sum of this form, added up."""
    return form.with_values(iter(values)).total()


def pull_own(
    expected: Sequence[bool], sums: int, own: Own, residuals: Sequence[Any], *cotangents: Any
) -> Sequence[Any]:
    """The cotangents of its operands, some of which are expected to be None; the last ``sums`` arguments are there
    already.
    """
    n = len(cotangents) - sums
    found = own.rule.backward(residuals, cotangents[:n], *([cotangents[n:]] if sums else ()))  # type: ignore[union-attr]
    if [c is not None for c in found] != expected or Sum in map(type, found):
        raise Unexpected
    return found  # type: ignore[no-any-return]


class Unexpected(Exception):
    """A rule of the user's own gives cotangents of other operands than before."""
