"""A linear Program on all unit vectors at once.

In general that is the Program mapped over the unit vectors. But where it only multiplies elements, adds up products and
sums them, each element of its input keeps apart from the others: what becomes of unit vector k is one number, and none
of its zeros has to be carried along:

    t -> a * t      gives  a_k e_k: a diagonal matrix
    t -> sum(a * t) gives  a_k: the coefficients themselves

So the gradient of ``sum(f(x))`` by forward mode takes n operations, not n^2. (And no zero meets an infinity, whose
product would be NaN.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import bind_all, type_of
from functad.core.trace import current_trace
from functad.ir.program import Eqn, Program, Var
from functad.ir.types import ArrayType, array_type
from functad.lax.chunks import map_in_chunks
from functad.primitives.broadcasting import broadcast
from functad.primitives.comparison import eq
from functad.primitives.convert import convert
from functad.primitives.generate import iota
from functad.primitives.selection import select
from functad.primitives.shapes import reshape
from functad.transforms.programs import trace_program
from functad.transforms.replay import replay
from functad.transforms.vmap import batch_program

__all__ = ["on_unit_vectors"]

EACH, SUM = "each", "sum"
"""An array of the elements of the input, each times its coefficient; and the sum of these."""


def on_unit_vectors(program: Program, args: Sequence[Any], chunk: int | None = None) -> list[Any]:
    """The results of a Program, linear in its last input, for all unit vectors of that, stacked on axis 0, ``chunk`` of
    them at a time (None: all); ``args`` are its other inputs.
    """
    type = program.inputs[-1].type
    kinds = _kinds(program)
    if kinds is not None:
        return _of_coefficients(program, args, kinds)
    if chunk is not None and chunk < type.size:
        return on_chunks(program, args, chunk)
    outs, flags = batch_program(program, type.size, [*args, unit_vectors(type)], [False] * len(args) + [True])
    assert all(flags)
    return list(outs)


def on_chunks(program: Program, args: Sequence[Any], chunk: int) -> list[Any]:
    """The results from the numbers of the unit vectors, which are made chunk by chunk."""
    type = program.inputs[-1].type

    def numbered(*xs: Any) -> Sequence[Any]:
        element = convert(eq(iota((type.size,), np.int64, 0), xs[-1]), type.dtype)
        return run_program(program, [*xs[:-1], reshape(element, type.shape)])

    made = trace_program(numbered, [*program.in_types[:-1], array_type((), np.int64)])
    numbers = iota((type.size,), np.int64, 0)
    outs, flags = map_in_chunks(made, type.size, chunk, [*args, numbers], [False] * len(args) + [True])
    assert all(flags)
    return outs


def _kinds(program: Program) -> dict[Var, str] | None:
    """What becomes of the last input; None where its elements do not keep apart."""
    kinds = {program.inputs[-1]: EACH}
    for eqn in program.eqns:
        given = [kinds.get(a) if type(a) is Var else None for a in eqn.inputs]
        if not any(given):
            continue
        found = _kind(eqn, given)
        if found is None:
            return None
        kinds[eqn.outputs[0]] = found
    return kinds if all(type(a) is Var and a in kinds for a in program.outputs) else None


def _kind(eqn: Eqn, given: Sequence[str | None]) -> str | None:
    shapes = [a.type.shape for a, kind in zip(eqn.inputs, given, strict=True) if kind]
    match eqn.primitive.name, given:
        case "neg", [kind]:
            return kind
        case "add" | "sub", [kind, other] if kind == other and shapes[0] == shapes[1]:
            return kind
        case ("mul", [kind, None] | [None, kind]) | (
            "div" | "strong_mul" | "strong_div" | "strong_product" | "tangent_mul",
            [kind, None],
        ) if shapes[0] == eqn.outputs[0].type.shape:
            return kind
        case "sum", ["each"] if len(eqn.params["axes"]) == len(shapes[0]):
            return SUM
        case "reshape", ["each"]:
            return EACH
    return None


def _of_coefficients(program: Program, args: Sequence[Any], kinds: dict[Var, str]) -> list[Any]:
    """The results, from the coefficients of all that is linear; of rank 0 where all elements have the same one."""
    type = program.inputs[-1].type

    def results(eqn: Eqn, ins: list[Any]) -> Sequence[Any]:
        if eqn.outputs[0] not in kinds or eqn.primitive.name not in ("sum", "reshape"):
            return bind_all(eqn.primitive, ins, eqn.params)
        shape = (type.size,) if eqn.primitive.name == "sum" else eqn.params["shape"]
        return [reshape(ins[0], shape) if type_of(ins[0]).ndim else ins[0]]

    found = replay(program, [*args, type.dtype.type(1)], results)
    return [_stacked(x, kinds[a], a.type, type.size) for x, a in zip(found, program.outputs, strict=True)]  # type: ignore[index]


def _stacked(coefficients: Any, kind: str, type: ArrayType, size: int) -> Any:
    uniform = not type_of(coefficients).ndim
    if kind == SUM:
        return broadcast(coefficients, (size,), ()) if uniform else coefficients
    shape = (size, *type.shape)
    rows = coefficients if uniform else broadcast(coefficients, shape, tuple(range(1, len(shape))))
    return select(reshape(_diagonal(size), shape), rows, type.dtype.type(0))


def unit_vectors(type: ArrayType) -> Any:
    """Those of a type, stacked on axis 0."""
    return reshape(convert(_diagonal(type.size), type.dtype), (type.size, *type.shape))


def _diagonal(size: int) -> Any:
    """True on the diagonal; in a trace by comparing indices, so that compiled code reads no matrix."""
    if current_trace() is None:
        return np.eye(size, dtype=np.bool_)
    number, element = (iota((size, size), np.int64, axis) for axis in (0, 1))
    return eq(number, element)
