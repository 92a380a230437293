"""Sequences that cross the boundary of compiled code: residuals that one compiled function leaves for another.

Such calls go through ctypes. A sequence of arrays is one array in Python, with the steps along axis 0; one of sequences
a list.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.seq import Seq
from functad.ir.types import ArrayType, SeqType
from functad.lower.llvm.target import Target
from functad.lower.native.machine import machine_code
from functad.lower.native.sequences import free_function

__all__ = ["Cells", "depth_of", "has_sequences"]


class Cell(ctypes.Structure):
    """A sequence in the memory of native code."""

    _fields_ = (("elements", ctypes.c_void_p), ("length", ctypes.c_int64), ("capacity", ctypes.c_int64))


def has_sequences(types: Sequence[ArrayType]) -> bool:
    """Whether any type is a sequence."""
    return any(isinstance(t, SeqType) for t in types)


def depth_of(type: ArrayType) -> int:
    """How many sequences are inside one another; 0 for an array."""
    return 1 + depth_of(type.element) if isinstance(type, SeqType) else 0


class Cells:
    """The cells of one call: the elements of those given to it live as long as this object, what it makes is freed once
    it is read.
    """

    def __init__(self) -> None:
        self._kept: list[Any] = []

    def given(self, seq: Any, type: SeqType) -> Cell:
        """A cell that holds a sequence."""
        return Cell(*self._elements(seq, type), len(seq))

    def _elements(self, seq: Any, type: SeqType) -> tuple[int, int]:
        """The address of the elements, and their number."""
        memory: Any
        if isinstance(type.element, SeqType):
            memory = (Cell * max(1, len(seq)))(*[Cell(*self._elements(x, type.element), len(x)) for x in seq.elements])
            address = ctypes.addressof(memory)
        else:
            memory = np.ascontiguousarray(np.asarray(seq.elements, type.dtype).reshape(len(seq), *type.element.shape))
            address = memory.ctypes.data
        self._kept.append(memory)
        return address, len(seq)

    def made(self) -> Cell:
        """A cell for a result."""
        return Cell()

    def taken(self, cell: Cell, type: SeqType) -> Seq:
        """The sequence that native code left in a cell, which owns nothing afterwards."""
        try:
            return _sequence(cell, type)
        finally:
            self.free(cell, type)

    def free(self, cell: Cell, type: SeqType) -> None:
        """Give back what a cell owns."""
        address, _ = machine_code(free_function(depth_of(type)), Target.host())
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)(ctypes.addressof(cell))


def _sequence(cell: Cell, type: SeqType) -> Seq:
    n = cell.length
    if isinstance(type.element, SeqType):
        inner = (Cell * n).from_address(cell.elements) if n else ()
        return Seq(type, [_sequence(c, type.element) for c in inner])
    values = np.empty((n, *type.element.shape), type.dtype)
    if values.nbytes:
        ctypes.memmove(values.ctypes.data, cell.elements, values.nbytes)
    return Seq(type, values)  # type: ignore[arg-type]
