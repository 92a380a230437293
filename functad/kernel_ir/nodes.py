"""The kernel IR: loop nests over buffers, the last form before LLVM text.

A ``KernelProgram`` is a list of statements over buffers. A ``Kernel`` is one loop nest whose body is scalar SSA code,
run at every point of its iteration space. Everything is real: a complex array is a buffer of real pairs with a trailing
axis of length 2. Buffers are C-contiguous; a rank-0 temporary is a register. Sizes are polynomials in run-time symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from functad.errors import InternalError
from functad.kernel_ir.native import NativeFunction, Operand
from functad.kernel_ir.sizes import Extent, Poly, poly

__all__ = [
    "Affine", "AxisIndex", "Buffer", "Call", "Check", "CheckInfo", "Compute", "Const", "Instr", "Kernel",
    "KernelProgram", "Load", "Product", "Reduce", "Scan", "Scatter", "SizeValue", "Statement", "Store", "Value",
]  # fmt: skip


class Buffer:
    """A C-contiguous array in memory, or a register where its rank is 0 and its role ``temp``.

    ``role`` is ``input`` (read only, given by the caller; constants are inputs too), ``output`` (given by the caller,
    never aliasing an input) or ``temp`` (planned workspace). A buffer with a ``base`` is the same memory as ``base``
    under another shape (row-major reshape).
    """

    __slots__ = ("base", "dtype", "role", "shape")

    def __init__(
        self, shape: Sequence[Extent], dtype: np.dtype, role: str = "temp", base: Buffer | None = None
    ) -> None:
        self.shape = tuple(poly(n) for n in shape)
        self.dtype = dtype
        self.role = role
        self.base = base

    @property
    def root(self) -> Buffer:
        """The buffer that owns the memory."""
        return self if self.base is None else self.base.root


class Value:
    """A scalar SSA value of a kernel body, of a real, integer or boolean dtype."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype


class Affine:
    """An integer ``offset + sum(scale * atom)``; an atom is a loop axis (its number, an int) or an int64 ``Value`` of
    the body.
    """

    __slots__ = ("offset", "terms")

    offset: Poly
    terms: tuple[tuple[int | Value, Poly], ...]

    def __init__(self, offset: Extent = 0, terms: Sequence[tuple[int | Value, Extent]] = ()) -> None:
        self.offset = poly(offset)
        scales: dict[int | Value, Poly] = {}
        for atom, scale in terms:
            scales[atom] = scales.get(atom, poly(0)) + scale
        self.terms = tuple((a, s) for a, s in scales.items() if s.terms)

    @staticmethod
    def axis(number: int) -> Affine:
        """The index of a loop axis."""
        return Affine(0, ((number, 1),))

    @staticmethod
    def value(value: Value) -> Affine:
        """A data-dependent index."""
        return Affine(0, ((value, 1),))

    def __add__(self, other: Affine | Extent) -> Affine:
        if isinstance(other, Affine):
            return Affine(self.offset + other.offset, self.terms + other.terms)
        return Affine(self.offset + other, self.terms)

    def __mul__(self, scale: Extent) -> Affine:
        return Affine(self.offset * scale, [(a, s * scale) for a, s in self.terms])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Affine) and self.offset == other.offset and set(self.terms) == set(other.terms)

    def __hash__(self) -> int:
        return hash((self.offset, frozenset(self.terms)))


Index = tuple[Affine, ...]


class Instr:
    """One instruction of a kernel body."""

    __slots__ = ()


@dataclass(eq=False, slots=True)
class Const(Instr):
    """``out = value``: a small fixed constant (others are rank-0 inputs)."""

    out: Value
    value: Any


@dataclass(eq=False, slots=True)
class SizeValue(Instr):
    """``out`` (int64) is a run-time size."""

    out: Value
    size: Poly


@dataclass(eq=False, slots=True)
class AxisIndex(Instr):
    """``out`` (int64) is the current index along a loop axis."""

    out: Value
    axis: int


@dataclass(eq=False, slots=True)
class Load(Instr):
    """``out = buffer[index]``, or ``fill`` where ``mask`` is false (the address is then not touched)."""

    out: Value
    buffer: Buffer
    index: Index
    mask: Value | None = None
    fill: Any = 0


@dataclass(eq=False, slots=True)
class Compute(Instr):
    """``out = op(*args)``, op one of ``kernel_ir.ops``."""

    out: Value
    op: str
    args: tuple[Value, ...]


@dataclass(eq=False, slots=True)
class Store(Instr):
    """``buffer[index] = value`` (where ``mask`` holds). No two points of a kernel store to one element."""

    buffer: Buffer
    index: Index
    value: Value
    mask: Value | None = None


@dataclass(eq=False, slots=True)
class Reduce(Instr):
    """``buffer[index] = op(buffer[index], value)`` over the loop axes that ``index`` does not mention.

    ``op`` is sum, prod, max, min, any or all. The kernel itself first sets the buffer to the op's identity (an empty
    max is refused before). Order of accumulation is free for sum and prod but must not depend on the number of threads.
    """

    buffer: Buffer
    index: Index
    op: str
    value: Value


@dataclass(eq=False, slots=True)
class Scatter(Instr):
    """``buffer[index] = op(buffer[index], value)`` with data-dependent, possibly repeated indices; op is set, sum,
    prod, max or min.

    The buffer holds its starting value before the kernel. Points run in order: for ``set`` the last one wins, and a
    ``Load`` of the same element earlier in the body sees what the points before have left there.
    """

    buffer: Buffer
    index: Index
    op: str
    value: Value


@dataclass(eq=False, slots=True)
class Scan(Instr):
    """``out = op(value at this point, out at the previous point along the innermost axis)``; from the far end if
    ``reverse``.

    Points along the innermost axis then run in order (descending if ``reverse``: the index itself counts down).
    """

    out: Value
    op: str
    value: Value
    reverse: bool = False


@dataclass(eq=False, slots=True)
class Check(Instr):
    """The whole call fails with error ``code`` if ``ok`` is false at any point; the kernel may run on, and must stay in
    bounds itself.

    The message names the int64 ``value``, if there is one: at the first such point.
    """

    ok: Value
    code: int
    value: Value | None = None


@dataclass(eq=False, slots=True)
class Statement:
    """One step of a KernelProgram; ``paths`` are those of the equations that it stems from (``lower.fuse.Path``)."""

    paths: tuple[tuple[int, ...], ...] = field(default=(), kw_only=True)


@dataclass(eq=False, slots=True)
class Kernel(Statement):
    """A loop nest: ``body`` at every point of ``axes`` (outermost first). Without axes it is straight-line code."""

    axes: tuple[Poly, ...]
    body: tuple[Instr, ...]
    name: str = "kernel"


@dataclass(eq=False, slots=True)
class Product(Statement):
    """``out[b, i, j] = sum_k lhs[b, i, k] * rhs[b, k, j]``: a batched matrix product of buffers.

    ``lhs`` has shape (batch, m, k), or (batch, k, m) if ``transpose_lhs``; ``rhs`` (batch, k, n), or (batch, n, k);
    ``out`` (batch, m, n). The shapes are those of the statement, not of the buffers: each buffer is read in row-major
    order under them. A complex buffer has real dtype and a trailing axis of length 2, with ``complex`` set. Sizes 0
    give zeros.
    """

    out: Buffer
    lhs: Buffer
    rhs: Buffer
    batch: Poly
    m: Poly
    n: Poly
    k: Poly
    transpose_lhs: bool = False
    transpose_rhs: bool = False
    complex: bool = False


@dataclass(eq=False, slots=True)
class Call(Statement):
    """A call of a native function (``native.py``); where it fails, the program fails with error ``code``."""

    function: NativeFunction
    buffers: tuple[Buffer, ...]
    sizes: tuple[Poly, ...]
    code: int = 0

    @property
    def reads(self) -> list[Buffer]:
        """The buffers whose contents it depends on."""
        return [b for b, o in self._operands() if o.effect != "written"]

    @property
    def writes(self) -> list[Buffer]:
        """The buffers that it writes."""
        return [b for b, o in self._operands() if o.effect != "read"]

    def _operands(self) -> list[tuple[Buffer, Operand]]:
        given, wanted = len(self.buffers), len(self.function.operands)
        if given != wanted:
            raise InternalError(f"kernel IR: {given} buffers for the {wanted} operands of {self.function.symbol}")
        return list(zip(self.buffers, self.function.operands, strict=True))


@dataclass(frozen=True, slots=True)
class CheckInfo:
    """What a failed ``Check`` raises: an error class of ``functad.errors`` by name, a message, the user's location.

    The message is formatted with the sizes, and with the check's value as ``{value}``.
    """

    error: str
    message: str
    location: Any = None
    sizes: tuple[Poly, ...] = ()

    @property
    def names_value(self) -> bool:
        """Whether the message says what the check found."""
        return "{value}" in self.message


@dataclass(eq=False, slots=True)
class KernelProgram:
    """What is compiled: buffers in calling order, statements in execution order, and what error codes (from 1) mean."""

    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    body: tuple[Statement, ...]
    symbols: int
    checks: tuple[CheckInfo, ...] = field(default=())
