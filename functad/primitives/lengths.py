"""Run-time checks of lengths that are data: those of slices whose bounds are traced.

Each gives its first operand back. Where lengths are known to be right, no check is made (``numpy/ragged``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample
from functad.errors import ArgumentError, DtypeError, IndexOutOfBoundsError, ShapeError
from functad.ir.types import ArrayType
from functad.kernel_ir.rules import Pointwise
from functad.primitives.elementwise import Op, align_batched, broadcast_type

__all__ = ["check_element", "check_equal_lengths", "check_not_empty"]

UNEQUAL = (
    "operands could not be broadcast together: of two lengths along an axis that must be equal, one is {value}, the "
    "other is not; where one is that of a slice with traced bounds, it is not stretched if it is 1"
)
EMPTY = "a maximum or minimum of no elements (a slice or a mask with traced bounds took {value}); give initial="
OUTSIDE = "index {value} is out of bounds for a slice with traced bounds, which has fewer elements"


def _check(name: str, evaluate: Callable[..., Any], kernel: Callable[..., Any], samples: Sequence[Any], doc: str) -> Op:
    """Declare a check of int64 operands; each sample is a tuple of them."""

    def type_rule(*types: ArrayType) -> ArrayType:
        out = broadcast_type(name, types)
        if out.dtype != np.int64:
            raise DtypeError(f"{name} takes int64, got {out}; convert with .astype(int)")
        return out

    primitive: Primitive = Primitive(
        name,
        type_rule=type_rule,
        evaluate=evaluate,
        batch=lambda size, batched, *xs: (primitive.bind(*align_batched(size, batched, xs)), True),
        kernel=Pointwise(kernel),
        may_raise=True,
        samples=lambda: [
            Sample(tuple([np.int64(x) if type(x) is int else np.array(x) for x in s]), {}) for s in samples
        ],
    )
    return Op(primitive, doc)


def _first(values: Any, bad: Any) -> int:
    return int(np.broadcast_to(values, np.shape(bad))[bad].flat[0])


def _equal_lengths(n: Any, other: Any) -> Any:
    bad = np.not_equal(n, other)
    if np.any(bad):
        raise ShapeError(UNEQUAL.format(value=_first(n, bad)))
    return np.where(bad, other, n)[()]


def _equal_lengths_kernel(b: Any, n: Any, other: Any) -> Any:
    b.require(b.eq(n, other), "ShapeError", UNEQUAL, value=n)
    return n


check_equal_lengths = _check(
    "check_equal_lengths",
    _equal_lengths,
    _equal_lengths_kernel,
    [(3, 3), ([20, 20], [20, 20]), ([7, 7], 7), (7, [7, 7]), (np.zeros(0, np.int64), 2)],
    "The first length, which must be equal to the other.",
)


def _not_empty(n: Any) -> Any:
    if np.any(np.less(n, 1)):
        raise ArgumentError(EMPTY.format(value=0))
    return np.array(n)[()]


def _not_empty_kernel(b: Any, n: Any) -> Any:
    b.require(b.ge(n, 1), "ArgumentError", EMPTY, value=n)
    return n


check_not_empty = _check(
    "check_not_empty",
    _not_empty,
    _not_empty_kernel,
    [(1,), ([2, 20],), (np.zeros(0, np.int64),)],
    "A number of elements, which must not be 0.",
)


def _element(index: Any, n: Any) -> Any:
    bad = np.less(index, np.negative(n)) | np.greater_equal(index, n)
    if np.any(bad):
        raise IndexOutOfBoundsError(OUTSIDE.format(value=_first(index, bad)))
    return np.where(np.less(index, 0), np.add(index, n), index)[()]


def _element_kernel(b: Any, index: Any, n: Any) -> Any:
    b.require(b.bit_and(b.ge(index, b.neg(n)), b.lt(index, n)), "IndexOutOfBoundsError", OUTSIDE, value=index)
    return b.select(b.lt(index, 0), b.add(index, n), index)


check_element = _check(
    "check_element",
    _element,
    _element_kernel,
    [(0, 1), (-3, 3), ([0, -3], [3, 20]), ([2, -1], 3), (-2, [2, 20])],
    "An index counted from the front, which must be one of n elements.",
)
