"""sinh, cosh, tanh, and the derivative of tanh.

|x| = k ln 2 + r as for exp. With C = cosh(r) - 1, S = sinh(r) and a, b = 2^(k-1), 2^(-k-1),

    cosh x = a (1 + C + S) + b (1 + C - S) = (a + b) + (a + b) C + (a - b) S
    sinh x = a (1 + C + S) - b (1 + C - S) = (a - b) + (a - b) C + (a + b) S

with no division and little cancellation: where k = 0, a - b is 0 and sinh x = S, and where k >= 1 no term exceeds 0.6
(a - b) but the first. a + b and a - b are exact, or b hardly counts. The polynomials in r^2 together have as many terms
as the one of exp.
"""

from __future__ import annotations

from functad.lower.math.exponential import INVERSE_LN2, reduced_expm1, split_exponent
from functad.lower.math.values import Value, copysign, fabs, fma, once, polynomial, where

__all__ = ["cosh", "sinh", "tanh", "tanh_slope"]

# sinh(r) = r + r^3 p(r^2)
SINH = {
    "f64": (
        0.16666666666666677,
        0.00833333333332167,
        0.0001984126988602113,
        2.7557244318074807e-06,
        2.5108998382081415e-08,
    ),  # 2^-61.7
    "f32": (0.16666667, 0.008333289, 0.00019904884),  # 2^-37.5
}

# cosh(r) = 1 + r^2 p(r^2)
COSH = {
    "f64": (
        0.5000000000000012,
        0.04166666666651639,
        0.001388888894673356,
        2.480149024577308e-05,
        2.763117115290575e-07,
    ),  # 2^-58.1
    "f32": (0.5, 0.04166627, 0.0013946028),  # 2^-34.3
}

# sinh and cosh overflow below these, where k still is one more than the largest exponent.
_INFINITE = {"f64": 710.5, "f32": 89.5}

# Here 2^(k-1) with k = x / ln 2, rounded, is infinite, and so is e.
_INFINITE_POWER = {"f64": 710.3, "f32": 89.3}


def sinh(x: Value) -> Value:
    r, c, s, a, b = once(_parts, x)
    plus, minus = a + b, a - b
    # The largest terms go first, S = r + s among them in two parts.
    y = fma(plus, r, minus) + fma(minus, c, plus * s)
    # Halving must not round a subnormal.
    return where(fabs(x) < x.format.smallest_normal * 4.0, x, copysign(y * 2.0, x))


def cosh(x: Value) -> Value:
    r, c, s, a, b = once(_parts, x)
    return (a + (b + fma(a - b, r + s, (a + b) * c))) * 2.0


def _parts(x: Value) -> tuple[Value, Value, Value, Value, Value]:
    """r, cosh(r) - 1, sinh(r) - r, a / 2, b / 2; a itself may overflow where the result does not."""
    digits = x.format.digits
    x = fabs(x).clamp(high=_INFINITE[x.dtype])
    bias = x.format.bias - 2
    t = fma(x, INVERSE_LN2, x.format.shifter + bias)
    _, r = split_exponent(x, t - (x.format.shifter + bias))
    square = r * r
    c = square * polynomial(square, COSH[x.dtype])
    s = r * square * polynomial(square, SINH[x.dtype])
    a = t.bits() << digits
    # The exponents of a and b add to a constant. Where b is too small to be normal it does not count.
    b = (2 * bias << digits) - a
    return r, c, s, a.floating(), where(b > 0, b, 0).floating()


def tanh(x: Value) -> Value:
    return copysign(once(_tanh_parts, x)[1], x)


def tanh_slope(x: Value) -> Value:
    """The derivative, 1 - tanh^2 x: beyond 1/2 from what tanh lacks to 1, q, as q (2 - q)."""
    small, y, q = once(_tanh_parts, x)
    return where(small, fma(-y, y, 1.0), q * (2.0 - q))


def _tanh_parts(x: Value) -> tuple[Value, Value, Value]:
    """Whether |x| is small, tanh |x|, and what that lacks to 1 where |x| is not small.

    With e = exp(2 |x|) = 2^k (1 + p) and w = (e - 1)/2, tanh |x| is w - w w/((e + 1)/2) to about 1/2 and 1 - 1/((e +
    1)/2) beyond: errors of the quotient count little in either.
    """
    double = (fabs(x) * 2.0).clamp(high=_INFINITE_POWER[x.dtype])
    p, half = reduced_expm1(double, -1)
    small = double < 1.1
    whole = where(small, fma(half, p, half - 0.5), 1.0)
    quotient = whole / fma(half, p + 1.0, 0.5)
    return small, fma(-whole, quotient, whole), quotient
