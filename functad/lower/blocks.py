"""Running a kernel in blocks on several threads: the one piece of native code that all modules share, compiled once a process.

    call void @functad_blocks(ptr @kernel, ptr %data, i64 %length, i64 %rows, ptr %partials, i64 %stride, ptr %errors)

calls ``i32 kernel(ptr data, i64 begin, i64 end, ptr partial)`` for each block of ``rows`` of the indices ``0 .. length - 1``. Block b gets the
memory at ``partials + b * stride`` for its share of the results that blocks have in common, and its error code goes to ``errors[b]``. How
the blocks are divided among threads makes no difference to any of that.
"""

from __future__ import annotations

import functools

from functad.lower.link import Library, link
from functad.lower.target import Target, emit_object
from functad.lower.threads import RUNTIME_TEXT, parallel_symbols

__all__ = ["block_symbols"]

_TEXT = """
%functad.blocks = type { ptr, ptr, i64, i64, ptr, i64, ptr } ; kernel, data, length, rows, partials, stride, errors

define internal void @functad_block_range(ptr %blocks, i64 %first, i64 %count) {
entry:
  %all = load %functad.blocks, ptr %blocks
  %kernel = extractvalue %functad.blocks %all, 0
  %data = extractvalue %functad.blocks %all, 1
  %length = extractvalue %functad.blocks %all, 2
  %rows = extractvalue %functad.blocks %all, 3
  %partials = extractvalue %functad.blocks %all, 4
  %stride = extractvalue %functad.blocks %all, 5
  %errors = extractvalue %functad.blocks %all, 6
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
  %error = call i32 %kernel(ptr %data, i64 %begin, i64 %end, ptr %partial)
  %error.at = getelementptr i32, ptr %errors, i64 %block
  store i32 %error, ptr %error.at
  %next = add i64 %block, 1
  br label %head

done:
  ret void
}

define void @functad_blocks(ptr %kernel, ptr %data, i64 %length, i64 %rows, ptr %partials, i64 %stride, ptr %errors) {
  %blocks = alloca %functad.blocks
  %with.kernel = insertvalue %functad.blocks poison, ptr %kernel, 0
  %with.data = insertvalue %functad.blocks %with.kernel, ptr %data, 1
  %with.length = insertvalue %functad.blocks %with.data, i64 %length, 2
  %with.rows = insertvalue %functad.blocks %with.length, i64 %rows, 3
  %with.partials = insertvalue %functad.blocks %with.rows, ptr %partials, 4
  %with.stride = insertvalue %functad.blocks %with.partials, i64 %stride, 5
  %with.errors = insertvalue %functad.blocks %with.stride, ptr %errors, 6
  store %functad.blocks %with.errors, ptr %blocks
  %rounded = add i64 %length, %rows
  %over = sub i64 %rounded, 1
  %count = sdiv i64 %over, %rows
  call void @functad_parallel(ptr @functad_block_range, ptr %blocks, i64 %count)
  ret void
}
"""


def block_symbols() -> dict[str, int]:
    """The address of ``functad_blocks``, to be imported into linked code."""
    return {"functad_blocks": _library().address("functad_blocks")}


@functools.cache
def _library() -> Library:
    return link(emit_object(RUNTIME_TEXT + _TEXT, Target.host()), parallel_symbols(), ["functad_blocks"])
