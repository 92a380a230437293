"""Running a kernel in blocks on several threads: native functions that all modules share.

    call void @functad_blocks(ptr @kernel, ptr %data, i64 %length, i64 %work, i64 %grain, i64 %unit, ptr %partials, i64
    %stride, ptr %count)

divides the indices ``0 .. length - 1`` into blocks, of which each has about ``work / grain`` of the work (but one in
``MOST``) and a multiple of ``unit`` indices, and calls ``void kernel(ptr data, i64 begin, i64 end, ptr partial)`` for
each: at once if there is only one. Block b gets the memory at ``partials + b * stride`` for its share of the results
that blocks have in common. ``count`` is how many blocks there were. Then

    call void @functad_blocks_sum_f64(ptr %target, ptr %partials, i64 %stride, i64 %count, i64 %n)

accumulates ``n`` partial results of each block, in order. How blocks are divided among threads makes no difference to
any of that.
"""

from __future__ import annotations

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.native import MOST_BLOCKS as MOST
from functad.kernel_ir.native import NativeFunction, Origin, Text, family
from functad.lower.emit.code import Code, memory_type
from functad.lower.emit.memory import load_one, store_one
from functad.lower.emit.operations import accumulate
from functad.lower.native.threads import RUNTIME_TEXT, parallel_symbols

__all__ = ["BLOCKS", "MOST", "accumulation", "blocks_text"]

_TEXT = f"""
%functad.blocks = type {{ ptr, ptr, i64, i64, ptr, i64 }} ; kernel, data, length, rows, partials, stride

declare i64 @llvm.smax.i64(i64, i64)

define internal void @functad_block_range(ptr %blocks, i64 %first, i64 %count) {{
entry:
  %all = load %functad.blocks, ptr %blocks
  %kernel = extractvalue %functad.blocks %all, 0
  %data = extractvalue %functad.blocks %all, 1
  %length = extractvalue %functad.blocks %all, 2
  %rows = extractvalue %functad.blocks %all, 3
  %partials = extractvalue %functad.blocks %all, 4
  %stride = extractvalue %functad.blocks %all, 5
  %last = add i64 %first, %count
  br label %head

head:
  %block = phi i64 [ %first, %entry ], [ %next, %run ]
  %more = icmp slt i64 %block, %last
  br i1 %more, label %run, label %done

run:
  %begin = mul i64 %block, %rows
  %after = add i64 %begin, %rows
  %end = call i64 @llvm.smin.i64(i64 %after, i64 %length)
  %offset = mul i64 %block, %stride
  %partial = getelementptr i8, ptr %partials, i64 %offset
  call void %kernel(ptr %data, i64 %begin, i64 %end, ptr %partial)
  %next = add i64 %block, 1
  br label %head

done:
  ret void
}}

define void @functad_blocks(
  ptr %kernel, ptr %data, i64 %length, i64 %work, i64 %grain, i64 %unit, ptr %partials, i64 %stride, ptr %count.at
) {{
entry:
  %blocks = alloca %functad.blocks
  %shares = sdiv i64 %work, %grain
  %few = call i64 @llvm.smin.i64(i64 %shares, i64 {MOST})
  %wanted = call i64 @llvm.smax.i64(i64 %few, i64 1)
  %least = call i64 @ceiling(i64 %length, i64 %wanted)
  %units = call i64 @ceiling(i64 %least, i64 %unit)
  %rounded = mul i64 %units, %unit
  %rows = call i64 @llvm.smax.i64(i64 %rounded, i64 1)
  %count = call i64 @ceiling(i64 %length, i64 %rows)
  store i64 %count, ptr %count.at
  %several = icmp sgt i64 %count, 1
  br i1 %several, label %divided, label %whole

whole:
  call void %kernel(ptr %data, i64 0, i64 %length, ptr %partials)
  ret void

divided:
  %with.kernel = insertvalue %functad.blocks poison, ptr %kernel, 0
  %with.data = insertvalue %functad.blocks %with.kernel, ptr %data, 1
  %with.length = insertvalue %functad.blocks %with.data, i64 %length, 2
  %with.rows = insertvalue %functad.blocks %with.length, i64 %rows, 3
  %with.partials = insertvalue %functad.blocks %with.rows, ptr %partials, 4
  %with.stride = insertvalue %functad.blocks %with.partials, i64 %stride, 5
  store %functad.blocks %with.stride, ptr %blocks
  call void @functad_parallel(ptr @functad_block_range, ptr %blocks, i64 %count)
  ret void
}}

define internal i64 @ceiling(i64 %x, i64 %y) {{
  %above = add i64 %x, %y
  %last = sub i64 %above, 1
  %quotient = sdiv i64 %last, %y
  ret i64 %quotient
}}
"""


def blocks_text(runtime: str) -> str:
    """The module of ``BLOCKS`` over a runtime: text that defines ``functad_parallel`` (``threads.py`` says what it is)
    and declares ``llvm.smin.i64``.
    """
    return runtime + _TEXT


BLOCKS = NativeFunction(
    "functad_blocks",
    Text(blocks_text(RUNTIME_TEXT), parallel_symbols),
    signature="void (ptr, ptr, i64, i64, i64, i64, ptr, i64, ptr)",
    origin=Origin(__name__),
)


@family
def accumulation(op: str, dtype: np.dtype) -> NativeFunction:
    """The function that accumulates partial results."""
    name = f"functad_blocks_{op}_{dtype_name(dtype)}"
    return NativeFunction(
        name, Text(lambda target: _accumulation(name, op, dtype)), signature="void (ptr, ptr, i64, i64, i64)"
    )


def _accumulation(name: str, op: str, dtype: np.dtype) -> str:
    code, type = Code(set()), memory_type(dtype)
    with code.when(code.emit("icmp sgt i64 %n, 0"), ()), code.loop("0", "%n", 1, ()) as index:
        target = code.offset(type, "%target", index)
        first = load_one(code, dtype, code.offset(type, "%partials", index))
        store_one(code, dtype, target, first)
        with code.when(code.emit("icmp sgt i64 %count, 1"), ()), code.loop("1", "%count", 1, ()) as block:
            part = code.offset(type, code.offset("i8", "%partials", code.mul(block, "%stride")), index)
            values = [load_one(code, dtype, pointer) for pointer in (target, part)]
            store_one(code, dtype, target, accumulate(code.scalar, op, dtype, *values))
    text = code.function(f"void @{name}(ptr %target, ptr %partials, i64 %stride, i64 %count, i64 %n)", "void")
    return "\n".join([*sorted(code.declarations), text])
