"""What is known of integers in loops: affine forms, and which of them are not negative, or differ.

The number of a step, t, is at least 0 and less than that of steps, n. So of ``for k in range(j)`` it is known that k =
t, and that j - k - 1 = n - 1 - t is a number from 0 to 2**63 - 2; of a loop around it with ``j in range(i)`` likewise.
Two integers differ if their difference is 1 plus one or two such numbers: then it is no multiple of 2**64, as it would
have to be where integers wrap around.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from functad.ir.program import Atom, Eqn, Literal, Program, Var
from functad.ir.regions import Kind, Operands, Region, Regions
from functad.ir.types import scalar_type

__all__ = ["Integers", "Linear", "increment"]

INT64 = scalar_type(np.int64)

MODERATE = 2**20
"""Constants up to this are followed."""

Symbol = object


class Linear:
    """A sum of integer multiples of symbols and a constant, modulo 2**64."""

    __slots__ = ("offset", "terms")

    def __init__(self, offset: int, terms: Mapping[Symbol, int]) -> None:
        self.offset = offset
        self.terms = {s: k for s, k in terms.items() if k}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Linear) and (self.offset, self.terms) == (other.offset, other.terms)

    def __hash__(self) -> int:
        return hash((self.offset, frozenset(self.terms.items())))

    def plus(self, other: Linear, times: int = 1) -> Linear:
        """The sum with a multiple of another."""
        terms = dict(self.terms)
        for s, k in other.terms.items():
            terms[s] = terms.get(s, 0) + k * times
        return Linear(self.offset + other.offset * times, terms)


class Integers:
    """What is known where an equation stands: ``forms`` of variables; ``small`` symbols, which count steps or are
    indices of arrays; and sums that lie ``between`` 0 and 2**63 - 2.
    """

    def __init__(self, around: Integers | None = None) -> None:
        self.forms: dict[Atom, Linear] = {} if around is None else dict(around.forms)
        self.small: set[Symbol] = set() if around is None else set(around.small)
        self.between: list[Linear] = [] if around is None else list(around.between)

    def form(self, atom: Atom) -> Linear:
        """An integer as a sum; of itself, where no more is known."""
        if isinstance(atom, Literal) and not atom.type.ndim:
            return Linear(int(atom.value), {})
        return self.forms.get(atom) or Linear(0, {atom: 1})

    # -- reading a Program ---------------------------------------------------------------------------------------------

    def note(self, eqn: Eqn) -> None:
        """Take notice of an equation."""
        out = eqn.outputs[0] if len(eqn.outputs) == 1 else None
        if out is None or out.type is not INT64:
            return
        name, ins = eqn.primitive.name, eqn.inputs
        if name in ("add", "sub"):
            self.forms[out] = self.form(ins[0]).plus(self.form(ins[1]), 1 if name == "add" else -1)
        elif name == "neg":
            self.forms[out] = Linear(0, {}).plus(self.form(ins[0]), -1)
        elif name == "mul" and (found := _factor(ins)) is not None:
            self.forms[out] = Linear(0, {}).plus(self.form(found[0]), found[1])
        elif name in ("check_index", "from_front") and self.is_index(self.form(ins[0])):
            self.forms[out] = self.form(ins[0])
        elif name == "check_index":
            self._note_index(out, eqn.params["length"])

    def _note_index(self, out: Var, length: int) -> None:
        self.small.add(out)
        self.between += [self.form(out), Linear(length - 1, {out: -1})]

    def inside(self, form: Regions, region: Region, operands: Operands[Atom]) -> Integers:
        """What is known at the beginning of a region."""
        inner = Integers(self)
        inputs = form.inputs(region, region.program.inputs)
        self._hand_on(inner, inputs.consts, operands.consts[region.group])
        if form.kind.repeats and region.step:
            step = object()
            inner.small.add(step)
            t = Linear(0, {step: 1})
            inner.between.append(t)
            if form.kind is Kind.STEPS:
                count = Linear(form.count, {}) if form.count is not None else self.form(operands.heads[0])
                inner.between.append(count.plus(t, -1).plus(Linear(-1, {})))
            after = form.outputs(region, region.program.outputs).carry
            for v, first, last in zip(inputs.carry, operands.carry, after, strict=True):
                by = increment(region.program, v, last)
                if by is not None:
                    inner.forms[v] = self.form(first).plus(t, by)
        return inner

    def _hand_on(self, inner: Integers, own: Sequence[Var], given: Sequence[Atom]) -> None:
        for v, a in zip(own, given, strict=True):
            if v.type is INT64:
                inner.forms[v] = self.form(a)

    # -- what follows --------------------------------------------------------------------------------------------------

    def is_index(self, form: Linear) -> bool:
        """Whether an integer is surely not negative: a sum of small ones, or of what is known to be so."""
        if form in self.between or self._is_sum(form):
            return True
        if not 0 <= form.offset <= MODERATE:
            return False
        terms = form.terms
        return sum(terms.values()) <= 2 and all([k > 0 and s in self.small for s, k in terms.items()])

    def _is_sum(self, form: Linear) -> bool:
        """Whether an integer is the sum of two numbers that are known to lie between 0 and 2**63 - 2, one of which is
        moderate, the other small.

        A number ``c + s - t`` of that kind, with small s and t or without, is at most ``c + s``: as a negative number
        it would be one above 2**63 - 2.
        """
        moderate = [f for f in self.between if self._is_at_most_small(f, 0)]
        return any(
            [rest in self.between and self._is_at_most_small(rest, 1) for f in moderate for rest in [form.plus(f, -1)]]
        )

    def _is_at_most_small(self, form: Linear, more: int) -> bool:
        """Whether a number that is known to lie between 0 and 2**63 - 2 is a moderate one and so many small ones at
        most.
        """
        up, down = [sum([k for k in form.terms.values() if k * sign > 0]) for sign in (1, -1)]
        return abs(form.offset) <= MODERATE and up <= more and down >= -1 and form.terms.keys() <= self.small

    def differ(self, x: Linear, y: Linear) -> bool:
        """Whether two integers surely differ."""
        return any([self._is_positive(d) for d in (x.plus(y, -1), y.plus(x, -1))])

    def _is_positive(self, form: Linear) -> bool:
        if not form.terms:
            return 1 <= form.offset < 2**62
        known = [f for f in self.between if f.terms]
        less = [form.plus(f, -1) for f in known]
        if any([not rest.terms and 1 <= rest.offset <= MODERATE for rest in less]):
            return True
        near = [rest for rest in less if len(rest.terms) <= len(form.terms)]
        # two of them and 3 are at most 2**64 - 1
        return any([rest.plus(f, -1) in (Linear(k, {}) for k in (1, 2, 3)) for rest in near for f in known])


def _factor(operands: Sequence[Atom]) -> tuple[Atom, int] | None:
    """An operand and the constant that it is multiplied by."""
    for a, b in (operands, operands[::-1]):
        if isinstance(b, Literal) and not b.type.ndim and abs(int(b.value)) <= MODERATE:
            return a, int(b.value)
    return None


def increment(body: Program, before: Var, after: Atom) -> int | None:
    """The constant that each step adds to a part of a carry."""
    if before.type is not INT64:
        return None
    for e in body.eqns:
        if after in e.outputs and e.primitive.name in ("add", "sub") and before in e.inputs:
            others = [a for a in e.inputs if a is not before]
            if len(others) == 1 and isinstance(others[0], Literal) and abs(int(others[0].value)) <= MODERATE:
                by = int(others[0].value)
                return by if e.primitive.name == "add" else -by if e.inputs[0] is before else None
    return None
