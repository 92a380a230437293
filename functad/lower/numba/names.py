"""Names in printed code, and how what a program works on is written: arrays, scalars, sizes.

A buffer of rank 0 is a variable, unless something needs its address: then it is an array of one element.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Sequence

from functad.kernel_ir.control import Control, SequenceBuffer
from functad.kernel_ir.nodes import (
    Buffer,
    Call,
    Kernel,
    KernelProgram,
    Load,
    Product,
    Reduce,
    Scatter,
    Statement,
    Store,
)
from functad.kernel_ir.sizes import Poly

__all__ = ["Names", "buffers_of", "in_memory", "size_text"]


class Names:
    """Names that are not taken yet, in one function."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)

    def new(self, wanted: str) -> str:
        """A name like the one wanted."""
        base = re.sub(r"\W+", "_", wanted) or "x"
        if keyword.iskeyword(base) or hasattr(builtins, base) or base[0].isdigit():
            base += "_"
        name, number = base, 1
        while name in self.taken:
            number += 1
            name = f"{base}{number}" if not base[-1].isdigit() else f"{base}_{number}"
        self.taken.add(name)
        return name


def size_text(size: Poly) -> str:
    """A size as an expression of the symbols' names."""
    return re.sub(r" ([+-]) ", r" \1 ", repr(size))


def buffers_of(kernel: Kernel) -> list[Buffer]:
    """The buffers that a kernel reads or writes, in order of first use."""
    return list(dict.fromkeys(i.buffer for i in kernel.body if isinstance(i, Load | Store | Reduce | Scatter)))


def in_memory(programs: Sequence[KernelProgram]) -> set[Buffer]:
    """The buffers of rank 0 that must have an address: of which there are views, which products or native functions
    take, and which kernels with loops scatter to.
    """
    found: set[Buffer] = set()
    for program in programs:
        for statement in program.body:
            found |= {b.root for b in _addressed(statement)}
            if isinstance(statement, Control):
                found |= in_memory(statement.programs)
    return {b for b in found if not b.shape}


def _addressed(statement: Statement) -> list[Buffer]:
    match statement:
        case Kernel():
            return [b for b in buffers_of(statement) if b.base is not None]
        case Product():
            return [statement.out, statement.lhs, statement.rhs]
        case Call():
            return list(statement.buffers)
        case Control():
            return [
                b
                for b in (*statement.reads, *statement.writes)
                if b.base is not None and not isinstance(b, SequenceBuffer)
            ]
    return []
