"""Axes and shapes as arguments: negative axes, one or several, None for all, lengths of -1."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import prod
from typing import Any

from functad.errors import AxisError, ShapeError, message_of
from functad.numpy.traced import here

__all__ = ["as_shape", "fill_in", "normal_axes", "normal_axis"]


def normal_axis(axis: Any, ndim: int, name: str) -> int:
    """One axis, counted from the front."""
    a = operator.index(axis)
    if not -ndim <= a < ndim:
        raise AxisError(f"np.{name}{here()}: axis {a} is out of bounds for array of dimension {ndim}")
    return a + ndim if a < 0 else a


def normal_axes(axis: Any, ndim: int, name: str) -> tuple[int, ...]:
    """Several axes, counted from the front, in the order given; None means all."""
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, (tuple, list)):
        return (normal_axis(axis, ndim, name),)
    axes = tuple([normal_axis(a, ndim, name) for a in axis])
    if len(set(axes)) != len(axes):
        raise AxisError(f"np.{name}{here()}: axis {tuple(axis)} names an axis twice")
    return axes


def as_shape(shape: Any, name: str) -> tuple[int, ...]:
    """A shape given as an integer or a sequence of them."""
    several = isinstance(shape, (tuple, list)) or (hasattr(shape, "__iter__") and getattr(shape, "ndim", 1) > 0)
    lengths: Sequence[Any] = shape if several else (shape,)
    try:
        return tuple([operator.index(n) for n in lengths])
    except TypeError as e:
        raise ShapeError(f"np.{name}{here()}: a shape is made of integers, got {shape}: {message_of(e)}") from None


def fill_in(shape: tuple[int, ...], old: tuple[int, ...], name: str) -> tuple[int, ...]:
    """A new shape for the elements of an old one, with a length of -1 found from the others."""
    size = prod(old)
    unknown = [i for i, n in enumerate(shape) if n == -1]
    known = prod([n for n in shape if n != -1])
    fits = known == size if not unknown else known > 0 and size % known == 0
    if len(unknown) > 1 or any(n < -1 for n in shape) or not fits:
        raise ShapeError(f"np.{name}{here()}: cannot reshape array of shape {old} ({size} elements) into shape {shape}")
    return tuple([size // known if n == -1 else n for n in shape])
