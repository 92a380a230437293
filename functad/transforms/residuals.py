"""Residuals that need not be kept: what costs less to compute again, from those that are kept, than to store and to
load.

A product, a comparison, a mask of residuals is computed again by whoever needs it; a sine is kept. Where the Program is
a loop's body, what is the same in every step, what counts the steps, and what the step reads are there anyway, so all
that is cheaply made of them alone is not kept either: no index that goes up with the steps is. And where one value
gives several residuals, it is kept in their place.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from functad.core.primitive import REGISTRY
from functad.ir.dce import dce, may_raise
from functad.ir.program import Eqn, Program, Var
from functad.ir.regions import Kind, regions_of
from functad.ir.types import SeqType

__all__ = ["unchecked", "without_cheap_residuals"]

AT_MOST = 4
"""So many equations may stand for one residual."""

CHECK = "check_index"


def without_cheap_residuals(
    forward: Program, outputs: int, consts: int = 0, elements: int = 0, counters: Sequence[int] = ()
) -> tuple[Program, Program]:
    """A Program (inputs) -> (outputs, residuals) with fewer residuals, and the Program from these to all of them.

    The first ``consts`` inputs, the last ``elements`` and those with the numbers ``counters`` cost nothing to keep:
    those of a loop's body that are constant, read step by step, or count the steps.
    """
    choice = _Choice(forward, outputs, consts, elements, counters)
    choice.drop()
    if choice.exchange():
        choice.drop()
    remade = Program(
        choice.kept,
        [unchecked(e) for e in forward.eqns if not choice.again.isdisjoint(e.outputs)],
        forward.outputs[outputs:],
    )
    return dce(Program(forward.inputs, forward.eqns, (*forward.outputs[:outputs], *remade.inputs), forward.name)), dce(
        remade
    )


def unchecked(eqn: Eqn) -> Eqn:
    """An equation where it is run again, or apart from its step: what has been checked, or is where the step is made,
    is not checked there.
    """
    if eqn.primitive.name == CHECK:
        return Eqn(REGISTRY["from_front"], eqn.inputs, {"length": eqn.params["length"]}, eqn.outputs, eqn.loc)
    form, control = regions_of(eqn), eqn.primitive.control
    if form is None or control is None or (form.kind is Kind.CALL and not control.open) or not may_raise(eqn):
        return eqn
    return form.rebuilt(eqn, [_without_checks(p) for p in form.programs], form.operands(eqn.inputs))


def _without_checks(program: Program) -> Program:
    eqns = [unchecked(e) for e in program.eqns if e.outputs]  # what has no results is a check
    return Program(program.inputs, eqns, program.outputs, program.name)


@dataclass
class _Recipe:
    """How to make a variable: the equations' results, and what these start from: what is free, and what would have to
    be kept.
    """

    again: set[Var]
    free: list[Var]
    missing: set[Var]


class _Choice:
    """The residuals that are kept, and what is computed ``again``."""

    def __init__(self, forward: Program, outputs: int, consts: int, elements: int, counters: Sequence[int]) -> None:
        self.kept = dict.fromkeys([a for a in forward.outputs[outputs:] if type(a) is Var])
        self.again: set[Var] = set()
        self.made_by: dict[Var, Eqn] = {v: e for e in forward.eqns for v in e.outputs}
        self.position = {v: k for k, e in enumerate(forward.eqns) for v in e.outputs}
        self.closed: set[Var] = set()  # made of literals alone
        fixed = set(forward.inputs[:consts])
        for e in forward.eqns:
            sources = {a for a in e.inputs if type(a) is Var}
            if sources <= self.closed:
                self.closed.update(e.outputs)
            elif sources <= fixed | self.closed:
                fixed.update(e.outputs)
        self.free = fixed.union(forward.inputs[len(forward.inputs) - elements :], [forward.inputs[k] for k in counters])

    def drop(self) -> None:
        """Drop what can be made of the others; the last ones first, since they are made of those before."""
        for v in sorted(self.kept, key=lambda v: -self.position.get(v, -1)):
            found = self._recipe(v)
            if found is not None and not found.missing:
                self._replace(v, found)

    def exchange(self) -> bool:
        """Keep a value in place of several residuals that are made of it, where it is smaller; whether that
        happened.
        """
        made_of: dict[Var, list[tuple[Var, _Recipe]]] = {}
        for v in self.kept:
            found = self._recipe(v)
            if found is not None and len(found.missing) == 1:
                (source,) = found.missing
                made_of.setdefault(source, []).append((v, found))
        better = {x: uses for x, uses in made_of.items() if _bytes(x) < sum([_bytes(v) for v, _ in uses])}
        for x, uses in better.items():
            self.kept[x] = None
            for v, found in uses:
                self._replace(v, found)
        return bool(better)

    def _replace(self, var: Var, recipe: _Recipe) -> None:
        del self.kept[var]
        self.kept.update(dict.fromkeys(recipe.free))
        self.again |= recipe.again

    def _recipe(self, var: Var) -> _Recipe | None:
        """How to make a residual of the others; None if that is too much."""
        if var in self.free:
            return None  # it costs nothing where it is
        others: Set[Var] = self.kept.keys() - {var}
        recipe = _Recipe(set(), [], set())
        waiting = [var]
        while waiting:
            v = waiting.pop()
            e = self.made_by.get(v)
            if v in recipe.again or v in others:
                continue
            if v in self.free:
                recipe.free.append(v)
            elif e is None or not (e.primitive.cheap or e.primitive.name == CHECK):
                recipe.missing.add(v)
            elif len(recipe.again - self.closed) == AT_MOST:
                return None
            else:
                recipe.again.add(v)
                waiting += [a for a in e.inputs if type(a) is Var]
        return recipe if var in recipe.again else None


def _bytes(v: Var) -> float:
    return float("inf") if isinstance(v.type, SeqType) else v.type.size * v.type.dtype.itemsize
