"""A mapped axis in chunks: a loop over vectorised code, in the memory of one chunk.

Where nothing is traced the loop is Python's, and the last chunk is the rest; in a trace it is a ``loop`` equation over
all whole chunks, which native code runs, and one call for what remains.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.trace import current_trace
from functad.errors import StructureError
from functad.ir.dce import program_may_raise
from functad.ir.derived import derived
from functad.ir.masks import expand, select
from functad.ir.program import Eqn, Program, Var
from functad.numpy import concatenate
from functad.primitives.loop_body import bind_loop
from functad.transforms.programs import batch_of
from functad.transforms.vmap import batch_program

__all__ = ["chunk_of", "map_in_chunks", "positive"]


def positive(what: str, name: str, value: Any, counted: str) -> int:
    """A count that the user gives."""
    try:
        k = 0 if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        k = 0
    if k < 1:
        raise StructureError(f"{what}: {name}={value!r}; expected a positive integer, the number of {counted}")
    return k


def chunk_of(what: str, chunk_size: Any) -> int | None:
    """The ``chunk_size`` that the user gives to a transform: None, or a count."""
    return None if chunk_size is None else positive(what, "chunk_size", chunk_size, "elements at a time")


def map_in_chunks(
    program: Program, size: int, chunk: int | None, args: Sequence[Any], batched: Sequence[bool]
) -> tuple[list[Any], list[bool]]:
    """The outputs of a Program over a mapped axis (axis 0 of the flagged arguments), ``chunk`` elements at a time, and
    which of them carry it: what ``batch_program`` gives, which does all at once.
    """
    if chunk is None or size <= chunk:
        return batch_program(program, size, args, batched)
    flags = batch_of(program, chunk, tuple(batched))[1]
    mapped, rest = parted(program, tuple(batched), tuple(flags))
    consts = select(args, [not flag for flag in batched])
    outs: Sequence[Any] = ()
    if any(flags) or program_may_raise(mapped):
        run = _evaluated if current_trace() is None else _traced
        outs = run(mapped, size, chunk, consts, select(args, batched))
    found, others = expand(outs, flags), iter(run_program(rest, consts) if rest.outputs else ())
    return [x if flag else next(others) for x, flag in zip(found, flags, strict=True)], list(flags)


@derived
def parted(program: Program, batched: tuple[bool, ...], flags: tuple[bool, ...]) -> tuple[Program, Program]:
    """(constants, mapped inputs) -> mapped outputs, and (constants) -> the outputs that are the same for all
    elements.
    """
    consts = select(program.inputs, [not flag for flag in batched])
    mapped = Program([*consts, *select(program.inputs, batched)], program.eqns, select(program.outputs, flags))
    outputs = select(program.outputs, [not flag for flag in flags])
    return mapped, Program(consts, needed(program.eqns, outputs), outputs)


def needed(eqns: Sequence[Eqn], outputs: Sequence[Any]) -> list[Eqn]:
    """The equations that some outputs need, and no others, even if those may raise."""
    variables, kept = {a for a in outputs if type(a) is Var}, []
    for eqn in reversed(eqns):
        if not variables.isdisjoint(eqn.outputs):
            kept.append(eqn)
            variables.update([a for a in eqn.inputs if type(a) is Var])
    return kept[::-1]


def _of(program: Program, count: int, consts: int) -> Program:
    """The Program of so many elements at a time, all of whose results carry them."""
    flags = [k >= consts for k in range(len(program.inputs))]
    return batch_of(program, count, flags, (True,) * len(program.outputs))[0]


def _evaluated(program: Program, size: int, chunk: int, consts: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
    outs = [np.empty((size, *t.shape), t.dtype) for t in program.out_types]
    for start in range(0, size, chunk):
        stop = min(start + chunk, size)
        found = run_program(_of(program, stop - start, len(consts)), [*consts, *[x[start:stop] for x in xs]])
        for out, y in zip(outs, found, strict=True):
            out[start:stop] = y
    return outs


def _traced(program: Program, size: int, chunk: int, consts: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
    count = size // chunk
    whole = count * chunk
    chunks = [np.reshape(x[:whole], (count, chunk, *x.shape[1:])) for x in xs]
    _, ys = bind_loop(_of(program, chunk, len(consts)), consts, (), chunks, length=count)
    outs = [np.reshape(y, (whole, *y.shape[2:])) for y in ys]
    if whole == size:
        return outs
    last = run_program(_of(program, size - whole, len(consts)), [*consts, *[x[whole:] for x in xs]])
    return [concatenate([y, z]) for y, z in zip(outs, last, strict=True)]
