"""Gamma variates and what is made of them: distributions, derivatives, transforms."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp
import scipy.stats

import functad as fd
from functad import random
from functad.random.quantiles import log_quantile_slope

KEY = random.key(7)
COUNT = 20_000
SHAPES = np.array([0.02, 0.4, 1.0, 3.0, 200.0])


def test_distributions():
    """By the test of Kolmogorov and Smirnov: one in a thousand keys would fail it."""
    draws = random.loggamma(KEY, SHAPES, (COUNT, len(SHAPES)))
    for x, a in zip(draws.T, SHAPES):
        # small draws underflow, but their logarithms do not: P(a, x) = x^a / gamma(a + 1) there
        probability = np.where(x < -600, np.exp(a * np.maximum(x, -1e6) - sp.gammaln(a + 1)), sp.gammainc(a, np.exp(x)))
        assert scipy.stats.kstest(probability, "uniform").pvalue > 1e-3


MADE = {
    "beta": (lambda k: random.beta(k, 0.5, 2.0, (COUNT,)), scipy.stats.beta(0.5, 2)),
    "chisquare": (lambda k: random.chisquare(k, 3, (COUNT,)), scipy.stats.chi2(3)),
    "t": (lambda k: random.t(k, 2.5, (COUNT,)), scipy.stats.t(2.5)),
    "f": (lambda k: random.f(k, 3.0, 7.0, (COUNT,)), scipy.stats.f(3, 7)),
    "dirichlet": (
        lambda k: random.dirichlet(k, np.array([0.5, 1.5, 2.0]), (COUNT,))[:, 1], scipy.stats.beta(1.5, 2.5)
    ),
}  # fmt: skip


@pytest.mark.deep
@pytest.mark.parametrize("name", MADE)
def test_what_is_made_of_them(name):
    draw, distribution = MADE[name]
    assert scipy.stats.kstest(draw(KEY), distribution.cdf).pvalue > 1e-3


def quantile_slope(a, y):
    """-(dF/da) / (dF/dlog x), by mpmath."""
    with mp.workdps(50):
        a, x, h = mp.mpf(a), mp.exp(y), mp.mpf(10) ** -16

        def tail(b):  # the smaller one, which keeps its digits
            if x <= a:
                return mp.gammainc(b, 0, x, regularized=True)
            return -mp.gammainc(b, x, mp.inf, regularized=True)

        return float(-(tail(a + h) - tail(a - h)) / (2 * h) / mp.exp(a * y - x - mp.loggamma(a)))


def test_slopes_of_quantiles():
    shapes, chances = np.array([1e-3, 0.3, 1.0, 2.5, 40.0, 1e4]), np.array([1e-6, 0.1, 0.5, 0.95, 1 - 1e-9])
    a, u = (x.ravel() for x in np.meshgrid(shapes, chances))
    x = sp.gammaincinv(a, u)
    y = np.where(x > 1e-300, np.log(np.maximum(x, 1e-300)), (np.log(u) + sp.gammaln(a + 1)) / a)
    expected = [quantile_slope(*pair) for pair in zip(a, y)]
    np.testing.assert_allclose(log_quantile_slope(a, y), expected, rtol=1e-12)
    # how the quantile itself moves
    h = 1e-5
    moved = (np.log(sp.gammaincinv(2.5 + h, 0.3)) - np.log(sp.gammaincinv(2.5 - h, 0.3))) / (2 * h)
    np.testing.assert_allclose(log_quantile_slope(np.float64(2.5), np.log(sp.gammaincinv(2.5, 0.3))), moved, rtol=1e-9)


@pytest.mark.parametrize("wrap", [lambda f: f, pytest.param(fd.jit, marks=pytest.mark.deep)], ids=["plain", "jit"])
def test_derivatives_follow_quantiles(wrap):
    """With the key fixed, a draw is a quantile of its distribution, at a level that does not depend on the shape."""
    a, h = 1.7, 1e-4
    x = random.gamma(KEY, a)
    level = sp.gammainc(a, x)
    near = [sp.gammaincinv(a + s * h, level) for s in (-1, 1)]
    gradient = wrap(fd.grad(lambda a: random.gamma(KEY, a)))
    np.testing.assert_allclose(gradient(a), (near[1] - near[0]) / (2 * h), rtol=1e-7)
    if wrap is fd.jit:
        curvature = wrap(fd.grad(fd.grad(lambda a: random.gamma(KEY, a))))
        np.testing.assert_allclose(curvature(a), (near[1] - 2 * x + near[0]) / h**2, rtol=1e-5)


@pytest.mark.deep
def test_gradients_of_expectations():
    """Of moments, whose derivatives are known; to five standard errors."""

    def check(f, at, expected, tolerance):
        np.testing.assert_allclose(fd.jit(fd.grad(f))(at), expected, atol=tolerance)

    def mean(x):
        return np.mean(x)

    n = (200_000,)
    for a in (0.3, 2.0, 30.0):
        check(lambda a: mean(random.gamma(KEY, a, n)), a, 1.0, 0.02)
        check(lambda a: mean(random.loggamma(KEY, a, n)), a, sp.polygamma(1, a), 0.03 * sp.polygamma(1, a))
    check(lambda a: mean(random.beta(KEY, a, 3.0, n)), 2.0, 3 / 25, 0.002)
    check(lambda b: mean(random.beta(KEY, 2.0, b, n)), 3.0, -2 / 25, 0.002)
    check(lambda df: mean(random.t(KEY, df, n) ** 2), 12.0, -2 / 100, 0.002)
    check(lambda a: mean(random.dirichlet(KEY, a, n)[:, 0]), np.array([1.0, 2.0, 3.0]),
          [5 / 36, -1 / 36, -1 / 36], 0.002)  # fmt: skip
    second = fd.jit(fd.grad(fd.grad(lambda a: mean(random.gamma(KEY, a, n) ** 2))))
    np.testing.assert_allclose(second(2.0), 2.0, atol=0.1)  # of a (a + 1)


def test_wald():
    """The derivative of a draw is that of its quantile, whichever root was taken."""
    mean, h = 0.7, 1e-5
    x = random.wald(KEY, mean, (6,))
    levels = scipy.stats.invgauss.cdf(x, mean)
    near = [scipy.stats.invgauss.ppf(levels, mean + s * h) for s in (-1, 1)]
    found = fd.jacobian(lambda m: random.wald(KEY, m, (6,)))(mean)
    np.testing.assert_allclose(found, (near[1] - near[0]) / (2 * h), rtol=1e-6)


def test_corners_and_dtypes():
    with fd.config.backend("evaluator"):
        corners()


def corners():
    x = random.gamma(KEY, np.array([0.0, -1.0, np.nan, np.inf, 2.0]))
    assert x[0] == 0 and np.isnan(x[1:3]).all() and x[3] == np.inf and 0 < x[4] < 20
    # a place draws the same, whatever is drawn beside it; in single precision, the same, rounded
    same = random.gamma(KEY, np.full(5, 2.0), dtype=np.float32)
    assert same.dtype == np.float32 and same[4] == np.float32(x[4])
    assert random.gamma(KEY, 1.0, (0, 3)).shape == (0, 3) and random.gamma(KEY, 2.0).shape == ()
    np.testing.assert_allclose(np.sum(random.dirichlet(KEY, np.full(3, 1e-4), (2,)), -1), 1.0)


@pytest.mark.deep
def test_maps():
    """vmap over keys gives what a loop over keys gives."""
    keys = random.split(KEY, 4)
    expected = np.stack([random.gamma(k, SHAPES) for k in keys])
    np.testing.assert_array_equal(fd.jit(fd.vmap(lambda k: random.gamma(k, SHAPES)))(keys), expected)
