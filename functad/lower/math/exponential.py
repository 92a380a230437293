"""exp, exp2, expm1, sigmoid, tanh(x/2), and what derivatives of expm1 and the sigmoid are made of.

x = k ln 2 + r with an integer k and |r| <= ln(2)/2, and exp(x) = 2^k exp(r) (W. J. Cody and W. Waite, *Software Manual
for the Elementary Functions*, 1980). ln 2 is taken in two parts, the first of full precision: with a fused
multiply-add, x - k ln2_high is exact, being small and a multiple of the last bit of either. k comes from adding the
shifter, which leaves it in the low bits of the sum. 2^k is multiplied in as two factors, both normal numbers, so that
overflow and gradual underflow are the multiplication's own and round once.

Beside the coefficients (``tools/minimax.py``) stands what the polynomial adds to the relative error of the function.
"""

from __future__ import annotations

import math

from functad.lower.math.values import Value, copysign, fabs, fma, muladd, once, polynomial, where

__all__ = [
    "exp", "exp2", "exp2_of_sum", "exp_neg_abs", "expm1", "expm1_slope", "reduced_expm1", "sigmoid",
    "sigmoid_slope", "split_exponent", "tanh_half", "times_power_of_two",
]  # fmt: skip

INVERSE_LN2 = 1.4426950408889634

# ln 2 = high + low, both rounded to nearest.
LN2 = {"f64": (0.6931471805599453, 2.3190468138462996e-17), "f32": (0.6931472, -1.9046542e-09)}

# exp(r) = 1 + r + r^2 p(r)
EXP = {
    "f64": (
        0.5000000000000011, 0.16666666666666413, 0.041666666666530155, 0.00833333333349447, 0.0013888888943630361,
        0.00019841269506555356, 2.4801493098733352e-05, 2.755758639674158e-06, 2.763024842243285e-07,
        2.5000053878886233e-08,
    ),  # 2^-57.9
    "f32": (0.49999994, 0.16666521, 0.041668385, 0.0083687175, 0.0013814679),  # 2^-28.3
}  # fmt: skip

# exp2(r) = 1 + r p(r)
EXP2 = {
    "f64": (
        0.6931471805599453, 0.24022650695910072, 0.05550410866482169, 0.00961812910762833, 0.0013333558146392636,
        0.0001540353039364126, 1.5252733854375777e-05, 1.3215486594577114e-06, 1.0178051915732879e-07,
        7.0549745650532994e-09, 4.456574787234374e-10, 2.562535076079138e-11,
    ),  # 2^-64.4
    "f32": (0.6931472, 0.24022648, 0.055503324, 0.009618438, 0.00133989, 0.00015353334),  # 2^-28.9
}  # fmt: skip

# expm1(r) = r + r^2 p(r)
EXPM1 = {
    "f64": (
        0.5, 0.16666666666666677, 0.04166666666666651, 0.008333333333321691, 0.0013888888888962394,
        0.00019841269885966133, 2.4801587172498786e-05, 2.755724437403734e-06, 2.755740267481601e-07,
        2.5108978927265916e-08, 2.087532046450363e-09,
    ),  # 2^-61.7
    "f32": (0.5, 0.16666666, 0.041666362, 0.00833339, 0.0013940628, 0.00019845858),  # 2^-32.0
}  # fmt: skip

# Beyond these exp2 is 0 and infinite, by a margin that leaves the two halves of 2^k normal.
_EXPONENTS = {"f64": (-1080.0, 1026.0), "f32": (-152.0, 130.0)}


def exp(x: Value) -> Value:
    low, high = (bound * math.log(2.0) for bound in _EXPONENTS[x.dtype])
    return _exp(x.clamp(low, high))


def exp_neg_abs(x: Value) -> Value:
    """``exp(-|x|)``."""
    return once(_exp_neg_abs, x)


def _exp_neg_abs(x: Value) -> Value:
    return _exp((-fabs(x)).clamp(low=_EXPONENTS[x.dtype][0] * math.log(2.0)))


def _exp(x: Value) -> Value:
    # The two halves want the exponent's bias each: the shifter brings both.
    shifter = x.format.shifter + 2 * x.format.bias
    t = fma(x, INVERSE_LN2, shifter)
    _, r = split_exponent(x, t - shifter)
    tail = muladd(r, polynomial(r, EXP[x.dtype]), 1.0)
    return times_power_of_two(muladd(r, tail, 1.0), t)


def exp2(x: Value) -> Value:
    return exp2_of_sum(x, None)


def exp2_of_sum(x: Value, more: Value | None) -> Value:
    """``2^(x + more)``, ``more`` below the last digits of x."""
    x = x.clamp(*_EXPONENTS[x.dtype])
    shifter = x.format.shifter + 2 * x.format.bias
    t = x + shifter
    r = x - (t - shifter)
    if more is not None:
        r = r + more
    return times_power_of_two(muladd(r, polynomial(r, EXP2[x.dtype]), 1.0), t)


def split_exponent(x: Value, k: Value) -> tuple[Value, Value]:
    """``x - k ln 2``, for the integer k that makes it small, as an exact part and the rounded whole."""
    high, low = LN2[x.dtype]
    exact = fma(k, -high, x)
    return exact, fma(k, -low, exact)


def times_power_of_two(x: Value, t: Value) -> Value:
    """``x * 2^k`` where the low bits of t hold k + 2 bias."""
    return _times_power_of_two(x, t.bits())


def _times_power_of_two(x: Value, bits: Value) -> Value:
    digits = x.format.digits
    half = bits >> 1
    return x * (half << digits).floating() * ((bits - half) << digits).floating()


def expm1(x: Value) -> Value:
    """2^k expm1(r) + (2^k - 1), where 2^k - 1 is exact unless 2^k is so large that the 1 does not count."""
    p, t = once(_expm1_parts, x)
    # k - 1 in place of k, since 2^k may overflow where the result does not; where 2^k does not count it may be no
    # normal number.
    half = where(x < -_NO_POWER[x.dtype], 0.0, (t.bits() << x.format.digits).floating())
    y = fma(half, p, half - 0.5) * 2.0
    # Halving must not round a subnormal, nor lose the sign of -0.
    return where(fabs(x) < 2.0 ** -(x.format.digits + 2), x, y)


def expm1_slope(x: Value) -> Value:
    """The derivative of expm1, exp(x), which has most in common with it: 2^k (1 + expm1(r))."""
    p, t = once(_expm1_parts, x)
    return _times_power_of_two(p + 1.0, t.bits() + (x.format.bias + 1))


def _expm1_parts(x: Value) -> tuple[Value, Value]:
    low, high = {"f64": (-760.0, 710.0), "f32": (-112.0, 89.0)}[x.dtype]
    return _reduced_expm1(x.clamp(low, high), -1)


_NO_POWER = {"f64": 60.0, "f32": 30.0}


def reduced_expm1(x: Value, power: int) -> tuple[Value, Value]:
    """expm1(r) to nearly its last bit, and 2^(k + power); k + power must be the exponent of a normal number."""
    p, t = _reduced_expm1(x, power)
    return p, (t.bits() << x.format.digits).floating()


def _reduced_expm1(x: Value, power: int) -> tuple[Value, Value]:
    """expm1(r), and a number whose low bits hold k + power + bias."""
    shifter = x.format.shifter + x.format.bias + power
    t = fma(x, INVERSE_LN2, shifter)
    k = t - shifter
    exact, r = split_exponent(x, k)
    # What rounding took from r.
    lost = fma(k, -LN2[x.dtype][1], exact - r)
    return r + fma(r * r, polynomial(r, EXPM1[x.dtype]), lost), t


def sigmoid(x: Value) -> Value:
    """1 / (1 + exp(-x)), as exp(x) / (1 + exp(x)) for negative x: exp never overflows and no digits cancel."""
    return once(_sigmoid, x)


def _sigmoid(x: Value) -> Value:
    z = exp_neg_abs(x)
    whole = z + 1.0
    y = where(x < 0.0, z, 1.0) / whole
    # What rounding added to 1 + z, negated; it matters most where z is small, so dividing it by 1 + z is not worth
    # while.
    return fma(y, (whole - 1.0) - z, y)


def sigmoid_slope(x: Value) -> Value:
    """The derivative, y (1 - y), from the smaller of the two factors; that is z y where x is positive."""
    y = once(_sigmoid, x)
    least = where(x < 0.0, y, exp_neg_abs(x) * y)
    return fma(-least, least, least)


# tanh(x/2) = x times the sum of these times x^0, x^2, ...: the Taylor series, all digits up to 1/2
TANH_HALF = (
    1 / 2, -1 / 24, 1 / 240, -17 / 40320, 31 / 725760, -691 / 159667200, 5461 / 12454041600, -929569 / 20922789888000,
    3202291 / 711374856192000, -221930581 / 486580401635328000, 4722116521 / 102181884343418880000,
)  # fmt: skip


def tanh_half(x: Value) -> Value:
    """tanh(x/2) = 2 sigmoid(x) - 1 = (1 - z) / (1 + z) with z = exp(-|x|), which shares all its work with the sigmoid
    but near 0.
    """
    series = x * polynomial(x * x, TANH_HALF)
    z, y = exp_neg_abs(x), once(_sigmoid, x)
    return where(fabs(x) < 0.5, series, copysign((1.0 - z) * where(x < 0.0, 1.0 - y, y), x))
