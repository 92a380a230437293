"""The distribution of von Mises, of angles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sc
from scipy import stats as sp

import functad.scipy.special  # noqa: F401  declares what stands for SciPy's functions
from functad.scipy.stats.continuous import continuous

__all__ = ["vonmises"]

LOG_2PI = math.log(2 * math.pi)


def _logpdf(z: Any, kappa: Any) -> Any:
    """kappa cos z - log(2 pi I0(kappa)), of which kappa is taken away on both sides."""
    half = np.sin(0.5 * z)
    return -2 * kappa * (half * half) - LOG_2PI - np.log(sc.i0e(kappa))


def _entropy(kappa: Any) -> Any:
    return kappa * (1 - sc.i1e(kappa) / sc.i0e(kappa)) + LOG_2PI + np.log(sc.i0e(kappa))


vonmises = continuous(sp.vonmises, valid=lambda kappa: kappa >= 0, logpdf=_logpdf, entropy=_entropy)
