"""What an instruction of a kernel uses, and the same instruction with something else in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from functad.kernel_ir.nodes import Affine, Check, Compute, Instr, Load, Reduce, Scan, Scatter, Store, Value

__all__ = ["operands", "with_operands"]


def operands(instr: Instr) -> Iterator[Value]:
    """The values that an instruction uses, those of its index included."""
    if isinstance(instr, Compute):
        yield from instr.args
    elif isinstance(instr, Check):
        yield instr.ok
        if instr.value is not None:
            yield instr.value
    elif isinstance(instr, Store | Reduce | Scatter | Scan):
        yield instr.value
    if isinstance(instr, Load | Store | Reduce | Scatter):
        for affine in instr.index:
            for atom, _ in affine.terms:
                if isinstance(atom, Value):
                    yield atom
    if isinstance(instr, Load | Store) and instr.mask is not None:
        yield instr.mask


def with_operands(instr: Instr, value: Callable[[Value], Value]) -> Instr:
    """A copy that uses other values."""

    def affine(index: Affine) -> Affine:
        return Affine(
            index.offset, [(value(atom) if isinstance(atom, Value) else atom, scale) for atom, scale in index.terms]
        )

    if isinstance(instr, Load | Store | Reduce | Scatter):
        instr = replace(instr, index=tuple(map(affine, instr.index)))
    if isinstance(instr, Load | Store):
        instr = replace(instr, mask=None if instr.mask is None else value(instr.mask))
    if isinstance(instr, Store | Reduce | Scatter | Scan):
        return replace(instr, value=value(instr.value))
    if isinstance(instr, Compute):
        return replace(instr, args=tuple(map(value, instr.args)))
    if isinstance(instr, Check):
        return replace(instr, ok=value(instr.ok), value=None if instr.value is None else value(instr.value))
    return replace(instr)  # type: ignore[type-var]
