"""erfcx, the logarithm of the normal distribution function and its inverse, and Dawson's integral.

The derivatives of erfcx(x) = exp(x^2) erfc(x) are, but for their sign, integrals of positive functions,

    (-1)^n erfcx^(n)(x) = A_n(x) = 2/sqrt(pi) integral over t >= 0 of (2 t)^n exp(-t^2 - 2 x t),

where the recurrence that relates them cancels. For x >= 0, (x + 1)^(n+1) A_n(x) is a Chebyshev series in
(x - 3) / (x + 3), as for n = 0 in M. Shepherd and J. Laframboise, *Chebyshev approximation of (1 + 2x) exp(x^2) erfc x
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
from functad.primitives.scipy_special.library import either, in_double, library, operation, polynomial

__all__ = ["dawsn", "erfcx", "erfcx_right", "erfi", "log_ndtr", "ndtri", "ndtri_exp"]

CENTER = 3.0
DEGREE = 24

# -- erfcx and its derivatives -----------------------------------------------------------------------------------------


@functools.cache
def _coefficients(order: int) -> list[float]:
    """Of ``(x + 1)^(order + 1) A_order(x)``, the integral by the trapezoidal rule in log t, which has all digits where
    an analytic function vanishes at both ends.
    """
    u = np.exp(np.arange(-320, 36) / 8)

    def scaled(s: Any) -> Any:
        x = (CENTER * (1 + s) / (1 - s))[:, None]
        t = u / (1 + x)
        total = np.sum(t * (2 * t) ** order * np.exp(-t * (t + 2 * x)), axis=1)
        return 2 / math.sqrt(math.pi) / 8 * total * (x[:, 0] + 1) ** (order + 1)

    return chebyshev(scaled, DEGREE + 2 * order)


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


def erfcx_right(b: Any, x: Any, order: int) -> Any:
    """A_order(x), for x >= 0."""
    value = clenshaw(b, _coefficients(order), b.sub(1, b.div(2 * CENTER, b.add(x, CENTER))))
    inverse = b.div(1, b.add(x, 1))
    for _ in range(order + 1):
        value = b.mul(value, inverse)
    return value


def _erfcx(b: Any, x: Any, *, order: int) -> Any:
    value = erfcx_right(b, b.abs(x), order)
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
    lower = b.sub(b.log(b.mul(erfcx_right(b, z, 0), 0.5)), b.mul(b.mul(x, x), 0.5))
    return b.select(tail, lower, b.log1p(b.mul(b.erfc(b.mul(x, math.sqrt(0.5))), -0.5)))


log_ndtr = in_double(
    "log_ndtr", _log_ndtr, lambda t, y, x: mul(t, div(math.sqrt(2 / math.pi), erfcx(mul(x, -math.sqrt(0.5))))),
    singular=False, low=-2.0, doc="The logarithm of the normal distribution function.",
)  # fmt: skip

# Rational approximations by M. Wichura, *Algorithm AS 241: the percentage points of the normal distribution*, 1988: of
# x / q in 0.180625 - q^2, where q = p - 1/2 is up to 0.425; of |x| in r - 1.6, where r = sqrt(-log(min(p, 1 - p))) is
# up to 5; and in r - 5 beyond.
CENTRAL = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
     3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
MIDDLE = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
TAIL = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
     1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


def _ndtri(b: Any, p: Any) -> Any:
    q = b.sub(p, 0.5)
    central = b.le(b.abs(q), 0.425)
    r = b.sqrt(b.neg(b.log(b.minimum(p, b.sub(1, p)))))
    far = b.gt(r, 5)
    u = b.select(central, b.sub(0.180625, b.mul(q, q)), b.sub(r, either(b, far, 5.0, 1.6)))
    numerator, denominator = (
        polynomial(b, u, [_chosen(b, central, far, rows) for rows in zip(*parts, strict=True)])
        for parts in zip(CENTRAL, MIDDLE, TAIL, strict=True)
    )
    value = b.div(numerator, denominator)
    value = b.select(central, b.mul(q, value), b.copysign(value, q))
    value = b.select(b.eq(p, 0), -math.inf, b.select(b.eq(p, 1), math.inf, value))
    return b.select(b.bit_and(b.ge(p, 0), b.le(p, 1)), value, math.nan)


def _chosen(b: Any, central: Any, far: Any, rows: tuple[float, float, float]) -> Any:
    """The coefficient for each of three ranges."""
    return b.select(central, rows[0], either(b, far, rows[2], rows[1]))


ndtri = in_double(
    "ndtri", _ndtri, lambda t, x, p: mul(t, mul(exp(mul(mul(x, x), 0.5)), math.sqrt(2 * math.pi))), low=0.1, high=0.9,
    doc="The inverse of the normal distribution function.",
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
    "dawsn", _dawsn, lambda t, y, x, *, order: mul(t, _dawsn_op(x, order=order + 1)), static=("order",), singular=False,
    low=-3.0, high=3.0, params=({"order": 0}, {"order": 1}, {"order": 2}),
)  # fmt: skip


def dawsn(x: Any) -> Any:
    """exp(-x^2) times the integral of exp(t^2) from 0 to x."""
    return _dawsn_op(x, order=0)
