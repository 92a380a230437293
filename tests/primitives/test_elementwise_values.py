"""Elementwise functions and their first three derivatives against mpmath, at regular, extreme and saturating points."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from functad.primitives.arithmetic import div, mul, neg, reciprocal, square, sub
from functad.primitives.exponential import exp, exp2, expm1, log, log1p, log2, log10, logaddexp, sigmoid, softplus
from functad.primitives.hyperbolic import arccosh, arcsinh, arctanh, cosh, sinh, tanh
from functad.primitives.powers import cbrt, hypot, integer_power, power, sqrt
from functad.primitives.rounding import absolute, copysign
from functad.primitives.special import digamma, erf, erfc, lgamma, polygamma
from functad.primitives.trigonometric import arccos, arcsin, arctan, arctan2, cos, sin, tan
from tests.primitives.strict_derivatives import MODES, derivative

mp = mpmath.mp.clone()
mp.prec = 1000
"""A context of its own, with enough bits that third differences lose none that counts."""

RTOL = 2e-13
"""Some hundred roundings: a third derivative is a sum of products of a dozen factors."""

EPS = 1e-15
"""For functions near their zeros: their error is some eps of 1, not of themselves."""

UNARY = [
    # name, function, reference, points, absolute tolerance
    ("neg", neg, lambda x: -x, [-2.0, 0.0, 3.0], 0),
    ("square", square, lambda x: x * x, [-1e100, 0.0, 0.3], 0),
    ("reciprocal", reciprocal, lambda x: 1 / x, [-1e70, -0.3, 1e-50], 0),
    ("exp", exp, mp.exp, [-700.0, -1.0, 0.0, 1.0, 700.0], 0),
    ("exp2", exp2, lambda x: mp.mpf(2) ** x, [-1000.0, 0.0, 0.3, 1000.0], 0),
    ("expm1", expm1, mp.expm1, [-50.0, -1e-10, 0.0, 1e-10, 2.0, 700.0], 0),
    ("log", log, mp.log, [1e-80, 0.3, 1.0, 1e80], 0),
    ("log2", log2, lambda x: mp.log(x, 2), [1e-80, 0.3, 1e80], 0),
    ("log10", log10, mp.log10, [1e-80, 0.3, 1e80], 0),
    ("log1p", log1p, mp.log1p, [-1 + 1e-10, -1e-10, 0.0, 1e-10, 1e80], 0),
    ("sigmoid", sigmoid, lambda x: 1 / (1 + mp.exp(-x)), [-700.0, -40.0, -1.0, 0.0, 1.0, 20.0, 700.0], 0),
    ("softplus", softplus, lambda x: mp.log1p(mp.exp(x)), [-700.0, -40.0, -1.0, 0.0, 1.0, 20.0, 700.0], 0),
    ("sin", sin, mp.sin, [-1e5, -1e-10, 0.3, 3.0, 1e10], EPS),
    ("cos", cos, mp.cos, [-1e5, 1e-10, 0.3, 3.0, 1e10], EPS),
    ("tan", tan, mp.tan, [-1.5, 0.0, 0.3, 3.0, 1e5], 0),
    ("arcsin", arcsin, mp.asin, [-0.999999, -0.5, 0.0, 0.7, 1 - 1e-12], 0),
    ("arccos", arccos, mp.acos, [-0.999999, -0.5, 0.0, 0.7, 1 - 1e-12], 0),
    ("arctan", arctan, mp.atan, [-1e50, -2.0, 0.0, 0.7, 1e50], 0),
    ("sinh", sinh, mp.sinh, [-700.0, -1e-10, 0.0, 2.0, 700.0], 0),
    ("cosh", cosh, mp.cosh, [-700.0, -1e-10, 0.0, 2.0, 700.0], 0),
    ("tanh", tanh, mp.tanh, [-700.0, -2.0, -1e-10, 0.0, 0.7, 20.0], 0),
    ("arcsinh", arcsinh, mp.asinh, [-1e90, -2.0, 0.0, 1e-10, 1e90], 0),
    ("arccosh", arccosh, mp.acosh, [1 + 1e-10, 1.5, 1e90], 0),
    ("arctanh", arctanh, mp.atanh, [-1 + 1e-10, -0.5, 0.0, 1e-10, 0.9], 0),
    ("sqrt", sqrt, mp.sqrt, [1e-100, 0.3, 1e100], 0),
    ("cbrt", cbrt, lambda x: mp.sign(x) * mp.cbrt(abs(x)), [-1e90, -0.3, 1e-90, 2.0], 0),
    ("x**0", lambda x: integer_power(x, 0), lambda x: mp.mpf(1) + 0 * x, [-2.0, 0.0], 0),
    ("x**1", lambda x: integer_power(x, 1), lambda x: x, [-2.0, 0.0], 0),
    ("x**3", lambda x: integer_power(x, 3), lambda x: x**3, [-2.0, 0.0, 0.3], 0),
    ("x**7", lambda x: integer_power(x, 7), lambda x: x**7, [-2.0, 0.0, 0.3], 0),
    ("x**-1", lambda x: integer_power(x, -1), lambda x: x**-1, [-2.0, 0.3], 0),
    ("x**-5", lambda x: integer_power(x, -5), lambda x: x**-5, [-2.0, 0.3], 0),
    ("absolute", absolute, abs, [-2.0, 1e-300, 0.3], 0),
    ("erf", erf, mp.erf, [-30.0, -1.0, 0.0, 0.3, 5.0], 0),
    ("erfc", erfc, mp.erfc, [-5.0, -1.0, 0.0, 0.3, 20.0], 0),
    ("lgamma", lgamma, lambda x: mp.log(abs(mp.gamma(x))), [-1.5, 0.01, 0.3, 3.0, 1e10], EPS),
    ("digamma", digamma, mp.digamma, [-1.3, 0.01, 0.3, 3.0, 1e10], 0),
    ("polygamma", lambda x: polygamma(x, 2), lambda x: mp.polygamma(2, x), [-1.3, 0.01, 0.3, 3.0, 1e10], 0),
]

BINARY = [
    # name, function, reference, points, absolute tolerance
    ("mul", mul, lambda x, y: x * y, [(0.0, 0.0), (2.0, -3.0)], 0),
    ("div", div, lambda x, y: x / y, [(0.0, 2.0), (2.0, -3.0), (1e-70, 1e50)], 0),
    ("sub", sub, lambda x, y: x - y, [(2.0, -3.0)], 0),
    ("power", power, lambda x, y: x**y, [(2.0, 3.0), (0.3, -1.5), (2.0, 0.0), (3.0, 1.0), (5.0, 2.0), (1e-50, 2.5)], 0),
    (
        "logaddexp",
        logaddexp,
        lambda x, y: mp.log(mp.exp(x) + mp.exp(y)),
        [(0.3, 0.3), (-2.0, 1.0), (700.0, 699.0), (1e6, 1e6 + 1)],
        EPS,
    ),
    ("arctan2", arctan2, mp.atan2, [(0.5, 2.0), (-0.5, -2.0), (1.0, 0.0), (1e80, -2e80), (1e-80, 2e-80)], 0),
    ("hypot", hypot, mp.hypot, [(3.0, 4.0), (-1e-80, 2e-80), (0.0, 2.0), (1e90, 1e90)], 0),
    ("copysign", copysign, lambda x, y: abs(x) * mp.sign(y), [(2.0, 3.0), (-2.0, 3.0), (2.0, -3.0), (-2.0, -3.0)], 0),
]

ORDERS = [(0,), (1,), (0, 0), (0, 1), (1, 0), (1, 1), (0, 0, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1)]


def difference(f: Any, xs: tuple[Any, ...], positions: tuple[int, ...]) -> Any:
    """The derivative in the operands at ``positions``, by central differences with steps of x 2^-80: its relative error
    is about 2^-160.
    """
    if not positions:
        return f(*xs)
    first, rest = positions[0], positions[1:]
    x = xs[first]
    step = mp.ldexp(
        1, (mp.frexp(x)[1] if x else 0) - 80
    )  # a power of two: x + step is exact, and differences of polynomials are too

    def at(moved: Any) -> Any:
        return difference(f, (*xs[:first], moved, *xs[first + 1 :]), rest)

    return (at(x + step) - at(x - step)) / (2 * step)


def noise(f: Any, xs: tuple[Any, ...], positions: tuple[int, ...]) -> Any:
    """The error of ``difference`` where the derivative is zero: rounding, and, at a symmetric point, the next
    derivative times step^2.
    """
    return mp.ldexp(abs(f(*xs)) or 1, -700 if all(xs) else -140) / mp.fprod(abs(xs[i]) or 1 for i in positions)


def check(f: Any, reference: Any, point: tuple[float, ...], positions: tuple[int, ...], atol: float) -> None:
    xs = tuple(mp.mpf(x) for x in point)
    expected = difference(reference, xs, positions)
    atol = max(atol, noise(reference, xs, positions))
    for name, modes in MODES.items():
        found = derivative(f, positions, modes)(*map(np.float64, point))
        error = abs(mp.mpf(float(found)) - expected)
        assert error <= RTOL * abs(expected) + atol, (
            f"the derivative in {positions} at {point}, {name}, is {found!r}, expected {mp.nstr(expected, 20)}"
        )


@pytest.mark.parametrize(("f", "reference", "points", "atol"), [c[1:] for c in UNARY], ids=[c[0] for c in UNARY])
def test_unary(f: Any, reference: Any, points: list[float], atol: float) -> None:
    for x in points:
        for order in range(4):
            check(f, reference, (x,), (0,) * order, atol)


@pytest.mark.parametrize(("f", "reference", "points", "atol"), [c[1:] for c in BINARY], ids=[c[0] for c in BINARY])
def test_binary(f: Any, reference: Any, points: list[tuple[float, float]], atol: float) -> None:
    for point in points:
        for positions in [(), *ORDERS]:
            check(f, reference, point, positions, atol)
