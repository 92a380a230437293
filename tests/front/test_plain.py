"""Plain NumPy code as people write it: values, gradients, and gradients of compiled code."""

from __future__ import annotations

import cmath
import copy
import functools
import math
import operator
import statistics

import numpy as np
import pytest
import scipy.special

import functad as fd
from functad.errors import ImmutableError, UnsupportedError
from functad.testing.numerics import assert_close

X = np.array([0.3, -0.7, 1.2, 2.1])


def fill(x):
    y = np.zeros(len(x) + 1)
    y[0] = 1.0
    for i in range(len(x)):
        y[i + 1] = 0.5 * y[i] + math.sin(x[i])
    return y


def stencil(x):
    u = np.zeros((4, 4))
    u[0] = x
    u[:, 0] += 1.0
    for _ in range(3):
        u[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
    return u.T


def rotation(x):
    c, s = math.cos(x[0]), math.sin(x[0])
    r = np.array([[c, -s], [s, c]])
    r[0, 0] *= x[1]
    return r @ np.array([x[2], 1.0])


def conversions(x):
    total = 0.0
    for v in x:
        total += float(v) * int(3.7) + np.float64(v) ** 2
    return total + max(x[0], x[1]) - min(x[2], 0.5) + sum(x) + abs(x[1])


def gram_schmidt(x):
    a = np.outer(x, x) + np.diag(x + 2.0)
    q, r = np.zeros((4, 4)), np.zeros((4, 4))
    for k in range(4):
        r[k, k] = math.sqrt(np.dot(a[:, k], a[:, k]))
        q[:, k] = a[:, k] / r[k, k]
        for j in range(k + 1, 4):
            r[k, j] = q[:, k] @ a[:, j]
            a[:, j] -= q[:, k] * r[k, j]
    return r


def buffers(x):
    y = np.empty_like(x)
    np.multiply(x, 2.0, out=y)
    np.add(y, 1.0, out=y, where=np.array([True, False, True, False]))
    np.add.at(y, np.array([0, 0, 1]), x[:3])
    z = np.ones((2, 2))
    np.fill_diagonal(z, x[0])
    np.copyto(z[0], x[:2])
    np.put(z, [3], x[3])
    return np.sum(y) + np.sum(z * z)


def masks(x):
    known = np.arange(4) % 2 == 0
    y = x.copy()
    y[known] = 3.0 * x[known]
    y[x > 1.0] = 0.0
    w = np.where(y > 0, y, 0.1 * y)
    w[np.flatnonzero(known)] += 1.0
    return w


class Model:
    def __init__(self, weights):
        self.weights = weights
        self.calls = np.zeros(2)

    def __call__(self, x):
        self.calls[0] += x[0]
        return np.tanh(self.weights @ x) + self.calls[0]


def objects(x):
    model = Model(np.array([x, 2.0 * x]))
    return model(x) + model(x)


def complex_numbers(x):
    z = np.zeros(4, dtype=complex)
    z.real = x
    z.imag[1:] = x[:-1] ** 2
    w = cmath.exp(complex(x[0], 1.0))
    return np.abs(z) + abs(w)


def square(v):
    return v * v


def library(x):
    product = functools.reduce(operator.mul, x)
    best = max(list(map(square, x)), key=lambda v: -v)
    return product + best + statistics.mean(list(x)) + scipy.special.logsumexp(x) + scipy.special.expit(x[0])


def aliases(x):
    a = np.zeros((3, 4)) + x
    row, flat, turned = a[1], a.reshape(-1), a.T
    row[:] = 5.0 * x
    flat[0] = x[3]
    turned[2] += row[:3]
    b = copy.deepcopy(a)
    a[...] = 0.0
    return b + row


def questions(x):
    assert isinstance(x, np.ndarray) and type(x) is np.ndarray and not np.isscalar(x)
    assert isinstance(x[0], float) and isinstance(x[0], np.floating) and not isinstance(x[0], int)
    assert type(float(x[0])) is float
    return x if hasattr(x, "shape") else None


FUNCTIONS = [
    fill, stencil, rotation, conversions, gram_schmidt, buffers, objects, complex_numbers, aliases, questions,
]  # fmt: skip


def differences(f, x, h=1e-6):
    return np.stack([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))], axis=-1)


@pytest.mark.parametrize("f", [*FUNCTIONS, masks, library], ids=lambda f: f.__name__)
def test_plain_code_and_its_derivatives(f):
    expected = f(X)
    value, pullback = fd.vjp(f, X)
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    jacobian = fd.jacobian(f)(X)
    assert_close(jacobian, differences(f, X), f.__name__, rtol=1e-6, atol=1e-7)
    (cotangent,) = pullback(np.ones_like(value))
    np.testing.assert_allclose(cotangent, np.sum(jacobian.reshape(-1, 4), axis=0), rtol=1e-12, atol=1e-13)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_compiled(f):
    np.testing.assert_allclose(fd.jit(f)(X), f(X), rtol=1e-13)
    jacobian = fd.jacobian(f)(X)
    np.testing.assert_allclose(fd.jit(fd.jacobian(f))(X), jacobian, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(fd.jacobian(fd.jit(f))(X), jacobian, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_under_vmap(f):
    xs = np.stack([X, 2.0 * X, X + 1.0])
    np.testing.assert_allclose(fd.vmap(f)(xs), np.stack([f(x) for x in xs]), rtol=1e-13)


def test_second_derivatives():
    def f(x):
        return np.sum(gram_schmidt(x) ** 2)

    np.testing.assert_allclose(fd.hessian(f)(X), differences(fd.grad(f), X), rtol=1e-5, atol=1e-4)


def test_choices_by_value_under_jit():
    def f(x):
        return max(x[0], x[1], 0.5) - min(x[2], x[3])

    assert fd.jit(f)(X) == f(X) and fd.jit(f)(-X) == f(-X)


def test_tables_that_are_made_inside_are_known_under_jit():
    @fd.jit
    def f(x):
        table = np.zeros(4, dtype=int)
        table[2:] = 1
        weights = np.ones(4)
        weights[1] = 3.0
        if table[3] and weights[1] > 2.0:
            x = x * weights
        return x[np.flatnonzero(table)] + np.linalg.det(np.diag(weights))

    np.testing.assert_allclose(f(X), X[2:] + 3.0)


COPIES = {
    "copy": lambda a: a.copy(),
    "copy in an order": lambda a: a.copy(order="C"),
    "of a view": lambda a: a[::-1][::-1].copy(),
    "np.copy": lambda a: np.copy(a),
    "by the class": lambda a: np.ndarray.copy(a),
    "copy.copy": lambda a: copy.copy(a),
    "copy.deepcopy": lambda a: copy.deepcopy(a),
    "astype": lambda a: a.astype(np.float64),
    "flatten": lambda a: a.flatten("F"),
    "np.array": lambda a: np.array(a),
}


@pytest.mark.parametrize("kind", COPIES)
def test_copies_of_plain_arrays_and_of_those_of_functions_around_hold_traced_values(kind):
    table = np.arange(4.0)

    def f(x, given=table):
        a = COPIES[kind](given)
        a[1:3] = x[:2]
        return np.sum(a * x)

    for derivative in (fd.grad(f), fd.jit(fd.grad(f))):
        np.testing.assert_array_equal(derivative(X), slope(X))
    inside = fd.jit(lambda x, table: fd.grad(lambda x: f(x, table))(x))
    np.testing.assert_array_equal(inside(X, table), slope(X))
    np.testing.assert_array_equal(table, np.arange(4.0))
    compiled = fd.jit(f)
    compiled(X)
    table[3] = 5.0
    np.testing.assert_allclose(compiled(X), f(X), rtol=1e-15)


def slope(x):
    """Of 0 x_0 + x_0 x_1 + x_1 x_2 + 3 x_3."""
    return np.array([x[1], x[0] + x[2], x[1], 3.0])


def test_the_constructor_of_arrays():
    def f(x):
        a = np.ndarray((2, 2), dtype=np.float64)
        a[:] = x.reshape(2, 2)
        return np.sum(a * a)

    np.testing.assert_array_equal(fd.jit(fd.grad(f))(X), 2 * X)


def test_an_argument_is_not_written_to():
    def f(x):
        x[0] = 1.0
        return np.sum(x)

    with pytest.raises(
        ImmutableError, match=r"written to in place at .*test_plain.py.*an argument of the function under"
    ):
        fd.grad(f)(X)
    with pytest.raises(ImmutableError, match=r"x = x.copy\(\)"):
        fd.jit(lambda x: np.add(x[:2], 1.0, out=x[:2]))(X)


def test_an_array_of_the_function_around_is_not_written_to():
    def f(x):
        buffer = np.zeros(2)

        def inner(y):
            buffer[0] = y
            return y * y

        return fd.grad(inner)(x[0]) + buffer[0]

    with pytest.raises(ImmutableError, match="belongs to the function around the one under grad, which must be pure"):
        fd.grad(f)(X)


def test_a_plain_array_from_outside_takes_no_traced_value():
    table = np.zeros(3)

    def f(x):
        table[0] = x[0]
        return x[0]

    with pytest.raises(ImmutableError, match="plain array, which would lose its derivative"):
        fd.grad(f)(X)

    def g(x):
        np.asarray(table)[0] = x[0]
        return x[0]

    with pytest.raises(ImmutableError, match="plain array, which would lose its derivative"):
        fd.grad(g)(X)
    with pytest.raises(ImmutableError, match="np.asarray made of a plain array"):
        fd.grad(lambda x: fd.numpy.asarray(table).__setitem__(0, x[0]))(X)


def test_random_draws_are_refused_in_compiled_code():
    rng = np.random.default_rng(0)
    with pytest.raises(
        UnsupportedError, match=r"random number was asked for at .*test_plain.*pass the draws as arguments"
    ):
        fd.jit(lambda x: x + rng.normal(size=4))(X)
    assert fd.grad(lambda x: np.sum(x * rng.normal(size=4)))(X).shape == (4,)


def test_a_layout_that_is_not_known_is_refused():
    def f(x):
        y = np.exp(np.outer(x, x).T)  # NumPy gives it the layout of its operand
        y.reshape(-1)[0] = 0.0
        return np.sum(y)

    with pytest.raises(ImmutableError, match="would be a view or a copy"):
        fd.grad(f)(X)


def test_the_front_end_can_be_turned_off():
    with fd.config.front(False), pytest.raises(TypeError):
        fd.grad(lambda x: math.sin(x))(0.5)
    assert fd.grad(lambda x: math.sin(x))(0.5) == math.cos(0.5)
