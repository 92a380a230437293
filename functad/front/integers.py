"""Python's integers in loops: they have no bound in Python, and 64 bits in compiled code.

What a step adds to a counter does not depend on the counter, so that it stays in bounds however long the loop is. Where
a step multiplies an integer, or adds up two that depend on one another (Fibonacci's), it soon leaves them.

Of the variables that depend on one another from step to step, a step may give one of them plus or minus something else:
the *growth* of a value is 0 where none of them is in it, 1 where it is at most that large, 2 otherwise.

Where a variable grows faster than that, each operation on the way is done once more in floats, and a result that is not
well within 64 bits ends the call with an ``OverflowError``: the error of the float, 2**-52 of it, is less than what the
bound leaves.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.trace import inherited_location
from functad.ir.program import Atom, Eqn, Literal, Program, Var
from functad.ir.regions import Regions, regions_of
from functad.primitives.check import Failure, check
from functad.primitives.comparison import lt
from functad.primitives.convert import convert
from functad.primitives.rounding import absolute
from functad.transforms.programs import trace_program

__all__ = ["checked", "growing"]

_SUMS = ("add", "sub")
_FASTER = ("dot_general", "integer_power", "power", "shift_left", "signed_power", "square")

LARGEST = 9.2e18
"""Floats below that are of integers of 64 bits."""


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
    return _grown(program, given).get(result, 0) if type(result) is Var else 0


def _grown(program: Program, given: Mapping[Var, int]) -> dict[Var, int]:
    """The growth of all that is computed, from that of inputs."""
    known = dict(given)
    for eqn in program.eqns:
        grown = [known.get(a, 0) if type(a) is Var else 0 for a in eqn.inputs]
        found = [0] * len(eqn.outputs) if not any(grown) else _of_equation(eqn, grown)
        known.update({v: g if v.type.dtype.kind in "iu" else 0 for v, g in zip(eqn.outputs, found, strict=True)})
    return known


def _of_equation(eqn: Eqn, grown: list[int]) -> list[int]:
    """The growth of the results of an equation."""
    form = regions_of(eqn)
    if form is not None:
        return _of_regions(form, grown, len(eqn.outputs))
    name, most = eqn.primitive.name, max(grown)
    if name in _SUMS:
        return [min(sum(grown), 2)]
    if name == "mul":
        units = [type(a) is Literal and abs(a.value) <= 1 for a in eqn.inputs]
        return [most if any(units) else 2]
    if name == "rem":
        return [grown[1]]  # it is smaller than what is divided by
    if name == "bit_and" and any([type(a) is Literal and a.value >= 0 for a in eqn.inputs]):
        return [0]  # the last bits are right whatever the first are
    return [2 if name in _FASTER else most] * len(eqn.outputs)


def _of_regions(form: Regions, grown: list[int], results: int) -> list[int]:
    """The growth of the results of control flow: that of any branch, or of as many steps as there may be."""
    carry = form.operands(grown).carry
    while True:
        outs = [form.outputs(r, _of_outputs(r.program, given)) for r, given in _given(form, grown, carry)]
        after = [max(parts) for parts in zip(carry, *[o.carry for o in outs], strict=True)]
        if after == carry:
            break
        carry = after
    written = [max(parts) for parts in zip(*[o.written for o in outs], strict=True)]
    return [*carry, *[0] * (results - len(carry) - len(written)), *written]


def _given(form: Regions, flags: list[int], carry: list[int]) -> list[tuple[Any, list[int]]]:
    operands = form.operands(flags)._replace(carry=carry)
    return [(r, form.given(r, operands)) for r in form.steps]


def _of_outputs(program: Program, given: list[int]) -> list[int]:
    known = _grown(program, dict(zip(program.inputs, given, strict=True)))
    return [known.get(a, 0) if type(a) is Var else 0 for a in program.outputs]


# -- checks at run time ------------------------------------------------------------------------------------------------


class Overflow:
    """What is raised where an integer leaves 64 bits."""

    def __init__(self, message: str) -> None:
        self._message = message

    def __call__(self) -> BaseException:
        return OverflowError(self._message)


def checked(step: Program, inputs: Sequence[int], message: str) -> Program | None:
    """A step that ends the call where an integer that is made of some of its inputs leaves 64 bits; None where that
    cannot be seen.
    """
    given = {step.inputs[i]: 1 for i in inputs}
    check = _Checked(message)
    try:
        return trace_program(lambda *args: check.run(step, args, given), step.in_types)
    except LookupError:
        return None


class _Checked:
    """The run of a Program with checks."""

    def __init__(self, message: str) -> None:
        self._failure = Failure(Overflow(message), message)

    def run(self, program: Program, args: Sequence[Any], given: Mapping[Var, int]) -> list[Any]:
        """The outputs of a Program."""
        known = _grown(program, given)
        values: dict[Any, Any] = dict(zip(program.inputs, args, strict=True))
        with inherited_location() as at:
            for eqn in program.eqns:
                at.loc = eqn.loc
                ins = [a.value if type(a) is Literal else values[a] for a in eqn.inputs]
                grown = [known.get(a, 0) if type(a) is Var else 0 for a in eqn.inputs]
                result = self._equation(eqn, ins, grown) if any(grown) else eqn.primitive.bind(*ins, **eqn.params)
                values.update(zip(eqn.outputs, result if eqn.primitive.multiple_results else [result], strict=True))
        return [a.value if type(a) is Literal else values[a] for a in program.outputs]

    def _equation(self, eqn: Eqn, ins: Sequence[Any], grown: list[int]) -> Any:
        form, name = regions_of(eqn), eqn.primitive.name
        if form is not None:
            return self._regions(eqn, form, ins, grown)
        result = eqn.primitive.bind(*ins, **eqn.params)
        if name in ("shift_left", "dot_general", "power", "signed_power"):
            raise LookupError
        if name in (*_SUMS, *_FASTER, "mul") and eqn.outputs[0].type.dtype.kind == "i":
            exact = eqn.primitive.bind(*[convert(x, np.dtype(np.float64)) for x in ins], **eqn.params)
            check(lt(absolute(exact), np.float64(LARGEST)), self._failure)
        return result

    def _regions(self, eqn: Eqn, form: Regions, ins: Sequence[Any], grown: list[int]) -> Any:
        carry = _of_regions(form, grown, len(eqn.outputs))[: form.carry]
        operands = form.operands(grown)._replace(carry=carry)
        programs = []
        for region in form.regions:
            flags = form.given(region, operands)
            given = {v: f for v, f in zip(region.program.inputs, flags, strict=True) if f}
            run = functools.partial(self.run, region.program, given=given)
            programs.append(trace_program(lambda *args, run=run: run(args), region.program.in_types))  # type: ignore[misc]
        return form.bind(eqn.primitive, eqn.params, programs, form.operands(ins)).all
