"""The frame of a call in the text of functions (``lower/native/frame.py``): a driver that needs one copies the sizes
behind it.
"""

from __future__ import annotations

from functad.lower.emit.code import Code
from functad.lower.native.frame import FRONT, LOCK_AT

__all__ = ["word", "write_frame"]


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
