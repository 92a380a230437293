"""A library of parametric survival models, written as users of NumPy and SciPy write one: nothing in it knows functad.

A model says what the logarithms of density and survival function are at a time, for parameters that are any real
numbers, and covariates. Observations are exact, censored on the right, or known to lie in an interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import expit


@dataclass(frozen=True)
class Observations:
    """Times, whether the event was seen then (else later), and a covariate for each subject."""

    time: np.ndarray
    seen: np.ndarray
    treated: np.ndarray


@dataclass(frozen=True)
class Model:
    """A parametric model: ``log_density`` and ``log_survival`` of (parameters, time, covariate)."""

    names: tuple[str, ...]
    start: tuple[float, ...]
    log_density: Callable[..., Any]
    log_survival: Callable[..., Any]


def negative_log_likelihood(model: Model, theta: Any, data: Observations) -> Any:
    """Of exact and right-censored observations."""
    density = model.log_density(theta, data.time, data.treated)
    survival = model.log_survival(theta, data.time, data.treated)
    return -np.sum(np.where(data.seen, density, survival))


def negative_log_likelihood_of_intervals(model: Model, theta: Any, data: Observations) -> Any:
    """Where a time t that was seen says that the event happened after t - 1, and not after t."""
    late = model.log_survival(theta, data.time, data.treated)
    start = np.where(data.seen, data.time - 1, data.time)
    early = np.where(start > 0, model.log_survival(theta, np.where(start > 0, start, 1.0), data.treated), 0.0)
    inside = early + np.log(-np.expm1(np.where(data.seen, late - early, -1.0)))
    return -np.sum(np.where(data.seen, inside, late))


# -- the time is scaled by exp(b0 + b1 x) ------------------------------------------------------------------------------


def scale(theta: Any, x: Any) -> Any:
    return np.exp(theta[0] + theta[1] * x)


EXPONENTIAL = Model(
    ("b0", "b1"),
    (2.0, 0.5),
    lambda p, t, x: stats.expon.logpdf(t, scale=scale(p, x)),
    lambda p, t, x: stats.expon.logsf(t, scale=scale(p, x)),
)

WEIBULL = Model(
    ("b0", "b1", "log k"),
    (2.0, 0.5, 0.0),
    lambda p, t, x: stats.weibull_min.logpdf(t, np.exp(p[2]), scale=scale(p, x)),
    lambda p, t, x: stats.weibull_min.logsf(t, np.exp(p[2]), scale=scale(p, x)),
)

LOG_NORMAL = Model(
    ("b0", "b1", "log s"),
    (2.0, 0.5, 0.0),
    lambda p, t, x: stats.lognorm(np.exp(p[2]), scale=scale(p, x)).logpdf(t),
    lambda p, t, x: stats.lognorm(np.exp(p[2]), scale=scale(p, x)).logsf(t),
)

LOG_LOGISTIC = Model(
    ("b0", "b1", "log s"),
    (2.0, 0.5, 0.0),
    lambda p, t, x: stats.logistic.logpdf(np.log(t), p[0] + p[1] * x, np.exp(p[2])) - np.log(t),
    lambda p, t, x: stats.logistic.logsf(np.log(t), p[0] + p[1] * x, np.exp(p[2])),
)

GAMMA = Model(
    ("b0", "b1", "log a"),
    (2.0, 0.5, 0.0),
    lambda p, t, x: stats.gamma.logpdf(t, a=np.exp(p[2]), scale=scale(p, x)),
    lambda p, t, x: stats.gamma.logsf(t, a=np.exp(p[2]), scale=scale(p, x)),
)


def _powers(p: Any, t: Any, x: Any) -> tuple[Any, Any]:
    power = np.exp(p[3])
    return (t / scale(p, x)) ** power, power


def _generalised_density(p: Any, t: Any, x: Any) -> Any:
    u, power = _powers(p, t, x)
    return stats.gamma.logpdf(u, np.exp(p[2])) + np.log(power * u / t)


GENERALISED_GAMMA = Model(
    ("b0", "b1", "log a", "log power"),
    (2.0, 0.5, 0.0, 0.0),
    _generalised_density,
    lambda p, t, x: stats.gamma.logsf(_powers(p, t, x)[0], np.exp(p[2])),
)


def _exponentiated(p: Any, t: Any, x: Any) -> tuple[Any, Any, Any]:
    return np.exp(p[2]), scale(p, x), np.exp(p[3])


def _exponentiated_density(p: Any, t: Any, x: Any) -> Any:
    k, s, power = _exponentiated(p, t, x)
    lower = stats.weibull_min.logcdf(t, k, scale=s)
    return stats.weibull_min.logpdf(t, k, scale=s) + np.log(power) + (power - 1) * lower


def _exponentiated_survival(p: Any, t: Any, x: Any) -> Any:
    k, s, power = _exponentiated(p, t, x)
    return np.log(-np.expm1(power * stats.weibull_min.logcdf(t, k, scale=s)))


EXPONENTIATED_WEIBULL = Model(
    ("b0", "b1", "log k", "log power"), (2.0, 0.5, 0.0, 0.0), _exponentiated_density, _exponentiated_survival
)


LOG_T = Model(
    ("b0", "b1", "log s"),
    (2.0, 0.5, 0.0),
    lambda p, t, x: stats.t.logpdf(np.log(t), 4, p[0] + p[1] * x, np.exp(p[2])) - np.log(t),
    lambda p, t, x: stats.t.logsf(np.log(t), 4, p[0] + p[1] * x, np.exp(p[2])),
)

FRECHET = Model(
    ("b0", "b1", "log s"),
    (2.0, 0.5, 0.0),
    lambda p, t, x: stats.gumbel_r(p[0] + p[1] * x, np.exp(p[2])).logpdf(np.log(t)) - np.log(t),
    lambda p, t, x: stats.gumbel_r(p[0] + p[1] * x, np.exp(p[2])).logsf(np.log(t)),
)

# -- the hazard is multiplied by exp(b1 x) -----------------------------------------------------------------------------


def proportional(names: tuple[str, ...], start: tuple[float, ...], hazards: Callable[..., Any]) -> Model:
    """A model by its hazard and cumulated hazard."""

    def log_density(p: Any, t: Any, x: Any) -> Any:
        hazard, cumulated = hazards(p, t, x)
        return np.log(hazard) - cumulated

    return Model(names, start, log_density, lambda p, t, x: -hazards(p, t, x)[1])


def _gompertz(p: Any, t: Any, x: Any) -> Any:
    level, rate = np.exp(p[0] + p[1] * x), p[2]
    return level * np.exp(rate * t), level * np.expm1(rate * t) / rate


GOMPERTZ = proportional(("b0", "b1", "rate"), (-2.0, -1.0, 0.05), _gompertz)

CUTS = np.array([0.0, 6.0, 12.0, np.inf])


def _piecewise(p: Any, t: Any, x: Any) -> Any:
    hazard, cumulated = 0.0, 0.0
    for level, start, end in zip(p[1:], CUTS[:-1], CUTS[1:], strict=True):
        own = np.exp(level + p[0] * x)
        hazard = hazard + np.where((start < t) & (t <= end), own, 0.0)
        cumulated = cumulated + own * (np.clip(t, start, end) - start)
    return hazard, cumulated


PIECEWISE_EXPONENTIAL = proportional(("b1", "level 1", "level 2", "level 3"), (-1.0, -2.0, -2.0, -2.0), _piecewise)

# -- subjects differ ---------------------------------------------------------------------------------------------------


def _frail_density(p: Any, t: Any, x: Any) -> Any:
    """The hazard rises as the time, and is multiplied by a gamma variate of mean 1 for each subject."""
    cumulated, variance = (t / scale(p, x)) ** 2, np.exp(p[2])
    return np.log(2 * cumulated / t) - (1 + 1 / variance) * np.log1p(variance * cumulated)


def _frail_survival(p: Any, t: Any, x: Any) -> Any:
    variance = np.exp(p[2])
    return -np.log1p(variance * (t / scale(p, x)) ** 2) / variance


FRAILTY = Model(("b0", "b1", "log variance"), (2.0, 0.5, 0.0), _frail_density, _frail_survival)


def _cure_density(p: Any, t: Any, x: Any) -> Any:
    """Of those treated, some never have the event."""
    return np.log(1 - x * expit(p[3])) + stats.weibull_min.logpdf(t, np.exp(p[2]), scale=scale(p, x))


def _cure_survival(p: Any, t: Any, x: Any) -> Any:
    share = x * expit(p[3])
    return np.log(share + (1 - share) * stats.weibull_min.sf(t, np.exp(p[2]), scale=scale(p, x)))


CURE = Model(("b0", "b1", "log k", "c"), (2.0, 0.5, 0.3, 0.0), _cure_density, _cure_survival)
