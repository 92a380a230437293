"""cbrt, hypot, and the parts of a vector over its length and over the square of that."""

from __future__ import annotations

import math

from functad.lower.math.logarithm import exponent_and_fraction
from functad.lower.math.values import Value, copysign, fabs, fma, polynomial, sqrt, where

__all__ = ["cbrt", "hypot", "unit_x", "unit_y", "x_over_square", "y_over_square"]

# m^(-1/3) for m in [sqrt(1/2), sqrt 2): a first guess
INVERSE_CBRT = {
    "f64": (
        1.9990382902549948, -2.485220504322014, 2.790756480487709, -1.8966442586605963, 0.6999892307272966,
        -0.10791538671586136,
    ),  # 2^-17.4
    "f32": (1.7305973, -1.2853615, 0.7129468, -0.15840444),  # 2^-11.9
}  # fmt: skip

# Squares of numbers between 1 / far and far neither overflow nor lose digits; those of others do not if scaled by 1 /
# factor or factor.
_FAR = {"f64": (2.0**500, 2.0**600), "f32": (2.0**60, 2.0**90)}


def cbrt(x: Value) -> Value:
    """2^e v^(1/3), where x = 2^(3 e) v.

    From y near v^(-1/3), cut so short that y^2 is exact, v^(1/3) = v y^2 (1 - h)^(-2/3) with h = 1 - v y^3, a short
    series.
    """
    k, m = exponent_and_fraction(fabs(x))
    form = x.format
    shifter = form.shifter + form.bias
    t = fma(k, 1.0 / 3.0, shifter)
    rest = fma(t - shifter, -3.0, k)
    lower, higher = rest < 0.0, rest > 0.0
    v = m * where(lower, 0.5, where(higher, 2.0, x.const(1.0)))
    guess = polynomial(m, INVERSE_CBRT[x.dtype])
    guess = guess * where(lower, 2.0 ** (1 / 3), where(higher, 2.0 ** (-1 / 3), x.const(1.0)))
    y = (guess.bits() & -(1 << form.digits // 2 + 1)).floating()
    square = y * y
    head = v * square
    tail = fma(v, square, -head)
    h = fma(-tail, y, fma(-head, y, 1.0))
    series = h * polynomial(h, (2.0 / 3.0, 5.0 / 9.0, 40.0 / 81.0))
    root = (head + fma(head, series, tail)) * (t.bits() << form.digits).floating()
    a = fabs(x)
    return copysign(where(a < math.inf, where(a > 0.0, root, x), x), x)


def hypot(x: Value, y: Value) -> Value:
    a, b = fabs(x), fabs(y)
    infinite = where(a.equals(math.inf), a, b)
    up, down, root = _scaled_root(a, b)
    _, factor = _FAR[x.dtype]
    back = where(down < 1.0, factor, where(up > 1.0, 1.0 / factor, x.const(1.0)))
    # Infinite even if the other is NaN.
    return where(infinite.equals(math.inf), infinite, root * back)


def unit_x(x: Value, y: Value) -> Value:
    """x / hypot(x, y), and 0 at the origin."""
    return _unit(x, fabs(x), fabs(y), x)


def unit_y(x: Value, y: Value) -> Value:
    """y / hypot(x, y), and 0 at the origin."""
    return _unit(y, fabs(x), fabs(y), x)


def _unit(part: Value, a: Value, b: Value, x: Value) -> Value:
    up, down, root = _scaled_root(a, b)
    quotient = part * up / where(root.equals(0.0), 1.0, root) * down
    # Infinite alone, it is 1; both are NaN.
    other = b if part is x else a
    return where(fabs(part).equals(math.inf) & (other < math.inf), copysign(1.0, part), quotient)


def x_over_square(x: Value, y: Value) -> Value:
    """x / (x^2 + y^2), and 0 where an operand is infinite."""
    return _over_square(x, fabs(x), fabs(y))


def y_over_square(x: Value, y: Value) -> Value:
    """y / (x^2 + y^2), and 0 where an operand is infinite."""
    return _over_square(y, fabs(x), fabs(y))


def _over_square(part: Value, a: Value, b: Value) -> Value:
    up, down, root = _scaled_root(a, b)
    quotient = part * up / root / root * up * down * down
    return where(root.equals(math.inf), copysign(0.0, part), quotient)


def _scaled_root(a: Value, b: Value) -> tuple[Value, Value, Value]:
    """Powers of two, one of them 1, that make large numbers smaller and small ones larger, and the root of the sum of
    squares after that.
    """
    larger = where(a > b, a, b)
    far, factor = _FAR[a.dtype]
    up = where(larger < 1.0 / far, factor, a.const(1.0))
    down = where(larger > far, 1.0 / factor, a.const(1.0))
    scale = up * down
    a, b = a * scale, b * scale
    return up, down, sqrt(fma(a, a, b * b))
