"""How a view shows an array: what a Program does to the array's memory, as it lies, to see what the view shows.

Native code takes C-contiguous memory as it is and would have to copy every other layout at each call. A transposed, sliced, reversed or
broadcast view is therefore taken as the contiguous array behind it, and equations, which fusion turns into strides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.primitives.shapes import broadcast, flip, reshape, transpose
from functad.primitives.slicing import slice_

__all__ = ["View", "is_plain", "view_of"]


def is_plain(array: np.ndarray) -> bool:
    """Whether native code takes an array as it is."""
    return array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative


@dataclass(frozen=True)
class View:
    """``base`` sliced, reversed along axes, its axes of length one dropped, the others permuted and broadcast."""

    base: np.ndarray
    starts: tuple[int, ...]
    stops: tuple[int, ...]
    steps: tuple[int, ...]
    flipped: tuple[int, ...]  # axes of base
    kept: tuple[int, ...]  # axes of base, in the order in which the view has them
    axes: tuple[int, ...]  # where the view has them
    shape: tuple[int, ...]

    def of(self, base: Any) -> Any:
        """The same view of another value of the base: equations, if it is traced."""
        x = flip(slice_(base, self.starts, self.stops, self.steps), self.flipped)
        ordered = sorted(self.kept)
        x = reshape(x, [x.shape[a] for a in ordered])
        x = transpose(x, [ordered.index(a) for a in self.kept])
        return broadcast(x, self.shape, self.axes)


def view_of(array: np.ndarray) -> View | None:
    """A view as one of a C-contiguous array with at least as much memory; None where it is not made of slices and permutations.

    Examples
    --------
    >>> w = np.arange(12.0).reshape(3, 4)
    >>> found = view_of(w[::-1, 1:3].T)
    >>> found.base is w, found.of(w).tolist()
    (True, [[9.0, 5.0, 1.0], [10.0, 6.0, 2.0]])
    """
    if not array.size or not array.dtype.isnative or not array.flags.aligned:
        return None
    base = contiguous_base(array)
    if base is None or base.dtype != array.dtype:
        return None
    steps = [s if n > 1 else 0 for n, s in zip(array.shape, array.strides, strict=True)]
    low = address(array) + sum([(n - 1) * s for n, s in zip(array.shape, steps, strict=True) if s < 0]) - address(base)
    if low % base.itemsize:
        return None
    starts = [int(i) for i in np.unravel_index(low // base.itemsize, base.shape)] if low < base.nbytes else [0] * base.ndim
    spans = {a: (starts[a], starts[a] + 1, 1) for a in range(base.ndim)}
    axes_of: dict[int, int] = {}  # axis of the view -> axis of the base
    for axis, (n, s) in enumerate(zip(array.shape, steps, strict=True)):
        if not s:
            continue
        fitting = [a for a in range(base.ndim) if base.shape[a] > 1 and abs(s) % base.strides[a] == 0 and a not in axes_of.values()]
        if not fitting:
            return None
        a = min(fitting)  # the largest stride
        step = abs(s) // base.strides[a]
        stop = starts[a] + (n - 1) * step + 1
        if stop > base.shape[a]:
            return None
        axes_of[axis] = a
        spans[a] = starts[a], stop, step
    begin, end, every = zip(*[spans[a] for a in range(base.ndim)], strict=True) if base.ndim else ((), (), ())
    flipped = tuple([a for axis, a in axes_of.items() if steps[axis] < 0])
    return View(base, begin, end, every, flipped, tuple(axes_of.values()), tuple(axes_of), array.shape)


def contiguous_base(array: np.ndarray) -> np.ndarray | None:
    """The array that owns the memory, or a C-contiguous permutation of it."""
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    if type(base) is not np.ndarray:
        base = np.asarray(base)
    if is_plain(base):
        return base
    permuted = base.transpose(np.argsort([-s for s in base.strides], kind="stable"))
    return permuted if is_plain(permuted) else None


def address(array: np.ndarray) -> int:
    """Where the first element is."""
    return int(array.__array_interface__["data"][0])
