"""Points at which distributions are compared with SciPy's: shape parameters, and quantities in both tails."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.scipy.stats.continuous import Continuous
from functad.scipy.stats.discrete import Discrete
from functad.scipy.stats.distribution import DECLARED, Distribution

UNIVARIATE: dict[str, Distribution] = {d.name: d for d in DECLARED.values() if isinstance(d, Continuous | Discrete)}

SHAPES: dict[str, list[tuple[float, ...]]] = {
    "bernoulli": [(0.3,), (1e-5,)],
    "beta": [(0.5, 2.5), (3.0, 1.0), (40.0, 70.0)],
    "betabinom": [(12, 0.7, 2.5), (40, 6.0, 3.0)],
    "binom": [(10, 0.3), (500, 1e-3)],
    "chi2": [(1.0,), (5.5,), (200.0,)],
    "exponnorm": [(0.5,), (3.0,)],
    "f": [(3.0, 7.5), (12.0, 4.5)],
    "gamma": [(0.4,), (3.0,), (300.0,)],
    "genextreme": [(0.3,), (-0.2,)],
    "geom": [(0.3,), (1e-4,)],
    "hypergeom": [(40, 12, 15), (30, 20, 18)],
    "invgamma": [(2.5,), (0.7,), (50.0,)],
    "loggamma": [(0.6,), (4.0,)],
    "lognorm": [(0.5,), (2.0,)],
    "nbinom": [(5, 0.4), (0.7, 0.05)],
    "pareto": [(0.8,), (2.5,)],
    "poisson": [(0.2,), (30.0,)],
    "skewnorm": [(-2.0,), (4.0,)],
    "t": [(0.8,), (3.5,), (150.0,)],
    "truncnorm": [(-1.0, 2.5), (3.0, 5.0), (-9.0, -6.5), (-0.5, np.inf)],
    "vonmises": [(0.3,), (25.0,)],
    "weibull_max": [(0.7,), (2.5,)],
    "weibull_min": [(0.7,), (2.5,)],
}
"""Of those that have any."""

QUANTILES = np.array([1e-12, 1e-6, 1e-3, 0.02, 0.2, 0.5, 0.7, 0.97, 0.999, 1 - 1e-9])
PROBABILITIES = np.array([-0.1, 0.0, 1e-200, 1e-10, 1e-3, 0.25, 0.5, 0.75, 0.999, 1.0, 1.1, np.nan])


def shapes_of(name: str) -> list[tuple[float, ...]]:
    return SHAPES.get(name, [()])


def points_of(distribution: Distribution, shapes: tuple[float, ...]) -> Any:
    """Points across the support, at its bounds, in its tails, and outside."""
    scipy = distribution.scipy
    with np.errstate(all="ignore"):
        inner = scipy.ppf(QUANTILES, *shapes)
        low, high = scipy.support(*shapes)
    inner = inner[np.isfinite(inner)]
    width = np.ptp(inner) + 1.0
    points = [*inner, inner[0] - 2 * width, inner[-1] + 2 * width, inner[-1] + 0.5, np.nan]
    points += [b for b in (low, high) if np.isfinite(b)]
    if isinstance(distribution, Discrete):
        points += [low + 1, low + 2, low + 3]
    return np.unique(points)
