"""Failed checks: each is noted in the *error cell* of the call, on a branch that is never taken where all is well.

The cell is in the frame of the call (``lower/native/frame.py``). Of all failures it keeps the smallest error code, and
of those with one code the first: the driver returns the code, and hands the value that the check found to Python. A
loop that runs in blocks on several threads counts by where its blocks begin, so that threads make no difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import NamedTuple

from functad.lower.emit.code import Code
from functad.lower.emit.frame import word
from functad.lower.native.frame import CODE_AT, LOCK_AT, POSITION_AT, VALUE_AT

__all__ = ["Failure", "any_failed", "note_each", "note_failures", "noted_code", "noted_value"]

_NOTE = f"""
define internal void @functad_note(ptr %sizes, i32 %code, i64 %position, i64 %value) cold noinline nounwind {{
entry:
  %lock = getelementptr i8, ptr %sizes, i64 {LOCK_AT}
  %code.at = getelementptr i8, ptr %sizes, i64 {CODE_AT}
  %position.at = getelementptr i8, ptr %sizes, i64 {POSITION_AT}
  %value.at = getelementptr i8, ptr %sizes, i64 {VALUE_AT}
  br label %wait

wait:
  %pair = cmpxchg ptr %lock, i32 0, i32 1 acquire monotonic
  %ours = extractvalue {{ i32, i1 }} %pair, 1
  br i1 %ours, label %compare, label %wait

compare:
  %before = load i32, ptr %code.at
  %reached = load i64, ptr %position.at
  %none = icmp eq i32 %before, 0
  %less = icmp slt i32 %code, %before
  %same = icmp eq i32 %code, %before
  %earlier = icmp slt i64 %position, %reached
  %first = and i1 %same, %earlier
  %better = or i1 %less, %first
  %new = or i1 %none, %better
  br i1 %new, label %note, label %done

note:
  store i32 %code, ptr %code.at
  store i64 %position, ptr %position.at
  store i64 %value, ptr %value.at
  br label %done

done:
  store atomic i32 0, ptr %lock release, align 4
  ret void
}}
""".strip()


def noted_code(code: Code) -> str:
    """The smallest code of all checks that have failed so far, or 0."""
    return code.emit(f"load i32, ptr {word(code, CODE_AT)}")


def noted_value(code: Code) -> str:
    """What the check with that code found."""
    return code.emit(f"load i64, ptr {word(code, VALUE_AT)}")


class Failure(NamedTuple):
    """A check's error code, the lanes in which it has failed, and the values that it looked at."""

    code: int
    lanes: str
    values: str | None


def note_failures(code: Code, width: int, failures: Sequence[Failure], position: str) -> None:
    """Note those of some checks, in order, that have failed in some lane."""
    with code.when(any_failed(code, width, failures), ()):
        note_each(code, width, failures, position)


def any_failed(code: Code, width: int, failures: Sequence[Failure]) -> str:
    """Whether any check has failed in any lane."""
    lanes = code.lanes(width)
    failed = failures[0].lanes
    for failure in failures[1:]:
        failed = lanes.ior("bool", failed, failure.lanes)
    return lanes.any(failed)


def note_each(code: Code, width: int, failures: Sequence[Failure], position: str) -> None:
    """Note them where some have failed."""
    code.declarations.add(_NOTE)
    for failure in failures:
        with code.when(code.lanes(width).any(failure.lanes), ()) if len(failures) > 1 else nullcontext():
            value = _first(code, width, failure.lanes, failure.values) if failure.values is not None else "0"
            code.line(f"call void @functad_note(ptr %sizes, i32 {failure.code}, i64 {position}, i64 {value})")


def _first(code: Code, width: int, where: str, values: str) -> str:
    """The value in the first lane that a mask has."""
    if width == 1:
        return values
    code.declarations.add("declare i64 @llvm.cttz.i64(i64, i1)")
    bits = code.emit(f"bitcast <{width} x i1> {where} to i{width}")
    wide = bits if width == 64 else code.emit(f"zext i{width} {bits} to i64")
    lane = code.emit(f"call i64 @llvm.cttz.i64(i64 {wide}, i1 true)")
    return code.emit(f"extractelement <{width} x i64> {values}, i64 {lane}")
