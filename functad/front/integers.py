"""Python's integers in loops: they have no bound in Python, and 64 bits in compiled code.

What a step adds to a counter does not depend on the counter, so that it stays in bounds however long the loop is. Where
a step multiplies an integer, or adds up two that depend on one another (Fibonacci's), it soon leaves them.

Of the variables that depend on one another from step to step, a step may give one of them plus or minus something else:
the *growth* of a value is 0 where none of them is in it, 1 where it is at most that large, 2 otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from functad.ir.program import Atom, Eqn, Literal, Program, Var, sub_programs

__all__ = ["growing"]

_SUMS = ("add", "sub")
_FASTER = ("dot_general", "integer_power", "power", "shift_left", "signed_power")


def growing(step: Program, inputs: Sequence[int], outputs: Sequence[int]) -> list[int]:
    """Which of some integers may leave 64 bits: numbers of inputs of a step, and of the results that they become."""
    names = [step.inputs[i] for i in inputs]
    after = [step.outputs[o] for o in outputs]
    ahead = [{j for j, x in enumerate(names) if _growth(step, {x: 1}, a)} for a in after]
    for _ in names:
        ahead = [found.union(*[ahead[j] for j in found]) for found in ahead]
    together = [{names[j]: 1 for j in found if k in ahead[j]} for k, found in enumerate(ahead)]
    return [k for k, a in enumerate(after) if _growth(step, together[k], a) > 1]


def _growth(program: Program, given: Mapping[Var, int], result: Atom) -> int:
    known = dict(given)
    for eqn in program.eqns:
        grown = _of_equation(eqn, [known.get(a, 0) if type(a) is Var else 0 for a in eqn.inputs])
        known.update({v: grown if v.type.dtype.kind in "iu" else 0 for v in eqn.outputs})
    return known.get(result, 0) if type(result) is Var else 0


def _of_equation(eqn: Eqn, grown: list[int]) -> int:
    name, most = eqn.primitive.name, max(grown, default=0)
    if not most:
        return 0
    if name in _SUMS:
        return min(sum(grown), 2)
    if name == "mul":
        units = [type(a) is Literal and abs(a.value) <= 1 for a in eqn.inputs]
        return most if any(units) else 2
    if name == "rem":
        return grown[1]  # it is smaller than what is divided by
    if name == "bit_and" and any([type(a) is Literal and a.value >= 0 for a in eqn.inputs]):
        return 0  # the last bits are right whatever the first are
    if name in _FASTER:
        return 2
    programs = sub_programs(eqn)
    if name == "cond":
        inner = [_growth(p, dict(zip(p.inputs, grown[1:], strict=True)), a) for p in programs for a in p.outputs]
        return max(inner, default=0)
    return most
