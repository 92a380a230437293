"""Rematerialisation: ``checkpoint`` calls save their operands alone, and compute again what their reverse pass needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Primitive, Sample, type_of
from functad.ir.program import Eqn, Program, Var
from functad.ir.types import ArrayType, SeqType, array_type
from functad.primitives.elementwise import elementwise
from functad.transforms.programs import batch_of, expand, jvp_of, linearized, select, trace_program

__all__ = ["barrier", "checkpoint_p"]

# the identity, which common-subexpression elimination takes for something else: without it, it would find that what is computed
# again has been computed before, and keep that
barrier = elementwise(
    "barrier", lambda x: x, kinds="fciub", kernel=lambda b, x: x,
    jvp=lambda t, y, x: t,
    linear="jointly", transpose=lambda ct, x: (ct,),
)  # fmt: skip


def _call(program: Program, args: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(checkpoint_p.bind(*args, program=program))


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, program: Program) -> tuple[Sequence[Any], Sequence[Any]]:
    mask = tuple([t is not None for t in tangents])
    made, out_mask = jvp_of(program, mask)
    outs = _call(made, (*primals, *select(tangents, mask)))
    n = len(program.outputs)
    return outs[:n], expand(outs[n:], out_mask)


class CheckpointRule:
    """The linear rule of a checkpointed call: its residuals are its operands."""

    active = True

    def __init__(self, program: Program, mask: tuple[bool, ...]) -> None:
        self.program = program
        self.split = linearized(program, mask)

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        return _call(self.program, ins), list(ins)

    def _again(self, residuals: Sequence[Any]) -> Sequence[Any]:
        operands = [x if isinstance(type_of(x), SeqType) else barrier(x) for x in residuals]
        return run_program(self.split.forward, operands)[len(self.program.outputs) :]

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        mask = tuple([t is not None for t in tangents])
        program, out_mask = self.split.tangent(mask)
        return expand(run_program(program, (*self._again(residuals), *select(tangents, mask))), out_mask)

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        mask = tuple([c is not None for c in cotangents])
        program, in_mask = self.split.cotangent(mask)
        return expand(run_program(program, (*self._again(residuals), *select(cotangents, mask))), in_mask)


def _batch(size: int, batched: Sequence[Any], *operands: Any, program: Program) -> tuple[tuple[Any, ...], Sequence[Any]]:
    made, flags = batch_of(program, size, batched)
    return _call(made, operands), flags


def _samples() -> list[Sample]:
    from functad.primitives.arithmetic import mul
    from functad.primitives.trigonometric import sin

    x: ArrayType = array_type((3,), np.float64)
    return [Sample((x, x), {"program": trace_program(lambda a, b: [sin(mul(sin(a), b))], (x, x))})]


checkpoint_p = Primitive(
    "checkpoint",
    type_rule=lambda *types, program: program.out_types,
    evaluate=lambda *args, program: tuple(run_program(program, args)),
    multiple_results=True,
    expands=True,
    jvp_call=_jvp,
    linearize=lambda types, params, mask: CheckpointRule(params["program"], mask),
    batch=_batch,
    samples=_samples,
)
