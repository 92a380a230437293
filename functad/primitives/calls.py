"""The ``jit`` equation: a call of a sub-Program that native code runs as one function.

Every transform rewrites the sub-Program and calls the result, under the same `Options`. A call inside of compiled code
is inlined into it: the options of the outermost call hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.core.cotangents import joined
from functad.core.evaluator import run_program
from functad.core.primitive import Primitive, Sample, bind_all
from functad.core.trace import current_trace
from functad.core.tracer import ARRAY, SCALAR, Tracer
from functad.errors import ArgumentError
from functad.ir.derived import derived
from functad.ir.masks import expand, select
from functad.ir.program import Eqn, Program, Var
from functad.ir.regions import OPEN_CALL, call_types
from functad.ir.types import ArrayType, array_type
from functad.primitives.arithmetic import add, mul
from functad.transforms.linearize import TransparentRule
from functad.transforms.programs import (
    batch_of,
    jvp_of,
    linearized,
    trace_program,
    transpose_call,
)
from functad.transforms.replay import replay
from functad.transforms.strong import doubtful_results, with_doubts

__all__ = ["FLAGS", "PLAIN", "Options", "call", "call_doubting", "jit_p", "set_executor"]

FLAGS = ("nnan", "ninf", "nsz", "arcp", "contract", "afn", "reassoc", "fast")
"""LLVM's names: no NaN; no infinities; the sign of zero does not matter; division as multiplication by a reciprocal;
fused multiply-add; approximate functions; sums in any order; all of these."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a Program is compiled: LLVM's flags ``fastmath`` for what the user computes, and what runs it (``backend``;
    "": what the flag says).
    """

    fastmath: str = ""
    backend: str = ""

    @property
    def params(self) -> dict[str, str]:
        """As params of an equation: those that are given."""
        given = {"fastmath": self.fastmath, "backend": self.backend}
        return {name: value for name, value in given.items() if value}


PLAIN = Options()

Executor = Callable[[Program, Sequence[Any], Options], Sequence[Any]]
_executor: list[Executor] = [lambda program, args, options: run_program(program, args)]


def set_executor(executor: Executor) -> None:
    """Choose what runs a ``jit`` equation outside traces: the native backend installs itself here."""
    _executor[0] = executor


def call(program: Program, args: Sequence[Any], name: str, options: Options = PLAIN) -> tuple[Any, ...]:
    """The results of a ``jit`` equation, if it has any, compiled as the options say."""
    if not program.outputs:
        return ()
    if current_trace() is None:
        return tuple(jit_p.bind(*args, program=program, name=name, **options.params))
    distinct = Distinct.of(program, args)
    given = [args[i] for i in distinct.operands]
    called = distinct.program or program
    outs = jit_p.bind(*given, program=called, name=name, **options.params) if called.outputs else ()
    return tuple([handle(given[i]) if passed else outs[i] for passed, i in distinct.results])


@dataclass(frozen=True)
class Distinct:
    """A Program for a call in which each variable outside is one inside: no operand is given twice, no result is an
    operand or given twice.

    ``operands`` are the numbers of those that it takes; each of the ``results`` of the call is an operand that is
    passed on (True and its number among these) or a result of the Program (False and its number).
    """

    program: Program | None  # None: the one that is called, which keeps this
    operands: Sequence[int]
    results: Sequence[tuple[bool, int]]

    @staticmethod
    def of(program: Program, args: Sequence[Any]) -> Distinct:
        """That of a Program for these operands."""
        first: dict[Any, int] = {}
        same = tuple([first.setdefault(x._variable, i) if type(x) is Tracer else -1 for i, x in enumerate(args)])
        return distinct(program, same)


@derived
def distinct(program: Program, same: tuple[int, ...]) -> Distinct:
    """``same`` says for each operand which one is the first that is the same variable; -1 for what is none."""
    given = program
    operands = [i for i, k in enumerate(same) if k in (i, -1)]
    if len(operands) < len(same):
        program = with_equal_inputs(program, [operands.index(i if k == -1 else k) for i, k in enumerate(same)])
    place = {program.inputs[at]: at for at, i in enumerate(operands) if same[i] != -1}
    outputs: dict[Any, int] = {}
    results = []
    for out in program.outputs:
        passed = type(out) is Var and out in place
        number = place[out] if passed else outputs.setdefault(out, len(outputs))  # type: ignore[index]
        results.append((passed, number))
    if len(outputs) < len(results):
        doubtful = program.doubtful
        program = Program(program.inputs, program.eqns, list(outputs), program.name)
        program.doubtful = doubtful
    return Distinct(None if program is given else program, operands, results)


def with_equal_inputs(program: Program, which: Sequence[int]) -> Program:
    """The Program where input k is number ``which[k]`` of fewer ones; so are the operands of the calls in it."""

    def results(eqn: Eqn, ins: list[Any]) -> Sequence[Any]:
        if eqn.primitive is jit_p:
            program, name, options = parts_of(**eqn.params)
            return call(program, ins, name, options)
        return bind_all(eqn.primitive, ins, eqn.params)

    types = [program.in_types[which.index(k)] for k in range(max(which) + 1)]
    made = trace_program(lambda *args: replay(program, [args[k] for k in which], results), types, "jit")
    made.name = program.name
    made.doubtful = frozenset(
        [made.inputs[k] for v, k in zip(program.inputs, which, strict=True) if v in program.doubtful]
    )
    return made


def parts_of(program: Program, name: str, **options: str) -> tuple[Program, str, Options]:
    """The params of a ``jit`` equation."""
    return program, name, Options(**options)


def handle(x: Tracer) -> Tracer:
    """Another handle of a tracer's variable, as for a result."""
    return Tracer(x._variable, x._owner, ARRAY if x._variable.type.ndim else SCALAR)


def _present(values: Sequence[Any]) -> tuple[bool, ...]:
    return tuple([v is not None for v in values])


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, program: Program, name: str, **options: str
) -> tuple[Sequence[Any], Sequence[Any]]:
    mask = _present(tangents)
    made, out_mask = jvp_of(program, mask)
    outs = call(made, (*primals, *select(tangents, mask)), f"jvp({name})", Options(**options))
    n = len(program.outputs)
    return outs[:n], expand(outs[n:], out_mask)


class CallRule(TransparentRule):
    """The linear rule of a call: forward, tangent and backward Programs, each called as the original is.

    Sums go through a call as if its Program stood there: ``jit`` changes no derivative of any order. What may be
    differentiated again in reverse mode keeps all residuals; elsewhere those that are cheap are made again.
    """

    def __init__(
        self, program: Program, mask: tuple[bool, ...], name: str, options: Options, transparent: bool
    ) -> None:
        self.name = name
        self.options = options
        self._split = linearized(program, mask, transparent=transparent)

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        found = call(self._split.forward, ins, f"forward({self.name})", self.options)
        n = len(eqn.outputs)
        return found[:n], found[n:]

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        mask = _present(tangents)
        program, out_mask = self._split.tangent(mask)
        operands = (*residuals, *select(tangents, mask))
        return expand(call(program, operands, f"tangent({self.name})", self.options), out_mask)

    def backward(
        self,
        residuals: Sequence[Any],
        cotangents: Sequence[Any],
        sums: Sequence[Any] = (),
        unsettled: tuple[bool, ...] = (),
    ) -> Sequence[Any]:
        sums = sums or [None] * len(self._split.in_types)
        given, added = _present(cotangents), _present(sums)
        program, forms = self._split.pullback(given, added, unsettled)
        operands = (*residuals, *select(cotangents, given), *select(sums, added))
        return joined(call(program, operands, f"backward({self.name})", self.options), forms)


def call_doubting(params: Mapping[str, Any], doubts: Sequence[bool]) -> tuple[Mapping[str, Any], Sequence[bool]]:
    """The params of a call with a Program that knows which of its inputs may be infinite or NaN, and which results may
    be so.
    """
    program = params["program"]
    return {**params, "program": with_doubts(program, doubts)}, doubtful_results(program, doubts)


def _linearize(types: Sequence[ArrayType], params: Mapping[str, Any], mask: tuple[bool, ...]) -> CallRule:
    transparent = _reversed_again()
    program, name, options = parts_of(**params)
    return call_rule(program, mask, name, options, transparent)


@derived
def call_rule(program: Program, mask: tuple[bool, ...], name: str, options: Options, transparent: bool) -> CallRule:
    """The linear rule of a call, the same one each time."""
    return CallRule(program, mask, name, options, transparent)


FORWARD = frozenset({"jvp", "jacfwd", "vmap"})
"""The transforms whose traces are not differentiated in reverse mode."""


def _reversed_again() -> bool:
    """Whether what is traced now may be differentiated in reverse mode: by what traces it, or by whoever calls what
    ``jit`` makes of it.

    Not so the body of a loop, whose rule decides for itself what it keeps.
    """
    trace = current_trace()
    if trace is None or not (trace.concrete or trace.kind == "jit"):
        return False
    while trace is not None and trace.kind in FORWARD:
        trace = trace.parent
    return trace is not None


def _transpose(cts: Sequence[Any], *operands: Any, program: Program, name: str, **options: str) -> list[Any]:
    given = Options(**options)
    return transpose_call(lambda made, args: call(made, args, f"transpose({name})", given), program, cts, operands)


def _batch(
    size: int, batched: tuple[bool, ...], *operands: Any, program: Program, name: str, **options: str
) -> tuple[tuple[Any, ...], Sequence[bool]]:
    made, flags = batch_of(program, size, batched)
    return call(made, operands, f"vmap({name})", Options(**options)), flags


def _samples() -> list[Sample]:
    x, y = array_type((3,), np.float64), array_type((), np.float64)
    program = trace_program(lambda a, b: [mul(a, b), add(a, mul(a, a))], (x, y))
    return [
        Sample((x, y), {"program": program, "name": "sample"}),
        Sample((x, y), {"program": program, "name": "sample", "fastmath": "contract"}),
    ]


def _types(
    *types: ArrayType, program: Program, name: str, fastmath: str = "", backend: str = ""
) -> Sequence[ArrayType]:
    if not set(fastmath.split(" ") if fastmath else ()).issubset(FLAGS):  # they become part of LLVM's text
        raise ArgumentError(f"there are no fastmath flags {fastmath!r}")
    return call_types(types, program)


jit_p = Primitive(
    "jit",
    type_rule=_types,
    evaluate=lambda *args, program, name, **options: tuple(_executor[0](program, args, Options(**options))),
    multiple_results=True,
    control=OPEN_CALL,
    jvp_call=_jvp,
    linearize=_linearize,
    doubting=call_doubting,
    transpose=_transpose,
    linear="jointly",
    batch=_batch,
    samples=_samples,
)
