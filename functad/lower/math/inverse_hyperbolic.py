"""arcsinh, arccosh, arctanh, by log1p of an argument known to more than its own digits.

    arcsinh x = log1p(x + x^2 / (1 + sqrt(1 + x^2)))      arccosh x = log1p(t + sqrt(2 t + t^2)), t = x - 1
    arctanh x = log1p(2 x / (1 - x)) / 2

Very large x would overflow when squared; there arcsinh and arccosh are log(2 x) = log1p(x) + ln 2.
"""

from __future__ import annotations

import math

from functad.lower.math.exponential import LN2
from functad.lower.math.logarithm import log1p_of_sum
from functad.lower.math.values import Value, copysign, fabs, fma, sqrt, where

__all__ = ["arccosh", "arcsinh", "arctanh"]

# 1 + x is x from here, and x^2 is finite up to here.
_LARGE = {"f64": 2.0**60, "f32": 2.0**30}


def arcsinh(x: Value) -> Value:
    a = fabs(x)
    more = a * (a / (sqrt(fma(a, a, 1.0)) + 1.0))
    return copysign(_log1p_or_log_double(a, a, more), x)


def arccosh(x: Value) -> Value:
    t = x - 1.0
    square = fma(t, t, t + t)
    root = sqrt(square)
    # What the square (its larger term first) and its root lost to rounding; the last summand keeps 0 / 0 away.
    lost = fma(t, t, (t + t) - square) + fma(-root, root, square)
    lost = lost / (root + root + x.format.smallest_normal)
    swap = t > root
    y = _log1p_or_log_double(x, where(swap, t, root), where(swap, root, t), lost)
    return where(x >= 1.0, y, math.nan)


def _log1p_or_log_double(x: Value, larger: Value, less: Value, least: Value | None = None) -> Value:
    """log1p(larger + less + least), or log(2 x) where x is large."""
    large = x > _LARGE[x.dtype]
    head = where(large, x, larger + less)
    lost = (larger - head) + less
    if least is not None:
        lost = lost + least
    y = log1p_of_sum(head, where(large, 0.0, lost)) + where(large, LN2[x.dtype][0], x.const(0.0))
    return where(x < math.inf, y, x)


def arctanh(x: Value) -> Value:
    a = fabs(x)
    rest = 1.0 - a
    rest_lost = (1.0 - rest) - a
    inverse = 1.0 / rest
    quotient = (a + a) * inverse
    # 2 a - quotient (rest + rest_lost), of which the first product is exact.
    lost = fma(-quotient, rest_lost, fma(-quotient, rest, a + a)) * inverse
    y = log1p_of_sum(quotient, lost) * 0.5
    return copysign(where(a < 1.0, y, where(a.equals(1.0), math.inf, x.const(math.nan))), x)
