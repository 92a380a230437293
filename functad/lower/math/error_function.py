"""erf and erfc.

erf is an odd polynomial to 1 and 1 - exp(p(x)) beyond, where the exponential is so much less than 1 that its errors hardly count. erfc
needs all its digits in the tail: exp(-x^2) times the mild function p(u) u of u = 1 / (3 + x), with what rounding took from either in one
correction.
"""

from __future__ import annotations

from functad.lower.math.exponential import EXPM1, INVERSE_LN2, exp, split_exponent, times_power_of_two
from functad.lower.math.values import Value, copysign, fabs, fma, horner, polynomial, where

__all__ = ["erf", "erfc"]

# erf(x) = x + x p(x^2) for |x| <= 1
ERF = {
    "f64": (
        0.12837916709551256, -0.3761263890318352, 0.11283791670944185, -0.02686617064311147, 0.005223977606118481, -0.0008548325929316656,
        0.0001205529357702147, -1.4924712305189893e-05, 1.6447131617748237e-06, -1.6206314146064028e-07, 1.3710982127039678e-08,
        -7.779471692267398e-10,
    ),  # 2^-56.9
    "f32": (0.12837917, -0.37612626, 0.112835854, -0.026853811, 0.0051883273, -0.00080101896, 7.8538484e-05),  # 2^-29.6
}  # fmt: skip

# erf(x) = 1 - exp(p(x)) from 1 to where it rounds to 1
LOG_ERFC = {
    "f64": (
        -5.028102271638778e-07, -1.1283740898603325, -0.636643626356167, -0.10270344432610977, 0.01899018804781002, 0.00041061508388466064,
        -0.0019159298799897697, 0.000770632354286688, -0.00013504355305158253, -2.027002077418873e-05, 2.282380681701673e-05,
        -8.667560738958779e-06, 2.1357705664244055e-06, -3.733193618120137e-07, 4.6425010048452214e-08, -3.9344482421764625e-09,
        2.0450662115761847e-10, -4.92888744283676e-12,
    ),  # 2^-57.0
    "f32": (-0.00034153703, -1.1270891, -0.63814497, -0.10310662, 0.02183799, -0.0029476373, 0.0001863768),  # 2^-29.8
}  # fmt: skip

# erfc(x) = exp(-x^2) u p(u - 0.109375), u = 1 / (3 + x), from 3/4 to where it rounds to 0
ERFC = {
    "f64": (
        0.8290127775687601, 3.4207560739628557, 12.381383206060407, 38.33927931753961, 97.09724895128893, 181.86887036907663,
        171.84328287994106, -263.01422582469746, -1281.5159904971, -1192.2657289801823, 4646.424552560738, 13547.752958414228,
        -11182.912384302726, -100504.35893537731, -11155.07906809831, 738888.0450996817, 417284.474371584, -6081851.499504392,
        -422629.5017486329, 42604148.87420995, -62124187.23777528,
    ),  # 2^-58.5
    "f32": (0.82901275, 3.420756, 12.381378, 38.339287, 97.10517, 181.75212, 169.39413, -182.80353, -2116.2915, 2582.4636),  # 2^-30.5
}  # fmt: skip

# What rounding took from the first two of these.
ERFC_LOW = {
    "f64": (-2.916899160079285e-17, 9.076362692567498e-18),
    "f32": (2.651688e-08, -1.5590798e-08),
}

_MIDDLE = 0.109375
_ONE = {"f64": 5.95, "f32": 3.95}
_ZERO = {"f64": 27.5, "f32": 10.5}


def erf(x: Value) -> Value:
    a = fabs(x)
    square = a * a
    inner = fma(a, polynomial(square, ERF[x.dtype]), a)
    outer = 1.0 - exp(polynomial(a.clamp(high=_ONE[x.dtype]), LOG_ERFC[x.dtype]))
    # NaN fails the comparison, and is NaN in the outer branch too.
    return copysign(where(a < 1.0, inner, outer), x)


def erfc(x: Value) -> Value:
    """1 - erf(x) near 0, 2 - erfc(-x) where x is negative."""
    a = fabs(x)
    inner = fma(-x, polynomial(x * x, ERF[x.dtype]), 1.0 - x)
    tail = _erfc_tail(a.clamp(high=_ZERO[x.dtype]))
    return where(a < 0.75, inner, where(x < 0.0, 2.0 - tail, tail))


def _erfc_tail(x: Value) -> Value:
    # u = 1 / (3 + x), and what it lost, relative to it.
    shifted = x + 3.0
    u = 1.0 / shifted
    u_lost = fma(-u, x - (shifted - 3.0), fma(-u, shifted, 1.0))
    # The mild factor, u (head + head_lost) = y + y_lost. Two terms of its polynomial are added exactly.
    constant, slope, *others = ERFC[x.dtype]
    v = fma(u, u_lost, u - _MIDDLE)
    line = fma(v, slope, constant)
    constant_low, slope_low = ERFC_LOW[x.dtype]
    line_lost = fma(v, slope, constant - line) + fma(v, slope_low, v.const(constant_low))
    rest = v * v * horner(v, others)
    head = line + rest
    head_lost = (line - head) + rest + line_lost
    y = u * head
    y_lost = fma(u, head_lost, fma(y, u_lost, fma(u, head, -y)))
    # exp(-x^2) = 2^k (1 + p), with the digits that squaring lost.
    square = x * x
    shifter = x.format.shifter + 2 * x.format.bias
    t = fma(square, -INVERSE_LN2, shifter)
    _, r = split_exponent(-square, t - shifter)
    r = r - fma(x, x, -square)
    p = fma(r * r, polynomial(r, EXPM1[x.dtype]), r)
    return times_power_of_two(y + fma(y, p, fma(y_lost, p, y_lost)), t)
