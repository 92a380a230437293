"""Programs of one equation, and each transform of a Program as a function of arrays: what the testers of rules
compare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import REGISTRY, Primitive
from functad.core.zeros import instantiate
from functad.ir.builder import ProgramBuilder
from functad.ir.checker import check_program
from functad.ir.program import Program, Var
from functad.ir.types import ArrayType, SeqType, array_type
from functad.primitives.arithmetic import add
from functad.primitives.gather import gather
from functad.primitives.loop_body import element_type
from functad.transforms.jvp import jvp_program
from functad.transforms.linearize import linearize_program
from functad.transforms.programs import trace_program
from functad.transforms.transpose import transpose_program

__all__ = [
    "STEPS",
    "applied",
    "apply",
    "backward",
    "forward",
    "forward_linear",
    "one_equation",
    "transposed",
    "types_of",
]


STEPS = 3
"""The length of sequences."""


def types_of(values: Sequence[Any]) -> tuple[ArrayType, ...]:
    """The types of arrays."""
    return tuple([array_type(v.shape, v.dtype) for v in values])


def one_equation(
    primitive: Primitive, types: Sequence[ArrayType], params: dict[str, Any], sequences: Sequence[bool]
) -> Program:
    """The Program that applies a primitive to its inputs."""
    builder = ProgramBuilder()
    return builder.build(*applied(builder, primitive, [builder.input(t) for t in types], params, sequences))


def applied(
    builder: ProgramBuilder,
    primitive: Primitive,
    inputs: Sequence[Var],
    params: dict[str, Any],
    sequences: Sequence[bool],
) -> list[Var]:
    """The results of a primitive of these inputs, of which some are to be sequences, as arrays."""
    operands = [sequence_of(builder, x) if flag else x for x, flag in zip(inputs, sequences, strict=True)]
    return [
        array_of(builder, y) if isinstance(y.type, SeqType) else y
        for y in builder.equation(primitive, operands, params)
    ]


def sequence_of(builder: ProgramBuilder, x: Var) -> Var:
    """An array as a sequence of its rows."""
    index = array_type((), np.int64)
    body = trace_program(lambda x, i: [add(i, np.int64(1)), gather(x, i)], [x.type, index])
    params = {"body": body, "length": None, "reverse": False, "unroll": 1, "consts": 1, "carry": 1}
    return builder.equation(REGISTRY["loop"], [np.int64(STEPS), x, np.int64(0)], params)[1]


def array_of(builder: ProgramBuilder, x: Var) -> Var:
    """A sequence as an array."""
    body = trace_program(lambda row: [row], [element_type(x.type)])
    return builder.emit(REGISTRY["loop"], x, body=body, length=STEPS, reverse=False, unroll=1, consts=0, carry=0)


# -- the transforms, each as a checked Program, on None where there is no tangent --------------------------------------


def apply(f: Callable[..., list[Any]], args: Sequence[Any], what: str) -> list[Any]:
    """Trace a function of strict values (None: absent), check the Program and the types of its results, and run it."""
    given = [a for a in args if a is not None]

    def call(*values: Any) -> list[Any]:
        found = iter(values)
        return f(*[None if a is None else next(found) for a in args])

    program = trace_program(call, types_of(given))
    check_program(program, what)
    outs = list(run_program(program, given))
    for i, (out, t) in enumerate(zip(outs, program.out_types, strict=True)):
        found = array_type(out.shape, out.dtype)
        assert found is t, f"{what} computes {found} as result {i}, but its type is {t}"
    return outs


def forward(program: Program, values: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The results of a Program and their tangents; zeros where a rule says None."""
    n = len(values)

    def f(*args: Any) -> list[Any]:
        outs, dots = jvp_program(program, args[:n], args[n:])
        return [*outs, *[instantiate(d, t) for d, t in zip(dots, program.out_types, strict=True)]]

    found = apply(f, [*values, *tangents], "jvp")
    m = len(program.outputs)
    return found[:m], found[m:]


def forward_linear(program: Program, values: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
    """The tangents of the results by the linear map of ``linearize``."""
    n = len(values)

    def f(*args: Any) -> list[Any]:
        _, linear = linearize_program(program, args[:n], [t is not None for t in tangents])
        dots = linear.forward([t for t in args[n:] if t is not None])
        return [instantiate(d, t) for d, t in zip(dots, program.out_types, strict=True)]

    return apply(f, [*values, *tangents], "linearize")


def backward(program: Program, mask: Sequence[bool]) -> Callable[..., list[Any]]:
    """The function of a Program's inputs and its results' cotangents that gives the cotangents of the active inputs."""
    n = len(program.inputs)
    active = [t for t, flag in zip(program.in_types, mask, strict=True) if flag]

    def f(*args: Any) -> list[Any]:
        _, linear = linearize_program(program, args[:n], mask)
        cts = linear.backward(args[n:])
        return [instantiate(c, t) for c, t in zip(cts, active, strict=True)]

    return f


def transposed(program: Program, mask: Sequence[bool]) -> Callable[..., list[Any]]:
    """The function of the other inputs (None for the linear ones) and the results' cotangents that gives those of the
    linear inputs.
    """
    n = len(program.inputs)
    linear = [t for t, flag in zip(program.in_types, mask, strict=True) if flag]

    def f(*args: Any) -> list[Any]:
        cts = transpose_program(program, mask, args[:n], args[n:])
        return [instantiate(c, t) for c, t in zip(cts, linear, strict=True)]

    return f
