"""The gamma distribution, and what is made of it: beta, Dirichlet, chi-square, Student's t, F.

Draws are those of G. Marsaglia and W. W. Tsang (*A simple method for generating gamma variables*, 2000), as logarithms,
which do not underflow where the shape is small. The derivative in the shape is that of a quantile
(`quantiles`): what rejection does to it need not be known.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from functad.api.custom import custom_jvp
from functad.api.jit import jit
from functad.errors import ShapeError
from functad.lax.conditionals import cond
from functad.nn import sigmoid, softmax
from functad.numpy.creation import asarray
from functad.numpy.indexing import where
from functad.numpy.operands import common_shape
from functad.numpy.reductions import any as any_of
from functad.numpy.shapes import broadcast_to
from functad.numpy.traced import here
from functad.numpy.ufuncs import exp, log, log1p, negative, sqrt
from functad.random.continuous import normal, real_dtype, uniform
from functad.random.keys import Shape, as_shape, check_key, split
from functad.random.parameters import as_parameters
from functad.random.quantiles import log_quantile_slope
from functad.random.rejection import Numbers, first_accepted

__all__ = ["beta", "chisquare", "dirichlet", "f", "gamma", "loggamma", "t"]

DOUBLE = np.dtype(np.float64)


def _attempt(numbers: Numbers, a: Any) -> tuple[Any, Any]:
    """For a >= 1: with d = a - 1/3 and a normal z, x = d v with v = (1 + z / 3 sqrt(d))^3 is accepted where

    log u  <  z^2 / 2 + d (1 - v + log v)
    """
    d = a - 1 / 3
    z = numbers.normal(0)
    root = 1 + z / (3 * sqrt(d))
    inside = root > 0
    v = where(inside, root * root * root, 1.0)
    log_v = log(v)
    accepted = log1p(negative(numbers.uniform(1))) < 0.5 * z * z + d * (1 - v + log_v)
    return log(d) + log_v, inside & accepted


@jit
def _sampled(key: Any, a: Any) -> Any:
    """Logarithms of gamma variates of a vector of shapes. A variate of shape a < 1 is one of a + 1, times u^(1/a)."""
    keys = split(key)
    y = first_accepted(keys[0], 2, lambda numbers, a: _attempt(numbers, _enlarged(a)), a)

    def boosted() -> Any:
        powers = log1p(negative(uniform(keys[1], a.shape))) / where(a > 0, a, 1.0)
        return _bounded(y + where(a < 1, powers, 0.0), a)

    return cond(any_of(a < 1), boosted, lambda: _bounded(y, a))


def _enlarged(a: Any) -> Any:
    """The shape that is drawn of; some number where that is none."""
    return where((a > 0) & (a < np.inf), where(a < 1, a + 1, a), 1.0)


def _bounded(y: Any, a: Any) -> Any:
    return where((a > 0) & (a < np.inf), y, where(a == 0, -np.inf, where(a == np.inf, np.inf, np.nan)))


@custom_jvp
def _log_variates(key: Any, a: Any) -> Any:
    return _sampled(key, a)


@_log_variates.defjvp
def _log_variates_jvp(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    key, a = primals
    y = _log_variates(key, a)
    return y, log_quantile_slope(a, y) * tangents[1]


def _logs(key: Any, a: Any) -> Any:
    """Logarithms of gamma variates of an array of shapes, in double precision.

    Without ``jit`` these are calls of one compiled function of vectors, for all distributions here; what they do with
    it is another.
    """
    return _log_variates(key, a.astype(DOUBLE).reshape(-1)).reshape(a.shape)


def loggamma(key: Any, a: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Logarithms of numbers of the gamma distribution, which do not underflow where ``a`` is small.

    Parameters as of `gamma`.

    Examples
    --------
    >>> import functad as fd
    >>> bool(fd.random.loggamma(fd.random.key(0), 1e-4, (1000,)).min() < -10_000)
    True
    """
    kind = real_dtype(dtype, "loggamma")
    (a,) = as_parameters("loggamma", shape, kind, a)
    return _logs(check_key(key, "loggamma"), a).astype(kind)


def gamma(key: Any, a: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Numbers of the gamma distribution of scale 1.

    Parameters
    ----------
    key
        A key.
    a
        The shape parameter, positive; NaN is drawn where it is negative. It may be traced: the derivative of a draw in
        it is that of the quantile, to any order.
    shape
        The shape of the result, which ``a`` broadcasts to; that of ``a`` if it is not given.
    dtype
        ``float64`` or ``float32``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> x = fd.random.gamma(fd.random.key(0), 3.0, (10_000,))
    >>> np.round([x.mean(), x.var()], 1)
    array([3., 3.])
    >>> mean = lambda a: np.mean(fd.random.gamma(fd.random.key(0), a, (10_000,)))
    >>> round(fd.grad(mean)(3.0), 1)                      # of a
    np.float64(1.0)
    """
    kind = real_dtype(dtype, "gamma")
    (a,) = as_parameters("gamma", shape, kind, a)
    return _exponentials(_logs(check_key(key, "gamma"), a), kind)


@jit(static_argnums=1)
def _exponentials(logs: Any, dtype: np.dtype) -> Any:
    return exp(logs).astype(dtype)


def beta(key: Any, a: Any, b: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Numbers of the beta distribution: x / (x + y) of gamma variates x and y.

    ``a`` and ``b`` are as the parameter of `gamma`.

    Examples
    --------
    >>> import functad as fd
    >>> round(fd.random.beta(fd.random.key(0), 2.0, 6.0, (10_000,)).mean(), 2)
    np.float64(0.25)
    """
    kind = real_dtype(dtype, "beta")
    a, b = as_parameters("beta", shape, kind, a, b)
    keys = split(check_key(key, "beta"))
    return _fractions(_logs(keys[0], a), _logs(keys[1], b), kind)


@jit(static_argnums=2)
def _fractions(x: Any, y: Any, dtype: np.dtype) -> Any:
    return sigmoid(x - y).astype(dtype)


def dirichlet(key: Any, alpha: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Vectors of the Dirichlet distribution, which are positive and sum to 1.

    Parameters
    ----------
    key
        A key.
    alpha
        The parameters, along the last axis.
    shape
        The shape of the result without its last axis; that of ``alpha`` if it is not given.
    dtype
        ``float64`` or ``float32``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> x = fd.random.dirichlet(fd.random.key(0), np.array([1.0, 2.0, 5.0]), (10_000,))
    >>> np.round(x.mean(axis=0), 2)
    array([0.13, 0.25, 0.63])
    """
    kind = real_dtype(dtype, "dirichlet")
    alpha = asarray(alpha)
    if not alpha.ndim:
        raise ShapeError(f"random.dirichlet{here()}: alpha has an axis of parameters, got a number")
    own = alpha.shape[:-1]
    lead = own if shape is None else common_shape([as_shape(shape, "dirichlet"), own], "random.dirichlet")
    alpha = broadcast_to(alpha.astype(kind), (*lead, alpha.shape[-1]))
    return _shares(_logs(check_key(key, "dirichlet"), alpha), kind)


@jit(static_argnums=1)
def _shares(logs: Any, dtype: np.dtype) -> Any:
    return softmax(logs, axis=-1).astype(dtype)


def chisquare(key: Any, df: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Numbers of the chi-square distribution with ``df`` degrees of freedom.

    Examples
    --------
    >>> import functad as fd
    >>> round(fd.random.chisquare(fd.random.key(0), 4.0, (10_000,)).mean(), 1)
    np.float64(4.0)
    """
    kind = real_dtype(dtype, "chisquare")
    (df,) = as_parameters("chisquare", shape, kind, df)
    return _exponentials(_logs(check_key(key, "chisquare"), df / 2) + math.log(2), kind)


def t(key: Any, df: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Numbers of Student's t distribution with ``df`` degrees of freedom.

    Examples
    --------
    >>> import functad as fd
    >>> round(fd.random.t(fd.random.key(0), 6.0, (10_000,)).var(), 1)     # 6 / 4
    np.float64(1.5)
    """
    kind = real_dtype(dtype, "t")
    (df,) = as_parameters("t", shape, kind, df)
    keys = split(check_key(key, "t"))
    half = df.astype(DOUBLE) / 2
    return _scaled(normal(keys[0], df.shape), half, _logs(keys[1], half), kind)


@jit(static_argnums=3)
def _scaled(z: Any, half: Any, logs: Any, dtype: np.dtype) -> Any:
    return (z * exp(0.5 * (log(half) - logs))).astype(dtype)


def f(key: Any, dfnum: Any, dfden: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Numbers of Fisher's F distribution: a quotient of chi-squares, each divided by its degrees of freedom.

    Examples
    --------
    >>> import functad as fd
    >>> round(fd.random.f(fd.random.key(0), 3.0, 12.0, (10_000,)).mean(), 1)    # 12 / 10
    np.float64(1.2)
    """
    kind = real_dtype(dtype, "f")
    first, second = [p.astype(DOUBLE) / 2 for p in as_parameters("f", shape, kind, dfnum, dfden)]
    keys = split(check_key(key, "f"))
    return _quotients(_logs(keys[0], first), _logs(keys[1], second), second / first, kind)


@jit(static_argnums=3)
def _quotients(x: Any, y: Any, factor: Any, dtype: np.dtype) -> Any:
    return (exp(x - y) * factor).astype(dtype)
