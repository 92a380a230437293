"""Distributions whose forms are elementary functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sc
from scipy import stats as sp

import functad.scipy.special  # noqa: F401  declares what stands for SciPy's functions
from functad.numpy.indexing import where
from functad.scipy.stats.continuous import continuous

__all__ = ["cauchy", "expon", "halfcauchy", "laplace", "logistic", "pareto", "uniform"]

LN2 = math.log(2)

uniform = continuous(
    sp.uniform,
    support=(0.0, 1.0),
    inside=0.5,
    logpdf=lambda z: z - z,
    cdf=lambda z: z,
    sf=lambda z: 1 - z,
    logcdf=np.log,
    logsf=lambda z: np.log1p(-z),
    ppf=lambda q: q,
    isf=lambda q: 1 - q,
    entropy=lambda: 0.0,
    mean=lambda: 0.5,
    var=lambda: 1 / 12,
)

expon = continuous(
    sp.expon,
    support=(0.0, math.inf),
    logpdf=lambda z: -z,
    logsf=lambda z: -z,
    ppf=lambda q: -np.log1p(-q),
    isf=lambda q: -np.log(q),
    entropy=lambda: 1.0,
    mean=lambda: 1.0,
    var=lambda: 1.0,
    median=lambda: LN2,
)

logistic = continuous(
    sp.logistic,
    symmetric=True,
    logpdf=lambda z: sc.log_expit(z) + sc.log_expit(-z),
    cdf=sc.expit,
    logcdf=sc.log_expit,
    ppf=sc.logit,
    entropy=lambda: 2.0,
    mean=lambda: 0.0,
    var=lambda: math.pi**2 / 3,
    median=lambda: 0.0,
)

# -- Laplace's ---------------------------------------------------------------------------------------------------------


def _half_tail(z: Any) -> Any:
    """e^-|z| / 2, with the derivative from below at 0."""
    return 0.5 * np.exp(where(z > 0, -z, z))


def _laplace_logcdf(z: Any) -> Any:
    right = z > 0
    return where(right, np.log1p(-_half_tail(z)), where(right, 0.0, z) - LN2)


def _laplace_ppf(q: Any) -> Any:
    upper = q > 0.5
    z = np.log(2 * where(upper, 1 - q, q))
    return where(upper, -z, z)


laplace = continuous(
    sp.laplace,
    symmetric=True,
    logpdf=lambda z: -np.abs(z) - LN2,
    cdf=lambda z: where(z > 0, 1 - _half_tail(z), _half_tail(z)),
    logcdf=_laplace_logcdf,
    ppf=_laplace_ppf,
    entropy=lambda: LN2 + 1,
    mean=lambda: 0.0,
    var=lambda: 2.0,
    median=lambda: 0.0,
)

# -- with heavy tails --------------------------------------------------------------------------------------------------


def _cauchy_ppf(q: Any) -> Any:
    """tan(pi (q - 1/2)) as a quotient of two sines, neither of which loses digits."""
    upper = q > 0.5
    tail = where(upper, 1 - q, q)
    z = np.sin(math.pi * (0.5 - tail)) / np.sin(math.pi * tail)
    return where(upper, z, -z)


cauchy = continuous(
    sp.cauchy,
    symmetric=True,
    logpdf=lambda z: -np.log1p(z * z) - math.log(math.pi),
    cdf=lambda z: np.arctan2(1.0, -z) / math.pi,
    sf=lambda z: np.arctan2(1.0, z) / math.pi,
    ppf=_cauchy_ppf,
    entropy=lambda: math.log(4 * math.pi),
    mean=lambda: math.nan,
    var=lambda: math.nan,
    median=lambda: 0.0,
)

halfcauchy = continuous(
    sp.halfcauchy,
    support=(0.0, math.inf),
    logpdf=lambda z: -np.log1p(z * z) + math.log(2 / math.pi),
    cdf=lambda z: np.arctan(z) * (2 / math.pi),
    sf=lambda z: np.arctan2(1.0, z) * (2 / math.pi),
    ppf=lambda q: np.tan(q * (math.pi / 2)),
    isf=lambda q: 1 / np.tan(q * (math.pi / 2)),
    entropy=lambda: math.log(2 * math.pi),
    mean=lambda: math.inf,
    var=lambda: math.inf,
)


def _pareto_mean(b: Any) -> Any:
    finite = b > 1
    b = where(finite, b, 2.0)
    return where(finite, b / (b - 1), math.inf)


def _pareto_var(b: Any) -> Any:
    finite = b > 2
    b = where(finite, b, 3.0)
    return where(finite, b / ((b - 1) ** 2 * (b - 2)), math.inf)


pareto = continuous(
    sp.pareto,
    valid=lambda b: b > 0,
    support=(1.0, math.inf),
    inside=2.0,
    logpdf=lambda z, b: np.log(b) - (b + 1) * np.log(z),
    logsf=lambda z, b: -b * np.log(z),
    ppf=lambda q, b: np.exp(-np.log1p(-q) / b),
    isf=lambda q, b: np.exp(-np.log(q) / b),
    entropy=lambda b: 1 + 1 / b - np.log(b),
    mean=_pareto_mean,
    var=_pareto_var,
)
