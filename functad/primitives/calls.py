"""The ``jit`` equation: a call of a sub-Program that native code runs as one function.

Every transform rewrites the sub-Program and calls the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Primitive, Sample
from functad.ir.program import Eqn, Program, Var
from functad.ir.types import ArrayType, array_type
from functad.transforms.programs import batch_of, expand, jvp_of, linearized, select, trace_program, transpose_call

__all__ = ["jit_p", "set_executor"]

Executor = Callable[[Program, Sequence[Any]], Sequence[Any]]
_executor: list[Executor] = [run_program]


def set_executor(executor: Executor) -> None:
    """Choose what runs a ``jit`` equation outside traces: the native backend installs itself here."""
    _executor[0] = executor


def _call(program: Program, args: Sequence[Any], name: str) -> tuple[Any, ...]:
    return tuple(jit_p.bind(*args, program=program, name=name))


def _present(values: Sequence[Any]) -> tuple[bool, ...]:
    return tuple([v is not None for v in values])


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, program: Program, name: str) -> tuple[Sequence[Any], Sequence[Any]]:
    mask = _present(tangents)
    made, out_mask = jvp_of(program, mask)
    outs = _call(made, (*primals, *select(tangents, mask)), f"jvp({name})")
    n = len(program.outputs)
    return outs[:n], expand(outs[n:], out_mask)


class CallRule:
    """The linear rule of a call: forward, tangent and backward Programs, each called as the original is."""

    __slots__ = ("_split", "name")

    active = True

    def __init__(self, program: Program, mask: tuple[bool, ...], name: str) -> None:
        self.name = name
        self._split = linearized(program, mask)

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        found = _call(self._split.forward, ins, f"forward({self.name})")
        n = len(eqn.outputs)
        return found[:n], found[n:]

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        mask = _present(tangents)
        program, out_mask = self._split.tangent(mask)
        return expand(_call(program, (*residuals, *select(tangents, mask)), f"tangent({self.name})"), out_mask)

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        mask = _present(cotangents)
        program, in_mask = self._split.cotangent(mask)
        return expand(_call(program, (*residuals, *select(cotangents, mask)), f"backward({self.name})"), in_mask)


def _linearize(types: Sequence[ArrayType], params: Mapping[str, Any], mask: tuple[bool, ...]) -> CallRule:
    return CallRule(params["program"], mask, params["name"])


def _transpose(cts: Sequence[Any], *operands: Any, program: Program, name: str) -> list[Any]:
    return transpose_call(lambda made, args: _call(made, args, f"transpose({name})"), program, cts, operands)


def _batch(size: int, batched: tuple[bool, ...], *operands: Any, program: Program, name: str) -> tuple[tuple[Any, ...], Sequence[bool]]:
    made, flags = batch_of(program, size, batched)
    return _call(made, operands, f"vmap({name})"), flags


def _samples() -> list[Sample]:
    from functad.primitives.arithmetic import add, mul

    x, y = array_type((3,), np.float64), array_type((), np.float64)
    program = trace_program(lambda a, b: [mul(a, b), add(a, mul(a, a))], (x, y))
    return [Sample((x, y), {"program": program, "name": "sample"})]


jit_p = Primitive(
    "jit",
    type_rule=lambda *types, program, name: program.out_types,
    evaluate=lambda *args, program, name: tuple(_executor[0](program, args)),
    multiple_results=True,
    expands=True,
    jvp_call=_jvp,
    linearize=_linearize,
    transpose=_transpose,
    linear="jointly",
    batch=_batch,
    samples=_samples,
)
