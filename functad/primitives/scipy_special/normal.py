"""erfcx, the logarithm of the normal distribution function and its inverse, and Dawson's integral.

The derivatives of erfcx(x) = exp(x^2) erfc(x) are, but for their sign, integrals of positive functions,

    (-1)^n erfcx^(n)(x) = A_n(x) = 2/sqrt(pi) integral over t >= 0 of (2 t)^n exp(-t^2 - 2 x t),

where the recurrence that relates them cancels. For x >= 0, (x + c)^(n+1) A_n(x) is a Chebyshev series in
(x - c) / (x + c), as for n = 0 in M. Shepherd and J. Laframboise, *Chebyshev approximation of (1 + 2x) exp(x^2) erfc x
in 0 <= x < inf*, 1981; for x < 0,  erfcx(x) = 2 exp(x^2) - erfcx(-x).

The derivative of log Phi(x) is sqrt(2/pi) / erfcx(-x / sqrt 2), at any x.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from functad.primitives.arithmetic import div, mul
from functad.primitives.bessel import chebyshev, clenshaw
from functad.primitives.elementwise import Op
from functad.primitives.exponential import exp
from functad.primitives.scipy_special.library import in_double, library, operation, polynomial

__all__ = ["dawsn", "erfcx", "erfi", "log_ndtr", "ndtri_exp"]

CENTER = 3.0
DEGREE = 32

# -- erfcx and its derivatives -----------------------------------------------------------------------------------------


@functools.cache
def _coefficients(order: int) -> list[float]:
    """Of ``(x + CENTER)^(order + 1) A_order(x)``, the integral by Gauss's rule in panels of t (1 + x)."""
    points, weights = np.polynomial.legendre.leggauss(24)
    panels = np.arange(16)[:, None]
    u = np.ravel(2.0 * panels + 1 + points)
    weights = np.tile(weights, 16)

    def scaled(s: Any) -> Any:
        x = CENTER * (1 + s) / (1 - s)
        t = u / (1 + x)[:, None]
        values = (2 * t) ** order * np.exp(-t * t - 2 * x[:, None] * t)
        return 2 / math.sqrt(math.pi) * values @ weights / (1 + x) * (x + CENTER) ** (order + 1)

    return chebyshev(scaled, DEGREE)


def _gaussian_factor(order: int) -> list[int]:
    """The polynomial P, lowest coefficient first, with which exp(x^2) has the derivative P(x) exp(x^2)."""
    p = [1]
    for _ in range(order):
        slope = [i * c for i, c in enumerate(p)][1:]
        p = [a + 2 * b for a, b in zip([*slope, 0, 0], [0, *p], strict=True)]
    return p


def _growth(b: Any, x: Any) -> Any:
    """exp(x^2), with the digits that squaring would lose."""
    head = b.mul(b.rint(b.mul(x, 16.0)), 1 / 16)
    return b.mul(b.exp(b.mul(head, head)), b.exp(b.mul(b.sub(x, head), b.add(x, head))))


def _erfcx(b: Any, x: Any, *, order: int) -> Any:
    size = b.abs(x)
    inverse = b.div(1, b.add(size, CENTER))
    value = clenshaw(b, _coefficients(order), b.sub(1, b.mul(inverse, 2 * CENTER)))
    for _ in range(order + 1):
        value = b.mul(value, inverse)
    left = b.maximum(b.minimum(x, 0), -30)  # where the exponential overflows
    grown = b.mul(b.mul(_growth(b, left), polynomial(b, left, [float(c) for c in _gaussian_factor(order)])), 2.0)
    return b.select(b.lt(x, 0), b.sub(grown, value), b.mul(value, (-1.0) ** order))


_erfcx_op: Op = in_double(
    "erfcx", _erfcx, lambda t, y, x, *, order: mul(t, _erfcx_op(x, order=order + 1)), static=("order",), low=-2.0,
    params=({"order": 0}, {"order": 1}, {"order": 2}),
)  # fmt: skip


def erfcx(x: Any) -> Any:
    """exp(x^2) erfc(x)."""
    return _erfcx_op(x, order=0)


# -- the normal distribution -------------------------------------------------------------------------------------------


def _log_ndtr(b: Any, x: Any) -> Any:
    tail = b.lt(x, -1)
    z = b.mul(b.select(tail, x, -1.0), -math.sqrt(0.5))
    lower = b.sub(b.log(b.mul(_erfcx(b, z, order=0), 0.5)), b.mul(b.mul(x, x), 0.5))
    return b.select(tail, lower, b.log1p(b.mul(b.erfc(b.mul(x, math.sqrt(0.5))), -0.5)))


log_ndtr = in_double(
    "log_ndtr", _log_ndtr, lambda t, y, x: mul(t, div(math.sqrt(2 / math.pi), erfcx(mul(x, -math.sqrt(0.5))))),
    low=-2.0, doc="The logarithm of the normal distribution function.",
)  # fmt: skip

ndtri_exp = library(
    "ndtri_exp", lambda t, y, x: mul(t, mul(erfcx(mul(y, -math.sqrt(0.5))), math.sqrt(math.pi / 2))),
    low=-3.0, high=-0.2, doc="The inverse of ``log_ndtr``.",
)  # fmt: skip

# -- the imaginary error function, and Dawson's integral, exp(-x^2) times it sqrt(pi) / 2 ------------------------------

erfi = library("erfi", lambda t, y, x: mul(t, mul(exp(mul(x, x)), 2 / math.sqrt(math.pi))), low=-2.0)

DAWSN = operation("dawsn", 1)

FAR = 6.5
"""From here on the asymptotic series of Dawson's integral has all digits."""


def _dawsn(b: Any, x: Any, *, order: int) -> Any:
    """F' = 1 - 2 x F,  F^(n) = -2 x F^(n-1) - 2 (n - 1) F^(n-2), and far away by the asymptotic series."""
    far = b.ge(b.abs(x), FAR)
    u = b.select(far, 1.0, x)
    before, value = b.mul(u, 0), b.compute(DAWSN, u)
    for n in range(1, order + 1):
        rest = b.sub(1, b.mul(b.mul(u, value), 2.0)) if n == 1 else None
        if rest is None:
            rest = b.neg(b.add(b.mul(b.mul(u, value), 2.0), b.mul(before, 2.0 * (n - 1))))
        before, value = value, rest
    inverse = b.div(1, b.select(far, x, FAR))
    sizes = [
        math.prod(range(1, 2 * k, 2)) / 2 ** (k + 1) * (-1) ** order * math.prod(range(2 * k + 1, 2 * k + 1 + order))
        for k in range(28)
    ]
    series = polynomial(b, b.mul(inverse, inverse), sizes)
    for _ in range(order + 1):
        series = b.mul(series, inverse)
    return b.select(far, series, value)


_dawsn_op: Op = in_double(
    "dawsn", _dawsn, lambda t, y, x, *, order: mul(t, _dawsn_op(x, order=order + 1)), static=("order",), low=-3.0,
    high=3.0, params=({"order": 0}, {"order": 1}, {"order": 2}),
)  # fmt: skip


def dawsn(x: Any) -> Any:
    """exp(-x^2) times the integral of exp(t^2) from 0 to x."""
    return _dawsn_op(x, order=0)
