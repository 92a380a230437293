"""Strong zeros: what has a tangent or cotangent of exactly zero contributes nothing, whatever its derivative is.

At 0, ``np.where(x <= 0, 0.0, np.sqrt(x))`` takes the constant. The cotangent of the root is 0, its derivative infinite,
and 0 times that would be NaN. So in the linear Program of a rule, a product or a quotient of what moves with a factor
that may be infinite or NaN becomes one in which zero wins (``primitives/arithmetic.py``). The factors that may be so
are those of singular primitives, and what is computed from their results: the drivers note which variables of a Program
these are, the *doubtful* ones. Constants are looked at; the arguments of a function count as finite; a sub-Program
knows which of its inputs are doubtful where it is called. (All paths to a derivative doubt the same, so that they agree
in every bit, signs of zeros included.)

Where a doubtful variable meets a finite factor, the product is a plain one, but its derivative in the factor is not:
the next derivative may multiply by something infinite on the way to the doubtful variable. (In ``p * log(p)``, the
cotangent of the logarithm is c p, which the second derivative divides by p.)

Products in which zero wins take a cycle more; where nothing is 0 they are equal to plain ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Singular
from functad.ir.derived import derived
from functad.ir.program import Atom, Eqn, Literal, Program, Var

__all__ = [
    "Doubts", "doubtful_atoms", "doubtful_results", "doubting", "doubts_about", "note_doubtful", "strengthened",
    "strengthened_constants", "with_doubts",
]  # fmt: skip

STRONG: dict[Primitive, tuple[Primitive, Primitive, Primitive]] = {}
"""What a product, a quotient become, as the operation on what moves and a factor: by a factor that may be infinite or
NaN, by one whose derivatives may be, and by any other beside a doubtful operand (a divisor is then a fixed number).
Stated beside each.
"""

Doubts = tuple[bool, ...]
"""Which operands of an equation may make factors of its derivative infinite or NaN; empty where none does."""


def doubtful_atoms(program: Program) -> set[Atom]:
    """The inputs that a Program has been told of, and its constants that are not finite: data in which something is
    missing.
    """
    doubtful: set[Atom] = set(program.doubtful)
    seen: dict[int, bool] = {}  # data are used many times
    for e in program.eqns:
        for a in e.inputs:
            if type(a) is Literal and a.type.inexact:
                value = a.value
                finite = seen.get(id(value))
                if finite is None:
                    finite = seen[id(value)] = is_finite(value)
                if not finite:
                    doubtful.add(a)
    return doubtful


def is_finite(value: Any) -> bool:
    """Whether a constant is finite, and the sum of its squares: one pass, without memory where it is contiguous."""
    if type(value) is np.float64:
        return math.isfinite(value)
    square = np.vdot(value, value)  # unlike ``dot``, it never warns
    return math.isfinite(square.real) and math.isfinite(square.imag)


def doubts_about(eqn: Eqn, doubtful: set[Atom]) -> Doubts:
    """The operands that are doubtful; all of those of a singular primitive."""
    inputs, singular = eqn.inputs, eqn.signature.singular
    if singular and eqn.primitive.doubting is None and (singular is True or _may_divide_by_zero(eqn, singular)):
        return (True,) * len(inputs)
    return () if doubtful.isdisjoint(inputs) else tuple([a in doubtful for a in inputs])


def note_doubtful(eqn: Eqn, doubts: Doubts, doubtful: set[Atom]) -> None:
    """Add those results of an equation that may be infinite or NaN to the doubtful variables."""
    if eqn.primitive.doubting is not None:
        _, flags = _inside(eqn, doubts)
        doubtful.update([v for v, flag in zip(eqn.outputs, flags, strict=True) if flag])
    elif doubts:
        for v in eqn.outputs:
            if v.type.inexact:
                doubtful.add(v)


def _may_divide_by_zero(eqn: Eqn, divisors: Singular) -> bool:
    """Whether one of these operands may be 0: what is no fixed number may be."""
    atoms = [eqn.inputs[i] for i in (divisors if isinstance(divisors, tuple) else ())]
    return any([not isinstance(a, Literal) or a.type.ndim > 0 or not a.value for a in atoms])


# -- sub-Programs ------------------------------------------------------------------------------------------------------


def doubting(eqn: Eqn, doubts: Doubts) -> Mapping[str, Any]:
    """The params of an equation, with sub-Programs that know which of their inputs are doubtful."""
    if eqn.primitive.doubting is None or not (doubts or eqn.signature.singular):
        return eqn.params
    return _inside(eqn, doubts)[0]


def _inside(eqn: Eqn, doubts: Doubts) -> tuple[Mapping[str, Any], Sequence[bool]]:
    return eqn.primitive.doubting(eqn.params, doubts or (False,) * len(eqn.inputs))  # type: ignore[misc, no-any-return]


def with_doubts(program: Program, doubts: Sequence[bool]) -> Program:
    """A Program that knows which of its inputs are doubtful; the same one each time."""
    doubtful = program.doubtful.union(
        [v for v, flag in zip(program.inputs, doubts, strict=True) if flag and v.type.inexact]
    )
    if doubtful == program.doubtful:
        return program
    return _doubting(program, doubtful)


@derived
def _doubting(program: Program, doubtful: frozenset[Var]) -> Program:
    made = Program(program.inputs, program.eqns, program.outputs, program.name)
    made.doubtful = doubtful
    return made


def doubtful_results(program: Program, doubts: Sequence[bool]) -> Doubts:
    """Which results of a Program are doubtful, given which inputs are."""
    return _doubtful_results(program, tuple(doubts))


@derived
def _doubtful_results(program: Program, doubts: Doubts) -> Doubts:
    doubtful = doubtful_atoms(with_doubts(program, doubts))
    for eqn in program.eqns:
        if doubtful or eqn.signature.singular:
            note_doubtful(eqn, doubts_about(eqn, doubtful), doubtful)
    return tuple([a in doubtful for a in program.outputs])


# -- rules -------------------------------------------------------------------------------------------------------------


def strengthened(residuals: Program, tangent: Program, doubts: Sequence[bool]) -> Program:
    """The linear Program of a rule with strong zeros.

    ``residuals`` computes what ``tangent`` takes beside tangents. Of its inputs, ``doubts`` says which may be infinite
    or NaN; so may be what is computed from them. What singular primitives make of others in a rule is finite, but has
    derivatives that may not be (the sine of an angle).
    """
    doubtful = {v for v, flag in zip(residuals.inputs, doubts, strict=True) if flag}
    steep: set[Atom] = set()
    for e in residuals.eqns:
        if not doubtful.isdisjoint(e.inputs):
            doubtful.update([v for v in e.outputs if v.type.inexact])
        elif e.signature.singular or not steep.isdisjoint(e.inputs):
            steep.update(e.outputs)
    if not doubtful and not steep:
        return tangent
    moving = set(tangent.inputs[len(residuals.outputs) :])
    eqns: list[Eqn] = []
    for e in tangent.eqns:
        if not moving.isdisjoint(e.inputs):
            moving.update(e.outputs)
        eqns.append(_strong(e, moving, (doubtful, steep), any(doubts)))
    return Program(tangent.inputs, eqns, tangent.outputs, tangent.name)


def strengthened_constants(tangent: Program) -> Program:
    """A linear Program whose factors are all constants, with strong zeros where those are infinite, or zero and divided
    by.
    """
    eqns = []
    for e in tangent.eqns:
        if e.primitive in STRONG and any([type(a) is Literal for a in e.inputs]):
            t, f = e.inputs if type(e.inputs[1]) is Literal else e.inputs[::-1]
            value = f.value  # type: ignore[union-attr]
            if not is_finite(value) or (e.signature.singular and not np.all(value)):
                e = Eqn(STRONG[e.primitive][0], (t, f), e.params, e.outputs, e.loc)
        eqns.append(e)
    return Program(tangent.inputs, eqns, tangent.outputs, tangent.name)


def _strong(eqn: Eqn, moving: Set[Atom], factors: tuple[Set[Atom], Set[Atom]], doubted: bool) -> Eqn:
    """A product or quotient of what moves and a factor, or a linear primitive that has a strong form of its own."""
    if "strong" in eqn.params:
        strong = eqn.params["strong"] or not factors[0].isdisjoint(eqn.inputs)
        return Eqn(eqn.primitive, eqn.inputs, {**eqn.params, "strong": strong}, eqn.outputs, eqn.loc)
    if eqn.primitive not in STRONG:
        return eqn
    t, f = eqn.inputs if eqn.inputs[0] in moving else eqn.inputs[::-1]
    kind = next((k for k, known in enumerate(factors) if f in known), 2 if doubted else None)
    if isinstance(f, Literal) or f in moving or kind is None:
        return eqn
    return Eqn(STRONG[eqn.primitive][kind], (t, f), eqn.params, eqn.outputs, eqn.loc)
