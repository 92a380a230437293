"""``scipy.interpolate`` in traced functions, by SciPy's names: points, values and arguments traced."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.interpolate as I

import functad as fd
from functad.errors import ArgumentError, ShapeError
from functad.testing import check_grads
from tests.scipy.against_scipy import same

RNG = np.random.default_rng(0)
X, Y = np.cumsum(RNG.uniform(0.3, 1, 9)), RNG.normal(size=(9, 2))
AT, INSIDE = np.linspace(X[0] - 0.5, X[-1] + 0.5, 13), np.linspace(X[0], X[-1], 7)
FLAT = np.array([0.0, 0, 0, 1, 1, 1, 2, 2, 2])
CONDITIONS = ["not-a-knot", "natural", "clamped", "periodic", ((1, 0.5), "natural"), ("not-a-knot", (2, 0.3))]


@pytest.mark.one_in(4)
@pytest.mark.parametrize("bc_type", CONDITIONS)
@pytest.mark.parametrize("n", [9, 2, 3, 4, 5])
def test_cubic_splines(n, bc_type):
    y = Y[:n].copy() if isinstance(bc_type, str) else Y[:n, 0].copy()
    if bc_type == "periodic":
        y[-1] = y[0]
    same(lambda x, y, t: I.CubicSpline(x, y, bc_type=bc_type)(t), X[:n], y, AT)


@pytest.mark.deep
@pytest.mark.one_in(3)
@pytest.mark.parametrize("n", [9, 2, 3])
def test_local_interpolants(n):
    same(lambda x, y, t: I.PchipInterpolator(x, y)(t), X[:n], Y[:n], AT)
    for method in ("akima", "makima"):
        same(lambda x, y, t, m=method: I.Akima1DInterpolator(x, y, method=m)(t), X[:n], Y[:n], AT)
        same(lambda y, m=method: I.Akima1DInterpolator(X, y, method=m, extrapolate=True)(AT), FLAT)
    same(lambda y: I.PchipInterpolator(X, y)(AT), FLAT)
    same(lambda y, d: I.CubicHermiteSpline(X, y, d)(AT), Y, Y + 1)


def test_piecewise_polynomials():
    """Of SciPy's own at traced arguments, and with traced coefficients; their derivatives and integrals."""
    s = I.CubicSpline(X, Y)
    same(lambda t: (s(t), s(t, 1), s(t, 5), s(t, extrapolate=False), s.derivative()(t), s.antiderivative()(t)), AT)
    same(lambda a: s.integrate(a, a + 2), 1.3)
    same(lambda y: I.CubicSpline(X, y).derivative(2)(AT), Y)
    same(lambda y: (I.CubicSpline(X, y).antiderivative()(AT), I.CubicSpline(X, y).integrate(1.0, 3.0)), Y)
    same(lambda y: I.CubicSpline(X, y.T, axis=1)(AT.reshape(13, 1)), Y)
    same(lambda c: I.PPoly(c, X)(AT), RNG.normal(size=(3, 8, 2)))
    same(lambda y: I.CubicSpline(X, y * 1j)(2.2), Y)
    assert isinstance(fd.grad(lambda y: _is_spline(y))(Y[:, 0]), np.ndarray)


def _is_spline(y):
    s = I.CubicSpline(X, y)
    assert isinstance(s, I.CubicSpline) and isinstance(s, I.PPoly) and s.c.shape == (4, 8)
    return s(2.0)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("k", [3, 0, 1, 4])
def test_b_splines(k):
    knots = np.r_[[0.0] * (k + 1), np.sort(RNG.uniform(0, 1, 6 - k)), [1.0] * (k + 1)]
    c, t = RNG.normal(size=(7, 2)), np.linspace(-0.2, 1.2, 11)
    for nu in (0, 1, k + 1):
        same(lambda u, c, t, nu=nu: I.BSpline(u, c, k)(t, nu), knots, c, t)
    plain = I.BSpline(knots, c, k)
    same(lambda t: plain(t), t)
    same(lambda c: (I.BSpline(knots, c, k, False)(t), I.BSpline(knots, c.T, k, axis=1)(t)), c)
    if k:
        same(lambda c: I.BSpline(knots, c, k).derivative()(t), c)
        same(lambda c: I.BSpline(knots, c, k, extrapolate="periodic")(t), c)
    same(lambda x, y, t: I.make_interp_spline(x, y, k)(t), X, Y, INSIDE)


def test_conditions_of_interpolating_splines():
    for bc in ("natural", "clamped", ([(1, 0.5)], [(2, 0.1)])):
        same(lambda x, y, bc=bc: I.make_interp_spline(x, y, bc_type=bc)(INSIDE), X, Y[:, 0].copy())


def test_tables():
    grid = (X, np.arange(4.0), np.array([0.0, 1, 5]))
    values, points = RNG.normal(size=(9, 4, 3, 2)), np.stack([RNG.uniform(g[0], g[-1], 8) for g in grid], -1)
    for method in ("linear", "nearest"):
        table = I.RegularGridInterpolator(grid, values, method)
        loose = I.RegularGridInterpolator(grid, values, method, bounds_error=False)
        beyond = I.RegularGridInterpolator(grid, values, method, bounds_error=False, fill_value=None)
        same(lambda p, t=table, u=loose, v=beyond: (t(p), u(p * 1.3), v(p * 1.3)), points)
        same(lambda v, p, m=method: I.RegularGridInterpolator(grid, v, m)(p), values, points)
        same(lambda x, m=method: I.RegularGridInterpolator((x, *grid[1:]), values, m)((2.0, 1.5, 0.3)), X)
        same(lambda v, p, m=method: I.interpn(grid, v, p, m), values, points)
    same(lambda y: I.interp1d(X, y, axis=0)(INSIDE), Y)


def test_natively():
    same(lambda x, y, t: I.CubicSpline(x, y)(t), X, Y, INSIDE, natively=True)


@pytest.mark.deep
def test_more_natively():
    same(lambda x, y, t: I.PchipInterpolator(x, y)(t), X, Y, INSIDE, natively=True)
    same(lambda x, y, t: I.make_interp_spline(x, y)(t), X, Y, INSIDE, natively=True)
    same(
        lambda v, p: I.RegularGridInterpolator((X, np.arange(2.0)), v)(p),
        Y,
        np.array([[1.0, 0.3], [2.0, 0.9]]),
        natively=True,
    )


def test_derivatives():
    x, y, t = X[:5], Y[:5, 0], np.array([0.9, 1.7, 2.3])
    check_grads(lambda x, y, t: I.CubicSpline(x, y)(t), (x, y, t), order=1)
    check_grads(lambda x, y, t: I.PchipInterpolator(x, y)(t), (x, np.cumsum(np.abs(y)), t), order=1)
    slopes = fd.vmap(fd.grad(lambda t: I.CubicSpline(X, X**3)(t)))(INSIDE)
    np.testing.assert_allclose(slopes, 3 * INSIDE**2, rtol=1e-10)


@pytest.mark.deep
def test_more_derivatives():
    x, y, t = X[:5], Y[:5, 0], np.array([0.9, 1.7, 2.3])
    check_grads(lambda x, y, t: I.CubicSpline(x, y)(t) ** 2, (x, y, t), order=2)
    check_grads(lambda y, t: I.CubicSpline(x, np.append(y, y[:1]), bc_type="periodic")(t), (y[:4], t), order=1)
    check_grads(lambda x, y, t: I.Akima1DInterpolator(x, y)(t), (x, y, t), order=1)
    check_grads(lambda x, y, t: I.make_interp_spline(x, y)(t), (x, y, t), order=1)
    check_grads(lambda v, p: I.RegularGridInterpolator((x, x[:2]), v)(p), (Y[:5], np.array([[1.7, 0.8]])), order=1)


def test_errors():
    y = Y[:, 0].copy()
    with pytest.raises(
        ShapeError, match=r"scipy.interpolate.CubicSpline at .*test_interpolate.py:\d+: x must be real, with"
    ):
        fd.jit(lambda y: I.CubicSpline(X[:3], y))(y)
    with pytest.raises(ArgumentError, match="CubicSpline at .*: bc_type must be 'not-a-knot', .* got 'free'"):
        fd.jit(lambda y: I.CubicSpline(X, y, bc_type="free")(1.0))(y)
    with pytest.raises(ArgumentError, match="Akima1DInterpolator at .*: method must be 'akima' or 'makima', got 'x'"):
        fd.jit(lambda y: I.Akima1DInterpolator(X, y, method="x")(1.0))(y)
    with pytest.raises(ShapeError, match="CubicHermiteSpline at .*: dydx must have the shape of y, got"):
        fd.jit(lambda y: I.CubicHermiteSpline(X, y, y[:2])(1.0))(y)
    with pytest.raises(ArgumentError, match="scipy.interpolate.PPoly at .*: nu must be an integer, at least 0, got"):
        fd.jit(lambda y: I.CubicSpline(X, y)(1.0, -1))(y)
    with pytest.raises(
        ShapeError, match="scipy.interpolate.PPoly at .*: x must have one element more than there are pieces"
    ):
        fd.jit(lambda c: I.PPoly(c, X[:4])(1.0))(Y)
    with pytest.raises(
        ShapeError, match="BSpline at .*: 4 or more coefficients, and as many knots and 4 more, make a spline"
    ):
        fd.jit(lambda c: I.BSpline(X, c[:3], 3)(1.0))(y)
    with pytest.raises(
        ArgumentError, match="make_interp_spline at .*: bc_type of traced values must be None, 'not-a-knot'"
    ):
        fd.jit(lambda y: I.make_interp_spline(X, y, bc_type="periodic")(1.0))(y)
    with pytest.raises(
        ShapeError, match="make_interp_spline at .*: 9 points and 0 conditions at the ends do not determine"
    ):
        fd.jit(lambda y: I.make_interp_spline(X, y, t=np.arange(9.0))(1.0))(y)
    with pytest.raises(
        ArgumentError, match="RegularGridInterpolator at .*: of traced values the method is 'linear' or"
    ):
        fd.jit(lambda v: I.RegularGridInterpolator((X,), v, "cubic")([1.0]))(y)
    with pytest.raises(
        ShapeError, match="RegularGridInterpolator at .*: points must have the lengths of the first 1 axes"
    ):
        fd.jit(lambda v: I.RegularGridInterpolator((X[:4],), v)([1.0]))(y)
    table = I.RegularGridInterpolator((X, np.arange(2.0)), Y)
    for call in (fd.jit(lambda p: table(p)), lambda p: fd.jvp(lambda p: table(p), (p,), (p,))):
        with pytest.raises(ValueError, match="One of the requested xi is out of bounds in dimension 1"):
            call(np.array([[1.0, 5.0]]))
    with pytest.raises(ShapeError, match="the last axis of xi must hold 2 coordinates, got shape"):
        fd.jit(lambda p: table(p))(np.zeros((3, 3)))
