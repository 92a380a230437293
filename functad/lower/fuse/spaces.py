"""Iteration spaces: which axes of an array are axes of a loop, and how indices map from one shape to another.

Axes of length 1 are no loop axes, so (n,), (n, 1) and (1, n) are one space. Nor are small static axes where that lets
arrays of different shapes share a loop: then a kernel computes all their *components* at a point, one after the other
in its body. A program on 2-vectors becomes straight-line code, and distances between points in space become one double
loop without arrays between.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from functad.caches import cached
from functad.errors import InternalError
from functad.ir.types import Size
from functad.kernel_ir.nodes import Affine, Index
from functad.kernel_ir.sizes import product

__all__ = ["ZERO", "Layout", "Shape", "Space", "Spaces", "axes_of", "core", "few", "long_axes", "static", "Reshape"]

Shape = tuple[Size, ...]
Space = tuple[Size, ...]
Segments = list[tuple[list[int], list[int]]]

TINY = 4
"""Arrays of at most this many elements need no loop, and arrays in a loop can have this many components."""

SMALL = 9
"""Arrays of static shape with at most this many elements need no loop where parts of them are taken."""

ZERO = Affine(0)


@dataclass(frozen=True, slots=True)
class Layout:
    """How arrays of one shape are iterated over: ``loops`` are the axes that are loop axes, of sizes ``space``,
    ``indices`` the index of each component at a point.
    """

    space: Space
    loops: tuple[int, ...]
    indices: tuple[Index, ...]


class Spaces:
    """The layouts of the shapes of one Program; ``divided`` holds the shapes (without axes of length 1) that have
    components.
    """

    def __init__(self, divided: Iterable[Shape] = ()) -> None:
        self._divided = frozenset(divided)
        self._layouts: dict[Shape, Layout] = {}

    def layout(self, shape: Shape) -> Layout:
        """The layout of a shape."""
        found = self._layouts.get(shape)
        if found is None:
            long = long_axes(shape)
            divide = long != axes_of(shape) and (core(shape) in self._divided or (not long and few(shape, TINY)))
            found = self._layouts[shape] = _layout(shape, long if divide else axes_of(shape))
        return found


def core(shape: Shape) -> Shape:
    """A shape without its axes of length 1."""
    return tuple([n for n in shape if n != 1])


def axes_of(shape: Shape) -> tuple[int, ...]:
    """The axes that are longer than 1."""
    return tuple([k for k, n in enumerate(shape) if n != 1])


@cached(1024)
def long_axes(shape: Shape) -> tuple[int, ...]:
    """The axes that have to be loop axes; if the others are too many elements together, all have to."""
    small = [n for n in shape if isinstance(n, int) and n <= SMALL]
    loops = tuple([k for k, n in enumerate(shape) if not (isinstance(n, int) and n <= SMALL)])
    return loops if 0 < prod(small) <= (TINY if loops else SMALL) else axes_of(shape)


def static(n: Size) -> int:
    """A size that is known not to be a symbol."""
    assert isinstance(n, int)
    return n


def few(sizes: Iterable[Size], limit: int) -> bool:
    """Whether sizes are static, with a product from 1 to ``limit``."""
    total = product(list(sizes)).constant
    return total is not None and 0 < total <= limit


@cached(1024)
def _layout(shape: Shape, loops: tuple[int, ...]) -> Layout:
    ranges = [
        [Affine.axis(loops.index(k))] if k in loops else [Affine(i) for i in range(static(n))]
        for k, n in enumerate(shape)
    ]
    return Layout(tuple([shape[k] for k in loops]), loops, tuple(itertools.product(*ranges)))


# -- index maps of reshapes --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reshape:
    """For arrays with the same elements in row-major order: the index under one shape from that under another.

    Both shapes are cut into segments of equal size. Where one axis i of the old shape is split into (a, b, c) its index
    is ``(i_a*b + i_b)*c + i_c``. Where axes are merged it takes a division, which only constant indices allow: such a
    map is not ``affine``.
    """

    old: Shape
    new: Shape
    segments: Segments
    affine: bool

    @staticmethod
    def of(old: Shape, new: Shape) -> Reshape:
        """The map from indices under shape ``new`` to indices under shape ``old``."""
        if any(n == 0 for n in (*old, *new)):
            return Reshape(old, new, [], False)
        segments = _segments(list(axes_of(old)), list(axes_of(new)), old, new)
        return Reshape(old, new, segments, all(len(before) == 1 for before, _ in segments))

    def __call__(self, index: Index) -> Index:
        result = [ZERO] * len(self.old)
        for before, after in self.segments:
            total = index[after[0]]
            for k in after[1:]:
                total = total * self.new[k] + index[k]
            result[before[0]] = total
            if len(before) > 1:
                flat = total.offset.constant
                if total.terms or flat is None:
                    raise InternalError(
                        f"the index {index} under shape {self.new} is not that of one element under shape {self.old}"
                    )
                for k in reversed(before):
                    flat, rest = divmod(flat, static(self.old[k]))
                    result[k] = Affine(rest)
        return tuple(result)


def _segments(before: list[int], after: list[int], old: Shape, new: Shape) -> Segments:
    """Groups of axes with the same number of elements, as fine as the sizes that are known tell."""
    head: Segments = []
    tail: Segments = []
    while before and after and old[before[0]] == new[after[0]]:
        head.append(([before.pop(0)], [after.pop(0)]))
    while before and after and old[before[-1]] == new[after[-1]]:
        tail.insert(0, ([before.pop()], [after.pop()]))
    while before and after:
        i, j = _first_match([old[k] for k in before], [new[k] for k in after])
        head.append((before[:i], after[:j]))
        before, after = before[i:], after[j:]
    return head + tail


def _first_match(old: list[Size], new: list[Size]) -> tuple[int, int]:
    """The shortest prefixes of two lists of sizes with equal products; all of both where there are none."""
    for i in range(1, len(old)):
        for j in range(1, len(new)):
            if product(old[:i]) == product(new[:j]):
                return i, j
    return len(old), len(new)
