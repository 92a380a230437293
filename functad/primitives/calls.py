"""The ``jit`` equation: a call of a sub-Program that native code runs as one function.

Every transform rewrites the sub-Program and calls the result; what it makes is kept on the Program, so it is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from functad.core.capture import Leaf, capture
from functad.core.evaluator import run_program
from functad.core.primitive import Linear, Primitive, Sample
from functad.core.trace import using
from functad.core.tracer import ARRAY, SCALAR
from functad.ir.program import Eqn, Program, Var
from functad.ir.types import ArrayType, array_type
from functad.transforms.jvp import jvp_program
from functad.transforms.linearize import linearize_program
from functad.transforms.transpose import transpose_program
from functad.transforms.vmap import batch_program

__all__ = ["jit_p", "set_executor", "trace_program"]

Executor = Callable[[Program, Sequence[Any]], Sequence[Any]]
_executor: list[Executor] = [run_program]


def set_executor(executor: Executor) -> None:
    """Choose what runs a ``jit`` equation outside traces: the native backend installs itself here."""
    _executor[0] = executor


def trace_program(f: Callable[..., Sequence[Any]], types: Sequence[ArrayType]) -> Program:
    """The Program of a function of strict values, given their types; nothing may be closed over."""
    with using(None):
        leaves = [Leaf(None, t, ARRAY if t.ndim else SCALAR) for t in types]
        return capture(lambda args: list(f(*args)), leaves, "a transform", concrete=False).program


def derived(program: Program, key: Any, make: Callable[[], Any]) -> Any:
    """What was made of a Program under this key, made now if it was not."""
    found = program.derived.get(key)
    if found is None:
        found = program.derived[key] = make()
    return found


def _call(program: Program, args: Sequence[Any], name: str) -> tuple[Any, ...]:
    return tuple(jit_p.bind(*args, program=program, name=name))


# -- forward mode ---------------------------------------------------------------------------------------------------------------------


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, program: Program, name: str) -> tuple[Sequence[Any], Sequence[Any]]:
    mask = tuple([t is not None for t in tangents])
    made, present = derived(program, ("jvp", mask), lambda: _make_jvp(program, mask))
    outs = _call(made, (*primals, *[t for t in tangents if t is not None]), f"jvp({name})")
    n = len(program.outputs)
    dots = iter(outs[n:])
    return outs[:n], [next(dots) if p else None for p in present]


def _make_jvp(program: Program, mask: Sequence[bool]) -> tuple[Program, list[bool]]:
    present: list[bool] = []

    def f(*args: Any) -> list[Any]:
        n = len(program.inputs)
        given = iter(args[n:])
        outs, dots = jvp_program(program, args[:n], [next(given) if m else None for m in mask])
        present.extend(d is not None for d in dots)
        return [*outs, *[d for d in dots if d is not None]]

    types = (*program.in_types, *[t for t, m in zip(program.in_types, mask, strict=True) if m])
    return trace_program(f, types), present


# -- linearize: forward(inputs) -> outputs + residuals; tangent and backward take residuals first -----------------------------------------


class CallRule:
    """The linear rule of a call: three Programs, each called as the original is."""

    __slots__ = ("_backward", "_forward", "_in_types", "_linear", "_out_types", "_tangent", "name", "outputs", "residual_types")

    def __init__(self, program: Program, mask: tuple[bool, ...], name: str) -> None:
        self.name = name
        self.outputs = len(program.outputs)
        self._in_types = [t for t, m in zip(program.in_types, mask, strict=True) if m]
        self._out_types = program.out_types

        def forward(*args: Any) -> list[Any]:
            outs, self._linear = linearize_program(program, args, mask)
            return [*outs, *self._linear.residuals]

        self._forward = trace_program(forward, program.in_types)
        self.residual_types = self._forward.out_types[self.outputs :]
        self._tangent: dict[tuple[bool, ...], tuple[Program, list[bool]]] = {}
        self._backward: dict[tuple[bool, ...], tuple[Program, list[bool]]] = {}

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        found = _call(self._forward, ins, f"forward({self.name})")
        return found[: self.outputs], found[self.outputs :]

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        return self._apply(self._tangent, residuals, tangents, self._in_types, "forward", f"tangent({self.name})")

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        return self._apply(self._backward, residuals, cotangents, self._out_types, "backward", f"backward({self.name})")

    def _apply(
        self,
        made: dict[tuple[bool, ...], tuple[Program, list[bool]]],
        residuals: Sequence[Any],
        given: Sequence[Any],
        types: Sequence[ArrayType],
        direction: str,
        name: str,
    ) -> list[Any]:
        mask = tuple([g is not None for g in given])
        if mask not in made:
            made[mask] = self._make(mask, types, direction)
        program, present = made[mask]
        results = iter(_call(program, (*residuals, *[g for g in given if g is not None]), name))
        return [next(results) if p else None for p in present]

    def _make(self, mask: Sequence[bool], types: Sequence[ArrayType], direction: str) -> tuple[Program, list[bool]]:
        n = len(self.residual_types)
        present: list[bool] = []

        def f(*args: Any) -> list[Any]:
            linear = self._linear.with_residuals(args[:n])
            given = iter(args[n:])
            full = [next(given) if m else None for m in mask]
            results = linear.forward(full) if direction == "forward" else linear.backward(full)
            present.extend(r is not None for r in results)
            return [r for r in results if r is not None]

        return trace_program(f, (*self.residual_types, *[t for t, m in zip(types, mask, strict=True) if m])), present


def _linearize(types: Sequence[ArrayType], params: Mapping[str, Any], mask: tuple[bool, ...]) -> CallRule:
    program = params["program"]
    rule: CallRule = derived(program, ("linearize", mask), lambda: CallRule(program, mask, params["name"]))
    return rule


# -- transpose and batching --------------------------------------------------------------------------------------------------------------


def _transpose(cts: Sequence[Any], *operands: Any, program: Program, name: str) -> list[Any]:
    linear = tuple([type(x) is Linear for x in operands])
    given = tuple([c is not None for c in cts])
    made, present = derived(program, ("transpose", linear, given), lambda: _make_transpose(program, linear, given))
    results = iter(_call(made, [x for x in operands if type(x) is not Linear] + [c for c in cts if c is not None], f"transpose({name})"))
    found = iter([next(results) if p else None for p in present])
    return [next(found) if flag else None for flag in linear]


def _make_transpose(program: Program, linear: Sequence[bool], given: Sequence[bool]) -> tuple[Program, list[bool]]:
    present: list[bool] = []
    known = [t for t, flag in zip(program.in_types, linear, strict=True) if not flag]
    cotangents = [t for t, flag in zip(program.out_types, given, strict=True) if flag]

    def f(*args: Any) -> list[Any]:
        values, cts = iter(args[: len(known)]), iter(args[len(known) :])
        results = transpose_program(
            program, linear, [None if flag else next(values) for flag in linear], [next(cts) if flag else None for flag in given]
        )
        present.extend(r is not None for r in results)
        return [r for r in results if r is not None]

    return trace_program(f, (*known, *cotangents)), present


def _batch(size: int, batched: tuple[bool, ...], *operands: Any, program: Program, name: str) -> tuple[tuple[Any, ...], list[bool]]:
    made, flags = derived(program, ("vmap", size, batched), lambda: _make_batch(program, size, batched))
    return _call(made, operands, f"vmap({name})"), flags


def _make_batch(program: Program, size: int, batched: Sequence[bool]) -> tuple[Program, list[bool]]:
    flags: list[bool] = []

    def f(*args: Any) -> list[Any]:
        outs, found = batch_program(program, size, args, batched)
        flags.extend(found)
        return outs

    types = [t.with_shape((size, *t.shape)) if flag else t for t, flag in zip(program.in_types, batched, strict=True)]
    return trace_program(f, types), flags


def _samples() -> list[Sample]:
    import numpy as np

    from functad.primitives.arithmetic import add, mul

    x, y = array_type((3,), np.float64), array_type((), np.float64)
    program = trace_program(lambda a, b: [mul(a, b), add(a, mul(a, a))], (x, y))
    return [Sample((x, y), {"program": program, "name": "sample"})]


jit_p = Primitive(
    "jit",
    type_rule=lambda *types, program, name: program.out_types,
    evaluate=lambda *args, program, name: tuple(_executor[0](program, args)),
    multiple_results=True,
    jvp_call=_jvp,
    linearize=_linearize,
    transpose=_transpose,
    linear="jointly",
    batch=_batch,
    samples=_samples,
)

