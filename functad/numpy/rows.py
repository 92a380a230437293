"""Rows of an array that are handed out one by one, as elements of a list, and the array of a list of such rows.

A loop that appends to a list leaves one array with all that was appended. The list holds handles of its rows, which
are read when they are used; what goes over all of them in order, as ``np.array`` of the list does, reads the array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functad.core.handles import View
from functad.core.tracer import ARRAY, Tracer

__all__ = ["all_rows", "runs"]

Place = tuple[Any, tuple[int, ...]]
"""An array, and the index of an element, or of all elements with these first indices."""


def place_of(x: Any) -> Place | None:
    """Of which array x is an element, or all elements with some first indices, one after the other in lists."""
    if type(x) is Tracer:
        view = x._memory
        if type(view) is not View or type(view.of) is not Tracer:
            return None
        index = view.index if type(view.index) is tuple else (view.index,)
        return (view.of, index) if all([type(i) is int and i >= 0 for i in index]) else None
    found = place_of(x[0]) if type(x) is list and x else None
    if found is None or found[1][-1:] != (0,):
        return None
    array, first = found[0], found[1][:-1]
    count = array.shape[len(first)]
    whole = len(x) == count and all([_is_at(place_of(y), array, (*first, i)) for i, y in enumerate(x)])
    return (array, first) if whole else None


def _is_at(place: Place | None, array: Tracer, index: tuple[int, ...]) -> bool:
    return place is not None and place[0] is array and place[1] == index


def all_rows(x: Any) -> Any:
    """A copy of the array that a (nested) list has all rows of, in order; None if there is none."""
    found = place_of(x) if type(x) is list else None
    if found is None:
        return None
    array = found[0][found[1]] if found[1] else found[0]
    return Tracer(array._variable, array._owner, ARRAY)


def runs(xs: Sequence[Any]) -> list[tuple[Any, int]] | None:
    """A list as parts: arrays whose rows are that many elements one after the other, and single elements, with 0; None
    where no elements are rows of one array.
    """
    found: list[tuple[Any, int]] = []
    number, places = 0, [place_of(x) for x in xs]
    while number < len(xs):
        end = number + 1
        place = places[number]
        if place is not None and len(place[1]):
            array, (*first, start) = place
            while end < len(xs) and _is_at(places[end], array, (*first, start + end - number)):
                end += 1
        if end - number > 1:
            rows = array[tuple(first)] if first else array
            found.append((rows[start : start + end - number], end - number))
        else:
            end = number + 1
            found.append((xs[number], 0))
        number = end
    return found if len(found) < len(xs) else None
