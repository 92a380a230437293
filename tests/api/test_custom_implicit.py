"""Rules that call their own function: implicitly differentiated fixed points and roots, to third order, transformed."""

from __future__ import annotations

import functools
from functools import partial

import numpy as np
import pytest

import functad as fd

close = partial(np.testing.assert_allclose, rtol=1e-12)
A = np.array([2.0, 3.0, 0.7])


# the example of JAX's documentation: the reverse rule solves a fixed point again, of another function each time


@functools.partial(fd.custom_vjp, nondiff_argnums=(0,))
def fixed_point(f, a, x_guess):
    def cond_fun(carry):
        x_prev, x = carry
        return np.abs(x_prev - x) > 1e-15 * np.abs(x)

    def body_fun(carry):
        _, x = carry
        return x, f(a, x)

    _, x_star = fd.lax.while_loop(cond_fun, body_fun, (x_guess, f(a, x_guess)))
    return x_star


def fixed_point_fwd(f, a, x_init):
    x_star = fixed_point(f, a, x_init)
    return x_star, (a, x_star)


def fixed_point_rev(f, res, x_star_bar):
    a, x_star = res
    _, vjp_a = fd.vjp(lambda a: f(a, x_star), a)
    (a_bar,) = vjp_a(fixed_point(partial(rev_iter, f), (a, x_star, x_star_bar), x_star_bar))
    return a_bar, np.zeros_like(x_star)


def rev_iter(f, packed, u):
    a, x_star, x_star_bar = packed
    _, vjp_x = fd.vjp(lambda x: f(a, x), x_star)
    return x_star_bar + vjp_x(u)[0]


fixed_point.defvjp(fixed_point_fwd, fixed_point_rev)


def root_by_iteration(a):
    return fixed_point(lambda a, x: 0.5 * (x + a / x), a, a)


# Newton's method, differentiated by the implicit function theorem: f(a, x) = 0 gives dx = -f_a da / f_x


@functools.partial(fd.custom_jvp, nondiff_argnums=(0,))
def newton(f, a, start):
    def step(x):
        return x - f(a, x) / fd.grad(f, 1)(a, x)

    return fd.lax.fori_loop(0, 8, lambda i, x: step(x), start)


@newton.defjvp
def newton_jvp(f, primals, tangents):
    a, start = primals
    x = newton(f, a, start)
    _, along_a = fd.jvp(lambda a: f(a, x), (a,), (tangents[0],))
    return x, -along_a / fd.grad(f, 1)(a, x)


def root_by_newton(a):
    return newton(lambda a, x: x * x - a, a, 0.5 + a)


ROOTS = {"custom_vjp": root_by_iteration, "custom_jvp": root_by_newton}

DERIVATIVES = {
    0: (lambda f: f, lambda a: a**0.5),
    1: (fd.grad, lambda a: 0.5 * a**-0.5),
    2: (lambda f: fd.grad(fd.grad(f)), lambda a: -0.25 * a**-1.5),
    3: (lambda f: fd.grad(fd.grad(fd.grad(f))), lambda a: 0.375 * a**-2.5),
}

OVER = {
    "plain": lambda f: np.stack([f(a) for a in A]),
    "jit": lambda f: np.stack([fd.jit(f)(a) for a in A]),
    "vmap": lambda f: fd.vmap(f)(A),
    "jit vmap": lambda f: fd.jit(fd.vmap(f))(A),
    "vmap jit": lambda f: fd.vmap(fd.jit(f))(A),
    "scan": lambda f: fd.lax.scan(lambda c, a: (c, f(a)), 0.0, A)[1],
    "jit scan": fd.jit(lambda f: fd.lax.scan(lambda c, a: (c, f(a)), 0.0, A)[1], static_argnums=0),
    "cond": lambda f: np.stack([fd.lax.cond(a > 1.0, f, lambda a: f(a), a) for a in A]),
    "while": lambda f: np.stack(
        [fd.lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, f(c[1])), (0, a))[1] for a in A]
    ),
    "checkpoint": lambda f: np.stack([fd.checkpoint(f)(a) for a in A]),
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("order", DERIVATIVES)
@pytest.mark.parametrize("kind", ROOTS)
def test_roots_to_third_order_inside_transforms(kind, order, over) -> None:
    derivative, expected = DERIVATIVES[order]
    close(OVER[over](derivative(ROOTS[kind])), expected(A))


THROUGH = {
    "jit": fd.jit,
    "vmap": lambda f: lambda a: fd.vmap(f)(np.stack([a, a]))[0],
    "scan": lambda f: lambda a: fd.lax.scan(lambda c, _: (f(c), None), a, np.zeros(1))[0],
    "cond": lambda f: lambda a: fd.lax.cond(a > 0.0, f, lambda a: a, a),
    "while": lambda f: lambda a: fd.lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, f(c[1])), (0, a))[1],
    "checkpoint": fd.checkpoint,
}


@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit], ids=["plain", "jit"])
@pytest.mark.parametrize("through", THROUGH)
@pytest.mark.parametrize("kind", ROOTS)
def test_derivatives_of_transforms_of_roots(kind, through, wrap) -> None:
    f = THROUGH[through](ROOTS[kind])
    for order in (1, 2):
        derivative, expected = DERIVATIVES[order]
        close(wrap(derivative(f))(2.0), expected(2.0))


def test_a_chain_of_roots_in_a_loop() -> None:
    def f(a):  # a^(1.5^3)
        return fd.lax.scan(lambda c, _: (c * root_by_iteration(c), None), a, np.zeros(3))[0]

    for wrap in (lambda f: f, fd.jit):
        close(wrap(fd.grad(f))(2.0), 3.375 * 2**2.375)
        close(wrap(fd.grad(fd.grad(f)))(2.0), 3.375 * 2.375 * 2**1.375)


def test_forward_mode_and_hessians_of_newton() -> None:
    def f(x):
        return root_by_newton(x[0]) * root_by_newton(x[1])

    x = np.array([2.0, 5.0])
    cross = 0.25 / np.sqrt(10.0)
    expected = [[-0.25 * 2**-1.5 * 5**0.5, cross], [cross, -0.25 * 5**-1.5 * 2**0.5]]
    for wrap in (lambda f: f, fd.jit):
        close(wrap(fd.hessian(f))(x), expected)
        close(wrap(fd.jacfwd(fd.jacfwd(f)))(x), expected)
        close(wrap(fd.jacrev(fd.jacrev(f)))(x), expected)
        close(wrap(lambda a: fd.jvp(root_by_newton, (a,), (2.0,))[1])(4.0), 0.5)
        close(wrap(lambda a: fd.jvp(fd.grad(root_by_newton), (a,), (1.0,))[1])(4.0), -0.25 / 8)
        close(wrap(lambda a: fd.linearize(root_by_newton, a)[1](2.0))(4.0), 0.5)


def test_reverse_over_implicit_reverse_of_several_variables() -> None:
    # x = tanh(W x + b) has the derivative (I - D W)^-1 D db, D = diag(1 - x^2)
    w = np.array([[0.3, -0.2, 0.1], [0.2, 0.1, -0.3], [-0.1, 0.25, 0.2]])
    b = np.array([0.5, -0.4, 0.3])

    @fd.custom_vjp
    def solve(w, b):
        return fd.lax.fori_loop(0, 80, lambda i, x: np.tanh(w @ x + b), np.zeros_like(b))

    def fwd(w, b):
        x = solve(w, b)
        return x, (w, x)

    def bwd(res, ct):
        w, x = res
        d = 1.0 - x * x
        u = fd.lax.fori_loop(0, 80, lambda i, u: ct + w.T @ (d * u), np.zeros_like(ct))
        return np.outer(d * u, x), d * u

    solve.defvjp(fwd, bwd)
    x = solve(w, b)
    exact = np.linalg.solve(np.eye(3) - np.diag(1 - x * x) @ w, np.diag(1 - x * x))
    for f in (solve, fd.jit(solve)):
        np.testing.assert_allclose(fd.jacobian(f, 1)(w, b), exact, rtol=1e-10)
        gradient = fd.grad(lambda w, b: np.sum(f(w, b) ** 2), (0, 1))
        close(fd.jit(gradient)(w, b)[0], gradient(w, b)[0], atol=1e-14)
        direction, h = np.array([0.3, -0.5, 0.2]), 1e-5
        second = fd.grad(lambda b, g=gradient: g(w, b)[1] @ direction)(b)
        difference = [gradient(w, b + s * h * direction)[1] for s in (1, -1)]
        np.testing.assert_allclose(second, (difference[0] - difference[1]) / (2 * h), rtol=1e-7, atol=1e-9)


@fd.custom_jvp
def guarded_exp(x):
    """The exponential, cut off at 700, with the derivative of the exponential."""
    return np.exp(np.minimum(x, 700.0))


@guarded_exp.defjvp
def guarded_exp_jvp(primals, tangents):
    y = guarded_exp(*primals)
    return y, y * tangents[0]


@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_a_guarded_exponential_is_its_own_derivative_to_any_order(wrap) -> None:
    for x in (-3.0, 0.5, 1e4):
        expected = np.exp(min(x, 700.0))
        f = guarded_exp
        for _ in range(4):
            f = fd.grad(f)
            close(wrap(f)(x), expected)
    close(wrap(fd.hessian(lambda x: np.sum(guarded_exp(x))))(A), np.diag(np.exp(A)))
