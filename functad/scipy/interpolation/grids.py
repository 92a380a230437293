"""Interpolation in tables over regular grids, and between points on a line."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import scipy.interpolate as sp

import functad.numpy as fnp
from functad.errors import ArgumentError, ShapeError
from functad.numpy.dispatch import stands_for
from functad.numpy.operands import as_array, fresh_array, shape_of
from functad.numpy.traced import here, is_traced
from functad.primitives.check import Failure, check
from functad.scipy.interpolation.polynomials import floats, interpolant, piece_of, traced_class
from functad.scipy.routines import routine

__all__ = ["RegularGridInterpolator", "interpn"]


@interpolant(sp.RegularGridInterpolator)
def RegularGridInterpolator(
    points: Any, values: Any, method: str = "linear", bounds_error: bool = True, fill_value: Any = np.nan, **more: Any
) -> Any:
    """``scipy.interpolate.RegularGridInterpolator`` by the methods "linear" and "nearest"; the grid ascends."""
    _check_method(method)
    grid = tuple([floats(p, "RegularGridInterpolator") for p in points])
    table = floats(values, "RegularGridInterpolator")
    lengths = [shape_of(p) for p in grid]
    if len(shape_of(table)) < len(grid) or lengths != [(n,) for n in shape_of(table)[: len(grid)]]:
        raise ShapeError(
            f"scipy.interpolate.RegularGridInterpolator{here()}: points must have the lengths of the first "
            f"{len(grid)} axes of "
            f"values, got shapes {lengths} and {shape_of(table)}"
        )
    made = object.__new__(traced_class(sp.RegularGridInterpolator, Table))
    made.grid, made.values, made.method = grid, table, method
    made.bounds_error, made.fill_value = bounds_error, fill_value
    return made


class Table:
    """What SciPy's tables do, where values or the grid are traced."""

    grid: Any = None
    values: Any = None

    def __call__(self, xi: Any, method: Any = None, *, nu: Any = None) -> Any:
        return evaluate(self, xi, method, nu=nu)


def _check_method(method: str) -> None:
    if method not in ("linear", "nearest"):
        raise ArgumentError(
            f"scipy.interpolate.RegularGridInterpolator{here()}: of traced values the method is 'linear' or "
            "'nearest', got "
            f"{method!r}; CubicSpline along one axis after the other makes 'cubic'"
        )


_evaluate = sp.RegularGridInterpolator.__call__


@stands_for(_evaluate)
def evaluate(f: Any, xi: Any, method: Any = None, *, nu: Any = None) -> Any:
    """The value at points, of which the last axis holds the coordinates, or which is a tuple of them."""
    if not isinstance(f, Table) and not is_traced(xi if isinstance(xi, tuple) else (xi,)):
        return _evaluate(f, xi, method, nu=nu)
    if nu is not None:
        raise ArgumentError(f"scipy.interpolate.RegularGridInterpolator{here()}: traced values take no nu=")
    way = f.method if method is None else method
    _check_method(way)
    grid = [floats(p, "RegularGridInterpolator") for p in f.grid]
    values = floats(f.values, "RegularGridInterpolator")
    x = _coordinates(xi, len(grid))
    columns = [x[..., k] for k in range(len(grid))]
    inside = [(c >= g[0]) & (c <= g[-1]) for c, g in zip(columns, grid, strict=True)]
    if f.bounds_error:
        for k, (ok, c) in enumerate(zip(inside, columns, strict=True)):
            check(fnp.all(ok | fnp.isnan(c)), OUTSIDE, np.int64(k))
    y = _nearest(grid, values, columns) if way == "nearest" else _linear(grid, values, columns)
    rest = len(shape_of(y)) - len(shape_of(columns[0]))

    def widened(mask: Any) -> Any:
        return fnp.reshape(mask, (*shape_of(mask), *[1] * rest))

    if not f.bounds_error and f.fill_value is not None:
        everywhere = inside[0]
        for ok in inside[1:]:
            everywhere = everywhere & ok
        y = fnp.where(widened(everywhere), y, y.dtype.type(f.fill_value))
    missing = fnp.isnan(columns[0])
    for c in columns[1:]:
        missing = missing | fnp.isnan(c)
    return fresh_array(fnp.where(widened(missing), y.dtype.type(np.nan), y))


def _outside(k: Any) -> ValueError:
    return ValueError(f"One of the requested xi is out of bounds in dimension {int(k)}")


OUTSIDE = Failure(_outside)


def _coordinates(xi: Any, count: int) -> Any:
    if isinstance(xi, tuple):
        parts = fnp.broadcast_arrays(*[floats(p, "RegularGridInterpolator") for p in xi])
        x = fnp.stack(list(parts), axis=-1)
    else:
        x = floats(as_array(xi, "RegularGridInterpolator"), "RegularGridInterpolator")
        if len(shape_of(x)) == 1 and shape_of(x)[0] % count == 0:
            x = fnp.reshape(x, (-1, count))
    if not shape_of(x) or shape_of(x)[-1] != count:
        raise ShapeError(
            f"scipy.interpolate.RegularGridInterpolator{here()}: the last axis of xi must hold {count} "
            "coordinates, got shape "
            f"{shape_of(x)}"
        )
    return x


def _places(grid: list[Any], columns: list[Any]) -> tuple[list[Any], list[Any]]:
    """The cell in which a point lies, and where in it."""
    cells = [piece_of(g, c, max(shape_of(g)[0] - 1, 1)) for g, c in zip(grid, columns, strict=True)]
    parts = []
    for g, c, i in zip(grid, columns, cells, strict=True):
        parts.append((c - g[i]) / (g[i + 1] - g[i]) if shape_of(g)[0] > 1 else fnp.zeros_like(c))
    return cells, parts


def _linear(grid: list[Any], values: Any, columns: list[Any]) -> Any:
    cells, parts = _places(grid, columns)
    rest = len(shape_of(values)) - len(grid)
    total: Any = None
    for corner in itertools.product((0, 1), repeat=len(grid)):
        if any([c and shape_of(g)[0] == 1 for c, g in zip(corner, grid, strict=True)]):
            continue
        weight: Any = 1.0
        for c, part in zip(corner, parts, strict=True):
            weight = weight * (part if c else 1 - part)
        term = values[tuple([i + c for i, c in zip(cells, corner, strict=True)])]
        term = term * fnp.reshape(weight, (*shape_of(weight), *[1] * rest))
        total = term if total is None else total + term
    return total


def _nearest(grid: list[Any], values: Any, columns: list[Any]) -> Any:
    cells, parts = _places(grid, columns)
    return values[tuple([fnp.where(part <= 0.5, i, i + 1) for i, part in zip(cells, parts, strict=True)])]


@routine(sp.interpn)
def interpn(
    points: Any, values: Any, xi: Any, method: str = "linear", bounds_error: bool = True, fill_value: Any = np.nan
) -> Any:
    """``scipy.interpolate.interpn`` by the methods "linear" and "nearest"."""
    table = RegularGridInterpolator(points, values, method, bounds_error, fill_value)
    return evaluate(table, xi)
