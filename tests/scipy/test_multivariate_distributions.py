"""Distributions of vectors and matrices, and kernel density estimates: values against SciPy, gradients in closed form
and against finite differences.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as st

import functad as fd
from functad.errors import ArgumentError, LinAlgError, ShapeError, UnsupportedError
from functad.testing.numerics import directional_derivative

RNG = np.random.default_rng(0)
ROOT = RNG.normal(size=(3, 3))
COV, OTHER = ROOT @ ROOT.T + np.eye(3), ROOT.T @ ROOT + 2 * np.eye(3)
MEAN, X = RNG.normal(size=3), RNG.normal(size=(5, 3))
ALPHA = np.array([1.5, 0.7, 3.0])
SHARES = RNG.dirichlet(ALPHA, size=4).T
COUNTS, P = np.array([[3.0, 4, 3], [1, 2, 7], [1, 1, 1], [-1, 5, 6], [2.5, 4, 3.5]]), np.array([0.2, 0.3, 0.5])
MATRICES = np.stack([COV, OTHER], axis=-1)
DATA, POINTS, WEIGHTS = RNG.normal(size=(2, 30)), RNG.normal(size=(2, 7)), RNG.uniform(size=30)

normal, t, frozen = st.multivariate_normal, st.multivariate_t, st.multivariate_normal(MEAN, COV)
before = st.gaussian_kde(DATA[0])

CALLS = {
    "normal": (lambda x, m, c: normal.logpdf(x, m, c), X, MEAN, COV),
    "normal, one point": (lambda x, m, c: normal.pdf(x, mean=m, cov=c), X[0], MEAN, COV),
    "normal, diagonal": (lambda x, c: normal.logpdf(x, cov=c, mean=MEAN), X, np.array([1.0, 2.0, 3.0])),
    "normal, number": (lambda x, m, c: normal.logpdf(x, m, c), X, MEAN, 2.5),
    "normal, of numbers": (lambda x, c: normal.logpdf(x, cov=c), X[:, 0], 1.5),
    "normal, no mean": (lambda x, c: normal.logpdf(x, cov=c), X, COV),
    "normal, frozen": (lambda x, m, c: normal(m, c).logpdf(x), X.reshape(5, 1, 3), MEAN, COV),
    "normal, frozen before": (lambda x: frozen.logpdf(x), X),
    "normal, entropy": (lambda m, c: normal.entropy(m, c), MEAN, COV),
    "t": (lambda x, m, c, df: t.logpdf(x, m, c, df), X, MEAN, COV, 4.5),
    "t, pdf": (lambda x, c: t(shape=c, df=3.0).pdf(x), X[0], COV),
    "t, entropy": (lambda c, df: t.entropy(None, c, df), COV, 3.5),
    "dirichlet": (lambda a: st.dirichlet.logpdf(SHARES, a), ALPHA),
    "dirichlet, last component": (lambda x, a: st.dirichlet.logpdf(x, a), SHARES[:2], ALPHA),
    "dirichlet, pdf": (lambda a: st.dirichlet(a).pdf(SHARES[:, 0]), ALPHA),
    "dirichlet, moments": (
        lambda a: (st.dirichlet.mean(a), st.dirichlet.var(a), st.dirichlet.cov(a), st.dirichlet.entropy(a)), ALPHA,
    ),
    "multinomial": (lambda x: st.multinomial.logpmf(x, 10, P), COUNTS),
    "multinomial, frozen": (lambda p: st.multinomial(10, p).pmf(COUNTS), P),
    "multinomial, moments": (lambda p: (st.multinomial.mean(10, p), st.multinomial.cov(10, p)), P),
    "wishart": (lambda x, df, s: st.wishart.logpdf(x, df, s), MATRICES, 5.5, OTHER),
    "wishart, one": (lambda x, df, s: st.wishart.pdf(x, df, s), COV, 5.5, OTHER),
    "wishart, moments": (
        lambda df, s: (st.wishart.mean(df, s), st.wishart.var(df, s), st.wishart.entropy(df, s)), 5.5, COV,
    ),
    "kde": (lambda d, x: st.gaussian_kde(d).logpdf(x), DATA, POINTS),
    "kde, weights": (lambda d, x, w: st.gaussian_kde(d, "silverman", w)(x), DATA, POINTS, WEIGHTS),
    "kde, numbers": (lambda d, x, w, h: st.gaussian_kde(d, h, w).pdf(x), DATA[0], POINTS[0], WEIGHTS, 0.3),
    "kde, rule": (lambda d, x: st.gaussian_kde(d, lambda k: 0.5 * k.scotts_factor()).evaluate(x), DATA, POINTS[:, 0]),
    "kde, before": (lambda x: (before(x), before.logpdf(x), before.integrate_box_1d(x[0], 1.5)), POINTS[0]),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_values_are_scipys(name):
    f, *args = CALLS[name]
    expected = f(*args)
    leaves = expected if isinstance(expected, tuple) else (expected,)
    found, _ = fd.jvp(f, tuple(args), tuple([np.zeros(np.shape(a)) for a in args]))
    for e, y in zip(leaves, found if isinstance(found, tuple) else (found,), strict=True):
        assert np.shape(e) == np.shape(y)
        np.testing.assert_allclose(y, e, rtol=1e-11, atol=1e-14)


@pytest.mark.one_in(9)
@pytest.mark.parametrize("name", CALLS)
def test_values_natively(name):
    f, *args = CALLS[name]
    expected, found = f(*args), fd.jit(f)(*args)
    for e, y in zip(*[v if isinstance(v, tuple) else (v,) for v in (expected, found)], strict=True):
        assert np.shape(e) == np.shape(y)
        np.testing.assert_allclose(y, e, rtol=1e-11, atol=1e-14)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", [k for k in CALLS if "multinomial" not in k])
def test_gradients(name):
    """Along one direction that keeps matrices symmetric."""
    f, *args = CALLS[name]
    rng = np.random.default_rng(1)
    directions = [rng.normal(size=np.shape(a)) for a in args]
    for k, a in enumerate(args):
        if np.shape(a)[:2] == (3, 3):
            directions[k] = directions[k] + np.swapaxes(directions[k], 0, 1)

    def total(*args):
        y = f(*args)
        return sum([np.sum(np.sin(v)) for v in (y if isinstance(y, tuple) else (y,))])

    (expected,) = directional_derivative(lambda values: [total(*values)], args, directions)
    gradients = fd.grad(total, tuple(range(len(args))))(*args)
    found = sum([np.sum(g * d) for g, d in zip(gradients, directions, strict=True)])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_gradient_in_the_covariance_is_symmetric():
    """-(C^-1 - C^-1 d d' C^-1) / 2 for each deviation d."""
    inverse = np.linalg.inv(COV)
    expected = sum([-(inverse - np.outer(inverse @ d, inverse @ d)) / 2 for d in X - MEAN])
    found = fd.grad(lambda c: np.sum(normal.logpdf(X, MEAN, c)))(COV)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(found, found.T, rtol=1e-12)


def test_errors():
    with pytest.raises(LinAlgError):
        fd.jit(lambda c: normal.logpdf(X, MEAN, c))(-COV)
    with pytest.raises(UnsupportedError, match=r"multivariate_normal\.logpdf at .*: allow_singular= is not available"):
        fd.grad(lambda m: normal.logpdf(X[0], m, COV, allow_singular=True))(MEAN)
    with pytest.raises(
        ShapeError, match=r"vectors of length 3 expected a matrix of shape \(3, 3\), .* got shape \(2, 2"
    ):
        fd.grad(lambda m: normal.logpdf(X[0], m, np.eye(2)))(MEAN)
    with pytest.raises(ShapeError, match="expected a vector as mean, got shape"):
        fd.grad(lambda m: normal.logpdf(X[0], m, COV))(COV)
    for wrap in (fd.jit, lambda f: fd.grad(lambda x: np.sum(f(x)))):
        with pytest.raises(ArgumentError, match=r"dirichlet\.logpdf at .*: the components of x must have sum 1"):
            wrap(lambda x: st.dirichlet.logpdf(x, ALPHA))(SHARES * 1.1)
        with pytest.raises(ArgumentError, match=r"dirichlet\.mean at .*: all of alpha must be positive"):
            wrap(st.dirichlet.mean)(-ALPHA)
    with pytest.raises(ArgumentError, match="the components of x must not be negative"):
        fd.jit(lambda a: st.dirichlet.logpdf(np.array([-0.5, 1.0, 0.5]), a))(ALPHA)
    with pytest.raises(ShapeError, match=r"x must have 3 components, or 2, as alpha has, .* got shape \(4,"):
        fd.jit(lambda a: st.dirichlet.logpdf(np.full(4, 0.25), a))(ALPHA)
    with pytest.raises(ShapeError, match="alpha must be a vector"):
        fd.jit(st.dirichlet.mean)(COV)
    with pytest.raises(
        ArgumentError, match="bw_method must be 'scott', 'silverman', a number or a function, got 'best'"
    ):
        fd.grad(lambda d: st.gaussian_kde(d, "best")(0.5)[0])(DATA[0])
    with pytest.raises(ShapeError, match="3 points do not span 30 dimensions; each column"):
        fd.grad(lambda d: st.gaussian_kde(d)(0.5)[0])(np.ones((30, 3)))
    with pytest.raises(ShapeError, match="points of 3 components, but the data have 2"):
        fd.grad(lambda d: st.gaussian_kde(d)(np.ones((3, 4)))[0])(DATA)
    with pytest.raises(ShapeError, match="the data have 2 dimensions"):
        fd.grad(lambda d: st.gaussian_kde(d).integrate_box_1d(0, 1))(DATA)
    with pytest.raises(UnsupportedError, match=r"gaussian_kde\.integrate_kde at .* is not available for traced values"):
        fd.grad(lambda d: st.gaussian_kde(d).integrate_kde(before))(DATA[0])
    with pytest.raises(UnsupportedError, match=r"multivariate_normal\.cdf at .* is not available for traced values"):
        fd.grad(lambda m: normal.cdf(X[0], m, COV))(MEAN)
