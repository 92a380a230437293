"""Vectorisation: rewrite a Program so that some inputs carry one more axis, number 0, and every equation maps over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functad.core.trace import location_scope
from functad.ir.program import Program, Var
from functad.transforms.replay import Reader

__all__ = ["batch_program"]


def batch_program(program: Program, size: int, args: Sequence[Any], batched: Sequence[bool]) -> tuple[list[Any], list[bool]]:
    """The outputs of a Program over a mapped axis, and which of them carry it (always as axis 0)."""
    read = Reader(program, args)
    mapped: set[Any] = {v for v, flag in zip(program.inputs, batched, strict=True) if flag}
    for eqn in program.eqns:
        prim = eqn.primitive
        ins = [read(a) for a in eqn.inputs]
        flags = tuple([type(a) is Var and a in mapped for a in eqn.inputs])
        with location_scope(eqn.loc):
            if True not in flags:
                out = prim.bind(*ins, **eqn.params)
                read.write(eqn.outputs, out if prim.multiple_results else (out,))
                continue
            out, out_batched = prim.batch(size, flags, *ins, **eqn.params)  # type: ignore[misc]
        if prim.multiple_results:
            read.write(eqn.outputs, out)
            mapped.update(v for v, flag in zip(eqn.outputs, out_batched, strict=True) if flag)
        else:
            read.write(eqn.outputs, (out,))
            if out_batched:
                mapped.add(eqn.outputs[0])
    return [read(a) for a in program.outputs], [a in mapped for a in program.outputs]
