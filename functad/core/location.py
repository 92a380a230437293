"""Where in the user's code we are: the innermost frame that is neither functad's nor NumPy's."""

from __future__ import annotations

import os
import re
import sys
from types import FrameType

import numpy as np

from functad.caches import remember
from functad.ir.program import Location

__all__ = ["here", "is_internal", "leaves_operator", "scipy_call", "user_frame", "user_location", "user_stack_level"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_EXAMPLES = os.path.join(_PACKAGE, "examples") + os.sep  # examples are written as a user would
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
_SCIPY = re.compile(r".*[/\\](?:site|dist)-packages[/\\]scipy[/\\]")
_internal: dict[str, bool] = {}  # by file name: a string keeps its hash, a code object computes it anew


def is_internal(filename: str) -> bool:
    """Whether a file is one of functad's or NumPy's own."""
    path = os.path.abspath(filename)
    internal = path.startswith((_PACKAGE, _NUMPY)) and not path.startswith(_EXAMPLES)
    remember(_internal, filename, internal, times=4)
    return internal


def user_frame(depth: int = 1) -> FrameType | None:
    """The innermost user frame; None where there is none.

    ``depth`` is how far out to begin: frames of functad's that nobody looks at cost nothing.
    """
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        filename = frame.f_code.co_filename
        internal = _internal.get(filename)
        if internal is None:
            internal = is_internal(filename)
        if not internal:
            return frame
        frame = frame.f_back
    return None


def user_location(depth: int = 1) -> Location | None:
    """The location of the innermost user frame; None where there is none."""
    frame = user_frame(depth + 1)
    return None if frame is None else Location(frame.f_code, frame.f_lasti)


def scipy_call() -> Location | None:
    """Where the user's code calls SciPy, if what runs is SciPy's; else None."""
    frame = user_frame(2)
    if frame is None or not _SCIPY.match(frame.f_code.co_filename):
        return None
    while frame is not None and (is_internal(name := frame.f_code.co_filename) or _SCIPY.match(name)):
        frame = frame.f_back
    return None if frame is None else Location(frame.f_code, frame.f_lasti)


def leaves_operator() -> bool:
    """Whether a sparse matrix of SciPy's asks for an operand's array: it leaves ``@`` to operands that give none of
    numbers.
    """
    code = sys._getframe(2).f_code
    return code.co_name == "_matmul_dispatch" and _SCIPY.match(code.co_filename) is not None


def here() -> str:
    """Where the user's code is, as the end of a message's first clause; of SciPy's also where that was called."""
    where, called = user_location(), scipy_call()
    return f"{f' at {where}' if where else ''}{f' (called at {called})' if called else ''}"


def user_stack_level() -> int:
    """The ``stacklevel`` with which the caller's warning is shown at the innermost user frame."""
    level = 1
    frame = sys._getframe(1)
    while frame.f_back is not None and is_internal(frame.f_code.co_filename):
        frame = frame.f_back
        level += 1
    return level
