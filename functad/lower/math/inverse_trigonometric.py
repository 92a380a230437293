"""arcsin, arccos, arctan, arctan2.

Each is an odd polynomial near 0, and pi/2 or pi less such a polynomial elsewhere. Constants like pi/2 have a low part
too, which is added to the small terms, so that only the last addition and the argument of the polynomial round
noticeably.
"""

from __future__ import annotations

from functad.lower.math.trigonometric import HALF_PI
from functad.lower.math.values import Value, copysign, fabs, fma, horner, polynomial, sqrt, where

__all__ = ["arccos", "arcsin", "arctan", "arctan2"]

# asin(x) = x + x^3 p(x^2) for |x| <= 1/2
ASIN = {
    "f64": (
        0.1666666666666676, 0.07499999999970798, 0.04464285717461334, 0.030381942707730657, 0.022372214988775656,
        0.017351611998484808, 0.013980820681913626, 0.011398911397918534, 0.01078025645090707, 0.003706397085992221,
        0.021707472281081334, -0.020999095469420918, 0.03262864335584441,
    ),  # 2^-59.9
    "f32": (0.16666752, 0.07495298, 0.045470312, 0.024179814, 0.042165823),  # 2^-27.6
}  # fmt: skip

# atan(t) = t + t^3 p(t^2) for |t| <= 1
ATAN = {
    "f64": (
        -0.3333333333333307, 0.19999999999951462, -0.14285714282575124, 0.11111111007026014, -0.09090907002980879,
        0.076922798391029, -0.06666404055645168, 0.05880527801648529, -0.05253518491185881, 0.047223219999569126,
        -0.04219178378432889, 0.036641899117535966, -0.029903839890127657, 0.021984830786751244, -0.013900539254829225,
        0.007196488811830341, -0.002884911281478753, 0.0008313194012399, -0.00015216035531410592, 1.322502651254819e-05,
    ),  # 2^-57.6
    # 2^-28.5
    "f32": (-0.333333, 0.19998549, -0.14264242, 0.10952187, -0.08403455, 0.057957657, -0.031177903, 0.010914633,
        -0.0017936272),
}  # fmt: skip


def arcsin(x: Value) -> Value:
    """Above 1/2, pi/2 - 2 asin(sqrt((1 - x) / 2))."""
    a, high, low = fabs(x), *HALF_PI[x.dtype][:2]
    near_one = a > 0.5
    square = where(near_one, 0.5 - a * 0.5, a * a)
    head = where(near_one, sqrt(square) * -2.0, a)
    tail = head * (square * polynomial(square, ASIN[x.dtype]))
    total = head + high
    rest = (high - total) + head
    return copysign(where(near_one, total, head) + where(near_one, tail + (low + rest), tail), x)


def arccos(x: Value) -> Value:
    """pi/2 - asin(x); above 1/2, 2 asin(sqrt((1 - x) / 2)); below -1/2, pi less that of -x."""
    a, high, low = fabs(x), *HALF_PI[x.dtype][:2]
    near_one = a > 0.5
    square = where(near_one, 0.5 - a * 0.5, a * a)
    # pi/2 - (head + tail), or twice that, or -2 (head + tail) with a negative head.
    head = where(near_one, -copysign(sqrt(square), x), x)
    tail = head * (square * polynomial(square, ASIN[x.dtype]))
    above = x > 0.5
    y = where(above, 0.0, x.const(high)) - (head + (tail - where(above, 0.0, x.const(low))))
    return where(near_one, y * 2.0, y)


def arctan(x: Value) -> Value:
    """Above 1, pi/2 - atan(1/x)."""
    a, high, low = fabs(x), *HALF_PI[x.dtype][:2]
    above = a > 1.0
    t = where(above, -1.0, a) / where(above, a, 1.0)
    tail = _arctan_tail(t)
    return copysign(where(above, t + high, t) + where(above, tail + low, tail), x)


def arctan2(y: Value, x: Value) -> Value:
    """The angle of (x, y): that of the octant's point with 0 <= y <= x, turned and reflected into place."""
    high, low = HALF_PI[x.dtype][:2]
    across, along = fabs(y), fabs(x)
    steep, left = across > along, x.bits() < 0
    least, largest = where(steep, along, across), where(steep, across, along)
    # Zeros and infinities make the angle 0 or pi/4 where both are.
    t = where(least.equals(0.0), least, where(least.equals(largest), 1.0, least / largest))
    # An odd number of reflections turns the angle round.
    t = where(steep, -t, t)
    t = where(left, -t, t)
    tail = _arctan_tail(t)
    axis = where(steep, x.const(1.0), where(left, 2.0, x.const(0.0)))
    angle = fma(axis, high, t) + fma(axis, low, tail)
    # NaN has to survive the comparison with 0.
    return copysign(where(x.differs(x), x, angle), y)


def _arctan_tail(t: Value) -> Value:
    """atan(t) - t."""
    square = t * t
    return t * (square * horner(square, ATAN[t.dtype]))
