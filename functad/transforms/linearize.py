"""Linearize: run a Program once, and keep of each equation what its derivative needs.

The derivative of ``y = p(x)`` is a *linear rule*: residuals computed from x and y, and a linear Program from residuals
and tangents to the tangent of y. It is derived once for each (primitive, types, params, active operands) by tracing the
primitive's jvp rule, splitting it by dependence on the tangents, and, for reverse mode, transposing the linear part.
Forward mode, reverse mode and linearize therefore cannot disagree: they are the same equations. In them, a zero is
strong where a factor may be infinite or NaN (``transforms/strong.py``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Any, Protocol

from functad.core.cotangents import Sum, accumulate, joined, settled, taken_apart
from functad.core.evaluator import run_program
from functad.core.primitive import bind_all, type_of
from functad.core.trace import Trace, current_trace, inherited_location, within
from functad.core.tracer import ARRAY, SCALAR, Tracer
from functad.core.zeros import instantiate
from functad.ir.dce import kept_equations
from functad.ir.program import Atom, Eqn, Literal, Location, Program, Var
from functad.ir.types import ArrayType
from functad.transforms.replay import Reader, derivative_of, derived_locations, primal
from functad.transforms.strong import Doubts, doubtful_atoms, doubting, doubts_about, note_doubtful, strengthened
from functad.transforms.transpose import linear_variables, transpose_program

__all__ = [
    "Choice", "DerivedRule", "Entry", "LinearMap", "LinearRule", "Observed", "TransparentRule", "fresh_input",
    "linear_rule", "linearize_program", "split_program",
]  # fmt: skip

Mask = tuple[bool, ...]


class LinearRule(Protocol):
    """The derivative of one equation in its active operands; not ``active``: it is zero."""

    active: bool

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        """The results of the equation and the residuals."""

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        """The tangents of the results (None where zero) from those of the active operands (None where zero)."""

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        """The cotangents of the active operands (None where zero, and maybe ``Sum``s) from those of the results (None
        where zero).
        """


class SummingRule(Protocol):
    """A linear rule that adds cotangents to what is there already, as loops do in each step."""

    summed: Mask
    """Which of the active operands these are."""

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any], sums: Sequence[Any]) -> Sequence[Any]:
        """The cotangents of the active operands, added to ``sums`` (None where there is none)."""


class TransparentRule(ABC):
    """The linear rule of an equation that stands for a Program of its own: sums of cotangents go through it as if the
    Program stood there.

    It is made anew where it is not to be the same in all traces; so it is not memoised with the equation.
    """

    active = True

    @abstractmethod
    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        """See ``LinearRule``."""

    @abstractmethod
    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        """See ``LinearRule``."""

    @abstractmethod
    def backward(
        self, residuals: Sequence[Any], cotangents: Sequence[Any], sums: Sequence[Any] = (), unsettled: Mask = ()
    ) -> Sequence[Any]:
        """The cotangents of the active operands, added to ``sums`` (None where there is none); ``unsettled`` flags
        those that may be ``Sum``s."""


class DerivedRule:
    """A linear rule derived from a primitive's jvp and transpose rules."""

    __slots__ = (
        "__weakref__", "_backward", "_in_types", "_out_types", "_tangent", "active", "of", "residuals", "selected",
    )  # fmt: skip

    def __init__(
        self,
        active: bool,
        residuals: Program,
        tangent: Program,
        in_types: Sequence[ArrayType],
        out_types: Sequence[ArrayType],
        of: str,
    ):
        self.active = active  # False: the derivative is zero
        self.of = of  # the name of the primitive
        self.residuals = residuals  # computes them from operands and results
        self._tangent = tangent
        self._in_types = in_types
        self._out_types = out_types
        self._backward: tuple[Program, list[Any]] | None = None
        # most rules need operands or results as they are: then residuals are selected, not computed
        self.selected = None if residuals.eqns else [residuals.inputs.index(v) for v in residuals.outputs]  # type: ignore[arg-type]

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        outs = primal(eqn, ins, known)
        selected = self.selected
        if selected is not None:
            if not selected:
                return outs, ()
            values = (*ins, *outs)
            return outs, [values[i] for i in selected]
        with derivative_of(self):
            return outs, run_program(self.residuals, (*ins, *outs))

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        if all([t is not None for t in tangents]):
            return run_program(self._tangent, (*residuals, *tangents))
        return self._forward_sparse(residuals, tangents)

    def _forward_sparse(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        """Forward where some tangents are zero: what depends on those alone is zero too."""
        program = self._tangent
        values: dict[Any, Any] = dict(zip(program.inputs, (*residuals, *tangents), strict=True))
        linear = linear_variables(program, [False] * len(residuals) + [True] * len(tangents))
        for eqn in program.eqns:
            ins = [a.value if type(a) is Literal else values[a] for a in eqn.inputs]
            present = [x for x, a in zip(ins, eqn.inputs, strict=True) if a in linear and x is not None]
            if not present and any(a in linear for a in eqn.inputs):
                values.update((v, None) for v in eqn.outputs)
            elif eqn.primitive.name == "add" and len(present) == 1 and type_of(present[0]) is eqn.outputs[0].type:
                values[eqn.outputs[0]] = present[0]
            else:
                full = [instantiate(x, a.type) for x, a in zip(ins, eqn.inputs, strict=True)]
                values.update(zip(eqn.outputs, bind_all(eqn.primitive, full, eqn.params), strict=True))
        return [a.value if type(a) is Literal else values[a] for a in program.outputs]

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        program, forms = self.transposed
        if len(cotangents) > 1 and any([c is None for c in cotangents]):
            cotangents = [instantiate(c, ty) for c, ty in zip(cotangents, self._out_types, strict=True)]
        found = run_program(program, (*residuals, *cotangents))
        return joined(found, forms) if forms else found

    @property
    def transposed(self) -> tuple[Program, list[Any]]:
        """From residuals and cotangents to cotangents; see ``_transpose``."""
        if self._backward is None:
            self._backward = self._transpose()
        return self._backward

    def _transpose(self) -> tuple[Program, list[Any]]:
        """The transposed Program, and what its results are: True for a cotangent, None for one that is zero, or the
        form of a ``Sum``; empty where each is a cotangent.
        """
        n = len(self._tangent.inputs) - len(self._in_types)
        trace = rule_trace("transpose")
        residuals = [fresh_input(trace, v.type) for v in self._tangent.inputs[:n]]
        cotangents = [fresh_input(trace, t) for t in self._out_types]
        linear = [False] * n + [True] * len(self._in_types)
        operands = residuals + [None] * len(self._in_types)
        cts = within(trace, lambda: transpose_program(self._tangent, linear, operands, cotangents, settle=False))
        values, forms = taken_apart(cts)
        program, _ = trace.finish(values)
        return program, [] if all(f is True for f in forms) else forms


def rule_trace(kind: str) -> Trace:
    """A trace of what is derived once, and serves all places."""
    return within(None, lambda: Trace(kind, concrete=False, locate=False))


def fresh_input(trace: Trace, type: ArrayType) -> Tracer:
    """A tracer of a new abstract input."""
    return Tracer(trace.add_input(type), trace, ARRAY if type.ndim else SCALAR)


def linear_rule(eqn: Eqn, mask: Mask, doubts: Doubts = ()) -> LinearRule:
    """The linear rule of an equation for the operands flagged in ``mask``, memoised on the primitive (not a user's
    own).

    ``doubts`` flags those that may be infinite.
    """
    special = eqn.primitive.linearize
    if eqn.primitive.own_rules and special is not None:
        return special(tuple([a.type for a in eqn.inputs]), eqn.params, mask)  # type: ignore[no-any-return]
    rules = eqn.signature.rules
    key = (mask, doubts) if doubts else mask
    found = rules.get(key)
    if found is None:
        types = tuple([a.type for a in eqn.inputs])
        found = (
            derive_rule(eqn, types, mask, doubts) if special is None else special(types, doubting(eqn, doubts), mask)
        )
        if not isinstance(found, TransparentRule):
            rules[key] = found
    return found  # type: ignore[no-any-return]


def derive_rule(eqn: Eqn, types: Sequence[ArrayType], mask: Mask, doubts: Doubts) -> DerivedRule:
    """Trace the jvp rule of a primitive and split it into residuals and a linear Program."""
    prim = eqn.primitive
    out_types = [v.type for v in eqn.outputs]
    active_types = [t for t, m in zip(types, mask, strict=True) if m]
    trace = rule_trace("linearize")
    primals = [fresh_input(trace, t) for t in types]
    outs = [fresh_input(trace, t) for t in out_types]
    dots = [fresh_input(trace, t) if m else None for t, m in zip(types, mask, strict=True)]
    known = len(primals) + len(outs)

    def tangents() -> list[Any]:
        """Those of the results; none where all are zero."""
        out = tuple(outs) if prim.multiple_results else outs[0]
        result = None if prim.jvp is None else prim.jvp(dots, primals, out, **eqn.params)
        found = list(result) if prim.multiple_results and result is not None else [result] * len(outs)
        if all([t is None for t in found]):
            return []
        return [instantiate(t, ty) for t, ty in zip(found, out_types, strict=True)]

    results = within(trace, tangents)
    if not results:
        empty = Program((), (), ())
        return DerivedRule(False, empty, empty, active_types, out_types, prim.name)
    program, _ = trace.finish(results)
    residuals, tangent = split_program(program, known)
    tangent = strengthened(residuals, tangent, (*(doubts or (False,) * len(types)), *[bool(doubts)] * len(outs)))
    return DerivedRule(True, residuals, tangent, active_types, out_types, prim.name)


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


Entry = tuple[LinearRule, Sequence[Any], Sequence[Var], Sequence[Var], Location | None]
"""One equation of a linear map: rule, residuals, active operands, results, location."""

Observed = dict[int, tuple[list[bool | None], list[bool]]]
"""Of entries whose rules are not derived, by their position: which operands got cotangents on the way back (None for
one that was a ``Sum``), and which of these were added to what was there.
"""


class LinearMap:
    """The derivative of a Program at a point: what ``linearize`` and ``vjp`` give back."""

    __slots__ = ("entries", "inputs", "observed", "outputs")

    def __init__(self, entries: Sequence[Entry], inputs: Sequence[Var], outputs: Sequence[Var | None]) -> None:
        self.entries = entries  # in order of execution
        self.inputs = inputs
        self.outputs = outputs  # None where an output does not depend on the inputs
        self.observed: Observed | None = None

    def between(self, inputs: Sequence[Var], outputs: int) -> LinearMap:
        """The derivative of the first outputs in these inputs."""
        self.inputs, self.outputs = inputs, self.outputs[:outputs]
        return self

    def consume(self, cotangents: Sequence[Any]) -> list[Any]:
        """``backward`` of a map that nobody uses again."""
        return self.backward(cotangents)

    def applied(self, key: Any, f: Callable[[LinearMap], list[Any]]) -> list[Any]:
        """``f`` of this map, where it is linear algebra alone: the key tells what it does to maps of these types."""
        return f(self)

    @property
    def residuals(self) -> list[Any]:
        """All residuals, in order of execution."""
        return [r for entry in self.entries for r in entry[1]]

    def with_residuals(self, residuals: Sequence[Any]) -> LinearMap:
        """The same derivative at another point: with the residuals of another run."""
        found = iter(residuals)
        entries = [(rule, [next(found) for _ in old], ins, outs, loc) for rule, old, ins, outs, loc in self.entries]
        return LinearMap(entries, self.inputs, self.outputs)

    def forward(self, tangents: Sequence[Any]) -> list[Any]:
        """The tangents of the outputs (None where zero)."""
        tangent: dict[Var, Any] = {v: t for v, t in zip(self.inputs, tangents, strict=True) if t is not None}
        derived = derived_locations()
        with inherited_location() as at:
            for rule, residuals, ins, outs, loc in self.entries:
                dots = [tangent.get(v) for v in ins]
                if all([d is None for d in dots]):
                    continue
                at.loc = loc if derived is None else derived("tangent", rule, loc)
                for v, t in zip(outs, rule.forward(residuals, dots), strict=True):
                    if t is not None:
                        tangent[v] = t
        return [None if v is None else tangent.get(v) for v in self.outputs]

    def backward(
        self, cotangents: Sequence[Any], sums: Sequence[Any] = (), unsettled: Sequence[bool] = ()
    ) -> list[Any]:
        """The cotangents of the inputs (None where zero); to the first of them ``sums`` (or None) are added. Those
        flagged as ``unsettled`` may be ``Sum``s.

        This is the one order in which the cotangents of a variable are added: from the last equation that uses it to
        the first, and within an equation operand by operand; updates after all others.
        """
        ct: dict[Var, Any] = {v: s for v, s in zip(self.inputs, sums, strict=False) if s is not None}
        for v, c in zip(self.outputs, cotangents, strict=True):
            if v is not None and c is not None:
                ct[v] = accumulate(ct.get(v), c)
        derived = derived_locations()
        with inherited_location() as at:
            for position in range(len(self.entries) - 1, -1, -1):
                rule, residuals, ins, outs, loc = self.entries[position]
                if len(outs) == 1:  # nearly always
                    c = ct.pop(outs[0], None)
                    if c is None:
                        continue
                    cts = [c.total() if type(c) is Sum else c]
                else:
                    cts = [settled(ct.pop(v, None)) for v in outs]
                    if all([c is None for c in cts]):
                        continue
                at.loc = loc if derived is None else derived("backward", rule, loc)
                transparent = type(rule) is not DerivedRule and isinstance(rule, TransparentRule)
                if transparent and (position or not ct.keys().isdisjoint(ins)):
                    self._through(rule, position, cts, ct)  # type: ignore[arg-type]
                    continue
                if type(rule) is DerivedRule:
                    given = rule.backward(residuals, cts)
                else:
                    given = self._pulled(rule, position, cts, ct)
                for v, c in zip(ins, given, strict=True):
                    if c is not None:
                        before = ct.get(v)
                        ct[v] = c if before is None else accumulate(before, c)
            found = [ct.get(v) for v in self.inputs]
            if any(unsettled):
                return [c if keep else settled(c) for c, keep in zip(found, unsettled, strict=True)]
            return [settled(c) for c in found]

    def _pulled(self, rule: LinearRule, position: int, cotangents: Sequence[Any], ct: dict[Var, Any]) -> Sequence[Any]:
        """What a rule that is not derived adds to the cotangents of operands; where it has added that to the sum that
        was there, none is there any more.
        """
        _, residuals, ins, _, _ = self.entries[position]
        sums = sums_for(rule, ins, ct)
        if all([s is None for s in sums]):
            given = rule.backward(residuals, cotangents)
        else:
            given = rule.backward(residuals, cotangents, sums)  # type: ignore[call-arg]
            for v, s, c in zip(ins, sums, given, strict=True):
                if s is not None and c is not None:
                    without_dense(v, ct)
        if self.observed is not None:
            flags = [None if type(c) is Sum else c is not None for c in given]
            self.observed[position] = flags, [s is not None for s in sums]
        return given

    def _through(self, rule: TransparentRule, position: int, cotangents: Sequence[Any], ct: dict[Var, Any]) -> None:
        """The cotangents of the operands of an equation whose Program goes on adding to them."""
        _, residuals, ins, _, _ = self.entries[position]
        before = {v for entry in self.entries[:position] for v in entry[2]}
        # once, where an operand is given twice
        found = [None if v in ins[:k] else ct.get(v) for k, v in enumerate(ins)]
        dense = [c.dense if type(c) is Sum else c for c in found]
        # what no equation before adds to is added up inside
        unsettled = tuple([type(c) is Sum or v in before for v, c in zip(ins, found, strict=True)])
        for k, new in enumerate(rule.backward(residuals, cotangents, dense, unsettled)):
            v, old = ins[k], found[k]
            if type(old) is Sum:
                ct[v] = Sum([*old.updates, *new.updates], new.dense) if type(new) is Sum else Sum(old.updates, new)
            elif new is not None:
                ct[v] = accumulate(ct[v], new) if v in ins[:k] and v in ct else new


def sums_for(rule: LinearRule, ins: Sequence[Var], ct: Mapping[Var, Any]) -> list[Any]:
    """What is there already of the cotangents of operands that a rule adds to; of one that is given twice, once."""
    summed: Mask = getattr(rule, "summed", ())
    found: list[Any] = [None] * len(ins)
    for k, flag in enumerate(summed):
        c = ct.get(ins[k]) if flag and ins[k] not in ins[:k] else None
        found[k] = c.dense if type(c) is Sum else c
    return found


def without_dense(v: Var, ct: dict[Var, Any]) -> None:
    """Take the dense part of a cotangent away."""
    c = ct.pop(v)
    if type(c) is Sum:
        ct[v] = Sum(c.updates)


class Choice:
    """Chooses the linear rules of a Program's equations, in order of execution."""

    __slots__ = ("doubtful", "moving")

    def __init__(self, program: Program, active: Sequence[bool]) -> None:
        self.moving: set[Atom] = {v for v, flag in zip(program.inputs, active, strict=True) if flag and v.type.inexact}
        """The variables that have derivatives."""
        self.doubtful = doubtful_atoms(program)

    def __call__(self, eqn: Eqn) -> tuple[LinearRule | None, Mask]:
        """The rule of an equation (None where its derivative is zero), and which of its operands are active."""
        moving, doubtful, inputs, signature = self.moving, self.doubtful, eqn.inputs, eqn.signature
        mask = tuple([a in moving for a in inputs])
        doubts: Doubts = ()
        if signature.singular:
            doubts = doubts_about(eqn, doubtful)
        elif not doubtful.isdisjoint(inputs):
            doubts = tuple([a in doubtful for a in inputs])
        rule: LinearRule | None = None
        if True in mask and not eqn.primitive.piecewise_constant:
            rule = signature.rules.get((mask, doubts) if doubts else mask) or linear_rule(eqn, mask, doubts)
            if not rule.active:
                rule = None
        if doubts or (signature.singular and eqn.primitive.doubting is not None):
            note_doubtful(eqn, doubts, doubtful)
        if rule is not None:
            for v in eqn.outputs:
                if v.type.inexact:
                    moving.add(v)
        return rule, mask


def linearize_program(
    program: Program, primals: Sequence[Any], active: Sequence[bool], known: Mapping[Var, Any] | None = None
) -> tuple[list[Any], LinearMap]:
    """The outputs of a Program, and its derivative in the inputs flagged as active."""
    read = Reader(program, primals)
    values = read.values
    choose = Choice(program, active)
    known = known or {}
    entries: list[Entry] = []
    # evaluated at once, an equation that nothing needs costs less than finding that out
    kept = repeat(True) if current_trace() is None else kept_equations(program)
    with inherited_location() as at:
        for eqn, keep in zip(program.eqns, kept, strict=False):
            if not keep:
                continue
            at.loc = loc = eqn.loc
            inputs_of, outputs_of = eqn.inputs, eqn.outputs
            ins = [a.value if type(a) is Literal else values[a] for a in inputs_of]  # type: ignore[index]
            rule, mask = choose(eqn)
            outs: Sequence[Any]
            if rule is None:
                outs = primal(eqn, ins, known)
            else:
                outs, residuals = rule.primal(eqn, ins, known)
                moved = inputs_of if False not in mask else [a for a, m in zip(inputs_of, mask, strict=True) if m]
                entries.append((rule, residuals, moved, outputs_of, loc))  # type: ignore[arg-type]
            if len(outputs_of) == 1:
                values[outputs_of[0]] = outs[0]
            else:
                values.update(zip(outputs_of, outs, strict=True))
    inputs = [v for v, flag in zip(program.inputs, active, strict=True) if flag]
    outputs = [a if type(a) is Var and a in choose.moving else None for a in program.outputs]
    return [read(a) for a in program.outputs], LinearMap(entries, inputs, outputs)
