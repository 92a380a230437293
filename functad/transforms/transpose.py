"""Transposition of linear Programs: pull cotangents back through their equations, last to first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from functad.core.cotangents import accumulate, settled
from functad.core.primitive import Linear, bind_all
from functad.core.trace import inherited_location
from functad.core.zeros import zeros
from functad.errors import LinearityError
from functad.ir.dependence import dependent_results
from functad.ir.program import Eqn, Program, Var
from functad.ir.types import SeqType
from functad.transforms.replay import Reader

__all__ = ["linear_variables", "transpose_program"]


def linear_variables(program: Program, linear: Sequence[bool]) -> set[Var]:
    """The variables that depend on the linear inputs; raises LinearityError where the dependence is not linear."""
    found = {v for v, flag in zip(program.inputs, linear, strict=True) if flag}
    for eqn in program.eqns:
        flags = [type(a) is Var and a in found for a in eqn.inputs]
        if not any(flags):
            continue
        positions = [i for i, flag in enumerate(flags) if flag]
        if not is_linear(eqn, positions):
            raise LinearityError(
                f"{eqn.primitive.name} is not linear in its operands {positions}{f', at {eqn.loc}' if eqn.loc else ''}"
            )
        found.update([v for v, d in zip(eqn.outputs, dependent_results(eqn, flags), strict=True) if d])
    return found


def is_linear(eqn: Eqn, positions: Sequence[int]) -> bool:
    """Whether an equation is linear in its operands at these positions, taken together."""
    linear = eqn.primitive.linear
    if eqn.primitive.transpose is None or linear is None:
        return False
    if linear == "jointly":
        return True
    if linear == "each":
        return len(positions) == 1
    return all(i in linear for i in positions)


def transpose_program(
    program: Program,
    linear: Sequence[bool],
    args: Sequence[Any],
    cotangents: Sequence[Any],
    settle: bool = True,
    sums: Sequence[Any] = (),
) -> list[Any]:
    """The cotangents (None where zero) of the linear inputs of a Program, given those of its outputs, and added to
    ``sums`` where these are given.

    ``args`` holds the values of the other inputs; entries for linear inputs are ignored, but for those of sequences:
    they say how long these are. Unless they are to ``settle``, cotangents may be ``Sum``s.
    """
    dependent = linear_variables(program, linear)
    read = Reader(program, args)
    backward: list[Eqn] = []
    inputs = [v for v, flag in zip(program.inputs, linear, strict=True) if flag]
    ct: dict[Var, Any] = {v: s for v, s in zip(inputs, sums, strict=False) if s is not None}
    at_zero = AtZero(program, dependent, read)
    with inherited_location() as at:
        for eqn in program.eqns:
            if any(v in dependent for v in eqn.outputs):
                backward.append(eqn)
                if not _gives_more(eqn, program, dependent):
                    continue
            at.loc = eqn.loc
            # what a loop gives besides what is linear depends on no linear operand
            ins = [at_zero(a) if type(a) is Var and a in dependent else read(a) for a in eqn.inputs]
            read.write(eqn.outputs, bind_all(eqn.primitive, ins, eqn.params))
        for atom, value in zip(program.outputs, cotangents, strict=True):
            if type(atom) is Var and atom in dependent and value is not None:
                ct[atom] = accumulate(ct.get(atom), value)
        for eqn in reversed(backward):
            outs = [settled(ct.pop(v, None)) for v in eqn.outputs]
            if all(o is None for o in outs):
                continue
            at.loc = eqn.loc
            operands = [
                Linear(a.type, partial(at_zero, a)) if type(a) is Var and a in dependent else read(a)
                for a in eqn.inputs
            ]
            results = eqn.primitive.transpose(
                outs if eqn.primitive.multiple_results else outs[0], *operands, **eqn.params
            )  # type: ignore[misc]
            for a, value in zip(eqn.inputs, results, strict=True):
                if value is not None and type(a) is Var and a in dependent:
                    ct[a] = accumulate(ct.get(a), value)
        found = [ct.get(v) for v in inputs]
        return [settled(c) for c in found] if settle else found


def _gives_more(eqn: Eqn, program: Program, dependent: set[Var]) -> bool:
    """Whether others read a result of an equation that does not depend on the linear inputs."""
    others = [v for v in eqn.outputs if v not in dependent]
    return bool(others) and any([a in others for e in program.eqns for a in e.inputs if type(a) is Var])


class AtZero:
    """The linear variables of a Program where its linear inputs are zero.

    A transpose rule may need zeros of a sequence's length, which the linear loop that writes it knows and its type does
    not.
    """

    def __init__(self, program: Program, dependent: set[Var], read: Reader) -> None:
        self.program = program
        self.dependent = dependent
        self.read = read

    def __call__(self, variable: Var) -> Any:
        needed, eqns = {variable}, []
        for eqn in reversed(self.program.eqns):
            if not needed.isdisjoint(eqn.outputs):
                eqns.append(eqn)
                needed.update([a for a in eqn.inputs if type(a) is Var and a in self.dependent])
        found = {
            v: self.read(v) if isinstance(v.type, SeqType) else zeros(v.type)
            for v in self.program.inputs
            if v in needed
        }
        for eqn in reversed(eqns):
            ins = [found[a] if type(a) is Var and a in self.dependent else self.read(a) for a in eqn.inputs]
            found.update(zip(eqn.outputs, bind_all(eqn.primitive, ins, eqn.params), strict=True))
        return found[variable]
