"""The ``custom_jvp`` equation: a function with a Jacobian-vector product rule of the user's own, for both modes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Sample, type_of
from functad.core.trace import Trace, current_trace, within
from functad.core.tracer import ARRAY, SCALAR, Tracer
from functad.core.zeros import instantiate
from functad.errors import LinearityError, message_of
from functad.ir.dce import dce
from functad.ir.masks import expand, select
from functad.ir.program import Eqn, Program, Var
from functad.ir.types import ArrayType, array_type
from functad.primitives.arithmetic import mul
from functad.primitives.custom import Rule, declare, moves
from functad.primitives.trigonometric import cos, sin
from functad.transforms.linearize import DerivedRule, fresh_input, split_program
from functad.transforms.programs import batch_of, trace_program
from functad.transforms.replay import primal, replay
from functad.transforms.strong import strengthened, strengthened_constants
from functad.transforms.transpose import linear_variables, transpose_program

__all__ = ["JvpRule", "custom_jvp_p"]

Mask = tuple[bool, ...]


class JvpRule(Rule):
    """From operands, and tangents of the arguments (None where zero), to results and their tangents."""

    python = True  # written by the user: takes values of operands as they are, where these are known

    @abstractmethod
    def __call__(self, operands: Sequence[Any], tangents: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        """Run the rule."""

    def trace(self) -> tuple[Program, ...]:
        n = len(self.in_types)

        inexact = [t.inexact for t in self.in_types[self.consts :]]

        def f(*args: Any) -> list[Any]:
            outs, dots = self(args[:n], expand(args[n:], inexact))
            return [*outs, *[d for d, out in zip(dots, outs, strict=True) if type_of(out).inexact]]

        return (trace_program(f, (*self.in_types, *select(self.in_types[self.consts :], inexact))),)


class TracedJvp(JvpRule):
    """A rule given by its Program: (operands, tangents of inexact arguments) to (results, tangents of inexact ones)."""

    python = False

    def __init__(
        self,
        program: Callable[[], Program] | None,
        in_types: Sequence[ArrayType],
        out_types: Sequence[ArrayType],
        consts: int,
    ) -> None:
        super().__init__(in_types, consts)
        self._program = program
        self._out_types = out_types

    @property
    def out_types(self) -> Sequence[ArrayType]:
        return self._out_types

    def trace(self) -> tuple[Program, ...]:
        assert self._program is not None
        return (self._program(),)

    def __call__(self, operands: Sequence[Any], tangents: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        types, results = self.in_types[self.consts :], len(self._out_types)
        dots = [instantiate(d, t) for d, t in zip(tangents, types, strict=True) if t.inexact]
        found = run_program(self.programs[0], (*operands, *dots))
        return found[:results], expand(found[results:], [t.inexact for t in self._out_types])


JvpRule.stored = TracedJvp


def _fits(rule: Rule, programs: Sequence[Program]) -> bool:
    if len(programs) != 1:
        return False
    dots = [t for t in rule.in_types[rule.consts :] if t.inexact]
    found = (*rule.out_types, *[t for t in rule.out_types if t.inexact])
    return programs[0].in_types == (*rule.in_types, *dots) and programs[0].out_types == found


JvpRule.declare_form("jvp_rule", _fits)


def _custom_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, program: Program, rule: JvpRule, consts: int, name: str
) -> Any:
    if not moves([t is not None for t in tangents], program, rule, consts, "custom_jvp", name):
        found = custom_jvp_p.bind(*primals, program=program, rule=rule, consts=consts, name=name)
        return found, [None] * len(found)
    outs, dots = rule(primals, tangents[consts:])
    return outs, [d if t.inexact else None for d, t in zip(dots, program.out_types, strict=True)]


class LinearizedJvp:
    """The linear rule that follows from a custom jvp rule, run once: the rule, split by dependence on the tangents.

    The rule sees values of operands where there are any, so it computes at once what does not depend on tangents;
    what it makes of tracers is emitted into the trace that is open.
    """

    __slots__ = ("_constants", "_inexact", "_mask", "_params", "_tangent", "_types", "active")

    def __init__(self, params: Mapping[str, Any], mask: Mask) -> None:
        program, consts = params["program"], params["consts"]
        self.active = moves(mask, program, params["rule"], consts, "custom_jvp", params["name"])
        self._params, self._mask = params, mask[consts:]
        self._constants = sum(mask[:consts])  # that are being differentiated, but not used
        self._types = program.in_types[consts:]
        self._inexact = [t.inexact for t in program.out_types]

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        if not self.active:
            return primal(eqn, ins, known), []
        around = current_trace()
        trace = Trace("custom_jvp", concrete=around is None or around.concrete)
        outs, dots, given = self._run(trace, ins)
        traced = [x for x in outs if type(x) is Tracer]
        program, captures = trace.finish([*traced, *select(dots, self._inexact)])
        if not captures and not given and not traced:  # all values are there
            self._tangent = strengthened_constants(dce(program))
            return outs, []
        values = [*captures, *given]
        found = replay(self._split(program, len(values), len(traced)), values, lambda e, xs: primal(e, xs, trace.env))
        computed = iter(found)
        return [next(computed) if type(x) is Tracer else x for x in outs], list(computed)

    def _run(self, trace: Trace, ins: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
        """Results and their tangents, and the values of the operands that are inputs of the trace."""
        rule: JvpRule = self._params["rule"]
        given: Sequence[Any] = () if rule.python else ins
        operands = ins if rule.python else [known_input(trace, t, x) for t, x in zip(rule.in_types, ins, strict=True)]
        dots = [fresh_input(trace, t) if active else None for active, t in zip(self._mask, self._types, strict=True)]
        outs, out_dots = within(trace, rule, operands, dots)
        return outs, out_dots, given

    def _split(self, program: Program, known: int, outs: int) -> Program:
        """Keep the linear Program; returns the one that gives results and residuals."""
        first, tangent = split_program(program, known)
        tangent = strengthened(first, tangent, [True] * known)  # what the rule multiplies tangents by may be anything
        moving = self._linear(tangent, len(program.inputs) - known)
        if any(a in moving for a in program.outputs[:outs]):
            name = self._params["name"]
            raise LinearityError(
                f"the rule of custom_jvp function {name} makes the primal result depend on the tangents"
            )
        read = {*program.outputs[outs:], *[a for e in tangent.eqns for a in e.inputs]}
        residuals = [v for v in first.outputs if type(v) is Var and v in read]
        self._tangent = Program((*residuals, *program.inputs[known:]), tangent.eqns, program.outputs[outs:])
        return Program(first.inputs, first.eqns, (*program.outputs[:outs], *residuals))

    def _linear(self, tangent: Program, dots: int) -> set[Var]:
        """The variables that depend on tangents, the last inputs."""
        try:
            return linear_variables(tangent, [False] * (len(tangent.inputs) - dots) + [True] * dots)
        except LinearityError as e:
            raise self._not_linear(e) from None

    def _not_linear(self, e: LinearityError) -> LinearityError:
        return LinearityError(
            f"the rule of custom_jvp function {self._params['name']} is not linear in the tangents: {message_of(e)}"
        )

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        tangents = tangents[self._constants :]
        self._linear(self._tangent, len(tangents))
        active, found = select(self._types, self._mask), select(self._params["program"].out_types, self._inexact)
        linear = DerivedRule(True, Program((), (), ()), self._tangent, active, found, "custom_jvp")
        return expand(linear.forward(residuals, tangents), self._inexact)

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        known, dots = len(residuals), len(self._tangent.inputs) - len(residuals)
        linear, values = [False] * known + [True] * dots, [*residuals, *[None] * dots]
        try:
            found = transpose_program(self._tangent, linear, values, select(cotangents, self._inexact), settle=False)
        except LinearityError as e:
            raise self._not_linear(e) from None
        return [None] * self._constants + found if self._constants else found


def known_input(trace: Trace, type: ArrayType, value: Any) -> Tracer:
    """A tracer of a new input that has a value, or stands for an outer tracer."""
    return Tracer(trace.add_input(type, value), trace, ARRAY if type.ndim else SCALAR)


def _batch_jvp(
    size: int, batched: Sequence[Any], *operands: Any, program: Program, rule: JvpRule, consts: int, name: str
) -> Any:
    moving = select(batched[consts:], [t.inexact for t in program.in_types[consts:]])
    results, dots = len(program.out_types), sum(t.inexact for t in program.out_types)
    made, flags = batch_of(program, size, batched, (True,) * results)

    def mapped() -> Program:
        return batch_of(rule.programs[0], size, (*batched, *moving), (True,) * (results + dots))[0]

    new_rule = rule.mapped(size, tuple(batched), lambda: TracedJvp(mapped, made.in_types, made.out_types, consts))
    return custom_jvp_p.bind(*operands, program=made, rule=new_rule, consts=consts, name=name), flags


def _jvp_samples() -> list[Sample]:
    x = array_type((3,), np.float64)
    program = trace_program(lambda v: [sin(v)], (x,))
    rule = TracedJvp(lambda: trace_program(lambda v, t: [sin(v), mul(cos(v), t)], (x, x)), (x,), (x,), 0)
    return [Sample((x,), {"program": program, "rule": rule, "consts": 0, "name": "sample"})]


custom_jvp_p = declare(
    "custom_jvp",
    jvp_call=_custom_jvp,
    linearize=lambda types, params, mask: LinearizedJvp(params, mask),
    reverse_only=False,
    batch=_batch_jvp,
    samples=_jvp_samples,
)
