"""Counts: the Poisson and binomial distributions, and what is made of them.

Where the mean is less than 10 the distribution function is searched for one uniform number, from 0 on. Else draws are
W. Hörmann's (*The transformed rejection method for generating Poisson random variables*, 1993; *The generation of
binomial random variates*, 1993), with the logarithms of probabilities as C. Loader has them (*Fast and accurate
computation of binomial probabilities*, 2000): relative entropies, which lose no digits where counts are large.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from functad.api.jit import jit
from functad.errors import ArgumentError, ShapeError
from functad.lax.conditionals import cond
from functad.lax.loops import map as map_elements
from functad.lax.loops import scan, while_loop
from functad.lax.stops import stop_gradient
from functad.numpy.creation import asarray, zeros_like
from functad.numpy.indexing import take, where
from functad.numpy.operands import common_shape
from functad.numpy.reductions import all as all_of
from functad.numpy.reductions import any as any_of
from functad.numpy.reductions import cumsum
from functad.numpy.shapes import broadcast_to, flip, moveaxis
from functad.numpy.traced import here
from functad.numpy.ufuncs import absolute, exp, floor, log, log1p, maximum, minimum, negative, sqrt
from functad.primitives.check import Failure, check
from functad.primitives.entropy import relative_entropy
from functad.random.continuous import uniform
from functad.random.gamma import gamma
from functad.random.keys import Shape, as_shape, check_key, split
from functad.random.parameters import as_parameters, count_dtype
from functad.random.rejection import Numbers, first_accepted

__all__ = ["binomial", "multinomial", "negative_binomial", "poisson"]

DOUBLE = np.dtype(np.float64)
FEW = 10.0
"""Means below this are searched for."""

STIRLING = tuple(math.lgamma(k + 1) - (k + 0.5) * math.log(k) + k - 0.5 * math.log(2 * math.pi) for k in range(1, 16))
"""What Stirling's formula leaves of log k!, from k = 1 on."""


def poisson(key: Any, lam: Any, shape: Shape | None = None, dtype: Any = np.int64) -> Any:
    """Counts of the Poisson distribution.

    Parameters
    ----------
    key
        A key.
    lam
        The mean, which may be traced.
    shape
        The shape of the result, which ``lam`` broadcasts to; that of ``lam`` if it is not given.
    dtype
        The dtype of the result.

    Raises
    ------
    ArgumentError
        If a mean is negative, NaN, or more than 2^62.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> x = fd.random.poisson(fd.random.key(0), 4.0, (10_000,))
    >>> np.round([x.mean(), x.var()], 1)
    array([4., 4.])
    """
    (lam,) = as_parameters("poisson", shape, DOUBLE, lam)
    counts = _poisson(check_key(key, "poisson"), stop_gradient(lam).reshape(-1))
    return counts.reshape(lam.shape).astype(count_dtype(dtype, "poisson"))


@jit
def _poisson(key: Any, flat: Any) -> Any:
    check(all_of((flat >= 0) & (flat <= 2.0**62)), Failure(_wrong_mean))
    few = flat < FEW
    keys = split(key)
    searched = _searched(keys[0], exp(negative(flat)), lambda k, mean: mean / k, few, flat)
    many = where(few, FEW, flat)
    drawn = _where_any(~few, lambda: first_accepted(keys[1], 2, _poisson_attempt, many))
    return where(few, searched, drawn)


def _wrong_mean() -> BaseException:
    return ArgumentError("random.poisson: a mean must be a number from 0 to 2^62")


def _where_any(mask: Any, f: Callable[[], Any]) -> Any:
    """What is only computed if there is a place for it; else zeros."""
    return cond(any_of(mask), f, lambda: zeros_like(mask, dtype=DOUBLE))


def _searched(key: Any, first: Any, ratio: Callable[..., Any], wanted: Any, *parameters: Any) -> Any:
    """The least k for which a distribution function is more than a uniform number, in the wanted places.

    ``first`` is the probability of 0, ``ratio(k, ...)`` that of k over that of k - 1. A search ends where probabilities
    are too small to be added.
    """

    def in_one_place(element: tuple[Any, ...]) -> Any:
        u, p, *own = element

        def goes_on(state: tuple[Any, ...]) -> Any:
            _, p, total = state
            return (u >= total) & (p > 1e-18 * (1 - u))

        def add(state: tuple[Any, ...]) -> tuple[Any, ...]:
            k, p, total = state
            p = p * ratio(k + 1, *own)
            return k + 1, p, total + p

        return while_loop(goes_on, add, (np.float64(0), p, p))[0]

    u = where(wanted, uniform(key, wanted.shape), -1.0)
    return map_elements(in_one_place, (u, first, *parameters))


def _stirling_rest(k: Any) -> Any:
    """log k! - (k + 1/2) log k + k - log(2 pi) / 2 for whole k >= 1."""
    inverse = 1 / k
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    few = k <= len(STIRLING)
    return where(few, take(np.array(STIRLING), where(few, k - 1, 0).astype(np.int64)), series)


def _poisson_attempt(numbers: Numbers, lam: Any) -> tuple[Any, Any]:
    b = 0.931 + 2.53 * sqrt(lam)
    a = -0.059 + 0.02483 * b
    u, v = numbers.uniform(0) - 0.5, 1 - numbers.uniform(1)
    us = maximum(0.5 - absolute(u), 2.0**-60)
    k = floor((2 * a / us + b) * u + lam + 0.43)
    inside = k >= 0
    n = where(inside, k, 0.0)
    bound = log(v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (us * us) + b))
    at_once = (us >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2))
    return n, at_once | (inside & (bound <= _log_poisson(n, lam)))


def _log_poisson(k: Any, lam: Any) -> Any:
    n = maximum(k, 1.0)
    other = negative(relative_entropy(n, lam) + _stirling_rest(n) + 0.5 * log(2 * math.pi * n))
    return where(k == 0, negative(lam), other)


def binomial(key: Any, n: Any, p: Any, shape: Shape | None = None, dtype: Any = np.int64) -> Any:
    """How many of ``n`` trials succeed, each with a probability of ``p``.

    Parameters
    ----------
    key
        A key.
    n
        How many trials: whole numbers, up to 2^53.
    p
        The probability; both may be traced.
    shape
        The shape of the result, which the parameters broadcast to; what they have in common if it is not given.
    dtype
        The dtype of the result.

    Raises
    ------
    ArgumentError
        If ``n`` is negative or too large, or ``p`` no probability.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> x = fd.random.binomial(fd.random.key(0), 100, 0.2, (10_000,))
    >>> np.round([x.mean(), x.var()])
    array([20., 16.])
    """
    n, p = as_parameters("binomial", shape, DOUBLE, n, p)
    counts = _binomial(check_key(key, "binomial"), *[stop_gradient(x).reshape(-1) for x in (n, p)])
    return counts.reshape(p.shape).astype(count_dtype(dtype, "binomial"))


@jit
def _binomial(key: Any, n: Any, p: Any) -> Any:
    n = floor(n)
    check(all_of((n >= 0) & (n <= 2.0**53) & (p >= 0) & (p <= 1)), Failure(_wrong_trials))
    turned = p > 0.5
    q = where(turned, 1 - p, p)
    few = n * q < FEW
    keys = split(key)
    searched = _searched(
        keys[0], exp(n * log1p(negative(q))), lambda k, n, odds: (n - k + 1) / k * odds, few, n, q / (1 - q)
    )
    many = where(few, 40.0, n), where(few, 0.5, q)
    drawn = _where_any(~few, lambda: first_accepted(keys[1], 2, _binomial_attempt, *many))
    k = where(few, minimum(searched, n), drawn)
    return where(turned, n - k, k)


def _wrong_trials() -> BaseException:
    return ArgumentError("random.binomial: n must be a number from 0 to 2^53, and p one from 0 to 1")


def _binomial_attempt(numbers: Numbers, n: Any, p: Any) -> tuple[Any, Any]:
    deviation = sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    u, v = numbers.uniform(0) - 0.5, 1 - numbers.uniform(1)
    us = maximum(0.5 - absolute(u), 2.0**-60)
    k = floor((2 * a / us + b) * u + n * p + 0.5)
    inside = (k >= 0) & (k <= n)
    k = where(inside, k, 0.0)
    bound = log(v * (2.83 + 5.1 / b) * deviation / (a / (us * us) + b))
    at_once = (us >= 0.07) & (v <= 0.92 - 4.2 / b)
    mode = floor((n + 1) * p)
    return k, at_once | (inside & (bound <= _log_binomial(k, n, p) - _log_binomial(mode, n, p)))


def _log_binomial(k: Any, n: Any, p: Any) -> Any:
    """The logarithm of a probability, but for what depends on n alone."""
    q = 1 - p
    i = minimum(maximum(k, 1.0), n - 1)
    j = n - i
    entropies = relative_entropy(i, n * p) + relative_entropy(j, n * q)
    between = negative(entropies + _stirling_rest(i) + _stirling_rest(j) + 0.5 * log(2 * math.pi * i * (j / n)))
    constant = negative(_stirling_rest(n))
    return where(k == 0, n * log(q) + constant, where(k == n, n * log(p) + constant, between))


def negative_binomial(key: Any, n: Any, p: Any, shape: Shape | None = None, dtype: Any = np.int64) -> Any:
    """How many trials fail before ``n`` have succeeded, each with a probability of ``p``: as
    ``numpy.random.Generator.negative_binomial``.

    Counts of the Poisson distribution whose mean is a gamma variate; ``n`` need not be whole.

    Examples
    --------
    >>> import functad as fd
    >>> round(fd.random.negative_binomial(fd.random.key(0), 3.0, 0.5, (10_000,)).mean(), 1)
    np.float64(3.0)
    """
    n, p = as_parameters("negative_binomial", shape, DOUBLE, n, p)
    keys = split(check_key(key, "negative_binomial"))
    return poisson(keys[1], gamma(keys[0], n) * ((1 - p) / p), dtype=count_dtype(dtype, "negative_binomial"))


def multinomial(key: Any, n: Any, p: Any, *, shape: Shape | None = None, dtype: Any = np.int64) -> Any:
    """How many of ``n`` trials have each of several results.

    Parameters
    ----------
    key
        A key.
    n
        How many trials.
    p
        The probabilities of the results, along the last axis; they are divided by their sum.
    shape
        The shape of the result, whose last axis is that of ``p``; by default what ``p`` and ``n`` have in common.
    dtype
        The dtype of the result.

    Raises
    ------
    ArgumentError
        If ``n`` is negative, or a probability.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> x = fd.random.multinomial(fd.random.key(0), 100, np.array([0.5, 0.3, 0.2]))
    >>> x.sum()
    np.int64(100)
    """
    n, p = asarray(n), asarray(p)
    if not p.ndim:
        raise ShapeError(f"random.multinomial{here()}: p has an axis of probabilities, got a number")
    given = [(*n.shape, 1), p.shape]
    wanted = common_shape(given if shape is None else [as_shape(shape, "multinomial"), *given], "random.multinomial")
    n, p = broadcast_to(n.astype(DOUBLE), wanted[:-1]), broadcast_to(p.astype(DOUBLE), wanted)
    return _multinomial(check_key(key, "multinomial"), n, p, count_dtype(dtype, "multinomial"))


@jit(static_argnums=3)
def _multinomial(key: Any, n: Any, p: Any, dtype: np.dtype) -> Any:
    """Of what the results before have left, a binomial number has the next."""
    p = moveaxis(stop_gradient(p), -1, 0)
    left = flip(cumsum(flip(p, 0), axis=0), 0)
    ratios = minimum(p / where(left == 0, 1.0, left), 1.0)

    def step(rest: Any, item: tuple[Any, Any]) -> tuple[Any, Any]:
        ratio, own = item
        count = binomial(own, rest, ratio, dtype=DOUBLE)
        return rest - count, count

    _, counts = scan(step, stop_gradient(n), (ratios, split(key, p.shape[0])))
    return moveaxis(counts, 0, -1).astype(dtype)
