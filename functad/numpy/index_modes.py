"""Integers in an index that are out of bounds: what ``fd.at(x)[index]`` makes of them where that is no error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.tracer import Tracer
from functad.errors import ArgumentError
from functad.numpy.indexing import get_item, where
from functad.numpy.indices import parse_index, with_axes
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.traced import here
from functad.primitives.broadcasting import broadcast
from functad.primitives.slicing import pad, slice_

__all__ = ["check_options", "elsewhere", "is_checked", "taken"]

INT64 = np.dtype(np.int64)
MODES = ("promise_in_bounds", "clip", "wrap", "fill", "drop")


def is_checked(mode: str | None) -> bool:
    """Whether what is out of bounds is an error."""
    if mode is not None and mode not in MODES:
        raise ArgumentError(f"fd.at(x)[index]{here()}: mode={mode!r}; expected None or one of {', '.join(MODES)}")
    return mode in (None, "promise_in_bounds")


OPTIONS = ("indices_are_sorted", "unique_indices", "mode", "wrap_negative_indices")


def check_options(options: dict[str, Any]) -> tuple[str | None, bool]:
    """The options of an update that mean something: the mode, and whether negative integers count from the end."""
    unknown = options.keys() - set(OPTIONS)
    if unknown:
        raise ArgumentError(
            f"fd.at(x)[index]{here()}: there is no option {', '.join(sorted(unknown))}; there are {', '.join(OPTIONS)}"
        )
    return options.get("mode"), options.get("wrap_negative_indices", True)


def taken(x: Any, index: Any, mode: str | None, fill_value: Any, wrapping: bool) -> Any:
    """``x[index]`` in a mode."""
    inside, valid = resolved(index, shape_of(x), mode, wrapping)
    if valid is True:
        return get_item(x, inside)
    fill = x.dtype.type(_default(x.dtype) if fill_value is None else fill_value)
    parsed = parse_index(inside, tuple([max(n, 1) for n in shape_of(x)]))
    if not all(shape_of(x)):  # there is nothing to take
        return np.full(parsed.shape, fill)
    lead = shape_of(valid) if isinstance(valid, Tracer | np.ndarray) else ()
    axes = range(parsed.place + len(parsed.looked_up) - len(lead), parsed.place + len(parsed.looked_up))
    mask = broadcast(np.bool_(valid) if isinstance(valid, bool) else valid, parsed.shape, axes)
    return where(mask, get_item(x, inside), fill)


def elsewhere(x: Any, index: Any, mode: str | None, wrapping: bool, update: Callable[[Any, Any], Any]) -> Any:
    """An update in a mode. One that is left out goes to elements behind the ends of the axes, which are cut off."""
    x = as_array(x, "at")
    shape = shape_of(x)
    inside, valid = resolved(index, shape, mode, wrapping)
    if valid is True:
        return update(x, inside)
    parts = with_axes(inside, len(shape))
    longer = {axis for part, axis in parts if axis is not None and _is_number(part)}
    larger = pad(x, x.dtype.type(0), [(0, int(a in longer), 0) for a in range(len(shape))])
    moved = tuple([where(valid, p, shape[a]) if a in longer else p for p, a in parts])  # type: ignore[index]
    found = slice_(update(larger, moved), [0] * len(shape), shape)
    return fresh_array(found) if type(found) is Tracer else np.array(found)


def resolved(index: Any, shape: tuple[int, ...], mode: str | None, wrapping: bool) -> tuple[tuple[Any, ...], Any]:
    """The index with all integers in bounds, and where those of an update or a result were so: True if everywhere."""
    checked = is_checked(mode)
    parts: list[Any] = []
    valid: Any = True
    for part, axis in with_axes(index, len(shape)):
        if axis is None or not _is_number(part):
            parts.append(part)
            continue
        n = shape[axis]
        i = part if isinstance(part, int) else cast(part, INT64)
        if wrapping and mode != "wrap":
            i = (i + n if i < 0 else i) if isinstance(i, int) else where(i < 0, i + n, i)
        if mode == "clip":
            i = min(max(i, 0), n - 1) if isinstance(i, int) else np.clip(i, 0, n - 1)
        elif mode == "wrap" and n:
            i = i % n
        elif not checked:
            inside = (i >= 0) & (i < n)
            if isinstance(inside, Tracer) or not np.all(inside):
                valid = valid & inside
                i = where(inside, i, 0)
        elif isinstance(i, int) and i < 0:  # negative ones do not count from the end
            i = n
        elif not isinstance(i, int):
            i = where(i < 0, n, i)
        parts.append(i)
    return tuple(parts), valid


def _is_number(part: Any) -> bool:
    """Whether a part of an index is an integer, or an array of them."""
    return isinstance(part, int) or (isinstance(part, np.ndarray | Tracer) and part.dtype.kind in "iu")


def _default(dtype: np.dtype) -> Any:
    """What is taken from nowhere."""
    if dtype.kind in "fc":
        return math.nan
    return True if dtype.kind == "b" else np.iinfo(dtype).max if dtype.kind == "u" else np.iinfo(dtype).min
