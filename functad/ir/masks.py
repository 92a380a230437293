"""Sequences cut into parts, and parts chosen by flags: the arithmetic of operands that is done everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

__all__ = ["Mask", "any_of", "cut", "expand", "grow", "present", "select"]

Mask = tuple[bool, ...]
T = TypeVar("T")


def cut(values: Sequence[T], *counts: int) -> list[list[T]]:
    """Consecutive parts of these lengths, and the rest.

    Examples
    --------
    >>> cut("abcdef", 1, 2)
    [['a'], ['b', 'c'], ['d', 'e', 'f']]
    """
    parts, start = [], 0
    for n in counts:
        parts.append(list(values[start : start + n]))
        start += n
    return [*parts, list(values[start:])]


def select(values: Sequence[T], mask: Sequence[Any]) -> list[T]:
    """The values that the mask flags.

    Examples
    --------
    >>> select("abc", (True, False, True))
    ['a', 'c']
    """
    return [v for v, flag in zip(values, mask, strict=True) if flag]


def expand(values: Sequence[Any], mask: Sequence[Any]) -> list[Any]:
    """Values in the places that the mask flags; None elsewhere.

    Examples
    --------
    >>> expand("ac", (True, False, True))
    ['a', None, 'c']
    """
    found = iter(values)
    return [next(found) if flag else None for flag in mask]


def present(values: Sequence[Any]) -> Mask:
    """Which values are there: not None."""
    return tuple([v is not None for v in values])


def any_of(masks: Sequence[Sequence[Any]]) -> list[bool]:
    """What any of several masks flags."""
    return [any(flags) for flags in zip(*masks, strict=True)]


def grow(mask: Sequence[Any], step: Callable[[tuple[Any, ...]], Sequence[Any]]) -> tuple[Any, ...]:
    """The least mask that contains ``mask`` and what ``step`` makes of it: which parts of a carry have a property that
    a step hands on.
    """
    current = tuple(mask)
    while True:
        larger = tuple([a or bool(b) for a, b in zip(current, step(current), strict=True)])
        if larger == current:
            return current
        current = larger
