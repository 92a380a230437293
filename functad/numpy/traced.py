"""Questions of every function: where the user's code is, whether anything is traced, and whether its value is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from functad.core.location import here as here
from functad.core.trace import current_trace
from functad.core.tracer import Tracer

__all__ = ["here", "is_staging", "is_traced"]


def is_traced(values: Iterable[Any]) -> bool:
    """Whether a tracer is among some arguments or, as NumPy's lists of arrays have it, in a list of them."""
    for v in values:
        cls = type(v)
        if cls is Tracer:
            return True
        if (cls is list or cls is tuple) and v and is_traced(v):
            return True
    return False


def is_staging() -> bool:
    """Whether Python may ask in vain for the value of what is traced now."""
    trace = current_trace()
    while trace is not None:
        if not trace.concrete or trace.kind == "vmap":
            return True
        trace = trace.parent
    return False
