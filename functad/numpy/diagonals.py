"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.errors import ShapeError
from functad.numpy.axes import normal_axes
from functad.numpy.dispatch import implements
from functad.numpy.memory import view
from functad.numpy.operands import as_array, fresh, shape_of
from functad.numpy.reductions import refuse_out, sum
from functad.numpy.traced import here
from functad.primitives.arithmetic import sub
from functad.primitives.broadcasting import broadcast
from functad.primitives.comparison import eq, ge, gt
from functad.primitives.generate import iota
from functad.primitives.selection import select
from functad.primitives.shapes import reshape, transpose
from functad.primitives.slicing import pad, slice_

__all__ = ["diag", "diagflat", "diagonal", "trace", "tril", "triu"]


def below(rows: int, columns: int) -> Any:
    """The matrix whose elements say how far they are below the main diagonal."""
    return sub(iota((rows, columns), np.int64, 0), iota((rows, columns), np.int64, 1))


def diagonal_of(x: Any, axis1: int, axis2: int, offset: int = 0) -> Any:
    """The diagonal over two axes, as the last axis, behind the others: every (n + 1)th element of the rows laid end to
    end.
    """
    shape = shape_of(x)
    others = [i for i in range(len(shape)) if i not in (axis1, axis2)]
    m, n = shape[axis1], shape[axis2]
    count = max(0, min(m, n - offset) if offset >= 0 else min(m + offset, n))
    start = offset if offset >= 0 else -offset * n
    lead = [shape[i] for i in others]
    rows = reshape(transpose(x, (*others, axis1, axis2)), (*lead, m * n))
    if not count:
        return slice_(rows, [0] * (len(lead) + 1), (*lead, 0))
    stop = start + (count - 1) * (n + 1) + 1
    return slice_(rows, (*[0] * len(lead), start), (*lead, stop), (*[1] * len(lead), n + 1))


def _two_axes(x: Any, axis1: int, axis2: int, name: str) -> tuple[int, int]:
    if len(shape_of(x)) < 2:
        raise ShapeError(f"np.{name}{here()} needs an array of at least two axes, got shape {shape_of(x)}")
    first, second = normal_axes((axis1, axis2), len(shape_of(x)), name)
    return first, second


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """``numpy.diagonal``."""
    x = as_array(a, "diagonal")
    axes = _two_axes(x, axis1, axis2, "diagonal")
    y = diagonal_of(x, *axes, offset)
    return view(y, x, lambda p: diagonal_of(p, *axes, offset), None, lambda m: np.diagonal(m, offset, *axes))


@implements(np.linalg.diagonal)
def linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """``numpy.linalg.diagonal``: over the last two axes."""
    return diagonal(x, offset, -2, -1)


@implements(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Any:
    """``numpy.trace``: the sum of the diagonal."""
    refuse_out(out, "trace")
    return sum(diagonal(a, offset, axis1, axis2), -1, dtype)


@implements(np.linalg.trace)
def linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """``numpy.linalg.trace``: over the last two axes."""
    return trace(x, offset, -2, -1, dtype)


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """``numpy.diag``: the diagonal of a matrix, or the matrix of a diagonal."""
    x = as_array(v, "diag")
    if len(shape_of(x)) == 2:
        return diagonal(x, k)
    if len(shape_of(x)) != 1:
        raise ShapeError(f"np.diag{here()} needs an array of one or two axes, got shape {shape_of(x)}")
    n = shape_of(x)[0] + abs(k)
    by_row = pad(x, x.dtype.type(0), [(max(-k, 0), max(k, 0), 0)])
    rows = broadcast(by_row, (n, n), (0,))
    return select(eq(below(n, n), -k), rows, x.dtype.type(0))


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """``numpy.diagflat``: the matrix that has all elements on a diagonal."""
    x = as_array(v, "diagflat")
    return diag(reshape(x, (x.size,)), k)


def _triangle(name: str, m: Any, keeps: Any) -> Any:
    x = as_array(m, name)
    shape = shape_of(x)
    if len(shape) == 1:
        shape = (shape[0], shape[0])
        x = broadcast(x, shape, (1,))
    if len(shape) < 2:
        raise ShapeError(f"np.{name}{here()} needs an array with axes, got shape {shape}")
    inside = broadcast(keeps(below(*shape[-2:])), shape, (len(shape) - 2, len(shape) - 1))
    return fresh(select(inside, x, x.dtype.type(0)), x)


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """``numpy.tril``: the lower triangle, zeros above it."""
    return _triangle("tril", m, lambda distance: ge(distance, -k))


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """``numpy.triu``: the upper triangle, zeros below it."""
    return _triangle("triu", m, lambda distance: gt(1 - k, distance))
