"""Native functions that call BLAS or LAPACK for each item of a batch.

A routine's call is stated once, as a function that writes it (``Call``): the arguments as Fortran has them, each by
address. The batch, threads over it, memory to work in, its size as the routine asks for it, lengths that 32 bits
cannot hold and failures are looked after here. Fortran's matrices are column-major: an operand of shape ``(..., n,
m)`` in C's order is a matrix of m rows and n columns to the routine (``primitives.linalg.matrices`` turns them where
they have to be).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.kernel_ir.codes import OUT_OF_MEMORY, SIZE_OVERFLOW
from functad.kernel_ir.fortran import fortran_routine
from functad.kernel_ir.native import MOST_BLOCKS, NativeFunction, Operand, Text

__all__ = ["Call", "lapack_function", "letter_of"]

LETTERS = {"f4": "s", "f8": "d", "c8": "c", "c16": "z"}
TYPES = {4: "float", 8: "double"}

ALONE = 64
"""Items with more columns than this are done one after the other: BLAS has threads of its own."""

GRAIN = 100_000
"""Nanoseconds of work for which a thread is worth its while."""

LINE = 64
"""Bytes between what two threads write."""


def letter_of(dtype: np.dtype) -> str:
    """The letter with which the names of routines for a dtype begin."""
    return LETTERS[f"{dtype.kind}{dtype.itemsize}"]


def lapack_function(
    symbol: str,
    dtype: np.dtype,
    lead: int,
    operands: Sequence[Operand],
    write: Callable[[Call], None],
    evaluate: Callable[..., int | None],
    error: tuple[str, str] | None = None,
) -> NativeFunction:
    """A native function that does to each item of a batch what ``write`` writes.

    The operands are stated for one item; each gets ``lead`` axes in front, of the same lengths. ``evaluate`` does it to
    one item, as arrays, and gives LAPACK's ``info``, or nothing. A result that is not 0 raises the error.
    """
    name = f"functad_{letter_of(dtype)}_{symbol}_{lead}"

    def batched(*arrays: Any) -> int:
        code = 0
        for index in np.ndindex(arrays[0].shape[:lead]):
            code = max(code, abs(evaluate(*[a[index] for a in arrays]) or 0))
        return min(code, 1) if error else 0

    def text(target: Any) -> str:
        call = Call(dtype, lead, operands)
        write(call)
        return call.text(name, failing=error is not None)

    full = tuple([Operand(o.dtype, o.rank + lead, o.effect) for o in operands])
    return NativeFunction(name, Text(text), full, batched, error)


class Call:
    """Writes a native function: what is done before the loop over the batch, and in it. Values are LLVM's names."""

    def __init__(self, dtype: np.dtype, lead: int, operands: Sequence[Operand]) -> None:
        self.letter = letter_of(dtype)
        self.complex = dtype.kind == "c"
        self.itemsize = dtype.itemsize
        self.real_size = dtype.itemsize // (2 if self.complex else 1)
        self._real = TYPES[self.real_size]
        self._operands = operands
        self._lead = lead
        self._before: list[str] = []
        self._inside: list[str] = []
        self._declared: dict[str, str] = {}
        self._rooms: list[str] = []
        self._lengths: list[list[str]] = []
        self._number = 0
        self._read_lengths()
        self._items = [self._item(k) for k in range(len(operands))]
        self.info = self._cell("i32", "0")
        """Where routines say whether they failed."""

    # -- arguments -----------------------------------------------------------------------------------------------------

    def length(self, operand: int, axis: int) -> str:
        """The length of an axis of an item."""
        return self._lengths[operand][axis]

    def least(self, x: str, y: str) -> str:
        """The smaller of two lengths."""
        return self._emit(f"call i64 @llvm.smin.i64(i64 {x}, i64 {y})")

    def most(self, x: str, y: str) -> str:
        """The larger of two lengths."""
        return self._emit(f"call i64 @llvm.smax.i64(i64 {x}, i64 {y})")

    def times(self, x: str, y: str) -> str:
        """The product of two lengths."""
        return self._emit(f"mul i64 {x}, {y}")

    def plus(self, x: str, y: str) -> str:
        """The sum of two lengths."""
        return self._emit(f"add i64 {x}, {y}")

    def count(self, x: str) -> str:
        """A length as an argument."""
        return self._cell("i32", self._emit(f"trunc i64 {x} to i32"))

    def leading(self, x: str) -> str:
        """A length as the leading dimension of a matrix, which is at least 1."""
        return self.count(self.most(x, "1"))

    def char(self, letter: str) -> str:
        """A letter as an argument."""
        return self._cell("i8", str(ord(letter)))

    def one(self) -> str:
        """The number 1 as an argument."""
        cell = self._emit(f"alloca [2 x {self._real}]")
        self._before.append(f"store [2 x {self._real}] [{self._real} 1.0, {self._real} 0.0], ptr {cell}")
        return cell

    def item(self, operand: int) -> str:
        """The address of an operand's item that the loop is at."""
        return self._items[operand]

    def room(self, count: str, size: int) -> str:
        """Memory for so many elements of a size, undefined before each item."""
        total = self._emit(f"add i64 {self._emit(f'mul i64 {count}, {size}')}, 64")
        room = self._emit(f"call ptr @malloc(i64 {total})")
        self._rooms.append(room)
        return room

    # -- calls ---------------------------------------------------------------------------------------------------------

    def call(self, name: str, *arguments: str, library: str = "lapack") -> None:
        """Call a routine for the item; the letter of the dtype goes before its name."""
        self._inside.append(self._call(name, arguments, library))

    def note_info(self, operand: int) -> None:
        """Write what the routine said to an operand of 32-bit integers, one for each item."""
        said = self._name()
        self._inside += [f"{said} = load i32, ptr {self.info}", f"store i32 {said}, ptr {self.item(operand)}"]

    def work(self, name: str, *arguments: str, at: int) -> tuple[str, str]:
        """Room to work in, and its size as an argument, as a routine asks for it; the arguments of a call without these
        two, which stand at a position, one after the other; for items, anything stands.
        """
        answer = self._cell("[2 x double]", "zeroinitializer")
        ask = self._cell("i32", "-1")
        self._before.append(self._call(name, (*arguments[:at], answer, ask, *arguments[at:]), "lapack"))
        size = self._emit(f"load {self._real}, ptr {answer}")
        more = self._emit(f"fmul {self._real} {size}, {'0x3FF0000020000000' if self.real_size == 4 else '1.0'}")
        count = self._emit(f"add i64 {self._emit(f'fptosi {self._real} {more} to i64')}, 1")
        return self.room(count, self.itemsize), self.count(count)

    @property
    def anything(self) -> str:
        """An address that a call that asks for the size of its work does not read."""
        return self._cell("[2 x double]", "zeroinitializer")

    def _call(self, name: str, arguments: Sequence[str], library: str) -> str:
        routine = fortran_routine(library, self.letter + name, len(arguments))
        self._declared[routine.symbol] = routine.declaration
        return f"call void @{routine.symbol}({', '.join([f'ptr {a}' for a in arguments])})"

    # -- text ----------------------------------------------------------------------------------------------------------

    def _name(self) -> str:
        self._number += 1
        return f"%v{self._number}"

    def _emit(self, operation: str) -> str:
        name = self._name()
        self._before.append(f"{name} = {operation}")
        return name

    def _cell(self, type: str, value: str) -> str:
        """A variable with a first value."""
        cell = self._emit(f"alloca {type}")
        self._before.append(f"store {type} {value}, ptr {cell}")
        return cell

    def _read_lengths(self) -> None:
        position = 0
        for operand in self._operands:
            lengths = []
            for _ in range(self._lead + operand.rank):
                at = self._emit(f"getelementptr i64, ptr %sizes, i64 {position}")
                lengths.append(self._emit(f"load i64, ptr {at}"))
                position += 1
            self._lengths.append(lengths[self._lead :])
        self._fits = "true"
        for n in dict.fromkeys([n for lengths in self._lengths for n in lengths]):
            small = self._emit(f"icmp slt i64 {n}, 2147483648")
            self._fits = self._emit(f"and i1 {self._fits}, {small}")

    def _item(self, k: int) -> str:
        operand = self._operands[k]
        at = self._emit(f"getelementptr ptr, ptr %buffers, i64 {k}")
        base = self._emit(f"load ptr, ptr {at}")
        size = str(operand.dtype.itemsize)
        for n in self._lengths[k]:
            size = self.times(size, n)
        offset, item = self._name(), self._name()
        self._inside += [f"{offset} = mul i64 %i, {size}", f"{item} = getelementptr i8, ptr {base}, i64 {offset}"]
        return item

    def text(self, symbol: str, failing: bool) -> str:
        """The module."""
        return f"""{self._block_text(failing)}

declare void @functad_blocks(ptr, ptr, i64, i64, i64, i64, ptr, i64, ptr)

define i32 @{symbol}(ptr %buffers, ptr %sizes) {{
entry:
  %data = alloca [2 x ptr]
  %second = getelementptr ptr, ptr %data, i64 1
  store ptr %buffers, ptr %data
  store ptr %sizes, ptr %second
  %count.at = alloca i64
  %partials = alloca [{MOST_BLOCKS * LINE} x i8]
{self._work_text()}
  call void @functad_blocks(
    ptr @block, ptr %data, i64 %batch, i64 %work, i64 {GRAIN}, i64 1, ptr %partials, i64 {LINE}, ptr %count.at
  )
  %count = load i64, ptr %count.at
  br label %head
head:
  %k = phi i64 [ 0, %entry ], [ %k.next, %head ]
  %before = phi i32 [ 0, %entry ], [ %result, %head ]
  %offset = mul i64 %k, {LINE}
  %partial = getelementptr i8, ptr %partials, i64 %offset
  %one = load i32, ptr %partial
  %fine = icmp eq i32 %before, 0
  %result = select i1 %fine, i32 %one, i32 %before
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %count
  br i1 %more, label %head, label %done
done:
  ret i32 %result
}}"""

    def _work_text(self) -> str:
        """The number of items, and about how many nanoseconds all take; none where LAPACK divides each by itself."""
        lines = ["  %p0 = add i64 1, 0"]
        axes = self._lead + self._operands[0].rank
        for k in range(axes):
            at = f"  %s{k}.at = getelementptr i64, ptr %sizes, i64 {k}"
            lines += [at, f"  %s{k} = load i64, ptr %s{k}.at"]
            lines.append(f"  %p{k + 1} = mul i64 %p{k}, %s{k}")
        last = f"%s{axes - 1}"
        return "\n".join([
            *lines,
            f"  %batch = add i64 %p{self._lead}, 0",
            f"  %cubes = mul i64 %p{axes}, {last}",
            "  %overhead = mul i64 %batch, 1000",
            "  %time = add i64 %cubes, %overhead",
            f"  %small = icmp sle i64 {last}, {ALONE}",
            "  %work = select i1 %small, i64 %time, i64 0",
        ])  # fmt: skip

    def _block_text(self, failing: bool) -> str:
        """The function that does some items one after the other, in memory of its own."""
        ready = self._fits
        for room in self._rooms:
            ready = self._emit(f"and i1 {ready}, {self._emit(f'icmp ne ptr {room}, null')}")
        refused = self._emit(f"select i1 {self._fits}, i32 {OUT_OF_MEMORY}, i32 {SIZE_OVERFLOW}")
        declared = [*self._declared.values(), "declare noalias ptr @malloc(i64)", "declare void @free(ptr)"]
        declared += [f"declare i64 @llvm.{f}.i64(i64, i64)" for f in ("smin", "smax")]
        failed = [
            f"%info = load i32, ptr {self.info}",
            "%bad = icmp ne i32 %info, 0",
            f"%now = select i1 %bad, i32 {int(failing)}, i32 %status",
            f"store i32 0, ptr {self.info}",
        ]
        lines = [
            *declared,
            "",
            "define internal void @block(ptr %data, i64 %begin, i64 %end, ptr %partial) {",
            "entry:",
            "  %buffers = load ptr, ptr %data",
            "  %second = getelementptr ptr, ptr %data, i64 1",
            "  %sizes = load ptr, ptr %second",
            *[f"  {line}" for line in self._before],
            f"  br i1 {ready}, label %test, label %done",
            "test:",
            "  %i = phi i64 [ %begin, %entry ], [ %next, %body ]",
            "  %status = phi i32 [ 0, %entry ], [ %now, %body ]",
            "  %more = icmp slt i64 %i, %end",
            "  br i1 %more, label %body, label %done",
            "body:",
            *[f"  {line}" for line in (*self._inside, *failed)],
            "  %next = add i64 %i, 1",
            "  br label %test",
            "done:",
            f"  %result = phi i32 [ {refused}, %entry ], [ %status, %test ]",
            *[f"  call void @free(ptr {room})" for room in self._rooms],
            "  store i32 %result, ptr %partial",
            "  ret void",
            "}",
        ]
        return "\n".join(lines)
