"""The ``reversible`` equation: a call of a Program whose reverse mode starts again from the operands, by a way of its
own.

Checkpointed loops run forwards, and backwards, as such calls. Differentiated in reverse mode by the ordinary rules, the
loops in them would leave residuals of every step; but their derivatives are those of checkpointed loops again. Forward
mode is that of the Program.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Linear, Primitive, Sample
from functad.core.zeros import instantiate, zeros
from functad.errors import LinearityError, StructureError
from functad.ir.forms import Form, declare_form
from functad.ir.masks import Mask, cut, expand, present, select
from functad.ir.program import Eqn, Program, Var
from functad.ir.regions import CALL, Kind, call_types, control_of
from functad.ir.types import ArrayType, array_type
from functad.primitives.arithmetic import mul
from functad.primitives.lanes import map_over_lanes
from functad.primitives.trigonometric import cos, sin
from functad.transforms.programs import batch_of, jvp_of, linearized, trace_program
from functad.transforms.strong import doubtful_results, with_doubts

__all__ = ["FirstResults", "PullbackOf", "Reverse", "reversible_p"]


class Reverse(ABC):
    """Reverse mode of a call; a param of the equation, so equal ones are the same."""

    @abstractmethod
    def __call__(self, program: Program, mask: Mask, ins: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        """The cotangents of the operands flagged (None where zero) from those of the results (None where zero)."""

    @abstractmethod
    def fits(self, program: Program) -> bool:
        """Whether it is for calls of this Program, as its types tell."""


@dataclass(frozen=True)
class FirstResults(Reverse):
    """The first results of the call are those of a simpler ``call`` with the same operands."""

    call: Program

    def __call__(self, program: Program, mask: Mask, ins: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        n = len(self.call.outputs)
        more = any(c is not None for c in cotangents[n:])
        return pullback(program if more else self.call, mask, ins, cotangents if more else cotangents[:n])

    def fits(self, program: Program) -> bool:
        found = self.call.out_types
        return self.call.in_types == program.in_types and found == program.out_types[: len(found)]


def pullback(program: Program, mask: Mask, ins: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
    """The cotangents of the inputs flagged, by the Program's own linear rules."""
    split = linearized(program, mask)
    given = present(cotangents)
    residuals = run_program(split.forward, ins)[len(program.outputs) :]
    linear, found = split.cotangent(given)
    return expand(run_program(linear, (*residuals, *select(cotangents, given))), found)


@dataclass(frozen=True)
class PullbackOf(Reverse):
    """The results are the cotangents of those operands of ``call`` that ``moving`` flags, from those of its results
    that ``given`` flags; to those that ``summed`` flags, sums are added.

    Operands are those of ``call``, then what has been computed from these before and need not be computed again, then
    the cotangents, then the sums. With J the Jacobian of ``call``, the results are J(x)' c, and their pullback of g is,
    in c, J(x) g, and in x, the gradient of c' (J(x) g): reverse mode over forward mode. What has been computed from x
    before has no part in that.
    """

    call: Program
    moving: Mask
    given: Mask
    summed: Mask = ()

    def __call__(self, program: Program, mask: Mask, ins: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        mask, of_sums = mask[: len(mask) - sum(self.summed)], mask[len(mask) - sum(self.summed) :]
        ins = ins[: len(mask)]
        ct_sums = select(select(cotangents, self.summed), of_sums) if of_sums else []
        n, outs = len(self.call.inputs), len(self.call.outputs)
        tangent, depends = jvp_of(self.call, self.moving)
        tangent = with_doubts(
            tangent, [*[v in self.call.doubtful for v in self.call.inputs], *[False] * sum(self.moving)]
        )
        split = linearized(tangent, (*mask[:n], *[False] * sum(self.moving)))
        g = [instantiate(c, t) for c, t in zip(cotangents, program.out_types, strict=True)]
        _, dots, residuals = cut(run_program(split.forward, (*ins[:n], *g)), outs, sum(depends))
        cts = [
            c if d else None
            for c, d in zip(expand(ins[len(ins) - sum(self.given) :], self.given), depends, strict=True)
        ]
        linear, found = split.cotangent((*[False] * outs, *present(select(cts, depends))))
        x_cts = expand(run_program(linear, (*residuals, *[c for c in cts if c is not None])), found)
        ct_dots = select(expand(dots, depends), self.given)
        between = len(ins) - n - len(ct_dots)
        return [*x_cts, *[None] * sum(mask[n : n + between]), *select(ct_dots, mask[n + between :]), *ct_sums]

    def fits(self, program: Program) -> bool:
        inputs, outputs = self.call.in_types, self.call.out_types
        counts = (len(self.moving), len(self.given)) == (len(inputs), len(outputs))
        if not counts:
            return False
        results = tuple(select(inputs, self.moving))
        summed = self.summed or (False,) * len(results)
        if len(summed) != len(results):
            return False
        last = (*select(outputs, self.given), *select(results, summed))
        known = program.in_types[: len(inputs)] == inputs and program.out_types == results
        between = len(program.inputs) - len(last)
        return known and between >= len(inputs) and program.in_types[between:] == last


class ReversibleRule:
    """Residuals are the operands."""

    active = True

    def __init__(self, params: Mapping[str, Any], mask: Mask) -> None:
        self.params, self.program, self.mask = params, params["program"], mask

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        return reversible_p.bind(*ins, **self.params), ins

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        full = expand(tangents, self.mask)
        return _jvp(residuals, full, **self.params)[1]

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        return self.params["reverse"](self.program, self.mask, residuals, cotangents)  # type: ignore[no-any-return]


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, program: Program, reverse: Reverse
) -> tuple[Sequence[Any], Sequence[Any]]:
    mask = present(tangents)
    made, out_mask = jvp_of(program, mask)
    outs = run_program(made, (*primals, *select(tangents, mask)))
    n = len(program.outputs)
    return outs[:n], expand(outs[n:], out_mask)


def _transpose(cts: Sequence[Any], *operands: Any, program: Program, reverse: Reverse) -> list[Any]:
    mask = tuple([type(x) is Linear for x in operands])
    if not isinstance(reverse, PullbackOf) or any(mask[: len(mask) - sum(reverse.given) - sum(reverse.summed)]):
        raise LinearityError("a checkpointed while loop is not linear in its operands")
    point = [zeros(x.type) if type(x) is Linear else x for x in operands]
    return expand(reverse(program, mask, point, cts), mask)


def _batch(
    size: int, batched: Sequence[Any], *operands: Any, program: Program, reverse: Reverse
) -> tuple[Sequence[Any], Sequence[Any]]:
    made, flags = batch_of(program, size, batched)
    before, after = [{form.kind for e in p.eqns if (form := control_of(e))} for p in (program, made)]
    if Kind.WHILE in before - after:  # its loop takes another course in each lane
        return map_over_lanes(reversible_p, size, batched, operands, {"program": program, "reverse": reverse})
    return run_program(made, operands), flags


def _doubting(params: Mapping[str, Any], doubts: Sequence[bool]) -> tuple[Mapping[str, Any], Sequence[bool]]:
    program, reverse = params["program"], params["reverse"]
    call = with_doubts(reverse.call, doubts[: len(reverse.call.inputs)])
    return {"program": with_doubts(program, doubts), "reverse": replace(reverse, call=call)}, doubtful_results(
        program, doubts
    )


def _samples() -> list[Sample]:
    x = array_type((3,), np.float64)
    call = trace_program(lambda a, b: [mul(sin(a), b), mul(a, a)], (x, x))
    more = trace_program(lambda a, b: [mul(sin(a), b), mul(a, a), mul(cos(a), b)], (x, x))
    back = trace_program(lambda a, b, c: [mul(mul(cos(a), b), c)], (x, x, x))
    return [
        Sample((x, x), {"program": more, "reverse": FirstResults(call)}),
        Sample((x, x, x), {"program": back, "reverse": PullbackOf(call, (True, False), (True, False))}),
    ]


def _types(*types: ArrayType, program: Program, reverse: Reverse) -> tuple[ArrayType, ...]:
    if not reverse.fits(program):
        raise StructureError("a reversible call has the reverse mode of another Program")
    return call_types(types, program)


def _call_and_masks(call: Any, *masks: Any) -> None:
    if not isinstance(call, Program) or not all(type(m) is tuple and set(map(type, m)) <= {bool} for m in masks):
        raise StructureError("the reverse mode of a call is given by a Program, and flags")


def _first_results(call: Any) -> FirstResults:
    _call_and_masks(call)
    return FirstResults(call)


def _pullback_of(call: Any, *masks: Any) -> PullbackOf:
    _call_and_masks(call, *masks)
    return PullbackOf(call, *masks)


declare_form(Form("FirstResults", FirstResults, lambda r: (r.call,), _first_results))
declare_form(Form("PullbackOf", PullbackOf, lambda r: (r.call, r.moving, r.given, r.summed), _pullback_of))

reversible_p: Primitive = Primitive(
    "reversible",
    type_rule=_types,
    evaluate=lambda *args, program, reverse: tuple(run_program(program, args)),
    multiple_results=True,
    control=CALL,
    jvp_call=_jvp,
    linearize=lambda types, params, mask: ReversibleRule(params, mask),
    doubting=_doubting,
    transpose=_transpose,
    linear="jointly",
    batch=_batch,
    samples=_samples,
)
