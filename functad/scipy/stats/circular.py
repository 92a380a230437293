"""The distribution of von Mises, of angles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sc
from scipy import stats as sp

import functad.scipy.special  # noqa: F401  declares what stands for SciPy's functions
from functad.numpy.indexing import where
from functad.primitives.scipy_special.circular import vonmises_moment
from functad.scipy.stats.continuous import continuous
from functad.scipy.stats.forms import broadcast

__all__ = ["vonmises"]

lower = broadcast(vonmises_moment)
LOG_2PI = math.log(2 * math.pi)


def _logpdf(z: Any, kappa: Any) -> Any:
    """kappa cos z - log(2 pi I0(kappa)), of which kappa is taken away on both sides."""
    half = np.sin(0.5 * z)
    return -2 * kappa * (half * half) - LOG_2PI - np.log(sc.i0e(kappa))


def _entropy(kappa: Any) -> Any:
    return kappa * (1 - sc.i1e(kappa) / sc.i0e(kappa)) + LOG_2PI + np.log(sc.i0e(kappa))


def _below(z: Any, kappa: Any, sign: int) -> Any:
    """What lies on one side of z: with each turn, 1 more."""
    turns = np.rint(z / (2 * math.pi))
    x = (z - turns * (2 * math.pi)) * sign
    left = x <= 0
    mass = lower(np.minimum(where(left, -x, x), math.pi), kappa)
    return where(left, mass, 1 - mass) + turns * sign


vonmises = continuous(
    sp.vonmises,
    valid=lambda kappa: kappa >= 0,
    logpdf=_logpdf,
    cdf=lambda z, kappa: _below(z, kappa, 1),
    sf=lambda z, kappa: _below(z, kappa, -1),
    entropy=_entropy,
)
