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

REFERENCES = {
    "exponential": (
        (2.15948424935, 1.5266135618),
        108.524049537,
        (0.21821789, 0.398409536),
    ),
    "weibull": (
        (2.24835235908, 1.26733458742, 0.311709220931),
        106.579491582,
        (0.165971793, 0.310639936, 0.147291883),
    ),
    "log-normal": (
        (1.82512102015, 1.34684668201, -0.079185230606),
        106.704622354,
        (0.201604696, 0.316497884, 0.132323658),
    ),
    "log-logistic": (
        (1.89269057842, 1.26546338489, -0.604123390761),
        107.66141716,
        (0.207619606, 0.325661258, 0.150122059),
    ),
    "gamma": (
        (1.65655055291, 1.28299712581, 0.502933696444),
        106.441697379,
        (0.287049713, 0.307952121, 0.231516162),
    ),
    "generalised gamma": (
        (0.270374133796, 1.30586291024, 1.19057527323, -0.409453363437),
        106.389486857,
        (6.64751993, 0.319442934, 2.51441338, 1.43426194),
    ),
    "exponentiated weibull": (
        (1.64202391944, 1.29838089378, -0.119684130544, 0.750873125032),
        106.447067991,
        (1.5784086, 0.318815503, 0.865123224, 1.62761219),
    ),
    "log-t": (
        (1.92263070278, 1.22207795944, -0.216105958728),
        108.399342149,
        (0.209132062, 0.329253691, 0.160419145),
    ),
    "frechet": (
        (1.3583149108, 1.42093097776, -0.0419118324676),
        108.633809563,
        (0.218606075, 0.301235586, 0.135615108),
    ),
    "gompertz": (
        (-2.41614234413, -1.72559582752, 0.0357591385345),
        107.608723458,
        (0.295806869, 0.431973745, 0.0257515872),
    ),
    "piecewise exponential": (
        (-1.59227394468, -2.34049296798, -1.97558206068, -1.98613634749),
        108.061292505,
        (0.413762934, 0.300959171, 0.332861076, 0.410170065),
    ),
    "rayleigh with frailty": (
        (1.92532419589, 1.22227432199, -0.0878548660906),
        107.832851223,
        (0.256000133, 0.295464879, 0.607549436),
    ),
    "weibull with cure": (
        (2.27251844028, 0.599812188735, 0.389793157826, -0.43627517978),
        106.048522931,
        (0.155742125, 0.45179044, 0.156638593, 0.802804188),
    ),
    "weibull, intervals": (
        (2.16528355841, 1.38737903045, 0.207803225096),
        106.322486367,
        (0.184503071, 0.347541368, 0.154105958),
    ),
    "log-logistic, intervals": (
        (1.79007174091, 1.38685702406, -0.493536065955),
        107.956096094,
        (0.232130048, 0.363207815, 0.156836215),
    ),
}
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


@pytest.mark.one_in(8)
@pytest.mark.parametrize("name", FITS)
def test_fits(name):
    """Six digits of parameters and of their standard errors are those of mpmath."""
    check(name, fitted(name, fd.jit))


@pytest.mark.one_in(5)
@pytest.mark.parametrize("name", [*reversed(FITS)])
def test_fits_without_jit(name):
    check(name, fitted(name, lambda f: f))


def test_rates_are_events_by_time():
    """The exponential model is solved by hand."""
    (b0, b1), _, _ = fitted("exponential", lambda f: f)
    for treated, scale in ((0.0, np.exp(b0)), (1.0, np.exp(b0 + b1))):
        own = treated == DATA.treated
        np.testing.assert_allclose(1 / scale, np.sum(DATA.seen[own]) / np.sum(DATA.time[own]), rtol=1e-8)
