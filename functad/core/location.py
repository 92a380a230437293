"""Where in the user's code we are: the innermost frame that is neither functad's nor NumPy's."""

from __future__ import annotations

import os
import sys
from types import CodeType

import numpy as np

from functad.ir.program import Location

__all__ = ["user_location"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_EXAMPLES = os.path.join(_PACKAGE, "examples") + os.sep  # examples are written as a user would
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
_internal: dict[CodeType, bool] = {}


def _is_internal(code: CodeType) -> bool:
    filename = os.path.abspath(code.co_filename)
    internal = filename.startswith((_PACKAGE, _NUMPY)) and not filename.startswith(_EXAMPLES)
    _internal[code] = internal
    return internal


def user_location() -> Location | None:
    """The location of the innermost user frame; None where there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        internal = _internal.get(code)
        if internal is None:
            internal = _is_internal(code)
        if not internal:
            return Location(code, frame.f_lasti)
        frame = frame.f_back  # type: ignore[assignment]
    return None
