"""The ``jit`` equation: a call of a sub-Program that native code runs as one function.

Every transform rewrites the sub-Program and calls the result, under the same flags ``fastmath``. A call inside of compiled
code is inlined into it: the flags of the outermost call hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Linear, Primitive, Sample
from functad.ir.program import Eqn, Program, Var
from functad.ir.types import ArrayType, SeqType, array_type
from functad.transforms.programs import batch_of, expand, jvp_of, linearized, select, trace_program, transpose_of

__all__ = ["call", "jit_p", "set_executor"]

Executor = Callable[[Program, Sequence[Any], str], Sequence[Any]]
_executor: list[Executor] = [lambda program, args, fastmath: run_program(program, args)]


def set_executor(executor: Executor) -> None:
    """Choose what runs a ``jit`` equation outside traces: the native backend installs itself here."""
    _executor[0] = executor


def call(program: Program, args: Sequence[Any], name: str, fastmath: str = "") -> tuple[Any, ...]:
    """The results of a ``jit`` equation, if it has any; LLVM treats what it computes as the flags ``fastmath`` say."""
    if not program.outputs:
        return ()
    options = {"fastmath": fastmath} if fastmath else {}
    return tuple(jit_p.bind(*args, program=program, name=name, **options))


def _present(values: Sequence[Any]) -> tuple[bool, ...]:
    return tuple([v is not None for v in values])


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, program: Program, name: str, fastmath: str = ""
) -> tuple[Sequence[Any], Sequence[Any]]:
    mask = _present(tangents)
    made, out_mask = jvp_of(program, mask)
    outs = call(made, (*primals, *select(tangents, mask)), f"jvp({name})", fastmath)
    n = len(program.outputs)
    return outs[:n], expand(outs[n:], out_mask)


class CallRule:
    """The linear rule of a call: forward, tangent and backward Programs, each called as the original is."""

    __slots__ = ("_split", "fastmath", "name")

    active = True

    def __init__(self, program: Program, mask: tuple[bool, ...], name: str, fastmath: str) -> None:
        self.name = name
        self.fastmath = fastmath
        self._split = linearized(program, mask)

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        found = call(self._split.forward, ins, f"forward({self.name})", self.fastmath)
        n = len(eqn.outputs)
        return found[:n], found[n:]

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        mask = _present(tangents)
        program, out_mask = self._split.tangent(mask)
        return expand(call(program, (*residuals, *select(tangents, mask)), f"tangent({self.name})", self.fastmath), out_mask)

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        mask = _present(cotangents)
        program, in_mask = self._split.cotangent(mask)
        return expand(call(program, (*residuals, *select(cotangents, mask)), f"backward({self.name})", self.fastmath), in_mask)


def _linearize(types: Sequence[ArrayType], params: Mapping[str, Any], mask: tuple[bool, ...]) -> CallRule:
    return CallRule(params["program"], mask, params["name"], params.get("fastmath", ""))


def _transpose(cts: Sequence[Any], *operands: Any, program: Program, name: str, fastmath: str = "") -> list[Any]:
    linear = tuple([type(x) is Linear for x in operands])
    given = _present(cts)
    made, present = transpose_of(program, linear, given)
    known = [x.like() if type(x) is Linear and x.like else x for x in operands if type(x) is not Linear or isinstance(x.type, SeqType)]
    found = expand(call(made, (*known, *select(cts, given)), f"transpose({name})", fastmath), present)
    return expand(found, linear)


def _batch(
    size: int, batched: tuple[bool, ...], *operands: Any, program: Program, name: str, fastmath: str = ""
) -> tuple[tuple[Any, ...], Sequence[bool]]:
    made, flags = batch_of(program, size, batched)
    return call(made, operands, f"vmap({name})", fastmath), flags


def _samples() -> list[Sample]:
    from functad.primitives.arithmetic import add, mul

    x, y = array_type((3,), np.float64), array_type((), np.float64)
    program = trace_program(lambda a, b: [mul(a, b), add(a, mul(a, a))], (x, y))
    return [Sample((x, y), {"program": program, "name": "sample"})]


jit_p = Primitive(
    "jit",
    type_rule=lambda *types, program, name, fastmath="": program.out_types,
    evaluate=lambda *args, program, name, fastmath="": tuple(_executor[0](program, args, fastmath)),
    multiple_results=True,
    expands=True,
    jvp_call=_jvp,
    linearize=_linearize,
    transpose=_transpose,
    linear="jointly",
    batch=_batch,
    samples=_samples,
)
