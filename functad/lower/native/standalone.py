"""Native functions without this process: the text of all that code calls, for object code that C programs link.

What it leaves undefined is the C library's, and BLAS under its own names. What looks at Python's signals, keeps what a
check found for Python, or runs blocks on Numba's threads has another text here. All else that has no text calls SciPy,
NumPy, Numba or Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from functad.kernel_ir.fortran import fortran_routine
from functad.kernel_ir.native import NativeFunction, Python, Text, declared_functions
from functad.lower.llvm.target import Target
from functad.lower.native.blocks import BLOCKS, blocks_text
from functad.lower.native.frame import BUDGET_AT
from functad.lower.native.interrupts import TICK
from functad.lower.native.python import API, NOTE_OFFENDER

__all__ = ["VALUE", "Standalone", "standalone"]

VALUE = "functad_value"
"""The variable, one in each thread, that holds what the last failed check found."""

ROUTINES = fortran_routine.__module__

_OWN = {
    TICK.symbol: f"""
define i32 @{TICK.symbol}(ptr %sizes) {{
  %budget.at = getelementptr i8, ptr %sizes, i64 {BUDGET_AT}
  store i64 {2**63 - 1}, ptr %budget.at
  ret i32 0
}}
""",
    "PyEval_RestoreThread": "define void @PyEval_RestoreThread(ptr %state) { ret void }\n",
    NOTE_OFFENDER.symbol: f"""
@{VALUE} = external thread_local global i64

define void @{NOTE_OFFENDER.symbol}(i64 %value) {{
  store i64 %value, ptr @{VALUE}
  ret void
}}
""",
}
"""Other texts, by symbol. Drivers that foreign code calls neither hold the GIL nor run out of their budget."""

_SERIAL = """
declare i64 @llvm.smin.i64(i64, i64)

define internal void @functad_parallel(ptr %body, ptr %data, i64 %blocks) {
  call void %body(ptr %data, i64 0, i64 %blocks)
  ret void
}
"""

# GOMP_parallel(function, data, threads, flags) runs function(data) on each thread of a team; 0 threads: as OpenMP says
_OPENMP = """
%functad.team = type { ptr, ptr, i64 } ; body, data, blocks
declare i64 @llvm.smin.i64(i64, i64)
declare void @GOMP_parallel(ptr, ptr, i32, i32)
declare i32 @omp_get_num_threads()
declare i32 @omp_get_thread_num()

define internal void @functad_share(ptr %team) {
  %all = load %functad.team, ptr %team
  %body = extractvalue %functad.team %all, 0
  %data = extractvalue %functad.team %all, 1
  %blocks = extractvalue %functad.team %all, 2
  %threads = call i32 @omp_get_num_threads()
  %thread = call i32 @omp_get_thread_num()
  %n = sext i32 %threads to i64
  %k = sext i32 %thread to i64
  %next = add i64 %k, 1
  %below = mul i64 %blocks, %k
  %above = mul i64 %blocks, %next
  %first = sdiv i64 %below, %n
  %last = sdiv i64 %above, %n
  %count = sub i64 %last, %first
  %some = icmp sgt i64 %count, 0
  br i1 %some, label %run, label %done

run:
  call void %body(ptr %data, i64 %first, i64 %count)
  br label %done

done:
  ret void
}

define internal void @functad_parallel(ptr %body, ptr %data, i64 %blocks) {
  %team = alloca %functad.team
  %with.body = insertvalue %functad.team poison, ptr %body, 0
  %with.data = insertvalue %functad.team %with.body, ptr %data, 1
  %with.blocks = insertvalue %functad.team %with.data, i64 %blocks, 2
  store %functad.team %with.blocks, ptr %team
  call void @GOMP_parallel(ptr @functad_share, ptr %team, i32 0, i32 0)
  ret void
}
"""


@dataclass(frozen=True, slots=True)
class Standalone:
    """The texts of native functions, the symbols of the BLAS routines that they or their callers call, and what cannot
    leave the process, by the library that it belongs to and its name.
    """

    texts: tuple[str, ...]
    blas: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]

    def named_as_in_c(self, text: str) -> str:
        """LLVM text with BLAS routines under the names that Fortran compilers give them."""
        for symbol in self.blas:
            text = re.sub(rf"@{symbol}\b", f"@{symbol.removeprefix('functad_')}_", text)
        return text


def standalone(calls: Iterable[NativeFunction], target: Target, openmp: bool) -> Standalone:
    """What code needs that calls these functions."""
    texts: dict[str, str] = {}
    blas: dict[str, None] = {}
    refused: dict[tuple[str, str], None] = {}
    waiting, seen = list(calls), set()
    for function in waiting:  # grows
        if function.symbol in seen:
            continue
        seen.add(function.symbol)
        text = _text(function, target, openmp)
        if text is not None:
            texts[function.symbol] = text
            waiting += declared_functions([line for line in text.splitlines() if not _of_openmp(line)])
        elif _fortran_library(function) == "blas":
            blas[function.symbol] = None
        elif not _in_c_library(function):
            refused[_owner(function)] = None
    return Standalone(tuple(texts.values()), tuple(blas), tuple(refused))


def _text(function: NativeFunction, target: Target, openmp: bool) -> str | None:
    if function is BLOCKS:
        return blocks_text(_OPENMP if openmp else _SERIAL)
    if function.symbol in _OWN:
        return _OWN[function.symbol]
    if not isinstance(function.code, Text) or function.code.variables():
        return None
    write: Any = function.code.write
    return str(write if isinstance(write, str) else write(target))


def _of_openmp(line: str) -> bool:
    return "@GOMP_" in line or "@omp_" in line


def _in_c_library(function: NativeFunction) -> bool:
    return function.origin is not None and function.origin.module == "functad.lower.native.c_library"


def _fortran_library(function: NativeFunction) -> str:
    """``blas`` or ``lapack``, or nothing."""
    origin = function.origin
    is_routine = origin is not None and (origin.module, origin.family) == (ROUTINES, fortran_routine.__name__)
    return str(origin.kind[0]) if origin is not None and is_routine else ""


def _owner(function: NativeFunction) -> tuple[str, str]:
    """The library that a function belongs to, and what it is called there."""
    name = function.symbol.removeprefix("functad").lstrip("._")
    if function.code is None or function.symbol in API:
        return "Python", name
    if isinstance(function.code, Python):
        return "Numba", name
    if _fortran_library(function):
        return "SciPy", f"LAPACK's {name}"
    if name.startswith("scipy."):
        return "SciPy", name.split(".")[1]
    return "NumPy", name.partition(".")[0]
