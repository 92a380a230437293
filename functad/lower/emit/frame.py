"""The frame of a call: what all functions of a module share, in front of the sizes, a pointer to which each has anyway.

A driver that needs one copies the sizes behind it. It holds, in words of 8 bytes and counted back from the sizes: the
clock's budget (-1); the error cell: the value that a check found (-2), where its loop was (-3), a code and a lock (-4);
and for the clock what is to be known about the GIL (-5), and when signals are looked at next (-6).
"""

from __future__ import annotations

from functad.lower.emit.code import Code

__all__ = ["BUDGET_AT", "CODE_AT", "DEADLINE_AT", "GIL_AT", "LOCK_AT", "POSITION_AT", "VALUE_AT", "word", "write_frame"]

FRONT = 48
"""Bytes in front of the sizes."""

BUDGET_AT, VALUE_AT, POSITION_AT, CODE_AT, LOCK_AT, GIL_AT, DEADLINE_AT = -8, -16, -24, -28, -32, -40, -48


def write_frame(code: Code, symbols: int) -> str:
    """Begin a driver with an empty error cell and sizes of its own. The result is the name of the parameter that gives
    the sizes.
    """
    code.prologue += [
        f"  %frame = alloca [{FRONT + 8 * symbols} x i8], align 8",
        f"  %sizes = getelementptr i8, ptr %frame, i64 {FRONT}",
        f"  %lock.at = getelementptr i8, ptr %sizes, i64 {LOCK_AT}",
        "  store i64 0, ptr %lock.at",
    ]
    for number in range(symbols):
        code.prologue += [
            f"  %given.at.{number} = getelementptr i64, ptr %given, i64 {number}",
            f"  %given.{number} = load i64, ptr %given.at.{number}",
            f"  %size.at.{number} = getelementptr i64, ptr %sizes, i64 {number}",
            f"  store i64 %given.{number}, ptr %size.at.{number}",
        ]
    return "%given"


def word(code: Code, offset: int) -> str:
    """The address of a word of the frame."""
    return code.offset("i8", "%sizes", str(offset))
