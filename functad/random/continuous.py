"""Draws of real numbers: uniform ones, and functions of those. Derivatives in bounds that are traced are those of the
functions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from functad.api.jit import jit
from functad.errors import DtypeError
from functad.numpy.creation import asarray
from functad.numpy.traced import here
from functad.numpy.ufuncs import absolute, log, log1p, maximum, minimum, negative, sign, tan
from functad.primitives.inverse_error import erfinv
from functad.primitives.special import erf
from functad.random.keys import Shape, as_shape, bits, check_key, split
from functad.random.parameters import as_parameters

__all__ = [
    "cauchy", "exponential", "gumbel", "laplace", "logistic", "normal", "real_dtype", "truncated_normal", "uniform",
]  # fmt: skip


def uniform(key: Any, shape: Shape = (), dtype: Any = np.float64, minval: Any = 0.0, maxval: Any = 1.0) -> Any:
    """Numbers that are equally likely from ``minval`` up to, and without, ``maxval``.

    Parameters
    ----------
    key
        A key.
    shape
        The shape of the result; the bounds broadcast to it.
    dtype
        ``float64`` or ``float32``.
    minval, maxval
        The bounds.

    Examples
    --------
    >>> import functad as fd
    >>> fd.random.uniform(fd.random.key(0), (2,))
    array([0.41845711, 0.21629545])
    """
    kind = real_dtype(dtype, "uniform")
    low, high = [asarray(v).astype(kind) for v in (minval, maxval)]
    return _uniform(check_key(key, "uniform"), as_shape(shape, "uniform"), kind, low, high)


@jit(static_argnums=(1, 2))
def _uniform(key: Any, shape: tuple[int, ...], dtype: np.dtype, low: Any, high: Any) -> Any:
    return between(bits(key, shape, np.dtype(f"u{dtype.itemsize}")), dtype, low, high)


def between(word: Any, dtype: np.dtype, low: Any, high: Any) -> Any:
    """The number that a word of random bits is: a multiple of 2^-52 or 2^-23, as JAX has it, moved between bounds."""
    digits = np.finfo(dtype).nmant
    whole = word >> word.dtype.type(8 * dtype.itemsize - digits)
    return maximum(low, whole.astype(dtype) * dtype.type(2.0**-digits) * (high - low) + low)


def real_dtype(dtype: Any, name: str) -> np.dtype:
    """The dtype of real numbers, if it is one that is drawn."""
    kind: np.dtype = np.dtype(dtype)
    if kind not in (np.float64, np.float32):
        raise DtypeError(f"random.{name}{here()}: the dtype must be float64 or float32, got {kind}")
    return kind


def normal(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Numbers of the normal distribution of mean 0 and variance 1; of complex ones the real and the imaginary part have
    a variance of 1/2.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> x = 3.0 + 0.5 * fd.random.normal(fd.random.key(0), (1000,))
    >>> np.round([x.mean(), x.std()], 1)
    array([3. , 0.5])
    """
    kind: np.dtype = np.dtype(dtype)
    if kind.kind == "c":
        return _complex_normal(check_key(key, "normal"), as_shape(shape, "normal"), kind)
    return _normal(check_key(key, "normal"), as_shape(shape, "normal"), real_dtype(kind, "normal"))


@jit(static_argnums=(1, 2))
def _normal(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return normal_of(bits(key, shape, np.dtype(f"u{dtype.itemsize}")), dtype)


@jit(static_argnums=(1, 2))
def _complex_normal(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    keys, part = split(key), np.dtype(f"f{dtype.itemsize // 2}")
    real, imag = [_normal(keys[i], shape, part) for i in range(2)]
    return (real + 1j * imag) / dtype.type(math.sqrt(2))


def normal_of(word: Any, dtype: np.dtype) -> Any:
    """The normal number that a word of random bits is."""
    lowest = np.nextafter(dtype.type(-1), dtype.type(0))
    return erfinv(between(word, dtype, lowest, dtype.type(1))) * dtype.type(math.sqrt(2))


def truncated_normal(key: Any, lower: Any, upper: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Numbers of the standard normal distribution between two bounds.

    Examples
    --------
    >>> import functad as fd
    >>> x = fd.random.truncated_normal(fd.random.key(0), -1.0, 2.0, (1000,))
    >>> bool(-1 < x.min() < x.max() < 2)
    True
    """
    kind = real_dtype(dtype, "truncated_normal")
    low, high = as_parameters("truncated_normal", shape, kind, lower, upper)
    return _truncated(check_key(key, "truncated_normal"), kind, low, high)


@jit(static_argnums=1)
def _truncated(key: Any, dtype: np.dtype, low: Any, high: Any) -> Any:
    root = dtype.type(math.sqrt(2))
    y = erfinv(uniform(key, low.shape, dtype, erf(low / root), erf(high / root))) * root
    return minimum(maximum(y, low), high)


def exponential(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Numbers of the exponential distribution of mean 1: -log(1 - u).

    Examples
    --------
    >>> import functad as fd
    >>> round(fd.random.exponential(fd.random.key(0), (1000,)).mean(), 1)
    np.float64(1.0)
    """
    return _exponential(check_key(key, "exponential"), as_shape(shape, "exponential"), real_dtype(dtype, "exponential"))


@jit(static_argnums=(1, 2))
def _exponential(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return negative(log1p(negative(uniform(key, shape, dtype))))


def laplace(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Numbers of Laplace's distribution, of density ``exp(-abs(x)) / 2``.

    Examples
    --------
    >>> from functad import random
    >>> random.laplace(random.key(0), (3,))
    array([ 0.17803369,  0.83796278, -2.66848708])
    """
    return _laplace(check_key(key, "laplace"), as_shape(shape, "laplace"), real_dtype(dtype, "laplace"))


@jit(static_argnums=(1, 2))
def _laplace(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    u = uniform(key, shape, dtype, -1 + np.finfo(dtype).epsneg, 1)
    return sign(u) * log1p(negative(absolute(u)))


def logistic(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Numbers of the logistic distribution: log(u / (1 - u)).

    Examples
    --------
    >>> from functad import random
    >>> random.logistic(random.key(0), (3,))
    array([-0.32911032, -1.28738678,  3.32634015])
    """
    return _logistic(check_key(key, "logistic"), as_shape(shape, "logistic"), real_dtype(dtype, "logistic"))


@jit(static_argnums=(1, 2))
def _logistic(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    u = uniform(key, shape, dtype, np.finfo(dtype).tiny, 1)
    return log(u / (1 - u))


def gumbel(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Numbers of Gumbel's distribution: -log(-log u).

    Examples
    --------
    >>> from functad import random
    >>> random.gumbel(random.key(0), (3,))
    array([ 0.13790566, -0.42599294,  3.34403911])
    """
    return _gumbel(check_key(key, "gumbel"), as_shape(shape, "gumbel"), real_dtype(dtype, "gumbel"))


@jit(static_argnums=(1, 2))
def _gumbel(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return negative(log(negative(log(uniform(key, shape, dtype, np.finfo(dtype).tiny, 1)))))


def cauchy(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Numbers of Cauchy's distribution: tan(pi (u - 1/2)).

    Examples
    --------
    >>> from functad import random
    >>> random.cauchy(random.key(0), (3,))
    array([-0.26192951, -1.23784602,  9.14252843])
    """
    return _cauchy(check_key(key, "cauchy"), as_shape(shape, "cauchy"), real_dtype(dtype, "cauchy"))


@jit(static_argnums=(1, 2))
def _cauchy(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    u = uniform(key, shape, dtype, np.finfo(dtype).eps, 1)
    return tan((u - dtype.type(0.5)) * dtype.type(math.pi))
