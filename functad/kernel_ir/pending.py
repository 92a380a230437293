"""What a failed call leaves for Python: the value that its check found, or the exception of a Python function.

Whoever runs a kernel program (its evaluator, native code) notes it in the thread that made the call, just before the
error code is given back; whoever raises the error takes it.
"""

from __future__ import annotations

import threading

__all__ = ["note_exception", "note_offender", "take_exception", "take_offender"]

_noted = threading.local()


def note_offender(value: int) -> None:
    """Remember a value for the error that is about to be raised in this thread."""
    _noted.value = value


def take_offender() -> int | None:
    """The value that was noted last in this thread, once."""
    value: int | None = getattr(_noted, "value", None)
    _noted.value = None
    return value


def note_exception(error: BaseException) -> None:
    """Remember what a Python function has raised, until the native code that called it has come back."""
    _noted.exception = error


def take_exception() -> BaseException:
    """What was noted last in this thread, after ``CALLBACK_FAILED``."""
    error: BaseException = _noted.exception
    del _noted.exception
    return error
