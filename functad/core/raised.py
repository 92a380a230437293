"""An exception that waits: what Python code raised inside native code, until that has come back with ``RAISED``.

It is in the dict of the thread's state, which machine code reaches as well: no Python code, in which a signal's handler
could raise another, has to run between the moment when it is raised and that when it is kept.
"""

from __future__ import annotations

import ctypes

__all__ = ["KEY", "RAISED", "keep_raised", "take_raised"]

RAISED = -3
"""What native code gives when it ends because of an exception; less than all other error codes, so it is the one that
is seen.
"""

KEY = "functad.raised"

_get_dict = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThreadState_GetDict", ctypes.pythonapi))


def _thread_dict() -> dict[str, BaseException]:
    found: dict[str, BaseException] = ctypes.cast(_get_dict(), ctypes.py_object).value  # a borrowed reference
    return found


def keep_raised(error: BaseException) -> None:
    """Let an exception wait in this thread."""
    _thread_dict()[KEY] = error


def take_raised() -> BaseException:
    """What waits in this thread, after ``RAISED``."""
    return _thread_dict().pop(KEY)
