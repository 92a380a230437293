"""Counts: Poisson, binomial, negative binomial, multinomial."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

import functad as fd
from functad import random
from functad.errors import ArgumentError

KEY = random.key(11)
COUNT = 20_000
MEANS = np.array([0.0, 0.4, 6.0, 10.0, 300.0])


def agrees(counts, distribution):
    """Pearson's test of the numbers of draws in some hundred bins at most: one in a thousand keys would fail it."""
    edges = np.unique(distribution.ppf(np.linspace(0.002, 0.998, 100)))
    bins = np.searchsorted(edges, counts)
    expected = np.diff([0, *distribution.cdf(edges), 1]) * len(counts)
    kept = expected > 5
    found = np.bincount(bins, minlength=len(edges) + 1)
    assert found[~kept].sum() <= expected[~kept].sum() + 20
    total = found[kept].sum() / expected[kept].sum()
    assert kept.sum() < 2 or scipy.stats.chisquare(found[kept], expected[kept] * total).pvalue > 1e-3


def test_poisson():
    x = random.poisson(KEY, MEANS, (COUNT, len(MEANS)))
    assert x.dtype == np.int64 and not x[:, 0].any()
    for column, mean in zip(x.T[1:], MEANS[1:]):
        agrees(column, scipy.stats.poisson(mean))
    large = random.poisson(KEY, 1e15, (COUNT, len(MEANS))) - 1e15  # of the shape that has been compiled
    assert abs(large.mean()) < 1e6 and abs(large.std() / np.sqrt(1e15) - 1) < 0.02


TRIALS = np.array([[5, 0.3], [40, 0.4], [50, 0.95], [3000, 0.6], [10, 0.0], [10, 1.0], [0, 0.5]])


@pytest.mark.deep
def test_binomial():
    n, p = TRIALS.T
    x = random.binomial(KEY, n, p, (COUNT, len(n)))
    assert x.dtype == np.int64 and np.all((x >= 0) & (x <= n))
    assert not x[:, 4].any() and np.all(x[:, 5] == 10)
    for column, trials, chance in zip(x.T[:4], n, p):
        agrees(column, scipy.stats.binom(int(trials), chance))


@pytest.mark.deep
def test_what_is_made_of_them():
    agrees(random.negative_binomial(KEY, 2.5, 0.3, (COUNT,)), scipy.stats.nbinom(2.5, 0.3))
    p = np.array([0.2, 0.5, 0.0, 0.3])
    x = random.multinomial(KEY, 300, p, shape=(COUNT, 4))
    assert np.all(x.sum(axis=1) == 300) and not x[:, 2].any()
    for column, chance in zip(x.T, p):
        agrees(column, scipy.stats.binom(300, chance))
    covariance = 300 * (np.diag(p) - np.outer(p, p))
    np.testing.assert_allclose(np.cov(x.T), covariance, atol=3.0)
    assert random.multinomial(KEY, np.array([3, 10]), p).sum(axis=-1).tolist() == [3, 10]
    keys = random.split(KEY, 3)
    mapped = fd.vmap(lambda k: random.multinomial(k, 20, p))(keys)
    np.testing.assert_array_equal(mapped, [random.multinomial(k, 20, p) for k in keys])


@pytest.mark.deep
def test_maps_and_gradients():
    keys, n = random.split(KEY, 5), np.array([4.0, 300.0])
    for draw in (lambda k: random.poisson(k, n), lambda k: random.binomial(k, n, 0.4)):
        np.testing.assert_array_equal(fd.jit(fd.vmap(draw))(keys), np.stack([draw(k) for k in keys]))
    # counts have no derivative in their parameters, and what they are multiplied by has one
    value = fd.jit(fd.grad(lambda a, m: a * random.poisson(KEY, m), (0, 1)))(2.0, 5.0)
    assert value == (random.poisson(KEY, 5.0), 0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: random.poisson(KEY, MEANS - 1), "random.poisson: a mean must be a number from 0 to 2"),
        (lambda: random.poisson(KEY, np.full(5, np.nan)), "random.poisson: a mean must be a number"),
        (lambda: random.binomial(KEY, TRIALS[:, 0], TRIALS[:, 1] + 0.5), "p one from 0 to 1"),
        (lambda: random.binomial(KEY, -TRIALS[:, 0], TRIALS[:, 1]), "n must be a number from 0 to 2"),
    ],
)
def test_errors(call, message):
    with fd.config.backend("evaluator"), pytest.raises(ArgumentError, match=message):
        call()
