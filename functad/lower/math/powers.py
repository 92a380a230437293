"""power: x ** y.

|x|^y = 2^(y log2 |x|). The exponent may be as large as 1074, so log2 needs about twelve bits more than its dtype has:
it is carried as an unevaluated sum of two numbers (T. J. Dekker, *A floating-point technique for extending the
available precision*, 1971), by the series of atanh(s), s = (m - 1) / (m + 1), whose first two terms alone need that
care.
"""

from __future__ import annotations

import math

from functad.lower.math.exponential import exp2_of_sum
from functad.lower.math.logarithm import LOG2E, exponent_and_fraction
from functad.lower.math.values import Value, fabs, flip_sign, fma, polynomial, rint, where

__all__ = ["power"]

Pair = tuple[Value, Value]

# 1/3 = high + low.
THIRD = {"f64": (0.3333333333333333, 1.850371707708594e-17), "f32": (0.33333334, -9.934108e-09)}

# atanh(s) = s + s^3 / 3 + s^5 p(s^2), the bound being relative to s
ATANH = {
    "f64": (
        0.20000000000001128, 0.14285714285049247, 0.11111111260060892, 0.09090892174627936, 0.07693379087110895,
        0.06628398840327353, 0.06598259387917185,
    ),  # 2^-66.3
    "f32": (0.20000076, 0.14273562, 0.11709406),  # 2^-36.8
}  # fmt: skip


def power(x: Value, y: Value) -> Value:
    a = fabs(x)
    high, low = _log2(a)
    exponent = y * high
    rest = fma(y, low, fma(y, high, -exponent))
    # Where the power is 0 or infinite the exponent may be infinite too, and its rest NaN.
    magnitude = exp2_of_sum(exponent, where(fabs(exponent) < 2000.0, rest, 0.0))
    # 1 even if the other operand is NaN.
    magnitude = where(a.equals(1.0), 1.0, where(y.equals(0.0), 1.0, magnitude))
    # Negative if x is and y is odd; NaN if x is negative and finite and y no integer.
    half = y * 0.5
    odd = rint(half).differs(half)
    power_of_whole = where(odd, flip_sign(magnitude, x.bits()), magnitude)
    power_of_broken = where((x < 0.0) & (a < math.inf), math.nan, magnitude)
    return where(rint(y).equals(y), power_of_whole, power_of_broken)


def _log2(x: Value) -> Pair:
    """log2 of x >= 0 in two parts; at 0 and infinity only the high part means anything."""
    k, m = exponent_and_fraction(x)
    scale_high, scale_low = LOG2E[x.dtype]
    t, t_low = _double_atanh(m)
    product = t * (2.0 * scale_high)
    product_low = fma(t, 2.0 * scale_high, -product) + fma(t, 2.0 * scale_low, t_low * (2.0 * scale_high))
    high = k + product
    low = ((k - high) + product) + product_low
    return where(x.equals(0.0), -math.inf, where(x < math.inf, high, x)), low


def _double_atanh(m: Value) -> Pair:
    """atanh((m - 1) / (m + 1)) in two parts."""
    # s + s_low = (m - 1) / (m + 1): the remainder of the division, divided.
    numerator, denominator = m - 1.0, m + 1.0
    denominator_low = m - (denominator - 1.0)
    inverse = 1.0 / denominator
    s = numerator * inverse
    s_low = fma(-s, denominator_low, fma(-s, denominator, numerator)) * inverse
    # z + z_low = s^2.
    z = s * s
    z_low = fma(s, s, -z) + (s + s) * s_low
    # c + c_low = 1/3 + z p(z), u + u_low = z c, so that atanh(s) = s + s u.
    third, third_low = THIRD[m.dtype]
    w = z * polynomial(z, ATANH[m.dtype])
    c = w + third
    c_low = (w - (c - third)) + third_low
    u = z * c
    u_low = fma(z, c, -u) + fma(z, c_low, z_low * c)
    product = s * u
    product_low = fma(s, u, -product) + fma(s, u_low, s_low * u)
    total = s + product
    return total, ((s - total) + product) + (product_low + s_low)
