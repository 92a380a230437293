"""The body of one kernel under construction: a ``Builder`` that also moves elements of complex arrays and knows how to
fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.ir.program import Eqn, Program
from functad.ir.types import ArrayType, SeqType, Size
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.complex import Complex
from functad.kernel_ir.control import SequenceBuffer
from functad.kernel_ir.nodes import Buffer, CheckInfo, Index, Value
from functad.kernel_ir.sizes import Extent, Poly, poly

__all__ = ["Body", "Checks", "Element", "Path", "buffer_of"]

Element = Value | Complex

Path = tuple[int, ...]
"""The number of an equation; or that of an equation with sub-Programs, the number of one of these, and the path in
there.
"""


def buffer_of(type: ArrayType, role: str = "temp", base: Buffer | None = None) -> Buffer:
    """A buffer for an array or a sequence; complex numbers are pairs of reals."""
    if isinstance(type, SeqType):
        return SequenceBuffer(buffer_of(type.element), "sequence" if role == "temp" else role)
    return buffer(type.shape, type.dtype, role, base)


def buffer(shape: Sequence[Extent], dtype: np.dtype, role: str = "temp", base: Buffer | None = None) -> Buffer:
    """A buffer for an array of this shape and dtype."""
    if dtype.kind == "c":
        return Buffer((*shape, 2), np.dtype(f"f{dtype.itemsize // 2}"), role, base)
    return Buffer(shape, dtype, role, base)


Codes = dict[tuple[str, str, tuple[Poly, ...], Path], tuple[int, Any]]


class Checks:
    """The error codes of a program and of those inside it, from 1, in the order of their first use."""

    def __init__(self, eqns: Sequence[Eqn] = (), path: Path = (), codes: Codes | None = None) -> None:
        self._eqns = eqns
        self._path = path
        self._codes: Codes = {} if codes is None else codes  # with their locations

    def inside(self, origin: int, number: int, program: Program) -> Checks:
        """The same codes, as seen from sub-Program ``number`` of equation ``origin``."""
        return Checks(program.eqns, (*self._path, origin, number), self._codes)

    def path(self, origin: int) -> Path:
        """Where equation number ``origin`` is."""
        return (*self._path, origin)

    def code(self, error: str, message: str, sizes: Sequence[Extent], origin: int) -> int:
        """The code for an error that equation number ``origin`` may raise."""
        key = error, message, tuple([poly(n) for n in sizes]), (*self._path, origin)
        return self._codes.setdefault(key, (len(self._codes) + 1, self._eqns[origin].loc if self._eqns else None))[0]

    @property
    def infos(self) -> tuple[CheckInfo, ...]:
        """What the codes mean."""
        return tuple(
            [CheckInfo(error, message, loc, sizes) for (error, message, sizes, _), (_, loc) in self._codes.items()]
        )

    @property
    def origins(self) -> tuple[Path, ...]:
        """Where the equation is that each code stems from."""
        return tuple([path for *_, path in self._codes])


class Body(Builder):
    """Rules build into this; an index one shorter than a buffer's rank means an element of a complex array."""

    def __init__(self, checks: Checks) -> None:
        super().__init__()
        self._checks = checks
        self.mask: Value | None = None  # where the element under construction is wanted at all; None: everywhere
        self.origin = 0  # the number of the equation that it belongs to
        self.origins: dict[int, None] = {}  # those of all that have been built
        self.checked = False  # whether another kernel makes the checks of that equation

    def require(self, ok: Value, error: str, message: str, *sizes: Size | Poly, value: Value | None = None) -> None:
        """The call raises ``error`` where ``ok`` is false; ``message`` is formatted with the sizes, and with an int64
        value.
        """
        if self.checked:
            return
        wanted = ok if self.mask is None else self.bit_or(ok, self.bit_not(self.mask))
        self.check(wanted, self._checks.code(error, message, sizes, self.origin), value)

    def both(self, mask: Value | None) -> Value | None:
        """Where ``mask`` holds and the element under construction is wanted."""
        if mask is None or self.mask is None:
            return self.mask if mask is None else mask
        return self.bit_and(self.mask, mask)  # type: ignore[no-any-return]

    def load(self, buffer: Buffer, index: Index, mask: Value | None = None, fill: Any = 0) -> Any:
        """``buffer[index]``, or ``fill`` where ``mask`` is false."""
        if len(index) < len(buffer.shape):
            return self.load_complex(buffer, index, mask, fill)
        return super().load(buffer, index, mask, fill)

    def store(self, buffer: Buffer, index: Index, value: Element, mask: Value | None = None) -> None:
        """``buffer[index] = value`` where ``mask`` holds."""
        if len(index) < len(buffer.shape):
            self.store_complex(buffer, index, self._pair(value), mask)
        else:
            super().store(buffer, index, value, mask)  # type: ignore[arg-type]

    def reduce(self, buffer: Buffer, index: Index, op: str, value: Element) -> None:
        """Accumulates ``value`` over the axes that ``index`` lacks."""
        if len(index) < len(buffer.shape):
            self.reduce_complex(buffer, index, op, self._pair(value))
        else:
            super().reduce(buffer, index, op, value)  # type: ignore[arg-type]

    def scatter(self, buffer: Buffer, index: Index, op: str, value: Element) -> None:
        """Accumulates ``value`` at a data-dependent index."""
        if len(index) < len(buffer.shape):
            self.scatter_complex(buffer, index, op, self._pair(value))
        else:
            super().scatter(buffer, index, op, value)  # type: ignore[arg-type]

    def _pair(self, value: Element) -> Complex:
        return value if isinstance(value, Complex) else Complex(value, self.const(0, value.dtype))
