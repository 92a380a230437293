"""``scipy.special`` on traced values, and the functions of ``functad.nn``: values, corners, derivatives there."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special as sp

import functad as fd
from functad import nn
from functad.errors import ArgumentError, DtypeError, UnsupportedError
from functad.scipy import special

POINTS = np.array([-3.0, -0.5, 0.0, 0.25, 0.75, 1.0, 4.0])

UNARY = [
    sp.erf,
    sp.erfc,
    sp.ndtri,
    sp.gammaln,
    sp.psi,
    sp.ndtr,
    sp.expit,
    sp.log_expit,
    sp.logit,
    sp.entr,
    sp.cbrt,
    sp.exp2,
    sp.expm1,
    sp.log1p,
]
BINARY = [sp.xlogy, sp.xlog1py, sp.rel_entr, sp.kl_div, sp.betaln]


def value(f, *args):
    """The value of a traced call."""
    with np.errstate(all="ignore"):
        outs, _ = fd.jvp(f, args, tuple(np.zeros_like(a) for a in args))
    return outs


@pytest.mark.parametrize("f", UNARY, ids=lambda f: f.__name__)
def test_unary_ufuncs(f):
    x = POINTS if f not in (sp.gammaln, sp.psi) else np.abs(POINTS) + 0.25
    with np.errstate(all="ignore"):
        for points in (x, x.astype(np.float32), np.float64(0.5)):
            expected, got = f(points), value(f, points)
            assert got.dtype == expected.dtype
            np.testing.assert_allclose(got, expected, rtol=1e-12 if expected.dtype == np.float64 else 2e-6)
        assert value(lambda x: f(np.arange(1, 3)) + x, np.ones(2)).dtype == np.float64


@pytest.mark.parametrize("f", BINARY, ids=lambda f: f.__name__)
def test_binary_ufuncs(f):
    x, y = (
        np.meshgrid(np.append(POINTS, np.nan), np.append(POINTS, np.nan))
        if f is not sp.betaln
        else (POINTS[3:], POINTS[3:, None])
    )
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(value(f, x, y), f(x, y), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(value(lambda x: f(x, 0.5), x), f(x, 0.5), rtol=1e-12, atol=1e-14)


def test_derivatives_at_the_boundary():
    np.testing.assert_allclose(fd.grad(sp.xlogy, (0, 1))(0.0, 2.0), (np.log(2.0), 0.0))
    np.testing.assert_allclose(fd.grad(sp.xlog1py, (0, 1))(0.0, 2.0), (np.log(3.0), 0.0))
    assert fd.grad(sp.xlogy, (0, 1))(0.0, 0.0) == (0.0, 0.0)
    assert fd.grad(sp.entr)(-1.0) == 0.0
    assert np.isfinite(fd.grad(lambda x: sp.rel_entr(x, 0.5))(0.0))


def test_polygamma():
    x = np.array([0.5, 1.5, 4.0])
    for n in (0, 1, 2, 3):
        np.testing.assert_allclose(value(lambda x, n=n: special.polygamma(n, x), x), sp.polygamma(n, x), rtol=1e-11)
    np.testing.assert_allclose(fd.grad(sp.gammaln)(2.5), sp.psi(2.5), rtol=1e-12)
    with pytest.raises(ArgumentError, match="the order must be a plain integer, got float"):
        fd.grad(lambda x: special.polygamma(0.5, x))(1.0)


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
def test_sums_of_exponentials(axis):
    x = np.array([[1.0, 2.0, 1000.0], [-1000.0, 0.0, -np.inf]])
    for name in ("softmax", "log_softmax", "logsumexp"):
        ours, theirs = getattr(special, name), getattr(sp, name)
        np.testing.assert_allclose(value(lambda x, f=ours: f(x, axis=axis), x), theirs(x, axis=axis), rtol=1e-13)
        np.testing.assert_array_equal(ours(x, axis=axis), theirs(x, axis=axis))  # SciPy's own where nothing is traced
    b = np.array([[1.0, 2.0, 3.0], [0.5, 0.0, 1.0]])
    got = value(lambda x: special.logsumexp(x, axis=axis, b=b, keepdims=True), x)
    np.testing.assert_allclose(got, sp.logsumexp(x, axis=axis, b=b, keepdims=True), rtol=1e-13)
    for infinite in (np.array([np.inf, 1.0]), np.array([-np.inf, -np.inf])):
        np.testing.assert_array_equal(value(special.logsumexp, infinite), sp.logsumexp(infinite))
    for i, expected in enumerate(sp.logsumexp(x, axis=axis, b=-b, return_sign=True)):
        got = value(lambda x, i=i: special.logsumexp(x, axis=axis, b=-b, return_sign=True)[i], x)
        np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_gradient_of_logsumexp_is_softmax():
    x = np.array([1.0, -2.0, 700.0, 700.5])
    np.testing.assert_allclose(fd.grad(special.logsumexp)(x), sp.softmax(x), rtol=1e-12)
    np.testing.assert_allclose(fd.grad(lambda x: nn.log_softmax(x)[1])(x), np.eye(4)[1] - sp.softmax(x), rtol=1e-12)
    hessian = np.diag(sp.softmax(x)) - np.outer(sp.softmax(x), sp.softmax(x))
    np.testing.assert_allclose(fd.hessian(special.logsumexp)(x), hessian, atol=1e-13)


def test_functions_that_are_only_scipys():
    assert special.lpmv is sp.lpmv
    with pytest.raises(
        UnsupportedError, match="the ufunc lpmv at .*test_special_functions.py:.* is not available for traced values"
    ):
        fd.grad(lambda x: sp.lpmv(0, 1, x))(0.5)


NN = {
    "relu": (nn.relu, lambda x: np.maximum(x, 0), lambda x: np.where(x > 0, 1.0, 0.0)),
    "leaky_relu": (nn.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x), lambda x: np.where(x > 0, 1.0, 0.01)),
    "elu": (nn.elu, lambda x: np.where(x > 0, x, np.expm1(x)), lambda x: np.where(x > 0, 1.0, np.exp(x))),
    "sigmoid": (nn.sigmoid, sp.expit, lambda x: sp.expit(x) * sp.expit(-x)),
    "softplus": (nn.softplus, lambda x: np.logaddexp(x, 0), sp.expit),
    "silu": (nn.silu, lambda x: x * sp.expit(x), lambda x: sp.expit(x) * (1 + x * sp.expit(-x))),
    "gelu": (nn.gelu, lambda x: x * sp.ndtr(x), lambda x: sp.ndtr(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)),
}


@pytest.mark.parametrize("name", NN)
def test_nn(name):
    f, expected, slope = NN[name]
    np.testing.assert_allclose(f(POINTS), expected(POINTS), rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(value(f, POINTS), expected(POINTS), rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(fd.grad(lambda x: np.sum(f(x)))(POINTS), slope(POINTS), rtol=1e-12, atol=1e-16)
    assert value(f, POINTS.astype(np.float32)).dtype == np.float32
    assert np.isnan(value(f, np.float64(np.nan)))
    if name != "relu":
        assert f(np.arange(3)).dtype == np.float64
    large = fd.grad(lambda x: np.sum(f(x)))(np.array([-800.0, 800.0]))
    np.testing.assert_allclose(
        large, [0.01 if name == "leaky_relu" else 0.0, 0.0 if name == "sigmoid" else 1.0], atol=1e-15
    )


@pytest.mark.parametrize("name", ["entr", "rel_entr", "kl_div", "xlogy"])
def test_entropies_at_bounds(name):
    """Values on and beyond the bounds of the domain are SciPy's, signs of infinities and NaN included."""
    f, points = getattr(sp, name), np.array([0.0, -0.0, 1.0, -1.0, 0.3, np.inf, -np.inf, np.nan])
    args = (points,) if f.nin == 1 else tuple(v.ravel() for v in np.meshgrid(points, points))
    with np.errstate(all="ignore"):
        for found in (fd.jit(f)(*args), fd.jvp(f, args, args)[0]):
            np.testing.assert_allclose(found, f(*args), rtol=1e-14)


def test_complex_activations_are_refused():
    for f in (nn.sigmoid, nn.softplus, nn.silu, nn.gelu):
        for wrap in (lambda f: f, fd.jit):
            with pytest.raises(
                DtypeError,
                match=rf"nn\.{f.__name__} at .*test_special_functions.py:\d+ is of real numbers, got complex128; take",
            ):
                wrap(lambda z, f=f: f(z))(np.array([1j, 2.0]))


def test_logsumexp_of_no_exponentials():
    x = np.zeros((2, 0))
    for kwargs in ({"axis": 1}, {"axis": 1, "keepdims": True}):
        np.testing.assert_array_equal(
            fd.jit(lambda x, k=kwargs: special.logsumexp(x, **k))(x), sp.logsumexp(x, **kwargs)
        )
    np.testing.assert_array_equal(nn.logsumexp(x, axis=1), [-np.inf, -np.inf])
    assert nn.logsumexp(x) == -np.inf
    assert fd.grad(lambda x: np.sum(np.exp(nn.logsumexp(x, axis=1))))(x).shape == (2, 0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.int64])
@pytest.mark.parametrize("name", ["betaln", "kl_div", "xlogy", "gammaln", "expit"])
def test_dtypes_are_scipys(name, dtype):
    f = getattr(sp, name)
    args = (np.ones(2, dtype),) * f.nin
    assert fd.jit(f)(*args).dtype == f(*args).dtype


GATED = {"silu": nn.silu, "gelu": nn.gelu, "gelu by tanh": lambda x: nn.gelu(x, approximate=True)}


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("name", GATED)
def test_gates_far_away(name, dtype):
    """What is multiplied by a gate may be infinite, or its cube, where the gate is closed or its slope 0."""
    f, greatest = GATED[name], np.finfo(dtype).max
    x = np.array([-np.inf, -greatest, -300, 300, greatest, np.inf], dtype)
    for map_ in (fd.vmap, lambda g: fd.jit(fd.vmap(g))):
        values, slopes = map_(fd.value_and_grad(f))(x)
        np.testing.assert_allclose(values, np.maximum(x, 0), atol=1e-100)
        np.testing.assert_allclose(slopes, [0, 0, 0, 1, 1, 1], atol=1e-100)
        np.testing.assert_allclose(map_(fd.grad(fd.grad(f)))(x), np.zeros(6), atol=1e-100)


def test_a_derivative_in_a_factor_that_is_0():
    np.testing.assert_allclose(
        fd.grad(lambda b: special.logsumexp(np.array([1.0, 2.0]), b=b))(np.array([1.0, 0.0])), [1.0, np.e]
    )


def test_gelu_by_tanh():
    np.testing.assert_allclose(nn.gelu(POINTS, approximate=True), nn.gelu(POINTS), atol=2e-3)


def test_one_hot():
    np.testing.assert_array_equal(nn.one_hot([[0, 2], [3, -1]], 3), [[[1, 0, 0], [0, 0, 1]], [[0, 0, 0], [0, 0, 0]]])
    labels = np.array([1, 0])
    got = fd.grad(lambda x: np.sum(x * nn.one_hot(labels, 3)))(np.ones((2, 3)))
    np.testing.assert_array_equal(got, [[0, 1, 0], [1, 0, 0]])
    assert nn.one_hot(labels, 2, dtype=bool).dtype == bool
