"""Tracebacks of errors as the user sees them: without the frames of functad's, unless ``FUNCTAD_TRACEBACK=full``."""

from __future__ import annotations

from types import TracebackType

from functad import config
from functad.core.location import is_own
from functad.core.trace import current_trace
from functad.errors import InternalError

__all__ = ["shortened"]


def shortened(error: Exception) -> Exception:
    """An error that leaves functad, without what lies between the user's call and the user's line.

    Not so a defect of functad's, nor inside of a function that is traced, whose errors others may look at.
    """
    if config.traceback.value == "full" or isinstance(error, InternalError) or current_trace() is not None:
        return error
    kept: list[TracebackType] = []
    at = error.__traceback__
    while at is not None:
        if not is_own(at.tb_frame.f_code.co_filename):
            kept.append(at)
        at = at.tb_next
    made = None
    for at in reversed(kept):
        made = TracebackType(made, at.tb_frame, at.tb_lasti, at.tb_lineno)
    return error.with_traceback(made)
