"""What a handler of a signal that raises (Ctrl-C) would leave behind in llvmlite, and does not.

CPython runs handlers where a function of Python begins, and where one of C has returned.

*The lock* that every call of LLVM takes: llvmlite takes it in a method, and a handler that raises where that returns
leaves it with its thread for good. That thread may take it again, and notices nothing; every other one waits for LLVM
for ever. So what calls LLVM gives back at its end what it did not hold before; not only where an exception leaves it:
those of finalizers, which take the lock too, leave nothing.

*Memory* that has been freed, which a finalizer of llvmlite's frees again if it was not told: so it is freed here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from llvmlite.binding import ffi

__all__ = ["free", "gives_lock_back", "is_held"]

P = ParamSpec("P")
R = TypeVar("R")

_lock: Any = ffi.lib._lock._lock


def is_held() -> bool:
    """Whether this thread holds the lock."""
    return bool(_lock._is_owned())


def gives_lock_back(f: Callable[P, R]) -> Callable[P, R]:
    """A function that calls LLVM."""
    is_owned, release = _lock._is_owned, _lock.release

    @functools.wraps(f)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        held = is_owned()
        try:
            return f(*args, **kwargs)
        finally:
            while is_owned() and not held:
                release()

    return call


@gives_lock_back
def free(x: Any) -> None:
    """Free what LLVM has made; if that is interrupted, it is not tried again."""
    x._owned = True  # by somebody else, llvmlite's finalizer is told
    x._dispose()
