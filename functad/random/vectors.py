"""Draws of vectors and matrices: the multivariate normal distribution, orthogonal matrices, points of balls."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from functad.api.jit import jit
from functad.errors import ArgumentError, ShapeError
from functad.numpy import linalg
from functad.numpy.creation import asarray
from functad.numpy.diagonals import diagonal
from functad.numpy.operands import common_shape
from functad.numpy.reductions import sum as sum_of
from functad.numpy.shapes import expand_dims, swapaxes
from functad.numpy.traced import here
from functad.numpy.ufuncs import absolute, maximum, power, sign, sqrt
from functad.random.continuous import exponential, normal, real_dtype
from functad.random.discrete import rademacher
from functad.random.gamma import gamma
from functad.random.keys import Shape, as_shape, check_key, split
from functad.random.parameters import as_parameters

__all__ = ["ball", "generalized_normal", "multivariate_normal", "orthogonal"]

METHODS = ("cholesky", "eigh", "svd")


def multivariate_normal(
    key: Any, mean: Any, cov: Any, shape: Shape | None = None, dtype: Any = np.float64, method: str = "cholesky"
) -> Any:
    """Vectors of the normal distribution with a covariance.

    Parameters
    ----------
    key
        A key.
    mean
        The mean, along the last axis.
    cov
        The covariance, along the last two. Where it is singular, take another method than Cholesky's.
    shape
        The shape of the result without its last axis; by default what ``mean`` and ``cov`` have in common.
    dtype
        ``float64`` or ``float32``.
    method
        How the covariance is taken apart: ``"cholesky"``, ``"eigh"`` or ``"svd"``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> cov = np.array([[1.0, 0.5], [0.5, 2.0]])
    >>> x = fd.random.multivariate_normal(fd.random.key(0), np.zeros(2), cov, (20_000,))
    >>> np.round(np.cov(x.T), 1)
    array([[1. , 0.5],
           [0.5, 2. ]])
    """
    kind = real_dtype(dtype, "multivariate_normal")
    mean, cov = asarray(mean), asarray(cov)
    if method not in METHODS:
        raise ArgumentError(f"random.multivariate_normal{here()}: method must be one of {METHODS}, got {method!r}")
    if mean.ndim < 1 or cov.ndim < 2 or cov.shape[-2:] != (mean.shape[-1], mean.shape[-1]):
        raise ShapeError(
            f"random.multivariate_normal{here()}: the mean must have shape (..., n) and the covariance (..., n, n), "
            f"got {mean.shape} and {cov.shape}"
        )
    given = [mean.shape[:-1], cov.shape[:-2]]
    asked = given if shape is None else [as_shape(shape, "multivariate_normal"), *given]
    lead = common_shape(asked, "random.multivariate_normal")
    return _multivariate(check_key(key, "multivariate_normal"), mean.astype(kind), cov.astype(kind), lead, method)


@jit(static_argnums=(3, 4))
def _multivariate(key: Any, mean: Any, cov: Any, shape: tuple[int, ...], method: str) -> Any:
    z = normal(key, (*shape, mean.shape[-1]), mean.dtype)
    return mean + (_factor(cov, method) @ expand_dims(z, -1))[..., 0]


def _factor(cov: Any, method: str) -> Any:
    """A matrix whose product with its transpose is the covariance."""
    if method == "cholesky":
        return linalg.cholesky(cov)
    if method == "eigh":
        values, vectors = linalg.eigh(cov)
    else:
        vectors, values, _ = linalg.svd(cov)
    return vectors * expand_dims(sqrt(maximum(values, 0)), -2)


def orthogonal(key: Any, n: int, shape: Shape = (), dtype: Any = np.float64, m: int | None = None) -> Any:
    """Orthogonal matrices, all equally likely (of Haar's measure); or n by m ones with orthonormal rows or columns.

    By the QR decomposition of normal numbers, with the signs that make it unique.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> q = fd.random.orthogonal(fd.random.key(0), 3)
    >>> np.allclose(q @ q.T, np.eye(3))
    True
    """
    rows, columns = operator.index(n), operator.index(n if m is None else m)
    kind = real_dtype(dtype, "orthogonal")
    return _orthogonal(check_key(key, "orthogonal"), as_shape(shape, "orthogonal"), rows, columns, kind)


@jit(static_argnums=(1, 2, 3, 4))
def _orthogonal(key: Any, shape: tuple[int, ...], rows: int, columns: int, dtype: np.dtype) -> Any:
    q, r = linalg.qr(normal(key, (*shape, max(rows, columns), min(rows, columns)), dtype))
    q = q * expand_dims(sign(diagonal(r, axis1=-2, axis2=-1)), -2)
    return swapaxes(q, -1, -2) if rows < columns else q


def generalized_normal(key: Any, p: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Numbers of a density that is proportional to ``exp(-|x|^p)``.

    Examples
    --------
    >>> import functad as fd
    >>> round(fd.random.generalized_normal(fd.random.key(0), 2.0, (10_000,)).var(), 1)
    np.float64(0.5)
    """
    (p,) = as_parameters("generalized_normal", shape, real_dtype(dtype, "generalized_normal"), p)
    keys = split(check_key(key, "generalized_normal"))
    return _signed(rademacher(keys[1], p.shape, p.dtype), gamma(keys[0], 1 / p, dtype=p.dtype), p)


@jit
def _signed(sign: Any, x: Any, p: Any) -> Any:
    return sign * power(x, 1 / p)


def ball(key: Any, d: int, p: Any = 2.0, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Points of the unit ball in ``d`` dimensions, all equally likely; the ball is that of the norm to the power ``p``.

    By F. Barthe, O. Guédon, S. Mendelson and A. Naor (*A probabilistic approach to the geometry of the l_p^n-ball*,
    2005).

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> x = fd.random.ball(fd.random.key(0), 3, shape=(10_000,))
    >>> np.round(np.mean(np.sum(x**2, axis=-1) < 0.25), 2)                # a radius of 1/2: an eighth
    np.float64(0.12)
    """
    wanted, kind = as_shape(shape, "ball"), real_dtype(dtype, "ball")
    p = asarray(p)
    if p.ndim:
        raise ShapeError(f"random.ball{here()}: p must be a number, got shape {p.shape}")
    keys = split(check_key(key, "ball"))
    x = generalized_normal(keys[0], p.astype(kind), (*wanted, operator.index(d)), kind)
    return _pulled_in(x, exponential(keys[1], wanted, kind), p.astype(kind))


@jit
def _pulled_in(x: Any, y: Any, p: Any) -> Any:
    return x / expand_dims(power(sum_of(power(absolute(x), p), axis=-1) + y, 1 / p), -1)
