"""Linearize: run a Program once, and keep of each equation what its derivative needs.

The derivative of ``y = p(x)`` is a *linear rule*: residuals computed from x and y, and a linear Program from residuals and tangents to the
tangent of y. It is derived once for each (primitive, types, params, active operands) by tracing the primitive's jvp rule, splitting it by
dependence on the tangents, and, for reverse mode, transposing the linear part. Forward mode, reverse mode and linearize therefore cannot
disagree: they are the same equations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from functad.core.evaluator import run_program
from functad.core.trace import Trace, location_scope, using
from functad.core.tracer import ARRAY, SCALAR, Tracer
from functad.core.zeros import add, instantiate
from functad.ir.dce import kept_equations
from functad.ir.program import Eqn, Location, Program, Var
from functad.ir.types import ArrayType
from functad.transforms.replay import Reader, primal
from functad.transforms.transpose import transpose_program

__all__ = ["LinearMap", "LinearRule", "linear_rule", "linearize_program", "split_program"]

Mask = tuple[bool, ...]


class LinearRule(Protocol):
    """The derivative of one equation in its active operands."""

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        """The results of the equation and the residuals."""

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        """The tangents of the results (None where zero) from those of the active operands (None where zero)."""

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        """The cotangents of the active operands (None where zero) from those of the results (None where zero)."""


class DerivedRule:
    """A linear rule derived from a primitive's jvp and transpose rules."""

    __slots__ = ("_backward", "_in_types", "_residuals", "_tangent", "_out_types", "active")

    def __init__(self, active: bool, residuals: Program, tangent: Program, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType]):
        self.active = active  # False: the derivative is zero
        self._residuals = residuals
        self._tangent = tangent
        self._in_types = in_types
        self._out_types = out_types
        self._backward: tuple[Program, list[bool]] | None = None

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        outs = primal(eqn, ins, known)
        return outs, (run_program(self._residuals, (*ins, *outs)) if self.active else ())

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        full = [instantiate(t, ty) for t, ty in zip(tangents, self._in_types, strict=True)]
        return run_program(self._tangent, (*residuals, *full))

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        if self._backward is None:
            self._backward = self._transpose()
        program, present = self._backward
        full = [instantiate(c, ty) for c, ty in zip(cotangents, self._out_types, strict=True)]
        found = iter(run_program(program, (*residuals, *full)))
        return [next(found) if p else None for p in present]

    def _transpose(self) -> tuple[Program, list[bool]]:
        n = len(self._tangent.inputs) - len(self._in_types)
        with using(None):
            trace = Trace("transpose", concrete=False)
        residuals = [fresh_input(trace, v.type) for v in self._tangent.inputs[:n]]
        cotangents = [fresh_input(trace, t) for t in self._out_types]
        linear = [False] * n + [True] * len(self._in_types)
        with using(trace):
            cts = transpose_program(self._tangent, linear, residuals + [None] * len(self._in_types), cotangents)
        program, _ = trace.finish([c for c in cts if c is not None])
        return program, [c is not None for c in cts]


def fresh_input(trace: Trace, type: ArrayType) -> Tracer:
    """A tracer of a new abstract input."""
    return Tracer(trace.add_input(type), trace, ARRAY if type.ndim else SCALAR)


def linear_rule(eqn: Eqn, mask: Mask) -> LinearRule:
    """The linear rule of an equation for the operands flagged in ``mask``, memoised on the primitive."""
    prim, params = eqn.primitive, eqn.params
    types = tuple([a.type for a in eqn.inputs])
    key = (types, mask, *params.items()) if params else (types, mask)
    found = prim.rules.get(key)
    if found is None:
        found = prim.linearize(types, params, mask) if prim.linearize is not None else derive_rule(eqn, types, mask)
        prim.rules[key] = found
    return found  # type: ignore[no-any-return]


def derive_rule(eqn: Eqn, types: Sequence[ArrayType], mask: Mask) -> DerivedRule:
    """Trace the jvp rule of a primitive and split it into residuals and a linear Program."""
    prim = eqn.primitive
    out_types = [v.type for v in eqn.outputs]
    active_types = [t for t, m in zip(types, mask, strict=True) if m]
    with using(None):
        trace = Trace("linearize", concrete=False)
    primals = [fresh_input(trace, t) for t in types]
    outs = [fresh_input(trace, t) for t in out_types]
    dots = [fresh_input(trace, t) if m else None for t, m in zip(types, mask, strict=True)]
    known = len(primals) + len(outs)
    with using(trace), location_scope(_NOWHERE):
        result = None if prim.jvp is None else prim.jvp(dots, primals, tuple(outs) if prim.multiple_results else outs[0], **eqn.params)
        results = list(result) if prim.multiple_results and result is not None else [result] * len(outs)
        if all(r is None for r in results):
            empty = Program((), (), ())
            return DerivedRule(False, empty, empty, active_types, out_types)
        results = [instantiate(r, t) for r, t in zip(results, out_types, strict=True)]
    program, _ = trace.finish(results)
    residuals, tangent = split_program(program, known)
    return DerivedRule(True, residuals, tangent, active_types, out_types)


_NOWHERE: Any = None  # templates serve many places: their equations take the location of the equation they come from


def split_program(program: Program, known: int) -> tuple[Program, Program]:
    """Split a Program by dependence on its inputs from number ``known`` on.

    The first Program computes, from the known inputs, the residuals: what the second needs beside the other inputs.
    """
    dependent = set(program.inputs[known:])
    first: list[Eqn] = []
    second: list[Eqn] = []
    for eqn, kept in zip(program.eqns, kept_equations(program), strict=True):
        if not kept:
            continue
        if any(type(a) is Var and a in dependent for a in eqn.inputs):
            second.append(eqn)
            dependent.update(eqn.outputs)
        else:
            first.append(eqn)
    needed: dict[Var, None] = {}
    for atom in [a for e in second for a in e.inputs] + list(program.outputs):
        if type(atom) is Var and atom not in dependent:
            needed[atom] = None
    residuals = Program(program.inputs[:known], first, needed)
    return residuals, Program((*needed, *program.inputs[known:]), second, program.outputs)


class LinearMap:
    """The derivative of a Program at a point: what ``linearize`` and ``vjp`` give back.

    It is a container of its residuals, so it may be an argument or a result of transformed functions.
    """

    __slots__ = ("entries", "inputs", "outputs", "residuals")

    def __init__(
        self,
        entries: Sequence[tuple[LinearRule, int, tuple[Var, ...], tuple[Var, ...], Location | None]],
        residuals: list[Any],
        inputs: Sequence[Var],
        outputs: Sequence[Var | None],
    ) -> None:
        self.entries = entries  # (rule, number of residuals, active operands, results, location) in order of execution
        self.residuals = residuals
        self.inputs = inputs
        self.outputs = outputs  # None where an output does not depend on the inputs

    def with_residuals(self, residuals: Sequence[Any]) -> LinearMap:
        """The same derivative at another point: with the residuals of another run."""
        return LinearMap(self.entries, list(residuals), self.inputs, self.outputs)

    def forward(self, tangents: Sequence[Any]) -> list[Any]:
        """The tangents of the outputs (None where zero)."""
        tangent: dict[Var, Any] = {v: t for v, t in zip(self.inputs, tangents, strict=True) if t is not None}
        position = 0
        for rule, count, ins, outs, loc in self.entries:
            residuals = self.residuals[position : position + count]
            position += count
            dots = [tangent.get(v) for v in ins]
            if all(d is None for d in dots):
                continue
            with location_scope(loc):
                results = rule.forward(residuals, dots)
            tangent.update((v, t) for v, t in zip(outs, results, strict=True) if t is not None)
        return [None if v is None else tangent.get(v) for v in self.outputs]

    def backward(self, cotangents: Sequence[Any]) -> list[Any]:
        """The cotangents of the inputs (None where zero)."""
        ct: dict[Var, Any] = {}
        for v, c in zip(self.outputs, cotangents, strict=True):
            if v is not None and c is not None:
                ct[v] = add(ct.get(v), c)
        position = len(self.residuals)
        for rule, count, ins, outs, loc in reversed(self.entries):
            position -= count
            cts = [ct.pop(v, None) for v in outs]
            if all(c is None for c in cts):
                continue
            with location_scope(loc):
                results = rule.backward(self.residuals[position : position + count], cts)
                for v, c in zip(ins, results, strict=True):
                    if c is not None:
                        ct[v] = add(ct[v], c) if v in ct else c
        return [ct.get(v) for v in self.inputs]


def linearize_program(
    program: Program, primals: Sequence[Any], active: Sequence[bool], known: Mapping[Var, Any] | None = None
) -> tuple[list[Any], LinearMap]:
    """The outputs of a Program, and its derivative in the inputs flagged as active."""
    read = Reader(program, primals)
    moving = {v for v, flag in zip(program.inputs, active, strict=True) if flag and v.type.inexact}
    inputs = [v for v, flag in zip(program.inputs, active, strict=True) if flag]
    known = known or {}
    entries: list[tuple[LinearRule, int, tuple[Var, ...], tuple[Var, ...], Location | None]] = []
    residuals: list[Any] = []
    for eqn, kept in zip(program.eqns, kept_equations(program), strict=True):
        if not kept:
            continue
        mask = tuple([type(a) is Var and a in moving for a in eqn.inputs])
        with location_scope(eqn.loc):
            ins = [read(a) for a in eqn.inputs]
            if True not in mask:
                read.write(eqn.outputs, primal(eqn, ins, known))
                continue
            rule = linear_rule(eqn, mask)
            outs, found = rule.primal(eqn, ins, known)
        read.write(eqn.outputs, outs)
        if getattr(rule, "active", True):
            moved = tuple([a for a, m in zip(eqn.inputs, mask, strict=True) if m])
            entries.append((rule, len(found), moved, eqn.outputs, eqn.loc))  # type: ignore[arg-type]
            residuals.extend(found)
            moving.update([v for v in eqn.outputs if v.type.inexact])
    outputs = [a if type(a) is Var and a in moving else None for a in program.outputs]
    return [read(a) for a in program.outputs], LinearMap(entries, residuals, inputs, outputs)
