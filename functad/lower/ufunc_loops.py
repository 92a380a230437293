"""Inner loops of ufuncs around compiled code for arrays of any length, as LLVM text:

    void loop(char **args, intp *n, intp *steps, void *data)

Arrays without gaps are given to the compiled code as they are. Others, short ones, and what is written over itself go
through buffers of ``CHUNK`` elements. Where the code fails, elements are computed one by one; one that fails is NaN (0,
if it is an integer), and raises the processor's flag for an invalid operation, of which NumPy warns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from functad.lower.llvm.link import Library
from functad.lower.njit.table import Entry
from functad.lower.scipy_callbacks import call, constants, linked

__all__ = ["Loop", "inner_loop"]

CHUNK, LEAST = 256, 32
"""Elements that are copied at once, and the least number that compiled code is called for: sizes up to 16 are numbers
in code, others are data."""


class Loop(NamedTuple):
    """Code for arrays of any length as the inner loop of a ufunc; ``length`` is the size that is it."""

    entry: Entry
    operands: tuple[np.dtype, ...]
    results: tuple[np.dtype, ...]
    length: int

    @property
    def sizes(self) -> list[int]:
        """The sizes of elements."""
        return [kind.itemsize for kind in (*self.operands, *self.results)]

    @property
    def read(self) -> list[tuple[int, int]]:
        """The operands by their numbers, with the sizes of elements."""
        return list(enumerate(self.sizes))[: len(self.operands)]

    @property
    def written(self) -> list[tuple[int, int]]:
        """The results."""
        return list(enumerate(self.sizes))[len(self.operands) :]


def inner_loop(loop: Loop) -> Library:
    """The code of the inner loop."""
    lines = [
        *[_copy(size) for size in sorted(set(loop.sizes))],
        _part(loop),
        "define void @loop(ptr %args, ptr %dimensions, ptr %steps, ptr %data) {",
        *_arguments(loop),
        *_extents(loop),
        *_whole(loop),
        *_chunk(loop),
        *_each(loop),
        *_out(loop),
        "}",
        "",
    ]
    return linked("\n".join(lines), "loop", loop.entry)


def _arguments(loop: Loop) -> list[str]:
    """Where operands and results are, how far elements are apart, and buffers for them."""
    count = len(loop.sizes)
    lines = [
        "  %n = load i64, ptr %dimensions",
        f"  %places = alloca [{count} x ptr]",
        f"  %single = alloca [{count} x ptr]",
        "  %zero = alloca double",
        "  %nan.at = alloca double",
        "  store volatile double 0.0, ptr %zero",
    ]
    for k, size in enumerate(loop.sizes):
        lines += [
            f"  %args{k} = getelementptr ptr, ptr %args, i64 {k}",
            f"  %p{k} = load ptr, ptr %args{k}",
            f"  %steps{k} = getelementptr i64, ptr %steps, i64 {k}",
            f"  %s{k} = load i64, ptr %steps{k}",
            f"  %buffer{k} = alloca [{CHUNK * size} x i8], align 64",
            f"  %one{k} = alloca [{LEAST * size} x i8], align 64",
            f"  %places{k} = getelementptr ptr, ptr %places, i64 {k}",
            f"  store ptr %buffer{k}, ptr %places{k}",
            f"  %single{k} = getelementptr ptr, ptr %single, i64 {k}",
            f"  store ptr %one{k}, ptr %single{k}",
        ]
    return lines


def _extents(loop: Loop) -> list[str]:
    """Where the memory of each operand and result begins and ends; which of them share some, and whether one is
    written over element by element, or (``reduce``, ``accumulate``) an element is read that was written before.
    """
    lines = ["  %n1 = sub i64 %n, 1"]
    for k, size in enumerate(loop.sizes):
        lines += [
            f"  %span{k} = mul i64 %s{k}, %n1",
            f"  %down{k} = icmp slt i64 %span{k}, 0",
            f"  %first{k} = ptrtoint ptr %p{k} to i64",
            f"  %final{k} = add i64 %first{k}, %span{k}",
            f"  %low{k} = select i1 %down{k}, i64 %final{k}, i64 %first{k}",
            f"  %high{k} = select i1 %down{k}, i64 %first{k}, i64 %final{k}",
            f"  %behind{k} = add i64 %high{k}, {size}",
        ]
    lines += ["  %apart0 = and i1 true, true", "  %serial0 = and i1 false, false"]
    pairs = [(i, o) for i, _ in loop.read for o, _ in loop.written]
    for number, (i, o) in enumerate(pairs):
        at = f"{i}.{o}"
        lines += [
            f"  %before{at} = icmp ule i64 %behind{i}, %low{o}",
            f"  %after{at} = icmp ule i64 %behind{o}, %low{i}",
            f"  %disjoint{at} = or i1 %before{at}, %after{at}",
            f"  %apart{number + 1} = and i1 %apart{number}, %disjoint{at}",
            f"  %equal{at} = icmp eq ptr %p{i}, %p{o}",
            f"  %together{at} = icmp eq i64 %s{i}, %s{o}",
            f"  %moving{at} = icmp ne i64 %s{i}, 0",
            f"  %same{at} = and i1 %equal{at}, %together{at}",
            f"  %over{at} = and i1 %same{at}, %moving{at}",
            f"  %known{at} = or i1 %disjoint{at}, %over{at}",
            f"  %unknown{at} = xor i1 %known{at}, true",
            f"  %serial{number + 1} = or i1 %serial{number}, %unknown{at}",
        ]
    return [
        *lines,
        f"  %apart = and i1 %apart{len(pairs)}, true",
        f"  %most = select i1 %serial{len(pairs)}, i64 1, i64 {CHUNK}",
    ]


def _whole(loop: Loop) -> list[str]:
    """All elements at once, where they lie without gaps, and results share no memory with operands."""
    lines, tests = [f"  %enough = icmp sge i64 %n, {LEAST}"], ["%enough", "%apart"]
    for k, size in enumerate(loop.sizes):
        lines.append(f"  %dense{k} = icmp eq i64 %s{k}, {size}")
        tests.append(f"%dense{k}")
    lines += [f"  %and{k} = and i1 {f'%and{k - 1}' if k else 'true'}, {test}" for k, test in enumerate(tests)]
    return [
        *lines,
        f"  br i1 %and{len(tests) - 1}, label %whole, label %chunks",
        "whole:",
        "  %code = call i32 @part(ptr %args, i64 %n)",
        "  %failed = icmp ne i32 %code, 0",
        "  br i1 %failed, label %chunks, label %end",
    ]


def _chunk(loop: Loop) -> list[str]:
    """The next elements in buffers; where they are few, the last one several times."""
    lines = [
        "chunks:",
        "  %start = phi i64 [0, %0], [0, %whole], [%next, %out]",
        "  %left = sub i64 %n, %start",
        "  %some = icmp sgt i64 %left, 0",
        "  br i1 %some, label %chunk, label %end",
        "chunk:",
        "  %few = icmp slt i64 %left, %most",
        "  %m = select i1 %few, i64 %left, i64 %most",
        f"  %short = icmp slt i64 %m, {LEAST}",
        f"  %padded = select i1 %short, i64 {LEAST}, i64 %m",
        "  %missing = sub i64 %padded, %m",
        "  %last = sub i64 %m, 1",
    ]
    for k, size in loop.read:
        lines += [
            f"  %at{k} = mul i64 %start, %s{k}",
            f"  %from{k} = getelementptr i8, ptr %p{k}, i64 %at{k}",
            f"  call void @copy{size}(ptr %buffer{k}, i64 {size}, ptr %from{k}, i64 %s{k}, i64 %m)",
            f"  %end{k} = mul i64 %m, {size}",
            f"  %rest{k} = getelementptr i8, ptr %buffer{k}, i64 %end{k}",
            f"  %last.at{k} = mul i64 %last, %s{k}",
            f"  %last{k} = getelementptr i8, ptr %from{k}, i64 %last.at{k}",
            f"  call void @copy{size}(ptr %rest{k}, i64 {size}, ptr %last{k}, i64 0, i64 %missing)",
        ]
    return [
        *lines,
        "  %again = call i32 @part(ptr %places, i64 %padded)",
        "  %wrong = icmp ne i32 %again, 0",
        "  br i1 %wrong, label %each, label %out",
    ]


def _each(loop: Loop) -> list[str]:
    """The same elements, one after the other."""
    lines = [
        "each:",
        "  %i = phi i64 [0, %chunk], [%i.next, %each.end]",
        "  %more = icmp slt i64 %i, %m",
        "  br i1 %more, label %element, label %out",
        "element:",
    ]
    for k, size in enumerate(loop.sizes):
        lines += [f"  %e{k} = mul i64 %i, {size}", f"  %here{k} = getelementptr i8, ptr %buffer{k}, i64 %e{k}"]
    for k, size in loop.read:
        lines.append(f"  call void @copy{size}(ptr %one{k}, i64 {size}, ptr %here{k}, i64 0, i64 {LEAST})")
    lines += [
        f"  %fine = call i32 @part(ptr %single, i64 {LEAST})",
        "  %bad = icmp ne i32 %fine, 0",
        "  br i1 %bad, label %invalid, label %each.end",
        "invalid:",  # 0 / 0, which nobody can compute ahead
        "  %nothing = load volatile double, ptr %zero",
        "  %nan = fdiv double %nothing, %nothing",
        "  store volatile double %nan, ptr %nan.at",
    ]
    for (k, _), kind in zip(loop.written, loop.results, strict=True):
        for part, (type, value) in enumerate(_nothing(kind)):
            lines += [
                f"  %bad{k}.{part} = getelementptr {type}, ptr %one{k}, i64 {part}",
                f"  store {type} {value}, ptr %bad{k}.{part}",
            ]
    lines += ["  br label %each.end", "each.end:"]
    for k, size in loop.written:
        lines.append(f"  call void @copy{size}(ptr %here{k}, i64 {size}, ptr %one{k}, i64 0, i64 1)")
    return [*lines, "  %i.next = add i64 %i, 1", "  br label %each"]


def _out(loop: Loop) -> list[str]:
    """Results from buffers to where they belong."""
    lines = ["out:"]
    for k, size in loop.written:
        lines += [
            f"  %at{k} = mul i64 %start, %s{k}",
            f"  %to{k} = getelementptr i8, ptr %p{k}, i64 %at{k}",
            f"  call void @copy{size}(ptr %to{k}, i64 %s{k}, ptr %buffer{k}, i64 {size}, i64 %m)",
        ]
    return [*lines, "  %next = add i64 %start, %m", "  br label %chunks", "end:", "  ret void"]


def _nothing(kind: np.dtype) -> list[tuple[str, str]]:
    """What an element that fails is: LLVM's type and value of its parts."""
    if kind.kind in "fc":
        part = np.empty(0, kind).real.dtype.itemsize
        return [("double" if part == 8 else "float", "0x7FF8000000000000")] * (1 + (kind.kind == "c"))
    return [(f"i{8 * kind.itemsize}", "0")]


def _copy(size: int) -> str:
    """Copy elements of a size, some bytes apart."""
    return f"""define internal void @copy{size}(ptr %to, i64 %to.step, ptr %from, i64 %from.step, i64 %count) {{
  br label %head
head:
  %i = phi i64 [0, %0], [%next, %body]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %body, label %end
body:
  %to.at = mul i64 %i, %to.step
  %from.at = mul i64 %i, %from.step
  %a = getelementptr i8, ptr %from, i64 %from.at
  %b = getelementptr i8, ptr %to, i64 %to.at
  %x = load i{8 * size}, ptr %a, align 1
  store i{8 * size} %x, ptr %b, align 1
  %next = add i64 %i, 1
  br label %head
end:
  ret void
}}"""


def _part(loop: Loop) -> str:
    """Call the compiled code for n elements; the places of operands and results come one after the other."""
    many, more, sizes = len(loop.operands), constants(loop.entry), loop.entry.sizes.tolist()
    lines = [
        "define internal i32 @part(ptr %places, i64 %n) {",
        f"  %given = alloca [{many + len(more)} x ptr]",
        f"  %sizes = alloca [{len(sizes)} x i64]",
    ]
    for k in range(many):
        lines += [f"  %from{k} = getelementptr ptr, ptr %places, i64 {k}", f"  %place{k} = load ptr, ptr %from{k}"]
    for k, place in enumerate([*[f"%place{k}" for k in range(many)], *more]):
        lines += [f"  %to{k} = getelementptr ptr, ptr %given, i64 {k}", f"  store ptr {place}, ptr %to{k}"]
    for k, size in enumerate(sizes):
        value = "%n" if size == loop.length else size
        lines += [f"  %size{k} = getelementptr i64, ptr %sizes, i64 {k}", f"  store i64 {value}, ptr %size{k}"]
    lines += [
        f"  %results = getelementptr ptr, ptr %places, i64 {many}",
        call("code", loop.entry, "%given", "%results", "ptr %sizes"),
        "  ret i32 %code",
        "}",
    ]
    return "\n".join(lines)
