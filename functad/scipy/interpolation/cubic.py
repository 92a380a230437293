"""Cubic interpolants of points: splines, PCHIP, Akima's, each by its slopes at the points."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.interpolate as sp

import functad.numpy as fnp
from functad.errors import ArgumentError, ShapeError
from functad.numpy.operands import shape_of
from functad.numpy.traced import here
from functad.scipy.interpolation.polynomials import beside, floats, interpolant, piecewise, points_and_values
from functad.scipy.linalg import solve_banded

__all__ = ["Akima1DInterpolator", "CubicHermiteSpline", "CubicSpline", "PchipInterpolator"]


def hermite(cls: Any, x: Any, y: Any, slopes: Any, extrapolate: Any, axis: int) -> Any:
    """The piecewise cubic polynomial with these values and slopes at points."""
    h = beside(x[1:] - x[:-1], y)
    slope = (y[1:] - y[:-1]) / h
    t = (slopes[:-1] + slopes[1:] - 2 * slope) / h
    c = fnp.stack([t / h, (slope - slopes[:-1]) / h - t, slopes[:-1], y[:-1]])
    return piecewise(cls, c, x, extrapolate, axis)


@interpolant(sp.CubicHermiteSpline)
def CubicHermiteSpline(x: Any, y: Any, dydx: Any, axis: int = 0, extrapolate: Any = None) -> Any:
    """``scipy.interpolate.CubicHermiteSpline``."""
    points, values, place = points_and_values(x, y, axis, "CubicHermiteSpline")
    slopes = fnp.moveaxis(floats(dydx, "CubicHermiteSpline"), place, 0)
    if shape_of(slopes) != shape_of(values):
        raise ShapeError(
            f"scipy.interpolate.CubicHermiteSpline{here()}: dydx must have the shape of y, got {shape_of(slopes)} and "
            f"{shape_of(values)}"
        )
    return hermite(sp.CubicHermiteSpline, points, values, slopes, extrapolate, place)


# -- splines: two continuous derivatives -------------------------------------------------------------------------------

Condition = tuple[int, Any]


@interpolant(sp.CubicSpline)
def CubicSpline(x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None) -> Any:
    """``scipy.interpolate.CubicSpline``."""
    points, values, place = points_and_values(x, y, axis, "CubicSpline")
    first, last = _conditions(bc_type)
    if extrapolate is None:
        extrapolate = "periodic" if first == "periodic" else True
    if first == "periodic":
        slopes = _periodic_slopes(points, values)
    else:
        slopes = _slopes(points, values, first, last)
    return hermite(sp.CubicSpline, points, values, slopes, extrapolate, place)


def _conditions(bc_type: Any) -> tuple[Any, Any]:
    """What holds at the ends: "not-a-knot", "periodic", or the order of a derivative and its value."""
    given = (bc_type, bc_type) if isinstance(bc_type, str) else tuple(bc_type)
    known = {"clamped": (1, 0.0), "natural": (2, 0.0), "not-a-knot": "not-a-knot", "periodic": "periodic"}
    found = [known.get(c, "") if isinstance(c, str) else tuple(c) for c in given]
    wrong = [c for c in found if not isinstance(c, str) and (len(c) != 2 or c[0] not in (1, 2))]
    if len(found) != 2 or "" in found or wrong or found.count("periodic") == 1:
        raise ArgumentError(
            f"scipy.interpolate.CubicSpline{here()}: bc_type must be 'not-a-knot', 'periodic', 'clamped', "
            "'natural', or two of "
            f"these or of (order, value) with order 1 or 2, got {bc_type!r}"
        )
    return found[0], found[1]


def _slopes(x: Any, y: Any, first: Any, last: Any) -> Any:
    """The slopes at which second derivatives are continuous: a tridiagonal system."""
    n = shape_of(x)[0]
    h = x[1:] - x[:-1]
    slope = (y[1:] - y[:-1]) / beside(h, y)
    if n == 2:
        first, last = ((1, slope[0]) if c == "not-a-knot" else c for c in (first, last))
    if n == 3 and first == last == "not-a-knot":
        return _parabola(h, slope)
    zero = fnp.zeros(1, x.dtype)
    inner = 2 * (h[:-1] + h[1:])
    right = 3 * (beside(h[1:], y) * slope[:-1] + beside(h[:-1], y) * slope[1:])
    head = _end(first, h, slope, y)
    tail = _end(last, h[::-1], slope[::-1], y, last=True)
    diagonal = fnp.concatenate([fnp.reshape(head[0], (1,)), inner, fnp.reshape(tail[0], (1,))])
    upper = fnp.concatenate([zero, fnp.reshape(head[1], (1,)), h[:-1]])
    lower = fnp.concatenate([h[1:], fnp.reshape(tail[1], (1,)), zero])
    sides = fnp.concatenate([head[2][None], right, tail[2][None]])
    flat = fnp.reshape(sides, (n, -1))
    return fnp.reshape(solve_banded((1, 1), fnp.stack([upper, diagonal, lower]), flat), shape_of(y))


def _end(condition: Any, h: Any, slope: Any, y: Any, last: bool = False) -> tuple[Any, Any, Any]:
    """The row of the system at an end: the coefficients of the slopes there and beside, and the right-hand side."""
    if condition == "not-a-knot":
        d = h[0] + h[1]
        return h[1], d, ((h[0] + 2 * d) * h[1] * slope[0] + h[0] ** 2 * slope[1]) / d
    order, value = condition
    value = fnp.broadcast_to(floats(value, "CubicSpline"), shape_of(y)[1:])
    one = fnp.ones((), h.dtype)
    if order == 1:
        return one, 0 * one, value
    sign = 1 if last else -1
    return 2 * h[0], h[0], 3 * h[0] * slope[0] + sign * 0.5 * h[0] ** 2 * value


def _parabola(h: Any, slope: Any) -> Any:
    """The slopes of the parabola through three points."""
    middle = (h[1] * slope[0] + h[0] * slope[1]) / (h[0] + h[1])
    return fnp.stack([2 * slope[0] - middle, middle, 2 * slope[1] - middle])


def _periodic_slopes(x: Any, y: Any) -> Any:
    """A cyclic system, in which the last unknown but the repeated one stands aside (Sherman and Morrison's formula)."""
    n = shape_of(x)[0]
    h = x[1:] - x[:-1]
    slope = (y[1:] - y[:-1]) / beside(h, y)
    if n == 2:
        return fnp.zeros_like(y)
    if n == 3:
        t = fnp.sum(slope / beside(h, y), axis=0) / fnp.sum(1 / h)
        return fnp.broadcast_to(t, shape_of(y))
    before = fnp.concatenate([h[-1:], h[:-1]])  # the distance to the point before each but the last
    slope_before = fnp.concatenate([slope[-1:], slope[:-1]])
    diagonal = 2 * (before + h)
    right = fnp.reshape(3 * (beside(before, y) * slope + beside(h, y) * slope_before), (n - 1, -1))
    zero = fnp.zeros(1, x.dtype)
    # row i: h_i s_{i-1} + diagonal_i s_i + before_i s_{i+1}
    bands = fnp.stack([
        fnp.concatenate([zero, before[: n - 3]]), diagonal[: n - 2], fnp.concatenate([h[1 : n - 2], zero]),
    ])  # fmt: skip
    aside = (
        fnp.concatenate([-h[:1], fnp.zeros(n - 4, x.dtype), -before[n - 3 : n - 2]])
        if n > 4
        else fnp.stack([-h[0], -before[1]])
    )
    solved = solve_banded((1, 1), bands, fnp.concatenate([right[:-1], aside[:, None]], axis=1))
    of_right, of_aside = solved[:, :-1], solved[:, -1]
    own = right[-1] - before[n - 2] * of_right[0] - h[n - 2] * of_right[-1]
    s_last = own / (diagonal[n - 2] + before[n - 2] * of_aside[0] + h[n - 2] * of_aside[-1])
    s = of_right + of_aside[:, None] * s_last
    return fnp.reshape(fnp.concatenate([s, s_last[None], s[:1]]), shape_of(y))


# -- PCHIP: no new extrema ---------------------------------------------------------------------------------------------


@interpolant(sp.PchipInterpolator)
def PchipInterpolator(x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> Any:
    """``scipy.interpolate.PchipInterpolator``."""
    points, values, place = points_and_values(x, y, axis, "PchipInterpolator")
    return hermite(sp.PchipInterpolator, points, values, _monotone_slopes(points, values), extrapolate, place)


def _monotone_slopes(x: Any, y: Any) -> Any:
    """Weighted harmonic means of the slopes beside a point, 0 where these have different signs."""
    h = beside(x[1:] - x[:-1], y)
    m = (y[1:] - y[:-1]) / h
    if shape_of(x)[0] == 2:
        return fnp.concatenate([m, m])
    flat = (fnp.sign(m[1:]) != fnp.sign(m[:-1])) | (m[1:] == 0) | (m[:-1] == 0)
    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    before, after = fnp.where(flat, 1, m[:-1]), fnp.where(flat, 1, m[1:])
    inner = fnp.where(flat, 0, (w1 + w2) / (w1 / before + w2 / after))
    return fnp.concatenate([_at_end(h[0], h[1], m[0], m[1])[None], inner, _at_end(h[-1], h[-2], m[-1], m[-2])[None]])


def _at_end(h0: Any, h1: Any, m0: Any, m1: Any) -> Any:
    """The slope of the parabola through three points, if that keeps the shape."""
    d = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    turned = fnp.sign(d) != fnp.sign(m0)
    steep = (fnp.sign(m0) != fnp.sign(m1)) & (fnp.abs(d) > 3 * fnp.abs(m0))
    return fnp.where(turned, 0, fnp.where(steep, 3 * m0, d))


# -- Akima's -----------------------------------------------------------------------------------------------------------


@interpolant(sp.Akima1DInterpolator)
def Akima1DInterpolator(x: Any, y: Any, axis: int = 0, *, method: str = "akima", extrapolate: Any = None) -> Any:
    """``scipy.interpolate.Akima1DInterpolator``."""
    if method not in ("akima", "makima"):
        raise ArgumentError(
            f"scipy.interpolate.Akima1DInterpolator{here()}: method must be 'akima' or 'makima', got {method!r}"
        )
    points, values, place = points_and_values(x, y, axis, "Akima1DInterpolator")
    slopes = _local_slopes(points, values, method == "makima")
    beyond = False if extrapolate is None else extrapolate
    return hermite(sp.Akima1DInterpolator, points, values, slopes, beyond, place)


def _local_slopes(x: Any, y: Any, modified: bool) -> Any:
    """Means of the slopes beside a point, weighted by how much those beyond change."""
    h = beside(x[1:] - x[:-1], y)
    inner = (y[1:] - y[:-1]) / h
    if shape_of(x)[0] == 2:
        return fnp.concatenate([inner, inner])
    low = 2 * inner[0] - inner[1]
    high = 2 * inner[-1] - inner[-2]
    ends = [2 * low - inner[0], low], [high, 2 * high - inner[-1]]
    m = fnp.concatenate([fnp.stack(ends[0]), inner, fnp.stack(ends[1])])
    change = fnp.abs(m[1:] - m[:-1])
    if modified:
        change = change + 0.5 * fnp.abs(m[1:] + m[:-1])
    after, before = change[2:], change[:-2]
    total = after + before
    counts = total > 1e-9 * fnp.max(total, initial=-np.inf)
    weighted = (after * m[1:-2] + before * m[2:-1]) / fnp.where(counts, total, 1)
    return fnp.where(counts, weighted, 0 if modified else 0.5 * (m[3:] + m[:-3]))
