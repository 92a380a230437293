"""The ``custom_vjp`` equation: a function with a vector-Jacobian product rule of the user's own, for reverse mode."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Sample
from functad.core.zeros import instantiate
from functad.errors import StructureError
from functad.ir.derived import derived
from functad.ir.masks import expand, select
from functad.ir.program import Eqn, Program, Var
from functad.ir.types import ArrayType, array_type
from functad.primitives.arithmetic import mul
from functad.primitives.broadcasting import reduce_sum
from functad.primitives.custom import Rule, declare, moves
from functad.primitives.trigonometric import cos, sin
from functad.transforms.programs import batch_of, trace_program
from functad.transforms.replay import primal

__all__ = ["VjpRule", "custom_vjp_p"]

Mask = tuple[bool, ...]


class VjpRule(Rule):
    """A forward run that leaves residuals, and a run back; ``form`` is what the one tells the other beside values."""

    @abstractmethod
    def forward(self, operands: Sequence[Any], moving: Sequence[bool] = ()) -> tuple[Sequence[Any], Sequence[Any], Any]:
        """The results, the residuals, and their form; which operands are differentiated, if that is known."""

    @abstractmethod
    def backward(
        self, form: Any, consts: Sequence[Any], residuals: Sequence[Any], cotangents: Sequence[Any]
    ) -> Sequence[Any]:
        """The cotangents of the arguments from those of the results; None where zero, and where there is none."""

    def trace(self) -> tuple[Program, ...]:
        """(operands) -> (results, residuals), and (constants, residuals, cotangents) -> cotangents."""
        forms: list[Any] = []
        results = len(self.out_types)

        def fwd(*operands: Any) -> list[Any]:
            outs, residuals, form = self.forward(operands)
            forms.append(form)
            return [*outs, *residuals]

        forward = trace_program(fwd, self.in_types)
        known = (*self.in_types[: self.consts], *forward.out_types[results:])

        def bwd(*args: Any) -> list[Any]:
            cts = expand(args[len(known) :], [t.inexact for t in self.out_types])
            found = self.backward(forms[0], args[: self.consts], args[self.consts : len(known)], cts)
            return [instantiate(c, t) for c, t in zip(found, self.in_types[self.consts :], strict=True) if t.inexact]

        return forward, trace_program(bwd, (*known, *[t for t in self.out_types if t.inexact]))


class TracedVjp(VjpRule):
    """A rule given by its two Programs."""

    def __init__(
        self,
        programs: Callable[[], tuple[Program, Program]] | None,
        in_types: Sequence[ArrayType],
        out_types: Sequence[ArrayType],
        consts: int,
    ) -> None:
        super().__init__(in_types, consts)
        self._made, self._out_types = programs, out_types

    @property
    def out_types(self) -> Sequence[ArrayType]:
        return self._out_types

    def trace(self) -> tuple[Program, ...]:
        assert self._made is not None
        return self._made()

    def forward(self, operands: Sequence[Any], moving: Sequence[bool] = ()) -> tuple[Sequence[Any], Sequence[Any], Any]:
        found = run_program(self.programs[0], operands)
        return found[: len(self.out_types)], found[len(self.out_types) :], None

    def backward(
        self, form: Any, consts: Sequence[Any], residuals: Sequence[Any], cotangents: Sequence[Any]
    ) -> Sequence[Any]:
        cts = [instantiate(c, t) for c, t in zip(cotangents, self.out_types, strict=True) if t.inexact]
        found = run_program(self.programs[1], (*consts, *residuals, *cts))
        return expand(found, [t.inexact for t in self.in_types[self.consts :]])


VjpRule.stored = TracedVjp


def _fits(rule: Rule, programs: Sequence[Program]) -> bool:
    if len(programs) != 2:
        return False
    (forward, backward), n = programs, len(rule.out_types)
    known = (*rule.in_types[: rule.consts], *forward.out_types[n:])
    cts = [t for t in rule.out_types if t.inexact]
    found = tuple([t for t in rule.in_types[rule.consts :] if t.inexact])
    fits = forward.in_types == tuple(rule.in_types) and forward.out_types[:n] == tuple(rule.out_types)
    return fits and backward.in_types == (*known, *cts) and backward.out_types == found


VjpRule.declare_form("vjp_rule", _fits)


def no_forward_mode(name: str) -> StructureError:
    """The error for forward mode through a function that has only a reverse rule."""
    return StructureError(
        f"custom_vjp function {name} has a rule for reverse mode only, but forward mode (jvp, jacfwd, linearize, "
        "hessian around it) was asked for; define it with fd.custom_jvp, which serves both modes, or use reverse mode "
        "(grad, "
        "jacrev)"
    )


def _custom_vjp_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, program: Program, rule: VjpRule, consts: int, name: str
) -> Any:
    if moves([t is not None for t in tangents], program, rule, consts, "custom_vjp", name):
        raise no_forward_mode(name)
    outs = custom_vjp_p.bind(*primals, program=program, rule=rule, consts=consts, name=name)
    return outs, [None] * len(outs)


class LinearizedVjp:
    """The linear rule of a function with a custom reverse rule, run once."""

    __slots__ = ("_form", "_mask", "_params", "active")

    def __init__(self, params: Mapping[str, Any], mask: Mask) -> None:
        program, consts = params["program"], params["consts"]
        self.active = moves(mask, program, params["rule"], consts, "custom_vjp", params["name"])
        self._params, self._mask = params, mask

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        if not self.active:
            return primal(eqn, ins, known), []
        outs, residuals, self._form = self._params["rule"].forward(ins, self._mask)
        return outs, [*ins[: self._params["consts"]], *residuals]

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        raise no_forward_mode(self._params["name"])

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        rule, consts = self._params["rule"], self._params["consts"]
        found = rule.backward(self._form, residuals[:consts], residuals[consts:], cotangents)
        if not consts and False not in self._mask:
            return found  # type: ignore[no-any-return]
        constants = sum(self._mask[:consts])  # that are being differentiated, but not used
        return [*[None] * constants, *select(found, self._mask[consts:])]


def _batch_vjp(
    size: int, batched: Sequence[Any], *operands: Any, program: Program, rule: VjpRule, consts: int, name: str
) -> Any:
    n = len(program.out_types)
    moving = tuple([bool(m) for m in select(batched[consts:], [t.inexact for t in program.in_types[consts:]])])
    made, flags = batch_of(program, size, batched, (True,) * n)

    def mapped() -> tuple[Program, Program]:
        fwd, bwd = rule.programs
        forward, found = batch_of(fwd, size, batched, (*[True] * n, *[False] * (len(fwd.outputs) - n)))
        given = (*batched[:consts], *found[n:], *[True] * sum(t.inexact for t in program.out_types))
        return forward, _sum_unmapped(bwd, size, given, moving)

    new_rule = rule.mapped(size, tuple(batched), lambda: TracedVjp(mapped, made.in_types, made.out_types, consts))
    return custom_vjp_p.bind(*operands, program=made, rule=new_rule, consts=consts, name=name), flags


@derived
def _sum_unmapped(bwd: Program, size: int, batched: tuple[Any, ...], wanted: Mask) -> Program:
    """The mapped reverse rule: the cotangent of an argument without the mapped axis is the sum over it."""
    made, flags = batch_of(bwd, size, batched, wanted)

    def f(*args: Any) -> list[Any]:
        found = run_program(made, args)
        return [
            reduce_sum(c, (0,)) if flag and not want else c for c, flag, want in zip(found, flags, wanted, strict=True)
        ]

    return trace_program(f, made.in_types)


def _vjp_samples() -> list[Sample]:
    x = array_type((3,), np.float64)
    program = trace_program(lambda v: [sin(v)], (x,))

    def programs() -> tuple[Program, Program]:
        return trace_program(lambda v: [sin(v), cos(v)], (x,)), trace_program(lambda c, ct: [mul(c, ct)], (x, x))

    return [
        Sample((x,), {"program": program, "rule": TracedVjp(programs, (x,), (x,), 0), "consts": 0, "name": "sample"})
    ]


custom_vjp_p = declare(
    "custom_vjp",
    jvp_call=_custom_vjp_jvp,
    linearize=lambda types, params, mask: LinearizedVjp(params, mask),
    reverse_only=True,
    batch=_batch_vjp,
    samples=_vjp_samples,
)
