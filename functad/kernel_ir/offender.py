"""The value that a failed check found, on its way to the message.

Whoever runs a kernel program (its evaluator, native code) notes it in the thread that made the call, just before the
error code is given back; whoever raises the error takes it.
"""

from __future__ import annotations

import threading

__all__ = ["note_offender", "take_offender"]

_noted = threading.local()


def note_offender(value: int) -> None:
    """Remember a value for the error that is about to be raised in this thread."""
    _noted.value = value


def take_offender() -> int | None:
    """The value that was noted last in this thread, once."""
    value: int | None = getattr(_noted, "value", None)
    _noted.value = None
    return value
