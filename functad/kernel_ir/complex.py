"""Complex arithmetic as real arithmetic: a pair of Values, and what each operation does to pairs
(``complex_functions``: exp, sin, ...).

The formulas follow NumPy and C99 (branch cuts, signed zeros, infinities), without branches: special cases are selects.
An operand that is a plain Value is a real number, and is kept real where that saves work (``z * 2`` is two products).
Sums, products and quotients round as NumPy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from functad.kernel_ir.nodes import Value

if TYPE_CHECKING:
    from functad.kernel_ir.builder import Builder

__all__ = ["COMPLEX", "Complex", "product_of_scalars", "rule"]


def _numpy_fuses() -> bool:
    """Whether NumPy's loops round one product of each part together with the sum, as they do on CPUs with such an
    instruction.

    In z times its conjugate the imaginary part is then what the other product lost.
    """
    z = np.array([1 + 2.0**-27 + (1 + 2.0**-28) * 1j])
    return bool((z * z.conj()).imag[0] != 0)


NUMPY_FUSES = _numpy_fuses()


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


def rule(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Enter a function as what the operation of its name does."""
    COMPLEX[fn.__name__.lstrip("_")] = fn
    return fn


def _pair(b: Builder, x: Number) -> Complex:
    return x if isinstance(x, Complex) else Complex(x, b.const(0, x.dtype))


# ---- arithmetic


@rule
def add(b: Builder, x: Number, y: Number) -> Complex:
    if not isinstance(x, Complex):
        x, y = y, x
    return Complex(b.add(x.re, y.re), b.add(x.im, y.im)) if isinstance(y, Complex) else Complex(b.add(x.re, y), x.im)


@rule
def sub(b: Builder, x: Number, y: Number) -> Complex:
    if not isinstance(y, Complex):
        return Complex(b.sub(x.re, y), x.im)
    if not isinstance(x, Complex):
        return Complex(b.sub(x, y.re), b.neg(y.im))
    return Complex(b.sub(x.re, y.re), b.sub(x.im, y.im))


@rule
def neg(b: Builder, x: Complex) -> Complex:
    return Complex(b.neg(x.re), b.neg(x.im))


@rule
def mul(b: Builder, x: Number, y: Number) -> Complex:
    if not isinstance(x, Complex):
        x, y = y, x
    if not isinstance(y, Complex):
        return Complex(b.mul(x.re, y), b.mul(x.im, y))
    if not NUMPY_FUSES:
        return product_of_scalars(b, x, y)  # type: ignore[no-any-return]
    return Complex(b.fma(x.re, y.re, b.neg(b.mul(x.im, y.im))), b.fma(x.re, y.im, b.mul(x.im, y.re)))


def product_of_scalars(b: Builder, x: Number, y: Number) -> Any:
    """The product as NumPy's scalars have it: of complex ones each product and each sum is rounded by itself."""
    if not (isinstance(x, Complex) and isinstance(y, Complex)):
        return b.mul(x, y)
    return Complex(b.sub(b.mul(x.re, y.re), b.mul(x.im, y.im)), b.add(b.mul(x.re, y.im), b.mul(x.im, y.re)))


@rule
def fma(b: Builder, x: Number, y: Number, z: Number) -> Any:
    return b.add(b.mul(x, y), z)


@rule
def div(b: Builder, x: Number, y: Number) -> Complex:
    """Smith's method, as NumPy: the quotient ``r`` of the smaller by the larger part of y keeps |y|^2 from overflowing.

    x / y = (u + v r) / (p + q r), where p is the larger part of y, q the smaller, r = q / p, and (u, v) the parts of x
    in that order.
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


@rule
def reciprocal(b: Builder, y: Complex) -> Complex:
    """Smith's quotient of 1 by y: (1 - i r) / d or (r - i) / d, where d = p + q r."""
    upright = b.ge(b.abs(y.re), b.abs(y.im))
    p, q = b.select(upright, y.re, y.im), b.select(upright, y.im, y.re)
    r = b.div(q, p)
    d = b.add(p, b.mul(q, r))
    return Complex(b.div(b.select(upright, 1, r), d), b.div(b.select(upright, b.neg(r), -1), d))


@rule
def power(b: Builder, x: Number, y: Number) -> Any:
    """exp(y log x), with x**0 = 1, and 0**y = 0 where Re y > 0, else NaN, as NumPy; small constant integers by
    products.
    """
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


@rule
def abs_(b: Builder, x: Complex) -> Value:
    return b.hypot(x.re, x.im)  # type: ignore[no-any-return]


COMPLEX["abs"] = COMPLEX.pop("abs_")


@rule
def sign(b: Builder, x: Complex) -> Complex:
    """x / |x|, and 0 at 0; where one part is infinite, its sign; where both are, NaN, as NumPy."""
    size = b.abs(x)
    unit = b.div(x, b.select(b.eq(size, 0), 1, size))
    tall, wide = b.isinf(x.im), b.isinf(x.re)
    one = b.select(b.bit_and(tall, wide), b.const(math.nan, x.re.dtype), 1)
    ends = Complex(b.select(wide, b.copysign(one, x.re), 0), b.select(tall, b.copysign(one, x.im), 0))
    return b.select(b.isinf(size), ends, unit)  # type: ignore[no-any-return]


# ---- comparing


@rule
def eq(b: Builder, x: Number, y: Number) -> Value:
    x, y = _pair(b, x), _pair(b, y)
    return b.bit_and(b.eq(x.re, y.re), b.eq(x.im, y.im))  # type: ignore[no-any-return]


@rule
def ne(b: Builder, x: Number, y: Number) -> Value:
    x, y = _pair(b, x), _pair(b, y)
    return b.bit_or(b.ne(x.re, y.re), b.ne(x.im, y.im))  # type: ignore[no-any-return]


def _lexicographic(name: str, strict: str) -> Callable[..., Value]:
    """NumPy's order of complex numbers: by real part, then by imaginary part, false where a part that decides is
    NaN.
    """

    def rule(b: Builder, x: Number, y: Number) -> Value:
        x, y = _pair(b, x), _pair(b, y)
        numbers = b.bit_not(b.bit_or(b.isnan(x.im), b.isnan(y.im)))
        first = b.bit_and(b.compute(strict, x.re, y.re), numbers)
        return b.bit_or(first, b.bit_and(b.eq(x.re, y.re), b.compute(name, x.im, y.im)))  # type: ignore[no-any-return]

    return rule


for _name, _strict in (("lt", "lt"), ("le", "lt"), ("gt", "gt"), ("ge", "gt")):
    COMPLEX[_name] = _lexicographic(_name, _strict)


@rule
def maximum(b: Builder, x: Number, y: Number) -> Any:
    return b.select(b.bit_or(b.ge(x, y), b.isnan(x)), _pair(b, x), _pair(b, y))


@rule
def minimum(b: Builder, x: Number, y: Number) -> Any:
    return b.select(b.bit_or(b.le(x, y), b.isnan(x)), _pair(b, x), _pair(b, y))


@rule
def select(b: Builder, p: Value, x: Number, y: Number) -> Complex:
    x, y = _pair(b, x), _pair(b, y)
    return Complex(b.select(p, x.re, y.re), b.select(p, x.im, y.im))


@rule
def isnan(b: Builder, x: Complex) -> Value:
    return b.bit_or(b.isnan(x.re), b.isnan(x.im))  # type: ignore[no-any-return]


@rule
def isinf(b: Builder, x: Complex) -> Value:
    return b.bit_or(b.isinf(x.re), b.isinf(x.im))  # type: ignore[no-any-return]


@rule
def isfinite(b: Builder, x: Complex) -> Value:
    return b.bit_and(b.isfinite(x.re), b.isfinite(x.im))  # type: ignore[no-any-return]


@rule
def rint(b: Builder, x: Complex) -> Complex:
    return Complex(b.rint(x.re), b.rint(x.im))
