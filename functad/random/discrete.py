"""Draws of integers, booleans and categories."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from functad.api.jit import jit
from functad.errors import ArgumentError, DtypeError
from functad.numpy.creation import asarray
from functad.numpy.indexing import clip, where
from functad.numpy.operands import common_shape
from functad.numpy.reductions import argmax
from functad.numpy.shapes import moveaxis
from functad.numpy.sorting import argsort
from functad.numpy.traced import here
from functad.numpy.ufuncs import negative
from functad.random.continuous import gumbel, uniform
from functad.random.keys import Shape, as_shape, bits, check_key, split

__all__ = ["bernoulli", "categorical", "integers", "rademacher", "randint"]


def integers(key: Any, low: Any, high: Any = None, shape: Shape = (), dtype: Any = np.int64) -> Any:
    """Integers that are equally likely from ``low`` up to, and without, ``high``; from 0 to ``low`` if that is all.

    Two words of 64 bits make what a remainder leaves uneven less than 2^-64. These are JAX's ``randint``.

    Parameters
    ----------
    key
        A key.
    low, high
        The bounds, as those of ``numpy.random.Generator.integers``; they may be traced.
    shape
        The shape of the result.
    dtype
        An integer dtype.

    Examples
    --------
    >>> import functad as fd
    >>> dice = fd.random.integers(fd.random.key(0), 1, 7, (1000,))
    >>> dice.min(), dice.max()
    (np.int64(1), np.int64(6))
    """
    kind = np.dtype(dtype)
    if kind.kind not in "iu":
        raise DtypeError(f"random.integers{here()}: the dtype must be an integer's, got {kind}")
    low, high = (0, low) if high is None else (low, high)
    bounds = [asarray(v) for v in (low, high)]
    if any(b.dtype.kind not in "iu" for b in bounds):
        raise DtypeError(
            f"random.integers{here()}: the bounds must be integers, got {' and '.join([str(b.dtype) for b in bounds])}"
        )
    drawn, info = (np.dtype(np.int32) if kind.itemsize < 4 else kind), np.iinfo(kind)
    if kind.itemsize < 4:  # drawn in 32 bits, which hold the bound above all numbers of the dtype, too
        bounds = [clip(b, info.min, info.max + above) for above, b in enumerate(bounds)]
    first, last = [b.astype(drawn) for b in bounds]
    return _integers(check_key(key, "integers"), as_shape(shape, "integers"), drawn, first, last).astype(kind)


@jit(static_argnums=(1, 2))
def _integers(key: Any, shape: tuple[int, ...], dtype: np.dtype, low: Any, high: Any) -> Any:
    kind = np.dtype(f"u{dtype.itemsize}")
    keys = split(key)
    upper, lower = [bits(keys[i], shape, kind) for i in range(2)]
    # differences and products wrap around, as unsigned numbers
    span = where(high > low, (high - low).astype(kind), kind.type(1))
    step = kind.type(2 ** (4 * kind.itemsize)) % span
    step = step * step % span
    offset = (upper % span * step + lower % span) % span
    return low + offset.astype(dtype)


def randint(key: Any, shape: Shape, minval: Any, maxval: Any, dtype: Any = np.int64) -> Any:
    """`integers` with the arguments in the order of ``jax.random.randint``.

    Examples
    --------
    >>> import functad as fd
    >>> fd.random.randint(fd.random.key(0), (3,), 0, 10)
    array([5, 1, 5])
    """
    return integers(key, minval, maxval, shape, dtype)


def bernoulli(key: Any, p: Any = 0.5, shape: Shape | None = None) -> Any:
    """Booleans that are true with a probability of ``p``, of the shape of ``p`` unless another is given.

    Examples
    --------
    >>> import functad as fd
    >>> round(fd.random.bernoulli(fd.random.key(0), 0.3, (1000,)).mean(), 1)
    np.float64(0.3)
    """
    p = asarray(p)
    return uniform(key, p.shape if shape is None else as_shape(shape, "bernoulli"), _kind(p)) < p


def rademacher(key: Any, shape: Shape = (), dtype: Any = np.int64) -> Any:
    """Numbers that are -1 or 1.

    Examples
    --------
    >>> from functad import random
    >>> random.rademacher(random.key(0), (3,))
    array([ 1,  1, -1])
    """
    return bernoulli(key, 0.5, as_shape(shape, "rademacher")).astype(dtype) * 2 - 1


def categorical(key: Any, logits: Any, axis: int = -1, shape: Shape | None = None, replace: bool = True) -> Any:
    """Indices along an axis, with probabilities that are proportional to the exponentials of ``logits``.

    The largest of the logits, after Gumbel's numbers have been added, is at each index as often as it should.

    Parameters
    ----------
    key
        A key.
    logits
        Logarithms of what probabilities are proportional to.
    axis
        The axis that the categories are along.
    shape
        The shape of the result: that of the logits without the axis, by default, or more axes before those.
    replace
        Whether one category may be drawn several times along these axes.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> found = fd.random.categorical(fd.random.key(0), np.log([0.7, 0.2, 0.1]), shape=(1000,))
    >>> np.round(np.bincount(found) / 1000, 1)
    array([0.7, 0.2, 0.1])
    """
    x = asarray(logits)
    if not x.ndim:
        raise ArgumentError(f"random.categorical{here()}: logits have an axis of categories, got a number")
    axis = axis - x.ndim if axis >= 0 else axis
    own = x.shape[: x.ndim + axis] + x.shape[x.ndim + axis + 1 :]
    wanted = own if shape is None else common_shape([as_shape(shape, "categorical"), own], "categorical")
    place = len(wanted) + 1 + axis
    if not replace:
        return _without_replacement(key, x, axis, wanted[: len(wanted) - len(own)])
    noise = gumbel(key, (*wanted[:place], x.shape[axis], *wanted[place:]), _kind(x))
    return argmax(noise + x, axis=axis)


def _kind(x: Any) -> Any:
    return np.float32 if x.dtype == np.float32 else np.float64


def _without_replacement(key: Any, logits: Any, axis: int, shape: tuple[int, ...]) -> Any:
    """The categories of the largest sums, in the order of these."""
    count = math.prod(shape)
    if count > logits.shape[axis]:
        raise ArgumentError(
            f"random.categorical{here()}: {count} of {logits.shape[axis]} categories cannot be drawn without "
            "replace=True"
        )
    scores = moveaxis(gumbel(key, logits.shape, _kind(logits)) + logits, axis, 0)
    order = argsort(negative(scores), axis=0, kind="stable")[:count]
    return order.reshape((*shape, *scores.shape[1:]))
