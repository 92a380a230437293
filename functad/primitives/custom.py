"""Equations with derivative rules of the user's own: ``custom_jvp``, ``custom_vjp``.

What the function and its rules close over are explicit operands, ``consts`` of them, in front of the arguments; ``program`` and the rules'
Programs take all of them. A rule says nothing about how the result moves with what was closed over, so a constant must not be differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Primitive, Sample
from functad.core.zeros import instantiate
from functad.errors import LinearityError, StructureError
from functad.ir.program import Eqn, Program, Var
from functad.ir.types import ArrayType, array_type
from functad.transforms.linearize import DerivedRule, split_program
from functad.transforms.programs import batch_of, derived, expand, select, trace_program, transpose_call
from functad.transforms.transpose import linear_variables

__all__ = ["Rule", "custom_jvp_p", "custom_vjp_p"]

Mask = tuple[bool, ...]


class Rule:
    """A rule's Program, made when first needed: a rule may call the very function that it belongs to, so rules hold themselves."""

    __slots__ = ("_derived", "_make", "_program")

    def __init__(self, make: Callable[[], Program] | None = None) -> None:
        self._make = make
        self._program: Program | None = None
        self._derived: dict[Any, Any] = {}

    @property
    def program(self) -> Program:
        """The Program; reading it before it is made is a defect."""
        if self._program is None:
            assert self._make is not None
            self._program = self._make()
        return self._program

    @program.setter
    def program(self, program: Program) -> None:
        self._program = program

    def derived(self, key: Any, make: Callable[[], Any]) -> Any:
        """What a transform made of this rule, made once."""
        if key not in self._derived:
            self._derived[key] = make()
        return self._derived[key]


def refuse_moving_constants(mask: Sequence[bool], types: Sequence[ArrayType], kind: str, name: str) -> None:
    """Refuse derivatives with respect to what a function with a custom rule closes over."""
    for flag, t in zip(mask, types, strict=False):
        if flag:
            raise StructureError(
                f"{kind} function {name} closes over a value ({t}) that is being differentiated, but its rule covers only its arguments; "
                "pass the value as an argument, or wrap it in fd.stop_gradient"
            )


def _transpose(cts: Sequence[Any], *operands: Any, program: Program, **params: Any) -> list[Any]:
    """Where the function is linear its transpose is, whatever its rules say about derivatives."""
    return transpose_call(run_program, program, cts, operands)


# -- custom_jvp: rule(constants, arguments, tangents of inexact arguments) -> (results, tangents of inexact results) -------------------------


def _tangents_of(types: Sequence[ArrayType], given: Sequence[Any]) -> list[Any]:
    return [instantiate(t, ty) for t, ty in zip(given, types, strict=True) if ty.inexact]


def _custom_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, program: Program, rule: Rule, consts: int, name: str) -> Any:
    refuse_moving_constants([t is not None for t in tangents[:consts]], program.in_types, "custom_jvp", name)
    outs = run_program(rule.program, (*primals, *_tangents_of(program.in_types[consts:], tangents[consts:])))
    n = len(program.outputs)
    return outs[:n], expand(outs[n:], [t.inexact for t in program.out_types])


class CustomJvpRule(DerivedRule):
    """The linear rule that follows from a custom jvp rule: the rule, split by dependence on the tangents."""

    __slots__ = ("_forward", "_inexact", "_outs")

    def __init__(self, params: Mapping[str, Any], mask: Mask) -> None:
        program, rule, consts = params["program"], params["rule"].program, params["consts"]
        types, self._outs = program.in_types, len(program.outputs)
        self._inexact = [t.inexact for t in program.out_types]
        refuse_moving_constants(mask[:consts], types, "custom_jvp", params["name"])

        def step(*args: Any) -> Sequence[Any]:
            return run_program(rule, (*args[: len(types)], *_tangents_of(types[consts:], expand(args[len(types) :], mask[consts:]))))

        active = select(types, mask)
        whole = trace_program(step, (*types, *active))
        residuals, tangent = split_program(whole, len(types))
        known = len(residuals.outputs)
        try:
            moving = linear_variables(tangent, [False] * known + [True] * len(active))
        except LinearityError as e:
            raise LinearityError(f"the rule of custom_jvp function {params['name']} is not linear in the tangents: {e}") from None
        if any(a in moving for a in tangent.outputs[: self._outs]):
            raise LinearityError(f"the rule of custom_jvp function {params['name']} makes the primal result depend on the tangents")
        self._forward = Program(residuals.inputs, residuals.eqns, (*whole.outputs[: self._outs], *residuals.outputs), params["name"])
        dots = Program(tangent.inputs, tangent.eqns, tangent.outputs[self._outs :])
        super().__init__(True, residuals, dots, active, select(program.out_types, self._inexact))

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        found = run_program(self._forward, ins)
        return found[: self._outs], found[self._outs :]

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        return expand(super().forward(residuals, tangents), self._inexact)

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        return super().backward(residuals, select(cotangents, self._inexact))


def _batch_jvp(size: int, batched: Sequence[Any], *operands: Any, program: Program, rule: Rule, consts: int, name: str) -> Any:
    moving = select(batched[consts:], [t.inexact for t in program.in_types[consts:]])
    every = [True] * (len(program.outputs) + sum(t.inexact for t in program.out_types))

    def make() -> Rule:
        return Rule(lambda: batch_of(rule.program, size, (*batched, *moving), tuple(every))[0])

    made, flags = batch_of(program, size, batched, tuple(every[: len(program.outputs)]))
    new_rule = rule.derived((size, tuple(batched)), make)
    return custom_jvp_p.bind(*operands, program=made, rule=new_rule, consts=consts, name=name), flags


def _jvp_samples() -> list[Sample]:
    from functad.primitives.arithmetic import mul
    from functad.primitives.trigonometric import cos, sin

    x = array_type((3,), np.float64)
    program = trace_program(lambda v: [sin(v)], (x,))
    rule = Rule(lambda: trace_program(lambda v, t: [sin(v), mul(cos(v), t)], (x, x)))
    return [Sample((x,), {"program": program, "rule": rule, "consts": 0, "name": "sample"})]


custom_jvp_p = Primitive(
    "custom_jvp",
    type_rule=lambda *types, program, rule, consts, name: program.out_types,
    evaluate=lambda *args, program, rule, consts, name: tuple(run_program(program, args)),
    multiple_results=True,
    transpose=_transpose,
    linear="jointly",
    expands=True,
    jvp_call=_custom_jvp,
    linearize=lambda types, params, mask: CustomJvpRule(params, mask),
    batch=_batch_jvp,
    samples=_jvp_samples,
)


# -- custom_vjp: fwd(constants, arguments) -> (results, residuals); bwd(constants, residuals, cotangents of inexact results) -> cotangents -----


def no_forward_mode(name: str) -> StructureError:
    """The error for forward mode through a function that has only a reverse rule."""
    return StructureError(
        f"custom_vjp function {name} has a rule for reverse mode only, but forward mode (jvp, jacfwd, linearize, hessian around it) was asked for; "
        "define it with fd.custom_jvp, which serves both modes, or use reverse mode (grad, jacrev)"
    )


def _custom_vjp_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, name: str, **params: Any) -> Any:
    raise no_forward_mode(name)


class CustomVjpRule:
    """The linear rule of a function with a custom reverse rule."""

    active = True

    def __init__(self, params: Mapping[str, Any], mask: Mask) -> None:
        self.params, self.mask = params, mask
        program: Program = params["program"]
        refuse_moving_constants(mask[: params["consts"]], program.in_types, "custom_vjp", params["name"])
        self.inexact = [t.inexact for t in program.out_types]
        self.out_types = select(program.out_types, self.inexact)

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        found = run_program(self.params["fwd"].program, ins)
        n = len(self.inexact)
        return found[:n], [*ins[: self.params["consts"]], *found[n:]]

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        raise no_forward_mode(self.params["name"])

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        cts = [instantiate(c, t) for c, t in zip(select(cotangents, self.inexact), self.out_types, strict=True)]
        found = run_program(self.params["bwd"].program, (*residuals, *cts))
        types = self.params["program"].in_types[self.params["consts"] :]
        return select(expand(found, [t.inexact for t in types]), self.mask[self.params["consts"] :])


def _batch_vjp(size: int, batched: Sequence[Any], *operands: Any, program: Program, fwd: Rule, bwd: Rule, consts: int, name: str) -> Any:
    n = len(program.outputs)
    moving = tuple([bool(m) for m in select(batched[consts:], [t.inexact for t in program.in_types[consts:]])])

    def mapped_fwd() -> tuple[Program, Sequence[Any]]:
        return batch_of(fwd.program, size, batched, (*[True] * n, *[False] * (len(fwd.program.outputs) - n)))

    def mapped_bwd() -> Program:
        flags = (*batched[:consts], *mapped_fwd()[1][n:], *[True] * sum(t.inexact for t in program.out_types))
        return _sum_unmapped(bwd.program, size, flags, moving)

    key = (size, tuple(batched))
    made, flags = batch_of(program, size, batched, (True,) * n)
    new_fwd = fwd.derived(key, lambda: Rule(lambda: mapped_fwd()[0]))
    new_bwd = bwd.derived(key, lambda: Rule(mapped_bwd))
    return custom_vjp_p.bind(*operands, program=made, fwd=new_fwd, bwd=new_bwd, consts=consts, name=name), flags


def _sum_unmapped(bwd: Program, size: int, batched: Sequence[Any], wanted: Mask) -> Program:
    """The mapped reverse rule: the cotangent of an argument without the mapped axis is the sum over it."""
    from functad.primitives.reductions import reduce_sum

    made, flags = batch_of(bwd, size, batched, wanted)

    def f(*args: Any) -> list[Any]:
        found = run_program(made, args)
        return [reduce_sum(c, (0,)) if flag and not want else c for c, flag, want in zip(found, flags, wanted, strict=True)]

    return derived(made, ("sum over lanes", wanted), lambda: trace_program(f, made.in_types))  # type: ignore[no-any-return]


def _vjp_samples() -> list[Sample]:
    from functad.primitives.arithmetic import mul
    from functad.primitives.trigonometric import cos, sin

    x = array_type((3,), np.float64)
    program = trace_program(lambda v: [sin(v)], (x,))
    fwd = Rule(lambda: trace_program(lambda v: [sin(v), cos(v)], (x,)))
    bwd = Rule(lambda: trace_program(lambda c, ct: [mul(c, ct)], (x, x)))
    return [Sample((x,), {"program": program, "fwd": fwd, "bwd": bwd, "consts": 0, "name": "sample"})]


custom_vjp_p = Primitive(
    "custom_vjp",
    type_rule=lambda *types, program, fwd, bwd, consts, name: program.out_types,
    evaluate=lambda *args, program, fwd, bwd, consts, name: tuple(run_program(program, args)),
    multiple_results=True,
    transpose=_transpose,
    linear="jointly",
    expands=True,
    jvp_call=_custom_vjp_jvp,
    linearize=lambda types, params, mask: CustomVjpRule(params, mask),
    reverse_only=True,
    batch=_batch_vjp,
    samples=_vjp_samples,
)

