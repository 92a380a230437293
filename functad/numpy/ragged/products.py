"""Products of parts: what lies elsewhere is 0 in both operands, so that it adds nothing, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.errors import ShapeError, UnsupportedError
from functad.numpy import contractions, ufuncs
from functad.numpy.operands import as_array, cast, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.ragged.regions import Chosen, Plain, Region, inside, moved, same_place
from functad.numpy.ragged.value import Ragged, check_lengths, elementwise, made, regions_of
from functad.numpy.traced import here
from functad.primitives.broadcasting import reduce_sum
from functad.primitives.shapes import reshape

__all__ = ["dot", "inner", "matmul", "outer", "vdot"]


def _operands(name: str, a: Any, b: Any) -> list[Any]:
    return [x if type(x) is Ragged else as_array(x, name) for x in (a, b)]


def _contracted(name: str, a: Any, b: Any, axis_a: int, axis_b: int, f: Callable[[Any, Any], Any]) -> Any:
    """``f`` of two arrays, which sums over one axis of each; its result has the other axes, those of a first."""
    ra, rb = regions_of(a), regions_of(b)
    for r in (*ra, *rb):
        if isinstance(r, Chosen) and r.width > 1:
            raise UnsupportedError(f"np.{name}{here()} of what a mask of several axes took; write np.sum(x[m] * y[m])")
    target = _meeting(name, ra[axis_a], rb[axis_b])
    x, y = _placed(a, axis_a, target), _placed(b, axis_b, target)
    rest = [*[r for i, r in enumerate(ra) if i != axis_a], *[r for i, r in enumerate(rb) if i != axis_b]]
    if len(rest) != 1 or result_dtype([x, y]).kind == "b":
        return made(f(x, y), rest)
    return made(_matrix_by_vector(x, axis_a, y, axis_b), rest)


def _matrix_by_vector(x: Any, axis_x: int, y: Any, axis_y: int) -> Any:
    """The product as a loop of its own, which leaves out what lies elsewhere as it goes; BLAS would take copies."""
    (matrix, axis), (vector, _) = ((x, axis_x), (y, axis_y)) if len(shape_of(x)) == 2 else ((y, axis_y), (x, axis_x))
    dtype = result_dtype([x, y])
    spread = reshape(vector, (1, shape_of(vector)[0]) if axis else (shape_of(vector)[0], 1))
    return reduce_sum(ufuncs.multiply(cast(matrix, dtype), cast(spread, dtype)), (axis,))


def _meeting(name: str, a: Region, b: Region) -> Region:
    """Where the elements of two axes meet that are summed over."""
    if same_place(a, b):
        return a
    if isinstance(a, Chosen) or isinstance(b, Chosen):
        raise UnsupportedError(
            f"np.{name}{here()} of what two masks took, or one: which of their elements belong together is not known "
            "while it is traced; take both with one mask"
        )
    if isinstance(a, Plain) and isinstance(b, Plain):
        raise ShapeError(f"np.{name}{here()}: lengths {a.n} and {b.n} are not aligned")
    check_lengths(a, b)
    plain = [r for r in (a, b) if isinstance(r, Plain)]
    return plain[0] if plain else min((a, b), key=lambda r: r.n)


def _placed(x: Any, axis: int, target: Region) -> Any:
    """An operand as an array that is 0 where the part is not, with an axis at the target's place."""
    regions = list(regions_of(x))
    source, y = regions[axis], x
    fill: Any = 0
    if type(x) is Ragged:
        y, fill = x._full, x._fill
    if not same_place(source, target):
        assert not isinstance(source, Chosen) and not isinstance(target, Chosen)
        y, fill, regions[axis] = moved(y, axis, source, target), None, target
    return y if fill is not None and fill == 0 else inside(y, regions, 0)


def matmul(a: Any, b: Any, /) -> Any:
    """``numpy.matmul`` of vectors and matrices."""
    x, y = _operands("matmul", a, b)
    _check_axes("matmul", x, y)
    return _contracted("matmul", x, y, len(regions_of(x)) - 1, 0, contractions.matmul)


def _check_axes(name: str, *operands: Any) -> None:
    for x in operands:
        if len(regions_of(x)) not in (1, 2):
            raise UnsupportedError(
                f"np.{name}{here()} with a slice of traced bounds is of vectors and matrices; an operand has "
                f"{len(regions_of(x))} axes"
            )


def dot(a: Any, b: Any, out: None = None) -> Any:
    """``numpy.dot``."""
    x, y = _operands("dot", a, b)
    if not regions_of(x) or not regions_of(y):
        return elementwise("dot", ufuncs.multiply, [x, y])
    _check_axes("dot", x, y)
    return _contracted("dot", x, y, len(regions_of(x)) - 1, 0, contractions.dot)


def inner(a: Any, b: Any, /) -> Any:
    """``numpy.inner`` of vectors and matrices."""
    x, y = _operands("inner", a, b)
    _check_axes("inner", x, y)
    return _contracted("inner", x, y, len(regions_of(x)) - 1, len(regions_of(y)) - 1, contractions.inner)


def vdot(a: Any, b: Any, /) -> Any:
    """``numpy.vdot`` of vectors."""
    x, y = _operands("vdot", a, b)
    if len(regions_of(x)) != 1 or len(regions_of(y)) != 1:
        raise UnsupportedError(
            f"np.vdot{here()} with a slice of traced bounds is of vectors; write np.sum(x.conj() * y)"
        )
    return _contracted("vdot", x, y, 0, 0, contractions.vdot)


def outer(a: Any, b: Any, out: None = None) -> Any:
    """``numpy.outer`` of vectors."""
    x, y = _operands("outer", a, b)
    if len(regions_of(x)) != 1 or len(regions_of(y)) != 1:
        raise UnsupportedError(f"np.outer{here()} with a slice of traced bounds is of vectors; write x[:, None] * y")
    return elementwise("outer", ufuncs.multiply, [_column(x), y], np.multiply)


def _column(x: Any) -> Any:
    full: Any = x._full if type(x) is Ragged else x
    if type(x) is Ragged and x._regions[0].width > 1:
        raise UnsupportedError(f"np.outer{here()} of what a mask of several axes took")
    column = full[:, None]
    return made(column, [*regions_of(x), Plain(1)], x._fill if type(x) is Ragged else None)
