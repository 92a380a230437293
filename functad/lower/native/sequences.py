"""Native functions that grow, empty, copy and free what sequences own: cells in memory, as in ``emit/sequences.py``."""

from __future__ import annotations

from functad.kernel_ir.control import CELL_WORDS
from functad.kernel_ir.native import NativeFunction, Origin, Text, family
from functad.lower.native.c_library import FREE, REALLOC

__all__ = ["CELL", "RESERVE", "clear_function", "copy_function", "free_function", "resize_function"]

CELL = 8 * CELL_WORDS
"""The size of a cell in bytes."""

LEAST = 16
"""There is room for so many elements as soon as there is for one."""

MEMCPY = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"
MEMSET = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"

RESERVE = NativeFunction(
    "functad_sequence_reserve",
    Text(f"""{REALLOC.declaration}
declare i64 @llvm.smax.i64(i64, i64)
declare {{ i64, i1 }} @llvm.smul.with.overflow.i64(i64, i64)

define i1 @functad_sequence_reserve(ptr %cell, i64 %count, i64 %size) nounwind {{
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
}}"""),
    signature="i1 (ptr, i64, i64) nounwind",
    origin=Origin(__name__),
)
"""Room for ``count`` elements of ``size`` bytes; whether there is memory for it."""


@family
def free_function(depth: int) -> NativeFunction:
    """Gives back all that a cell of a depth owns."""
    return _function("free", depth, "void (ptr %cell)", [FREE], f"""entry:
{_free_inner(depth)}  %memory = load ptr, ptr %cell
  call void @free(ptr %memory)
  store ptr null, ptr %cell
  %count = getelementptr i64, ptr %cell, i64 1
  store i64 0, ptr %count
  %capacity = getelementptr i64, ptr %cell, i64 2
  store i64 0, ptr %capacity
  ret void""")  # fmt: skip


@family
def clear_function(depth: int) -> NativeFunction:
    """No elements; the memory for them stays."""
    return _function("clear", depth, "void (ptr %cell)", [], f"""entry:
{_free_inner(depth)}  %count = getelementptr i64, ptr %cell, i64 1
  store i64 0, ptr %count
  ret void""")  # fmt: skip


@family
def resize_function(depth: int) -> NativeFunction:
    """``count`` elements of ``size`` bytes, undefined arrays or empty sequences; whether there is memory for it."""
    fill = f"""  %data = load ptr, ptr %cell
  %bytes = mul i64 %count, {CELL}
  call void @llvm.memset.p0.i64(ptr %data, i8 0, i64 %bytes, i1 false)
"""
    clear = clear_function(depth)
    return _function("resize", depth, "i1 (ptr %cell, i64 %count, i64 %size)", [RESERVE, clear], f"""entry:
  call void @{clear.symbol}(ptr %cell)
  %ok = call i1 @{RESERVE.symbol}(ptr %cell, i64 %count, i64 %size)
  br i1 %ok, label %fill, label %done
fill:
{fill if depth > 1 else ""}  %place = getelementptr i64, ptr %cell, i64 1
  store i64 %count, ptr %place
  br label %done
done:
  ret i1 %ok""")  # fmt: skip


@family
def copy_function(depth: int) -> NativeFunction:
    """All elements of one cell into another; ``size`` is that of an innermost element. Whether there is memory for
    it.
    """
    header = "i1 (ptr %target, ptr %cell, i64 %size)"
    if depth == 1:
        return _function("copy", depth, header, [RESERVE], f"""entry:
  %place = getelementptr i64, ptr %cell, i64 1
  %length = load i64, ptr %place
  %ok = call i1 @{RESERVE.symbol}(ptr %target, i64 %length, i64 %size)
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
  ret i1 %ok""")  # fmt: skip
    clear, inner = clear_function(depth), copy_function(depth - 1)
    return _function("copy", depth, header, [RESERVE, clear, inner], f"""entry:
  %place = getelementptr i64, ptr %cell, i64 1
  %length = load i64, ptr %place
  call void @{clear.symbol}(ptr %target)
  %ok = call i1 @{RESERVE.symbol}(ptr %target, i64 %length, i64 {CELL})
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
  %copied = call i1 @{inner.symbol}(ptr %goal, ptr %source, i64 %size)
  br i1 %copied, label %again, label %done
again:
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %length
  br i1 %more, label %each, label %done
done:
  %result = phi i1 [ false, %entry ], [ true, %fill ], [ %copied, %each ], [ true, %again ]
  ret i1 %result""")  # fmt: skip


def _free_inner(depth: int) -> str:
    """Frees the cells that a cell owns, where its elements are sequences."""
    if depth == 1:
        return ""
    return f"""  %place = getelementptr i64, ptr %cell, i64 1
  %length = load i64, ptr %place
  %data = load ptr, ptr %cell
  %some = icmp sgt i64 %length, 0
  br i1 %some, label %each, label %done
each:
  %i = phi i64 [ 0, %entry ], [ %next, %each ]
  %offset = mul i64 %i, {CELL}
  %inner = getelementptr i8, ptr %data, i64 %offset
  call void @{free_function(depth - 1).symbol}(ptr %inner)
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %length
  br i1 %more, label %each, label %done
done:
"""


def _function(name: str, depth: int, header: str, calls: list[NativeFunction], body: str) -> NativeFunction:
    """A function of cells of a depth; ``header`` is its signature with the names of parameters."""
    symbol = f"functad_sequence_{name}_{depth}"
    result, _, parameters = header.partition(" ")
    if depth > 1 and "@functad_sequence_free" in body:
        calls = [*calls, free_function(depth - 1)]
    declared = "\n".join([MEMCPY, MEMSET, *[function.declaration for function in calls]])
    types = ", ".join([parameter.split()[0] for parameter in parameters.strip("()").split(", ")])
    text = f"{declared}\n\ndefine {result} @{symbol}{parameters} nounwind {{\n{body}\n}}"
    return NativeFunction(symbol, Text(text), signature=f"{result} ({types}) nounwind")
