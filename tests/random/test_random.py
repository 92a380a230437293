"""Random numbers: JAX's, from the same keys; their distributions; under transforms."""

from __future__ import annotations

import random as standard

import numpy as np
import pytest
import scipy.stats

import functad as fd
from functad import random
from functad.errors import ArgumentError, AxisError, DtypeError, ShapeError, UnsupportedError

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
    "categorical once": [[1, 0], [0, 1]],
    "categorical along axis 0": [[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 0], [1, 0, 0]],
    "bernoulli float32": [False, False, True, False, True],
    "randint": [293, 290, 114, 270, 50],
    "randint uint8": [241, 141, 34, 41, 123],
    "normal complex": [-1.0068493771591578 - 0.3470212000463344j, 0.2917920583158045 - 0.8081250240602739j],
    "truncated_normal of bounds": [1.2162580123089752, 1.9701578308088843],
    "lognormal": [1.8515845671586626, 3.855335915900146, 1.2685178688693277],
    "pareto": [3.029483452531292, 16.95576932260954, 1.775707021679817],
    "rayleigh": [0.9606862487448945, 0.16695740745546792, 1.7469338018799405],
    "triangular": [1.299774903280238, 1.8748909410597498, 0.8053657964629348],
    "weibull_min": [3.4002612097421534, 6.352867944340851, 2.1932667028212363],
    "maxwell": [3.004740922751547, 2.540864811243046, 2.6208872346925807],
    "double_sided_maxwell": [4.041587813576632, 2.0261262889083236, 4.628816103850971],
    "wald": [0.22607809310864646, 0.49646821944213515, 0.5275546124786611],
    "geometric": [2, 1, 4, 1, 1],
    "orthogonal": [[0.9328831057844214, -0.3601792761140093], [0.3601792761140093, 0.9328831057844216]],
    "orthogonal wide": [[0.4152838801840144, 0.9096918702831793]],
    "multivariate_normal": [[2.7424293237257364, 4.960212341519723], [1.6727390908978328, 3.9808324172478455]],
    "permutation": [7, 2, 0, 6, 3, 4, 5, 1],
    "permutation of rows": [[6, 7, 8], [0, 1, 2], [9, 10, 11], [3, 4, 5]],
    "permutation of columns": [[2, 0, 1], [5, 3, 4], [8, 6, 7], [11, 9, 10]],
    "permutation independent": [[2, 0, 1], [3, 4, 5], [7, 6, 8], [10, 11, 9]],
    "permutation independent, axis 0": [[0, 7, 2], [6, 10, 11], [9, 4, 5], [3, 1, 8]],
    "choice": [93, 86, 20, 5, 23],
    "choice of columns": [[2, 2], [5, 5], [8, 8], [11, 11]],
    "choice once": [[7, 85, 59], [40, 86, 32]],
    "choice with weights": [1, 0, 2, 0, 0, 3],
    "choice once with weights": [[1, 3], [0, 2]],
}  # fmt: skip
KEY = random.key(-123456789012345)
LOGITS = np.array([[0.1, 0.2, 0.3], [1.0, 0.0, -1.0]])
GRID = np.arange(12).reshape(4, 3)
COV = np.array([[4.0, 1.0], [1.0, 1.0]])

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
    "categorical": lambda k: random.categorical(k, LOGITS, shape=(4, 2)),
    "categorical once": lambda k: random.categorical(k, LOGITS, shape=(2, 2), replace=False),
    "categorical along axis 0": lambda k: random.categorical(k, LOGITS, axis=0, shape=(5, 3)),
    "bernoulli float32": lambda k: random.bernoulli(k, np.float32(0.7), (5,)),
    "randint": lambda k: random.randint(k, (5,), -3, 300),
    "randint uint8": lambda k: random.randint(k, (5,), 0, 256, np.uint8),
    "normal complex": lambda k: random.normal(k, (2,), np.complex128),
    "truncated_normal of bounds": lambda k: random.truncated_normal(k, np.array([-1.0, 0.0]), 2.0),
    "lognormal": lambda k: random.lognormal(k, 0.5, (3,)),
    "pareto": lambda k: random.pareto(k, 2.0, (3,)),
    "rayleigh": lambda k: random.rayleigh(k, 2.0, (3,)),
    "triangular": lambda k: random.triangular(k, -1.0, 0.5, 2.0, (3,)),
    "weibull_min": lambda k: random.weibull_min(k, 2.0, 1.5, (3,)),
    "maxwell": lambda k: random.maxwell(k, (3,)),
    "double_sided_maxwell": lambda k: random.double_sided_maxwell(k, 1.0, 2.0, (3,)),
    "wald": lambda k: random.wald(k, 0.7, (3,)),
    "geometric": lambda k: random.geometric(k, 0.1, (5,)),
    "orthogonal": lambda k: random.orthogonal(k, 2),
    "orthogonal wide": lambda k: random.orthogonal(k, 1, m=2),
    "multivariate_normal": lambda k: random.multivariate_normal(
        k, np.array([1.0, 2.0]), np.array([[2.0, 0.5], [0.5, 1.0]]), (2,)
    ),
    "permutation": lambda k: random.permutation(k, 8),
    "permutation of rows": lambda k: random.permutation(k, GRID),
    "permutation of columns": lambda k: random.permutation(k, GRID, axis=1),
    "permutation independent": lambda k: random.permutation(k, GRID, -1, independent=True),
    "permutation independent, axis 0": lambda k: random.permutation(k, GRID, independent=True),
    "choice": lambda k: random.choice(k, 100, (5,)),
    "choice of columns": lambda k: random.choice(k, GRID, (2,), axis=1),
    "choice once": lambda k: random.choice(k, 100, (2, 3), replace=False),
    "choice with weights": lambda k: random.choice(k, 5, (6,), p=np.array([0.1, 0.2, 0.3, 0.4, 0.0])),
    "choice once with weights": lambda k: random.choice(
        k, 6, (2, 2), replace=False, p=np.array([0.1, 0.2, 0.3, 0.2, 0.0, 0.2])
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_jax_gives(name):
    with fd.config.backend("evaluator"), np.errstate(divide="ignore"):  # the logarithm of a weight of 0
        found = OURS[name](KEY)
    if found.dtype.kind in "iub" or name in ("uniform", "uniform float32"):
        np.testing.assert_array_equal(found, np.array(PUBLISHED[name], found.dtype))
    else:  # XLA contracts, and has elementary functions of its own
        np.testing.assert_allclose(found, PUBLISHED[name], rtol=1e-6 if found.dtype == np.float32 else 1e-13)


@pytest.mark.one_in(7)
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
    "generalized_normal": (lambda k, n: random.generalized_normal(k, 3.0, n), scipy.stats.gennorm(3.0)),
    "orthogonal": (lambda k, n: random.orthogonal(k, 3, (n,))[:, 0, 1], scipy.stats.uniform(-1, 2)),
    "ball": (lambda k, n: np.sum(random.ball(k, 3, shape=(n,)) ** 2, -1) ** 1.5, scipy.stats.uniform),
    **{
        method: (
            lambda k, n, method=method: random.multivariate_normal(k, np.zeros(2), COV, (n,), method=method) @ [1, 1],
            scipy.stats.norm(scale=np.sqrt(7.0)),
        )
        for method in ("cholesky", "eigh", "svd")
    },
}


@pytest.mark.one_in(7)
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
        (lambda: random.integers(KEY, 5, dtype=float), DtypeError, "must be an integer's, got float64"),
        (lambda: random.categorical(KEY, 1.0), ArgumentError, "an axis of categories"),
        (lambda: random.bits(KEY, 2**32), ArgumentError, r"at most 2\*\*32 numbers from one key"),
        (
            lambda: random.categorical(KEY, LOGITS, shape=(4, 2), replace=False),
            ArgumentError,
            "4 of 3 categories cannot be drawn without replace=True",
        ),
        (lambda: random.permutation(KEY, 2.5), DtypeError, "expected an array or an integer, got 2.5"),
        (lambda: random.permutation(KEY, GRID, 2), AxisError, "random.permutation"),
        (
            lambda: random.choice(KEY, 3, (4,), replace=False),
            ArgumentError,
            "4 elements cannot be drawn from 3 with",
        ),
        (lambda: random.choice(KEY, np.zeros((0, 2)), (4,)), ArgumentError, "4 elements cannot be drawn from 0"),
        (lambda: random.choice(KEY, 3, p=np.ones(2)), ShapeError, r"p must have shape \(3,\), got \(2,\)"),
        (lambda: random.lognormal(KEY, np.ones(2), (3,)), ShapeError, "random.lognormal"),
        (lambda: random.pareto(KEY, 1j), DtypeError, "a parameter must be a real number, got complex128"),
        (
            lambda: random.multivariate_normal(KEY, np.ones(2), np.eye(3)),
            ShapeError,
            r"the mean must have shape \(..., n\) and the covariance \(..., n, n\), got \(2,\) and \(3, 3\)",
        ),
        (lambda: random.multivariate_normal(KEY, np.ones(2), np.eye(2), method="lu"), ArgumentError, "must be one of"),
        (lambda: random.geometric(KEY, 0.5, dtype="U3"), DtypeError, "counts are integers or real numbers"),
        (lambda: random.ball(KEY, 3, np.ones(2)), ShapeError, "p must be a number"),
        (lambda: random.dirichlet(KEY, 1.0), ShapeError, "alpha has an axis of parameters"),
        (lambda: random.multinomial(KEY, 3, 1.0), ShapeError, "p has an axis of probabilities"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_numpys_generators_in_compiled_functions():
    generator = np.random.default_rng(0)
    with pytest.raises(UnsupportedError, match="draw with functad.random, from a key that is an argument"):
        fd.jit(lambda x: x * generator.normal())(1.0)
    for draw in (np.random.normal, standard.random, standard.Random(3).gauss, lambda: np.random.randint(3)):
        with pytest.raises(UnsupportedError, match=r"at .*test_random.py:\d+.* draw with functad.random, from a key"):
            fd.jit(lambda x, draw=draw: x * draw())(1.0)
    with fd.config.frozen_random(True):
        f = fd.jit(lambda x: x * generator.normal())
        assert f(1.0) == f(1.0)
