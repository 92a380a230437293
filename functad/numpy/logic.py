"""Comparisons, tests, logical and bitwise operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.numpy.dispatch import implements
from functad.numpy.elementwise import Direct, binary, declare, prepared, unary
from functad.numpy.operands import as_array, as_python, cast, common_shape, operand, promote, shape_of, spread
from functad.numpy.promotion import PYTHON_NUMBERS, strength
from functad.numpy.ufuncs import absolute, add, multiply, subtract
from functad.primitives import bitwise, comparison
from functad.primitives.broadcasting import broadcast
from functad.primitives.elementwise import Op
from functad.primitives.reductions import reduce_all
from functad.primitives.selection import select

__all__ = [
    "allclose", "array_equal", "array_equiv", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_not",
    "bitwise_or", "bitwise_right_shift", "bitwise_xor", "equal", "greater", "greater_equal", "invert", "isclose",
    "isfinite", "isinf", "isnan", "left_shift", "less", "less_equal", "logical_and", "logical_not", "logical_or",
    "logical_xor", "not_equal", "right_shift", "signbit",
]  # fmt: skip

BOOL = np.dtype(np.bool_)
INT64, UINT64 = np.dtype(np.int64), np.dtype(np.uint64)

# -- comparisons: of integers as the numbers they are, also where no dtype holds both ----------------------------------

NEGATIVE_IS = {
    comparison.eq: False,
    comparison.ne: True,
    comparison.lt: True,
    comparison.le: True,
    comparison.gt: False,
    comparison.ge: False,
}
"""What a comparison is where its left operand is negative and its right one is not."""


def _compare(ufunc: np.ufunc, op: Op, mirrored: Op) -> Any:
    """Declare a comparison; ``mirrored`` is the one with its operands swapped."""
    bind, name = op.primitive.bind, ufunc.__name__

    def f(x: Any, y: Any) -> Any:
        x, y = operand(x, name), operand(y, name)
        if type(x) is int and not _fits(x, strength(y)):
            return broadcast(
                ufunc(x, strength(y).type(0)), shape_of(y), ()
            )  # all values of that dtype compare alike with x
        if type(y) is int and not _fits(y, strength(x)):
            return broadcast(ufunc(strength(x).type(0), y), shape_of(x), ())
        a, b = _integer(x), _integer(y)
        if a and b and a != b:
            if a == UINT64 and b.kind == "i":
                return _signed_with_unsigned(mirrored, y, x, name)
            if b == UINT64 and a.kind == "i":
                return _signed_with_unsigned(op, x, y, name)
            common, shape = np.promote_types(a, b), common_shape((shape_of(x), shape_of(y)), name)
            return bind(*[spread(cast(v, common), shape) for v in (x, y)])
        return bind(*prepared(ufunc, (x, y)))

    public = declare(ufunc, f)
    public.direct = Direct(op.primitive.bind, "fciub")  # type: ignore[attr-defined]
    return public


def _signed_with_unsigned(op: Op, x: Any, y: Any, name: str) -> Any:
    shape = common_shape((shape_of(x), shape_of(y)), name)
    x, y = spread(x, shape), spread(y, shape)
    return select(comparison.lt(x, 0), np.bool_(NEGATIVE_IS[op]), op(cast(x, UINT64), y))


def _integer(x: Any) -> np.dtype | None:
    """The dtype of an integer whose value is not known; a traced Python integer is compared as what it is, not as the
    other's dtype.
    """
    if type(x) in PYTHON_NUMBERS:
        return None
    dtype: np.dtype = x.dtype
    return dtype if dtype.kind in "iu" else None


def _fits(value: int, dtype: Any) -> bool:
    if dtype in PYTHON_NUMBERS or dtype.kind not in "iu":
        return True
    info = np.iinfo(dtype)
    return bool(info.min <= value <= info.max)


equal = _compare(np.equal, comparison.eq, comparison.eq)
not_equal = _compare(np.not_equal, comparison.ne, comparison.ne)
less = _compare(np.less, comparison.lt, comparison.gt)
less_equal = _compare(np.less_equal, comparison.le, comparison.ge)
greater = _compare(np.greater, comparison.gt, comparison.lt)
greater_equal = _compare(np.greater_equal, comparison.ge, comparison.le)

# -- tests -------------------------------------------------------------------------------------------------------------

isnan = unary(np.isnan, comparison.isnan, "fciub")
isinf = unary(np.isinf, comparison.isinf, "fciub")
isfinite = unary(np.isfinite, comparison.isfinite, "fciub")
signbit = unary(np.signbit, comparison.signbit, "f")


@implements(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """``numpy.isclose``: whether ``abs(a - b) <= atol + rtol * abs(b)``, element by element."""
    x, y, _ = promote("isclose", operand(a, "isclose"), operand(b, "isclose"), 1.0)
    near = less_equal(absolute(subtract(x, y)), add(atol, multiply(rtol, absolute(y))))
    close = logical_or(logical_and(near, isfinite(y)), equal(x, y))
    if equal_nan:
        close = logical_or(close, logical_and(isnan(x), isnan(y)))
    return close


@implements(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """``numpy.allclose``: whether all elements are close; see `isclose`."""
    close = isclose(a, b, rtol, atol, equal_nan)
    return as_python(reduce_all(close, range(len(shape_of(close)))))


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """``numpy.array_equal``: whether shapes and all elements are equal."""
    x, y = as_array(a1, "array_equal"), as_array(a2, "array_equal")
    if shape_of(x) != shape_of(y):
        return False
    same = equal(x, y)
    if equal_nan:
        same = logical_or(same, logical_and(isnan(x), isnan(y)))
    return as_python(reduce_all(same, range(len(shape_of(same)))))


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """``numpy.array_equiv``: whether shapes broadcast and all elements are equal."""
    x, y = as_array(a1, "array_equiv"), as_array(a2, "array_equiv")
    try:
        np.broadcast_shapes(shape_of(x), shape_of(y))
    except ValueError:
        return False
    same = equal(x, y)
    return as_python(reduce_all(same, range(len(shape_of(same)))))


# -- logical operations: any number is true unless it is zero ----------------------------------------------------------


def _logical(ufunc: np.ufunc, op: Op) -> Any:
    name = ufunc.__name__

    def f(*args: Any) -> Any:
        xs = [cast(operand(x, name), BOOL) for x in args]
        shape = common_shape([shape_of(x) for x in xs], name)
        return op(*[spread(x, shape) for x in xs])

    return declare(ufunc, f)


logical_and = _logical(np.logical_and, bitwise.bit_and)
logical_or = _logical(np.logical_or, bitwise.bit_or)
logical_xor = _logical(np.logical_xor, bitwise.bit_xor)
logical_not = _logical(np.logical_not, bitwise.bit_not)

# -- bits --------------------------------------------------------------------------------------------------------------

bitwise_and = binary(np.bitwise_and, bitwise.bit_and, "iub")
bitwise_or = binary(np.bitwise_or, bitwise.bit_or, "iub")
bitwise_xor = binary(np.bitwise_xor, bitwise.bit_xor, "iub")
invert = bitwise_not = bitwise_invert = unary(np.invert, bitwise.bit_not, "iub")
left_shift = bitwise_left_shift = binary(np.left_shift, bitwise.shift_left, "iu")
right_shift = bitwise_right_shift = binary(np.right_shift, bitwise.shift_right, "iu")
