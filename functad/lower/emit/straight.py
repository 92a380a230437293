"""Long straight-line code in pieces: LLVM takes more than linear time for a function, so each of a thousand operations
or so is its own.

A kernel without loops is cut into several; a value that a later piece needs becomes a scalar temporary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from functad.kernel_ir.nodes import Buffer, Compute, Const, Instr, Kernel, Load, SizeValue, Store, Value
from functad.kernel_ir.rewrite import operands
from functad.lower.emit.operations import cost

__all__ = ["CHUNK", "cut", "size"]

CHUNK = 1000
"""Instructions of a piece."""


def size(body: Iterable[Instr]) -> int:
    """About how many instructions code without loops comes to; what is long is called there."""
    return sum(min(cost(i.op, i.args[-1].dtype), CALL) if isinstance(i, Compute) else 1 for i in body)


CALL = 4


def cut(kernel: Kernel) -> list[Kernel]:
    """A kernel without loops as pieces of about ``CHUNK`` instructions, and the moves between them."""
    if kernel.axes or size(kernel.body) <= CHUNK:
        return [kernel]
    pieces: list[list[Instr]] = [[]]
    room = CHUNK
    for instr in kernel.body:
        if room <= 0:
            pieces.append([])
            room = CHUNK
        pieces[-1].append(instr)
        room -= size([instr])
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
