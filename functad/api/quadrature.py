"""``scipy.integrate``'s ``quad`` of an integrand that depends on traced values, and ``cumulative_simpson``.

The other rules for samples (``trapezoid``, ``simpson``, ``cumulative_trapezoid``, ``romb``) and ``fixed_quad`` are
SciPy's own, traced as they stand.

>>> import functad as fd, numpy as np
>>> from scipy.integrate import quad
>>> fd.grad(lambda a: quad(lambda x: np.exp(-a * x**2), 0.0, np.inf)[0])(1.0)   # sqrt(pi / a) / 2
np.float64(-0.443113462...)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.integrate as sp

import functad.numpy as fnp
from functad.api.solvers import OF_INTEGRATE, refuse_solvers
from functad.api.vectorize import vmap
from functad.errors import ArgumentError, UnsupportedError
from functad.front.calls import twin
from functad.lax.loops import fori_loop, while_loop
from functad.lax.stops import stop_gradient
from functad.numpy.axes import normal_axis
from functad.numpy.dispatch import stands_for
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.traced import here, is_traced
from functad.numpy.updates import at
from functad.scipy.routines import routine

__all__ = ["cumulative_simpson", "quad"]

# The nodes of Kronrod's rule for 21 points, of which every second one is a node of Gauss's for 10, and the weights of
# both (R. Piessens et al., "QUADPACK", 1983).
_NODES = np.array([
    0.9956571630258081, 0.9739065285171717, 0.9301574913557082, 0.8650633666889845, 0.7808177265864169,
    0.6794095682990244, 0.5627571346686047, 0.4333953941292472, 0.2943928627014602, 0.1488743389816312, 0.0,
])  # fmt: skip
_KRONROD = np.array([
    0.011694638867371874, 0.032558162307964725, 0.054755896574351995, 0.07503967481091996, 0.0931254545836976,
    0.10938715880229764, 0.12349197626206584, 0.13470921731147334, 0.14277593857706009, 0.1477391049013385,
    0.1494455540029169,
])  # fmt: skip
_GAUSS = np.array([
    0.0, 0.06667134430868814, 0.0, 0.1494513491505806, 0.0, 0.21908636251598204, 0.0, 0.26926671930999635, 0.0,
    0.29552422471475287, 0.0,
])  # fmt: skip

NODES = np.concatenate([-_NODES, _NODES[-2::-1]])
KRONROD, GAUSS = (np.concatenate([w, w[-2::-1]]) for w in (_KRONROD, _GAUSS))
EPS, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)

Integrand = Callable[[Any], Any]

refuse_solvers(sp, OF_INTEGRATE)


@stands_for(sp.quad)
def quad(
    func: Any, a: Any, b: Any, args: Any = (), full_output: Any = 0, epsabs: float = 1.49e-8, epsrel: float = 1.49e-8,
    limit: int = 50, points: Any = None, weight: Any = None, wvar: Any = None, wopts: Any = None, maxp1: int = 50,
    limlst: int = 50, complex_func: bool = False,
) -> Any:  # fmt: skip
    """``scipy.integrate.quad``: Gauss's and Kronrod's rules, on the halves of the interval with the largest error until
    the sum of the errors is small enough, or there are ``limit`` intervals.

    The intervals are found by values alone; the derivative is that of the sum over them: with respect to parameters,
    the integral of the integrand's derivative by the same rule; with respect to limits, Leibniz's.
    """
    args = args if isinstance(args, tuple) else (args,)
    f = twin(func)
    if not is_traced((a, b, *args)) and not is_traced((f(_inside(a, b), *args),)):
        return sp.quad(
            func, a, b, args, full_output, epsabs, epsrel, limit, points, weight, wvar, wopts, maxp1, limlst,
            complex_func,
        )  # fmt: skip
    given = {"full_output": full_output, "points": points, "weight": weight}
    for name, value in given.items():
        if value:
            raise UnsupportedError(
                f"scipy.integrate.quad{here()}: the argument {name}= is not available for traced values"
            )
    if limit < 1 or (epsabs <= 0 and epsrel < 50 * EPS):
        raise ArgumentError(
            f"scipy.integrate.quad{here()}: limit must be at least 1, and epsabs positive or epsrel at least 50 "
            "roundings, got "
            f"limit={limit}, epsabs={epsabs}, epsrel={epsrel}"
        )
    on_unit, sign = _on_unit_interval(lambda x: f(x, *args), a, b)
    if sign == 0:
        return fresh_array(0.0 * sum([x for x in (a, b) if is_traced((x,))], 0.0)), np.float64(0)
    count, low, high, error = _intervals(on_unit, epsabs, epsrel, limit)

    def added(i: Any, total: Any) -> Any:
        values, half = _at_nodes(on_unit, low[i], high[i])
        return total + fnp.sum(values * KRONROD) * half

    start = fnp.zeros((), np.complex128 if complex_func else np.float64)
    return sign * fori_loop(0, count, added, start), error


def _inside(a: Any, b: Any) -> float:
    """A point between the limits."""
    low, high = (float(np.clip(x, -1e3, 1e3)) for x in (a, b))
    return 0.5 * (low + high)


def _is_infinite(x: Any) -> bool:
    return not is_traced((x,)) and bool(np.isinf(x))


def _on_unit_interval(f: Integrand, a: Any, b: Any) -> tuple[Integrand, float]:
    """The integrand, times the derivative of what maps 0 .. 1 to where it lives; and the sign of the integral."""
    far_a, far_b = _is_infinite(a), _is_infinite(b)
    if not far_a and not far_b:
        return lambda u: f(a + (b - a) * u) * (b - a), 1.0
    if far_a and far_b:
        if a == b:
            return f, 0.0

        def both(t: Any) -> Any:
            x = (1 - t) / t
            return (f(x) + f(-x)) / (t * t)

        return both, float(np.sign(b))
    end, direction = (a, float(np.sign(b))) if far_b else (b, float(np.sign(a)))

    def one(t: Any) -> Any:
        return f(end + direction * ((1 - t) / t)) / (t * t)

    return one, direction if far_b else -direction


def _at_nodes(f: Integrand, low: Any, high: Any) -> tuple[Any, Any]:
    """The integrand at the nodes in an interval, and half the interval's length."""
    centre, half = 0.5 * (low + high), 0.5 * (high - low)
    return vmap(f)(centre + half * NODES), half


def _rule(f: Integrand, low: Any, high: Any) -> tuple[Any, Any]:
    """The integral over an interval, and QUADPACK's estimate of its error."""
    values, half = _at_nodes(f, low, high)
    values = stop_gradient(values)
    total = fnp.sum(values * KRONROD)
    difference = fnp.abs(total - fnp.sum(values * GAUSS)) * half
    spread = fnp.sum(fnp.abs(values - 0.5 * total) * KRONROD) * half
    size = fnp.sum(fnp.abs(values) * KRONROD) * half
    some = (spread > 0) & (difference > 0)
    ratio = fnp.where(some, 200 * difference / fnp.where(some, spread, 1), 1)
    error = fnp.where(some, spread * fnp.minimum(1, ratio**1.5), difference)
    error = fnp.where(size > TINY / (50 * EPS), fnp.maximum(50 * EPS * size, error), error)
    return total * half, error


def _intervals(f: Integrand, epsabs: float, epsrel: float, limit: int) -> tuple[Any, Any, Any, Any]:
    """How many intervals there are, their ends, and the sum of their errors."""
    first, first_error = _rule(f, 0.0, 1.0)
    ends = at(np.zeros(limit))[0].set(0.0), at(np.zeros(limit))[0].set(1.0)
    values = at(fnp.zeros(limit, first.dtype))[0].set(first)
    errors = at(fnp.zeros(limit))[0].set(first_error)

    def unfinished(state: Any) -> Any:
        count, _, _, values, errors = state
        tolerance = fnp.maximum(epsabs, epsrel * fnp.abs(fnp.sum(values)))
        return (fnp.sum(errors) > tolerance) & (count < limit)

    def halved(state: Any) -> Any:
        count, low, high, values, errors = state
        k = fnp.argmax(errors)
        left, right = low[k], high[k]
        middle = 0.5 * (left + right)
        (v0, e0), (v1, e1) = _rule(f, left, middle), _rule(f, middle, right)
        low, high = at(low)[count].set(middle), at(at(high)[count].set(right))[k].set(middle)
        values, errors = at(at(values)[count].set(v1))[k].set(v0), at(at(errors)[count].set(e1))[k].set(e0)
        return count + 1, low, high, values, errors

    count, low, high, _, errors = while_loop(unfinished, halved, (1, *ends, values, errors))
    return count, low, high, fnp.sum(errors)


# -- samples -----------------------------------------------------------------------------------------------------------


@routine(sp.cumulative_simpson)
def cumulative_simpson(y: Any, *, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    """``scipy.integrate.cumulative_simpson``: a parabola through three points for each interval."""
    name = "scipy.integrate.cumulative_simpson"
    values = as_array(y, name)
    values = values if values.dtype.kind in "fc" else cast(values, np.dtype(np.float64))
    axis = normal_axis(axis, len(shape_of(values)), name)
    values = fnp.moveaxis(values, axis, -1)
    n = shape_of(values)[-1]
    if x is None:
        steps = (
            fnp.broadcast_to(as_array(dx, name), (*shape_of(values)[:-1], n - 1))
            if not shape_of(dx)
            else fnp.moveaxis(dx, axis, -1)
        )
    else:
        points = as_array(x, name)
        steps = fnp.diff(points if len(shape_of(points)) == 1 else fnp.moveaxis(points, axis, -1), axis=-1)
    if n < 3:
        parts = 0.5 * steps * (values[..., 1:] + values[..., :-1])
    else:
        steps = fnp.broadcast_to(steps, (*shape_of(values)[:-1], n - 1))
        first = _first_halves(values, steps)
        second = _first_halves(values[..., ::-1], steps[..., ::-1])[..., ::-1]
        even = fnp.concatenate([first, second[..., -1:]], axis=-1)
        odd = fnp.concatenate([second[..., :1], second], axis=-1)
        parts = fnp.where(np.arange(n - 1) % 2 == 0, even, odd)
    total = fnp.cumsum(parts, axis=-1)
    if initial is not None:
        start = as_array(initial, name)
        start = (
            fnp.moveaxis(start, axis, -1) if shape_of(start) else fnp.broadcast_to(start, (*shape_of(total)[:-1], 1))
        )
        total = fnp.concatenate([start, total + start], axis=-1)
    return fresh_array(fnp.moveaxis(total, -1, axis))


def _first_halves(y: Any, h: Any) -> Any:
    """The integrals, over the first of two intervals, of the parabolas through three points."""
    a, b = h[..., :-1], h[..., 1:]
    of_both, of_next = a / (a + b), a / b
    bend = of_both * of_next
    weights = 3 - of_both, 3 + bend + of_both, -bend
    return a / 6 * (weights[0] * y[..., :-2] + weights[1] * y[..., 1:-1] + weights[2] * y[..., 2:])
