"""Long straight-line code in pieces, each a function of its own: LLVM takes more than linear time for a function.

A kernel without loops is cut where few values live; a value that a later piece needs becomes a scalar temporary. That
costs a store and a load, which nobody could measure: a thousand steps of y = sin(y) a + x b, with their gradient, take
20 us in pieces of any length from 100 to 1000 instructions, and 0.34 to 1.93 s of LLVM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from functad.kernel_ir.nodes import Buffer, Compute, Const, Instr, Kernel, Load, SizeValue, Store, Value
from functad.kernel_ir.rewrite import operands
from functad.lower.emit.operations import cost

__all__ = ["PIECE", "WHOLE", "cut", "size"]

WHOLE = 1000
"""Instructions of straight-line code that are one function, in which all scalars are in registers."""

PIECE = 200
"""At most so many instructions are in a piece of what is longer."""


def size(body: Iterable[Instr]) -> int:
    """About how many instructions code without loops comes to; what is long is called there."""
    return sum(min(cost(i.op, i.args[-1].dtype), CALL) if isinstance(i, Compute) else 1 for i in body)


CALL = 4


def cut(kernel: Kernel) -> list[Kernel]:
    """A kernel without loops as pieces of at most ``PIECE`` instructions, and the moves between them."""
    if kernel.axes or size(kernel.body) <= WHOLE:
        return [kernel]
    pieces = [kernel.body[start:end] for start, end in pairwise(_cuts(kernel.body))]
    maker = {i.out: (number, i) for number, piece in enumerate(pieces) for i in piece if hasattr(i, "out")}
    homes: dict[Value, Buffer] = {}
    for number, piece in enumerate(pieces):
        for instr in piece:
            for value in operands(instr):
                home, origin = maker[value]
                if home < number and not isinstance(origin, Const | SizeValue):
                    homes.setdefault(value, Buffer((), value.dtype))
    maker_of = {value: origin for value, (_, origin) in maker.items()}
    return [Kernel((), tuple(_moved(piece, maker_of, homes)), kernel.name) for piece in pieces]


def _cuts(body: Sequence[Instr]) -> list[int]:
    """Where pieces begin and end: each in its second half, where the fewest values are read later on."""
    lengths = [0, *accumulate([size([instr]) for instr in body])]
    living = _living(body)
    cuts, start = [0], 0
    while lengths[-1] - lengths[start] > PIECE:
        ends = range(start + 1, len(body))
        room = [e for e in ends[: PIECE + 1] if PIECE // 2 <= lengths[e] - lengths[start] <= PIECE] or [start + 1]
        start = min(reversed(room), key=living.__getitem__)
        cuts.append(start)
    return [*cuts, len(body)]


def _living(body: Sequence[Instr]) -> list[int]:
    """How many values of earlier instructions are read from each position on."""
    last = {value: position for position, instr in enumerate(body) for value in operands(instr)}
    change = [0] * (len(body) + 1)
    for position, instr in enumerate(body):
        out: Value | None = getattr(instr, "out", None)
        if out in last and not isinstance(instr, Const | SizeValue):
            change[position + 1] += 1
            change[last[out] + 1] -= 1
    return list(accumulate(change))


def _moved(piece: Sequence[Instr], maker: dict[Value, Instr], homes: dict[Value, Buffer]) -> Iterator[Instr]:
    """A piece with stores of what others need, and loads (constants and sizes: copies) just before the first use of
    what others make.
    """
    known: set[Value] = set()
    for instr in piece:
        for value in operands(instr):
            if value not in known:
                known.add(value)
                yield Load(value, homes[value], ()) if value in homes else maker[value]
        yield instr
        out: Value | None = getattr(instr, "out", None)
        if out is not None:
            known.add(out)
            if out in homes:
                yield Store(homes[out], (), out)
