"""Keys, and the bits that they give: the block cipher Threefry-2x32 applied to the numbers 0, 1, 2, ...

The cipher is that of J. Salmon, M. Moraes, R. Dror and D. Shaw (*Parallel random numbers: as easy as 1, 2, 3*, 2011),
with 20 rounds. Keys and bits are JAX's with ``jax_threefry_partitionable``, bit for bit: each number of a draw is
computed by itself, from the key and its place, so draws are vectorised, and the same in parts as in whole.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.api.jit import jit
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.numpy.creation import arange, asarray
from functad.numpy.joining import stack
from functad.numpy.traced import here

__all__ = ["Shape", "as_shape", "bits", "check_key", "fold_in", "joined", "key", "split", "threefry"]

ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)
PARITY = 0x1BD11BDA

Shape = int | Sequence[int]


def threefry(key: Any, high: Any, low: Any) -> tuple[Any, Any]:
    """Two words of 32 bits enciphered by a key."""
    keys = key[0:1], key[1:2], key[0:1] ^ key[1:2] ^ np.uint32(PARITY)  # arrays: NumPy's scalars warn of overflow
    x, y = high + keys[0], low + keys[1]
    for turn in range(5):
        for r in ROTATIONS[turn % 2]:
            x = x + y
            y = ((y << np.uint32(r)) | (y >> np.uint32(32 - r))) ^ x
        x = x + keys[(turn + 1) % 3]
        y = y + keys[(turn + 2) % 3] + np.uint32(turn + 1)
    return x, y


@jit
def _seeded(seed: Any) -> Any:
    word = seed.astype(np.uint64)
    return stack([(word >> np.uint64(32)).astype(np.uint32), word.astype(np.uint32)])


def key(seed: Any) -> Any:
    """The key of a seed.

    Parameters
    ----------
    seed
        An integer of at most 64 bits; it may be traced.

    Returns
    -------
    ndarray of uint32
        Two words. A key is used once: for more draws, `split` it.

    Examples
    --------
    >>> import functad as fd
    >>> fd.random.key(42)
    array([ 0, 42], dtype=uint32)
    """
    x = np.int64(seed) if isinstance(seed, int) else asarray(seed)
    if x.shape != () or x.dtype.kind not in "iu":
        raise ArgumentError(f"random.key{here()}: the seed must be an integer, got shape {x.shape}, dtype {x.dtype}")
    return _seeded(x)


def words(key: Any, count: int) -> tuple[Any, Any]:
    """The first numbers enciphered by a key, as pairs of words of 32 bits."""
    if count >= 2**32:
        raise ArgumentError(f"random{here()}: at most 2**32 numbers from one key, got {count}; split the key")
    low = arange(count, dtype=np.uint32)
    return threefry(key, low * np.uint32(0), low)


def check_key(key: Any, name: str) -> Any:
    """The key, if it is one."""
    x = asarray(key)
    if x.dtype != np.uint32:
        raise DtypeError(
            f"random.{name}{here()}: the first argument must be a key, of functad.random.key(seed) or split, got an "
            f"array of dtype {x.dtype}"
        )
    if x.shape != (2,):
        raise ShapeError(
            f"random.{name}{here()}: a key has shape (2,), got shape {x.shape}; use keys[i], or map over them with vmap"
        )
    return x


def as_shape(shape: Any, name: str) -> tuple[int, ...]:
    """A shape as a tuple."""
    try:
        found = (operator.index(shape),) if not isinstance(shape, tuple | list) else tuple(map(operator.index, shape))
    except TypeError:
        raise ArgumentError(f"random.{name}{here()}: a shape is a tuple of integers, got {shape!r}") from None
    if any(n < 0 for n in found):
        raise ArgumentError(f"random.{name}{here()}: a shape has no negative lengths, got {found}")
    return found


def split(key: Any, num: Shape = 2) -> Any:
    """New keys of a key, which is not to be used any more.

    Parameters
    ----------
    key
        A key.
    num
        How many, or the shape of an array of keys.

    Returns
    -------
    ndarray of uint32, shape (num, 2)

    Examples
    --------
    >>> import functad as fd
    >>> fd.random.split(fd.random.key(0))
    array([[1797259609, 2579123966],
           [ 928981903, 3453687069]], dtype=uint32)
    """
    return _split(check_key(key, "split"), as_shape(num, "split"))


@jit(static_argnums=1)
def _split(key: Any, shape: tuple[int, ...]) -> Any:
    return stack(words(key, math.prod(shape)), axis=-1).reshape((*shape, 2))


def fold_in(key: Any, data: Any) -> Any:
    """The key that belongs to a key and an integer, such as the number of a step.

    Examples
    --------
    >>> import functad as fd
    >>> fd.random.fold_in(fd.random.key(0), 7)
    array([2716826189,  292468403], dtype=uint32)
    """
    x = np.int64(data) if isinstance(data, int) else asarray(data)
    return _fold(check_key(key, "fold_in"), x)


@jit
def _fold(key: Any, data: Any) -> Any:
    word = _seeded(data.astype(np.uint32))
    return stack(threefry(key, word[0:1], word[1:2])).reshape(2)


def bits(key: Any, shape: Shape = (), dtype: Any = np.uint32) -> Any:
    """Random bits: unsigned integers, all equally likely.

    Parameters
    ----------
    key
        A key.
    shape
        The shape of the result.
    dtype
        ``uint8``, ``uint16``, ``uint32`` or ``uint64``.

    Raises
    ------
    DtypeError
        For another dtype.

    Examples
    --------
    >>> import functad as fd
    >>> fd.random.bits(fd.random.key(0), (2,))
    array([4070199207, 4202968722], dtype=uint32)
    """
    kind = np.dtype(dtype)
    if kind.kind != "u":
        raise DtypeError(f"random.bits{here()}: the dtype must be an unsigned integer's, got {kind}")
    return _bits(check_key(key, "bits"), as_shape(shape, "bits"), kind)


@jit(static_argnums=(1, 2))
def _bits(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return joined(*words(key, math.prod(shape)), dtype).reshape(shape)


def joined(high: Any, low: Any, dtype: np.dtype) -> Any:
    """The bits of an unsigned integer, of two words."""
    if dtype.itemsize == 8:
        return (high.astype(np.uint64) << np.uint64(32)) | low.astype(np.uint64)
    return (high ^ low).astype(dtype)
