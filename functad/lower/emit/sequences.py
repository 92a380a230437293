"""Sequences in memory: cells, and the LLVM functions that grow, empty, copy and free what they own.

A cell is ``{ ptr elements, i64 length, i64 capacity }``; where the elements are sequences, they are cells again, and
those up to the length are valid at any time. Functions over nested cells exist once for each depth.
"""

from __future__ import annotations

from functad.kernel_ir.control import CELL_WORDS, SequenceBuffer
from functad.kernel_ir.sizes import product
from functad.lower.emit.code import Code
from functad.lower.native.c_library import FREE, REALLOC

__all__ = [
    "CELL",
    "clear",
    "copy",
    "element_bytes",
    "empty",
    "free",
    "length_place",
    "release_function",
    "release_name",
    "reserve",
    "resize",
    "trim",
]

CELL = 8 * CELL_WORDS
"""The size of a cell in bytes."""

LEAST = 16
"""There is room for so many elements as soon as there is for one."""

KEPT = 64 * 1024
"""A cell keeps at most so many bytes from one step of a loop to the next."""

_RESERVE = f"""define internal i1 @sequence_reserve(ptr %cell, i64 %count, i64 %size) noinline cold nounwind {{
entry:
  %place = getelementptr i64, ptr %cell, i64 2
  %capacity = load i64, ptr %place
  %enough = icmp sge i64 %capacity, %count
  br i1 %enough, label %done, label %grow
grow:
  %twice = shl i64 %capacity, 1
  %more = call i64 @llvm.smax.i64(i64 %twice, i64 %count)
  %new = call i64 @llvm.smax.i64(i64 %more, i64 {LEAST})
  %product = call {{ i64, i1 }} @llvm.smul.with.overflow.i64(i64 %new, i64 %size)
  %bytes = extractvalue {{ i64, i1 }} %product, 0
  %huge = extractvalue {{ i64, i1 }} %product, 1
  br i1 %huge, label %failed, label %allocate
allocate:
  %some = call i64 @llvm.smax.i64(i64 %bytes, i64 1)
  %old = load ptr, ptr %cell
  %data = call ptr @realloc(ptr %old, i64 %some)
  %none = icmp eq ptr %data, null
  br i1 %none, label %failed, label %keep
keep:
  store ptr %data, ptr %cell
  store i64 %new, ptr %place
  br label %done
done:
  ret i1 true
failed:
  ret i1 false
}}"""


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
    _declare_reserve(code)
    return code.emit(f"call i1 @sequence_reserve(ptr {cell}, i64 {count}, i64 {size})")


def free(code: Code, sequence: SequenceBuffer, cell: str) -> None:
    """Give back all that a cell owns."""
    code.line(f"call void @{_free(code, sequence.depth)}(ptr {cell})")


def clear(code: Code, sequence: SequenceBuffer, cell: str) -> None:
    """No elements; the memory for them stays."""
    if sequence.depth > 1:
        code.line(f"call void @{_clear(code, sequence.depth)}(ptr {cell})")
    else:
        code.line(f"store i64 0, ptr {length_place(code, cell)}")


def trim(code: Code, sequence: SequenceBuffer, cell: str) -> None:
    """Free what a cell owns if it is much: keeping little saves time, where the next step of a loop writes it again."""
    if sequence.depth > 1:
        free(code, sequence, cell)
        return
    much, done = code.scalar.label(), code.scalar.label()
    capacity = code.emit(f"load i64, ptr {code.offset('i64', cell, '2')}")
    bytes = code.mul(capacity, element_bytes(code, sequence))
    code.line(f"br i1 {code.emit(f'icmp ugt i64 {bytes}, {KEPT}')}, label %{much}, label %{done}")
    code.scalar.start(much)
    free(code, sequence, cell)
    code.start(done)


def resize(code: Code, sequence: SequenceBuffer, cell: str, count: str) -> str:
    """So many elements, undefined arrays or empty sequences; whether there is memory for it."""
    name = f"sequence_resize.{sequence.depth}"
    _declare_reserve(code)
    inner = ""
    if sequence.depth > 1:
        _declare(code, "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        inner = f"""  %data = load ptr, ptr %cell
  %bytes = mul i64 %count, {CELL}
  call void @llvm.memset.p0.i64(ptr %data, i8 0, i64 %bytes, i1 false)
"""
    _declare(code, f"""define internal i1 @{name}(ptr %cell, i64 %count, i64 %size) noinline nounwind {{
entry:
  call void @{_clear(code, sequence.depth)}(ptr %cell)
  %ok = call i1 @sequence_reserve(ptr %cell, i64 %count, i64 %size)
  br i1 %ok, label %fill, label %done
fill:
{inner}  %place = getelementptr i64, ptr %cell, i64 1
  store i64 %count, ptr %place
  br label %done
done:
  ret i1 %ok
}}""")  # fmt: skip
    return code.emit(f"call i1 @{name}(ptr {cell}, i64 {count}, i64 {element_bytes(code, sequence)})")


def copy(code: Code, sequence: SequenceBuffer, target: str, source: str) -> str:
    """All elements of one cell into another; whether there is memory for it."""
    innermost = sequence
    while isinstance(innermost.element, SequenceBuffer):
        innermost = innermost.element
    return code.emit(
        f"call i1 @{_copy(code, sequence)}(ptr {target}, ptr {source}, i64 {element_bytes(code, innermost)})"
    )


def release_name(depth: int) -> str:
    """The exported function that frees what a cell of this depth owns."""
    return f"functad_release_{depth}"


def release_function(code: Code, depth: int) -> str:
    """Its text."""
    head = f"define void @{release_name(depth)}(ptr %cell) nounwind"
    return f"{head} {{\nentry:\n  call void @{_free(code, depth)}(ptr %cell)\n  ret void\n}}"


def _declare(code: Code, *entries: str) -> None:
    code.declarations.update(entries)


def _declare_reserve(code: Code) -> None:
    _declare(code, REALLOC.declaration, "declare i64 @llvm.smax.i64(i64, i64)", _RESERVE)
    _declare(code, "declare { i64, i1 } @llvm.smul.with.overflow.i64(i64, i64)")


def _each(body: str) -> str:
    """A loop over the cells that a cell owns; in ``body`` they are ``%inner``, number ``%i``."""
    return f"""  %place = getelementptr i64, ptr %cell, i64 1
  %length = load i64, ptr %place
  %data = load ptr, ptr %cell
  %some = icmp sgt i64 %length, 0
  br i1 %some, label %each, label %done
each:
  %i = phi i64 [ 0, %entry ], [ %next, %again ]
  %offset = mul i64 %i, {CELL}
  %inner = getelementptr i8, ptr %data, i64 %offset
{body}  br label %again
again:
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %length
  br i1 %more, label %each, label %done
done:
"""


def _free(code: Code, depth: int) -> str:
    name = f"sequence_free.{depth}"
    inner = _each(f"  call void @{_free(code, depth - 1)}(ptr %inner)\n") if depth > 1 else ""
    _declare(code, FREE.declaration, f"""define internal void @{name}(ptr %cell) noinline nounwind {{
entry:
{inner}  %memory = load ptr, ptr %cell
  call void @free(ptr %memory)
  store ptr null, ptr %cell
  %count = getelementptr i64, ptr %cell, i64 1
  store i64 0, ptr %count
  %capacity = getelementptr i64, ptr %cell, i64 2
  store i64 0, ptr %capacity
  ret void
}}""")  # fmt: skip
    return name


def _clear(code: Code, depth: int) -> str:
    name = f"sequence_clear.{depth}"
    inner = _each(f"  call void @{_free(code, depth - 1)}(ptr %inner)\n") if depth > 1 else ""
    _declare(code, f"""define internal void @{name}(ptr %cell) nounwind {{
entry:
{inner}  %count = getelementptr i64, ptr %cell, i64 1
  store i64 0, ptr %count
  ret void
}}""")  # fmt: skip
    return name


def _copy(code: Code, sequence: SequenceBuffer) -> str:
    depth = sequence.depth
    name = f"sequence_copy.{depth}"
    _declare(code, "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
    _declare_reserve(code)
    if depth == 1:
        text = f"""define internal i1 @{name}(ptr %target, ptr %cell, i64 %size) noinline nounwind {{
entry:
  %place = getelementptr i64, ptr %cell, i64 1
  %length = load i64, ptr %place
  %ok = call i1 @sequence_reserve(ptr %target, i64 %length, i64 %size)
  br i1 %ok, label %fill, label %done
fill:
  %from = load ptr, ptr %cell
  %to = load ptr, ptr %target
  %bytes = mul i64 %length, %size
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %bytes, i1 false)
  %count = getelementptr i64, ptr %target, i64 1
  store i64 %length, ptr %count
  br label %done
done:
  ret i1 %ok
}}"""
    else:
        assert isinstance(sequence.element, SequenceBuffer)
        inner = _copy(code, sequence.element)
        _declare(code, "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        text = f"""define internal i1 @{name}(ptr %target, ptr %cell, i64 %size) noinline nounwind {{
entry:
  %place = getelementptr i64, ptr %cell, i64 1
  %length = load i64, ptr %place
  call void @{_clear(code, depth)}(ptr %target)
  %ok = call i1 @sequence_reserve(ptr %target, i64 %length, i64 {CELL})
  br i1 %ok, label %fill, label %done
fill:
  %data = load ptr, ptr %cell
  %to = load ptr, ptr %target
  %bytes = mul i64 %length, {CELL}
  call void @llvm.memset.p0.i64(ptr %to, i8 0, i64 %bytes, i1 false)
  %count = getelementptr i64, ptr %target, i64 1
  store i64 %length, ptr %count
  %some = icmp sgt i64 %length, 0
  br i1 %some, label %each, label %done
each:
  %i = phi i64 [ 0, %fill ], [ %next, %again ]
  %offset = mul i64 %i, {CELL}
  %source = getelementptr i8, ptr %data, i64 %offset
  %goal = getelementptr i8, ptr %to, i64 %offset
  %copied = call i1 @{inner}(ptr %goal, ptr %source, i64 %size)
  br i1 %copied, label %again, label %done
again:
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %length
  br i1 %more, label %each, label %done
done:
  %result = phi i1 [ false, %entry ], [ true, %fill ], [ %copied, %each ], [ true, %again ]
  ret i1 %result
}}"""
    _declare(code, text)
    return name
