"""Two questions of every function: where the user's code is, and whether anything is traced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from functad.core.location import here as here
from functad.core.tracer import Tracer

__all__ = ["here", "is_traced"]


def is_traced(values: Iterable[Any]) -> bool:
    """Whether a tracer is among some arguments or, as NumPy's lists of arrays have it, in a list of them."""
    for v in values:
        cls = type(v)
        if cls is Tracer:
            return True
        if (cls is list or cls is tuple) and v and is_traced(v):
            return True
    return False
