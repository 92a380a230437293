"""Powers of matrices and chains of products."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from functad.core.trace import type_name
from functad.errors import ArgumentError, LinAlgError, ShapeError
from functad.numpy.contractions import dot
from functad.numpy.dispatch import implements
from functad.numpy.linear.systems import inv
from functad.numpy.operands import as_array, fresh, shape_of
from functad.numpy.traced import here
from functad.primitives.linalg.matrices import eye_like, matmul
from functad.primitives.shapes import reshape

__all__ = ["matrix_power", "multi_dot"]


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """``numpy.linalg.matrix_power`` by squaring; the exponent is a plain integer."""
    x = as_array(a, "linalg.matrix_power")
    if len(shape_of(x)) < 2 or shape_of(x)[-1] != shape_of(x)[-2]:
        raise LinAlgError(f"np.linalg.matrix_power{here()}: expected square matrices, got shape {shape_of(x)}")
    try:
        n = operator.index(n)
    except TypeError:
        raise ArgumentError(
            f"np.linalg.matrix_power{here()}: the exponent must be a plain integer, got {type_name(n)}"
        ) from None
    if n == 0:
        return eye_like(x)
    if n < 0:
        x, n = inv(x), -n
    result, power = None, x
    while True:
        if n % 2:
            result = power if result is None else matmul(result, power)
        n //= 2
        if not n:
            return fresh(result, x)
        power = matmul(power, power)


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """``numpy.linalg.multi_dot``: in the order that takes fewest products."""
    xs = [as_array(x, "linalg.multi_dot") for x in arrays]
    if len(xs) < 2:
        raise ArgumentError(f"np.linalg.multi_dot{here()}: expected at least two arrays, got {len(xs)}")
    ndims = [len(shape_of(x)) for x in xs]
    if any(n != 2 for n in ndims[1:-1]) or ndims[0] not in (1, 2) or ndims[-1] not in (1, 2):
        raise LinAlgError(
            f"np.linalg.multi_dot{here()}: expected matrices, and at the ends matrices or vectors, got shapes "
            f"{', '.join([str(shape_of(x)) for x in xs])}"
        )
    if ndims[0] == 1:
        xs[0] = reshape(xs[0], (1, *shape_of(xs[0])))
    if ndims[-1] == 1:
        xs[-1] = reshape(xs[-1], (*shape_of(xs[-1]), 1))
    for x, y in pairwise(xs):
        if shape_of(x)[1] != shape_of(y)[0]:
            raise ShapeError(f"np.linalg.multi_dot{here()}: shapes {shape_of(x)} and {shape_of(y)} are not aligned")
    splits = best_splits([*[shape_of(x)[0] for x in xs], shape_of(xs[-1])[1]])

    def product(first: int, last: int) -> Any:
        if first == last:
            return xs[first]
        split = splits[first, last]
        return dot(product(first, split), product(split + 1, last))

    y = product(0, len(xs) - 1)
    return reshape(y, [n for n, kept in zip(shape_of(y), (ndims[0] == 2, ndims[-1] == 2), strict=True) if kept])


def best_splits(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where a chain of matrices, number i of ``sizes[i]`` rows, is split: for each first and last matrix of a part, the
    last of the first factor.
    """
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    splits = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            found = [(cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)]
            cost[i, j], splits[i, j] = min(found)
    return splits
