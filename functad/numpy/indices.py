"""NumPy's indices, taken apart: what ``x[index]`` means for an array of a known shape.

An index is slices (integers are slices of length one whose axis is dropped) and index arrays. The result has the axes
of x that are sliced, new axes, and in one place the axes B that all index arrays broadcast to: where the first of them
stands, or in front if something lies between them.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from functad.core.capture import from_outside, taken_over
from functad.core.foreign import is_foreign
from functad.core.location import user_location
from functad.core.subclasses import plain_array
from functad.core.tracer import Tracer
from functad.errors import InvalidIndexError, ShapeError
from functad.numpy.operands import common_shape, depends_on, shape_of, stack_list, whole
from functad.numpy.traced import here, is_traced
from functad.primitives.broadcasting import broadcast
from functad.primitives.indexing import check_index, out_of_bounds

__all__ = ["Index", "Lookup", "Span", "in_bounds", "integer_span", "parse_index", "with_axes"]

INT64 = np.dtype(np.int64)


class Span(NamedTuple):
    """The elements ``start, start + step, ...`` before ``stop`` of an axis, with step >= 1; backwards if
    ``reverse``.
    """

    start: int
    stop: int
    step: int = 1
    reverse: bool = False

    @property
    def length(self) -> int:
        """How many elements there are."""
        return len(range(self.start, self.stop, self.step))

    def takes_all(self, length: int) -> bool:
        """Whether these are all elements of an axis, in order."""
        return self.length == length and not self.reverse

    def margins(self, length: int) -> tuple[int, int, int]:
        """What ``pad`` puts before, after and between these elements to give the axis back."""
        n = self.length
        return (self.start, length - self.start - (n - 1) * self.step - 1, self.step - 1) if n else (length, 0, 0)


class Lookup(NamedTuple):
    """Reading at index arrays as ``transpose``, ``gather``, ``transpose``.

    Index arrays of axes that are side by side are looked up where they are, with the axes before them as batch axes: x
    stays as it is in memory.
    """

    order: tuple[int, ...]  # of the axes of x, for gather
    batch: int  # the leading axes that are not looked up
    result: tuple[int, ...]  # of the axes that gather gives, for the result


class Index(NamedTuple):
    """An index taken apart, for an array of one shape."""

    of: tuple[int, ...]  # the shape of x
    spans: tuple[Span, ...]  # one an axis of x
    dropped: frozenset[int]  # axes of x indexed by one integer
    arrays: dict[int, Any]  # index arrays, by the axis of x that they look up: int64, in bounds, of shape ``looked_up``
    looked_up: tuple[int, ...]
    layout: tuple[int | None, ...]  # the other axes of the result: an axis of x, or None for a new one
    place: int  # where among them the axes of ``looked_up`` are
    keeps_array: bool  # whether a result without axes is an array still

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        lengths = [1 if a is None else self.spans[a].length for a in self.layout]
        return (*lengths[: self.place], *self.looked_up, *lengths[self.place :]) if self.arrays else tuple(lengths)

    @property
    def kept(self) -> tuple[int, ...]:
        """The shape of x once it is sliced, without the axes that integers drop."""
        return tuple([s.length for a, s in enumerate(self.spans) if a not in self.dropped])

    @property
    def takes_all(self) -> bool:
        """Whether the slices leave x as it is."""
        return not self.dropped and all(s.takes_all(n) for s, n in zip(self.spans, self.of, strict=True))

    @property
    def rows(self) -> Index:
        """The index arrays alone: whole rows of x."""
        spans = tuple([Span(0, n) for n in self.of])
        layout = tuple([a for a in range(len(self.of)) if a not in self.arrays])
        return self._replace(spans=spans, dropped=frozenset(), layout=layout)

    @property
    def row(self) -> Index:
        """The slices and integers alone, of one such row, which has no looked up axes."""
        axes = [a for a in range(len(self.of)) if a not in self.arrays]
        shape, spans = tuple([self.of[a] for a in axes]), tuple([self.spans[a] for a in axes])
        dropped = frozenset([i for i, a in enumerate(axes) if a in self.dropped])
        layout = tuple([None if a is None else axes.index(a) for a in self.layout])
        return Index(shape, spans, dropped, {}, (), layout, 0, self.keeps_array)

    def lookup(self) -> Lookup:
        """How the index arrays look up the sliced x."""
        axes = [a for a in range(len(self.spans)) if a not in self.dropped]
        at = [i for i, a in enumerate(axes) if a in self.arrays]
        rest = [i for i, a in enumerate(axes) if a not in self.arrays]
        if at[-1] - at[0] == len(at) - 1:
            order, batch = tuple(range(len(axes))), at[0]
        else:
            order, batch = (*at, *rest), 0
        before = len([a for a in self.layout[: self.place] if a is not None])
        count = len(self.looked_up)
        found = tuple(range(batch, batch + count))
        others = [i for i in range(len(rest) + count) if i not in found]
        return Lookup(order, batch, (*others[:before], *found, *others[before:]))


def parse_index(index: Any, shape: tuple[int, ...]) -> Index:
    """Take an index of an array of this shape apart, and check it."""
    items = [_item(part) for part in (index if isinstance(index, tuple) else (index,))]
    taken = sum(_axes_taken(item) for item in items)
    ellipses = len([i for i in items if i is Ellipsis])
    if ellipses > 1:
        raise InvalidIndexError(f"an index{here()} can only have a single ellipsis ('...')")
    if taken > len(shape):
        raise InvalidIndexError(
            f"too many indices{here()}: the array has {len(shape)} axes (shape {shape}), but {taken} were indexed"
        )
    if not ellipses:
        items.append(Ellipsis)
    parts = _Parts(shape, any(_is_array(item) for item in items))
    for position, item in enumerate(items):
        parts.add(item, position, len(shape) - taken)
    arrays, looked_up = _broadcast_arrays(parts.arrays)
    if arrays and not looked_up:
        _look_up_integers(parts, arrays)
    return Index(
        shape,
        tuple(parts.spans),
        frozenset(parts.dropped),
        arrays,
        looked_up,
        tuple(parts.layout),
        parts.place(),
        keeps_array=ellipses > 0,
    )


def with_axes(index: Any, ndim: int) -> list[tuple[Any, int | None]]:
    """The parts of an index of an array, and the axis that each integer, slice or array begins at; None for what takes
    no one axis.
    """
    items = [_item(part) for part in (index if isinstance(index, tuple) else (index,))]
    rest = ndim - sum(_axes_taken(item) for item in items)
    found: list[tuple[Any, int | None]] = []
    axis = 0
    for item in items:
        found.append((item, None if item is None or item is Ellipsis else axis))
        axis += max(rest, 0) if item is Ellipsis else _axes_taken(item)
    return found


def _look_up_integers(parts: _Parts, arrays: dict[int, Any]) -> None:
    """Look up integers beside index arrays of one element as these: it is one element, or row, that is read or
    written, of x as it is in memory.
    """
    axes = sorted([*arrays, *parts.dropped])
    if axes[-1] - axes[0] != len(axes) - 1:
        return
    for a in parts.dropped:
        arrays[a] = np.int64(parts.spans[a].start)
        parts.spans[a] = Span(0, parts.shape[a])
    parts.dropped.clear()
    ordered = sorted(arrays.items())
    arrays.clear()
    arrays.update(ordered)


class _Parts:
    """What has been found while going over an index from left to right."""

    def __init__(self, shape: tuple[int, ...], has_arrays: bool) -> None:
        self.shape = shape
        self.has_arrays = has_arrays
        self.spans: list[Span] = []
        self.dropped: list[int] = []
        self.arrays: dict[int, Any] = {}
        self.layout: list[int | None] = []
        self.advanced: list[
            tuple[int, int]
        ] = []  # of each index array, and each integer among them: its position, and its place in layout

    def add(self, item: Any, position: int, rest: int) -> None:
        """One part of the index; an ellipsis stands for ``rest`` axes."""
        axis = len(self.spans)
        if item is None:
            self.layout.append(None)
        elif item is Ellipsis:
            for n in self.shape[axis : axis + rest]:
                self.layout.append(len(self.spans))
                self.spans.append(Span(0, n))
        elif isinstance(item, slice):
            self.layout.append(axis)
            self.spans.append(_slice_span(item, self.shape[axis]))
        else:
            if self.has_arrays:
                self.advanced.append((position, len(self.layout)))
            if not _is_array(item):
                self.dropped.append(axis)
                self.spans.append(integer_span(item, axis, self.shape[axis]))
            else:
                for array in _where_holds(item, self.shape, axis) if item.dtype.kind == "b" else (item,):
                    a = len(self.spans)
                    self.arrays[a] = in_bounds(array, a, self.shape[a])
                    self.spans.append(Span(0, self.shape[a]))

    def place(self) -> int:
        """Where the axes of the index arrays go: in front, if index arrays are not side by side."""
        positions = [p for p, _ in self.advanced]
        side_by_side = bool(positions) and positions[-1] - positions[0] == len(positions) - 1
        return self.advanced[0][1] if side_by_side else 0


# -- the parts ---------------------------------------------------------------------------------------------------------


def _is_array(item: Any) -> bool:
    return isinstance(item, (np.ndarray, Tracer))


def _axes_taken(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if _is_array(item) and item.dtype.kind == "b" else 1


def _item(part: Any) -> Any:
    """One part of an index as None, Ellipsis, a slice, an int, or an array of integers or booleans."""
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, np.ndarray) and type(part) is not np.ndarray:
        part = plain_array(part, f"an index{here()}")
    elif is_foreign(type(part)):
        part = taken_over(part, f"an index{here()}")
    if isinstance(part, (list, tuple)):
        part = (
            stack_list(part, "ndarray index") if is_traced(part) else np.asarray(part, dtype=None if part else np.int64)
        )
    if not isinstance(part, (Tracer, np.ndarray, bool, np.bool_)):
        try:
            return operator.index(part)
        except TypeError:
            pass
    kind = part.dtype.kind if _is_array(part) else ""
    if kind not in ("i", "u", "b") or (kind == "b" and not part.ndim):
        described = f"an array of dtype {part.dtype}" if kind else f"{part!r} of type {type(part).__name__}"
        raise InvalidIndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and integer or boolean arrays are valid indices, got "
            f"{described}{here()}{'; convert it with .astype(int)' if kind == 'f' else ''}"
        )
    if isinstance(part, np.ndarray) and not part.ndim:
        depends_on(part)
        return int(part)
    return part


def _slice_span(item: slice, length: int) -> Span:
    start, stop, step = item.indices(length)  # asks traced bounds for their values
    if step > 0:
        return Span(start, max(start, stop), step)
    count = len(range(start, stop, step))
    last = start + (count - 1) * step
    return Span(last, start + 1, -step, reverse=True) if count else Span(0, 0)


def integer_span(item: int, axis: int, length: int) -> Span:
    """The one element at an index."""
    if not -length <= item < length:
        raise out_of_bounds(item, axis, length).at(user_location())
    start = item + length if item < 0 else item
    return Span(start, start + 1)


def _where_holds(mask: Any, shape: tuple[int, ...], axis: int) -> Sequence[np.ndarray]:
    """The indices where a mask holds: it must have a value now, since the number of them is a shape."""
    for i, n in enumerate(shape_of(mask)):
        if n != shape[axis + i]:
            raise InvalidIndexError(
                f"boolean index{here()} did not match indexed array along axis {axis + i}; size of axis is "
                f"{shape[axis + i]} "
                f"but size of corresponding boolean axis is {n}"
            )
    if isinstance(mask, Tracer):
        return np.nonzero(mask._owner.force(mask._variable, "a boolean mask as an index"))
    depends_on(mask)
    return np.nonzero(mask)


def in_bounds(array: Any, axis: int, length: int) -> Any:
    """An index array as int64, counted from the front: checked now if it is plain, by an equation if it is traced."""
    if isinstance(array, Tracer):
        return check_index(whole(array), axis, length)
    array = np.asarray(array)
    outside = (array < -length) | (array >= length)
    if outside.any():
        raise out_of_bounds(array[outside].flat[0], axis, length).at(user_location())
    operand = from_outside(array)
    if isinstance(operand, Tracer):  # a later call finds other indices there
        return check_index(whole(operand), axis, length)
    if array.dtype == np.int64 and not (array < 0).any():
        return array
    return np.where(array < 0, array + length, array).astype(np.int64)


def _broadcast_arrays(arrays: dict[int, Any]) -> tuple[dict[int, Any], tuple[int, ...]]:
    try:
        shape = common_shape([shape_of(a) for a in arrays.values()], "ndarray index") if arrays else ()
    except ShapeError:
        given = " ".join(str(shape_of(a)) for a in arrays.values())
        raise InvalidIndexError(
            f"shape mismatch: indexing arrays could not be broadcast together with shapes {given}{here()}"
        ) from None
    return {
        axis: broadcast(a, shape, range(len(shape) - len(shape_of(a)), len(shape))) for axis, a in arrays.items()
    }, shape
