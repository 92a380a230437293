"""Distributions of extreme values, and of lifetimes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sc
from scipy import stats as sp

import functad.scipy.special  # noqa: F401  declares what stands for SciPy's functions
from functad.numpy.indexing import where
from functad.scipy.stats.continuous import continuous

__all__ = ["genextreme", "gumbel_l", "gumbel_r", "rayleigh", "weibull_max", "weibull_min"]

EULER = -float(sc.psi(1.0))

# -- Gumbel's ----------------------------------------------------------------------------------------------------------

gumbel_r = continuous(
    sp.gumbel_r,
    logpdf=lambda z: -z - np.exp(-z),
    logcdf=lambda z: -np.exp(-z),
    ppf=lambda q: -np.log(-np.log(q)),
    isf=lambda q: -np.log(-np.log1p(-q)),
    entropy=lambda: EULER + 1,
    mean=lambda: EULER,
    var=lambda: math.pi**2 / 6,
    median=lambda: -math.log(math.log(2)),
)

gumbel_l = continuous(
    sp.gumbel_l,
    logpdf=lambda z: z - np.exp(z),
    logsf=lambda z: -np.exp(z),
    ppf=lambda q: np.log(-np.log1p(-q)),
    isf=lambda q: np.log(-np.log(q)),
    entropy=lambda: EULER + 1,
    mean=lambda: -EULER,
    var=lambda: math.pi**2 / 6,
    median=lambda: math.log(math.log(2)),
)

# -- Weibull's ---------------------------------------------------------------------------------------------------------


def _weibull_logpdf(z: Any, c: Any) -> Any:
    return np.log(c) + sc.xlogy(c - 1, z) - z**c


def _weibull_moment(n: int, c: Any) -> Any:
    return np.exp(sc.gammaln(1 + n / c))


def _weibull_var(c: Any) -> Any:
    return _weibull_moment(2, c) - _weibull_moment(1, c) ** 2


def _weibull_entropy(c: Any) -> Any:
    return EULER * (1 - 1 / c) - np.log(c) + 1


weibull_min = continuous(
    sp.weibull_min,
    valid=lambda c: c > 0,
    support=(0.0, math.inf),
    logpdf=_weibull_logpdf,
    logsf=lambda z, c: -(z**c),
    ppf=lambda q, c: (-np.log1p(-q)) ** (1 / c),
    isf=lambda q, c: (-np.log(q)) ** (1 / c),
    entropy=_weibull_entropy,
    mean=lambda c: _weibull_moment(1, c),
    var=_weibull_var,
)

weibull_max = continuous(
    sp.weibull_max,
    valid=lambda c: c > 0,
    support=(-math.inf, 0.0),
    inside=-1.0,
    logpdf=lambda z, c: _weibull_logpdf(-z, c),
    logcdf=lambda z, c: -((-z) ** c),
    ppf=lambda q, c: -((-np.log(q)) ** (1 / c)),
    isf=lambda q, c: -((-np.log1p(-q)) ** (1 / c)),
    entropy=_weibull_entropy,
    mean=lambda c: -_weibull_moment(1, c),
    var=_weibull_var,
)

rayleigh = continuous(
    sp.rayleigh,
    support=(0.0, math.inf),
    logpdf=lambda z: np.log(z) - 0.5 * (z * z),
    logsf=lambda z: -0.5 * (z * z),
    ppf=lambda q: np.sqrt(-2 * np.log1p(-q)),
    isf=lambda q: np.sqrt(-2 * np.log(q)),
    entropy=lambda: EULER / 2 + 1 - 0.5 * math.log(2),
    mean=lambda: math.sqrt(math.pi / 2),
    var=lambda: 2 - math.pi / 2,
)

# -- generalised -------------------------------------------------------------------------------------------------------

SMALL = 0.01
"""Where |c z| is smaller, nine terms of the series of log(1 - c z) have all digits."""


def _log_hazard(z: Any, c: Any) -> Any:
    """log(1 - c z) / c, and -z where c is 0: the logarithm of -log cdf."""
    u = c * z
    small = np.abs(u) < SMALL
    v = where(small, u, 0.0)
    series = v / 9
    for k in range(8, 1, -1):
        series = (series + 1 / k) * v
    quotient = np.log1p(-where(small, 0.5, u)) / where(small, 1.0, c)
    return where(small, -z * (1 + series), quotient)


def _extreme_of(y: Any, c: Any) -> Any:
    """The z whose ``_log_hazard`` is y: (1 - e^(c y)) / c."""
    u = c * y
    small = np.abs(u) < 1e-300
    return where(small, -y, -np.expm1(u) / where(small, 1.0, c))


def _extreme_support(c: Any) -> tuple[Any, Any]:
    bound = 1 / where(c == 0, 1.0, c)
    return where(c < 0, bound, -math.inf), where(c > 0, bound, math.inf)


def _extreme_logpdf(z: Any, c: Any) -> Any:
    y = _log_hazard(z, c)
    return (1 - c) * y - np.exp(y)


genextreme = continuous(
    sp.genextreme,
    valid=np.isfinite,
    support=_extreme_support,
    opened=True,
    inside=0.0,
    logpdf=_extreme_logpdf,
    logcdf=lambda z, c: -np.exp(_log_hazard(z, c)),
    ppf=lambda q, c: _extreme_of(np.log(-np.log(q)), c),
    isf=lambda q, c: _extreme_of(np.log(-np.log1p(-q)), c),
    entropy=lambda c: EULER * (1 - c) + 1,
)
