"""What draws do with their parameters: shapes that they broadcast to, dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.errors import DtypeError
from functad.numpy.creation import asarray
from functad.numpy.operands import common_shape
from functad.numpy.shapes import broadcast_to
from functad.numpy.traced import here
from functad.random.keys import Shape, as_shape

__all__ = ["as_parameters", "count_dtype"]


def as_parameters(name: str, shape: Shape | None, dtype: np.dtype, *parameters: Any) -> tuple[Any, ...]:
    """Parameters as arrays of the shape of the draw: the given one, which they broadcast to, or what they have in
    common.
    """
    arrays = [asarray(p) for p in parameters]
    for x in arrays:
        if x.dtype.kind not in "fiub":
            raise DtypeError(f"random.{name}{here()}: a parameter must be a real number, got {x.dtype}")
    given = [x.shape for x in arrays]
    wanted = common_shape(given if shape is None else [as_shape(shape, name), *given], f"random.{name}")
    return tuple([broadcast_to(x.astype(dtype), wanted) for x in arrays])


def count_dtype(dtype: Any, name: str) -> np.dtype:
    """The dtype of counts, if it is one."""
    kind: np.dtype = np.dtype(dtype)
    if kind.kind not in "iuf":
        raise DtypeError(f"random.{name}{here()}: counts are integers or real numbers, got dtype {kind}")
    return kind
