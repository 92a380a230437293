"""Containers of arrays as one vector, and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from functad.errors import DtypeError, ShapeError, StructureError
from functad.tree.containers import TreeDef, flatten, leaf_paths, stored

__all__ = ["Unravel", "ravel"]


class Unravel:
    """Makes containers of one structure, with arrays of given shapes and dtypes, from vectors: what `ravel` gives."""

    __slots__ = ("dtype", "dtypes", "shapes", "structure")

    def __init__(self, structure: TreeDef, shapes: list[tuple[int, ...]], dtypes: list[np.dtype], dtype: Any) -> None:
        self.structure = structure
        self.shapes = shapes
        self.dtypes = dtypes
        self.dtype = np.dtype(dtype)

    def __call__(self, vector: Any) -> Any:
        """The container of a vector."""
        x = vector if hasattr(vector, "dtype") and hasattr(vector, "reshape") else np.asarray(vector)
        sizes = [math.prod(shape) for shape in self.shapes]
        if x.shape != (sum(sizes),):
            raise ShapeError(f"tree.ravel: the container is made of a vector of shape ({sum(sizes)},), got {x.shape}")
        mixed = any(d != self.dtype for d in self.dtypes)
        if mixed and x.dtype != self.dtype:
            raise DtypeError(
                f"tree.ravel: the container has leaves of several dtypes, and is made of a vector of dtype "
                f"{self.dtype}, got {x.dtype}; convert it with x.astype({self.dtype.name!r})"
            )
        leaves, start = [], 0
        for size, shape, dtype in zip(sizes, self.shapes, self.dtypes, strict=True):
            part = x[start : start + size].reshape(shape) if shape else x[start]
            if mixed and dtype != self.dtype:
                part = (np.real(part) if dtype.kind != "c" and x.dtype.kind == "c" else part).astype(dtype)
            leaves.append(part)
            start += size
        return self.structure.unflatten(leaves)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (stored(self.structure), self.shapes, self.dtypes, self.dtype)

    def __repr__(self) -> str:
        return f"<functad.tree: the container {self.structure} of a vector>"


def _unpickled(container: Any, shapes: list[tuple[int, ...]], dtypes: list[np.dtype], dtype: np.dtype) -> Unravel:
    return Unravel(flatten(container)[1], shapes, dtypes, dtype)


def ravel(pytree: Any) -> tuple[Any, Unravel]:
    """All elements of the arrays and numbers in a container as one vector, and a function that makes a container of
    such a vector.

    Parameters
    ----------
    pytree
        A container of arrays and numbers; they may be traced.

    Returns
    -------
    vector : ndarray
        The leaves one after the other, in the dtype that NumPy promotes theirs to; ``float64`` if there are none.
    unravel : callable
        Gives each leaf its shape and its dtype again; where all had one dtype, the leaves have that of the vector, and
        look at its memory. It can be traced, mapped, differentiated and pickled.

    Raises
    ------
    StructureError
        If a leaf is neither an array nor a number.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> vector, unravel = fd.tree.ravel({"scale": 2.0, "w": np.ones((2, 2))})
    >>> vector
    array([2., 1., 1., 1., 1.])
    >>> unravel(np.arange(5.0))["w"]
    array([[1., 2.],
           [3., 4.]])
    """
    found, structure = flatten(pytree)
    arrays = [x if hasattr(x, "dtype") and hasattr(x, "reshape") else np.asarray(x) for x in found]
    for x, path in zip(arrays, leaf_paths(structure), strict=True):
        if np.dtype(x.dtype).kind not in "fciub":
            raise StructureError(
                f"tree.ravel: the leaf {path or 'itself'} has dtype {x.dtype}, but only numbers go into a vector; take "
                "it out with fd.tree.partition(fd.tree.is_inexact, tree)"
            )
    if not arrays:
        return np.zeros(0), Unravel(structure, [], [], np.float64)
    # Python's numbers, traced or not, are weak
    dtype = np.result_type(*[x if type(x) in (int, float, complex) else a for x, a in zip(found, arrays, strict=True)])
    shapes, dtypes = [tuple(a.shape) for a in arrays], [np.dtype(a.dtype) for a in arrays]
    vector = np.concatenate([np.reshape(a, -1).astype(dtype) for a in arrays])
    return vector, Unravel(structure, shapes, dtypes, dtype)
