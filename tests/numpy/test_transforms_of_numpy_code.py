"""NumPy code under the transforms: derivatives to second order, compiled code, and mapped axes, for functions of every
family.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad import nn
from functad.scipy import special
from functad.testing import check_grads
from tests.numpy.against_numpy import array

INDEX = np.array([[2, 0], [1, 2]])
MASK = np.array([[True, False, True, True], [False, False, True, False], [True, True, False, True]])
WEIGHTS = np.array([0.5, -1.0, 2.0])

FUNCTIONS = {
    "arithmetic": lambda x: (x * 2 - 1 / (x + 4)) ** 3 / (1 + x**2) - x // 3 + x % 0.7 + (-x) ** 2,
    "elementary": lambda x: (
        np.exp(np.sin(x)) * np.log(3 + x) + np.sqrt(3 + x) * np.arctan2(x, 2.0) + np.hypot(x, 1) + np.tanh(x)
    ),
    "powers": lambda x: (x + 3) ** 2.5 + 2**x + np.power(x + 3, x) + np.cbrt(x + 3) + (x + 3) ** -2,
    "choices": lambda x: (
        np.where(x > 0.1, x**2, np.sin(x)) + np.maximum(x, 0.3 * x + 0.1) + np.clip(x, -0.9, 0.95) ** 2 + abs(x)
    ),
    "reductions": lambda x: x.sum(0) * x.prod(axis=0) + x.max(axis=0) + np.min(x, 0) ** 2 + np.ptp(x, axis=0),
    "masked sums": lambda x: np.sum(x**2, axis=0, where=MASK) + np.max(x, axis=0, initial=-9, where=MASK),
    "statistics": lambda x: (
        x.mean(1) + x.var(1, ddof=1) + np.std(x, axis=1) + np.average(x, axis=1, weights=[1, 2, 3, 4])
    ),
    "norms": lambda x: (
        np.linalg.norm(x) + np.linalg.norm(x, axis=0) + np.linalg.norm(x, 3, axis=0) + np.linalg.norm(x, 1)
    ),
    "cumulative": lambda x: np.cumsum(x, 1) * np.cumprod(x + 2, axis=1) + np.diff(x, axis=1, prepend=0),
    "shapes": lambda x: np.moveaxis(np.stack([x, x**2]), 0, -1).reshape(4, -1) + np.tile(x.T.ravel()[:6], (4, 1)),
    "rearranged": lambda x: np.roll(x, 2, 1) * np.flip(x, 0) + np.rot90(x, 2) ** 2 + np.repeat(x[:, :2], 2, axis=1),
    "joined": lambda x: np.concatenate([x, x[:1] ** 2, np.ones((1, 4))]) * np.vstack([x[0], x, x[-1]]),
    "split": lambda x: sum(part[:, 0] * part[:, -1] for part in np.split(x**2, 2, axis=1)),
    "padded": lambda x: (
        np.pad(x, 1)[:-2, 2:] * x + np.pad(x, 1, "reflect")[2:, :-2] * np.pad(x, ((0, 0), (1, 0)), "wrap")[:, 1:]
    ),
    "diagonals": lambda x: np.diag(np.diagonal(x @ x.T) ** 2) + np.tril(x @ x.T) + np.trace(x, 1) * np.eye(3),
    "slices": lambda x: x[1:, ::-2] * x[:-1, 1::2] + x[None, 0, :2] + x[-1, ..., 3],
    "lookups": lambda x: x[INDEX, INDEX.T] + x[:, INDEX][0] * x[INDEX, 1],
    "masks": lambda x: x[MASK] ** 2,
    "taken": lambda x: (
        np.take(x, INDEX, 1) ** 2
        + np.take_along_axis(x, np.argsort(np.arange(12).reshape(3, 4) % 5, 1), 1)[:, None, :2]
    ),
    "updates": lambda x: fd.at(fd.at(fd.at(x)[1:, ::2].add(x[0, 0]))[0].set(np.sin(x[1])))[INDEX, 1].multiply(
        2 * x[INDEX, 0]
    ),
    "quotients": lambda x: fd.at(fd.at(x)[:, 3].divide(2 + x[:, 0]))[0, 1].power(2.0),
    "extremal updates": lambda x: fd.at(fd.at(x)[1:].max(0.2 * x[0]))[INDEX].min(x[:2, None] * 0.5 + 0.1),
    "products": lambda x: (
        x @ x.T + np.dot(x, np.arange(12.0).reshape(4, 3)) + np.outer(x[:, 0], x[:, 1]) + np.inner(x, x) * np.vdot(x, x)
    ),
    "einsum": lambda x: (
        np.einsum("ij,kj,lk->il", x, x, x @ x.T) + np.einsum("ij,ij->", x, x) + np.tensordot(x, x, ([1], [1]))
    ),
    "cross": lambda x: np.cross(x[:, 0], x[:, 1]) + np.kron(x[:, :1], x[:1, :1]).ravel(),
    "linspace": lambda x: np.linspace(x[0], x[1], 3) * np.logspace(x[0, 0], 1, 3)[:, None],
    "created": lambda x: (
        fnp.full((3, 4), x[0, 0]) * fd.at(fnp.zeros((3, 4)))[1].set(x[2]) + fnp.array([[x[0, 0], x[1, 1], 1.0, 2.0]])
    ),
    "integrals": lambda x: np.trapezoid(x**2, axis=1) + np.trapezoid(x, np.cumsum(np.exp(x), axis=1)),
    "exponentials": lambda x: (
        special.logsumexp(x, axis=0) + nn.softmax(x, 0)[1] + nn.log_softmax(x)[0] + np.logaddexp(x[0], x[1])
    ),
    "activations": lambda x: nn.relu(x) + nn.gelu(x) + nn.silu(x) + nn.elu(x) + nn.softplus(x) + nn.sigmoid(x),
    "float32": lambda x: np.sin(x.astype("f4")) * np.float32(2),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name):
    check_grads(FUNCTIONS[name], (array((3, 4), seed=7, low=-0.9, high=0.9),))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_and_mapped(name):
    f, x = FUNCTIONS[name], array((3, 4), seed=7, low=-0.9, high=0.9)
    expected = f(x)
    tolerance = {"rtol": 1e-5} if name == "float32" else {"rtol": 1e-12, "atol": 1e-14}
    compiled = fd.jit(f)(x)
    assert compiled.dtype == expected.dtype and compiled.shape == expected.shape
    np.testing.assert_allclose(compiled, expected, **tolerance)
    xs = np.stack([x, x + 0.05, -x])
    np.testing.assert_allclose(fd.vmap(f)(xs), np.stack([f(v) for v in xs]), **tolerance)


COMPLEX = {
    "products": lambda z: z @ z.conj().T + np.vdot(z, z) + np.einsum("ij,ij->i", z, z)[:, None],
    "parts": lambda z: z.real * z.imag + np.abs(z) ** 2 + np.angle(z),
    "functions": lambda z: np.exp(z) / (3 + z) + np.sqrt(z + 4) * np.sin(z) + z**3 + np.log(z + 4),
    "statistics": lambda z: z.mean(0) + np.var(z, axis=0) + np.linalg.norm(z, axis=0) + np.prod(z, axis=0),
    "updates": lambda z: fd.at(fd.at(z)[1:].multiply(z[0]))[0, 0].add(1j),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_derivatives(name):
    check_grads(COMPLEX[name], (array((3, 4), "c16", seed=8),))


def test_kinks():
    """At a kink the derivative is that of the nearest thing that has one: 0 for norms at 0, equal shares at ties."""
    zero = np.zeros(3)
    norms = [lambda x, n=n: np.linalg.norm(x, n) for n in (None, 1, 1.5, 3, np.inf)]
    for f in (*norms, np.std, lambda x: np.sum(np.hypot(x, 0.0)), lambda x: np.sum(np.abs(x))):
        np.testing.assert_array_equal(fd.grad(f)(zero), zero)
        np.testing.assert_array_equal(fd.jacfwd(f)(zero), zero)
        with np.errstate(divide="ignore"):  # 0 ** -0.5, which a zero meets
            assert not np.isnan(fd.hessian(f)(zero)).any()
    rows = fd.grad(lambda x: np.sum(np.linalg.norm(x, 3, axis=1)))(np.array([[0.0, 0.0], [1.0, 2.0]]))
    np.testing.assert_allclose(rows, [[0, 0], [9 ** (-2 / 3), 4 * 9 ** (-2 / 3)]], rtol=1e-15)
    for x in (np.array([np.inf, np.inf]), np.array([0.0, np.inf])):
        with np.errstate(divide="ignore"):
            assert fd.jit(lambda x: np.linalg.norm(x, -2))(x) == np.linalg.norm(x, -2)
    np.testing.assert_allclose(fd.grad(np.max)(np.array([1.0, 3.0, 3.0])), [0, 0.5, 0.5])
    assert fd.grad(lambda x: np.maximum(x, 0.0))(0.0) == 0.5
    assert fd.grad(nn.relu)(0.0) == 0.0


def test_where_does_not_leak_what_is_not_chosen():
    def guarded(x):
        safe = np.where(x > 0, x, 1.0)
        return np.sum(np.where(x > 0, np.log(safe), 0.0))

    np.testing.assert_allclose(fd.grad(guarded)(np.array([0.0, 2.0, -1.0])), [0, 0.5, 0])


def test_a_python_float_keeps_the_dtype_of_arrays():
    a = np.ones(3, np.float32)
    assert fd.jit(lambda x: 2 * x * a)(0.5).dtype == np.float32
    assert fd.grad(lambda x: np.sum(x * x * a))(0.5) == 3.0


def test_an_index_under_jit():
    table = np.arange(12.0).reshape(3, 4)
    lookup = fd.jit(lambda i: fnp.asarray(table)[i] * 2)
    np.testing.assert_array_equal(lookup(np.array([2, 0])), table[[2, 0]] * 2)
    with pytest.raises(IndexError, match="out of bounds for axis 0 with size 3"):
        lookup(np.array([0, 3]))
    np.testing.assert_array_equal(lookup(np.array([-1, -3])), table[[-1, -3]] * 2)


def test_arrays_that_are_closed_over_may_change_between_calls():
    """What a traced call saw of a writeable array is compared at the next call, conversions and masks included."""
    offset, index, mask = np.arange(3), np.array([-1, 0], np.int32), np.array([True, False, True])
    f = fd.jit(lambda x: (x + offset)[index] * 2 + x[mask].sum())

    def g(x):
        return (x + offset)[index] * 2 + x[mask].sum()

    x = np.array([1.0, 2.0, 4.0])
    np.testing.assert_array_equal(f(x), g(x))
    offset[2] = 7
    np.testing.assert_array_equal(f(x), g(x))
    index[0] = 1
    np.testing.assert_array_equal(f(x), g(x))
    mask[1] = True
    np.testing.assert_array_equal(f(x), g(x))


def test_loops_in_the_style_of_numpy():
    def newton(a):
        x = a
        while abs(x * x - a) > 1e-12:
            x = x - (x * x - a) / (2 * x)
        return x

    assert abs(fd.grad(newton)(2.0) - 0.5 / np.sqrt(2)) < 1e-10

    def horner(coefficients, x):
        total = 0.0
        for c in coefficients:
            total = total * x + c
        return total

    np.testing.assert_allclose(fd.grad(horner)(np.array([1.0, 2.0, 3.0]), 2.0), [4, 2, 1])
    np.testing.assert_allclose(fd.grad(lambda w: sum(v**2 for v in w))(WEIGHTS), 2 * WEIGHTS)


def operations(f, *args):
    return [e.primitive.name for e in fd.make_ir(f)(*args).eqns]


@pytest.mark.parametrize("x", [1.5, np.array([1.5, -2.0]), np.array([1 + 2j]), np.array([3, 4])])
def test_a_product_with_itself_is_a_square(x):
    assert operations(lambda x: x * x, x) == operations(lambda x: np.multiply(x, x), x) == ["square"]
    np.testing.assert_array_equal(fd.jit(lambda x: x * x)(x), x * x)


def test_its_derivative_is_one_product():
    f = lambda x: fd.jvp(lambda v: v * v, (x,), (0.5,))[1]
    assert operations(f, 3.0).count("mul") == 2 and "add" not in operations(f, 3.0)
    assert f(3.0) == 3.0


def test_booleans_have_no_square():
    b = np.array([True, False])
    np.testing.assert_array_equal(fd.jit(lambda b: b * b)(b), b * b)
    assert fd.jit(lambda b: b * b)(b).dtype == bool


def test_a_derivative_of_a_power_is_one_power_at_any_order():
    def derivative(order):
        f = lambda x: x**6
        for _ in range(order):
            f = fd.grad(f)
        return f

    for order, (coefficient, exponent) in {1: (6, 5), 2: (30, 4), 3: (120, 3), 4: (360, 2)}.items():
        powers = [e.params for e in fd.make_ir(derivative(order))(1.5).eqns if e.primitive.name == "integer_power"]
        assert {"coefficient": coefficient, "exponent": exponent} in [dict(p) for p in powers]
        for x in (1.5, -0.7, 0.0):
            np.testing.assert_allclose(fd.jit(derivative(order))(x), coefficient * x**exponent, rtol=1e-15)
    assert derivative(6)(1.5) == 720.0 and derivative(7)(1.5) == 0.0
    np.testing.assert_allclose(fd.grad(fd.grad(lambda x: x**-3))(2.0), 12 * 2.0**-5, rtol=1e-15)
