"""Matrix norms that are functions of singular values."""

from __future__ import annotations

from typing import Any

from functad.numpy.operands import shape_of
from functad.numpy.shapes import moveaxis
from functad.primitives.broadcasting import reduce_sum
from functad.primitives.linalg.svd import svdvals
from functad.primitives.reductions import reduce_max, reduce_min
from functad.primitives.shapes import reshape

__all__ = ["spectral_norm"]


def spectral_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The largest (order 2) or smallest (-2) singular value of the matrices in two axes, or the sum of all ("nuc")."""
    s = svdvals(moveaxis(x, axes, (-2, -1)))
    reduce = reduce_sum if ord == "nuc" else reduce_max if ord > 0 else reduce_min
    y = reduce(s, (len(shape_of(s)) - 1,))
    return reshape(y, [1 if i in axes else n for i, n in enumerate(shape_of(x))]) if keepdims else y
