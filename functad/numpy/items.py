"""What a parsed index takes of an array, and the array updated there: ``x[index]`` and ``x[index] = v`` as values.

What slices take is updated through ``pad`` and ``select``, which fuse with what is around them, or where it is little
added to by itself; what index arrays look up, by ``scatter``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.core.primitive import type_of
from functad.numpy.indices import Index
from functad.numpy.operands import shape_of
from functad.primitives import arithmetic, selection
from functad.primitives.broadcasting import broadcast
from functad.primitives.gather import gather_p
from functad.primitives.scatter import SCATTERS
from functad.primitives.shapes import flip, inverse_permutation, reshape, transpose
from functad.primitives.slicing import is_part, pad, slice_, slice_add_p

__all__ = ["item", "over_batch", "sliced", "updated"]

# -- reading -----------------------------------------------------------------------------------------------------------


def item(x: Any, index: Index) -> Any:
    """``x[index]``."""
    if index.arrays and not index.looked_up and not index.takes_all:
        return reshape(sliced(looked_up(x, index.rows), index.row), index.shape)
    y = sliced(x, index)
    return reshape(looked_up(y, index) if index.arrays else y, index.shape)


def sliced(x: Any, index: Index) -> Any:
    """What the slices and integers of an index take of x; the axes of integers stay if there are no index arrays."""
    spans = index.spans
    y = slice_(x, [s.start for s in spans], [s.stop for s in spans], [s.step for s in spans])
    y = flip(y, [a for a, s in enumerate(spans) if s.reverse])
    return reshape(y, index.kept) if index.arrays else y


def looked_up(x: Any, index: Index) -> Any:
    """What the index arrays look up in the sliced x; without new axes."""
    lookup = index.lookup()
    y = transpose(x, lookup.order)
    return transpose(
        gather_p.bind(y, *over_batch(index, shape_of(y)[: lookup.batch]), batch=lookup.batch), lookup.result
    )


def over_batch(index: Index, lead: tuple[int, ...]) -> list[Any]:
    """The index arrays, the same ones for all batch axes."""
    ndim = len(lead) + len(index.looked_up)
    return [broadcast(i, lead + index.looked_up, range(len(lead), ndim)) for i in index.arrays.values()]


# -- writing -----------------------------------------------------------------------------------------------------------


def updated(x: Any, index: Index, op: str, v: Any) -> Any:
    """x with values, of the shape of ``x[index]``, combined by an op of ``scatter``."""
    if op == "set" and index.takes_all and not index.arrays:
        return reshape(v, index.of)
    if not index.arrays:
        return _slices_updated(x, index, op, v)
    if index.takes_all:
        return _lookup_updated(x, index, op, v)
    if not index.looked_up:  # one row: what is next to it stays as it is in memory
        rows, row = index.rows, index.row
        return _lookup_updated(x, rows, "set", _slices_updated(looked_up(x, rows), row, op, v))
    part = _lookup_updated(sliced(x, index), index, op, v)
    return _slices_updated(x, index, "set", part)


_COMBINE = {"mul": arithmetic.mul, "min": selection.minimum, "max": selection.maximum}


def _slices_updated(x: Any, index: Index, op: str, v: Any) -> Any:
    """x updated where the slices and integers of an index are."""
    shape, spans = shape_of(x), index.spans
    v = flip(reshape(v, [s.length for s in spans]), [a for a, s in enumerate(spans) if s.reverse])
    lead = len(index.dropped)
    if (
        lead
        and index.dropped == set(range(lead))
        and all(s.takes_all(n) for s, n in zip(spans[lead:], shape[lead:], strict=True))
    ):
        return SCATTERS[op].bind(x, reshape(v, shape[lead:]), *[np.int64(s.start) for s in spans[:lead]], batch=0)
    if op in _COMBINE:
        v = _COMBINE[op](slice_(x, [s.start for s in spans], [s.stop for s in spans], [s.step for s in spans]), v)
    if op == "add" and is_part(type_of(v).size, type_of(x).size):
        starts, stops, steps = [tuple([s[k] for s in spans]) for k in range(3)]
        return slice_add_p.bind(x, v, starts=starts, stops=stops, steps=steps)
    widths = [s.margins(n) for s, n in zip(spans, shape, strict=True)]
    if op == "add":
        zero = x.dtype.type(complex(-0.0, -0.0) if x.dtype.kind == "c" else -0.0)  # x + -0.0 is x, also where x is -0.0
        return arithmetic.add(x, pad(v, zero, widths))
    inside = pad(broadcast(np.True_, shape_of(v), ()), np.False_, widths)
    return selection.select(inside, pad(v, x.dtype.type(0), widths), x)


def _lookup_updated(x: Any, index: Index, op: str, v: Any) -> Any:
    """The sliced x updated where the index arrays look it up."""
    lookup = index.lookup()
    y = transpose(x, lookup.order)
    arrays = over_batch(index, shape_of(y)[: lookup.batch])
    rest = shape_of(y)[lookup.batch + len(arrays) :]
    found = (*shape_of(arrays[0]), *rest)
    updates = transpose(reshape(v, [found[a] for a in lookup.result]), inverse_permutation(lookup.result))
    return transpose(SCATTERS[op].bind(y, updates, *arrays, batch=lookup.batch), inverse_permutation(lookup.order))
