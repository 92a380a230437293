"""erf and erfc.

erf is an odd polynomial to 1 and 1 - exp(p(x)) beyond, where the exponential is so much less than 1 that its errors
hardly count. erfc needs all its digits in the tail: exp(-x^2) times the mild function p(u) u of u = 1 / (3 + x), with
what rounding took from either in one correction.
"""

from __future__ import annotations

from functad.lower.math.exponential import EXPM1, INVERSE_LN2, exp, split_exponent, times_power_of_two
from functad.lower.math.values import Value, copysign, fabs, fma, horner, polynomial, where

__all__ = ["erf", "erfc"]

# erf(x) = x + x p(x^2) for |x| <= 1
ERF = {
    "f64": (
        0.12837916709551256, -0.3761263890318352, 0.11283791670944185, -0.02686617064311147, 0.005223977606118481,
        -0.0008548325929316656, 0.0001205529357702147, -1.4924712305189893e-05, 1.6447131617748237e-06,
        -1.6206314146064028e-07, 1.3710982127039678e-08, -7.779471692267398e-10,
    ),  # 2^-56.9
    "f32": (0.12837917, -0.37612626, 0.112835854, -0.026853811, 0.0051883273, -0.00080101896, 7.8538484e-05),  # 2^-29.6
}  # fmt: skip

# erf(x) = 1 - exp(p(x)) from 1 to where it rounds to 1
LOG_ERFC = {
    "f64": (
        -5.028102271638778e-07, -1.1283740898603325, -0.636643626356167, -0.10270344432610977, 0.01899018804781002,
        0.00041061508388466064, -0.0019159298799897697, 0.000770632354286688, -0.00013504355305158253,
        -2.027002077418873e-05, 2.282380681701673e-05, -8.667560738958779e-06, 2.1357705664244055e-06,
        -3.733193618120137e-07, 4.6425010048452214e-08, -3.9344482421764625e-09, 2.0450662115761847e-10,
        -4.92888744283676e-12,
    ),  # 2^-57.0
    "f32": (-0.00034153703, -1.1270891, -0.63814497, -0.10310662, 0.02183799, -0.0029476373, 0.0001863768),  # 2^-29.8
}  # fmt: skip

# erfc(x) = exp(-x^2) u p(u - 1/8), u = 1 / (3 + x), from 3/4 to where it rounds to 0
ERFC = {
    "f64": (
        0.885637101864549, 3.8372915446746787, 14.327854933924128, 44.864366926299425, 111.89447554059683,
        196.34918013840877, 133.99749445390586, -431.29993026310086, -1390.0537240319245, -297.9809861362886,
        6686.52339106376, 9582.292334796879, -30552.648364113076, -83962.30684226383, 158819.90507933643,
        648902.8392505993, -1074450.780097287, -4692238.905192233, 9343739.994311424, 23190340.362405173,
        -62124187.23777528,
    ),  # 2^-58.5
    # 2^-30.5
    "f32": (0.8856371, 3.8372915, 14.327856, 44.864525, 111.89197, 196.26291, 135.76067, -424.64255, -1753.1326,
        2582.4636),
}  # fmt: skip

# What rounding took from the first two of these.
ERFC_LOW = {
    "f64": (-1.6774029751314445e-17, 1.3290206594963209e-16),
    "f32": (-2.831043e-09, -9.47791e-10),
}

_MIDDLE = 0.125
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
    square, rest = v * v, horner(v, others)
    head = fma(square, rest, line)
    head_lost = fma(square, rest, line - head) + line_lost
    y = u * head
    y_lost = fma(u, head_lost, fma(y, u_lost, fma(u, head, -y)))
    # exp(-x^2) = 2^k (1 + p), with the digits that squaring lost.
    exponent = x * x
    shifter = x.format.shifter + 2 * x.format.bias
    t = fma(exponent, -INVERSE_LN2, shifter)
    _, r = split_exponent(-exponent, t - shifter)
    r = r - fma(x, x, -exponent)
    p = fma(r * r, polynomial(r, EXPM1[x.dtype]), r)
    return times_power_of_two(y + fma(y, p, fma(y_lost, p, y_lost)), t)
