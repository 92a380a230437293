"""Questions about types and shapes: NumPy answers them for arrays of these types and shapes, which it does not read."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.core.tracer import ARRAY, Tracer
from functad.numpy.dispatch import implements

__all__: list[str] = []


def stand_in(x: Any) -> Any:
    """What has the type and shape of a traced value, in containers too."""
    if type(x) is Tracer:
        zero = x.dtype.type(0)
        return np.broadcast_to(zero, x.shape) if x._kind == ARRAY else zero
    return type(x)([stand_in(v) for v in x]) if type(x) in (list, tuple) else x


def _asked(numpy_function: Any, what: str) -> Any:
    def ask(*args: Any, optimize: Any = "greedy", einsum_call: bool = False) -> Any:
        kwargs = {"optimize": optimize, "einsum_call": einsum_call} if numpy_function is np.einsum_path else {}
        return numpy_function(*stand_in(args), **kwargs)

    ask.__name__ = ask.__qualname__ = numpy_function.__name__
    ask.__doc__ = f"``numpy.{ask.__name__}``: {what}."
    return implements(numpy_function)(ask)


common_type = _asked(np.common_type, "the inexact dtype that is common to arrays")
einsum_path = _asked(np.einsum_path, "the order in which an einsum is best computed")
