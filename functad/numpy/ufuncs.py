"""NumPy's ufuncs: arithmetic, exponentials, trigonometry, rounding, choices. One declaration each.

``unary`` and ``binary`` take the primitive for the kinds of dtype that need nothing else, and what to do for the rest.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from functad.core.primitive import type_of
from functad.core.tracer import Tracer
from functad.errors import DtypeError
from functad.numpy.elementwise import binary, declare, prepared, unary
from functad.numpy.operands import cast, depends_on, fresh, operand, shape_of
from functad.numpy.promotion import loop_dtype
from functad.numpy.traced import here
from functad.primitives import arithmetic, complex, exponential, hyperbolic, powers, rounding, selection, trigonometric
from functad.primitives.bitwise import bit_and, bit_or
from functad.primitives.comparison import eq, isinf, isnan, lt, signbit

__all__ = [
    "abs", "absolute", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cbrt", "ceil",
    "conj", "conjugate", "copysign", "cos", "cosh", "deg2rad", "degrees", "divide", "divmod", "exp", "exp2", "expm1",
    "fabs", "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "heaviside", "hypot", "log", "log10",
    "log1p", "log2", "logaddexp", "maximum", "minimum", "mod", "modf", "multiply", "negative", "positive", "pow",
    "power", "rad2deg", "radians", "reciprocal", "remainder", "rint", "sign", "sin", "sinh", "sqrt", "square",
    "subtract", "tan", "tanh", "true_divide", "trunc",
]  # fmt: skip


def same(x: Any) -> Any:
    """The operand itself."""
    return x


# -- arithmetic; on bools a sum is "or", a product "and", as in NumPy --------------------------------------------------


_mul, _square = arithmetic.mul.primitive.bind, arithmetic.square.primitive.bind


def _times(x: Any, y: Any) -> Any:
    """The product; that of a value and itself is its square, whose derivative is one product where the rule for two
    factors gives a sum of two.
    """
    return _square(x) if x is y else _mul(x, y)


add = binary(np.add, arithmetic.add, "fciu", other=bit_or)
subtract = binary(np.subtract, arithmetic.sub, "fciu")
multiply = binary(np.multiply, _times, "fciu", other=bit_and)
divide = true_divide = binary(np.true_divide, arithmetic.div, "fc")
floor_divide = binary(np.floor_divide, rounding.floor_divide, "fiu")
remainder = mod = binary(np.remainder, rounding.remainder, "fiu")
fmod = binary(np.fmod, rounding.fmod, "fiu")
negative = unary(np.negative, arithmetic.neg, "fciu")
positive = declare(np.positive, lambda x: fresh(*prepared(np.positive, (x,)) * 2))
square = unary(np.square, arithmetic.square, "fciu")


def _integer_reciprocal(x: Any) -> Any:
    raise DtypeError(f"np.reciprocal{here()} of integers is 0 almost everywhere; write 1 / x")


reciprocal = unary(np.reciprocal, arithmetic.reciprocal, "fc", other=_integer_reciprocal)


def _divmod(x: Any, y: Any) -> tuple[Any, Any]:
    x, y = prepared(np.divmod, (x, y))
    return rounding.floor_divide(x, y), rounding.remainder(x, y)


def _modf(x: Any) -> tuple[Any, Any]:
    """The fractional part has the sign of x, also where it is 0, and derivative 1 everywhere but at infinities, where
    it is 0.
    """
    (x,) = prepared(np.modf, (x,))
    whole = rounding.trunc(x)
    part = selection.select(signbit(x), arithmetic.neg(arithmetic.sub(whole, x)), arithmetic.sub(x, whole))
    return selection.select(isinf(x), rounding.copysign(x.dtype.type(0), x), part), whole


divmod = declare(np.divmod, _divmod)
modf = declare(np.modf, _modf)


# -- powers: an exponent that is a plain whole number or 1/2, and a base that is a plain 2, have forms of their own ----


MAX_PRODUCT_POWER = 32
"""Whole exponents up to this become products, whose error grows with the exponent."""


def _power_of(ufunc: np.ufunc, x: Any, y: Any) -> Any:
    if (
        type(y) is int
        and -MAX_PRODUCT_POWER <= y <= MAX_PRODUCT_POWER
        and ufunc is np.power
        and type(x) is Tracer
        and x.dtype.kind == "f"
    ):
        return fresh(powers.integer_power(x, y), x)
    x, y = [operand(_plain_number(v), ufunc.__name__) for v in (x, y)]
    dtype = loop_dtype(ufunc, (x, y))
    if type(y) is not Tracer and not shape_of(y):
        special = _static_power(cast(x, dtype), dtype.type(y))
        if special is not None:
            return fresh(special, x)
    elif type(x) is not Tracer and not shape_of(x) and x == 2 and dtype.kind in "fc":
        return exponential.exp2(cast(y, dtype))
    return powers.power(*prepared(ufunc, (x, y)))


def _plain_number(x: Any) -> Any:
    """The number in a plain array without axes: the form of a power depends on it, which is noted."""
    if not isinstance(x, np.ndarray) or x.ndim:
        return x
    depends_on(x)
    return x[()]


def _static_power(x: Any, exponent: Any) -> Any:
    """``x`` to a power that is known now, where that has a form of its own; else None."""
    if exponent.imag or not np.isfinite(exponent):
        return None
    n = exponent.real
    if n == int(n) and (-MAX_PRODUCT_POWER <= n <= MAX_PRODUCT_POWER or x.dtype.kind in "iu"):
        return powers.integer_power(x, int(n))
    if n == 0.5:
        return powers.sqrt(x)
    return arithmetic.reciprocal(powers.sqrt(x)) if n == -0.5 else None


power = pow = declare(np.power, lambda x, y: _power_of(np.power, x, y))
float_power = declare(np.float_power, lambda x, y: _power_of(np.float_power, x, y))
sqrt = unary(np.sqrt, powers.sqrt)
cbrt = unary(np.cbrt, powers.cbrt, "f")
hypot = binary(np.hypot, powers.hypot, "f")

# -- exponentials and logarithms ---------------------------------------------------------------------------------------

exp = unary(np.exp, exponential.exp)
exp2 = unary(np.exp2, exponential.exp2)
expm1 = unary(np.expm1, exponential.expm1)
log = unary(np.log, exponential.log)
log2 = unary(np.log2, exponential.log2)
log10 = unary(np.log10, exponential.log10)
log1p = unary(np.log1p, exponential.log1p)
logaddexp = binary(np.logaddexp, exponential.logaddexp, "f")

# -- trigonometry ------------------------------------------------------------------------------------------------------

sin = unary(np.sin, trigonometric.sin)
cos = unary(np.cos, trigonometric.cos)
tan = unary(np.tan, trigonometric.tan)
arcsin = unary(np.arcsin, trigonometric.arcsin)
arccos = unary(np.arccos, trigonometric.arccos)
arctan = unary(np.arctan, trigonometric.arctan)
arctan2 = binary(np.arctan2, trigonometric.arctan2, "f")
sinh = unary(np.sinh, hyperbolic.sinh)
cosh = unary(np.cosh, hyperbolic.cosh)
tanh = unary(np.tanh, hyperbolic.tanh)
arcsinh = unary(np.arcsinh, hyperbolic.arcsinh)
arccosh = unary(np.arccosh, hyperbolic.arccosh)
arctanh = unary(np.arctanh, hyperbolic.arctanh)


def _scaled(ufunc: np.ufunc, factor: float) -> Any:
    return declare(ufunc, lambda x: arithmetic.mul(*prepared(ufunc, (x,)), factor))


deg2rad, radians = _scaled(np.deg2rad, math.pi / 180), _scaled(np.radians, math.pi / 180)
rad2deg, degrees = _scaled(np.rad2deg, 180 / math.pi), _scaled(np.degrees, 180 / math.pi)

# -- magnitude, sign, rounding -----------------------------------------------------------------------------------------

absolute = abs = unary(np.absolute, rounding.absolute, "fciu", other=same)
fabs = unary(np.fabs, rounding.absolute, "f")
sign = unary(np.sign, rounding.sign, "fciu")
copysign = binary(np.copysign, rounding.copysign, "f")
conjugate = conj = unary(np.conjugate, complex.conj, "c", other=same)
floor = unary(np.floor, rounding.floor, "f", other=same)
ceil = unary(np.ceil, rounding.ceil, "f", other=same)
trunc = unary(np.trunc, rounding.trunc, "f", other=same)
rint = unary(np.rint, rounding.rint)

# -- the larger, the smaller -------------------------------------------------------------------------------------------

maximum = binary(np.maximum, selection.maximum, "fciub")
minimum = binary(np.minimum, selection.minimum, "fciub")


def _ignoring_nan(ufunc: np.ufunc, extremum: Any) -> Any:
    def f(x: Any, y: Any) -> Any:
        x, y = prepared(ufunc, (x, y))
        return selection.select(isnan(x), y, selection.select(isnan(y), x, extremum(x, y)))

    return declare(ufunc, f)


fmax, fmin = _ignoring_nan(np.fmax, selection.maximum), _ignoring_nan(np.fmin, selection.minimum)


def _heaviside(x: Any, at_zero: Any) -> Any:
    x, at_zero = prepared(np.heaviside, (x, at_zero))
    step = selection.select(eq(x, 0), at_zero, selection.select(lt(x, 0), type_of(x).dtype.type(0), 1))
    return selection.select(isnan(x), x, step)


heaviside = declare(np.heaviside, _heaviside)
