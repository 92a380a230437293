"""``x[index]`` and ``x[index] = v`` where a bound of a slice is traced, or a mask is, or x itself is such a part.

A bound counts from the end where it is negative, and is cut where it lies outside, as NumPy's is: where that is proved
never to happen (``core/integers.py``), nothing is computed for it.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.handles import View, is_read_again, snapshot
from functad.core.trace import ABSENT
from functad.core.tracer import Tracer
from functad.errors import ArgumentError, InvalidIndexError, ShapeError, UnsupportedError
from functad.numpy import indexing, writing
from functad.numpy.memory import assign, check_array, view
from functad.numpy.operands import cast, dtype_of, fresh_array, shape_of
from functad.numpy.ragged.regions import Chosen, Plain, Region, Window, holds, inside, same_place
from functad.numpy.ragged.sizes import Size, fixed, size_of
from functad.numpy.ragged.value import Ragged, check_lengths, made, regions_of, spread_to
from functad.numpy.shapes import flip
from functad.numpy.traced import here
from functad.primitives import arithmetic
from functad.primitives.broadcasting import broadcast
from functad.primitives.cumulative import cumsum
from functad.primitives.gather import gather_p
from functad.primitives.generate import iota
from functad.primitives.lengths import check_element, check_equal_lengths
from functad.primitives.scatter import SCATTERS
from functad.primitives.selection import clip, select
from functad.primitives.shapes import reshape

__all__ = ["get_item", "has_unknown", "part", "set_item", "set_part", "write_part"]

INT64 = np.dtype(np.int64)


def get_item(x: Any, index: Any) -> Any:
    """``x[index]``."""
    if type(index) is Ragged and index._full.dtype.kind in "iu" and type(x) is not Ragged:
        return _at_part(x, index)
    if type(index) is not int and has_unknown(index):
        y = part(x, index)
        return _copied(y) if type(y) is Ragged and any([isinstance(r, Chosen) for r in y._regions]) else y
    return indexing.get_item(x, index)


def _at_part(x: Any, index: Ragged) -> Any:
    """``x[index]`` of a part of an index array: what lies beside it reads the first element, which nobody sees."""
    y = indexing.get_item(x, inside(index._full, index._regions, 0))
    return made(y, (*index._regions, *regions_of(x)[1:]))


def _copied(x: Ragged) -> Ragged:
    """What a mask takes is a copy."""
    return Ragged(fresh_array(x._full, x._full), x._regions, x._fill)


def set_item(x: Tracer, index: Any, value: Any) -> None:
    """``x[index] = value``."""
    if type(index) is not int and has_unknown(index):
        check_array(x)
        if not _is_read_again(x, index, value):
            write_part(part(x, index), value)
    else:
        writing.set_item(x, index, value if type(value) is not Ragged else _fitting(value, x, index))


def _fitting(value: Ragged, x: Tracer, index: Any) -> Any:
    """A part as an array of the shape of ``x[index]``."""
    return _to_regions(value, regions_of(indexing.get_item(x, index)))[0]


# -- what is asked of an index -----------------------------------------------------------------------------------------


def has_unknown(index: Any, elements: bool = False) -> bool:
    """Whether an index has slices with traced bounds, or masks, whose values are not known; or positions of
    ``elements``.
    """
    cls = type(index)
    if cls is tuple:
        return any([has_unknown(i, elements) for i in index])
    if cls is slice:
        return _is_unknown(index.start) or _is_unknown(index.stop) or _is_unknown(index.step)
    return _is_mask(index) or (elements and _is_unknown(index))


def _is_unknown(x: Any) -> bool:
    return type(x) is Tracer and x._owner.open and x._owner.ask(x._variable) is ABSENT


def _is_mask(x: Any) -> bool:
    return type(x) is Ragged or (type(x) is Tracer and x.ndim > 0 and x.dtype.kind == "b" and _is_unknown(x))


def _is_read_again(x: Any, index: Any, value: Any) -> bool:
    """Whether ``value`` is the part ``x[index]``, as ``x[index] += v`` stores it once more."""
    if type(value) is Ragged:
        return value._of is x and value._index is index
    return type(x) is Tracer and is_read_again(x, index, value)


# -- reading -----------------------------------------------------------------------------------------------------------


def part(x: Any, index: Any) -> Any:
    """The part ``x[index]``, which shares memory with x."""
    regions = list(regions_of(x))
    items = _expanded(index, len(regions))
    _check_order(items)
    y: Any = x._full if type(x) is Ragged else x
    new: list[Region] = []
    axis = 0  # of the array, in front of the item
    for item in items:
        if item is None:
            y = y[(*[slice(None)] * axis, None)]
            new.append(Plain(1))
        elif _is_mask(item):
            new.append(_chosen(item, regions))
            del regions[: item.ndim]
        elif isinstance(item, slice):
            y, region = _sliced(y, axis, regions.pop(0), item)
            new.append(region)
        else:
            y = y[(*[slice(None)] * axis, _place(regions.pop(0), item))]
            continue
        axis += new[-1].width
    result = made(y, new)
    if type(result) is Ragged:
        result._of, result._index = x, index
    elif result is not x and type(result._memory) is View:
        result._memory.of, result._memory.index = x, index
    return result


_NO_MASK = "write np.where(mask, x, other), or a loop over the indices"


def _expanded(index: Any, ndim: int) -> list[Any]:
    """The parts of an index, one an axis (of masks, of several)."""
    items = list(index) if type(index) is tuple else [index]
    taken = sum([0 if i is None or i is Ellipsis else i.ndim if _is_mask(i) else 1 for i in items])
    ellipses = [k for k, i in enumerate(items) if i is Ellipsis]
    if len(ellipses) > 1:
        raise InvalidIndexError(f"an index{here()} can only have a single ellipsis ('...')")
    if taken > ndim:
        raise InvalidIndexError(f"too many indices{here()}: the array has {ndim} axes, but {taken} were indexed")
    at = ellipses[0] if ellipses else len(items)
    return [*items[:at], *[slice(None)] * (ndim - taken), *items[at + len(ellipses) :]]


def _check_order(items: Sequence[Any]) -> None:
    """Refuse masks whose elements NumPy pairs with those of others, or whose axis it puts in front of slices."""
    kept = [None if _is_mask(i) else i is None or isinstance(i, slice) for i in items]
    if None not in kept:
        return
    at = kept.index(None)
    first = next(k for k, keeps in enumerate(kept) if not keeps)  # a mask, or an integer
    last = max([k for k, keeps in enumerate(kept) if not keeps])
    apart = any(kept[first : last + 1])  # then NumPy's result begins with the axis of the mask
    if kept.count(None) > 1 or (apart and any(kept[:at])):
        raise UnsupportedError(
            f"a mask beside another one, or behind an integer and a slice, in one index{here()}; take one after the "
            "other: x[0][:, mask]"
        )


def _chosen(mask: Any, regions: Sequence[Region]) -> Chosen:
    """What a mask takes of the next axes."""
    own, full = regions_of(mask), mask._full if type(mask) is Ragged else mask
    if full.dtype.kind != "b" or any([isinstance(r, Chosen) for r in (*own, *regions[: len(own)])]):
        raise _advanced()
    for a, b in zip(own, regions, strict=False):
        if isinstance(a, Plain) and isinstance(b, Plain) and a.n != b.n:
            raise InvalidIndexError(
                f"boolean index{here()} did not match indexed array: an axis has {b.n} elements, the mask {a.n}"
            )
        if not same_place(a, b):
            raise UnsupportedError(
                f"a mask is used{here()} as an index of a slice with traced bounds that it was not made of; {_NO_MASK}"
            )
    if type(mask) is not Ragged:
        return Chosen(mask)
    if mask._mask is None or mask._mask[0] is not full._variable:  # one for all its uses
        mask._mask = full._variable, Chosen(inside(full, own, False))
    return mask._mask[1]


def _place(region: Region, item: Any) -> Any:
    """Where in the array the element at an index of a part is."""
    if type(item) is Tracer:
        if item.ndim or item.dtype.kind not in "iu":
            raise _advanced()
    elif isinstance(item, np.ndarray | list | bool | np.bool_):
        raise _advanced()
    if isinstance(region, Chosen):
        raise UnsupportedError(f"an element of what a mask took is asked for{here()}; {_NO_MASK}")
    if isinstance(region, Plain):
        return item
    p, length = size_of(item), region.length
    if p.is_at_least(0) and length.is_at_least(p + 1):
        at = p
    elif fixed(-1).is_at_least(p) and (p + length).is_at_least(0):
        at = p + length
    else:
        at = size_of(check_element(p.atom, length.atom))
    return region.position(at).number


def _advanced() -> UnsupportedError:
    return UnsupportedError(
        f"an index array beside a slice with traced bounds, or a mask, in one index{here()}; take one after the other: "
        "x[i:j][..., k], or a loop over the indices"
    )


def _sliced(y: Any, axis: int, region: Region, item: slice) -> tuple[Any, Region]:
    """A slice of an axis: the array, and where the part is."""
    if not has_unknown(item) and isinstance(region, Plain):
        y = y if item == slice(None) else y[(*[slice(None)] * axis, item)]
        return y, Plain(shape_of(y)[axis])
    if item.start is None and item.stop is None and item.step is None:
        return y, region
    if isinstance(region, Chosen):
        raise UnsupportedError(f"a slice of what a mask took is asked for{here()}; {_NO_MASK}")
    step = _step(item.step)
    start, length, difference = _bounds(item, region.length, step)
    window = region if isinstance(region, Window) else Window(region.n, fixed(0), region.length)
    first = window.position(start)
    by = window.step * abs(step)
    if step < 0:  # the same elements from the last one on, of the flipped array
        y = flip(y, axis)
        first = fixed(window.n - 1) - first
    if difference is not None and by == 1 and 0 < difference < window.n:
        return _short(y, axis, first, length, difference)
    return y, Window(window.n, first, length, by)


def _step(step: Any) -> int:
    if step is None:
        return 1
    if _is_unknown(step):
        raise UnsupportedError(
            f"the step of a slice is traced{here()}; it must be known: write a loop over the indices"
        )
    number = operator.index(step)
    if not number:
        raise ArgumentError(f"slice step cannot be zero{here()}")
    return number


def _bounds(item: slice, n: Size, step: int) -> tuple[Size, Size, int | None]:
    """The first element of a slice of n elements, how many there are, and how many there would be if none lay outside,
    if that is known.
    """
    low, high = (fixed(0), n) if step > 0 else (fixed(-1), n - 1)
    ends = [None if b is None else size_of(b) for b in (item.start, item.stop)]
    start, stop = [None if b is None else b.from_end(n).at_least(low).at_most(high) for b in ends]
    if start is None:
        start = low if step > 0 else high
    if stop is None:
        stop = high if step > 0 else low
    count = (stop - start if step > 0 else start - stop).at_least(0).over(abs(step))
    difference = None if None in ends else (ends[1] - ends[0]).times(1 if step > 0 else -1).known  # type: ignore[operator]
    return start, count, difference


def _short(y: Any, axis: int, start: Size, length: Size, count: int) -> tuple[Any, Region]:
    """A slice of at most ``count`` elements: a small array that has them."""
    first = start.at_least(0).at_most(shape_of(y)[axis] - count)
    y = _few(y, axis, first, count)
    if length.known == count:
        return y, Plain(count)
    return y, Window(count, start - first, length, short=True)


def _few(x: Any, axis: int, start: Size, count: int) -> Any:
    """The view of ``count`` elements of an axis from a traced one on, all of which lie inside."""
    lead = shape_of(x)[:axis]
    index = arithmetic.add(iota((count,), INT64, 0), start.atom)
    index = broadcast(index, (*lead, count), (axis,))
    anywhere = (*[slice(None)] * axis, slice(0, count))

    def get(p: Any) -> Any:
        return gather_p.bind(p, index, batch=axis)

    def put(p: Any, v: Any) -> Any:
        return SCATTERS["set"].bind(p, v, index, batch=axis)

    return view(get(x), x, get, put, lambda a: a[anywhere])


# -- writing -----------------------------------------------------------------------------------------------------------


def set_part(x: Ragged, index: Any, value: Any) -> None:
    """``x[index] = value`` of a part x."""
    if _is_read_again(x, index, value):
        return
    items = _expanded(index, len(x._regions))
    if any([i is None or isinstance(i, slice) or _is_mask(i) for i in items]):
        write_part(part(x, index), value)
    else:  # an element
        set_item(x._full, tuple([_place(r, i) for r, i in zip(x._regions, items, strict=True)]), value)
        x._fill = None


def write_part(target: Any, value: Any) -> None:
    """Let a part, and what it is a part of, hold a value."""
    if type(target) is not Ragged:
        writing.set_item(target, ..., _to_regions(value, regions_of(target))[0] if type(value) is Ragged else value)
        return
    full = target._full
    check_array(full)
    v = _to_regions(stored(value, full.dtype), target._regions)[0]
    mask = holds(target._regions, full.shape)
    if shape_of(v) or mask is None:
        v = broadcast(v, full.shape, range(full.ndim - len(shape_of(v)), full.ndim))
    assign(full, v if mask is None else select(mask, v, snapshot(full)))
    target._fill = None


def stored(value: Any, dtype: np.dtype) -> Any:
    """A value as an array of this dtype holds it."""
    if type(value) is not Ragged:
        return writing.stored(value, dtype)
    return Ragged(writing.stored(value._full, dtype), value._regions)


def _to_regions(value: Any, targets: Sequence[Region]) -> tuple[Any, Any]:
    """A value that is assigned to a part, with its elements where that has its own."""
    own = regions_of(value)
    while len(own) > len(targets) and isinstance(own[0], Plain) and own[0].n == 1:
        y = value._full if type(value) is Ragged else value
        value = made(reshape(y, shape_of(y)[1:]), own[1:])
        own = own[1:]
    if len(own) > len(targets):
        raise ShapeError(f"x[index] = v{here()}: a value of {len(own)} axes is assigned to a part of {len(targets)}")
    for region, target in zip(own, targets[len(targets) - len(own) :], strict=True):
        if isinstance(target, Chosen) and isinstance(region, Plain) and region.n != 1:
            if len(own) > 1 or len(targets) > 1:
                raise UnsupportedError(f"x[mask] = v{here()}: values in order are taken for one axis; {_NO_MASK}")
            return _in_order(value, region, target), targets
        if not same_place(region, target) and not (isinstance(region, Plain) and region.n == 1):
            if isinstance(region, Chosen) or isinstance(target, Chosen):
                raise UnsupportedError(
                    f"x[mask] = v{here()}: the values were taken by another mask, or none: which belong to which "
                    f"elements is not known while it is traced; take both with one mask, or {_NO_MASK}"
                )
            check_lengths(region, target)
    return spread_to(value, targets)


def _in_order(values: Any, region: Plain, target: Chosen) -> Any:
    """Values that are assigned, in order, to the elements where a mask holds."""
    check_equal_lengths(np.int64(region.n), target.length.atom)
    shape = target.mask.shape
    if not region.n:
        return broadcast(dtype_of(values).type(0), shape, ())
    number = arithmetic.sub(cumsum(reshape(cast(target.mask, INT64), (prod(shape),)), 0), np.int64(1))
    number = clip(number, np.int64(0), np.int64(region.n - 1))
    return reshape(gather_p.bind(values, number, batch=0), shape)
