"""fmod: the remainder of division rounded towards 0."""

from __future__ import annotations

import math

from functad.lower.math.values import Value, copysign, fabs, fma, libm, rarely, trunc, where

__all__ = ["fmod"]


def fmod(x: Value, y: Value) -> Value:
    """|x| - n |y|, n = trunc(|x| / |y|), with the sign of x; exact.

    Rounding may make n one too large, never too small. The remainder is then negative, but still less than |y| in
    magnitude and a multiple of its last bit, so that a fused multiply-add gives it exactly; adding |y| is exact too. A
    huge n, inexact itself, is left to libm.
    """
    a, b = fabs(x), fabs(y)
    n = trunc(a / b)
    rest = fma(-n, b, a)
    rest = where(rest < 0.0, rest + b, rest)
    # x itself, where y may be infinite.
    rest = where(a < b, a, rest)
    huge = (n >= 2.0**x.format.digits) & (a < math.inf) & (b > 0.0)
    return copysign(rarely(huge, rest, lambda: libm("fmod", a, b)), x)
