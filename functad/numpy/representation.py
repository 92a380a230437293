"""Numbers as they are stored: neighbours, mantissas and exponents, bits; divisors of integers; tests of kinds."""

from __future__ import annotations

from math import log, prod
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.core.tracer import Tracer
from functad.errors import DtypeError
from functad.numpy.dispatch import implements
from functad.numpy.elementwise import binary, declare, prepared
from functad.numpy.operands import as_array, cast, fresh, operand, shape_of, spread
from functad.numpy.promotion import PYTHON_NUMBERS, strength
from functad.numpy.traced import here
from functad.primitives import exponential, representation
from functad.primitives.arithmetic import mul
from functad.primitives.broadcasting import broadcast
from functad.primitives.shapes import reshape

__all__: list[str] = []

INT32, INT64, UINT8, UINT64 = (np.dtype(t) for t in (np.int32, np.int64, np.uint8, np.uint64))

# -- floats ------------------------------------------------------------------------------------------------------------

nextafter = binary(np.nextafter, representation.nextafter, "f")


def _spacing(x: Any) -> Any:
    """The distance to the next number away from 0, or, where that is infinite, to the one before."""
    (x,) = prepared(np.spacing, (x,))
    size = fnp.abs(x)
    after = nextafter(size, x.dtype.type(np.inf)) - size
    return fnp.copysign(fnp.where(fnp.isinf(after), size - nextafter(size, x.dtype.type(0)), after), x)


spacing = declare(np.spacing, _spacing)


def _frexp(x: Any) -> tuple[Any, Any]:
    """By the distance of neighbours, which is a power of two. The derivative of the mantissa is that power."""
    (x,) = prepared(np.frexp, (x,))
    info = np.finfo(x.dtype)
    digits, shift = info.nmant + 1, float(2.0 ** (info.nmant + 2))
    work = cast(x, np.dtype(np.float32)) if x.dtype == np.float16 else x
    if work is not x:
        info = np.finfo(work.dtype)
        digits, shift = info.nmant + 1, float(2.0 ** (info.nmant + 2))
    small = fnp.abs(work) < info.tiny
    scaled = fnp.where(small, work * work.dtype.type(shift), work)
    regular = fnp.isfinite(work) & (work != 0)
    exponent = fnp.log2(fnp.abs(spacing(fnp.where(regular, scaled, work.dtype.type(1))))) + digits
    exponent = fnp.where(regular, exponent, work.dtype.type(0))
    mantissa = scaled * exponential.exp2(-exponent)
    exponent = fnp.where(small & regular, exponent - (info.nmant + 2), exponent)
    return cast(fnp.where(regular, mantissa, work), x.dtype), cast(exponent, INT32)


frexp = declare(np.frexp, _frexp)


def _ldexp(x: Any, n: Any) -> Any:
    x, n = operand(x, "ldexp"), as_array(n, "ldexp")
    kind = strength(x)
    dtypes = np.ldexp.resolve_dtypes((np.dtype(kind) if kind in PYTHON_NUMBERS else kind, n.dtype, None))
    x = cast(x, dtypes[0])
    info = np.finfo(x.dtype)
    low, high = info.minexp - info.nmant, info.maxexp - 1
    n = fnp.clip(cast(n, INT64), 2 * low, 2 * high)
    first = fnp.where((n < low) | (n > high), n // 2, n)
    shape = np.broadcast_shapes(shape_of(x), shape_of(n))
    factors = [spread(cast(fnp.exp2(cast(v, np.dtype(np.float64))), x.dtype), shape) for v in (first, n - first)]
    return mul(mul(spread(x, shape), factors[0]), factors[1])


ldexp = declare(np.ldexp, _ldexp)


def _logaddexp2(x: Any, y: Any) -> Any:
    x, y = prepared(np.logaddexp2, (x, y))
    factor = x.dtype.type(log(2.0))
    return exponential.logaddexp(mul(x, factor), mul(y, factor)) / factor


logaddexp2 = declare(np.logaddexp2, _logaddexp2)


# -- integers ----------------------------------------------------------------------------------------------------------


def _divisor(ufunc: np.ufunc, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Both numbers, in their common dtype and shape, and their greatest common divisor."""
    x, y = prepared(ufunc, (x, y))
    shape = shape_of(x) or shape_of(y)
    lines = [reshape(broadcast(v, shape, () if not shape_of(v) else range(len(shape))), (prod(shape),)) for v in (x, y)]
    return x, y, reshape(representation.gcd(*lines), shape)


def _lcm(x: Any, y: Any) -> Any:
    x, y, divisor = _divisor(np.lcm, x, y)
    zero = divisor == 0
    return fnp.where(zero, x.dtype.type(0), fnp.abs(x) // fnp.where(zero, x.dtype.type(1), divisor) * fnp.abs(y))


gcd = declare(np.gcd, lambda x, y: _divisor(np.gcd, x, y)[2])
lcm = declare(np.lcm, _lcm)


def _bitwise_count(x: Any) -> Any:
    """By adding up bits in pairs, then pairs in fours, and so on."""
    (x,) = prepared(np.bitwise_count, (x,))
    n = cast(fnp.abs(x), UINT64)
    for shift, mask in ((1, 0x5555555555555555), (2, 0x3333333333333333), (4, 0x0F0F0F0F0F0F0F0F)):
        m = np.uint64(mask)
        n = (n & m) + ((n >> np.uint64(shift)) & m)
    for shift in (8, 16, 32):
        n = n + (n >> np.uint64(shift))
    return cast(n & np.uint64(0x7F), UINT8)


bitwise_count = declare(np.bitwise_count, _bitwise_count)


# -- tests -------------------------------------------------------------------------------------------------------------


def _infinite(numpy_function: Any, sign: int) -> Any:
    def test(x: Any, out: None = None) -> Any:
        v = as_array(x, numpy_function.__name__)
        if v.dtype.kind == "c":
            raise DtypeError(f"np.{numpy_function.__name__}{here()} is of real numbers, got dtype {v.dtype}")
        return fresh(fnp.isinf(v) & (v * sign > 0 if v.dtype.kind == "f" else np.False_), v)

    test.__name__ = test.__qualname__ = numpy_function.__name__
    test.__doc__ = f"``numpy.{test.__name__}``."
    return implements(numpy_function)(test)


isposinf, isneginf = _infinite(np.isposinf, 1), _infinite(np.isneginf, -1)


@implements(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """``numpy.iscomplex``: whether there is an imaginary part that is not 0, element by element."""
    v = as_array(x, "iscomplex")
    return fnp.imag(v) != 0 if v.dtype.kind == "c" else fnp.zeros_like(v, np.bool_)


@implements(np.isreal)
def isreal(x: Any) -> Any:
    """``numpy.isreal``: whether there is no imaginary part that is not 0, element by element."""
    v = as_array(x, "isreal")
    return fnp.imag(v) == 0 if v.dtype.kind == "c" else fnp.ones_like(v, np.bool_)


@implements(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """``numpy.real_if_close``: whether imaginary parts are small decides the dtype, so they must be known."""
    x = as_array(a, "real_if_close")
    if x.dtype.kind != "c":
        return fresh(x, x)
    limit = tol * np.finfo(x.dtype).eps if tol > 1 else tol
    small = fnp.all(fnp.abs(fnp.imag(x)) < limit)
    if type(small) is Tracer:
        small = small._owner.force(small._variable, "np.real_if_close, whose dtype depends on it,")
    return fnp.real(x) if small else fresh(x, x)
