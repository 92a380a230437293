"""Draws of order: permutations, and choices from given elements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from functad.api.jit import jit
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.numpy.axes import normal_axis
from functad.numpy.creation import arange, asarray
from functad.numpy.indexing import take, take_along_axis
from functad.numpy.reductions import cumsum
from functad.numpy.shapes import broadcast_to
from functad.numpy.sorting import argsort, searchsorted, sort
from functad.numpy.traced import here
from functad.numpy.ufuncs import log, negative
from functad.random.continuous import gumbel, uniform
from functad.random.discrete import integers
from functad.random.keys import Shape, as_shape, bits, check_key, split

__all__ = ["choice", "permutation", "shuffle"]


def permutation(key: Any, x: Any, axis: int = 0, independent: bool = False) -> Any:
    """An array in another order, all orders being equally likely.

    These are JAX's permutations, bit for bit: elements are sorted by random words, so often that no two have drawn the
    same each time.

    Parameters
    ----------
    key
        A key.
    x
        The array; or an integer n for the order of ``np.arange(n)``.
    axis
        The axis that is put into another order, as a whole.
    independent
        Whether each vector along the axis is put into an order of its own.

    Returns
    -------
    ndarray
        A new array; it has derivatives in ``x``.

    Examples
    --------
    >>> import functad as fd
    >>> fd.random.permutation(fd.random.key(0), 6)
    array([0, 1, 5, 4, 3, 2])
    """
    key = check_key(key, "permutation")
    a = asarray(x)
    if not a.ndim:
        return _orders(key, (_population(x, "permutation"),), 0)
    axis = normal_axis(axis, a.ndim, "random.permutation")
    return (_independently_reordered if independent and a.ndim > 1 else _reordered)(key, a, axis)


def shuffle(key: Any, x: Any, axis: int = 0) -> Any:
    """An array in another order: `permutation`. ``x`` stays as it is, other than in ``numpy.random.Generator.shuffle``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.random.shuffle(fd.random.key(2), np.array([1.5, 2.5, 3.5]))
    array([...])
    """
    return permutation(key, x, axis)


def _population(x: Any, name: str) -> int:
    """A number of elements, which decides a shape."""
    try:
        return int(x.__index__())
    except (AttributeError, TypeError):
        raise DtypeError(f"random.{name}{here()}: expected an array or an integer, got {x!r}") from None


@jit(static_argnums=(1, 2))
def _orders(key: Any, shape: tuple[int, ...], axis: int) -> Any:
    """Random orders along an axis.

    Words that are drawn may be equal: with the place below the word all differ, and sorting them is a stable sort of
    the words.
    """
    rounds = math.ceil(3 * math.log(max(1, math.prod(shape))) / math.log(2**32 - 1))
    place = arange(shape[axis], dtype=np.uint64).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    order = broadcast_to(place.astype(np.int64), shape)
    for number in range(rounds):
        keys = split(key)
        key = keys[0]
        words = (bits(keys[1], shape).astype(np.uint64) << np.uint64(32)) | place
        turn = (sort(words, axis=axis) & np.uint64(2**32 - 1)).astype(np.int64)
        order = take_along_axis(order, turn, axis=axis) if number else turn
    return order


@jit(static_argnums=2)
def _reordered(key: Any, x: Any, axis: int) -> Any:
    return take(x, _orders(key, (x.shape[axis],), 0), axis=axis)


@jit(static_argnums=2)
def _independently_reordered(key: Any, x: Any, axis: int) -> Any:
    return take_along_axis(x, _orders(key, x.shape, axis), axis=axis)


def choice(key: Any, a: Any, shape: Shape = (), replace: bool = True, p: Any = None, axis: int = 0) -> Any:
    """Elements of an array, drawn at random.

    Parameters
    ----------
    key
        A key.
    a
        The array; or an integer n for ``np.arange(n)``.
    shape
        How many are drawn: the shape that takes the place of the axis.
    replace
        Whether an element may be drawn again.
    p
        Weights of the elements; all are equally likely by default. With ``replace`` they need not sum to 1. Without,
        the largest of their logarithms with Gumbel's numbers added are taken, which is as if one element were drawn
        after the other from those that are left.
    axis
        The axis along which the elements lie.

    Returns
    -------
    ndarray
        Of the shape of ``a`` with ``shape`` in the place of the axis.

    Raises
    ------
    ArgumentError
        If there are not enough elements.
    ShapeError
        If ``p`` does not have an element for each of them.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.random.choice(fd.random.key(0), np.array([10, 20, 30]), (4,), p=np.array([0.1, 0.9, 0.0]))
    array([20, 20, 10, 20])
    >>> np.sort(fd.random.choice(fd.random.key(0), 5, (5,), replace=False))
    array([0, 1, 2, 3, 4])
    """
    key, wanted = check_key(key, "choice"), as_shape(shape, "choice")
    array = asarray(a)
    if array.ndim:
        axis = normal_axis(axis, array.ndim, "random.choice")
    count, drawn = array.shape[axis] if array.ndim else _population(a, "choice"), math.prod(wanted)
    if drawn and (count <= 0 or (drawn > count and not replace)):
        raise ArgumentError(
            f"random.choice{here()}: {drawn} elements cannot be drawn from {max(count, 0)}"
            + ("" if replace else " without replace=True")
        )
    weights = None if p is None else asarray(p)
    if weights is not None and weights.shape != (count,):
        raise ShapeError(f"random.choice{here()}: p must have shape ({count},), got {weights.shape}")
    indices = _indices(key, weights, count, wanted, bool(replace))
    return take(array, indices, axis=axis) if array.ndim else indices


@jit(static_argnums=(2, 3, 4))
def _indices(key: Any, p: Any, count: int, shape: tuple[int, ...], replace: bool) -> Any:
    drawn = math.prod(shape)
    if p is None:
        return integers(key, 0, count, shape) if replace else _orders(key, (count,), 0)[:drawn].reshape(shape)
    weights = p.astype(np.float32 if p.dtype == np.float32 else np.float64)
    if replace:
        total = cumsum(weights)
        return searchsorted(total, total[-1] * (1 - uniform(key, shape, weights.dtype))).astype(np.int64)
    scores = gumbel(key, (count,), weights.dtype) + log(weights)
    return argsort(negative(scores), kind="stable")[:drawn].reshape(shape)
