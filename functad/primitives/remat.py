"""Rematerialisation: ``checkpoint`` calls save their operands and what a policy accepts, and compute again what else
their reverse pass needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Primitive, Sample, bind_all, type_of
from functad.errors import StructureError
from functad.ir.derived import derived
from functad.ir.masks import expand, select
from functad.ir.program import Eqn, Program, Var
from functad.ir.regions import OPEN_CALL, call_types, control_of
from functad.ir.types import ArrayType, SeqType, array_type
from functad.primitives.arithmetic import mul
from functad.primitives.calls import call_doubting, jit_p
from functad.primitives.elementwise import elementwise
from functad.primitives.saving import Policy, divide, first_run, saveable
from functad.primitives.trigonometric import sin
from functad.transforms.programs import (
    batch_of,
    jvp_of,
    linearized,
    trace_program,
    transpose_call,
)
from functad.transforms.replay import replay

__all__ = ["Policy", "barrier", "checkpoint_p", "name_p"]

# the identity, which common-subexpression elimination takes for something else: without it, it would find that what is
# computed again has been computed before, and keep that
barrier = elementwise(
    "barrier", lambda x: x, kinds="fciub", kernel=lambda b, x: x,
    jvp=lambda t, y, x: t,
    linear="jointly", transpose=lambda ct, x: (ct,),
)  # fmt: skip


name_p = elementwise(
    "name", lambda x, name: x, kinds="fciub", kernel=lambda b, x, name: x,
    jvp=lambda t, y, x, name: t,
    linear="jointly", transpose=lambda ct, x, name: (ct,),
    params=({"name": "sample"},),
)  # fmt: skip


def _call(program: Program, args: Sequence[Any], policy: Policy | None) -> tuple[Any, ...]:
    return tuple(checkpoint_p.bind(*args, program=program, policy=policy))


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, program: Program, policy: Policy | None
) -> tuple[Sequence[Any], Sequence[Any]]:
    mask = tuple([t is not None for t in tangents])
    made, out_mask = jvp_of(program, mask)
    outs = _call(made, (*primals, *select(tangents, mask)), policy)
    n = len(program.outputs)
    return outs[:n], expand(outs[n:], out_mask)


@derived
def _without_jit(program: Program) -> Program:
    """The Program with ``jit`` calls expanded, in bodies and branches too: a policy is asked about what they do, not
    about the calls.
    """

    def results(eqn: Eqn, ins: list[Any]) -> Sequence[Any]:
        if eqn.primitive is jit_p:
            return replay(eqn.params["program"], ins, results)
        form = control_of(eqn)
        if form is None:
            return bind_all(eqn.primitive, ins, eqn.params)
        programs = [_without_jit(p) for p in form.programs]
        return form.bind(eqn.primitive, eqn.params, programs, form.operands(ins)).all

    return trace_program(lambda *args: replay(program, args, results), program.in_types)


class CheckpointRule:
    """The linear rule of a checkpointed call: its residuals are those operands, and those results the policy accepts,
    that its derivative needs.
    """

    active = True

    def __init__(self, params: Mapping[str, Any], mask: tuple[bool, ...]) -> None:
        program, self.policy = params["program"], params["policy"]
        if self.policy is not None:
            program = _without_jit(program)
        self.split = linearized(program, mask)
        forward, self.outputs = self.split.forward, len(program.outputs)
        residuals = [k >= self.outputs for k in range(len(forward.outputs))]
        save = frozenset() if self.policy is None else saveable(forward, self.policy) - set(forward.inputs)
        made = divide(forward, residuals, self.policy, save)
        self.again = made.again
        self.operands = [i for i, read in enumerate(made.reads) if read]
        # of the equations that compute residuals, the first run needs those that give what is saved; where nothing is,
        # none
        outputs = (*forward.outputs[: self.outputs], *made.first.outputs[len(forward.outputs) :])
        self.program = (
            first_run(Program(forward.inputs, made.first.eqns, outputs, program.name)) if made.saved else program
        )

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        found = _call(self.program, ins, self.policy)
        return found[: self.outputs], [*[ins[i] for i in self.operands], *found[self.outputs :]]

    def _again(self, residuals: Sequence[Any]) -> Sequence[Any]:
        return run_program(self.again, [x if isinstance(type_of(x), SeqType) else barrier(x) for x in residuals])

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        mask = tuple([t is not None for t in tangents])
        program, out_mask = self.split.tangent(mask)
        return expand(run_program(program, (*self._again(residuals), *select(tangents, mask))), out_mask)

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        mask = tuple([c is not None for c in cotangents])
        program, in_mask = self.split.cotangent(mask)
        return expand(run_program(program, (*self._again(residuals), *select(cotangents, mask))), in_mask)


def _transpose(cts: Sequence[Any], *operands: Any, program: Program, policy: Policy | None) -> list[Any]:
    return transpose_call(lambda made, args: _call(made, args, policy), program, cts, operands)


def _batch(
    size: int, batched: Sequence[Any], *operands: Any, program: Program, policy: Policy | None
) -> tuple[tuple[Any, ...], Sequence[Any]]:
    made, flags = batch_of(program, size, batched)
    return _call(made, operands, policy), flags


def _samples() -> list[Sample]:
    x: ArrayType = array_type((3,), np.float64)
    return [Sample((x, x), {"program": trace_program(lambda a, b: [sin(mul(sin(a), b))], (x, x)), "policy": None})]


def _types(*types: ArrayType, program: Program, policy: Policy | None) -> tuple[ArrayType, ...]:
    if policy is not None and not callable(policy):
        raise StructureError(f"the policy of a checkpoint is a function, not {policy!r}")
    return call_types(types, program)


checkpoint_p = Primitive(
    "checkpoint",
    type_rule=_types,
    evaluate=lambda *args, program, policy: tuple(run_program(program, args)),
    multiple_results=True,
    control=OPEN_CALL,
    jvp_call=_jvp,
    linearize=lambda types, params, mask: CheckpointRule(params, mask),
    doubting=call_doubting,
    transpose=_transpose,
    linear="jointly",
    batch=_batch,
    samples=_samples,
)
