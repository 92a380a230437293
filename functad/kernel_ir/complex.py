"""Complex arithmetic as real arithmetic: a pair of Values, and what each operation does to pairs.

The formulas follow NumPy and C99 (branch cuts, signed zeros, infinities), without branches: special cases are selects. An operand that is
a plain Value is a real number, and is kept real where that saves work (``z * 2`` is two products).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from functad.kernel_ir.nodes import Value

if TYPE_CHECKING:
    from functad.kernel_ir.builder import Builder

__all__ = ["COMPLEX", "Complex"]


class Complex:
    """A complex scalar: its real and imaginary parts, of one real dtype."""

    __slots__ = ("im", "re")

    def __init__(self, re: Value, im: Value) -> None:
        self.re = re
        self.im = im

    @property
    def dtype(self) -> np.dtype:
        """The complex dtype."""
        return np.dtype(f"c{2 * self.re.dtype.itemsize}")


Number = Any
COMPLEX: dict[str, Callable[..., Any]] = {}
"""What each operation does to complex operands."""


def _rule(fn: Callable[..., Any]) -> Callable[..., Any]:
    COMPLEX[fn.__name__.lstrip("_")] = fn
    return fn


def _pair(b: Builder, x: Number) -> Complex:
    return x if isinstance(x, Complex) else Complex(x, b.const(0, x.dtype))


def _times_i(b: Builder, z: Complex) -> Complex:
    return Complex(b.neg(z.im), z.re)


def _over_i(b: Builder, z: Complex) -> Complex:
    return Complex(z.im, b.neg(z.re))


# ---- arithmetic


@_rule
def add(b: Builder, x: Number, y: Number) -> Complex:
    if not isinstance(x, Complex):
        x, y = y, x
    return Complex(b.add(x.re, y.re), b.add(x.im, y.im)) if isinstance(y, Complex) else Complex(b.add(x.re, y), x.im)


@_rule
def sub(b: Builder, x: Number, y: Number) -> Complex:
    if not isinstance(y, Complex):
        return Complex(b.sub(x.re, y), x.im)
    if not isinstance(x, Complex):
        return Complex(b.sub(x, y.re), b.neg(y.im))
    return Complex(b.sub(x.re, y.re), b.sub(x.im, y.im))


@_rule
def neg(b: Builder, x: Complex) -> Complex:
    return Complex(b.neg(x.re), b.neg(x.im))


@_rule
def mul(b: Builder, x: Number, y: Number) -> Complex:
    if not isinstance(x, Complex):
        x, y = y, x
    if not isinstance(y, Complex):
        return Complex(b.mul(x.re, y), b.mul(x.im, y))
    return Complex(
        b.sub(b.mul(x.re, y.re), b.mul(x.im, y.im)),
        b.add(b.mul(x.re, y.im), b.mul(x.im, y.re)),
    )


@_rule
def fma(b: Builder, x: Number, y: Number, z: Number) -> Any:
    return b.add(b.mul(x, y), z)


@_rule
def div(b: Builder, x: Number, y: Number) -> Complex:
    """Smith's method, as NumPy: the quotient ``r`` of the smaller by the larger part of y keeps |y|^2 from overflowing.

    x / y = (u + v r) / (p + q r), where p is the larger part of y, q the smaller, r = q / p, and (u, v) the parts of x in that order.
    """
    if not isinstance(y, Complex):
        return Complex(b.div(x.re, y), b.div(x.im, y))
    x = _pair(b, x)
    upright = b.ge(b.abs(y.re), b.abs(y.im))
    p, q = b.select(upright, y.re, y.im), b.select(upright, y.im, y.re)
    u, v = b.select(upright, x.re, x.im), b.select(upright, x.im, x.re)
    by_zero = b.bit_and(b.eq(p, 0), b.eq(q, 0))
    r = b.select(by_zero, 0, b.div(q, p))
    scale = b.div(1, b.select(by_zero, b.abs(p), b.add(p, b.mul(q, r))))
    re = b.mul(b.add(u, b.select(by_zero, 0, b.mul(v, r))), scale)
    ur = b.select(by_zero, 0, b.mul(u, r))
    return Complex(re, b.mul(b.select(upright, b.sub(v, ur), b.sub(ur, v)), scale))


@_rule
def reciprocal(b: Builder, y: Complex) -> Complex:
    """Smith's quotient of 1 by y."""
    upright = b.ge(b.abs(y.re), b.abs(y.im))
    p, q = b.select(upright, y.re, y.im), b.select(upright, y.im, y.re)
    r = b.div(q, p)
    scale = b.div(1, b.add(p, b.mul(q, r)))
    turned = b.mul(r, scale)
    return Complex(b.select(upright, scale, turned), b.neg(b.select(upright, turned, scale)))


@_rule
def power(b: Builder, x: Number, y: Number) -> Any:
    """exp(y log x), with x**0 = 1, and 0**y = 0 where Re y > 0, else NaN, as NumPy; small constant integers by products."""
    exponent = b.constant(y)
    if exponent is not None and exponent == int(exponent) and abs(exponent) <= 4:
        return _integer_power(b, x, int(exponent))
    x, y = _pair(b, x), _pair(b, y) if isinstance(y, Complex) else y
    value = b.exp(b.mul(y, b.log(x)))
    y = _pair(b, y)
    base_zero, none = b.eq(x, 0), b.eq(y, 0)
    at_zero = b.select(b.gt(y.re, 0), 0, b.const(math.nan, y.re.dtype))
    value = b.select(base_zero, Complex(at_zero, at_zero), value)
    return b.select(none, 1, value)


def _integer_power(b: Builder, x: Complex, n: int) -> Any:
    if n == 0:
        return Complex(b.const(1, x.re.dtype), b.const(0, x.re.dtype))
    if n < 0:
        return b.div(1, _integer_power(b, x, -n))
    if n == 1:
        return x
    half = _integer_power(b, x, n // 2)
    square = b.mul(half, half)
    return b.mul(square, x) if n % 2 else square


@_rule
def abs_(b: Builder, x: Complex) -> Value:
    return b.hypot(x.re, x.im)  # type: ignore[no-any-return]


COMPLEX["abs"] = COMPLEX.pop("abs_")


@_rule
def sign(b: Builder, x: Complex) -> Complex:
    """x / |x|, and 0 at 0; where one part is infinite, its sign; where both are, NaN, as NumPy."""
    size = b.abs(x)
    unit = b.div(x, b.select(b.eq(size, 0), 1, size))
    tall, wide = b.isinf(x.im), b.isinf(x.re)
    one = b.select(b.bit_and(tall, wide), b.const(math.nan, x.re.dtype), 1)
    ends = Complex(b.select(wide, b.copysign(one, x.re), 0), b.select(tall, b.copysign(one, x.im), 0))
    return b.select(b.isinf(size), ends, unit)  # type: ignore[no-any-return]


# ---- comparing


@_rule
def eq(b: Builder, x: Number, y: Number) -> Value:
    x, y = _pair(b, x), _pair(b, y)
    return b.bit_and(b.eq(x.re, y.re), b.eq(x.im, y.im))  # type: ignore[no-any-return]


@_rule
def ne(b: Builder, x: Number, y: Number) -> Value:
    x, y = _pair(b, x), _pair(b, y)
    return b.bit_or(b.ne(x.re, y.re), b.ne(x.im, y.im))  # type: ignore[no-any-return]


def _lexicographic(name: str, strict: str) -> Callable[..., Value]:
    """NumPy's order of complex numbers: by real part, then by imaginary part, false where a part that decides is NaN."""

    def rule(b: Builder, x: Number, y: Number) -> Value:
        x, y = _pair(b, x), _pair(b, y)
        numbers = b.bit_not(b.bit_or(b.isnan(x.im), b.isnan(y.im)))
        first = b.bit_and(b.compute(strict, x.re, y.re), numbers)
        return b.bit_or(first, b.bit_and(b.eq(x.re, y.re), b.compute(name, x.im, y.im)))  # type: ignore[no-any-return]

    return rule


for _name, _strict in (("lt", "lt"), ("le", "lt"), ("gt", "gt"), ("ge", "gt")):
    COMPLEX[_name] = _lexicographic(_name, _strict)


@_rule
def maximum(b: Builder, x: Number, y: Number) -> Any:
    return b.select(b.bit_or(b.ge(x, y), b.isnan(x)), _pair(b, x), _pair(b, y))


@_rule
def minimum(b: Builder, x: Number, y: Number) -> Any:
    return b.select(b.bit_or(b.le(x, y), b.isnan(x)), _pair(b, x), _pair(b, y))


@_rule
def select(b: Builder, p: Value, x: Number, y: Number) -> Complex:
    x, y = _pair(b, x), _pair(b, y)
    return Complex(b.select(p, x.re, y.re), b.select(p, x.im, y.im))


@_rule
def isnan(b: Builder, x: Complex) -> Value:
    return b.bit_or(b.isnan(x.re), b.isnan(x.im))  # type: ignore[no-any-return]


@_rule
def isinf(b: Builder, x: Complex) -> Value:
    return b.bit_or(b.isinf(x.re), b.isinf(x.im))  # type: ignore[no-any-return]


@_rule
def isfinite(b: Builder, x: Complex) -> Value:
    return b.bit_and(b.isfinite(x.re), b.isfinite(x.im))  # type: ignore[no-any-return]


@_rule
def rint(b: Builder, x: Complex) -> Complex:
    return Complex(b.rint(x.re), b.rint(x.im))


# ---- square root, exponential, logarithm


def _scaled(b: Builder, x: Complex) -> tuple[Complex, Any, Any, Any]:
    """x times a power of four, so that its square neither overflows nor vanishes; whether it was huge, whether tiny, and the exponent k of 4^k."""
    info = np.finfo(x.re.dtype)
    size = b.maximum(b.abs(x.re), b.abs(x.im))
    huge, tiny = b.ge(size, float(info.max) / 8), b.lt(size, float(info.tiny) * 4 / float(info.eps))
    k = info.nmant + 3
    scale = b.select(huge, 0.25, b.select(tiny, 4.0**k, b.const(1, x.re.dtype)))
    return Complex(b.mul(x.re, scale), b.mul(x.im, scale)), huge, tiny, k


@_rule
def sqrt(b: Builder, z: Complex) -> Complex:
    """With t = sqrt((|x| + |z|) / 2), the root is (t, y / 2t) for x >= 0, and (|y| / 2t, +-t) for x < 0: no cancellation."""
    (x, y), (scaled, huge, tiny, k) = (z.re, z.im), _scaled(b, z)
    t = b.sqrt(b.mul(b.add(b.abs(scaled.re), b.abs(scaled)), 0.5))
    w = b.select(b.eq(t, 0), 0, b.div(b.abs(scaled.im), b.add(t, t)))
    unscale = b.select(huge, 2.0, b.select(tiny, 2.0**-k, b.const(1, x.dtype)))
    t, w = b.mul(t, unscale), b.mul(w, unscale)
    right = b.bit_not(b.lt(x, 0))
    tall = b.isinf(y)
    re = b.select(tall, math.inf, b.select(right, t, w))
    return Complex(re, b.copysign(b.select(tall, math.inf, b.select(right, w, t)), y))


def _limit(dtype: np.dtype) -> float:
    """An argument whose exp is finite, and so is the exp of the rest up to where even a sine times exp overflows."""
    return 700.0 if dtype.itemsize == 8 else 80.0


@_rule
def exp(b: Builder, z: Complex) -> Complex:
    """e^x (cos y, sin y); e^x is the product of two factors, so that it does not overflow before the product with the sine does."""
    x, y = z.re, z.im
    limit = _limit(x.dtype)
    part = b.minimum(x, limit)
    e, rest = b.exp(part), b.exp(b.sub(x, part))
    rest = b.select(b.isnan(rest), 1, rest)  # x = -inf (or NaN, which e carries)
    re, im = b.mul(b.mul(b.cos(y), e), rest), b.mul(b.mul(b.sin(y), e), rest)
    im = b.select(b.eq(y, 0), y, im)
    endless = b.bit_and(b.isinf(x), b.bit_not(b.isfinite(y)))  # e^-inf is 0, e^inf is inf, whatever the angle
    re = b.select(endless, b.select(b.lt(x, 0), 0, x), b.select(b.eq(y, 0), b.mul(e, rest), re))
    return Complex(re, b.select(b.bit_and(endless, b.lt(x, 0)), b.mul(0, b.copysign(1, y)), im))


@_rule
def exp2(b: Builder, z: Complex) -> Any:
    return b.exp(b.mul(z, math.log(2)))


@_rule
def expm1(b: Builder, z: Complex) -> Complex:
    """e^x cos y - 1 = expm1(x) cos y - 2 sin^2(y/2)."""
    x, y = z.re, z.im
    s = b.sin(b.mul(y, 0.5))
    return Complex(b.sub(b.mul(b.expm1(x), b.cos(y)), b.mul(2, b.mul(s, s))), b.mul(b.exp(x), b.sin(y)))


@_rule
def log(b: Builder, z: Complex) -> Complex:
    """log |z| + i arg z. Near |z| = 1 the first is log1p((p - 1)(p + 1) + q^2) / 2, with p the larger part of z and q the smaller."""
    scaled, huge, tiny, k = _scaled(b, z)
    shift = b.select(huge, math.log(4), b.select(tiny, -k * math.log(4), b.const(0, z.re.dtype)))
    p, q = b.maximum(b.abs(z.re), b.abs(z.im)), b.minimum(b.abs(z.re), b.abs(z.im))
    near = b.bit_and(b.gt(p, 0.5), b.lt(p, 1.5))
    by_unit = b.mul(0.5, b.log1p(b.add(b.mul(b.sub(p, 1), b.add(p, 1)), b.mul(q, q))))
    return Complex(b.select(near, by_unit, b.add(b.log(b.abs(scaled)), shift)), b.arctan2(z.im, z.re))


@_rule
def log2(b: Builder, z: Complex) -> Any:
    return b.mul(b.log(z), 1 / math.log(2))


@_rule
def log10(b: Builder, z: Complex) -> Any:
    return b.mul(b.log(z), 1 / math.log(10))


@_rule
def log1p(b: Builder, z: Complex) -> Complex:
    """Near 0, log |1 + z| = log1p(x (2 + x) + y^2) / 2."""
    x, y = z.re, z.im
    near = b.lt(b.maximum(b.abs(x), b.abs(y)), 0.5)
    by_zero = b.mul(0.5, b.log1p(b.add(b.mul(x, b.add(x, 2)), b.mul(y, y))))
    whole = b.log(b.add(z, 1))
    return Complex(b.select(near, by_zero, whole.re), whole.im)


# ---- trigonometric and hyperbolic functions: those of z are those of iz, turned


def _sinh_cosh(b: Builder, x: Value) -> tuple[Value, Value, Value]:
    """sinh and cosh of x up to a common factor exp(rest), which is third."""
    limit = _limit(x.dtype)
    size = b.abs(x)
    part = b.minimum(size, limit)
    rest = b.exp(b.sub(size, part))
    return b.sinh(b.copysign(part, x)), b.cosh(part), b.select(b.isnan(x), 1, rest)


@_rule
def sinh(b: Builder, z: Complex) -> Complex:
    """sinh x cos y + i cosh x sin y."""
    x, y = z.re, z.im
    s, c, factor = _sinh_cosh(b, x)
    re, im = b.mul(b.mul(s, b.cos(y)), factor), b.mul(b.mul(c, b.sin(y)), factor)
    unsure = b.bit_not(b.isfinite(y))
    re = b.select(b.bit_and(unsure, b.bit_or(b.eq(x, 0), b.isinf(x))), x, re)
    return Complex(re, b.select(b.eq(y, 0), y, im))


@_rule
def cosh(b: Builder, z: Complex) -> Complex:
    """cosh x cos y + i sinh x sin y."""
    x, y = z.re, z.im
    s, c, factor = _sinh_cosh(b, x)
    re, im = b.mul(b.mul(c, b.cos(y)), factor), b.mul(b.mul(s, b.sin(y)), factor)
    unsure = b.bit_not(b.isfinite(y))
    re = b.select(b.bit_and(unsure, b.isinf(x)), math.inf, re)
    flat = b.bit_or(b.eq(y, 0), b.bit_and(unsure, b.eq(x, 0)))
    zero = b.mul(b.copysign(b.const(0, x.dtype), x), b.copysign(b.const(1, x.dtype), y))
    return Complex(re, b.select(flat, zero, im))


@_rule
def tanh(b: Builder, z: Complex) -> Complex:
    """Kahan's: with t = tan y, beta = 1 + t^2, s = sinh x: (beta s cosh x + i t) / (1 + beta s^2); far out, 1 + 4i sin y cos y e^-2|x|."""
    x, y = z.re, z.im
    size = b.abs(x)
    cut = 22.0 if x.dtype.itemsize == 8 else 11.0
    far = b.gt(size, cut)
    near_x = b.copysign(b.select(far, cut, size), x)
    t, s = b.tan(y), b.sinh(near_x)
    beta = b.add(1, b.mul(t, t))
    bottom = b.add(1, b.mul(beta, b.mul(s, s)))
    re = b.div(b.mul(b.mul(beta, s), b.cosh(near_x)), bottom)
    tail = b.mul(b.mul(4, b.mul(b.sin(y), b.cos(y))), b.exp(b.mul(-2, size)))
    unsure = b.bit_not(b.isfinite(y))
    tail = b.select(b.bit_and(unsure, b.isinf(x)), b.copysign(b.const(0, x.dtype), y), tail)
    im = b.select(far, tail, b.div(t, bottom))
    outer = b.add(b.copysign(b.const(1, x.dtype), x), b.mul(0, tail))  # NaN where the angle has no sine
    re = b.select(b.bit_and(unsure, b.eq(x, 0)), x, b.select(far, outer, re))
    return Complex(re, b.select(b.eq(y, 0), y, im))


@_rule
def sin(b: Builder, z: Complex) -> Complex:
    return _over_i(b, b.sinh(_times_i(b, z)))


@_rule
def cos(b: Builder, z: Complex) -> Any:
    return b.cosh(_times_i(b, z))


@_rule
def tan(b: Builder, z: Complex) -> Complex:
    return _over_i(b, b.tanh(_times_i(b, z)))


# ---- their inverses, by Kahan's formulas


def _one_minus(b: Builder, z: Complex) -> Any:
    return b.sqrt(Complex(b.sub(1, z.re), b.neg(z.im)))


def _one_plus(b: Builder, z: Complex) -> Any:
    return b.sqrt(Complex(b.add(1, z.re), z.im))


@_rule
def arcsin(b: Builder, z: Complex) -> Complex:
    """With p = sqrt(1 - z) and q = sqrt(1 + z): (arctan2(x, Re(p q)), arcsinh(Im(conj(p) q))); no difference in them cancels."""
    p, q = _one_minus(b, z), _one_plus(b, z)
    re = b.arctan2(z.re, b.sub(b.mul(p.re, q.re), b.mul(p.im, q.im)))
    im = b.arcsinh(b.sub(b.mul(p.re, q.im), b.mul(p.im, q.re)))
    re = b.select(b.isinf(z.re), b.arctan2(z.re, b.abs(z.im)), b.select(b.isinf(z.im), b.arctan2(z.re, math.inf), re))
    return Complex(re, b.select(b.isinf(z), b.copysign(b.const(math.inf, z.re.dtype), z.im), im))


@_rule
def arccos(b: Builder, z: Complex) -> Complex:
    """(2 arctan2(Re p, Re q), arcsinh(Im(conj(q) p)))."""
    p, q = _one_minus(b, z), _one_plus(b, z)
    re = b.mul(2, b.arctan2(p.re, q.re))
    im = b.arcsinh(b.sub(b.mul(q.re, p.im), b.mul(q.im, p.re)))
    re = b.select(b.isinf(z), b.arctan2(b.abs(z.im), z.re), re)
    return Complex(re, b.select(b.isinf(z), b.copysign(b.const(math.inf, z.re.dtype), b.neg(z.im)), im))


@_rule
def arcsinh(b: Builder, z: Complex) -> Complex:
    return _over_i(b, b.arcsin(_times_i(b, z)))


@_rule
def arccosh(b: Builder, z: Complex) -> Complex:
    """arccos turned so that the real part is positive."""
    w = b.arccos(z)
    return Complex(b.abs(w.im), b.copysign(w.re, z.im))


@_rule
def arctanh(b: Builder, z: Complex) -> Complex:
    """For x >= 0: (log1p(4x / ((1 - x)^2 + y^2)) / 4, arctan2(2y, (1 - x)(1 + x) - y^2) / 2); for x < 0 by symmetry; far out, 1/z + i pi/2."""
    x, y = b.abs(z.re), z.im
    size_y = b.abs(y)
    info = np.finfo(x.dtype)
    far = b.gt(b.maximum(x, size_y), math.sqrt(float(info.max)) / 8)
    pole = b.bit_and(b.eq(x, 1), b.lt(size_y, float(info.eps)))
    square = b.add(b.mul(b.sub(1, x), b.sub(1, x)), b.mul(y, y))
    re = b.mul(0.25, b.log1p(b.div(b.mul(4, x), square)))
    re = b.select(pole, b.mul(-0.5, b.log(b.mul(size_y, 0.5))), re)
    re = b.select(far, b.div(1, Complex(x, y)).re, re)
    re = b.select(b.bit_or(b.isinf(x), b.isinf(y)), 0, re)
    im = b.mul(0.5, b.arctan2(b.mul(2, y), b.sub(b.mul(b.sub(1, x), b.add(1, x)), b.mul(y, y))))
    im = b.select(b.bit_or(far, b.isinf(z)), b.copysign(b.const(math.pi / 2, x.dtype), y), im)
    return Complex(b.copysign(re, z.re), im)


@_rule
def arctan(b: Builder, z: Complex) -> Complex:
    return _over_i(b, b.arctanh(_times_i(b, z)))
