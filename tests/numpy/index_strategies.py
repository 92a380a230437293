"""Random shapes and random indices that NumPy accepts for them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

SHAPES = st.lists(st.integers(0, 4), min_size=0, max_size=4).map(tuple)


@st.composite
def slices(draw, length: int) -> slice:
    """Any slice, its bounds inside and outside."""
    bound = st.none() | st.integers(-length - 2, length + 2)
    step = draw(st.none() | st.integers(-3, 3).filter(bool))
    return slice(draw(bound), draw(bound), step)


@st.composite
def basic_indices(draw, shape: tuple[int, ...]):
    """Integers, slices, None and an ellipsis."""
    items = [_basic(draw, n) for n in shape[: draw(st.integers(0, len(shape)))]]
    return finished(draw, items, len(items), len(shape))


def _basic(draw, length: int):
    if length and draw(st.booleans()):
        return draw(st.integers(-length, length - 1))
    return draw(slices(length))


@st.composite
def advanced_indices(draw, shape: tuple[int, ...]):
    """Arrays and lists of integers of shapes that broadcast, and masks, among the parts of a basic index."""
    looked_up = draw(st.lists(st.integers(0, 3), max_size=2).map(tuple))
    items, axis, mask = [], 0, None
    stop = draw(st.integers(0, len(shape)))
    while axis < stop:
        n = shape[axis]
        what = draw(st.sampled_from(["basic", "array", "array", "mask"]))
        if what == "mask" and mask is None:
            ndim = draw(st.integers(1, min(2, len(shape) - axis)))
            size = int(np.prod(shape[axis : axis + ndim]))
            mask = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool).reshape(
                shape[axis : axis + ndim]
            )
            looked_up = (int(mask.sum()),)  # the other index arrays broadcast with what it selects
            items.append(mask)
            axis += ndim
            continue
        items.append(("array",) if what == "array" and n else _basic(draw, n))
        axis += 1
    items = [
        _index_array(draw, shape, items, i, looked_up) if isinstance(item, tuple) else item
        for i, item in enumerate(items)
    ]
    return finished(draw, items, axis, len(shape))


def _index_array(draw, shape, items, position, looked_up):
    axis = sum(i.ndim if isinstance(i, np.ndarray) and i.dtype == bool else 1 for i in items[:position])
    n = shape[axis]
    own = looked_up[draw(st.integers(0, len(looked_up))) :]
    own = tuple(1 if m != 1 and draw(st.integers(0, 4)) == 0 else m for m in own)
    size = int(np.prod(own))
    array = np.array(
        draw(st.lists(st.integers(-n, n - 1), min_size=size, max_size=size)), draw(st.sampled_from(["i8", "i4"]))
    ).reshape(own)
    return array.tolist() if own and size and draw(st.integers(0, 3)) == 0 else array


def finished(draw, items: list, taken: int, ndim: int):
    """New axes and an ellipsis in random places; sometimes not a tuple."""
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))) if taken == ndim else len(items), Ellipsis)
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    return items[0] if len(items) == 1 and draw(st.booleans()) and not isinstance(items[0], list) else tuple(items)
