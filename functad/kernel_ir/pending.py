"""What a failed call leaves for Python: the value that its check found, or the exception of Python code that ran
meanwhile.

Whoever runs a kernel program (its evaluator, native code) notes it in the thread that made the call, just before the
error code is given back; whoever raises the error takes it. It is in the dict of the thread's state, where machine code
leaves it, too: from the moment when an exception is raised to that when it is noted no Python code runs, in which the
handler of a signal could raise another.
"""

from __future__ import annotations

import ctypes
from typing import Any

__all__ = ["EXCEPTION", "OFFENDER", "note_offender", "take_exception", "take_offender"]

EXCEPTION, OFFENDER = "functad.exception", "functad.offender"
"""Where in that dict they are."""

_thread_dict = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThreadState_GetDict", ctypes.pythonapi))


def _noted() -> dict[str, Any]:
    found: dict[str, Any] = ctypes.cast(_thread_dict(), ctypes.py_object).value  # the reference is a borrowed one
    return found


def note_offender(value: int) -> None:
    """Remember a value for the error that is about to be raised in this thread."""
    _noted()[OFFENDER] = value


def take_offender() -> int | None:
    """The value that was noted last in this thread, once."""
    value: int | None = _noted().pop(OFFENDER, None)
    return value


def take_exception() -> BaseException:
    """What was noted last in this thread, after ``RAISED``."""
    error: BaseException | None = _noted().pop(EXCEPTION, None)
    return MemoryError("there was no memory to note an exception in") if error is None else error
