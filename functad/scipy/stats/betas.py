"""Distributions made of the beta function: beta, Student's t, Fisher's F."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sc
from scipy import stats as sp

import functad.scipy.special  # noqa: F401  declares what stands for SciPy's functions
from functad.numpy.indexing import where
from functad.primitives.beta import polygamma_difference
from functad.scipy.stats.continuous import continuous

__all__ = ["beta", "f", "t"]


def _rise(x: Any, h: Any) -> Any:
    """psi(x + h) - psi(x)."""
    return polygamma_difference(x, h, 0)


beta = continuous(
    sp.beta,
    valid=lambda a, b: (a > 0) & (b > 0),
    support=(0.0, 1.0),
    inside=0.5,
    logpdf=lambda z, a, b: sc.xlog1py(b - 1, -z) + sc.xlogy(a - 1, z) - sc.betaln(a, b),
    cdf=lambda z, a, b: sc.betainc(a, b, z),
    sf=lambda z, a, b: sc.betaincc(a, b, z),
    ppf=lambda q, a, b: sc.betaincinv(a, b, q),
    isf=lambda q, a, b: sc.betainccinv(a, b, q),
    entropy=lambda a, b: sc.betaln(a, b) + (a - 1) * _rise(a, b) + (b - 1) * _rise(b, a),
    mean=lambda a, b: a / (a + b),
    var=lambda a, b: a * b / ((a + b) ** 2 * (a + b + 1)),
)

# -- Student's t -------------------------------------------------------------------------------------------------------


def _t_var(df: Any) -> Any:
    finite = df > 2
    var = 1 + 2 / (where(finite, df, 3.0) - 2)
    return where(finite, var, where(df > 1, math.inf, math.nan))


t = continuous(
    sp.t,
    valid=lambda df: df > 0,
    symmetric=True,
    logpdf=lambda z, df: -0.5 * (df + 1) * np.log1p(z * z / df) - 0.5 * np.log(df) - sc.betaln(0.5 * df, 0.5),
    cdf=lambda z, df: sc.stdtr(df, z),
    ppf=lambda q, df: sc.stdtrit(df, q),
    entropy=lambda df: 0.5 * (df + 1) * _rise(0.5 * df, 0.5) + 0.5 * np.log(df) + sc.betaln(0.5 * df, 0.5),
    mean=lambda df: where(df > 1, 0.0, math.inf),
    var=_t_var,
    median=lambda df: 0.0,
)

# -- Fisher's F --------------------------------------------------------------------------------------------------------


def _f_logpdf(z: Any, n: Any, m: Any) -> Any:
    ratio = n / m
    terms = 0.5 * n * np.log(ratio) - 0.5 * (n + m) * np.log1p(ratio * z) - sc.betaln(0.5 * n, 0.5 * m)
    return terms + sc.xlogy(0.5 * n - 1, z)


def _share(z: Any, n: Any, m: Any) -> Any:
    """n z / (m + n z)."""
    return n * z / (m + n * z)


def _rest(z: Any, n: Any, m: Any) -> Any:
    return m / (m + n * z)


def _f_quantile(share: Any, rest: Any, n: Any, m: Any) -> Any:
    return m * share / (n * rest)


def _f_mean(n: Any, m: Any) -> Any:
    finite = m > 2
    m = where(finite, m, 3.0)
    return where(finite, m / (m - 2), math.inf)


def _f_var(n: Any, m: Any) -> Any:
    finite = m > 4
    m = where(finite, m, 5.0)
    return where(finite, 2 * m * m * (n + m - 2) / (n * (m - 2) ** 2 * (m - 4)), math.inf)


def _f_entropy(n: Any, m: Any) -> Any:
    a, b = 0.5 * n, 0.5 * m
    return np.log(m / n) + sc.betaln(a, b) + (a - 1) * _rise(a, b) + (b + 1) * _rise(b, a)


f = continuous(
    sp.f,
    valid=lambda n, m: (n > 0) & (m > 0),
    support=(0.0, math.inf),
    logpdf=_f_logpdf,
    cdf=lambda z, n, m: sc.betainc(0.5 * n, 0.5 * m, _share(z, n, m)),
    sf=lambda z, n, m: sc.betainc(0.5 * m, 0.5 * n, _rest(z, n, m)),
    ppf=lambda q, n, m: _f_quantile(sc.betaincinv(0.5 * n, 0.5 * m, q), sc.betainccinv(0.5 * m, 0.5 * n, q), n, m),
    isf=lambda q, n, m: _f_quantile(sc.betainccinv(0.5 * n, 0.5 * m, q), sc.betaincinv(0.5 * m, 0.5 * n, q), n, m),
    entropy=_f_entropy,
    mean=_f_mean,
    var=_f_var,
)
