"""Cotangents of a loop's constants that are sums over its steps: taken after the loop where a step gives less than the
sum holds.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.kernel_ir.nodes import Kernel, Product, Scatter
from tests.lax.test_in_place import loops, sweeps
from tests.lax.test_native_corners import same
from tests.lower.fusing import lowered

lax = fd.lax
RNG = np.random.default_rng(12)
N, B, T = 20, 3, 7
XS = RNG.uniform(-1, 1, (T, B, N))
W = RNG.uniform(-1, 1, (N, N)) / 4


def network(w, xs=XS, **how):
    h, ys = lax.scan(lambda h, x: (np.tanh(h @ w + x), h[0]), np.zeros((B, N)), xs, **how)
    return np.sum(h**2) + np.sum(ys)


def vectors(w):
    """A sum of outer products."""
    return np.sum(lax.scan(lambda h, x: (np.tanh(w @ h + x), None), np.ones(N), XS[:, 0])[0] ** 2)


def used_twice(w):
    """Of a function of the matrix, two products in a step."""

    def step(h, x):
        h = np.tanh(h @ np.sin(w) + x)
        return np.cos(h @ np.exp(w).T / N), None

    return np.sum(lax.scan(step, np.zeros((B, N)), XS)[0])


def embedding(w):
    """Rows looked up, and the same array in a product with what was looked up."""
    k = np.array([[3, 0], [3, 3], [-1, 5], [0, 0], [19, 2]])
    table = fd.numpy.asarray
    return np.sum(lax.scan(lambda h, k: (np.tanh(h + table(w)[k]) @ w, None), np.zeros((2, N)), k)[0] ** 2)


def element_in_each_step(w):
    """What each step reads is the same one element, and a row."""
    return lax.scan(lambda c, x: (np.tanh(c + w[2, 3] * x + np.sum(w[1] * x)), None), 0.1, XS[:, 0, 0])[0]


def nested(w):
    def outer(h, x):
        return lax.scan(lambda h, _: (np.tanh(h @ w + x), None), h, None, length=3)[0], None

    return np.sum(lax.scan(outer, np.zeros((B, N)), XS)[0] ** 2)


def also_carried(w):
    """The array is the first carry, too, and a step's own result."""

    def step(c, x):
        return c * 0.5 + w * np.sum(x), np.sum((x @ w) * (x @ c))

    c, ys = lax.scan(step, w, XS)
    return np.sum(c**2) + np.sum(ys)


def backwards(w):
    return network(w, reverse=True)


SUMS = [network, vectors, used_twice, embedding, element_in_each_step, nested, also_carried, backwards]


@pytest.mark.one_in(9)
@pytest.mark.parametrize("f", SUMS)
def test_derivatives(f):
    fd.testing.check_grads(f, (W,), order=1, rtol=1e-5, atol=1e-7)
    for g in (
        fd.grad(f),
        lambda w: fd.jvp(fd.grad(f), (w,), (np.cos(w),))[1],
        fd.grad(lambda w: np.sum(fd.grad(f)(w) ** 2)),
    ):
        np.testing.assert_allclose(same(g, W, rtol=1e-9), g(W), rtol=1e-9, atol=1e-12)
    second = fd.grad(lambda w: fd.jvp(f, (w,), (np.cos(W),))[1])(W)  # the Hessian is symmetric
    np.testing.assert_allclose(second, fd.jvp(fd.grad(f), (W,), (np.cos(W),))[1], rtol=1e-9, atol=1e-12)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("f", SUMS)
def test_vmap(f):
    w = np.stack([W, -W, 2 * W])
    expected = [fd.grad(f)(x) for x in w]
    np.testing.assert_allclose(same(fd.vmap(fd.grad(f)), w, rtol=1e-10), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        same(fd.grad(lambda w: np.sum(fd.vmap(f)(w))), w, rtol=1e-10), expected, rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("steps", [0, 1])
def test_few_steps(steps):
    def f(w):
        return network(w, XS[:steps])

    np.testing.assert_allclose(same(fd.grad(f), W), fd.grad(f)(W), rtol=1e-12)
    assert steps or not np.any(fd.grad(f)(W))


def test_complex():
    def f(w):
        h = lax.scan(lambda h, x: (0.1 * np.sin(h @ w) + x, None), np.zeros((B, N), complex), XS)[0]
        return np.sum(np.abs(h) ** 2)

    w = W + 1j * W.T
    np.testing.assert_allclose(same(fd.grad(f), w, rtol=1e-10), fd.grad(f)(w), rtol=1e-10)
    t = RNG.normal(size=(N, N)) + 1j * RNG.normal(size=(N, N))
    slope = (f(w + 1e-6 * t) - f(w - 1e-6 * t)) / 2e-6
    np.testing.assert_allclose(np.sum(fd.grad(f)(w) * t).real, slope, rtol=1e-6)


# -- the form of the code ----------------------------------------------------------------------------------------------


def gradient(f, *args):
    return lowered(fd.make_ir(fd.grad(f), optimized=True)(*args))


@pytest.mark.parametrize("f", [network, vectors, used_twice, backwards])
def test_the_sum_of_products_is_one_product_after_the_loop(f):
    program = gradient(f, W)
    loop = loops(program)[-1]
    assert not any(b.last.shape == program.inputs[0].shape for b in loop.carry)
    after = [s for s in program.body[program.body.index(loop) :] if isinstance(s, Product)]
    assert len(after) == (2 if f is used_twice else 1)
    assert all(s.k.constant == (T if f is vectors else T * B) for s in after)  # contracted over the steps, too


def test_lookups_in_all_steps_are_one_scatter():
    k = np.arange(30) % N

    def f(w):
        return lax.scan(lambda c, k: (np.tanh(c + fd.numpy.asarray(w)[k] @ np.ones(N)), None), 0.0, k)[0]

    program = gradient(f, W)
    assert [any(isinstance(i, Scatter) for i in s.body) for s in program.body if isinstance(s, Kernel)].count(True) == 1
    assert all(not sweeps(loop.body) or loop.body.outputs for loop in loops(program))
    assert not any(c.last.shape == program.inputs[0].shape for loop in loops(program) for c in loop.carry)


def test_what_is_small_is_added_up_in_the_loop():
    """A scalar, and a sum that is no larger than what each step gives."""

    def f(a, w):
        return np.sum(lax.scan(lambda h, x: (np.tanh(h * w + a * x), None), np.zeros((N, N)), XS[:, 0, 0])[0])

    loop = loops(lowered(fd.make_ir(fd.grad(f, argnums=(0, 1)), optimized=True)(0.3, W)))[-1]
    assert len(loop.carry) == 3 and not loop.written


def test_a_number_of_steps_that_is_not_known():
    def f(w, n):
        return np.sum(lax.fori_loop(0, n, lambda i, h: np.tanh(w @ h + i), np.ones(N)) ** 2)

    np.testing.assert_allclose(same(fd.grad(f), W, 5), fd.grad(f)(W, 5), rtol=1e-10)
    loop = loops(gradient(f, W, 5))[-1]
    assert any(c.in_place and len(c.last.shape) == 2 for c in loop.carry)


def test_indices_that_an_inner_loop_writes() -> None:
    """The indices of a scatter after two loops, which the inner one writes beside what is linear."""
    x = np.random.default_rng(3).normal(size=(2, 6, 6, 3))
    k = np.arange(2)

    def pooled(x):
        def element(i, j, out):
            window = x[:, 2 * i + k][:, :, 2 * j + k]
            return fd.at(out)[:, i, j, :].set(np.max(window, axis=(1, 2)))

        def row(i, out):
            return fd.lax.fori_loop(0, 3, lambda j, out: element(i, j, out), out)

        return np.sum(fd.lax.fori_loop(0, 3, row, np.zeros((2, 3, 3, 3))) ** 2)

    def blocks(x):
        return np.sum(np.max(x.reshape(2, 3, 2, 3, 2, 3), axis=(2, 4)) ** 2)

    expected = fd.grad(blocks)(x)
    np.testing.assert_array_equal(fd.grad(pooled)(x), expected)
    np.testing.assert_array_equal(fd.jit(fd.grad(pooled))(x), expected)
