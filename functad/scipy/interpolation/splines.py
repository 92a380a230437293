"""B-splines: evaluation, derivatives, and the spline through points."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import scipy.interpolate as sp

import functad.numpy as fnp
from functad.errors import ArgumentError, ShapeError
from functad.numpy.axes import normal_axis
from functad.numpy.dispatch import stands_for
from functad.numpy.operands import cast, fresh_array, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here, is_traced
from functad.numpy.updates import at
from functad.primitives.selection import clip
from functad.primitives.sorting import search_sorted
from functad.scipy.interpolation.polynomials import (
    beside,
    floats,
    interpolant,
    moved,
    order_of,
    points_and_values,
    traced_class,
)
from functad.scipy.linalg import solve_banded
from functad.scipy.routines import routine

__all__ = ["BSpline", "make_interp_spline"]


def spline(t: Any, c: Any, k: int, extrapolate: Any, axis: int) -> Any:
    """A spline of degree k with these knots and coefficients, which may be traced."""
    made = object.__new__(traced_class(sp.BSpline, Spline))
    made.t, made.c, made.k, made.extrapolate, made.axis = t, c, k, extrapolate, axis
    return made


class Spline:
    """What SciPy's splines do, where coefficients or knots are traced."""

    t: Any = None
    c: Any = None
    k: int
    extrapolate: Any
    axis: int

    def __call__(self, x: Any, nu: Any = 0, extrapolate: Any = None) -> Any:
        return evaluate(self, x, nu, extrapolate)

    def derivative(self, nu: int = 1) -> Any:
        return derivative(self, nu)


@interpolant(sp.BSpline)
def BSpline(t: Any, c: Any, k: int, extrapolate: Any = True, axis: int = 0) -> Any:
    """``scipy.interpolate.BSpline``."""
    knots, coefficients, degree = floats(t, "BSpline"), floats(c, "BSpline"), operator.index(k)
    axis = normal_axis(axis, len(shape_of(coefficients)), "BSpline")
    coefficients = fnp.moveaxis(coefficients, axis, 0)
    n = shape_of(knots)[0] - degree - 1
    if degree < 0 or len(shape_of(knots)) != 1 or n < degree + 1 or shape_of(coefficients)[0] < n:
        raise ShapeError(
            f"scipy.interpolate.BSpline{here()}: {degree + 1} or more coefficients, and as many knots and "
            f"{degree + 1} more, "
            f"make a spline of degree {degree}; got shapes {shape_of(coefficients)} and {shape_of(knots)}"
        )
    beyond = extrapolate if extrapolate == "periodic" else bool(extrapolate)
    return spline(knots, coefficients[:n], degree, beyond, axis)


_evaluate, _derivative = sp.BSpline.__call__, sp.BSpline.derivative


@stands_for(_evaluate)
def evaluate(s: Any, x: Any, nu: Any = 0, extrapolate: Any = None) -> Any:
    """A spline, or a derivative of it, at x."""
    if not isinstance(s, Spline) and not is_traced((x,)):
        return _evaluate(s, x, nu, extrapolate)
    beyond = s.extrapolate if extrapolate is None else extrapolate
    order, knots, degree = order_of(nu, "BSpline"), floats(s.t, "BSpline"), s.k
    n = shape_of(knots)[0] - degree - 1
    points, low, high = floats(x, "BSpline"), knots[degree], knots[n]
    shape = shape_of(points)
    if beyond == "periodic":
        points = low + (points - low) % (high - low)
    flat = fnp.reshape(points, (-1,))
    y = _value(knots, floats(s.c, "BSpline")[:n], degree, flat, min(order, degree + 1))
    y = fnp.reshape(y, (*shape, *shape_of(y)[1:]))
    if not beyond:
        inside = fnp.reshape((points >= low) & (points <= high), (*shape, *[1] * (len(shape_of(y)) - len(shape))))
        y = fnp.where(inside, y, y.dtype.type(np.nan))
    return fresh_array(moved(y, len(shape), s.axis))


def _value(t: Any, c: Any, degree: int, x: Any, nu: int) -> Any:
    """By the functions that are not zero where each argument lies; coefficients of derivatives are differences."""
    interval = interval_of(t, degree, x)
    if nu > degree:
        return fnp.zeros((*shape_of(x), *shape_of(c)[1:]), c.dtype)
    for k in range(degree, degree - nu, -1):
        t, c = lowered(t, c, k)
        interval = interval - 1
    degree -= nu
    weights = bases(t, degree, x, interval)
    y: Any = None
    for j, weight in enumerate(weights):
        own = c[interval - degree + j]
        term = own * beside(weight, own)
        y = term if y is None else y + term
    return y


def interval_of(t: Any, degree: int, x: Any) -> Any:
    """The number of the last knot that is not to the right of x, of those between which the spline is."""
    return clip(search_sorted(t, x, "right") - 1, degree, shape_of(t)[0] - degree - 2)


def lowered(t: Any, c: Any, k: int) -> tuple[Any, Any]:
    """Knots and coefficients of the derivative of a spline of degree k."""
    width = t[k + 1 : -1] - t[1 : shape_of(t)[0] - k - 1]
    apart = width > 0
    inverse = fnp.where(apart, k / fnp.where(apart, width, 1), 0)
    return t[1:-1], (c[1:] - c[:-1]) * beside(inverse, c)


def bases(t: Any, degree: int, x: Any, interval: Any) -> list[Any]:
    """The functions that are not zero in an interval, at x: de Boor's and Cox's recursion."""
    found = [fnp.ones_like(x)]
    for k in range(1, degree + 1):
        total = [fnp.zeros_like(x)] * (k + 1)
        for j, b in enumerate(found):
            left, right = t[interval - k + 1 + j], t[interval + 1 + j]
            width = right - left
            apart = width > 0
            part = fnp.where(apart, b / fnp.where(apart, width, 1), 0)
            total[j] = total[j] + part * (right - x)
            total[j + 1] = total[j + 1] + part * (x - left)
        found = total
    return found


@stands_for(_derivative)
def derivative(s: Any, nu: int = 1) -> Any:
    """A spline that is the derivative."""
    if not isinstance(s, Spline):
        return _derivative(s, nu)
    t, c, k = s.t, s.c, s.k
    for _ in range(nu):
        if k == 0:
            raise ArgumentError(
                f"scipy.interpolate.BSpline{here()}: derivative {nu} of a spline of degree {s.k} is zero"
            )
        t, c = lowered(t, c, k)
        k -= 1
    return spline(t, c, k, s.extrapolate, s.axis)


# -- the spline through points -----------------------------------------------------------------------------------------


@routine(sp.make_interp_spline)
def make_interp_spline(x: Any, y: Any, k: int = 3, t: Any = None, bc_type: Any = None, axis: int = 0) -> Any:
    """``scipy.interpolate.make_interp_spline``: a banded system for the coefficients."""
    points, values, place = points_and_values(x, y, axis, "make_interp_spline", least=1)
    degree, n = operator.index(k), shape_of(points)[0]
    first, last = _conditions(bc_type, degree)
    if degree == 0:
        return spline(fnp.concatenate([points, points[-1:]]), values, 0, True, place)
    more = len(first) + len(last)
    knots = _knots(points, degree, n, first, last) if t is None else floats(t, "make_interp_spline")
    size = shape_of(knots)[0] - degree - 1
    if size != n + more or n < 1:
        raise ShapeError(
            f"scipy.interpolate.make_interp_spline{here()}: {n} points and {more} conditions at the ends do not "
            "determine the "
            f"{size} coefficients of a spline of degree {degree} with {shape_of(knots)[0]} knots"
        )
    at_points = [(points, 0, fnp.reshape(values, (n, -1)), len(first))]
    ends = [
        (
            points[:1] if row < len(first) else points[-1:],
            order,
            _right_side(value, values),
            row if row < len(first) else n + row,
        )
        for row, (order, value) in enumerate([*first, *last])
    ]
    bands, right = _system(knots, degree, size, [*at_points, *ends])
    c = solve_banded((degree, degree), bands, right)
    return spline(knots, fnp.reshape(c, (size, *shape_of(values)[1:])), degree, True, place)


def _right_side(value: Any, values: Any) -> Any:
    wide = fnp.broadcast_to(floats(value, "make_interp_spline"), shape_of(values)[1:])
    return fnp.reshape(wide, (1, -1))


def _conditions(bc_type: Any, degree: int) -> tuple[list[Any], list[Any]]:
    """The derivatives that are given at both ends."""
    named = {"not-a-knot": [], None: [], "clamped": [(1, 0.0)], "natural": [(2, 0.0)]}
    given = (bc_type, bc_type) if bc_type is None or isinstance(bc_type, str) else tuple(bc_type)
    try:
        first, last = [named[c] if c is None or isinstance(c, str) else [tuple(pair) for pair in c] for c in given]
    except (KeyError, TypeError, ValueError):
        raise ArgumentError(
            f"scipy.interpolate.make_interp_spline{here()}: bc_type of traced values must be None, 'not-a-knot', "
            "'clamped', "
            f"'natural', or two of these or of lists of (order, value), got {bc_type!r}"
        ) from None
    return first, last


def _knots(x: Any, k: int, n: int, first: list[Any], last: list[Any]) -> Any:
    """Those that SciPy chooses: all points, without those beside the ends that are not needed; or between points."""
    ends = fnp.repeat(x[:1], k + 1), fnp.repeat(x[-1:], k + 1)
    if k == 1 or first or last:
        free = n + len(first) + len(last) - k - 1
        skipped = n - 2 - free
        if skipped == 0:
            return fnp.concatenate([ends[0], x[1:-1], ends[1]])
        if (bool(first) == bool(last) and skipped) or skipped < 0:
            raise ArgumentError(
                f"scipy.interpolate.make_interp_spline{here()}: give the knots t= for these conditions at the ends"
            )
        inner = x[1 + skipped : -1] if not first else x[1 : n - 1 - skipped]
        return fnp.concatenate([ends[0], inner, ends[1]])
    if k % 2:
        half = (k + 1) // 2
        return fnp.concatenate([ends[0], x[half:-half], ends[1]])
    half = k // 2
    middle = (x[1:] + x[:-1]) / 2
    return fnp.concatenate([ends[0], middle[half:-half], ends[1]])


def _system(t: Any, degree: int, size: int, rows: list[Any]) -> tuple[Any, Any]:
    """The bands of the matrix of all conditions, and the right-hand side."""
    dtype = result_dtype([r[2] for r in rows])
    bands = fnp.zeros((2 * degree + 1, size), t.dtype)
    right = fnp.zeros((size, shape_of(rows[0][2])[1]), dtype)
    for x, nu, value, start in rows:
        interval = interval_of(t, degree, x)
        count = shape_of(x)[0]
        number = start + np.arange(count)
        for j, weight in enumerate(_bases_of_derivative(t, degree, x, interval, nu)):
            column = interval - degree + j
            bands = at(bands)[degree + number - column, column].add(weight)
        right = fnp.concatenate([right[:start], cast(value, dtype), right[start + count :]])
    return bands, right


def _bases_of_derivative(t: Any, degree: int, x: Any, interval: Any, nu: int) -> list[Any]:
    """The derivatives of the functions that are not zero in an interval."""
    found = bases(t, degree - nu, x, interval) if nu <= degree else [fnp.zeros_like(x)] * (degree + 1)
    for k in range(max(degree - nu, 0) + 1, degree + 1):
        total = [fnp.zeros_like(x)] * (k + 1)
        for j, b in enumerate(found):
            width = t[interval + 1 + j] - t[interval - k + 1 + j]
            apart = width > 0
            part = fnp.where(apart, k * b / fnp.where(apart, width, 1), 0)
            total[j], total[j + 1] = total[j] - part, total[j + 1] + part
        found = total
    return found
