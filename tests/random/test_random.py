"""Random numbers: JAX's, from the same keys; their distributions; under transforms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

import functad as fd
from functad import random
from functad.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError

# What jax.random gives, version 0.10.2 with 64 bits and jax_threefry_partitionable, for PRNGKey(-123456789012345).
PUBLISHED = {
    "key": [4294938551, 2045911175],
    "split": [[[3826992254, 67354533], [4280028181, 1212961769]], [[2932841438, 3648764250], [4181907859, 654532824]]],
    "fold_in": [710587913, 3589827386],
    "bits uint8": [[219, 252], [132, 75]],
    "bits uint16": [[64475, 24572], [8836, 47435]],
    "bits uint32": [[3759733723, 3075497980], [2008294020, 3728849227]],
    "bits uint64": [[16436806573042679717, 18382581064566330345], [12596458064212375898, 17961157489944912088]],
    "uniform": [[0.8910410697608444, 0.9965217163046856], [0.6828553599420804, 0.9736762985476282]],
    "uniform float32": [0.8753811120986938, 0.7160700559616089, 0.46759235858917236],
    "uniform between": [0.6731232092825332, 1.9860868652187422, 1.4142767997104018],
    "normal": [1.232083590544758, 2.6989162818726213, 0.4756983731431306, 1.937801842499805],
    "normal float32": [1.1522029638290405, 0.5712063312530518, -0.08132337778806686],
    "truncated_normal": [1.2162580123089752, 1.9498426825402175, 0.5758359784730064],
    "exponential": [2.216784254551712, 5.661216297856035, 1.1483973313826763],
    "laplace": [-1.523637073991767, -4.968069117296106, -0.4552501508227308],
    "logistic": [2.1014194959857697, 5.657731950868004, 0.7669251178638383],
    "gumbel": [2.1596563565914746, 5.659474630223382, 0.9637172657232159],
    "cauchy": [2.806372028032771, 91.50984925027126, 0.6472748045572896],
    "integers": [172543218030, 989035787302, 898974773041, 333547955385],
    "integers int32": [557, 61, 999, 141],
    "bernoulli": [False, False, False, False, False],
    "rademacher": [-1, -1, -1, -1, -1],
    "categorical": [[1, 0], [2, 1], [0, 1], [0, 0]],
}  # fmt: skip
KEY = random.key(-123456789012345)

OURS = {
    "key": lambda k: k,
    "split": lambda k: random.split(k, (2, 2)),
    "fold_in": lambda k: random.fold_in(k, 2**31 - 1),
    **{f"bits {d}": lambda k, d=d: random.bits(k, (2, 2), d) for d in ("uint8", "uint16", "uint32", "uint64")},
    "uniform": lambda k: random.uniform(k, (2, 2)),
    "uniform float32": lambda k: random.uniform(k, 3, np.float32),
    "uniform between": lambda k: random.uniform(k, (3,), minval=-2.0, maxval=np.array([1.0, 2.0, 3.0])),
    "normal": lambda k: random.normal(k, (4,)),
    "normal float32": lambda k: random.normal(k, (3,), np.float32),
    "truncated_normal": lambda k: random.truncated_normal(k, -1.0, 2.0, (3,)),
    **{
        n: lambda k, n=n: getattr(random, n)(k, (3,))
        for n in ("exponential", "laplace", "logistic", "gumbel", "cauchy")
    },
    "integers": lambda k: random.integers(k, -5, 10**12, (4,)),
    "integers int32": lambda k: random.integers(k, -5, 1000, (4,), np.int32),
    "bernoulli": lambda k: random.bernoulli(k, 0.3, (5,)),
    "rademacher": lambda k: random.rademacher(k, (5,)),
    "categorical": lambda k: random.categorical(k, np.array([[0.1, 0.2, 0.3], [1.0, 0.0, -1.0]]), shape=(4, 2)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_jax_gives(name):
    found = OURS[name](KEY)
    if found.dtype.kind in "uib" or name in ("uniform", "uniform float32"):
        np.testing.assert_array_equal(found, np.array(PUBLISHED[name], found.dtype))
    else:  # XLA contracts, and has elementary functions of its own
        np.testing.assert_allclose(found, PUBLISHED[name], rtol=1e-14 if found.dtype == np.float64 else 1e-6)


@pytest.mark.parametrize("name", OURS)
def test_under_jit_and_in_the_evaluator(name):
    expected = OURS[name](KEY)
    np.testing.assert_array_equal(fd.jit(OURS[name])(KEY), expected)
    with fd.config.backend("evaluator"):
        np.testing.assert_allclose(OURS[name](KEY), expected, rtol=1e-6 if expected.dtype == np.float32 else 1e-13)


DISTRIBUTIONS = {
    "uniform": (lambda k, n: random.uniform(k, n, minval=-1, maxval=3), scipy.stats.uniform(-1, 4)),
    "normal": (random.normal, scipy.stats.norm),
    "truncated_normal": (lambda k, n: random.truncated_normal(k, 1.0, 3.0, n), scipy.stats.truncnorm(1.0, 3.0)),
    "exponential": (random.exponential, scipy.stats.expon),
    "laplace": (random.laplace, scipy.stats.laplace),
    "logistic": (random.logistic, scipy.stats.logistic),
    "gumbel": (random.gumbel, scipy.stats.gumbel_r),
    "cauchy": (random.cauchy, scipy.stats.cauchy),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name):
    """By the test of Kolmogorov and Smirnov: one in a thousand keys would fail it."""
    draw, distribution = DISTRIBUTIONS[name]
    assert scipy.stats.kstest(draw(random.key(3), 20_000), distribution.cdf).pvalue > 1e-3


def test_integers_of_every_width():
    for dtype in (np.int32, np.int64, np.uint32, np.uint64):
        info = np.iinfo(dtype)
        x = random.integers(KEY, info.min, info.max, (10_000,), dtype)
        assert x.dtype == dtype and abs(x.astype(float).mean() / info.max - (info.min + info.max) / 2 / info.max) < 0.03
    counts = np.bincount(random.integers(KEY, 6, shape=60_000), minlength=6)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    assert random.integers(KEY, 3, 3) == 3  # as JAX: nothing to choose from


def test_maps_loops_and_shapes():
    keys = random.split(KEY, 5)
    mapped = fd.vmap(lambda k: random.normal(k, (3,)))(keys)
    np.testing.assert_array_equal(mapped, [random.normal(k, (3,)) for k in keys])

    @fd.jit
    def walk(k, n):
        x = 0.0
        for i in range(n):
            x = x + random.normal(random.fold_in(k, i))
        return x

    np.testing.assert_allclose(walk(KEY, 200), sum([random.normal(random.fold_in(KEY, i)) for i in range(200)]))
    assert random.normal(KEY, (0, 3)).shape == (0, 3) and random.bits(KEY).shape == ()
    # a number depends on its place alone
    np.testing.assert_array_equal(random.bits(KEY, 7), random.bits(KEY, (3, 5)).ravel()[:7])


def test_derivatives_in_parameters():
    """Of what a draw is computed from: location and scale, and bounds."""

    def loss(mean, scale):
        return np.mean((mean + scale * random.normal(KEY, (50,))) ** 2)

    x = random.normal(KEY, (50,))
    for f in (fd.grad(loss, (0, 1)), fd.jit(fd.grad(loss, (0, 1)))):
        np.testing.assert_allclose(f(0.5, 2.0), (np.mean(2 * (0.5 + 2 * x)), np.mean(2 * (0.5 + 2 * x) * x)))
    top = fd.grad(lambda b: np.sum(random.uniform(KEY, 4, maxval=b)))(2.0)
    np.testing.assert_allclose(top, np.sum(random.uniform(KEY, 4)))
    bound = fd.grad(lambda a: np.sum(random.truncated_normal(KEY, a, 1.0, 4)))
    h = 1e-6
    two = [np.sum(random.truncated_normal(KEY, -0.5 + s * h, 1.0, 4)) for s in (1, -1)]
    np.testing.assert_allclose(bound(-0.5), (two[0] - two[1]) / (2 * h), rtol=1e-7)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: random.normal(3), DtypeError, r"random.normal at .*: the first argument must be a key, of functad"),
        (
            lambda: random.bits(random.split(KEY)),
            ShapeError,
            r"a key has shape .*got shape .*; use keys",
        ),
        (lambda: random.key(1.5), ArgumentError, "the seed must be an integer, got .* dtype float64"),
        (lambda: random.uniform(KEY, (2.5,)), ArgumentError, "a shape is a tuple of integers"),
        (lambda: random.uniform(KEY, (-1,)), ArgumentError, "no negative lengths"),
        (lambda: random.uniform(KEY, dtype=int), DtypeError, "must be float64 or float32, got int64"),
        (lambda: random.bits(KEY, (), int), DtypeError, "must be an unsigned integer's"),
        (lambda: random.integers(KEY, 0.5), DtypeError, "the bounds must be integers, got int64 and float64"),
        (lambda: random.integers(KEY, 5, dtype=np.int8), DtypeError, "32 or 64 bits"),
        (lambda: random.categorical(KEY, 1.0), ArgumentError, "an axis of categories"),
        (lambda: random.bits(KEY, 2**32), ArgumentError, r"at most 2\*\*32 numbers from one key"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_numpys_generators_in_compiled_functions():
    generator = np.random.default_rng(0)
    with pytest.raises(UnsupportedError, match="draw with functad.random, from a key that is an argument"):
        fd.jit(lambda x: x * generator.normal())(1.0)
    with fd.config.frozen_random(True):
        f = fd.jit(lambda x: x * generator.normal())
        assert f(1.0) == f(1.0)
