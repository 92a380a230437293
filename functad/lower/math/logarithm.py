"""log, log2, log10, log1p, and softplus and logaddexp, which are made of it.

x = 2^k m with m in [sqrt(1/2), sqrt 2), f = m - 1 (exact), s = f / (2 + f), and

    log(1 + f) = 2 atanh(s) = f - f^2/2 + s (f^2/2 + s^2 p(s^2)),

whose largest term f is exact: 2 s = f - s f, and s f = f^2/2 - s f^2/2. Coefficients: ``tools/minimax.py``.
"""

from __future__ import annotations

import math

from functad.lower.math.exponential import LN2, exp_neg_abs
from functad.lower.math.values import Value, copysign, fma, polynomial, where

__all__ = ["exponent_and_fraction", "log", "log1p", "log1p_of_sum", "log2", "log10", "logaddexp", "softplus"]

# log(1 + f) = 2 s + s^3 p(s^2), s = f / (2 + f)
LOG = {
    "f64": (
        0.6666666666666734, 0.39999999999415675, 0.28571428742187527, 0.22222198591604192, 0.1818356347597995,
        0.1531406964150298, 0.1479578446519492,
    ),  # 2^-59.5
    "f32": (0.66666776, 0.39977565, 0.2987122),  # 2^-30.2
}  # fmt: skip

# 1 / ln b = high + low.
LOG2E = {"f64": (1.4426950408889634, 2.0355273740931033e-17), "f32": (1.442695, 1.925963e-08)}
LOG10E = {"f64": (0.4342944819032518, 1.098319650216765e-17), "f32": (0.4342945, -1.010305e-08)}

# log_b 2 = high + low; the high part is so short that its product with an exponent is exact.
LOG2_2 = {"f64": (1.0, 0.0), "f32": (1.0, 0.0)}
LOG10_2 = {"f64": (0.30102999566383914, 1.42050232272661e-13), "f32": (0.3010254, 4.605039e-06)}

# The bits of sqrt(1/2).
_ROOT_HALF = {"f64": 0x3FE6A09E667F3BCD, "f32": 0x3F3504F3}


def log(x: Value) -> Value:
    k, f = _reduced(x)
    high, low = LN2[x.dtype]
    square, tail = _series(f)
    return _on_domain(x, 0.0, fma(k, high, f - (square - fma(k, low, tail))))


def log2(x: Value) -> Value:
    return _log_to_base(x, LOG2E[x.dtype], LOG2_2[x.dtype])


def log10(x: Value) -> Value:
    return _log_to_base(x, LOG10E[x.dtype], LOG10_2[x.dtype])


def _log_to_base(x: Value, scale: tuple[float, float], log_two: tuple[float, float]) -> Value:
    """log(m) and its product with 1 / ln b in two parts each, so that powers of b come out exact."""
    k, f = _reduced(x)
    square, tail = _series(f)
    high = f - square
    low = ((f - high) - square) + tail
    product = high * scale[0]
    rest = fma(high, scale[0], -product) + fma(high, scale[1], low * scale[0])
    whole = k * log_two[0]
    total = whole + product
    return _on_domain(x, 0.0, total + (((whole - total) + product) + fma(k, log_two[1], rest)))


def log1p(x: Value) -> Value:
    return copysign(_on_domain(x, -1.0, log1p_of_sum(x)), x)


def softplus(x: Value) -> Value:
    """log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|))."""
    return where(x > 0.0, x, 0.0) + log1p_of_sum(exp_neg_abs(x))


def logaddexp(x: Value, y: Value) -> Value:
    """log(exp(x) + exp(y)) = max(x, y) + log1p(exp(-|x - y|)); equal infinities have the difference 0."""
    difference = where(x.equals(y), 0.0, x - y)
    return where(x > y, x, y) + log1p_of_sum(exp_neg_abs(difference))


def log1p_of_sum(x: Value, more: Value | None = None) -> Value:
    """log(1 + x + more) where it is finite, ``more`` below the last digits of x. What rounding takes from the sum goes
    into f.
    """
    u = x + 1.0
    from_one = u - x
    lost = (x - (u - from_one)) + (1.0 - from_one)
    if more is not None:
        lost = lost + more
    k, m = _split(u, u.format.shifter + u.format.bias)
    # 2^-k, or 0 where it is subnormal: u is then so large that nothing lost counts.
    scale = (m.bits() - u.bits()) + (x.format.bias << x.format.digits)
    f = fma(where(scale > 0, scale, 0).floating(), lost, m - 1.0)
    high, low = LN2[x.dtype]
    square, tail = _series(f)
    return fma(k, high, f - (square - fma(k, low, tail)))


def _reduced(x: Value) -> tuple[Value, Value]:
    """k and f for positive finite x."""
    k, m = exponent_and_fraction(x)
    return k, m - 1.0


def exponent_and_fraction(x: Value) -> tuple[Value, Value]:
    """k and m for positive finite x, subnormal ones included."""
    digits = x.format.digits
    small = x < x.format.smallest_normal
    bias = x.format.shifter + x.format.bias
    return _split(where(small, x * 2.0 ** (digits + 2), x), where(small, x.const(bias + (digits + 2)), bias))


def _split(x: Value, bias: Value | float) -> tuple[Value, Value]:
    """k and m for positive normal x; ``bias`` is the shifter, the exponent's bias, and what more is to be taken from
    k.
    """
    form = x.format
    root = _ROOT_HALF[x.dtype]
    # Moves [sqrt(1/2), sqrt 2) to where the exponent field is constant.
    bits = x.bits() + ((form.bias << form.digits) - root)
    shifter_bits = (form.bias + form.digits << form.digits) | 1 << form.digits - 1
    k = (bits >> form.digits | shifter_bits).floating() - bias
    return k, ((bits & ((1 << form.digits) - 1)) + root).floating()


def _series(f: Value) -> tuple[Value, Value]:
    """f^2/2, and what f - f^2/2 lacks to log(1 + f)."""
    s = f / (f + 2.0)
    z = s * s
    square = f * f * 0.5
    return square, s * fma(z, polynomial(z, LOG[f.dtype]), square)


def _on_domain(x: Value, low: float, y: Value) -> Value:
    """``y`` between ``low`` and infinity, where the logarithm has its limits; NaN below and for NaN."""
    y = where(x < math.inf, y, x)
    return where(x > low, y, where(x.equals(low), -math.inf, x.const(math.nan)))
