"""A client: parametric survival models fitted by SciPy's optimiser with functad's gradients and Hessians."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

import functad as fd
from tests.clients import survival
from tests.clients.freireich import observations

DATA = observations()

exact, intervals = survival.negative_log_likelihood, survival.negative_log_likelihood_of_intervals

FITS = {
    "exponential": (survival.EXPONENTIAL, exact),
    "weibull": (survival.WEIBULL, exact),
    "log-normal": (survival.LOG_NORMAL, exact),
    "log-logistic": (survival.LOG_LOGISTIC, exact),
    "gamma": (survival.GAMMA, exact),
    "generalised gamma": (survival.GENERALISED_GAMMA, exact),
    "exponentiated weibull": (survival.EXPONENTIATED_WEIBULL, exact),
    "log-t": (survival.LOG_T, exact),
    "frechet": (survival.FRECHET, exact),
    "gompertz": (survival.GOMPERTZ, exact),
    "piecewise exponential": (survival.PIECEWISE_EXPONENTIAL, exact),
    "rayleigh with frailty": (survival.FRAILTY, exact),
    "weibull with cure": (survival.CURE, exact),
    "weibull, intervals": (survival.WEIBULL, intervals),
    "log-logistic, intervals": (survival.LOG_LOGISTIC, intervals),
}

REFERENCES = {}
"""Parameters at the maximum, the least negative log-likelihood, and standard errors, as ``survival_references.py``
finds them in mpmath, without derivatives.
"""


def fitted(name, wrap):
    """Parameters, value, and standard errors."""
    model, loss = FITS[name]
    value = wrap(fd.value_and_grad(lambda theta: loss(model, theta, DATA)))
    curvature = wrap(fd.hessian(lambda theta: loss(model, theta, DATA)))
    found = minimize(value, np.array(model.start), jac=True, hess=curvature, method="trust-exact", tol=1e-9)
    return found.x, found.fun, np.sqrt(np.diag(np.linalg.inv(curvature(found.x))))


def check(name, found):
    for x, expected in zip(found, REFERENCES[name], strict=True):
        np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.one_in(5)
@pytest.mark.parametrize("name", FITS)
def test_fits(name):
    """Six digits of parameters and of their standard errors are those of mpmath."""
    check(name, fitted(name, fd.jit))


@pytest.mark.one_in(5)
@pytest.mark.parametrize("name", reversed(FITS))
def test_fits_without_jit(name):
    check(name, fitted(name, lambda f: f))


def test_rates_are_events_by_time():
    """The exponential model is solved by hand."""
    (b0, b1), _, _ = fitted("exponential", lambda f: f)
    for treated, scale in ((0.0, np.exp(b0)), (1.0, np.exp(b0 + b1))):
        own = treated == DATA.treated
        np.testing.assert_allclose(1 / scale, np.sum(DATA.seen[own]) / np.sum(DATA.time[own]), rtol=1e-8)
