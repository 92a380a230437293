"""What functions of matrices do with their arguments: convert, check, bring batches to one shape."""

from __future__ import annotations

from math import prod
from typing import Any

from functad.errors import DtypeError, LinAlgError
from functad.numpy.operands import as_array, cast, common_shape, shape_of, spread
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here
from functad.primitives.shapes import reshape, transpose

__all__ = ["matrices", "one_batch", "same_dtype", "side_by_side", "square"]


def matrices(x: Any, name: str) -> Any:
    """An argument as an array of matrices of floating-point numbers."""
    x = as_array(x, name)
    if x.dtype.kind in "iub":
        x = cast(x, result_dtype([x, 1.0]))
    if x.dtype.itemsize < 4 or x.dtype.itemsize > (16 if x.dtype.kind == "c" else 8):
        raise DtypeError(
            f"{shown(name)}{here()}: {x.dtype} is not available in linear algebra; convert with x.astype(np.float64)"
        )
    if len(shape_of(x)) < 2:
        raise LinAlgError(
            f"{shown(name)}{here()}: expected matrices in the last two axes, got an array of shape {shape_of(x)}"
        )
    return x


def square(x: Any, name: str) -> Any:
    """An argument as an array of square matrices."""
    x = matrices(x, name)
    if shape_of(x)[-1] != shape_of(x)[-2]:
        raise LinAlgError(
            f"{shown(name)}{here()}: expected square matrices in the last two axes, got shape {shape_of(x)}"
        )
    return x


def shown(name: str) -> str:
    """A function's name as users write it."""
    return name if name.startswith("scipy.") else f"np.{name}"


def same_dtype(x: Any, y: Any) -> tuple[Any, Any]:
    """Two arrays in their common dtype, if that has fractions."""
    dtype = result_dtype([x, y])
    return cast(x, dtype), cast(y, dtype)


def one_batch(x: Any, y: Any, name: str) -> tuple[Any, Any]:
    """Two arrays of matrices with the axes before these broadcast."""
    lead = common_shape([shape_of(x)[:-2], shape_of(y)[:-2]], name)
    return tuple(  # type: ignore[return-value]
        [spread(v, (*lead, *shape_of(v)[-2:])) for v in (x, y)]
    )


def side_by_side(b: Any) -> tuple[Any, Any]:
    """A batch of matrices of right-hand sides as one matrix, and what undoes that: for one matrix of systems."""
    *lead, n, k = shape_of(b)
    nd, count = len(lead), prod(lead)
    wide = reshape(transpose(b, (nd, *range(nd), nd + 1)), (n, count * k))

    def undo(x: Any) -> Any:
        m = shape_of(x)[0]
        return transpose(reshape(x, (m, *lead, k)), (*range(1, nd + 1), 0, nd + 1))

    return wide, undo
