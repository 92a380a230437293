"""``scipy.integrate`` in traced functions: ``quad`` against closed forms, rules for samples against SciPy, solvers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate as G
import scipy.optimize as O
from scipy.integrate import quad

import functad as fd
from functad.errors import ArgumentError, UnsupportedError
from tests.scipy.against_scipy import same

P, A, B = 2.0, 0.3, 1.7
X = np.cumsum(np.random.default_rng(0).uniform(0.3, 1, 9))
Y = np.sin(X)

INTEGRALS = {
    "limits": (
        lambda p, a, b: quad(lambda t: np.sin(p * t), a, b)[0], (P, A, B), (np.cos(P * A) - np.cos(P * B)) / P,
        ((B * np.sin(P * B) - A * np.sin(P * A)) / P - (np.cos(P * A) - np.cos(P * B)) / P**2, -np.sin(P * A),
         np.sin(P * B)),
    ),
    "the whole line": (
        lambda a: quad(lambda x: np.exp(-a * x**2), -np.inf, np.inf)[0], (1.3,), (np.pi / 1.3) ** 0.5,
        (-0.5 * np.pi**0.5 * 1.3**-1.5,),
    ),
    "a tail": (
        lambda a, r: quad(lambda x: np.exp(-r * x), a, np.inf)[0], (0.5, 2.0), np.exp(-1) / 2,
        (-np.exp(-1), -np.exp(-1) / 2),
    ),
    "the other tail, backwards": (lambda b: quad(np.exp, b, -np.inf)[0], (0.5,), -np.exp(0.5), (-np.exp(0.5),)),
    "a narrow peak": (
        lambda w: quad(lambda x: w / (w**2 + (x - 0.3) ** 2), 0.0, 1.0)[0], (1e-2,), np.arctan(70) + np.arctan(30),
        (-0.7 / (1e-4 + 0.49) - 0.3 / (1e-4 + 0.09),),
    ),
    "arguments": (lambda w: quad(lambda x, w, c: x * w + c, 0.0, 1.0, args=(w, 2.0))[0], (3.0,), 3.5, (0.5,)),
    "a singular end": (lambda w: quad(lambda x: w / np.sqrt(x), 0.0, 1.0)[0], (3.0,), 6.0, (2.0,)),
}  # fmt: skip


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", INTEGRALS)
def test_quad(name):
    """Value and gradient, un-jitted and natively."""
    f, args, value, gradient = INTEGRALS[name]
    tolerance = 1e-6 if "singular" in name else 1e-9
    places = tuple(range(len(args)))
    both = fd.value_and_grad(f, argnums=places)
    for each in (both, fd.jit(both)) if name == "a tail" else (fd.jit(both),):
        found, slopes = each(*args)
        np.testing.assert_allclose(found, value, rtol=tolerance)
        np.testing.assert_allclose(slopes, gradient, rtol=100 * tolerance, atol=1e-10)


def test_quad_of_branches_and_of_plain_integrands():
    """The error that it gives, a branch in the integrand, plain integrands."""
    value, error = fd.jit(lambda w: quad(lambda x: x * w if x < 0.5 else w, 0.0, 1.0))(3.0)
    np.testing.assert_allclose(value, 3 * 0.625, rtol=1e-8)
    assert 0 <= error < 1e-7
    assert fd.jit(lambda y: y * quad(lambda x: x, 0, 1)[0])(2.0) == 1.0
    assert fd.grad(lambda w: quad(lambda x: w, -np.inf, -np.inf)[0])(1.0) == 0.0


@pytest.mark.deep
def test_quad_of_mapped_parameters_and_twice():
    f = lambda a: quad(lambda x: np.exp(-a * x), 0.0, 1.0)[0]
    rates = np.array([0.5, 2.0])
    np.testing.assert_allclose(fd.vmap(f)(rates), (1 - np.exp(-rates)) / rates, rtol=1e-12)
    np.testing.assert_allclose(fd.jit(fd.grad(fd.grad(f)))(1.0), 2 - 5 / np.e, rtol=1e-9)


def test_rules_for_samples():
    same(lambda y, x: (G.trapezoid(y, x), G.simpson(y, x=x), G.cumulative_trapezoid(y, x, initial=0)), Y, X)
    same(lambda y: (G.romb(y), G.fixed_quad(lambda t: np.sin(t * y[0]), 0, y[1])[0]), Y)
    for n in (2, 3, 8, 9):
        for more in ({}, {"initial": 1.5}):
            same(lambda y, x, m=more: G.cumulative_simpson(y, x=x, **m), Y[:n], X[:n])
            same(lambda y, m=more: G.cumulative_simpson(y, dx=0.3, **m), Y[:n])
    same(lambda y: G.cumulative_simpson(y.reshape(3, 3), x=X[:3], axis=0), Y, natively=True)


SOLVERS = {
    "scipy.optimize.minimize": lambda p: O.minimize(lambda x: (x - p) ** 2, 0.0).x[0],
    "scipy.optimize.root": lambda p: O.root(lambda x: x - p, 0.0).x[0],
    "scipy.optimize.brentq": lambda p: O.brentq(lambda x: x - p, -9, 9),
    "scipy.optimize.newton": lambda p: O.newton(lambda x: x - p, 0.0),
    "scipy.integrate.odeint": lambda p: G.odeint(lambda y, t: -p * y, 1.0, [0, 1])[1, 0],
    "scipy.integrate.solve_ivp": lambda p: G.solve_ivp(lambda t, y: -p * y, (0, 1), [1.0]).y[0, -1],
}


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers_say_what_works_today(name):
    message = (
        rf"{name} at .*test_integrate.py:\d+.* calls a function that depends on a traced value: derivatives through"
    )
    for call in (fd.grad(SOLVERS[name]), fd.jit(SOLVERS[name])):
        with pytest.raises(UnsupportedError, match=f"{message} .* are planned.*; (give|integrate|write)"):
            call(2.0)


def test_errors_and_plain_values():
    """Solvers of plain values are SciPy's own, whatever is traced around."""
    assert fd.grad(lambda p: p * O.brentq(lambda x: x - 1, -9, 9))(2.0) == 1.0
    with pytest.raises(
        UnsupportedError, match=r"scipy.optimize.minimize at .*test_integrate.py:\d+ was given a traced value"
    ):
        fd.jit(lambda p: O.minimize(lambda x: x**2, p).x)(1.0)
    with pytest.raises(
        UnsupportedError, match="scipy.integrate.quad at .*: the argument weight= is not available for traced"
    ):
        fd.jit(lambda p: quad(lambda x: x * p, 0, 1, weight="cos", wvar=1.0)[0])(1.0)
    with pytest.raises(
        ArgumentError, match="scipy.integrate.quad at .*: limit must be at least 1, and epsabs positive or"
    ):
        fd.jit(lambda p: quad(lambda x: x * p, 0, 1, limit=0)[0])(1.0)
