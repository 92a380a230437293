"""Distributions of counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sc
from scipy import stats as sp

import functad.scipy.special  # noqa: F401  declares what stands for SciPy's functions
from functad.numpy.indexing import where
from functad.primitives.scipy_special import counts as family
from functad.scipy.stats.discrete import discrete, is_whole
from functad.scipy.stats.finite import finite
from functad.scipy.stats.forms import broadcast
from functad.scipy.stats.tails import entropy_of, first_integer

__all__ = ["bernoulli", "betabinom", "binom", "geom", "hypergeom", "nbinom", "poisson"]


def _is_probability(p: Any) -> Any:
    return (p >= 0) & (p <= 1)


def _is_count(n: Any) -> Any:
    return (n >= 0) & is_whole(n)


def _log_choose(n: Any, k: Any) -> Any:
    """The logarithm of the number of ways to choose k of n."""
    return -sc.betaln(n - k + 1, k + 1) - np.log(n + 1)


def _log_successes(k: Any, n: Any, p: Any) -> Any:
    return sc.xlogy(k, p) + sc.xlog1py(n - k, -p)


bernoulli = discrete(
    sp.bernoulli,
    valid=_is_probability,
    support=(0.0, 1.0),
    logpmf=lambda k, p: _log_successes(k, 1, p),
    cdf=lambda k, p: 1 - p * (1 - k),
    sf=lambda k, p: p * (1 - k),
    logcdf=lambda k, p: np.log1p(-p * (1 - k)),
    logsf=lambda k, p: np.log(p * (1 - k)),
    ppf=lambda q, p: where(q > 1 - p, 1.0, 0.0),
    isf=lambda q, p: where(q < p, 1.0, 0.0),
    entropy=lambda p: sc.entr(p) + sc.entr(1 - p),
    mean=lambda p: p,
    var=lambda p: p * (1 - p),
)


def _binom_logpmf(k: Any, n: Any, p: Any) -> Any:
    return _log_choose(n, k) + _log_successes(k, n, p)


_binom_n = family.held("binom.entropy", "n")
_binom_sum = entropy_of(_binom_logpmf, lambda n, p: np.floor(n * p), lambda n, p: (0.0, n))


def _binom_entropy(n: Any, p: Any) -> Any:
    return _binom_sum(_binom_n(n), p)


binom = discrete(
    sp.binom,
    valid=lambda n, p: _is_count(n) & _is_probability(p),
    support=lambda n, p: (0.0, n),
    logpmf=_binom_logpmf,
    cdf=lambda k, n, p: sc.betaincc(k + 1, n - k, p),
    sf=lambda k, n, p: sc.betainc(k + 1, n - k, p),
    ppf=broadcast(family.binom_ppf),
    isf=broadcast(family.binom_isf),
    entropy=_binom_entropy,
    mean=lambda n, p: n * p,
    var=lambda n, p: n * p * (1 - p),
)


# -- events at a rate --------------------------------------------------------------------------------------------------


def _poisson_logpmf(k: Any, mu: Any) -> Any:
    return sc.xlogy(k, mu) - sc.gammaln(k + 1) - mu


def _poisson_isf(q: Any, mu: Any) -> Any:
    """Between Bernstein's bounds: P(X >= mu + x) <= exp(-x^2 / 2 (mu + x / 3)), P(X <= mu - x) <= exp(-x^2 / 2 mu)."""
    third, left = -np.log(q) / 3, -np.log1p(-q)
    above = np.ceil(mu + third + np.sqrt(third * third + 6 * mu * third)) + 1
    below = np.maximum(np.floor(mu - np.sqrt(2 * mu * left)) - 1, -1.0)
    return first_integer(lambda k, q, mu: sc.gammainc(k + 1, mu) <= q, below, above, q, mu)


poisson = discrete(
    sp.poisson,
    valid=lambda mu: mu >= 0,
    support=(0.0, math.inf),
    logpmf=_poisson_logpmf,
    cdf=lambda k, mu: sc.gammaincc(k + 1, mu),
    sf=lambda k, mu: sc.gammainc(k + 1, mu),
    ppf=broadcast(family.poisson_ppf),
    isf=_poisson_isf,
    entropy=entropy_of(_poisson_logpmf, np.floor, lambda mu: (0.0, math.inf)),
    mean=lambda mu: mu,
    var=lambda mu: mu,
)


# -- trials until one succeeds, until n do -----------------------------------------------------------------------------


def _geom_ppf(q: Any, p: Any) -> Any:
    """A quotient that is whole may be rounded up: the integer before is looked at."""
    k = np.ceil(np.log1p(-q) / np.log1p(-p))
    return where((-np.expm1((k - 1) * np.log1p(-p)) >= q) & (k > 0), k - 1, k)


def _geom_isf(q: Any, p: Any) -> Any:
    k = np.ceil(np.log(q) / np.log1p(-p))
    return where((np.exp((k - 1) * np.log1p(-p)) <= q) & (k > 0), k - 1, k)


geom = discrete(
    sp.geom,
    valid=lambda p: (p > 0) & (p <= 1),
    support=(1.0, math.inf),
    inside=1.0,
    logpmf=lambda k, p: sc.xlog1py(k - 1, -p) + np.log(p),
    logsf=lambda k, p: k * np.log1p(-p),
    ppf=_geom_ppf,
    isf=_geom_isf,
    entropy=lambda p: -np.log(p) - sc.xlog1py(1 - p, -p) / p,
    mean=lambda p: 1 / p,
    var=lambda p: (1 - p) / (p * p),
)


def _nbinom_mode(n: Any, p: Any) -> Any:
    return np.maximum(np.floor((n - 1) * (1 - p) / p), 0.0)


def _nbinom_logpmf(k: Any, n: Any, p: Any) -> Any:
    return n * np.log(p) + sc.xlog1py(k, -p) - sc.betaln(n, k + 1) - np.log(n + k)


nbinom = discrete(
    sp.nbinom,
    valid=lambda n, p: (n > 0) & (p > 0) & (p <= 1),
    support=(0.0, math.inf),
    logpmf=_nbinom_logpmf,
    cdf=lambda k, n, p: sc.betainc(n, k + 1, p),
    sf=lambda k, n, p: sc.betaincc(n, k + 1, p),
    ppf=broadcast(family.nbinom_ppf),
    isf=broadcast(family.nbinom_isf),
    entropy=entropy_of(_nbinom_logpmf, _nbinom_mode, lambda n, p: (0.0, math.inf)),
    mean=lambda n, p: n * (1 - p) / p,
    var=lambda n, p: n * (1 - p) / (p * p),
)


# -- draws without replacement -----------------------------------------------------------------------------------------


def _hypergeom_logpmf(k: Any, M: Any, n: Any, N: Any) -> Any:
    return _log_choose(n, k) + _log_choose(M - n, N - k) - _log_choose(M, N)


def _hypergeom_var(M: Any, n: Any, N: Any) -> Any:
    return n * N * (M - n) * (M - N) / (M * M * (M - 1))


def _hypergeom_support(M: Any, n: Any, N: Any) -> tuple[Any, Any]:
    return np.maximum(N - (M - n), 0.0), np.minimum(n, N)


hypergeom = finite(
    sp.hypergeom,
    valid=lambda M, n, N: (M > 0) & _is_count(n) & _is_count(N) & (n <= M) & (N <= M) & is_whole(M),
    support=_hypergeom_support,
    inside=lambda M, n, N: _hypergeom_support(M, n, N)[0],
    logpmf=_hypergeom_logpmf,
    fall=lambda k, M, n, N: k * (M - n - N + k) / ((n - k + 1) * (N - k + 1)),
    rise=lambda k, M, n, N: (n - k) * (N - k) / ((k + 1) * (M - n - N + k + 1)),
    centre=lambda M, n, N: np.floor((n + 1) * (N + 1) / (M + 2)),
    counts=("M", "n", "N"),
    mean=lambda M, n, N: n * N / M,
    var=_hypergeom_var,
)


# -- a probability of the beta distribution ----------------------------------------------------------------------------


def _betabinom_logpmf(k: Any, n: Any, a: Any, b: Any) -> Any:
    return _log_choose(n, k) + sc.betaln(k + a, n - k + b) - sc.betaln(a, b)


betabinom = finite(
    sp.betabinom,
    valid=lambda n, a, b: _is_count(n) & (a > 0) & (b > 0),
    support=lambda n, a, b: (0.0, n),
    logpmf=_betabinom_logpmf,
    fall=lambda k, n, a, b: k * (n - k + b) / ((n - k + 1) * (k - 1 + a)),
    rise=lambda k, n, a, b: (n - k) * (k + a) / ((k + 1) * (n - k - 1 + b)),
    centre=lambda n, a, b: np.floor(n * a / (a + b)),
    counts=("n",),
    mean=lambda n, a, b: n * a / (a + b),
    var=lambda n, a, b: n * a * b * (a + b + n) / ((a + b) ** 2 * (a + b + 1)),
)
