"""Distributions made of the gamma function: gamma, chi-squared, inverse gamma, log-gamma."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sc
from scipy import stats as sp

import functad.scipy.special  # declares what stands for SciPy's functions
from functad.numpy.indexing import where
from functad.scipy.stats.continuous import continuous

__all__ = ["chi2", "gamma", "invgamma", "loggamma"]

LN2 = math.log(2)

LARGE = 250.0
"""From here on five terms of an asymptotic series have all digits."""


def _gamma_entropy(a: Any) -> Any:
    """a + log gamma(a) + (1 - a) psi(a), whose terms cancel for large a: a series there."""
    large = a > LARGE
    b, i = where(large, 1.0, a), 1 / where(large, a, 1.0)
    series = i * (-1 / 3 + i * (-1 / 12 + i * (-1 / 90 + i * (1 / 120))))
    asymptotic = 0.5 * (math.log(2 * math.pi) + 1 - np.log(i)) + series
    return where(large, asymptotic, b + sc.gammaln(b) + (1 - b) * sc.psi(b))


gamma = continuous(
    sp.gamma,
    valid=lambda a: a > 0,
    support=(0.0, math.inf),
    logpdf=lambda z, a: sc.xlogy(a - 1, z) - z - sc.gammaln(a),
    cdf=lambda z, a: sc.gammainc(a, z),
    sf=lambda z, a: sc.gammaincc(a, z),
    ppf=lambda q, a: sc.gammaincinv(a, q),
    isf=lambda q, a: sc.gammainccinv(a, q),
    entropy=_gamma_entropy,
    mean=lambda a: a,
    var=lambda a: a,
)

chi2 = continuous(
    sp.chi2,
    valid=lambda df: df > 0,
    support=(0.0, math.inf),
    logpdf=lambda z, df: sc.xlogy(0.5 * df - 1, z) - 0.5 * z - sc.gammaln(0.5 * df) - 0.5 * LN2 * df,
    cdf=lambda z, df: sc.gammainc(0.5 * df, 0.5 * z),
    sf=lambda z, df: sc.gammaincc(0.5 * df, 0.5 * z),
    ppf=lambda q, df: 2 * sc.gammaincinv(0.5 * df, q),
    isf=lambda q, df: 2 * sc.gammainccinv(0.5 * df, q),
    entropy=lambda df: _gamma_entropy(0.5 * df) + LN2,
    mean=lambda df: df,
    var=lambda df: 2 * df,
)


def _inverse_mean(a: Any) -> Any:
    finite = a > 1
    return where(finite, 1 / (where(finite, a, 2.0) - 1), math.inf)


def _inverse_var(a: Any) -> Any:
    finite = a > 2
    a = where(finite, a, 3.0)
    return where(finite, 1 / ((a - 1) ** 2 * (a - 2)), math.inf)


invgamma = continuous(
    sp.invgamma,
    valid=lambda a: a > 0,
    support=(0.0, math.inf),
    opened=True,
    logpdf=lambda z, a: -(a + 1) * np.log(z) - sc.gammaln(a) - 1 / z,
    cdf=lambda z, a: sc.gammaincc(a, 1 / z),
    sf=lambda z, a: sc.gammainc(a, 1 / z),
    ppf=lambda q, a: 1 / sc.gammainccinv(a, q),
    isf=lambda q, a: 1 / sc.gammaincinv(a, q),
    entropy=lambda a: _gamma_entropy(a) - 2 * sc.psi(a),
    mean=_inverse_mean,
    var=_inverse_var,
)

loggamma = continuous(
    sp.loggamma,
    valid=lambda c: c > 0,
    inside=0.0,
    logpdf=lambda z, c: c * z - np.exp(z) - sc.gammaln(c),
    cdf=lambda z, c: sc.gammainc(c, np.exp(z)),
    sf=lambda z, c: sc.gammaincc(c, np.exp(z)),
    ppf=lambda q, c: np.log(sc.gammaincinv(c, q)),
    isf=lambda q, c: np.log(sc.gammainccinv(c, q)),
    entropy=lambda c: sc.gammaln(c) + c - c * sc.psi(c),
    mean=sc.psi,
    var=lambda c: functad.scipy.special.polygamma(1, c),
)
