"""``numpy.r_`` and ``numpy.c_`` with traced values among the parts."""

from __future__ import annotations

from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.errors import ArgumentError
from functad.numpy.dispatch import stands_for
from functad.numpy.operands import as_array, cast, fresh_array, operand, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here, is_traced
from functad.primitives.shapes import reshape, transpose

__all__: list[str] = []

_numpy = type(np.r_).__getitem__


@stands_for(_numpy)
def item(x: Any, key: Any) -> Any:
    """``np.r_[key]`` or ``np.c_[key]``."""
    parts = key if isinstance(key, tuple) else (key,)
    bounds = [b for p in parts if isinstance(p, slice) for b in (p.start, p.stop, p.step)]
    if not is_traced([*parts, *bounds]):
        return _numpy(x, key)
    axis, ndmin, trans1d = x.axis, x.ndmin, x.trans1d
    if isinstance(parts[0], str):
        axis, ndmin, trans1d = _directive(parts[0], axis, ndmin, trans1d)
        parts = parts[1:]
    arrays = [_part(p) for p in parts]
    dtype = result_dtype(arrays)
    return fresh_array(fnp.concatenate([_shaped(cast(a, dtype), ndmin, trans1d) for a in arrays], axis))


def _directive(text: str, axis: int, ndmin: int, trans1d: int) -> tuple[int, int, int]:
    try:
        given = [int(n) for n in text.split(",")]
    except ValueError:
        raise ArgumentError(
            f"np.r_{here()}: a directive is one to three integers, got {text!r}; there are no matrices of traced values"
        ) from None
    axis, ndmin, trans1d = [*given, *(axis, ndmin, trans1d)[len(given) :]]
    return axis, ndmin, trans1d


def _part(p: Any) -> Any:
    if not isinstance(p, slice):
        return operand(p, "r_")
    start, step = 0 if p.start is None else p.start, 1 if p.step is None else p.step
    if isinstance(step, complex):
        return fnp.linspace(start, p.stop, int(abs(step)))
    return fnp.arange(start, p.stop, step)


def _shaped(x: Any, ndmin: int, trans1d: int) -> Any:
    """With at least so many axes; ``trans1d`` is where those that it has are put."""
    x = as_array(x, "r_")
    ndim = len(shape_of(x))
    if ndim >= ndmin:
        return x
    more = ndmin - ndim
    y = reshape(x, (*[1] * more, *shape_of(x)))
    if trans1d == -1:
        return y
    first = trans1d + more + 1 if trans1d < 0 else trans1d
    axes = list(range(ndmin))
    return transpose(y, axes[:first] + axes[more:] + axes[first:more])


class _Concatenator:
    """``r_`` or ``c_``."""

    def __init__(self, numpy_object: Any) -> None:
        self._of = numpy_object

    def __getitem__(self, key: Any) -> Any:
        return item(self._of, key)


r_, c_ = _Concatenator(np.r_), _Concatenator(np.c_)
