"""Powers and roots."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from functad.errors import ArgumentError
from functad.kernel_ir.complex import product_of_scalars
from functad.kernel_ir.ops import OPS, in_single
from functad.kernel_ir.rules import Pointwise
from functad.primitives.arithmetic import div, mul, multiply, neg, square, sub
from functad.primitives.bitwise import bit_and, bit_or
from functad.primitives.comparison import eq, ge, isinf, lt
from functad.primitives.elementwise import Op, elementwise, single_rounding
from functad.primitives.exponential import log
from functad.primitives.selection import select

__all__ = ["by_squaring", "cbrt", "cbrt_slope", "hypot", "integer_power", "power", "sqrt", "unit_x", "unit_y"]


# -- roots: infinite derivatives at 0 ----------------------------------------------------------------------------------

# y = sqrt x, dy = dx / 2y
sqrt = elementwise("sqrt", np.sqrt, kinds="fc", low=0.5, singular=True, jvp=lambda t, y, x: div(t, mul(y, 2)))

cbrt = elementwise("cbrt", np.cbrt, kinds="f", low=0.5, singular=True, jvp=lambda t, y, x: mul(t, cbrt_slope(x)))

# y = x^(-2/3) / 3, dy = -2/3 y/x dx
cbrt_slope: Op = elementwise(
    "cbrt_slope", in_single(lambda x: 1 / (3 * np.square(np.cbrt(x)))), kinds="f", low=0.5, singular=True,
    kernel=lambda b, x: b.div(1, b.mul(3, b.square(b.cbrt(x)))),
    jvp=lambda t, y, x: mul(t, div(mul(y, -2 / 3), x)),
    doc="The derivative of cbrt.",
)  # fmt: skip

# r = sqrt(x^2 + y^2), dr = (x dx + y dy) / r; at the origin, a kink, 0 as for abs; at (inf, inf) there is no limit, NaN
hypot: Op = elementwise(
    "hypot", np.hypot, kinds="f", operands=2, low=0.5,
    jvp=(lambda t, r, x, y: mul(t, unit_x(x, y)), lambda t, r, x, y: mul(t, unit_y(x, y))),
    doc="sqrt(x**2 + y**2), without overflow. Derivatives are 0 at the origin, and NaN where both operands are "
    "infinite: there is no limit.",
)  # fmt: skip


def _over_length(s: Any, x: Any, y: Any) -> Any:
    """s / r, and 0 with all its derivatives where r is 0; the inner select keeps the NaN of 0 / 0 out of them."""
    r = hypot(x, y)
    zero = eq(r, 0)
    return select(zero, 0, div(s, select(zero, 1, r)))


def _mixed(x: Any, y: Any) -> Any:
    return neg(mul(unit_x(x, y), _over_length(unit_y(x, y), x, y)))


# the parts c and s of the unit vector: dc = (s^2 dx - c s dy) / r, where 1 - c^2 would cancel
unit_x: Op = elementwise(
    "unit_x", OPS["unit_x"].function, kinds="f", operands=2, low=0.5, singular=True,
    jvp=(
        lambda t, c, x, y: mul(t, mul(unit_y(x, y), _over_length(unit_y(x, y), x, y))),
        lambda t, c, x, y: mul(t, _mixed(x, y)),
    ),
    doc="x / hypot(x, y), and 0 at the origin.",
)  # fmt: skip

unit_y: Op = elementwise(
    "unit_y", OPS["unit_y"].function, kinds="f", operands=2, low=0.5, singular=True,
    jvp=(
        lambda t, s, x, y: mul(t, _mixed(x, y)),
        lambda t, s, x, y: mul(t, mul(unit_x(x, y), _over_length(unit_x(x, y), x, y))),
    ),
    doc="y / hypot(x, y), and 0 at the origin.",
)  # fmt: skip


# -- c x ** n with fixed whole n and c: repeated squaring --------------------------------------------------------------


def integer_power(x: Any, n: int, coefficient: int = 1) -> Any:
    """``coefficient * x ** n`` for a fixed integer n, negative only for floating and complex x; by products, with a
    relative error of n eps / 2.
    """
    if n == 1:
        return x if coefficient == 1 else mul(x, coefficient)
    if n == 2 and coefficient == 1:
        return square(x)
    return _integer_power(x, exponent=n, coefficient=coefficient)


def by_squaring(times: Callable[[Any, Any], Any], x: Any, n: int, coefficient: int = 1) -> Any:
    """The product of n >= 1 factors x and a coefficient, by about log2(n) calls of ``times``."""
    product = None
    while n:
        if n & 1:
            # the coefficient meets the first factor: not the last product, which all others are waited for
            factor = x if product is not None or coefficient == 1 else times(x, coefficient)
            product = factor if product is None else times(product, factor)
        n >>= 1
        if n:
            x = times(x, x)
    return product


@in_single
def _integer_power_evaluate(x: Any, *, exponent: int, coefficient: int) -> Any:
    if exponent == 0:
        return np.full_like(x, coefficient)[()]
    if exponent < 0:
        return np.divide(coefficient, by_squaring(multiply, x, -exponent))
    return by_squaring(multiply, x, exponent, x.dtype.type(coefficient) if coefficient != 1 else 1)


def _integer_power_kernel(times: Callable[..., Any], b: Any, x: Any, *, exponent: int, coefficient: int) -> Any:
    factor = b.const(coefficient, x.dtype)
    if exponent == 0:
        return factor
    if exponent < 0:
        return b.div(factor, by_squaring(partial(times, b), x, -exponent))
    return by_squaring(lambda y, z: times(b, y, factor if z is coefficient else z), x, exponent, coefficient)


def _integer_power_dtype(dtype: np.dtype, *, exponent: int, coefficient: int) -> np.dtype:
    if exponent < 0 and dtype.kind not in "fc":
        raise ArgumentError(f"integers of dtype {dtype} have no power {exponent}; use x.astype(float) ** {exponent}")
    return dtype


_EXPONENT = ("exponent", "coefficient")
_INTEGER_POWER, _INTEGER_POWER_OF_SCALARS = [
    Pointwise(single_rounding(partial(_integer_power_kernel, times)), static=_EXPONENT)
    for times in (lambda b, x, y: b.mul(x, y), product_of_scalars)
]


# d(c x^n) = c n x^(n-1) dx: never 0 * inf, since n = 0 has none. The factor n joins the coefficient, so that a
# derivative of any order is one product
_integer_power = elementwise(
    "integer_power", _integer_power_evaluate, kinds="fciu", low=0.5, cheap=True, result=_integer_power_dtype,
    jvp=lambda t, z, x, *, exponent,
    coefficient: mul(t, integer_power(x, exponent - 1, coefficient * exponent)) if exponent else None,
    kernel=_INTEGER_POWER, scalar_kernel=_INTEGER_POWER_OF_SCALARS,
    params=({"exponent": 5, "coefficient": 1}, {"exponent": 3, "coefficient": 4}, {"exponent": 0, "coefficient": 2}),
    singular=lambda types, params: params["exponent"] < 0,
)  # fmt: skip


# -- x ** y ------------------------------------------------------------------------------------------------------------


def power(x: Any, y: Any) -> Any:
    """``x ** y``; raises ArgumentError for a negative integer power of an integer."""
    dtype = (x if hasattr(x, "dtype") else y).dtype
    return (_signed_power if dtype.kind == "i" else _power)(x, y)


# d(x^y)/dx = y x^(y-1), in which 0 0^-1 at x = y = 0 would be NaN; with 0 0^1 in its place all derivatives there are 0.
# It is reached from 0^2 too, in the third derivative. (Testing y = 0 alone would lose the mixed derivative: d/dy of y
# x^(y-1) is 1/x at y = 0.)
def power_dx(t: Any, z: Any, x: Any, y: Any) -> Any:
    corner = bit_and(eq(x, 0), eq(y, 0))
    return mul(t, mul(y, power(x, select(corner, 1, sub(y, 1)))))


# d(x^y)/dy = x^y log x, which goes to 0 with x where y > 0, and with 1 / x where y < 0, and is taken to be 0 at x = y =
# 0
def power_dy(t: Any, z: Any, x: Any, y: Any) -> Any:
    vanishes = bit_or(bit_and(eq(x, 0), ge(y, 0)), bit_and(isinf(x), lt(y, 0)))
    return mul(t, mul(z, log(select(vanishes, 1, x))))


_power = elementwise(
    "power", np.power, kinds="fcu", operands=2, low=0.5, singular=True, jvp=(power_dx, power_dy),
    doc="x ** y. At x = 0 first derivatives are limits (0 ** 0.5: inf and 0); at 0 ** 0 all are 0; in y of a negative "
    "x they are NaN.",
)  # fmt: skip


def _signed_power_evaluate(x: Any, y: Any) -> Any:
    if np.any(np.less(y, 0)):
        raise ArgumentError(_NO_POWER)
    return np.power(x, y)


def _signed_power_kernel(b: Any, x: Any, y: Any) -> Any:
    b.require(b.ge(y, 0), "ArgumentError", _NO_POWER)
    return b.power(x, b.maximum(y, 0))


_NO_POWER = "integers have no negative integer powers; use x.astype(float) ** y"

_signed_power = elementwise(
    "signed_power",
    _signed_power_evaluate,
    kinds="i",
    operands=2,
    low=0,
    high=5,
    kernel=_signed_power_kernel,
    may_raise=True,
)
