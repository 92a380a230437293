"""Composed special functions, their values and derivatives to third order, against mpmath: in tails, at joints, where
terms cancel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import functad as fd
from functad import nn
from tests.primitives.derivative_references import POSITIVE, REAL, SIZES, Reference, mp, sigmoid, sigmoid_slope
from tests.primitives.strict_derivatives import MODES, derivative
from tests.primitives.test_derivative_sweep import NATIVE, ORDERS, ROUNDINGS, columns, compare, native

SLACK = 4
"""Sums of several terms, of functions of products that are rounded."""


def normal(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def density(x: Any) -> Any:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def logistic_argument(x: Any) -> Any:
    return 2 * (x + mp.mpf(0.044715) * x**3) * mp.mpf(np.sqrt(2 / np.pi))


ONE = {
    "expit": (sp.expit, Reference(sigmoid, sigmoid_slope)),
    "log_expit": (sp.log_expit, Reference(lambda x: -mp.log(1 + mp.exp(-x)), lambda x: sigmoid(-x))),
    "logit": (sp.logit, Reference(lambda x: mp.log(x / (1 - x)), low=5e-324, high=1 - 2.0**-53, points=(0.5 + 1e-9,
        0.999999))),
    "entr": (sp.entr, Reference(lambda x: -x * mp.log(x), low=5e-324, terms=lambda at,
        x: x ** (1 - 2 * (len(at) - 1)))),
    "ndtr": (sp.ndtr, Reference(normal, density, low=-1e10, high=1e10)),
    "elu": (nn.elu, Reference(lambda x: x if x > 0 else mp.expm1(x), lambda x: mp.exp(min(x, 0)), points=(-5e-324,))),
    "silu": (nn.silu, Reference(lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x)))),
    "softplus": (nn.softplus, Reference(lambda x: mp.log(1 + mp.exp(x)), sigmoid)),
    "gelu": (nn.gelu, Reference(lambda x: x * normal(x), lambda x: normal(x) + x * density(x), low=-1e8, high=1e8)),
    "gelu by tanh": (
        lambda x: nn.gelu(x, approximate=True),
        Reference(lambda x: x * sigmoid(logistic_argument(x)), low=-40, high=40),
    ),
}  # fmt: skip

TWO = {
    "xlogy": (sp.xlogy, Reference(lambda x, y: x * mp.log(y), points=POSITIVE)),
    "xlog1py": (
        sp.xlog1py,
        Reference(lambda x, y: x * mp.log(1 + y), points=(*POSITIVE, (2.0, -1 + 1e-12), (-3.0, -0.5))),
    ),
    "rel_entr": (
        sp.rel_entr,
        Reference(
            lambda x, y: x * mp.log(x / y),
            points=POSITIVE,
            terms=lambda at, x, y: x ** (1 - at.count(0)) / y ** at.count(1),
        ),
    ),
    "kl_div": (sp.kl_div, Reference(lambda x, y: x * mp.log(x / y) - x + y, points=POSITIVE)),
}


def assert_accurate(name: str, f: Any, reference: Reference, points: Any, orders: Any) -> None:
    arrays = columns(points)
    compare(name, reference, points, native(f, arrays), (), NATIVE * SLACK)
    for positions in orders:
        found = derivative(f, positions, MODES["mixed"])(*arrays)
        compare(name, reference, points, found, positions, ROUNDINGS[len(positions)] * SLACK)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_operand(name: str) -> None:
    f, reference = ONE[name]
    joints = (0.0,) if name == "elu" else ()
    points = [
        (x,)
        for x in dict.fromkeys((*REAL, *reference.points))
        if reference.low <= x <= reference.high and x not in joints
    ]
    assert_accurate(name, f, reference, points, [(0,), (0, 0), (0, 0, 0)])


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_operands(name: str) -> None:
    f, reference = TWO[name]
    assert_accurate(name, f, reference, reference.points, ORDERS)


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "f", [fd.jit(sp.betaln), lambda a, b: fd.jvp(sp.betaln, (a, b), (a, b))[0]], ids=["native", "un-jitted"]
)
def test_betaln(f: Any) -> None:
    """Within some roundings of itself, or of 1 where it is zero."""
    points = [(a, b) for a in SIZES for b in SIZES]
    for (a, b), found in zip(points, f(*columns(points)).tolist(), strict=True):
        with mp.workprec(1500):
            exact = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(mp.mpf(a) + b)
        assert abs(found - exact) <= 6 * mp.ldexp(max(abs(exact), 1), -53), (
            f"betaln({a}, {b}) is {found!r}, not {mp.nstr(exact, 20)}"
        )


def test_betaln_at_poles_and_infinities() -> None:
    a, b = (
        np.array([-1.0, -3.0, 0.0, -1.0, -2.5, np.inf, 3.0, np.nan]),
        np.array([1.0, 2.0, 1.0, 0.5, 1.2, 2.0, np.inf, 1.0]),
    )
    for f in (fd.jit(sp.betaln), lambda a, b: fd.jvp(sp.betaln, (a, b), (a, b))[0]):
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(f(a, b), sp.betaln(a, b), rtol=1e-13)
    poles = np.array(
        [0.0, -0.0, -1.0, -2.0, -3.0, np.inf]
    )  # one of two poles is left; infinity beside what is not positive
    for f in (fd.jit(sp.betaln), lambda a, b: fd.jvp(sp.betaln, (a, b), (a, b))[0]):
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(f(np.repeat(poles[:5], 6), np.tile(poles, 5)), np.full(30, np.inf))
    for point in [(-1e4 - 0.25, 3.5), (-7.5, 1e3 + 0.25), (-0.3, 0.2), (-2.25, 2.25 + 1e-3)]:
        exact = mp.log(abs(mp.gammaprod([mp.mpf(point[0]), mp.mpf(point[1])], [mp.mpf(point[0]) + mp.mpf(point[1])])))
        np.testing.assert_allclose(fd.jit(sp.betaln)(*point), float(exact), rtol=1e-14)
    np.testing.assert_allclose(fd.grad(sp.betaln)(-2.5, 1.2), sp.psi(-2.5) - sp.psi(-1.3), rtol=1e-13)


def test_the_fractional_part_has_derivative_one_at_integers() -> None:
    x = np.array([-2.5, -2.0, -0.0, 0.0, 0.25, 1.0, 1e300])
    part, slope = fd.vmap(fd.value_and_grad(lambda x: np.modf(x)[0]))(x)
    np.testing.assert_array_equal(part, np.modf(x)[0])
    np.testing.assert_array_equal(np.signbit(part), np.signbit(np.modf(x)[0]))
    np.testing.assert_array_equal(slope, np.ones(7))
    np.testing.assert_array_equal(fd.jit(lambda x: np.modf(x))(np.array([np.inf, -np.inf])), np.modf([np.inf, -np.inf]))


def exact_weights(x: Any) -> list[Any]:
    terms = [mp.exp(mp.mpf(float(v))) for v in x]
    return [t / mp.fsum(terms) for t in terms]


def assert_relative(found: Any, exact: Any, roundings: float) -> None:
    for got, value in zip(np.ravel(found).tolist(), exact, strict=True):
        assert abs(mp.mpf(got) - value) <= roundings * mp.ldexp(abs(value), -53) + np.finfo(np.float64).tiny, (
            f"{got!r}, not {mp.nstr(value, 20)}"
        )


@pytest.mark.parametrize(
    "x",
    [[0.0, 40.0, 3.0], [300.0, -300.0], [1.0, 1.0, 1.0], [-1.0, 0.5, 0.25, 0.75], [700.0, 20.0, 699.5], [2.0]],
    ids=str,
)
def test_sums_of_exponentials_keep_their_digits(x: list[float]) -> None:
    """Where one exponential outweighs all others 1 - w is the sum of the others' weights: gradients and Hessians, in
    every mode.
    """
    x, n = np.array(x), len(x)
    w = exact_weights(x)
    rest = [mp.fsum(w[k] for k in range(n) if k != i) for i in range(n)]
    jacobian = [w[i] * rest[i] if i == j else -w[i] * w[j] for i in range(n) for j in range(n)]
    logarithms = [rest[i] if i == j else -w[j] for i in range(n) for j in range(n)]
    roundings = 12 * max(1.0, np.ptp(x))  # the exponent is rounded
    assert_relative(fd.grad(nn.logsumexp)(x), w, roundings)
    for jit in (fd.jit, lambda f: f):
        for derivative_of in (fd.jacfwd, fd.jacrev):
            assert_relative(jit(derivative_of(fd.grad(nn.logsumexp)))(x), jacobian, roundings)
            assert_relative(jit(derivative_of(nn.softmax))(x), jacobian, roundings)
            assert_relative(jit(derivative_of(nn.log_softmax))(x), logarithms, roundings)
    third = [w[0] * rest[0] * (1 - 2 * w[0])]  # of logsumexp in its first operand

    def f(u: Any) -> Any:
        return nn.logsumexp(np.concatenate([u[None], x[1:]]))

    assert_relative(fd.grad(fd.grad(fd.grad(f)))(x[0]), third, 4 * roundings)


@pytest.mark.parametrize("x", [[1e6, 1.0], [3.0, -1e-9], [1.0, 2.0, -2.0], [-5.0], [1e-3, 1e5, 2e-4]], ids=str)
def test_the_euclidean_norm_keeps_its_digits(x: list[float]) -> None:
    """The Hessian is (1 - u u^T) / r, where 1 - u_m^2 is the sum of the others' squares; the third derivative is
    compared, too.
    """
    x, exact = np.array(x), [mp.mpf(v) for v in x]
    r2 = mp.fsum(v * v for v in exact)
    r, n = mp.sqrt(r2), len(x)
    hessian = [((r2 if i == j else 0) - exact[i] * exact[j]) / r**3 for i in range(n) for j in range(n)]
    for f in (np.linalg.norm, lambda x: np.linalg.norm(x[None], axis=1)[0], lambda x: np.linalg.vector_norm(x)):
        for jit in (fd.jit, lambda f: f):
            assert_relative(jit(fd.grad(f))(x), [v / r for v in exact], 12)
            assert_relative(jit(fd.hessian(f))(x), hessian, 30)
    third = -3 * exact[0] * (r2 - exact[0] ** 2) / r**5
    found = fd.grad(fd.grad(fd.grad(lambda u: np.linalg.norm(np.concatenate([u[None], x[1:]])))))(x[0])
    assert_relative(found, [third], 60)


def test_the_norm_of_zeros_has_derivatives_zero() -> None:
    for f in (fd.grad(np.linalg.norm), fd.hessian(np.linalg.norm), fd.jit(fd.hessian(np.linalg.norm))):
        assert not np.any(f(np.zeros(3)))
