"""Copies of plain arrays that a traced function makes: as traced arrays, which can hold traced values.

``c = c.copy(); c[0] = x`` is how people write it, whether c is traced or not. What makes a copy of an array is declared
here; what may give the array itself (``x.astype(dtype, copy=False)``) leaves a plain one plain.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.trace import current_trace
from functad.core.tracer import Tracer
from functad.numpy.creation import empty
from functad.numpy.dispatch import stands_for
from functad.numpy.memory import lifted
from functad.numpy.operands import as_array

__all__: list[str] = []


def _copies(original: Callable[..., Any], method: str) -> None:
    """Declare a function that copies its first argument: of arrays, as this method of a traced one does."""

    @functools.wraps(original)
    def f(*args: Any, **kwargs: Any) -> Any:
        if args and _becomes_traced(args[0]) and kwargs.get("copy", True):
            return getattr(_traced(args[0], method), method)(*args[1:], **kwargs)
        return original(*args, **kwargs)

    stands_for(original)(f)


def _becomes_traced(x: Any) -> bool:
    if current_trace() is None or not isinstance(x, (np.ndarray, Tracer)):
        return False
    return type(x) is Tracer or (type(x) is np.ndarray and x.dtype.kind in "fciub")


def _traced(x: Any, name: str) -> Tracer:
    x = as_array(x, name)
    return x if type(x) is Tracer else lifted(x)  # type: ignore[no-any-return]


_copies(np.copy, "copy")
_copies(np.ndarray.copy, "copy")
_copies(np.ndarray.astype, "astype")
_copies(np.ndarray.flatten, "flatten")
_copies(copy.copy, "__copy__")
_copies(copy.deepcopy, "__deepcopy__")


@stands_for(np.ndarray)
def ndarray(shape: Any, dtype: Any = float, *memory: Any, **given: Any) -> Any:
    """``numpy.ndarray``, the constructor: an array without given elements, as ``numpy.empty`` makes it."""
    if current_trace() is None or memory or given:
        return np.ndarray(shape, dtype, *memory, **given)
    return empty(shape, dtype)
