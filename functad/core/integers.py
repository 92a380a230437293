"""What is known of traced integers: affine forms, and bounds.

The integers that bound slices in a loop are mostly affine in the loops' indices, ``n - i - 1`` say. Two of one form are
equal, whatever the indices are; and since a loop notes in which range its counter is (``BodyTrace.ranges``), a form has
a least value, so that ``0 <= i + 1 <= n`` can be proved. An atom of a form is a variable, followed to the trace where
it was made, or a record of an operation that is not affine (``("min", f, g)``): two records are equal if the operands
are.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from functad.core.handles import BodyTrace
from functad.core.trace import Trace, current_trace
from functad.core.tracer import Tracer
from functad.ir.program import Eqn, Literal, Var, sub_programs

__all__ = ["Affine", "affine_of", "atom_of", "identity_of", "least", "made_of", "number"]

INT64 = np.dtype(np.int64)

LONGEST = 40
"""So many equations are followed."""

SHALLOW = 4
"""So many operations in one another are compared."""

DEEPEST, MOST = 12, 400
"""So many bounds are put into one another, and so many in all, until nothing is known."""


class Affine(NamedTuple):
    """``constant + sum of coefficient * atom``."""

    constant: int | Fraction
    terms: frozenset[tuple[Any, int | Fraction]]

    def plus(self, other: Affine, times: int | Fraction = 1) -> Affine:
        """``self + times * other``.

        Examples
        --------
        >>> made_of("i").plus(number(3)).plus(made_of("i"), -1)
        Affine(constant=3, terms=frozenset())
        """
        terms = dict(self.terms)
        for atom, coefficient in other.terms:
            terms[atom] = terms.get(atom, 0) + times * coefficient
        kept = frozenset([(atom, c) for atom, c in terms.items() if c])
        return Affine(self.constant + times * other.constant, kept)

    def times(self, factor: int | Fraction) -> Affine:
        """The multiple."""
        return number(0).plus(self, factor)

    @property
    def fixed(self) -> int | None:
        """The number that it is, whatever the atoms are; None if it depends on them."""
        return None if self.terms else int(self.constant)


def number(n: int) -> Affine:
    """A number as a form."""
    return Affine(n, frozenset())


def made_of(atom: Any) -> Affine:
    """The form that is one atom."""
    return Affine(0, frozenset([(atom, 1)]))


# -- forms of traced integers ------------------------------------------------------------------------------------------


def atom_of(x: Tracer) -> Var:
    """The variable that a traced value stands for, where it was made: one for all captures of it."""
    return _origin(x._owner, x._variable)[1]


def identity_of(x: Tracer) -> Hashable:
    """What two traced values share only if they are equal: the variable, or the operation that gave it and what its
    operands share.
    """
    return _identity(x._owner, x._variable, 0)


def _identity(trace: Trace, var: Var, depth: int) -> Hashable:
    trace, var = _origin(trace, var)
    eqn = trace.made_by(var)
    if eqn is None or len(eqn.outputs) != 1 or depth == SHALLOW or eqn.primitive.may_raise or sub_programs(eqn):
        return var
    operands = []
    for a in eqn.inputs:
        if type(a) is Var:
            operands.append(_identity(trace, a, depth + 1))
        elif type(a) is Literal and not a.type.shape:
            operands.append((str(a.type), np.asarray(a.value).tobytes()))
        else:
            return var
    found = eqn.primitive, tuple(eqn.params.items()), *operands
    try:
        hash(found)
    except TypeError:
        return var
    return found


def affine_of(x: Tracer) -> Affine:
    """The form of a traced integer."""
    return _form(x._owner, x._variable)


def _origin(trace: Trace, var: Var) -> tuple[Trace, Var]:
    source = trace.sources.get(var)
    while source is not None:
        trace, var = source._owner, source._variable
        source = trace.sources.get(var)
    return trace, var


def _form(trace: Trace, var: Var, depth: int = 0) -> Affine:
    trace, var = _origin(trace, var)
    eqn = trace.made_by(var)
    # narrower integers wrap around elsewhere
    if eqn is None or len(eqn.outputs) != 1 or var.type.dtype != INT64 or var.type.ndim or depth == LONGEST:
        return made_of(var)
    return _of_equation(trace, eqn, depth + 1) or made_of(var)


def _of_equation(trace: Trace, eqn: Eqn, depth: int) -> Affine | None:
    """The form of what an equation gives; None if it is not known to be affine."""

    def operand(number_: int) -> Affine:
        a = eqn.inputs[number_]
        return number(int(a.value)) if type(a) is Literal else _form(trace, a, depth)  # type: ignore[arg-type]

    name = eqn.primitive.name
    if name in ("add", "sub"):
        return operand(0).plus(operand(1), 1 if name == "add" else -1)
    if name == "neg":
        return operand(0).times(-1)
    if name == "mul":
        x, y = operand(0), operand(1)
        return y.times(x.constant) if not x.terms else x.times(y.constant) if not y.terms else None
    if name in ("minimum", "maximum"):
        return made_of((name[:3], operand(0), operand(1)))
    if name == "convert":
        dtype = eqn.inputs[0].type.dtype
        return operand(0) if dtype.kind in "iu" and np.can_cast(dtype, INT64) else None
    return None


# -- bounds ------------------------------------------------------------------------------------------------------------


def least(form: Affine) -> int | Fraction | None:
    """A number that a form is never less than; None if nothing is known.

    The bounds of its atoms are put in their place, those of inner loops first, since these are forms of outer indices.
    """
    return _Search(_traces()).least(form, 0)


class _Search:
    """The search for the least value of a form."""

    def __init__(self, traces: Sequence[BodyTrace]) -> None:
        self.traces = traces  # bodies of loops and branches, the innermost first
        self.left = MOST

    def least(self, form: Affine, depth: int) -> int | Fraction | None:
        if not form.terms:
            return form.constant
        self.left -= 1
        if depth == DEEPEST or self.left < 0:
            return None
        atom, coefficient = min(form.terms, key=lambda term: self.rank(term[0]))
        best: int | Fraction | None = None
        for bound in self.bounds(atom, coefficient > 0, depth):
            found = self.least(form.plus(made_of(atom), -coefficient).plus(bound, coefficient), depth + 1)
            best = found if best is None or (found is not None and found > best) else best
        return best

    def rank(self, atom: Any) -> int:
        """What is not affine first: what it is made of may depend on inner counters."""
        if type(atom) is not Var:
            return -1
        return next((i for i, t in enumerate(self.traces) if atom in t.ranges), len(self.traces))

    def bounds(self, atom: Any, lower: bool, depth: int) -> list[Affine]:
        """Forms that an atom is never less than, or never more than."""
        if type(atom) is Var:
            found = [t.ranges[atom][not lower] for t in self.traces if atom in t.ranges]
            return [b for b in found if b is not None]
        kind, *operands = atom
        if kind in ("min", "max"):
            if lower == (kind == "max"):
                return list(operands)
            sign = 1 if lower else -1  # what is never less than both
            ends = [self.least(f.times(sign), depth + 1) for f in operands]
            return [] if None in ends else [Affine(sign * min(ends), frozenset())]  # type: ignore[operator, type-var]
        if kind == "ceil":  # operands: what is divided, and by which number
            return [operands[0].plus(number(0 if lower else operands[1] - 1)).times(Fraction(1, operands[1]))]
        if kind == "count":  # of a mask, and how many elements it has
            return [number(0 if lower else operands[1])]
        return []


def _traces() -> list[BodyTrace]:
    """The bodies of loops and branches that are traced now, the innermost first."""
    found, trace = [], current_trace()
    while trace is not None:
        if type(trace) is BodyTrace:
            found.append(trace)
        trace = trace.parent
    return found
