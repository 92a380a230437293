"""What gradients of NumPy code become: as many loops as one would write by hand."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.kernel_ir.nodes import Kernel, Load, Product, Reduce, Store
from functad.tree import flatten
from tests.lower.fusing import agrees, kernels, lowered, temporaries

RNG = np.random.default_rng(0)


def real(*shape):
    return RNG.uniform(-1, 1, shape)


def program_of(f, *args):
    program = fd.make_ir(f, optimized=True)(*args)
    agrees(program, [np.asarray(x) for x in flatten((args, {}))[0]])
    return program


def count(kernel, kind):
    return sum(isinstance(i, kind) for i in kernel.body)


def loss(x, y):
    return np.sum(np.exp(-(x**2)) * np.sin(y) + np.tanh(x * y) + np.log(1 + x**2))


def test_value_and_both_gradients_are_one_loop():
    program = program_of(fd.value_and_grad(loss, argnums=(0, 1)), real(100), real(100))
    (kernel,) = kernels(program)
    assert (count(kernel, Load), count(kernel, Reduce), count(kernel, Store)) == (2, 1, 2)
    assert temporaries(program) == []


def test_hessian_vector_product_is_one_loop():
    program = program_of(lambda x, y, v: fd.hvp(lambda z: loss(z, y), (x,), (v,)), real(100), real(100), real(100))
    assert [count(k, Store) for k in kernels(program)] == [1]
    assert temporaries(program) == []


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_of_scalar_functions_are_straight_line_code(order):
    f = lambda x: np.exp(-x * x) * np.sin(3 * x) / (1 + x * x)
    for _ in range(order):
        f = fd.grad(f)
    (kernel,) = kernels(program_of(f, 0.3))
    assert kernel.axes == ()


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


@pytest.mark.parametrize("transform", [fd.grad, fd.hessian])
def test_derivatives_in_the_plane_are_straight_line_code(transform):
    program = program_of(transform(rosenbrock), real(2))
    (kernel,) = kernels(program)
    assert kernel.axes == ()
    assert temporaries(program) == []


def potential(x):
    difference = x[:, None, :] - x[None, :, :]
    return np.sum(1 / np.sqrt(np.sum(difference**2, axis=-1) + 0.1))


def test_forces_between_all_pairs_take_no_array_of_pairs():
    program = program_of(fd.grad(potential), real(40, 3))
    pairs, *rest = kernels(program)
    assert len(pairs.axes) == 2
    assert all(len(k.axes) < 2 or k.axes[1].constant == 3 for k in rest)
    assert all(len(shape) < 2 or shape[1].constant == 3 for shape in temporaries(program))


def network(w1, b1, w2, b2, x, y):
    return np.mean((np.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2)


def test_network_is_its_products_and_one_loop_between_each():
    arguments = real(20, 30), real(30), real(30, 40), real(40), real(50, 20), real(50, 40)
    body = lowered(program_of(fd.grad(network, argnums=(0, 1, 2, 3)), *arguments)).body
    assert sum(isinstance(s, Product) for s in body) == 5
    assert sum(isinstance(s, Kernel) for s in body) == 3


def test_least_squares_fuses_around_matrix_vector_products():
    f = lambda w, x, y: np.sum((x @ w - y) ** 2)
    body = lowered(program_of(fd.value_and_grad(f), real(20), real(100, 20), real(100))).body
    assert [type(s) for s in body] == [Product, Kernel, Product]
