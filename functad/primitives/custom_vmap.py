"""The ``custom_vmap`` equation: a function with a batching rule of the user's own. To everything else it is a call.

The rule is the user's Python function, which runs when the equation is batched: in the trace that is open then, or on
values where none is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Primitive, Sample
from functad.errors import StructureError
from functad.ir.program import Program
from functad.ir.regions import CALL, call_types
from functad.ir.types import ArrayType, array_type
from functad.primitives.arithmetic import mul
from functad.primitives.calls import PLAIN, call_doubting, call_rule, jit_p
from functad.transforms.programs import batch_of, trace_program, transpose_call

__all__ = ["BatchingRule", "custom_vmap_p"]


class BatchingRule(ABC):
    """What the function is over a mapped axis."""

    @abstractmethod
    def __call__(
        self, size: int, batched: Sequence[bool], operands: Sequence[Any], out_types: Sequence[ArrayType]
    ) -> tuple[Sequence[Any], Sequence[bool]]:
        """The results for operands that carry the axis in front where they are flagged, and which of them carry it."""


def _batch(
    size: int,
    batched: Sequence[Any],
    *operands: Any,
    program: Program,
    rule: BatchingRule,
    consts: int,
    name: str,
) -> tuple[Sequence[Any], Sequence[bool]]:
    if any(batched[:consts]):
        raise StructureError(
            f"custom_vmap function {name} closes over a value that differs between the elements of the mapped axis, "
            "which its rule knows nothing of; pass it as an argument"
        )
    return rule(size, [bool(flag) for flag in batched[consts:]], operands[consts:], program.out_types)


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, program: Program, name: str, **params: Any) -> Any:
    return jit_p.jvp_call(primals, tangents, program=program, name=name)  # type: ignore[misc]


def _linearize(types: Sequence[ArrayType], params: Mapping[str, Any], mask: tuple[bool, ...]) -> Any:
    return call_rule(params["program"], mask, params["name"], PLAIN, True)


class _Standard(BatchingRule):
    """The rule that follows from the Program, for samples."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def __call__(
        self, size: int, batched: Sequence[bool], operands: Sequence[Any], out_types: Sequence[ArrayType]
    ) -> tuple[Sequence[Any], Sequence[bool]]:
        made, flags = batch_of(self.program, size, batched)
        return run_program(made, operands), flags


def _samples() -> list[Sample]:
    x = array_type((3,), np.float64)
    program = trace_program(lambda a, b: [mul(a, b)], (x, x))
    return [Sample((x, x), {"program": program, "rule": _Standard(program), "consts": 0, "name": "sample"})]


custom_vmap_p = Primitive(
    "custom_vmap",
    type_rule=lambda *types, program, rule, consts, name: call_types(types, program),
    evaluate=lambda *args, program, rule, consts, name: tuple(run_program(program, args)),
    multiple_results=True,
    control=CALL,
    jvp_call=_jvp,
    linearize=_linearize,
    doubting=call_doubting,
    transpose=lambda cts, *operands, program, **params: transpose_call(run_program, program, cts, operands),
    linear="jointly",
    batch=_batch,
    samples=_samples,
)
