"""Strong zeros: what has a tangent or cotangent of exactly zero contributes nothing, whatever its derivative is.

At 0, ``np.where(x <= 0, 0.0, np.sqrt(x))`` takes the constant. The cotangent of the root is 0, its derivative infinite, and 0 times that would be
NaN. So in the linear Program of a rule, a product or a quotient of what moves with a factor that may be infinite or NaN becomes one in which zero
wins (``primitives/arithmetic.py``). The factors that may be so are those of singular primitives, and what is computed from their results: the
drivers note which variables of a Program these are, the *doubtful* ones. The arguments of a function count as finite; a sub-Program knows which of
its inputs are doubtful where it is called. (All paths to a derivative doubt the same, so that they agree in every bit, signs of zeros included.)

Where a doubtful variable meets a finite factor, the product is a plain one, but its derivative in the factor is not: the next derivative may
multiply by something infinite on the way to the doubtful variable. (In ``p * log(p)``, the cotangent of the logarithm is c p, which the second
derivative divides by p.)

Products in which zero wins take a cycle more; where nothing is 0 they are equal to plain ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from functad.core.primitive import REGISTRY, Singular
from functad.ir.program import Atom, Eqn, Literal, Program

__all__ = ["Doubts", "doubtful_results", "doubting", "doubts_about", "note_doubtful", "strengthened", "with_doubts"]

STRONG = {"mul": ("strong_mul", "tangent_mul"), "tangent_mul": ("strong_mul", "tangent_mul"), "div": ("strong_div", "div")}
"""What a product, a quotient become, as the operation on what moves and a factor: by a factor that may be infinite or NaN, and by another."""

Doubts = tuple[bool, ...]
"""Which operands of an equation may make factors of its derivative infinite or NaN; empty where none does."""


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


# -- sub-Programs ------------------------------------------------------------------------------------------------------------------------


def doubting(eqn: Eqn, doubts: Doubts) -> Mapping[str, Any]:
    """The params of an equation, with sub-Programs that know which of their inputs are doubtful."""
    if eqn.primitive.doubting is None or not (doubts or eqn.signature.singular):
        return eqn.params
    return _inside(eqn, doubts)[0]


def _inside(eqn: Eqn, doubts: Doubts) -> tuple[Mapping[str, Any], Sequence[bool]]:
    return eqn.primitive.doubting(eqn.params, doubts or (False,) * len(eqn.inputs))  # type: ignore[misc, no-any-return]


def with_doubts(program: Program, doubts: Sequence[bool]) -> Program:
    """A Program that knows which of its inputs are doubtful; the same one each time."""
    doubtful = program.doubtful.union([v for v, flag in zip(program.inputs, doubts, strict=True) if flag and v.type.inexact])
    if doubtful == program.doubtful:
        return program
    found = program.derived.get(("doubting", doubtful))
    if found is None:
        found = program.derived["doubting", doubtful] = Program(program.inputs, program.eqns, program.outputs, program.name)
        found.doubtful = doubtful
    return found  # type: ignore[no-any-return]


def doubtful_results(program: Program, doubts: Sequence[bool]) -> Doubts:
    """Which results of a Program are doubtful, given which inputs are."""
    key = "doubtful results", tuple(doubts)
    found = program.derived.get(key)
    if found is None:
        doubtful: set[Atom] = set(with_doubts(program, doubts).doubtful)
        for eqn in program.eqns:
            if doubtful or eqn.signature.singular:
                note_doubtful(eqn, doubts_about(eqn, doubtful), doubtful)
        found = program.derived[key] = tuple([a in doubtful for a in program.outputs])
    return found  # type: ignore[no-any-return]


# -- rules -------------------------------------------------------------------------------------------------------------------------------


def strengthened(residuals: Program, tangent: Program, doubts: Sequence[bool]) -> Program:
    """The linear Program of a rule with strong zeros.

    ``residuals`` computes what ``tangent`` takes beside tangents. Of its inputs, ``doubts`` says which may be infinite or NaN; so may be what is
    computed from them.
    """
    doubtful = {v for v, flag in zip(residuals.inputs, doubts, strict=True) if flag}
    for e in residuals.eqns:
        if not doubtful.isdisjoint(e.inputs):
            doubtful.update([v for v in e.outputs if v.type.inexact])
    moving = set(tangent.inputs[len(residuals.outputs) :])
    eqns: list[Eqn] = []
    for e in tangent.eqns:
        if not moving.isdisjoint(e.inputs):
            moving.update(e.outputs)
        eqns.append(_strong(e, moving, doubtful))
    return Program(tangent.inputs, eqns, tangent.outputs, tangent.name)


def _strong(eqn: Eqn, moving: Set[Atom], doubtful: Set[Atom]) -> Eqn:
    """A product or quotient of what moves and a factor, or a linear primitive that has a strong form of its own."""
    if "strong" in eqn.params:
        strong = eqn.params["strong"] or not doubtful.isdisjoint(eqn.inputs)
        return Eqn(eqn.primitive, eqn.inputs, {**eqn.params, "strong": strong}, eqn.outputs, eqn.loc)
    if eqn.primitive.name not in STRONG:
        return eqn
    t, f = eqn.inputs if eqn.inputs[0] in moving else eqn.inputs[::-1]
    if isinstance(f, Literal) or f in moving:
        return eqn
    by_doubtful, by_other = STRONG[eqn.primitive.name]
    return Eqn(REGISTRY[by_doubtful if f in doubtful else by_other], (t, f), eqn.params, eqn.outputs, eqn.loc)
