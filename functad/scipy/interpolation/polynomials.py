"""Piecewise polynomials: how they are made with traced coefficients, and evaluated."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.interpolate as sp

import functad.numpy as fnp
from functad.core.trace import type_name
from functad.errors import ArgumentError, ShapeError
from functad.numpy.axes import normal_axis
from functad.numpy.dispatch import stands_for
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here, is_traced
from functad.primitives.selection import clip
from functad.primitives.sorting import search_sorted

__all__ = ["PPoly"]


def interpolant(cls: Any) -> Callable[[Callable[..., Any]], Any]:
    """Declare what makes an object of a class of SciPy's where an argument is traced."""

    def declare(f: Callable[..., Any]) -> Any:
        @stands_for(cls)
        @functools.wraps(f)
        def made(*args: Any, **kwargs: Any) -> Any:
            if is_traced(args) or is_traced(kwargs.values()):
                return f(*args, **kwargs)
            return cls(*args, **kwargs)

        return made

    return declare


@functools.cache
def traced_class(cls: type, methods: type) -> Any:
    """A class like one of SciPy's whose attributes may be traced, with methods that know of that."""
    return type(cls.__name__, (methods, cls), {"__module__": cls.__module__, "__doc__": cls.__doc__})


def piecewise(cls: type, c: Any, x: Any, extrapolate: Any, axis: int) -> Any:
    """A piecewise polynomial with these coefficients, ``c[k, i]`` that of ``(t - x[i])**(K - k - 1)`` in piece i."""
    made = object.__new__(traced_class(cls, Polynomial))
    made.c, made.x, made.axis = c, x, axis
    made.extrapolate = True if extrapolate is None else extrapolate
    return made


def floats(x: Any, name: str) -> Any:
    """An array of float64 or complex128, which takes traced indices."""
    y = as_array(x, name)
    return fnp.asarray(cast(y, np.dtype(np.complex128 if y.dtype.kind == "c" else np.float64)))


def points_and_values(x: Any, y: Any, axis: Any, name: str, least: int = 2) -> tuple[Any, Any, int]:
    """Points with one axis, and values whose axis 0 belongs to them."""
    points, values = floats(x, name), floats(y, name)
    if not shape_of(values):
        raise ShapeError(f"scipy.interpolate.{name}{here()}: y must have an axis")
    axis = normal_axis(operator.index(axis), len(shape_of(values)), name)
    n = shape_of(values)[axis]
    if points.dtype.kind == "c" or shape_of(points) != (n,) or n < least:
        raise ShapeError(
            f"scipy.interpolate.{name}{here()}: x must be real, with one axis of the length of y along axis "
            f"{axis}, at least "
            f"{least}; got shapes {shape_of(points)} and {shape_of(values)}"
        )
    return points, fnp.moveaxis(values, axis, 0), axis


def beside(x: Any, y: Any) -> Any:
    """A vector with as many further axes as y has, to be multiplied with its rows."""
    return fnp.reshape(x, (shape_of(x)[0], *[1] * (len(shape_of(y)) - 1)))


def piece_of(x: Any, at: Any, pieces: int) -> Any:
    """The number of the piece in which each argument lies; at a point, that to the right."""
    return clip(search_sorted(x, at, "right") - 1, 0, pieces - 1)


def order_of(nu: Any, name: str) -> int:
    """The order of a derivative, a plain integer."""
    try:
        order = operator.index(nu)
    except TypeError:
        order = -1
    if order < 0:
        raise ArgumentError(f"scipy.interpolate.{name}{here()}: nu must be an integer, at least 0, got {type_name(nu)}")
    return order


_evaluate = sp.PPoly.__call__


@stands_for(_evaluate)
def evaluate(p: Any, x: Any, nu: Any = 0, extrapolate: Any = None) -> Any:
    """A piecewise polynomial, or a derivative of it, at x."""
    if not isinstance(p, Polynomial) and not (isinstance(p, sp.PPoly) and is_traced((x,))):
        return _evaluate(p, x, nu, extrapolate)
    c, points = floats(p.c, "PPoly"), floats(p.x, "PPoly")
    return _value(c, points, x, order_of(nu, "PPoly"), p.extrapolate if extrapolate is None else extrapolate, p.axis)


def _value(c: Any, x: Any, at: Any, nu: int, extrapolate: Any, axis: int) -> Any:
    """By Horner's rule in the piece where each argument lies."""
    t = floats(at, "PPoly")
    order, pieces = shape_of(c)[:2]
    if extrapolate == "periodic":
        t = x[0] + (t - x[0]) % (x[-1] - x[0])
    i = piece_of(x, t, pieces)
    shape, rest = shape_of(t), shape_of(c)[2:]
    step = fnp.reshape(t - x[i], (*shape, *[1] * len(rest)))
    y: Any = None
    for k in range(order - nu):
        power = order - 1 - k
        term = c[k][i]
        factor = math.perm(power, nu)
        term = term if factor == 1 else term * factor
        y = term if y is None else y * step + term
    if y is None:
        y = fnp.zeros((*shape, *rest), result_dtype([c]))
    if not extrapolate:
        inside = fnp.reshape((t >= x[0]) & (t <= x[-1]), (*shape, *[1] * len(rest)))
        y = fnp.where(inside, y, y.dtype.type(np.nan))
    return fresh_array(moved(y, len(shape), axis))


def moved(y: Any, of_argument: int, axis: int) -> Any:
    """The axes of the argument, which are the first ones, where those of the points were."""
    ndim = len(shape_of(y))
    order = [*range(of_argument, of_argument + axis), *range(of_argument), *range(of_argument + axis, ndim)]
    return fnp.transpose(y, order)


@interpolant(sp.PPoly)
def PPoly(c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> Any:
    """``scipy.interpolate.PPoly``; the breakpoints ascend."""
    coefficients = floats(c, "PPoly")
    axis = normal_axis(axis, len(shape_of(coefficients)) - 1, "PPoly")
    if axis:
        coefficients = fnp.moveaxis(fnp.moveaxis(coefficients, axis + 1, 0), axis + 1, 0)
    if len(shape_of(coefficients)) < 2 or shape_of(x) != (shape_of(coefficients)[1] + 1,):
        raise ShapeError(
            f"scipy.interpolate.PPoly{here()}: x must have one element more than there are pieces, got shapes "
            f"{shape_of(c)} "
            f"and {shape_of(x)}"
        )
    return piecewise(sp.PPoly, coefficients, floats(x, "PPoly"), extrapolate, axis)


_derivative, _antiderivative, _integrate = sp.PPoly.derivative, sp.PPoly.antiderivative, sp.PPoly.integrate


@stands_for(_derivative)
def derivative(p: Any, nu: int = 1) -> Any:
    """A piecewise polynomial that is the derivative."""
    if not isinstance(p, Polynomial):
        return _derivative(p, nu)
    order = shape_of(p.c)[0]
    if nu < 0:
        return antiderivative(p, -nu)
    factors = np.array([math.perm(order - 1 - k, nu) for k in range(order - nu)], float)
    c = p.c[: order - nu] * beside(factors, p.c) if nu < order else fnp.zeros_like(p.c[:1])
    return piecewise(sp.PPoly, c, p.x, p.extrapolate, p.axis)


@stands_for(_antiderivative)
def antiderivative(p: Any, nu: int = 1) -> Any:
    """A piecewise polynomial that is the integral from the first point on."""
    if not isinstance(p, Polynomial):
        return _antiderivative(p, nu)
    c = p.c
    for _ in range(nu):
        order = shape_of(c)[0]
        factors = np.array([1 / (order - k) for k in range(order)])
        above = c * beside(factors, c)
        width = fnp.reshape(p.x[1:] - p.x[:-1], (-1, *[1] * (len(shape_of(c)) - 2)))
        total: Any = 0
        for k in range(order):
            total = (total + above[k]) * width
        start = fnp.concatenate([fnp.zeros_like(total[:1]), fnp.cumsum(total, axis=0)[:-1]])
        c = fnp.concatenate([above, start[None]])
    extrapolate = False if p.extrapolate == "periodic" else p.extrapolate
    return piecewise(sp.PPoly, c, p.x, extrapolate, p.axis)


@stands_for(_integrate)
def integrate(p: Any, a: Any, b: Any, extrapolate: Any = None) -> Any:
    """The integral of a piecewise polynomial from a to b."""
    if not isinstance(p, Polynomial) and not is_traced((a, b)):
        return _integrate(p, a, b, extrapolate)
    beyond = p.extrapolate if extrapolate is None else extrapolate
    if beyond == "periodic":
        raise ArgumentError(
            f"scipy.interpolate.PPoly.integrate{here()}: traced values are integrated within one period; give "
            "extrapolate=False"
        )
    sums = antiderivative(piecewise(sp.PPoly, p.c, p.x, beyond, p.axis))
    return evaluate(sums, b, extrapolate=beyond) - evaluate(sums, a, extrapolate=beyond)


class Polynomial:
    """What SciPy's piecewise polynomials do, where coefficients or points are traced."""

    c: Any = None
    x: Any = None
    extrapolate: Any
    axis: int

    def __call__(self, x: Any, nu: Any = 0, extrapolate: Any = None) -> Any:
        return evaluate(self, x, nu, extrapolate)

    def derivative(self, nu: int = 1) -> Any:
        return derivative(self, nu)

    def antiderivative(self, nu: int = 1) -> Any:
        return antiderivative(self, nu)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        return integrate(self, a, b, extrapolate)
