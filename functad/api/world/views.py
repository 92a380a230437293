"""How a view shows an array: what a Program does to the array's memory, as it lies, to see what the view shows.

Native code takes C-contiguous memory as it is and would have to copy every other layout at each call. A transposed,
sliced, reversed or broadcast view is therefore taken as the contiguous array behind it, and equations, which fusion
turns into strides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from functad.primitives.broadcasting import broadcast
from functad.primitives.shapes import flip, reshape, transpose
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


def view_of(array: np.ndarray, others: Sequence[np.ndarray] = ()) -> View | None:
    """An array as a view of a C-contiguous one: of one of ``others``, of all the memory, or of a part of it; None if it
    is none.

    Examples
    --------
    >>> w = np.arange(12.0).reshape(3, 4)
    >>> found = view_of(w[::-1, 1:3].T, [w])
    >>> found.base is w, found.of(w).tolist()
    (True, [[9.0, 5.0, 1.0], [10.0, 6.0, 2.0]])
    """
    if not array.size or not array.dtype.isnative or not array.flags.aligned:
        return None
    memory = contiguous_memory(array)
    if memory is None:
        return None
    for base in (*[b for b in others if is_plain(b)], memory, *folded(array, memory)):
        found = as_view(array, base)
        if found is not None:
            return found
    return None


def as_view(array: np.ndarray, base: np.ndarray) -> View | None:
    """An array as slices of ``base``, permuted and broadcast; None if it is more than that."""
    low, steps = lowest(array), strides_of(array)
    if (
        base.dtype != array.dtype
        or not address(base) <= low < address(base) + base.nbytes
        or (low - address(base)) % base.itemsize
    ):
        return None
    starts = [int(i) for i in np.unravel_index((low - address(base)) // base.itemsize, base.shape)]
    spans = [(start, start + 1, 1) for start in starts]
    axes_of: dict[int, int] = {}  # axis of the view -> axis of the base
    for axis, (n, s) in enumerate(zip(array.shape, steps, strict=True)):
        if not s:
            continue
        fitting = [
            a
            for a in range(base.ndim)
            if base.shape[a] > 1 and abs(s) % base.strides[a] == 0 and a not in axes_of.values()
        ]
        if not fitting:
            return None
        a = min(fitting)  # the largest stride
        step = abs(s) // base.strides[a]
        spans[a] = starts[a], starts[a] + (n - 1) * step + 1, step
        if spans[a][1] > base.shape[a]:
            return None
        axes_of[axis] = a
    begin, end, every = zip(*spans, strict=True) if spans else ((), (), ())
    flipped = tuple([a for axis, a in axes_of.items() if steps[axis] < 0])
    return View(base, begin, end, every, flipped, tuple(axes_of.values()), tuple(axes_of), array.shape)


def folded(array: np.ndarray, memory: np.ndarray) -> Iterator[np.ndarray]:
    """Parts of contiguous memory under shapes whose strides are those of the array."""
    size = array.itemsize
    steps = sorted({abs(s) for s in strides_of(array) if s}, reverse=True)
    if not steps or any(s % t for s, t in zip(steps, [*steps[1:], size], strict=True)):
        return
    units = [s // size for s in steps]
    inner = [*[s // t for s, t in pairwise(units)], units[-1]]
    rows = max(n for n, s in zip(array.shape, strides_of(array), strict=True) if abs(s) == steps[0])
    length, flat = rows * units[0], memory.reshape(-1)
    first = (lowest(array) - address(memory)) // size
    for begin in (first, flat.size - length):  # from the first element on, or up to the end of the memory
        if 0 <= begin <= flat.size - length:
            yield flat[begin : begin + length].reshape(rows, *inner)


def strides_of(array: np.ndarray) -> list[int]:
    """The strides, 0 where nothing is stepped over."""
    return [s if n > 1 else 0 for n, s in zip(array.shape, array.strides, strict=True)]


def lowest(array: np.ndarray) -> int:
    """The address of the element that lies first."""
    backwards: list[int] = [(n - 1) * s for n, s in zip(array.shape, strides_of(array), strict=True) if s < 0]
    return address(array) + sum(backwards)


def contiguous_memory(array: np.ndarray) -> np.ndarray | None:
    """The array that owns the memory, or a C-contiguous permutation of it."""
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    base = np.asarray(base)
    if is_plain(base):
        return base
    permuted = base.transpose(np.argsort([-s for s in base.strides], kind="stable"))
    return permuted if is_plain(permuted) else None


def address(array: np.ndarray) -> int:
    """Where the first element is."""
    return int(array.__array_interface__["data"][0])
