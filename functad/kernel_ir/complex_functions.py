"""Elementary functions of complex numbers, in terms of those of their parts: see ``complex``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from functad.kernel_ir.complex import COMPLEX, Complex, rule
from functad.kernel_ir.nodes import Value

if TYPE_CHECKING:
    from functad.kernel_ir.builder import Builder

__all__ = ["COMPLEX"]


def _times_i(b: Builder, z: Complex) -> Complex:
    return Complex(b.neg(z.im), z.re)


def _over_i(b: Builder, z: Complex) -> Complex:
    return Complex(z.im, b.neg(z.re))


# ---- square root, exponential, logarithm


def _scaled(b: Builder, x: Complex) -> tuple[Complex, Any, Any, Any]:
    """x times a power of four, so that its square neither overflows nor vanishes; whether it was huge, whether tiny,
    and the exponent k of 4^k.
    """
    info = np.finfo(x.re.dtype)
    size = b.maximum(b.abs(x.re), b.abs(x.im))
    huge, tiny = b.ge(size, float(info.max) / 8), b.lt(size, float(info.tiny) * 4 / float(info.eps))
    k = info.nmant + 3
    scale = b.select(huge, 0.25, b.select(tiny, 4.0**k, b.const(1, x.re.dtype)))
    return Complex(b.mul(x.re, scale), b.mul(x.im, scale)), huge, tiny, k


@rule
def sqrt(b: Builder, z: Complex) -> Complex:
    """With t = sqrt((|x| + |z|) / 2), the root is (t, y / 2t) for x >= 0, and (|y| / 2t, +-t) for x < 0: no
    cancellation.
    """
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


@rule
def exp(b: Builder, z: Complex) -> Complex:
    """e^x (cos y, sin y); e^x is the product of two factors, so that it does not overflow before the product with the
    sine does.
    """
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


@rule
def exp2(b: Builder, z: Complex) -> Any:
    return b.exp(b.mul(z, math.log(2)))


@rule
def expm1(b: Builder, z: Complex) -> Complex:
    """e^x cos y - 1 = expm1(x) cos y - 2 sin^2(y/2)."""
    x, y = z.re, z.im
    s = b.sin(b.mul(y, 0.5))
    return Complex(b.sub(b.mul(b.expm1(x), b.cos(y)), b.mul(2, b.mul(s, s))), b.mul(b.exp(x), b.sin(y)))


@rule
def expm1_slope(b: Builder, z: Complex) -> Any:
    return b.exp(z)


@rule
def log(b: Builder, z: Complex) -> Complex:
    """log |z| + i arg z. Near |z| = 1 the first is log1p((p - 1)(p + 1) + q^2) / 2, with p the larger part of z and q
    the smaller.
    """
    scaled, huge, tiny, k = _scaled(b, z)
    shift = b.select(huge, math.log(4), b.select(tiny, -k * math.log(4), b.const(0, z.re.dtype)))
    p, q = b.maximum(b.abs(z.re), b.abs(z.im)), b.minimum(b.abs(z.re), b.abs(z.im))
    near = b.bit_and(b.gt(p, 0.5), b.lt(p, 1.5))
    by_unit = b.mul(0.5, b.log1p(b.add(b.mul(b.sub(p, 1), b.add(p, 1)), b.mul(q, q))))
    return Complex(b.select(near, by_unit, b.add(b.log(b.abs(scaled)), shift)), b.arctan2(z.im, z.re))


@rule
def log2(b: Builder, z: Complex) -> Any:
    return b.mul(b.log(z), 1 / math.log(2))


@rule
def log10(b: Builder, z: Complex) -> Any:
    return b.mul(b.log(z), 1 / math.log(10))


@rule
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


@rule
def sinh(b: Builder, z: Complex) -> Complex:
    """sinh x cos y + i cosh x sin y."""
    x, y = z.re, z.im
    s, c, factor = _sinh_cosh(b, x)
    re, im = b.mul(b.mul(s, b.cos(y)), factor), b.mul(b.mul(c, b.sin(y)), factor)
    unsure = b.bit_not(b.isfinite(y))
    re = b.select(b.bit_and(unsure, b.bit_or(b.eq(x, 0), b.isinf(x))), x, re)
    return Complex(re, b.select(b.eq(y, 0), y, im))


@rule
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


@rule
def tanh(b: Builder, z: Complex) -> Complex:
    """Kahan's: with t = tan y, beta = 1 + t^2, s = sinh x: (beta s cosh x + i t) / (1 + beta s^2); far out, 1 + 4i sin
    y cos y e^-2|x|.
    """
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


@rule
def tanh_slope(b: Builder, z: Complex) -> Any:
    """1 / cosh^2 z; far out, 4 e^-2|x| (cos 2y -+ i sin 2y)."""
    x, y = z.re, z.im
    size = b.abs(x)
    far = b.gt(size, 20.0)
    c = b.cosh(Complex(b.select(far, 0, x), b.select(far, 0, y)))
    scale = b.mul(4, b.exp(b.mul(-2, size)))
    double = b.mul(2, y)
    tail = Complex(b.mul(scale, b.cos(double)), b.mul(b.copysign(scale, b.neg(x)), b.sin(double)))
    return b.select(far, tail, b.reciprocal(b.mul(c, c)))


@rule
def sin(b: Builder, z: Complex) -> Complex:
    return _over_i(b, b.sinh(_times_i(b, z)))


@rule
def cos(b: Builder, z: Complex) -> Any:
    return b.cosh(_times_i(b, z))


@rule
def tan(b: Builder, z: Complex) -> Complex:
    return _over_i(b, b.tanh(_times_i(b, z)))


# ---- their inverses, by Kahan's formulas


def _one_minus(b: Builder, z: Complex) -> Any:
    return b.sqrt(Complex(b.sub(1, z.re), b.neg(z.im)))


def _one_plus(b: Builder, z: Complex) -> Any:
    return b.sqrt(Complex(b.add(1, z.re), z.im))


@rule
def arcsin(b: Builder, z: Complex) -> Complex:
    """With p = sqrt(1 - z) and q = sqrt(1 + z): (arctan2(x, Re(p q)), arcsinh(Im(conj(p) q))); no difference in them
    cancels.
    """
    p, q = _one_minus(b, z), _one_plus(b, z)
    re = b.arctan2(z.re, b.sub(b.mul(p.re, q.re), b.mul(p.im, q.im)))
    im = b.arcsinh(b.sub(b.mul(p.re, q.im), b.mul(p.im, q.re)))
    re = b.select(b.isinf(z.re), b.arctan2(z.re, b.abs(z.im)), b.select(b.isinf(z.im), b.arctan2(z.re, math.inf), re))
    return Complex(re, b.select(b.isinf(z), b.copysign(b.const(math.inf, z.re.dtype), z.im), im))


@rule
def arccos(b: Builder, z: Complex) -> Complex:
    """(2 arctan2(Re p, Re q), arcsinh(Im(conj(q) p)))."""
    p, q = _one_minus(b, z), _one_plus(b, z)
    re = b.mul(2, b.arctan2(p.re, q.re))
    im = b.arcsinh(b.sub(b.mul(q.re, p.im), b.mul(q.im, p.re)))
    re = b.select(b.isinf(z), b.arctan2(b.abs(z.im), z.re), re)
    return Complex(re, b.select(b.isinf(z), b.copysign(b.const(math.inf, z.re.dtype), b.neg(z.im)), im))


@rule
def arcsinh(b: Builder, z: Complex) -> Complex:
    return _over_i(b, b.arcsin(_times_i(b, z)))


@rule
def arccosh(b: Builder, z: Complex) -> Complex:
    """arccos turned so that the real part is positive."""
    w = b.arccos(z)
    return Complex(b.abs(w.im), b.copysign(w.re, z.im))


@rule
def arctanh(b: Builder, z: Complex) -> Complex:
    """For x >= 0: (log1p(4x / ((1 - x)^2 + y^2)) / 4, arctan2(2y, (1 - x)(1 + x) - y^2) / 2); for x < 0 by symmetry;
    far out, 1/z + i pi/2.
    """
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


@rule
def arctan(b: Builder, z: Complex) -> Complex:
    return _over_i(b, b.arctanh(_times_i(b, z)))
