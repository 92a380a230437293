"""Piecewise linear interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.core.tracer import Tracer
from functad.errors import ArgumentError, ShapeError
from functad.numpy.dispatch import implements
from functad.numpy.operands import as_array, cast, fresh, shape_of
from functad.numpy.traced import here
from functad.primitives.selection import clip
from functad.primitives.sorting import search_sorted

__all__: list[str] = []

FLOAT64, COMPLEX128 = np.dtype(np.float64), np.dtype(np.complex128)


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """``numpy.interp``: the values at x of the function that is linear between points ``(xp, fp)`` with ascending xp.

    At a point, the derivative is that to the right of it.
    """
    values = as_array(fp, "interp")
    points, at = cast(as_array(xp, "interp"), FLOAT64), cast(as_array(x, "interp"), FLOAT64)
    values = cast(values, COMPLEX128 if values.dtype.kind == "c" else FLOAT64)
    if len(shape_of(points)) != 1 or shape_of(points) != shape_of(values) or not shape_of(points)[0]:
        raise ShapeError(
            f"np.interp{here()}: xp and fp must have one axis, of one length that is not 0, got shapes "
            f"{shape_of(points)} and {shape_of(values)}"
        )
    if period is not None:
        at, points, values = _periodic(at, points, values, period)
        left = right = None
    low, high = (
        values[k] if v is None else cast(as_array(v, "interp"), values.dtype) for k, v in ((0, left), (-1, right))
    )
    if shape_of(points)[0] == 1:
        inside = values[0]
    else:
        inside = _between(at, points, values)
    y = fnp.where(at < points[0], low, fnp.where(at > points[-1], high, inside))
    return fresh(y)


def _periodic(at: Any, points: Any, values: Any, period: Any) -> tuple[Any, Any, Any]:
    """All points within one period, in order, and one more at both ends."""
    if type(period) is not Tracer and period == 0:
        raise ArgumentError(f"np.interp{here()}: period must not be 0")
    period = fnp.abs(period)
    at, points = at % period, points % period
    order = fnp.argsort(points)
    points, values = points[order], values[order]
    points = fnp.concatenate([points[-1:] - period, points, points[:1] + period])
    return at, points, fnp.concatenate([values[-1:], values, values[:1]])


def _between(at: Any, points: Any, values: Any) -> Any:
    """On the line to the right of the last point that is not greater; from the other end where that is NaN."""
    j = clip(search_sorted(points, at, "right") - 1, 0, shape_of(points)[0] - 2)
    x0, x1, y0, y1 = points[j], points[j + 1], values[j], values[j + 1]
    slope = (y1 - y0) / (x1 - x0)
    y = slope * (at - x0) + y0
    infinite = ~fnp.isfinite(slope)
    ends = fnp.where(at == x1, y1, fnp.where((at == x0) | (y0 == y1), y0, y))
    return fnp.where(fnp.isnan(at), values.dtype.type(np.nan), fnp.where(infinite, ends, y))
