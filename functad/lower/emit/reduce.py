"""Accumulators: registers that loops carry, and what becomes of them at the end.

A reduction over the innermost axes accumulates in vector registers: several independent ones where the body is light,
so that additions need not wait for one another. Sums and products of floats go block by block: each block of ``BLOCK``
points along the vector axis starts from the neutral element and is then added to the total, so that rounding errors
grow with the number of blocks.
"""

from __future__ import annotations

from functad.ir.types import dtype_name
from functad.kernel_ir.lines import Carried
from functad.kernel_ir.nodes import Reduce
from functad.lower.emit.code import Code
from functad.lower.emit.memory import splat
from functad.lower.emit.operations import accumulate, neutral

__all__ = ["BLOCK", "Accumulator"]

BLOCK = 1024


class Accumulator(Carried):
    """The running total of a ``Reduce`` inside the loops deeper than ``scope``.

    ``depth`` is the loop whose turns it counts; ``width`` is its lanes.
    """

    __slots__ = ("depth", "dtype", "instr", "op", "scope", "width")

    def __init__(self, instr: Reduce, scope: int, depth: int) -> None:
        self.instr = instr
        self.scope = scope
        self.depth = depth
        self.op = instr.op
        self.dtype = instr.value.dtype
        self.width = 1
        super().__init__("", "")

    @property
    def rounds(self) -> bool:
        """Whether the order of accumulation matters to accuracy."""
        return self.dtype.kind == "f" and self.op in ("sum", "prod")

    def begin(self, code: Code, width: int) -> None:
        """Start from the neutral element."""
        self.width = width
        self.type = code.lanes(width).ty(dtype_name(self.dtype))
        self.name = self.start(code)

    def start(self, code: Code) -> str:
        """The neutral element."""
        return neutral(code.lanes(self.width), self.op, self.dtype)

    def combine(self, code: Code, total: str, value: str) -> str:
        """``total op value``, in an order that is free."""
        return accumulate(code.sums(self.width), self.op, self.dtype, total, value)

    def include(self, code: Code, value: str, mask: str | None) -> None:
        """Accumulate the values of the live lanes."""
        total = self.combine(code, self.name, value)
        self.name = (
            total if mask is None else code.lanes(self.width).select(dtype_name(self.dtype), mask, total, self.name)
        )

    def across(self, code: Code) -> None:
        """Accumulate the lanes into one: halves onto halves."""
        type = code.scalar.ty(dtype_name(self.dtype))
        while self.width > 1:
            half = self.width // 2
            ty, order = f"<{self.width} x {type}>", ", ".join(f"i32 {k}" for k in range(half, self.width))
            low = ", ".join(f"i32 {k}" for k in range(half))
            upper = code.emit(f"shufflevector {ty} {self.name}, {ty} poison, <{half} x i32> <{order}>")
            lower = code.emit(f"shufflevector {ty} {self.name}, {ty} poison, <{half} x i32> <{low}>")
            if half == 1:
                upper = code.emit(f"extractelement <1 x {type}> {upper}, i64 0")
                lower = code.emit(f"extractelement <1 x {type}> {lower}, i64 0")
            self.width = half
            self.name = self.combine(code, lower, upper)
        self.type = type

    def spread(self, code: Code, width: int, value: str) -> str:
        """A scalar value as one of this accumulator's lanes."""
        return splat(code, code.scalar.ty(dtype_name(self.dtype)), width, value)
