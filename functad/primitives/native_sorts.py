"""NumPy's sorts of numbers along the last axis, called from native code."""

from __future__ import annotations

import numpy as np

from functad.kernel_ir.codes import OUT_OF_MEMORY
from functad.kernel_ir.native import NativeFunction, family, reads, updates
from functad.kernel_ir.numpy_routines import Routine, routine, sort_address

__all__ = ["native_order", "native_sort"]

INT64 = np.dtype(np.int64)
SORT, ARGSORT = "i32 (ptr, i64, ptr)", "i32 (ptr, ptr, i64, ptr)"


def _lines(rank: int, body: str, tail: str = "") -> str:
    """A loop over all lines: ``%first`` is the number of the first element of one, ``%n`` their length; ``body`` ends
    with a branch to ``next``, or to ``failed``.
    """
    sizes = "".join(
        f"  %s{k}.at = getelementptr i64, ptr %sizes, i64 {k}\n  %s{k} = load i64, ptr %s{k}.at\n" for k in range(rank)
    )
    products, count = "", "1"
    for k in range(rank - 1):
        products += f"  %c{k} = mul i64 {count}, %s{k}\n"
        count = f"%c{k}"
    return f"""entry:
{sizes}{products}  %n = add i64 %s{rank - 1}, 0
  %several = icmp sgt i64 %n, 1
  %lines = select i1 %several, i64 {count}, i64 0
  %values = load ptr, ptr %buffers
  %second.at = getelementptr ptr, ptr %buffers, i64 {1 if tail else 0}
  %second = load ptr, ptr %second.at
  br label %head

head:
  %line = phi i64 [ 0, %entry ], [ %following, %next ]
  %more = icmp slt i64 %line, %lines
  br i1 %more, label %sort, label %done

sort:
  %first = mul i64 %line, %n
{body}
{tail}
next:
  %following = add i64 %line, 1
  br label %head

failed:
  ret i32 {OUT_OF_MEMORY}

done:
  ret i32 0"""


@family
def native_sort(dtype: np.dtype, rank: int) -> NativeFunction:
    """Sorts each line in place."""

    def evaluate(x: np.ndarray) -> None:
        x.sort(axis=-1)

    symbol = f"functad_sort_{dtype.name}_{rank}"
    body = f"""  %from = mul i64 %first, {dtype.itemsize}
  %row = getelementptr i8, ptr %values, i64 %from
  %code = call i32 @{symbol}.sort(ptr %row, i64 %n, ptr null)
  %bad = icmp slt i32 %code, 0
  br i1 %bad, label %failed, label %next
"""
    called = {"sort": Routine(sort_address(dtype, argsort=False), SORT)}
    return routine(symbol, (updates(dtype, rank),), evaluate, called, _lines(rank, body))


def _equal(dtype: np.dtype) -> str:
    """Whether ``%x`` and ``%y`` are equal; NaN are."""
    if dtype.kind != "f":
        return f"  %equal = icmp eq i{8 * dtype.itemsize} %x, %y"
    kind = "double" if dtype.itemsize == 8 else "float"
    return f"""  %same = fcmp oeq {kind} %x, %y
  %x.nan = fcmp uno {kind} %x, %x
  %y.nan = fcmp uno {kind} %y, %y
  %nan = and i1 %x.nan, %y.nan
  %equal = or i1 %same, %nan"""


@family
def native_order(dtype: np.dtype, rank: int) -> NativeFunction:
    """Sorts the indices that the second operand holds by the values of each line; indices of equal values ascend.

    NumPy's fast argsort is not stable, its stable one takes six times as long: so the indices of equal values are
    sorted afterwards.
    """

    def evaluate(x: np.ndarray, order: np.ndarray) -> None:
        order[...] = np.argsort(x, axis=-1, kind="stable")

    fast = dtype.kind in "fiu" and dtype.itemsize >= 4
    symbol = f"functad_order_{dtype.name}_{rank}"
    body = f"""  %from = mul i64 %first, {dtype.itemsize}
  %row = getelementptr i8, ptr %values, i64 %from
  %order = getelementptr i64, ptr %second, i64 %first
  %code = call i32 @{symbol}.argsort(ptr %row, ptr %order, i64 %n, ptr null)
  %bad = icmp slt i32 %code, 0
  br i1 %bad, label %failed, label %{"scan" if fast else "next"}
"""
    called = {"argsort": Routine(sort_address(dtype, argsort=True, stable=not fast), ARGSORT)}
    if fast:
        called["sort"] = Routine(sort_address(INT64, argsort=False), SORT)
    kinds = (reads(dtype, rank), updates(INT64, rank))
    return routine(symbol, kinds, evaluate, called, _lines(rank, body, _runs(symbol, dtype) if fast else "\n"))


def _runs(symbol: str, dtype: np.dtype) -> str:
    """Sorts the indices in each run of equal values."""
    kind = {"f": {4: "float", 8: "double"}}.get(dtype.kind, {}).get(dtype.itemsize, f"i{8 * dtype.itemsize}")
    return f"""scan:
  br label %step

step:
  %i = phi i64 [ 1, %scan ], [ %i.next, %stepped ]
  %begin = phi i64 [ 0, %scan ], [ %begin.next, %stepped ]
  %inside = icmp slt i64 %i, %n
  br i1 %inside, label %compare, label %close

compare:
  %i.before = sub i64 %i, 1
  %p.at = getelementptr i64, ptr %order, i64 %i.before
  %q.at = getelementptr i64, ptr %order, i64 %i
  %p = load i64, ptr %p.at
  %q = load i64, ptr %q.at
  %x.at = getelementptr {kind}, ptr %row, i64 %p
  %y.at = getelementptr {kind}, ptr %row, i64 %q
  %x = load {kind}, ptr %x.at
  %y = load {kind}, ptr %y.at
{_equal(dtype)}
  br i1 %equal, label %stepped, label %close

close:
  %length = sub i64 %i, %begin
  %run = icmp sgt i64 %length, 1
  br i1 %run, label %reorder, label %closed

reorder:
  %run.at = getelementptr i64, ptr %order, i64 %begin
  %ordered = call i32 @{symbol}.sort(ptr %run.at, i64 %length, ptr null)
  br label %closed

closed:
  br i1 %inside, label %stepped, label %next

stepped:
  %begin.next = phi i64 [ %begin, %compare ], [ %i, %closed ]
  %i.next = add i64 %i, 1
  br label %step
"""
