"""Sequences in memory: cells, and what emitted code does to them.

A cell is ``{ ptr elements, i64 length, i64 capacity }``; where the elements are sequences, they are cells again, and
those up to the length are valid at any time. What loops over cells, or allocates, is a native function
(``native/sequences.py``), one for each depth.
"""

from __future__ import annotations

from functad.kernel_ir.control import CELL_WORDS, SequenceBuffer
from functad.kernel_ir.sizes import product
from functad.lower.emit.code import Code
from functad.lower.native.sequences import (
    CELL,
    RESERVE,
    clear_function,
    copy_function,
    free_function,
    resize_function,
)

__all__ = [
    "clear", "copy", "element_bytes", "empty", "free", "length_place", "reserve", "resize", "trim",
]  # fmt: skip

KEPT = 64 * 1024
"""A cell keeps at most so many bytes from one step of a loop to the next."""


def element_bytes(code: Code, sequence: SequenceBuffer) -> str:
    """The size of one element."""
    return (
        str(CELL)
        if sequence.depth > 1
        else code.size(product(sequence.element.shape) * sequence.element.dtype.itemsize)
    )


def length_place(code: Code, cell: str) -> str:
    """The address of a cell's length."""
    return code.offset("i64", cell, "1")


def empty(code: Code, cell: str) -> None:
    """A cell that owns nothing."""
    code.line(f"store ptr null, ptr {cell}")
    for word in range(1, CELL_WORDS):
        code.line(f"store i64 0, ptr {code.offset('i64', cell, str(word))}")


def reserve(code: Code, cell: str, count: str, size: str) -> str:
    """Room for so many elements; whether there is memory for it."""
    return code.call(RESERVE, cell, count, size)


def free(code: Code, sequence: SequenceBuffer, cell: str) -> None:
    """Give back all that a cell owns."""
    code.call(free_function(sequence.depth), cell)


def clear(code: Code, sequence: SequenceBuffer, cell: str) -> None:
    """No elements; the memory for them stays."""
    if sequence.depth > 1:
        code.call(clear_function(sequence.depth), cell)
    else:
        code.line(f"store i64 0, ptr {length_place(code, cell)}")


def trim(code: Code, sequence: SequenceBuffer, cell: str) -> None:
    """Free what a cell owns if it is much: keeping little saves time, where the next step of a loop writes it again."""
    if sequence.depth > 1:
        free(code, sequence, cell)
        return
    much, done = code.label(), code.label()
    capacity = code.emit(f"load i64, ptr {code.offset('i64', cell, '2')}")
    bytes = code.mul(capacity, element_bytes(code, sequence))
    code.line(f"br i1 {code.emit(f'icmp ugt i64 {bytes}, {KEPT}')}, label %{much}, label %{done}")
    code.begin(much)
    free(code, sequence, cell)
    code.start(done)


def resize(code: Code, sequence: SequenceBuffer, cell: str, count: str) -> str:
    """So many elements, undefined arrays or empty sequences; whether there is memory for it."""
    return code.call(resize_function(sequence.depth), cell, count, element_bytes(code, sequence))


def copy(code: Code, sequence: SequenceBuffer, target: str, source: str) -> str:
    """All elements of one cell into another; whether there is memory for it."""
    innermost = sequence
    while isinstance(innermost.element, SequenceBuffer):
        innermost = innermost.element
    return code.call(copy_function(sequence.depth), target, source, element_bytes(code, innermost))
