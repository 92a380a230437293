"""Vectorisation: rewrite a Program so that some inputs carry one more axis, number 0, and every equation maps over
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functad.core.trace import inherited_location
from functad.ir.program import Eqn, Program
from functad.transforms.replay import Reader

__all__ = ["batch_program"]


def batch_program(
    program: Program, size: int, args: Sequence[Any], batched: Sequence[bool]
) -> tuple[list[Any], list[bool]]:
    """The outputs of a Program over a mapped axis, and which of them carry it.

    The flag of an array is True: the mapped axis is its axis 0. That of a sequence says where the axis is:
    ``"elements"`` if each element carries it, ``"lanes"`` if the sequence holds one sequence for each index of the
    axis.
    """
    read = Reader(program, args)
    mapped: dict[Any, Any] = {v: flag for v, flag in zip(program.inputs, batched, strict=True) if flag}
    with inherited_location() as at:
        for eqn in program.eqns:
            at.loc = eqn.loc
            ins = [read(a) for a in eqn.inputs]
            flags = tuple([mapped.get(a, False) for a in eqn.inputs])
            outs, out_flags = batch_equation(eqn, size, flags, ins)
            read.write(eqn.outputs, outs)
            for v, flag in zip(eqn.outputs, out_flags, strict=True):
                if flag:
                    mapped[v] = flag
    return [read(a) for a in program.outputs], [mapped.get(a, False) for a in program.outputs]


def batch_equation(
    eqn: Eqn, size: int, flags: tuple[bool, ...], ins: Sequence[Any]
) -> tuple[Sequence[Any], Sequence[bool]]:
    """The results of one equation and which of them carry the mapped axis."""
    prim = eqn.primitive
    if not any(flags):
        out = prim.bind(*ins, **eqn.params)
        outs = out if prim.multiple_results else (out,)
        return outs, [False] * len(outs)
    out, batched = prim.batch(size, flags, *ins, **eqn.params)  # type: ignore[misc]
    return (out, batched) if prim.multiple_results else ((out,), (batched,))
