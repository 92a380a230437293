"""Draws that are functions of uniform, normal and exponential ones, with parameters; after JAX's, whose numbers they
are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.api.custom import custom_jvp
from functad.api.jit import jit
from functad.numpy.indexing import where
from functad.numpy.reductions import sum as sum_of
from functad.numpy.ufuncs import exp, floor, log, log1p, negative, power, sqrt, square
from functad.random.continuous import exponential, normal, real_dtype, uniform
from functad.random.discrete import rademacher
from functad.random.keys import Shape, as_shape, check_key, split
from functad.random.parameters import as_parameters, count_dtype
from functad.random.quantiles import wald_slope

__all__ = [
    "double_sided_maxwell", "geometric", "lognormal", "maxwell", "pareto", "rayleigh", "triangular", "wald",
    "weibull_min",
]  # fmt: skip


def lognormal(key: Any, sigma: Any = 1.0, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Exponentials of normal numbers of standard deviation ``sigma``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> round(np.log(fd.random.lognormal(fd.random.key(0), 0.5, (1000,))).std(), 1)
    np.float64(0.5)
    """
    kind = real_dtype(dtype, "lognormal")
    return _lognormal(check_key(key, "lognormal"), *as_parameters("lognormal", shape, kind, sigma))


@jit
def _lognormal(key: Any, sigma: Any) -> Any:
    return exp(normal(key, sigma.shape, sigma.dtype) * sigma)


def pareto(key: Any, b: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Numbers of Pareto's distribution, of density b / x^(b + 1) for x >= 1.

    Examples
    --------
    >>> from functad import random
    >>> random.pareto(random.key(0), 2.0, (3,))
    array([1.31132133, 1.12959775, 5.36994212])
    """
    return _pareto(check_key(key, "pareto"), *as_parameters("pareto", shape, real_dtype(dtype, "pareto"), b))


@jit
def _pareto(key: Any, b: Any) -> Any:
    return exp(exponential(key, b.shape, b.dtype) / b)


def rayleigh(key: Any, scale: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Numbers of Rayleigh's distribution: lengths of vectors of two normal numbers, times ``scale``.

    Examples
    --------
    >>> from functad import random
    >>> random.rayleigh(random.key(0), 1.0, (3,))
    array([1.31998551, 1.74991998, 0.26568445])
    """
    kind = real_dtype(dtype, "rayleigh")
    return _rayleigh(check_key(key, "rayleigh"), *as_parameters("rayleigh", shape, kind, scale))


@jit
def _rayleigh(key: Any, scale: Any) -> Any:
    return scale * sqrt(log(uniform(key, scale.shape, scale.dtype)) * -2)


def triangular(key: Any, left: Any, mode: Any, right: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Numbers from ``left`` to ``right``, of a density that is a triangle with its top at ``mode``.

    Examples
    --------
    >>> from functad import random
    >>> random.triangular(random.key(0), 0.0, 0.5, 1.0, (3,))
    array([0.45741508, 0.32885822, 0.86832134])
    """
    kind = real_dtype(dtype, "triangular")
    return _triangular(check_key(key, "triangular"), *as_parameters("triangular", shape, kind, left, mode, right))


@jit
def _triangular(key: Any, left: Any, mode: Any, right: Any) -> Any:
    u = uniform(key, left.shape, left.dtype)
    width, rise = right - left, mode - left
    return where(u < rise / width, left + sqrt(u * width * rise), right - sqrt((1 - u) * width * (right - mode)))


def wald(key: Any, mean: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Numbers of Wald's (the inverse Gaussian) distribution of scale 1.

    By J. Michael, W. Schucany and R. Haas (*Generating random variates using transformations with multiple roots*,
    1976). Which root is taken depends on the mean; the derivative of a draw in the mean is that of its quantile.

    Examples
    --------
    >>> import functad as fd
    >>> round(fd.random.wald(fd.random.key(0), 0.5, (10_000,)).mean(), 1)
    np.float64(0.5)
    """
    kind = real_dtype(dtype, "wald")
    return _wald(check_key(key, "wald"), *as_parameters("wald", shape, kind, mean))


@jit
def _wald(key: Any, mean: Any) -> Any:
    return _wald_variates(key, mean)


@custom_jvp
def _wald_variates(key: Any, mean: Any) -> Any:
    keys = split(key)
    half = mean * square(normal(keys[0], mean.shape, mean.dtype)) / 2
    ratio = 1 + half + sqrt(half * (half + 2))  # mean / x = x' / mean of the two roots
    z = uniform(keys[1], mean.shape, mean.dtype)
    return where(z <= ratio / (1 + ratio), mean / ratio, mean * ratio)


@_wald_variates.defjvp
def _wald_variates_jvp(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    key, mean = primals
    x = _wald_variates(key, mean)
    return x, wald_slope(mean, x) * tangents[1]


def weibull_min(key: Any, scale: Any, concentration: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Numbers of Weibull's distribution: exponential ones to the power of ``1 / concentration``, times ``scale``.

    Examples
    --------
    >>> from functad import random
    >>> random.weibull_min(random.key(0), 1.0, 2.0, (3,))
    array([0.73625441, 0.49368328, 1.833476  ])
    """
    kind = real_dtype(dtype, "weibull_min")
    parameters = as_parameters("weibull_min", shape, kind, scale, concentration)
    return _weibull_min(check_key(key, "weibull_min"), *parameters)


@jit
def _weibull_min(key: Any, scale: Any, concentration: Any) -> Any:
    u = uniform(key, scale.shape, scale.dtype)
    return power(negative(log1p(negative(u))), 1 / concentration) * scale


def maxwell(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Numbers of Maxwell's distribution: lengths of vectors of three normal numbers.

    Examples
    --------
    >>> from functad import random
    >>> random.maxwell(random.key(0), (3,))
    array([1.98906991, 0.42460738, 1.24030791])
    """
    return _maxwell(check_key(key, "maxwell"), as_shape(shape, "maxwell"), real_dtype(dtype, "maxwell"))


@jit(static_argnums=(1, 2))
def _maxwell(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return sqrt(sum_of(square(normal(key, (*shape, 3), dtype)), axis=-1))


def double_sided_maxwell(key: Any, loc: Any, scale: Any, shape: Shape | None = None, dtype: Any = np.float64) -> Any:
    """Numbers of Maxwell's distribution with a random sign, times ``scale``, plus ``loc``.

    Examples
    --------
    >>> from functad import random
    >>> random.double_sided_maxwell(random.key(0), 0.0, 1.0, (3,))
    array([ 1.98461204, -2.4782074 , -1.6334815 ])
    """
    kind = real_dtype(dtype, "double_sided_maxwell")
    parameters = as_parameters("double_sided_maxwell", shape, kind, loc, scale)
    return _double_sided_maxwell(check_key(key, "double_sided_maxwell"), *parameters)


@jit
def _double_sided_maxwell(key: Any, loc: Any, scale: Any) -> Any:
    keys = split(key)
    return rademacher(keys[1], loc.shape, loc.dtype) * maxwell(keys[0], loc.shape, loc.dtype) * scale + loc


def geometric(key: Any, p: Any, shape: Shape | None = None, dtype: Any = np.int64) -> Any:
    """How many trials it takes until one succeeds, with a probability of ``p`` each.

    Examples
    --------
    >>> import functad as fd
    >>> round(fd.random.geometric(fd.random.key(0), 0.25, (10_000,)).mean())
    4
    """
    (p,) = as_parameters("geometric", shape, np.dtype(np.float64), p)
    return _geometric(check_key(key, "geometric"), p, count_dtype(dtype, "geometric"))


@jit(static_argnums=2)
def _geometric(key: Any, p: Any, dtype: np.dtype) -> Any:
    u = uniform(key, p.shape)
    return (floor(log(where(u == 0, 1, u)) / log1p(negative(p))) + 1).astype(dtype)
