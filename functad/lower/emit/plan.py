"""Memory for temporaries: which of them share a place in the workspace.

Liveness is static: a temporary lives from the statement that first mentions it to the last that does. One that dies
gives its place to the next of the same (symbolic) size, never within one statement. Scalars are registers; those that
must be found in memory, too, have slots of one place between them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from functad.kernel_ir.control import Control
from functad.kernel_ir.nodes import Buffer, Call, Kernel, Load, Product, Reduce, Scatter, Statement, Store
from functad.kernel_ir.sizes import Poly, poly, product

__all__ = ["ALIGNMENT", "Plan", "mentioned", "plan_memory", "written"]

ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """Places, by their sizes in bytes (not yet rounded up); the place of each temporary and its 8-byte slot there (0
    but for scalars).
    """

    sizes: tuple[Poly, ...]
    place: dict[Buffer, tuple[int, int]]


def mentioned(statement: Statement) -> list[Buffer]:
    """The buffers that own the memory a statement touches, each once."""
    if isinstance(statement, Kernel):
        buffers: Iterable[Buffer] = [i.buffer for i in statement.body if isinstance(i, Load | Store | Reduce | Scatter)]
    elif isinstance(statement, Product):
        buffers = (statement.out, statement.lhs, statement.rhs)
    elif isinstance(statement, Control):
        buffers = (*statement.reads, *statement.writes, *statement.spares)
    else:
        assert isinstance(statement, Call)
        buffers = statement.buffers
    return list(dict.fromkeys(b.root for b in buffers))


def written(statement: Statement) -> list[Buffer]:
    """Those of them that it writes."""
    if isinstance(statement, Kernel):
        buffers: Iterable[Buffer] = [i.buffer for i in statement.body if isinstance(i, Store | Reduce | Scatter)]
    elif isinstance(statement, Product):
        buffers = (statement.out,)
    elif isinstance(statement, Control):
        buffers = statement.writes
    else:
        assert isinstance(statement, Call)
        buffers = statement.writes
    return list(dict.fromkeys(b.root for b in buffers))


def plan_memory(touched: Sequence[Sequence[Buffer]], scalars: Collection[Buffer]) -> Plan:
    """A plan for the arrays among the temporaries that each statement touches, and for these scalars."""
    touched = [[b for b in buffers if b.role == "temp" and b.shape != ()] for buffers in touched]
    last = {b: number for number, buffers in enumerate(touched) for b in buffers}
    sizes: list[Poly] = []
    free: dict[Poly, list[int]] = {}
    place: dict[Buffer, tuple[int, int]] = {}
    for number, buffers in enumerate(touched):
        for b in buffers:
            if b not in place:
                size = product(b.shape) * b.dtype.itemsize
                vacant = free.get(size)
                if vacant:
                    place[b] = (vacant.pop(), 0)
                else:
                    place[b] = (len(sizes), 0)
                    sizes.append(size)
        for b in buffers:
            if last[b] == number:
                free.setdefault(sizes[place[b][0]], []).append(place[b][0])
    if scalars:
        place.update({b: (len(sizes), slot) for slot, b in enumerate(scalars)})
        sizes.append(poly(8 * len(scalars)))
    return Plan(tuple(sizes), place)
