"""What is looked at around a call of the user's, where flags ask for it: numbers that are not finite, traced values
that are left behind.

It is the outermost call that is watched: what it calls in turn is part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from functad import config
from functad.core.leaks import LeakCheck
from functad.core.nonfinite import Tracker
from functad.core.observing import observing
from functad.core.trace import current_trace

__all__ = ["watched"]

R = TypeVar("R")


def watched(what: str, of: Any, f: Callable[..., R], *args: Any) -> R:
    """What ``f(*args)`` returns; messages call it ``what`` (a transform) of a function, or of its name."""
    settings = config.settings()
    if not settings.watched or current_trace() is not None:
        return f(*args)
    name = f"{what} of {of if isinstance(of, str) else getattr(of, '__name__', type(of).__name__)}"
    observer = observing.get()
    if observer is not None:
        return observer.call(name, lambda: f(*args))
    leaks = LeakCheck() if config.check_leaks.value else None
    if config.debug_nans.value:
        tracker = Tracker()
        token = observing.set(tracker)
        try:
            result = f(*args)
        finally:
            observing.reset(token)
        tracker.check(name, result)
    else:
        result = f(*args)
    if leaks is not None:
        leaks.check(name)
    return result
