"""sin, cos, tan.

x = n pi/2 + r with |r| <= pi/4. pi/2 is taken in three parts of full precision (W. J. Cody and W. Waite, 1980). With a
fused multiply-add the first step, x - n P0, is exact: where n is not 0 both terms are multiples of the last bit of P0,
and the result is below 2. Each further step rounds relative to a result that is as small as r, so r is good to its last
bit or two however close x is to a multiple of pi/2: n |pi/2 - P0 - P1 - P2| is nothing against the least r there is,
about 2^-60 (J.-M. Muller, *Elementary Functions*, on range reduction). Beyond the limit, where n is no longer found
with certainty, libm does the work in a rare branch. sin and cos of one x share all but the last step.
"""

from __future__ import annotations

import math

from functad.lower.math.values import (
    Value,
    copysign,
    fabs,
    flip_sign,
    fma,
    libm,
    muladd,
    once,
    polynomial,
    rarely,
    where,
)

__all__ = ["cos", "sin", "tan"]

# pi/2 in three parts, each rounded down: with negative ones among them -0 would lose its sign.
HALF_PI = {
    "f64": (1.5707963267948966, 6.123233995736765e-17, 1.0828566739219139e-32),
    "f32": (1.5707963, 7.5497894e-08, 5.3903025e-15),
}

# sin(r) = r + r^3 p(r^2)
SIN = {
    "f64": (
        -0.16666666666666627, 0.00833333333332094, -0.0001984126982861828, 2.7557313275861184e-06,
        -2.505069245181393e-08, 1.5892960412775907e-10,
    ),  # 2^-57.7
    "f32": (-0.16666654, 0.008332113, -0.00019508747),  # 2^-27.9
}  # fmt: skip

# cos(r) = 1 - r^2 / 2 + r^4 p(r^2)
COS = {
    "f64": (
        0.04166666666666658, -0.0013888888888871375, 2.480158728778234e-05, -2.7557313865355884e-07,
        2.0875657544874444e-09, -1.1356265137076263e-11,
    ),  # 2^-63.7
    "f32": (0.041666646, -0.0013887251, 2.442568e-05),  # 2^-32.9
}  # fmt: skip

# tan(r) = r + r^3 p(r^2)
TAN = {
    "f64": (
        0.333333333333334, 0.13333333333322892, 0.053968253974231245, 0.021869488363085953, 0.00886323850651493,
        0.003592094803170266, 0.0014560885807632068, 0.000588650503554915, 0.00024451229161618867,
        8.161564346594804e-05, 7.075413058446224e-05, -3.00938498527512e-05, 5.235291712501182e-05,
        -2.6111812781382482e-05, 1.0207294380366457e-05,
    ),  # 2^-59.5
    "f32": (0.33333352, 0.13332559, 0.054072015, 0.021218231, 0.011005145, -0.00012930477, 0.0044861427),  # 2^-29.3
}  # fmt: skip

# Up to here |r| exceeds pi/4 by less than 1 %, which the polynomials allow.
_LIMIT = {"f64": 2.0**40, "f32": 2.0**17}


def sin(x: Value) -> Value:
    return _exact_if_large("sin", x, _turned_sin(x, 0))


def cos(x: Value) -> Value:
    return _exact_if_large("cos", x, _turned_sin(x, 1))


def _turned_sin(x: Value, turn: int) -> Value:
    """sin(x + turn pi/2)."""
    bits, s, c = once(_sin_cos, x)
    if turn:
        bits = bits + turn
    return flip_sign(where((bits & 1).equals(0), s, c), bits << (x.format.bits - 2))


def _sin_cos(x: Value) -> tuple[Value, Value, Value]:
    """n in the low bits of an int, sin(r), cos(r)."""
    n, bits = _turns(x)
    r = _remainder(x, n)
    square = r * r
    # The last term of the series would turn -0 into 0.
    s = copysign(fma(r * square, polynomial(square, SIN[x.dtype]), r), r)
    c = fma(square, muladd(square, polynomial(square, COS[x.dtype]), -0.5), 1.0)
    return bits, s, c


def tan(x: Value) -> Value:
    """tan(r) where n is even, -1/tan(r) where it is odd."""
    n, bits = _turns(x)
    r, lost = _long_remainder(x, n)
    square = r * r
    # At the lost digits the slope of tan, 1 + tan^2, is near enough 1 + r^2.
    t = r + fma(r * square, polynomial(square, TAN[x.dtype]), fma(lost, square, lost))
    even = (bits & 1).equals(0)
    y = where(even, t, -1.0) / where(even, 1.0, t)
    return _exact_if_large("tan", x, copysign(y, flip_sign(r, bits << (x.format.bits - 1))))


def _exact_if_large(function: str, x: Value, y: Value) -> Value:
    return rarely(fabs(x) > _LIMIT[x.dtype], y, lambda: libm(function, x))


def _turns(x: Value) -> tuple[Value, Value]:
    """The integer nearest x / (pi/2), as a float and in the low bits of an int."""
    shifter = x.format.shifter
    t = fma(x, 2.0 / math.pi, shifter)
    return t - shifter, t.bits()


def _remainder(x: Value, n: Value) -> Value:
    """``x - n pi/2``, to about its last bit."""
    for part in HALF_PI[x.dtype]:
        x = fma(n, -part, x)
    return x


def _long_remainder(x: Value, n: Value) -> tuple[Value, Value]:
    """``x - n pi/2`` and what its rounding lost, by an exact product and an exact sum (Knuth's, since either term may
    be the larger).
    """
    first, second, third = HALF_PI[x.dtype]
    exact = fma(n, -first, x)
    product = n * -second
    r = exact + product
    added = r - exact
    lost = (exact - (r - added)) + (product - added)
    return r, fma(n, -third, lost + fma(n, -second, -product))
