"""The normal distribution, and others made of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sc
from scipy import stats as sp

import functad.scipy.special  # noqa: F401  declares what stands for SciPy's functions
from functad.numpy.indexing import where
from functad.primitives.exponential import log1mexp
from functad.primitives.scipy_special import skewed
from functad.scipy.stats.continuous import continuous
from functad.scipy.stats.forms import broadcast

__all__ = ["exponnorm", "halfnorm", "lognorm", "norm", "skewnorm", "truncnorm"]

LOG_2PI = math.log(2 * math.pi)
ROOT_2 = math.sqrt(2)


def normal_logpdf(z: Any) -> Any:
    """log(e^(-z^2/2) / sqrt(2 pi))."""
    return -0.5 * (z * z) - 0.5 * LOG_2PI


norm = continuous(
    sp.norm,
    symmetric=True,
    logpdf=normal_logpdf,
    cdf=sc.ndtr,
    logcdf=sc.log_ndtr,
    ppf=sc.ndtri,
    entropy=lambda: 0.5 * (LOG_2PI + 1),
    mean=lambda: 0.0,
    var=lambda: 1.0,
    median=lambda: 0.0,
)


def _lognorm_logpdf(z: Any, s: Any) -> Any:
    log_z = np.log(z)
    return normal_logpdf(log_z / s) - np.log(s) - log_z


lognorm = continuous(
    sp.lognorm,
    valid=lambda s: s > 0,
    support=(0.0, math.inf),
    opened=True,
    logpdf=_lognorm_logpdf,
    cdf=lambda z, s: sc.ndtr(np.log(z) / s),
    sf=lambda z, s: sc.ndtr(-np.log(z) / s),
    logcdf=lambda z, s: sc.log_ndtr(np.log(z) / s),
    logsf=lambda z, s: sc.log_ndtr(-np.log(z) / s),
    ppf=lambda q, s: np.exp(s * sc.ndtri(q)),
    isf=lambda q, s: np.exp(-s * sc.ndtri(q)),
    entropy=lambda s: 0.5 * (LOG_2PI + 1) + np.log(s),
    mean=lambda s: np.exp(0.5 * s * s),
    var=lambda s: np.expm1(s * s) * np.exp(s * s),
    median=lambda s: 1.0,
)


def _halfnorm_logsf(z: Any) -> Any:
    """Near 0 from the distribution function, elsewhere from the normal tail."""
    near = z < 1
    low = np.log1p(-sc.erf(where(near, z, 0.0) / ROOT_2))
    return where(near, low, sc.log_ndtr(-where(near, 1.0, z)) + math.log(2))


halfnorm = continuous(
    sp.halfnorm,
    support=(0.0, math.inf),
    logpdf=lambda z: normal_logpdf(z) + math.log(2),
    cdf=lambda z: sc.erf(z / ROOT_2),
    sf=lambda z: sc.erfc(z / ROOT_2),
    logsf=_halfnorm_logsf,
    ppf=lambda q: ROOT_2 * sc.erfinv(q),
    isf=lambda q: ROOT_2 * sc.erfcinv(q),
    entropy=lambda: 0.5 * math.log(math.pi / 2) + 0.5,
    mean=lambda: math.sqrt(2 / math.pi),
    var=lambda: 1 - 2 / math.pi,
)


# -- truncated ---------------------------------------------------------------------------------------------------------


def _log_mass(a: Any, b: Any) -> Any:
    """log(Phi(b) - Phi(a)) for a < b: of the mirror image where both are positive, so that it is a difference of small
    numbers; and where a <= 0 < b, of 1 and what lies outside.
    """
    right = a > 0
    low, high = where(right, -b, a), where(right, -a, b)
    across = high > 0
    upper = sc.log_ndtr(where(across, 0.0, high))
    within = upper + log1mexp(sc.log_ndtr(where(across, -1.0, low)) - upper)
    outside = sc.ndtr(where(across, low, -1.0)) + sc.ndtr(-where(across, high, 1.0))
    return where(across, np.log1p(-outside), within)


def _log_share(share: Any, rest: Any) -> Any:
    """The logarithm of a part of 1, given those of this part and of the rest, of which one may have no digits."""
    large = share > -0.1
    return where(large, log1mexp(where(large, rest, -1.0)), share)


def _truncated_logcdf(z: Any, a: Any, b: Any) -> Any:
    mass = _log_mass(a, b)
    return _log_share(_log_mass(a, z) - mass, _log_mass(z, b) - mass)


def _truncated_logsf(z: Any, a: Any, b: Any) -> Any:
    mass = _log_mass(a, b)
    return _log_share(_log_mass(z, b) - mass, _log_mass(a, z) - mass)


def _truncated_ppf(q: Any, a: Any, b: Any) -> Any:
    """Where a is negative from the lower tail, elsewhere from the upper one."""
    left = a < 0
    mass = _log_mass(a, b)
    start = sc.log_ndtr(where(left, a, -b))
    share = where(left, np.log(q), np.log1p(-q)) + mass
    z = sc.ndtri_exp(np.logaddexp(start, share))
    return where(left, z, -z)


def _truncated_moments(a: Any, b: Any) -> tuple[Any, Any, Any]:
    """The densities at the bounds, as parts of the mass between, 0 at infinity; and their difference, the mean."""
    mass = _log_mass(a, b)
    at_a, at_b = np.exp(normal_logpdf(a) - mass), np.exp(normal_logpdf(b) - mass)
    return at_a, at_b, at_a - at_b


def _times(bound: Any, density: Any) -> Any:
    """Their product, 0 where a bound is infinite."""
    return where(np.isinf(bound), 0.0, where(np.isinf(bound), 0.0, bound) * density)


def _truncated_var(a: Any, b: Any) -> Any:
    at_a, at_b, mean = _truncated_moments(a, b)
    return 1 + _times(a, at_a) - _times(b, at_b) - mean * mean


def _truncated_entropy(a: Any, b: Any) -> Any:
    at_a, at_b, _ = _truncated_moments(a, b)
    return 0.5 * (LOG_2PI + 1) + _log_mass(a, b) + 0.5 * (_times(a, at_a) - _times(b, at_b))


truncnorm = continuous(
    sp.truncnorm,
    valid=lambda a, b: a < b,
    support=lambda a, b: (a, b),
    inside=lambda a, b: where(np.isinf(a), where(np.isinf(b), 0.0, b - 1), where(np.isinf(b), a + 1, 0.5 * (a + b))),
    logpdf=lambda z, a, b: normal_logpdf(z) - _log_mass(a, b),
    logcdf=_truncated_logcdf,
    logsf=_truncated_logsf,
    ppf=_truncated_ppf,
    isf=lambda q, a, b: -_truncated_ppf(q, -b, -a),
    entropy=_truncated_entropy,
    mean=lambda a, b: _truncated_moments(a, b)[2],
    var=_truncated_var,
)


# -- skewed ------------------------------------------------------------------------------------------------------------


def _skewed_mean(a: Any) -> Any:
    return math.sqrt(2 / math.pi) * a / np.hypot(1.0, a)


def _skewed_tail(z: Any, a: Any) -> Any:
    """log G(|z|, |a|), with the derivative to the right where a is 0, and that to the left where z is."""
    return broadcast(skewed.log_skewed_tail)(where(z <= 0, -z, z), where(a >= 0, a, -a))


def _skewed_cdf(z: Any, a: Any) -> Any:
    """G where both z <= 0 <= a; below 0, that of a and of -a is 2 Phi(z); and 1 is what lies on both sides."""
    edge = np.isinf(z)
    x = where(edge, 0.0, z)
    tail = np.exp(_skewed_tail(x, a))
    left = where(a >= 0, tail, sc.erfc(-x / ROOT_2) - tail)
    right = where(a >= 0, sc.erf(x / ROOT_2) + tail, 1 - tail)
    return where(edge, where(z > 0, 1.0, 0.0), where(x <= 0, left, right))


def _skewed_logcdf(z: Any, a: Any) -> Any:
    edge = np.isinf(z)
    x = where(edge, 0.0, z)
    tail, normal = _skewed_tail(x, a), sc.log_ndtr(-np.abs(x))
    left = where(a >= 0, tail, normal + np.log(2 - np.exp(tail - normal)))
    below, above = _skewed_cdf(x, a), _skewed_cdf(-x, -a)
    large = below > 0.5
    right = where(large, np.log1p(-where(large, above, 0.0)), np.log(below))
    return where(edge, where(z > 0, 0.0, -math.inf), where(x <= 0, left, right))


skewnorm = continuous(
    sp.skewnorm,
    valid=np.isfinite,
    logpdf=lambda z, a: normal_logpdf(z) + sc.log_ndtr(a * z) + math.log(2),
    cdf=_skewed_cdf,
    sf=lambda z, a: _skewed_cdf(-z, -a),
    logcdf=_skewed_logcdf,
    logsf=lambda z, a: _skewed_logcdf(-z, -a),
    ppf=broadcast(skewed.skewnorm_ppf),
    isf=broadcast(skewed.skewnorm_isf),
    mean=_skewed_mean,
    var=lambda a: 1 - _skewed_mean(a) ** 2,
)


def _log_above(z: Any, rate: Any) -> Any:
    """log P(X + E > z >= X), for X normal and E exponential of this rate."""
    return rate * (0.5 * rate - z) + sc.log_ndtr(z - rate)


exponnorm = continuous(
    sp.exponnorm,
    valid=lambda K: K > 0,
    logpdf=lambda z, K: _log_above(z, 1 / K) - np.log(K),
    cdf=lambda z, K: sc.ndtr(z) - np.exp(_log_above(z, 1 / K)),
    sf=lambda z, K: sc.ndtr(-z) + np.exp(_log_above(z, 1 / K)),
    mean=lambda K: K,
    var=lambda K: 1 + K * K,
)
