"""Functions with derivative rules of the user's own, under every transform."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import LinearityError, StructureError

X = np.array([0.3, -0.8, 1.4])
close = np.testing.assert_allclose


@fd.custom_jvp
def sine(x):
    return np.sin(x)


@sine.defjvp
def sine_jvp(primals, tangents):
    # three times the true derivative: so that a test sees whether the rule is used
    (x,), (t,) = primals, tangents
    return sine(x), 3 * np.cos(x) * t


@fd.custom_vjp
def scaled(p):
    return {"y": np.sin(p["x"]) * p["s"]}


scaled.defvjp(
    lambda p: (scaled(p), (np.cos(p["x"]), p["s"])),
    lambda res, ct: ({"x": 5 * ct["y"] * res[0] * res[1], "s": np.sum(ct["y"])},),
)

WRAPS = [lambda f: f, fd.jit]


@pytest.mark.parametrize("wrap", WRAPS, ids=["plain", "jit"])
def test_custom_jvp_in_both_modes_and_nested(wrap) -> None:
    close(sine(X), np.sin(X))
    close(wrap(sine)(X), np.sin(X))
    close(wrap(lambda x: fd.jvp(sine, (x,), (X,))[1])(X), 3 * np.cos(X) * X)
    close(wrap(fd.grad(lambda x: np.sum(sine(x))))(X), 3 * np.cos(X))
    close(wrap(fd.vmap(fd.grad(sine)))(X), 3 * np.cos(X))
    close(wrap(fd.grad(lambda x: np.sum(fd.vmap(sine)(x))))(X), 3 * np.cos(X))
    close(wrap(fd.grad(fd.grad(sine)))(0.3), -3 * np.sin(0.3))
    close(np.diag(wrap(fd.hessian(lambda x: np.sum(sine(x))))(X)), -3 * np.sin(X))
    close(fd.grad(lambda x: np.sum(fd.jit(sine)(x)))(X), 3 * np.cos(X))


@pytest.mark.parametrize("wrap", WRAPS, ids=["plain", "jit"])
def test_custom_vjp_with_containers(wrap) -> None:
    p = {"x": X, "s": 2.0}
    close(wrap(scaled)(p)["y"], 2 * np.sin(X))
    gradient = wrap(fd.grad(lambda p: np.sum(scaled(p)["y"])))(p)
    close(gradient["x"], 10 * np.cos(X))
    close(gradient["s"], 3.0)
    rows = {"x": np.stack([X, 2 * X]), "s": 2.0}
    mapped = fd.vmap(scaled, in_axes=({"x": 0, "s": None},))
    gradient = wrap(fd.grad(lambda p: np.sum(mapped(p)["y"])))(rows)
    close(gradient["x"], 10 * np.cos(rows["x"]))
    close(gradient["s"], 6.0)


def test_reverse_over_custom_reverse() -> None:
    f = fd.custom_vjp(lambda x: x**3)
    f.defvjp(lambda x: (x**3, x), lambda x, ct: (ct * 3 * x**2,))
    close(fd.grad(fd.grad(f))(2.0), 12.0)
    close(fd.grad(fd.grad(fd.grad(f)))(2.0), 6.0)
    close(fd.jvp(fd.grad(f), (2.0,), (1.0,))[1], 12.0)


def test_forward_mode_of_custom_vjp_says_what_is_missing() -> None:
    for transform in (
        lambda: fd.jvp(scaled, ({"x": X, "s": 2.0},), ({"x": X, "s": 1.0},)),
        lambda: fd.jacfwd(scaled)({"x": X, "s": 2.0}),
    ):
        with pytest.raises(StructureError, match=r"custom_vjp function scaled.*reverse mode only.*fd\.custom_jvp"):
            transform()


def test_jacobian_of_custom_vjp_takes_reverse_mode() -> None:
    cubes = fd.custom_vjp(lambda x: x**3)
    cubes.defvjp(lambda x: (x**3, x), lambda x, ct: (ct * 3 * x**2,))
    for f in (cubes, fd.jit(cubes), lambda x: fd.lax.map(cubes, x), fd.vmap(cubes)):
        close(fd.jacobian(f)(X), np.diag(3 * X**2))


def test_forward_mode_past_results_that_nobody_needs() -> None:
    """A call beside whose needed result is one that has no forward mode, and that nobody needs."""
    cubes = fd.custom_vjp(lambda x: x**3)
    cubes.defvjp(lambda x: (x**3, x), lambda x, ct: (ct * 3 * x**2,))
    for wrap in (fd.jit, fd.checkpoint, lambda f: fd.jit(fd.checkpoint(fd.jit(f)))):
        inner = wrap(lambda x: (cubes(x), np.sin(x), cubes(x) * x))
        for run in (lambda f: f, fd.jit):
            value, tangent = run(lambda x: fd.jvp(lambda x: inner(x)[1] * x, (x,), (1.0,)))(2.0)
            close(value, 2.0 * np.sin(2.0))
            close(tangent, np.sin(2.0) + 2.0 * np.cos(2.0))
            gradient = lambda x: fd.grad(lambda x: inner(x)[1] + inner(x)[2])(x)
            close(run(lambda x: fd.jvp(gradient, (x,), (1.0,)))(2.0)[1], -np.sin(2.0) + 12 * 2.0**2)


def test_closed_over_values() -> None:
    def outer(a, x):
        held = fd.stop_gradient(a)
        f = fd.custom_jvp(lambda x: held * x)
        f.defjvp(lambda p, t: (held * p[0], 7 * held * t[0]))
        return f(x)

    close(fd.grad(outer, 1)(2.0, 3.0), 14.0)
    close(fd.vmap(fd.grad(outer, 1), in_axes=(0, None))(X, 3.0), 7 * X)

    def moving(a, x):
        f = fd.custom_vjp(lambda x: a * x)
        f.defvjp(lambda x: (a * x, None), lambda _, ct: (ct * a,))
        return f(x)

    close(fd.grad(moving, 1)(2.0, 3.0), 2.0)
    with pytest.raises(StructureError, match=r"closes over a value \(f64\[\]\) that is being differentiated"):
        fd.grad(moving, 0)(2.0, 3.0)


def test_nondiff_arguments_and_defjvps() -> None:
    @fd.custom_jvp
    def product(x, y):
        return x * y

    product.defjvps(lambda t, value, x, y: 2 * t * y, None)
    close(fd.grad(product, (0, 1))(3.0, 5.0), (10.0, 0.0))

    apply = fd.custom_vjp(lambda f, x: f(x), nondiff_argnums=(0,))
    apply.defvjp(lambda f, x: (f(x), x), lambda f, x, ct: (ct * 100 * f(x),))
    close(fd.grad(lambda x: apply(np.sin, x))(0.5), 100 * np.sin(0.5))


def test_bad_rules() -> None:
    f = fd.custom_jvp(lambda x: x * 2)
    with pytest.raises(StructureError, match="has no rule"):
        fd.grad(f)(1.0)
    f.defjvp(lambda p, t: (p[0] * 2, t[0] ** 2))
    with pytest.raises(LinearityError, match="not linear in the tangents"):
        fd.grad(f)(1.0)
    f.defjvp(lambda p, t: p[0] * 2)
    with pytest.raises(StructureError, match="pair"):
        fd.grad(f)(1.0)
    f.defjvp(lambda p, t: (p[0] * 2, np.ones(3)))
    with pytest.raises(StructureError, match=r"f64\[3\]; expected f64\[\]"):
        fd.grad(f)(1.0)
    g = fd.custom_vjp(lambda x, y: x * y)
    g.defvjp(lambda x, y: (x * y, None), lambda _, ct: (ct,))
    with pytest.raises(StructureError, match="tuple of 2 cotangents"):
        fd.grad(g)(1.0, 2.0)


@pytest.mark.parametrize("wrap", WRAPS, ids=["plain", "jit"])
def test_linear_functions_in_their_own_rules(wrap) -> None:
    forward = fd.custom_jvp(lambda x: 3.0 * x)
    forward.defjvp(lambda p, t: (forward(p[0]), forward(t[0])))
    reverse = fd.custom_vjp(lambda x: 3.0 * x)
    reverse.defvjp(lambda x: (reverse(x), None), lambda _, ct: (reverse(ct),))
    for f in (forward, reverse):
        close(wrap(fd.grad(lambda x, f=f: np.sum(f(x) * x)))(X), 6 * X)
        close(wrap(fd.vmap(fd.grad(lambda x, f=f: f(x) * x)))(X), 6 * X)
        close(fd.linear_transpose(f, X)(X)[0], 3 * X)
    close(wrap(fd.hessian(lambda x: np.sum(forward(x) * x)))(X), 6 * np.eye(3))
