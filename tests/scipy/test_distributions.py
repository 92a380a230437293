"""``scipy.stats``' distributions by their own names in traced functions: values against SciPy, derivatives and tails
against mpmath.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as st

import functad as fd
from functad.errors import ArgumentError, UnsupportedError
from functad.scipy import stats
from functad.scipy.stats.discrete import Discrete
from tests.scipy.distribution_references import CONTINUOUS, DISCRETE, located, mp, slope
from tests.scipy.distributions import PROBABILITIES, UNIVARIATE, points_of, shapes_of

NAMES = sorted(UNIVARIATE)
CASES = [(name, shapes) for name in NAMES for shapes in shapes_of(name)]
OF_PARAMETERS = ("entropy", "mean", "var", "std", "median", "support")


LOST = {"truncnorm": 1e-3}
"""Near a bound, the mass up to there is a difference of two numbers that are nearly equal: SciPy has no more digits."""


def parameters(name, shapes):
    return {"loc": 2.0} if isinstance(UNIVARIATE[name], Discrete) else {"loc": 0.5, "scale": 2.0}


def argument(name, method, shapes):
    """What a method is asked for, before the parameters."""
    if method in OF_PARAMETERS:
        return ()
    if method == "interval":
        return (np.array([0.1, 0.9]),)
    if method in ("ppf", "isf"):
        return (PROBABILITIES,)
    rest = parameters(name, shapes)
    return (points_of(UNIVARIATE[name], shapes) * rest.get("scale", 1.0) + rest["loc"],)


def every_method(name, shapes, first, rest):
    """All methods at once, as a user writes them."""
    own = getattr(st, name)
    return {
        m: getattr(own, m)(*[first[m]] if m in first else [], *shapes, **rest)
        for m in UNIVARIATE[name].methods()
        if m not in ("logcdf", "logsf") or hasattr(own, m)
    }


def check_values(name, shapes, found, expected, first, rest):
    """Ten of SciPy's digits, or more than SciPy has: in some tails it is far off."""
    for m, e in expected.items():
        for x, y in zip(*[v if isinstance(v, tuple) else (v,) for v in (found[m], e)], strict=True):
            assert np.shape(x) == np.shape(y), m
            assert np.asarray(x).dtype == np.float64
            same = np.isclose(x, y, rtol=1e-10, atol=1e-300, equal_nan=True)
            for k in np.flatnonzero(~np.ravel(same)):
                args = (np.ravel(first[m])[k], *shapes, *rest.values()) if m in first else (*shapes, *rest.values())
                ours, theirs = [error(name, m, args, np.ravel(v)[k]) for v in (x, y)]
                assert ours <= max(theirs, LOST.get(name, 0.0)), (
                    f"{name}{shapes}.{m}{args} is {np.ravel(x)[k]}, SciPy's {np.ravel(y)[k]}"
                )


def error(name, method, args, value):
    """How far a value is from what it should be; of a quantile, how far its probability is."""
    exact = tuple([mp.mpf(float(a)) for a in args])
    with np.errstate(all="ignore"):
        if method in ("ppf", "isf"):
            f = reference(name, "cdf" if method == "ppf" else "sf")
            k = mp.mpf(float(value))
            if name in DISCRETE:  # the first integer beyond
                return not mp.isfinite(k) or not (f(k, *exact[1:]) <= exact[0] < f(k - 1, *exact[1:]))
            return abs(f(k, *exact[1:]) / exact[0] - 1) if mp.isfinite(k) else mp.inf
        if method == "entropy":
            return abs(value / entropy(name, *exact) - 1) if np.isfinite(value) else mp.inf
        at = mp.floor(exact[0]) if name in DISCRETE else exact[0]
        correct = reference(name, method)(at, *exact[1:])
        if correct == 0:  # the logarithm of what is 1 to all of mpmath's digits
            return max(abs(value) - mp.eps, 0)
        return abs(value / correct - 1) if np.isfinite(float(value)) else mp.inf


def entropy(name, *parameters):
    """By the sum, or the integral."""
    if name in DISCRETE:
        terms = [DISCRETE[name].density(mp.mpf(k), *parameters[:-1]) for k in range(4000)]
        return -mp.fsum([p * mp.log(p) for p in terms if p > 1e-30])
    *shapes, _, scale = parameters
    f = CONTINUOUS[name].density
    low, high = [mp.mpf(float(b)) for b in getattr(st, name).support(*map(float, shapes))]
    return mp.quad(lambda z: -f(z, *shapes) * mp.log(f(z, *shapes)), mp.linspace(low, min(high, 40), 20)) + mp.log(
        scale
    )


def given(name, shapes):
    firsts = {m: argument(name, m, shapes) for m in UNIVARIATE[name].methods()}
    return {m: a[0] for m, a in firsts.items() if a}, parameters(name, shapes)


@pytest.mark.one_in(40)
@pytest.mark.parametrize(("name", "shapes"), CASES, ids=str)
def test_values_are_scipys_natively(name, shapes):
    first, rest = given(name, shapes)
    with np.errstate(all="ignore"):
        expected = every_method(name, shapes, first, rest)
        found = fd.jit(lambda shapes, first, rest: every_method(name, shapes, first, rest))(shapes, first, rest)
    check_values(name, shapes, found, expected, first, rest)


@pytest.mark.one_in(7)
@pytest.mark.parametrize(("name", "shapes"), CASES, ids=str)
def test_values_are_scipys_without_jit(name, shapes):
    first, rest = given(name, shapes)
    with np.errstate(all="ignore"):
        expected = every_method(name, shapes, first, rest)
        found, _ = fd.jvp(lambda rest: every_method(name, shapes, first, rest), (rest,), (dict.fromkeys(rest, 0.0),))
    check_values(name, shapes, found, expected, first, rest)


# -- against mpmath ----------------------------------------------------------------------------------------------------

POINTS = np.array([1e-4, 0.3, 1 - 1e-7])


def reference(name, method):
    """A function of x and all parameters in mpmath; None where there is none."""
    ref = (CONTINUOUS | DISCRETE)[name]
    base = getattr(ref, "density" if method in ("logpdf", "logpmf") else method.removeprefix("log"))
    if base is None or method not in UNIVARIATE[name].methods():
        return None
    f = located(base, method == "logpdf") if name in CONTINUOUS else lambda k, *p: base(k - p[-1], *p[:-1])
    return (lambda *args: mp.log(mp.re(f(*args)))) if method.startswith("log") else f


COUNTS = {"betabinom": 1, "hypergeom": 3}
"""How many shape parameters of sums are numbers of things: distribution functions have no derivative in them."""


def compared(name, shapes):
    """Points, all parameters, and the positions of those that have a derivative."""
    rest = parameters(name, shapes)
    values = (*shapes, *rest.values())
    x = getattr(st, name).ppf(POINTS, *values)
    if isinstance(UNIVARIATE[name], Discrete):
        low, high = getattr(st, name).support(*values)
        return np.unique(np.clip(x, low, high - 1)), values, range(1, 1 + len(shapes))
    return x, values, range(1 + len(values))


def quantity(name, method):
    return lambda *args: getattr(getattr(st, name), method)(*args)


def digits(name):
    """Relative errors that are allowed; of masses near a bound, see ``LOST``."""
    return 1e-7 if name in LOST else 1e-11


@pytest.mark.one_in(13)
@pytest.mark.parametrize("method", ["logpdf", "cdf", "logcdf", "sf", "logsf"])
@pytest.mark.parametrize(("name", "shapes"), [c for c in CASES if np.all(np.isfinite(c[1]))], ids=str)
def test_derivatives_in_all_parameters(name, shapes, method):
    """First derivatives, and values, in both tails."""
    method = method.replace("pdf", "pmf") if name in DISCRETE else method
    f = reference(name, method)
    if f is None:
        return
    x, values, positions = compared(name, shapes)
    positions = [p for p in positions if method == "logpmf" or p > COUNTS.get(name, 0)]
    slopes = fd.value_and_grad(quantity(name, method), tuple(positions))
    found, gradients = fd.vmap(slopes, (0, *[None] * len(values)))(x, *map(float, values))
    for k, at in enumerate(x):
        args = tuple([mp.mpf(float(v)) for v in (at, *values)])
        value = float(mp.re(f(*args)))
        np.testing.assert_allclose(found[k], value, rtol=digits(name), err_msg=f"{name}{shapes}.{method}({at})")
        for p, gradient in zip(positions, gradients, strict=True):
            expected = float(mp.re(slope(f, args, p)))
            np.testing.assert_allclose(
                gradient[k],
                expected,
                rtol=100 * digits(name),
                atol=1e-12 * abs(value),
                err_msg=f"{name}{shapes}.{method}({at}), {p}",
            )


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", sorted(CONTINUOUS))
def test_second_derivatives(name):
    shapes = shapes_of(name)[0]
    f = reference(name, "logpdf")
    x, values, positions = compared(name, shapes)
    args = (float(x[1]), *map(float, values))
    found = fd.hessian(quantity(name, "logpdf"), tuple(positions))(*args)
    exact = tuple([mp.mpf(v) for v in args])
    expected = [[float(mp.re(slope(f, exact, i, j))) for j in positions] for i in positions]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", ["norm", "gamma", "t", "beta", "lognorm", "truncnorm", "weibull_min", "gumbel_r"])
def test_quantiles_are_inverses(name):
    """The derivative of a quantile in each parameter is that of the implicit function."""
    shapes = shapes_of(name)[-1]
    values = tuple(map(float, (*shapes, 0.5, 2.0)))
    positions = tuple([k for k, v in enumerate(values, 1) if np.isfinite(v)])
    own = getattr(st, name)
    for q in (1e-8, 0.3, 0.999):
        x = own.ppf(q, *values)
        of_q, *of_values = fd.grad(own.ppf, (0, *positions))(q, *values)
        np.testing.assert_allclose(of_q, 1 / own.pdf(x, *values), rtol=1e-7)
        slopes = fd.grad(own.cdf, positions)(x, *values)
        np.testing.assert_allclose(of_values, -np.array(slopes) / own.pdf(x, *values), rtol=1e-6, atol=1e-9)
        back = fd.grad(lambda q, own=own, v=values: own.isf(own.sf(own.ppf(q, *v), *v), *v))(q)
        np.testing.assert_allclose(back, 1 / own.pdf(x, *values), rtol=1e-6)


# -- bounds, and parameters that are none ------------------------------------------------------------------------------


@pytest.mark.one_in(3)
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["expon", "gamma", "beta", "lognorm", "pareto", "truncnorm", "weibull_max", "uniform"])
def test_outside_of_the_support(name):
    """Nothing is infinite in a derivative there, and nothing warns."""
    shapes, own = shapes_of(name)[0], getattr(st, name)
    low, high = own.support(*shapes, 0.5, 2.0)
    x = np.array([b for b in (low - 3.0, high + 3.0) if np.isfinite(b)])
    for method in ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf"):
        f = quantity(name, method)
        found, slopes = fd.vmap(fd.value_and_grad(f, tuple(range(len(shapes) + 3))), (0, *[None] * (len(shapes) + 2)))(
            x, *map(float, shapes), 0.5, 2.0
        )
        np.testing.assert_array_equal(found, f(x, *shapes, 0.5, 2.0))
        np.testing.assert_array_equal(slopes, np.zeros_like(slopes))


@pytest.mark.parametrize(
    ("call", "given"),
    [
        (lambda s: st.norm.logpdf([0.0, 1.0], 0.0, s), -1.0),
        (lambda s: st.norm.cdf(0.3, scale=s), 0.0),
        (lambda a: st.gamma.logpdf(np.array([-1.0, 2.0]), a), -0.5),
        (lambda a: st.beta.ppf(np.array([0.0, 0.5]), a, 2.0), 0.0),
        (lambda a: st.beta.entropy(a, 2.0), -1.0),
        (lambda b: st.truncnorm.mean(0.0, b), -1.0),
        (lambda p: st.binom.logpmf(np.array([0, 3]), 5, p), 1.5),
        (lambda n: st.binom.pmf(2, n, 0.3), 4.5),
        (lambda mu: st.poisson.var(mu), -1.0),
        (lambda p: st.geom.support(p), 0.0),
        (lambda n: st.multinomial.logpmf(np.array([1.0, 2.0]), n, [0.4, 0.6]), -3.0),
    ],
)
def test_parameters_that_are_not_valid(call, given):
    with np.errstate(all="ignore"):
        expected = call(given)
        assert np.all(np.isnan(expected))
        np.testing.assert_array_equal(fd.jvp(call, (given,), (1.0,))[0], expected)


# -- forms of calls ----------------------------------------------------------------------------------------------------


def test_calls_of_all_forms():
    """By position and name, frozen before and while a function is traced, in loops, from lists, by other names."""
    x = np.array([0.3, -1.2, 2.5])
    before = st.norm(0.5, 2.0)
    density = st.norm.logpdf

    def calls(mu, scale):
        total = 0.0
        for v in [*x]:
            total = total + st.norm.logpdf(v, mu, scale=scale)
        frozen = st.norm(loc=mu, scale=scale)
        total = total + frozen.logpdf(x=1.0) + frozen.mean() + frozen.interval(0.9)[1] + frozen.dist.name.count("n")
        return total + np.sum(before.cdf(mu + x)) + sum([density(v, m) for v, m in zip(x, [mu, 0.0, scale])])

    expected = calls(0.3, 1.5)
    np.testing.assert_allclose(fd.jit(calls)(0.3, 1.5), expected, rtol=1e-13)
    value, slopes = fd.value_and_grad(calls, (0, 1))(0.3, 1.5)
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    np.testing.assert_allclose(slopes, fd.jit(fd.grad(calls, (0, 1)))(0.3, 1.5), rtol=1e-12)
    assert fd.vmap(stats.norm.cdf)(x).shape == (3,)
    assert stats.norm.logpdf(0.3) == st.norm.logpdf(0.3)
    assert stats.skew is st.skew


def test_broadcasting_and_dtypes():
    x, mu = np.arange(3, dtype=np.int32), np.array([[0.5], [1.5]], np.float32)
    found = fd.jit(lambda x, mu: st.norm.logpdf(x, mu))(x, mu)
    assert found.shape == (2, 3)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, st.norm.logpdf(x, mu), rtol=1e-15)
    assert type(fd.jit(lambda mu: st.norm.logpdf(0.3, mu))(0.5)) is np.float64
    found = fd.jit(lambda a: st.gamma.entropy(a, loc=np.zeros(2)))(np.array([[1.0], [2.0]]))
    np.testing.assert_allclose(found, st.gamma.entropy(np.array([[1.0], [2.0]]), loc=np.zeros(2)), rtol=1e-14)


def test_errors():
    with pytest.raises(
        ArgumentError, match=r"scipy\.stats\.gamma\.logpdf at .*test_distributions.py:\d+: a is missing"
    ):
        fd.grad(lambda x: st.gamma.logpdf(x))(1.0)
    with pytest.raises(
        ArgumentError, match=r"there is no mu=, or it is given twice; the parameters are loc=0.0, scale"
    ):
        fd.grad(lambda x: st.norm.logpdf(x, mu=1.0))(1.0)
    with pytest.raises(ArgumentError, match="got 3 parameters; the parameters are mu, loc=0.0"):
        fd.jit(lambda k: st.poisson.pmf(k, 1.0, 0.0, 2.0))(1)
    with pytest.raises(ArgumentError, match="a is missing"):
        fd.grad(lambda s: st.gamma(scale=s).logpdf(1.0))(1.0)
    with pytest.raises(
        UnsupportedError, match=r"scipy\.stats\.genhyperbolic\.pdf at .*:\d+ is not available for traced"
    ):
        fd.grad(lambda x: st.genhyperbolic.pdf(x, 0.5, 1.5, -0.5))(1.0)
    for method in (lambda s: st.norm.moment(3, 0.0, s), lambda s: st.vonmises.ppf(0.3, s)):
        with pytest.raises(UnsupportedError, match=r"(norm\.moment|vonmises\.ppf) at .*docs/statistics.md lists what"):
            fd.jit(method)(2.0)


def test_numbers_of_things_have_no_derivatives():
    for call, name, argument in [
        (lambda n: st.betabinom.cdf(3, n, 0.5, 2.0), "betabinom.cdf", "n"),
        (lambda N: st.hypergeom.logsf(3, 40, 12, N), "hypergeom.logsf", "N"),
        (lambda n: st.binom.entropy(n, 0.3), "binom.entropy", "n"),
    ]:
        with pytest.raises(UnsupportedError, match=rf"{name} at .*: its derivative in the argument '{argument}'"):
            fd.grad(call)(15.0)


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("call", "shapes"),
    [(st.binom, (10.0, 0.3)), (st.poisson, (30.0,)), (st.nbinom, (5.0, 0.4)), (st.betabinom, (12.0, 0.7, 2.5)),
     (st.hypergeom, (40.0, 12.0, 15.0))],
)  # fmt: skip
def test_quantiles_of_integers_are_scipys(call, shapes):
    """Each on a probability that is attained, and beside it; in both tails; they have derivative 0."""
    k = np.arange(0.0, 9.0)
    q = call.cdf(k, *shapes)
    q = np.concatenate([PROBABILITIES, q * (1 - 1e-12), np.minimum(q * (1 + 1e-12), 1.0)])
    found, slopes = fd.jit(fd.vmap(fd.value_and_grad(call.ppf), (0, *[None] * len(shapes))))(q, *shapes)
    np.testing.assert_array_equal(found, call.ppf(q, *shapes))
    assert not np.any(slopes)
    shares = np.array([1e-3, 0.2, 0.6, 0.99])
    np.testing.assert_array_equal(fd.jit(lambda q: call.isf(q, *shapes))(shares), call.isf(shares, *shapes))
    for share in (1e-40, 1e-200):  # where SciPy's is infinite, or that of 1 - q
        last = fd.jit(lambda q: call.isf(q, *shapes))(share)
        assert call.sf(last, *shapes) <= share < call.sf(last - 1, *shapes)


def test_entropies_of_integers():
    slope = fd.grad(st.poisson.entropy)(30.0)
    exact = mp.mpf(30)
    density = DISCRETE["poisson"].density
    terms = [density(mp.mpf(k), exact) for k in range(200)]
    # the derivative of p(k) is p(k) (k / mu - 1)
    expected = -mp.fsum([p * (k / exact - 1) * mp.log(p) for k, p in enumerate(terms)])
    np.testing.assert_allclose(slope, float(expected), rtol=1e-12)
    np.testing.assert_allclose(fd.jit(st.poisson.entropy)(1e-20), 1e-20 * (1 + 20 * np.log(10)), rtol=1e-12)
    assert abs(fd.jit(lambda p: st.binom.entropy(5, p))(0.0)) < 1e-15


def test_draws_are_refused_in_compiled_code():
    frozen = st.norm(0.0, 1.0)
    for draw in (lambda: st.norm.rvs(size=2), lambda: frozen.rvs(2), lambda: st.multivariate_normal.rvs([0.0, 1.0])):
        assert np.shape(fd.grad(lambda x, d=draw: np.sum(x * d()))(np.ones(2))) == (2,)
        with pytest.raises(
            UnsupportedError, match=r"a random number was asked for.*rvs\) in a function that is traced"
        ):
            fd.jit(lambda x, d=draw: x * d())(np.ones(2))
