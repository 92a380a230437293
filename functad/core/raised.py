"""An exception that waits: what Python code raised inside native code, until that has come back with ``RAISED``.

It is in the dict of the thread's state, which machine code reaches as well: no Python code has to run between the moment
when it is raised and that when it is kept, in which a signal's handler could raise another.
"""

from __future__ import annotations

import ctypes

__all__ = ["KEY", "RAISED", "keep_raised", "take_raised"]

RAISED = -3
"""What native code gives when it ends because of an exception; less than all other error codes, so it is the one that
is seen.
"""

KEY = "functad.raised"

_thread_dict = ctypes.PYFUNCTYPE(ctypes.py_object)(("PyThreadState_GetDict", ctypes.pythonapi))


def keep_raised(error: BaseException) -> None:
    """Let an exception wait in this thread."""
    _thread_dict()[KEY] = error


def take_raised() -> BaseException:
    """What waits in this thread, after ``RAISED``."""
    error: BaseException = _thread_dict().pop(KEY)
    return error
