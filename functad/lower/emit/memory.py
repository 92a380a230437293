"""Reading and writing memory, a vector at a time: runs of adjacent elements, and elements that lie apart, lane by lane.

A bool is an ``i1`` in registers and a byte in memory; the functions here take and give values as they are in registers.
Nothing is read or written where a mask is false: runs are masked loads and stores, and for elements apart the address
itself is replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.lines import Lines
from functad.lower.emit.code import Code, memory_type

__all__ = [
    "Span", "combined_mask", "interleaved", "lane_mask", "lanes_of_groups", "load_apart", "load_groups", "load_one",
    "load_run", "part_of_run", "repeated_lanes", "reversed_lanes", "shuffle", "splat", "store_apart", "store_groups",
    "store_one", "store_run",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """The lanes that code is being written for: ``width`` points in a row along the vector axis.

    ``mask`` says which of them exist (None: all) and ``count`` how many; ``full``, in the one loop that takes whole and
    partial vectors alike, is the run-time condition that all do.
    """

    width: int = 1
    mask: str | None = None
    count: str = ""
    full: str | None = None


def lane_mask(code: Code, width: int, count: str, repeat: int = 1) -> str:
    """The mask of the first ``count`` lanes, each ``repeat`` times; ``count`` is at most ``width``."""
    if count[0] != "%":
        live = int(count) * repeat
        return "<" + ", ".join(f"i1 {'true' if lane < live else 'false'}" for lane in range(width * repeat)) + ">"
    lanes = code.lanes(width)
    numbers = "<" + ", ".join(f"i32 {lane}" for lane in range(width)) + ">"
    mask = lanes.icmp("slt", "i32", numbers, splat(code, "i32", width, code.emit(f"trunc i64 {count} to i32")))
    return mask if repeat == 1 else repeated_lanes(code, "i1", width, mask, repeat)


def combined_mask(code: Code, width: int, *masks: str | None) -> str | None:
    """The conjunction of masks; None is everything."""
    present = [m for m in masks if m is not None]
    if not present:
        return None
    total = present[0]
    for mask in present[1:]:
        total = code.lanes(width).iand("bool", total, mask)
    return total


def splat(code: Lines, type: str, width: int, scalar: str) -> str:
    """A scalar in every lane; ``type`` is its LLVM type."""
    if width == 1:
        return scalar
    if scalar[0] != "%":
        return f"splat ({type} {scalar})"
    one = code.emit(f"insertelement <{width} x {type}> poison, {type} {scalar}, i64 0")
    return code.emit(
        f"shufflevector <{width} x {type}> {one}, <{width} x {type}> poison, <{width} x i32> zeroinitializer"
    )


def shuffle(code: Code, type: str, width: int, value: str, order: Sequence[int], other: str = "poison") -> str:
    """Lanes of a vector, or of two, those of ``other`` numbered after its own."""
    indices = ", ".join(f"i32 {k}" for k in order)
    ty = f"<{width} x {type}>"
    return code.emit(f"shufflevector {ty} {value}, {ty} {other}, <{len(order)} x i32> <{indices}>")


def reversed_lanes(code: Code, type: str, width: int, value: str) -> str:
    """The lanes in reverse order."""
    return shuffle(code, type, width, value, range(width - 1, -1, -1))


def repeated_lanes(code: Code, type: str, width: int, value: str, times: int) -> str:
    """Each lane several times in a row."""
    return shuffle(code, type, width, value, [lane // times for lane in range(width * times)])


def lanes_of_groups(width: int, group: int) -> int:
    """The lanes of the vector that holds ``width`` groups: a power of two, since LLVM takes all others apart between
    blocks.
    """
    return width * (1 if group == 1 else 2 if group == 2 else 4)


def part_of_run(code: Code, type: str, width: int, run: str, group: int, part: int) -> str:
    """Element ``part`` of each of ``width`` groups of adjacent elements.

    Where a run takes more than two registers, LLVM would move the elements one by one: it is given shuffles of two.
    """
    lanes = lanes_of_groups(width, group)
    order = range(part, width * group, group)
    if group == 2:
        return shuffle(code, type, lanes, run, order)
    pieces = [shuffle(code, type, lanes, run, range(k, k + width)) for k in range(0, width * group, width)]
    return _gathered(code, type, width, pieces, order)


def interleaved(code: Code, type: str, width: int, parts: Sequence[str]) -> str:
    """The groups whose elements are ``parts``, in such a vector."""
    group = len(parts)
    order = [part * width + lane for lane in range(width) for part in range(group)]
    if group == 2:
        return shuffle(code, type, width, parts[0], order, parts[1])
    pieces = [_gathered(code, type, width, parts, order[k : k + width]) for k in range(0, width * group, width)]
    halves = [
        shuffle(code, type, width, x, range(2 * width), y)
        for x, y in ((pieces[0], pieces[1]), (pieces[2], [*pieces, "poison"][3]))
    ]
    return shuffle(code, type, 2 * width, halves[0], range(4 * width), halves[1])


def _gathered(code: Code, type: str, width: int, pieces: Sequence[str], order: Sequence[int]) -> str:
    """These elements of vectors in a row, by shuffles of two of them."""
    first, *others = sorted({k // width for k in order})
    value, lanes = pieces[first], [k % width for k in order]
    for piece in others or [first]:
        chosen = [width + k % width if k // width == piece else lane for k, lane in zip(order, lanes, strict=True)]
        value, lanes = shuffle(code, type, width, value, chosen, pieces[piece]), list(range(width))
    return value


# ---- conversion between registers and memory


def _from_memory(code: Code, dtype: np.dtype, width: int, raw: str) -> str:
    if dtype == np.float16:
        return code.lanes(width).from_half(raw)
    return code.lanes(width).icmp("ne", "u8", raw, code.lanes(width).const("u8", 0)) if dtype.kind == "b" else raw


def _to_memory(code: Code, dtype: np.dtype, width: int, value: str) -> str:
    if dtype == np.float16:
        return code.lanes(width).half_bits(value)
    return code.lanes(width).cast("bool", "u8", value) if dtype.kind == "b" else value


# ---- one element


def load_one(code: Code, dtype: np.dtype, pointer: str, mask: str | None = None, fill: str = "") -> str:
    """A scalar, or ``fill`` where the scalar ``mask`` is false."""
    if mask is not None:
        pointer = code.emit(f"select i1 {mask}, ptr {pointer}, ptr {code.nothing()}")
    raw = code.emit(f"load {memory_type(dtype)}, ptr {pointer}, align {dtype.itemsize}")
    value = _from_memory(code, dtype, 1, raw)
    return value if mask is None else code.scalar.select(dtype_name(dtype), mask, value, fill)


def store_one(code: Code, dtype: np.dtype, pointer: str, value: str, mask: str | None = None) -> None:
    """A scalar, where the scalar ``mask`` holds."""
    if mask is not None:
        pointer = code.emit(f"select i1 {mask}, ptr {pointer}, ptr {code.scratch()}")
    code.line(f"store {memory_type(dtype)} {_to_memory(code, dtype, 1, value)}, ptr {pointer}, align {dtype.itemsize}")


# ---- runs of adjacent elements


def load_run(code: Code, dtype: np.dtype, pointer: str, width: int, mask: str | None) -> str:
    """``width`` adjacent elements; those where the mask is false are 0."""
    type, size = memory_type(dtype), dtype.itemsize
    ty = f"<{width} x {type}>"
    if mask is None:
        raw = code.emit(f"load {ty}, ptr {pointer}, align {size}")
    else:
        symbol = f"@llvm.masked.load.v{width}{_suffix(type)}.p0"
        code.declarations.add(f"declare {ty} {symbol}(ptr, i32, <{width} x i1>, {ty})")
        raw = code.emit(f"call {ty} {symbol}(ptr {pointer}, i32 {size}, <{width} x i1> {mask}, {ty} zeroinitializer)")
    return _from_memory(code, dtype, width, raw)


def store_run(code: Code, dtype: np.dtype, pointer: str, width: int, value: str, mask: str | None) -> None:
    """``width`` adjacent elements, where the mask holds."""
    type, size = memory_type(dtype), dtype.itemsize
    ty = f"<{width} x {type}>"
    raw = _to_memory(code, dtype, width, value)
    if mask is None:
        code.line(f"store {ty} {raw}, ptr {pointer}, align {size}")
        return
    if type[0] == "i" and size < 8:
        # LLVM's code generator for x86 turns the store of a narrowed vector, under a mask that it knows to have one
        # lane, into the store of that lane before it was narrowed: 8 bytes where 4 are meant. So it must not know.
        mask = code.lanes(width).iand("bool", mask, splat(code, "i1", width, code.true()))
    symbol = f"@llvm.masked.store.v{width}{_suffix(type)}.p0"
    code.declarations.add(f"declare void {symbol}({ty}, ptr, i32, <{width} x i1>)")
    code.line(f"call void {symbol}({ty} {raw}, ptr {pointer}, i32 {size}, <{width} x i1> {mask})")


def _suffix(type: str) -> str:
    return {"double": "f64", "float": "f32"}.get(type, type)


# ---- groups of adjacent elements


def load_groups(code: Code, dtype: np.dtype, pointer: str, width: int, group: int, mask: str | None) -> str:
    """``width`` groups of adjacent elements; those where the mask is false are 0."""
    run, length, lanes = (
        load_run(code, dtype, pointer, width * group, mask),
        width * group,
        lanes_of_groups(width, group),
    )
    return run if length == lanes else shuffle(code, code.scalar.ty(dtype_name(dtype)), length, run, range(lanes))


def store_groups(
    code: Code, dtype: np.dtype, pointer: str, width: int, group: int, value: str, mask: str | None
) -> None:
    """``width`` groups of adjacent elements, where the mask holds."""
    length, lanes = width * group, lanes_of_groups(width, group)
    if length < lanes:
        value = shuffle(code, code.scalar.ty(dtype_name(dtype)), lanes, value, range(length))
    store_run(code, dtype, pointer, length, value, mask)


# ---- elements apart


def load_apart(code: Code, dtype: np.dtype, pointers: Sequence[str], mask: str | None = None) -> str:
    """One element a lane; where the mask is false, 0."""
    type, width = memory_type(dtype), len(pointers)
    raw = "poison"
    for lane, pointer in enumerate(pointers):
        if mask is not None:
            pointer = code.emit(f"select i1 {_bit(code, width, mask, lane)}, ptr {pointer}, ptr {code.nothing()}")
        element = code.emit(f"load {type}, ptr {pointer}, align {dtype.itemsize}")
        raw = code.emit(f"insertelement <{width} x {type}> {raw}, {type} {element}, i64 {lane}")
    return _from_memory(code, dtype, width, raw)


def store_apart(code: Code, dtype: np.dtype, pointers: Sequence[str], value: str, mask: str | None = None) -> None:
    """One element a lane, where the mask holds."""
    type, width = memory_type(dtype), len(pointers)
    raw = _to_memory(code, dtype, width, value)
    for lane, pointer in enumerate(pointers):
        element = code.emit(f"extractelement <{width} x {type}> {raw}, i64 {lane}")
        if mask is not None:
            pointer = code.emit(f"select i1 {_bit(code, width, mask, lane)}, ptr {pointer}, ptr {code.scratch()}")
        code.line(f"store {type} {element}, ptr {pointer}, align {dtype.itemsize}")


def _bit(code: Code, width: int, mask: str, lane: int) -> str:
    return code.emit(f"extractelement <{width} x i1> {mask}, i64 {lane}")
