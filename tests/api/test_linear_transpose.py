"""``linear_transpose`` of functions that call others: jitted, checkpointed, with rules of their own, loops and
branches.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad import jit, linear_transpose, vmap
from functad.errors import LinearityError
from functad.tree import map as tree_map

lax = fd.lax
A = np.arange(6.0).reshape(2, 3) - 2.5
X = np.array([0.5, -1.0, 2.0])
policies = lax.checkpoint_policies


@fd.custom_jvp
def with_jvp(x):
    return A @ x


with_jvp.defjvps(lambda t, y, x: A @ t)


@fd.custom_vjp
def with_vjp(x):
    return A @ x


with_vjp.defvjp(lambda x: (A @ x, None), lambda _, ct: (A.T @ ct,))


def mixed(c):
    return 0.75 * c + 0.25 * c[::-1]


def counted(x, checkpoint=None):
    """A loop of three steps, with a factor that changes from step to step and does not depend on x."""
    start = (0, 1.0, x)
    moving, step = lambda s: s[0] < 3, lambda s: (s[0] + 1, np.sin(s[1]) + 1, s[1] * mixed(s[2]))
    return A @ lax.while_loop(moving, step, start, checkpoint)[2]


FUNCTIONS = {
    "jit": jit(lambda x: A @ x),
    "checkpoint": fd.checkpoint(lambda x: A @ x),
    "checkpoint with a policy": fd.checkpoint(lambda x: 3.0 * (A @ x), policy=policies.dots_saveable),
    "checkpoint of several": fd.checkpoint(lambda x: {"a": A @ x, "b": (2 * x, np.sum(x))}),
    "checkpoint in checkpoint": fd.checkpoint(lambda x: A @ fd.checkpoint(mixed)(x)),
    "checkpoint in jit": jit(lambda x: fd.checkpoint(lambda x: A @ x)(x)),
    "checkpoint in a loop": lambda x: lax.fori_loop(0, 3, lambda i, c: fd.checkpoint(mixed)(c), x),
    "checkpoint of what is not linear in others": fd.checkpoint(lambda x: np.exp(np.sin(A)) @ x),
    "name": lambda x: fd.checkpoint_name(A @ x, "product"),
    "custom_jvp": with_jvp,
    "custom_vjp": with_vjp,
    "cond": lambda x: lax.cond(True, lambda x: A @ x, lambda x: -A @ x, x),
    "switch": lambda x: lax.switch(1, [lambda x: A @ x, lambda x: 2 * A @ x], x),
    "scan": lambda x: lax.scan(lambda c, a: (mixed(c), a @ c), x, A),
    "scan, sqrt": lambda x: A @ lax.scan(lambda c, _: (mixed(c), None), x, length=4, checkpoint="sqrt")[0],
    "scan, binomial": lambda x: A @ lax.scan(lambda c, _: (mixed(c), None), x, length=40, checkpoint="binomial")[0],
    "fori, traced bound": lambda x: jit(lambda x, n: lax.fori_loop(0, n, lambda i, c: mixed(c), x))(x, 3),
    "map": lambda x: lax.map(lambda a: a @ x, A),
    "associative_scan": lambda x: lax.associative_scan(np.add, x),
    "while": counted,
    "while, sqrt": lambda x: counted(x, "sqrt"),
    "while, binomial": lambda x: counted(x, "binomial"),
    "vjp": lambda x: fd.vjp(fd.checkpoint(lambda y: np.sin(A @ y)), X)[1](A @ x),
    "jvp": lambda x: fd.jvp(lambda y: A @ y**2, (X,), (x,))[1],
}


def ones_like(tree):
    return tree_map(np.ones_like, tree)


def matrix_of_rows(f):
    """f of the unit vectors, each row that of one: what the transpose gives for ones is the sum along each row."""
    return [sum(np.sum(y) for y in fd.tree.flatten(f(e))[0]) for e in np.eye(3)]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_transposes(name):
    f = FUNCTIONS[name]
    y = f(X)
    ct, expected = ones_like(y), matrix_of_rows(f)
    twice = tree_map(lambda c: np.stack([c, 2 * c]), ct)
    transpose = lambda ct: linear_transpose(f, X)(ct)[0]

    for run in (transpose, jit(transpose), lambda ct: linear_transpose(jit(f), X)(ct)[0]):
        np.testing.assert_allclose(run(ct), expected, rtol=1e-13, atol=1e-14)
    for run in (vmap(transpose), jit(vmap(transpose)), lambda ct: linear_transpose(vmap(f), np.stack([X, X]))(ct)[0]):
        np.testing.assert_allclose(run(twice), np.outer([1.0, 2.0], expected), rtol=1e-13, atol=1e-14)

    dotted = lambda ct: np.sum(transpose(ct) * X)  # its gradient is f(X)
    for gradient in (fd.grad(dotted)(ct), jit(fd.grad(dotted))(ct), linear_transpose(transpose, ct)(X)[0]):
        for a, b in zip(fd.tree.flatten(gradient)[0], fd.tree.flatten(y)[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("wrap", [fd.checkpoint, jit, lambda f: f], ids=["checkpoint", "jit", "plain"])
def test_what_is_closed_over_is_differentiated(wrap):
    def f(a):
        return np.sum(linear_transpose(wrap(lambda x: np.sin(a) * x), X)(np.ones(3))[0])

    for run in (fd.grad(f), jit(fd.grad(f)), fd.grad(jit(f)), lambda a: fd.vmap(fd.grad(f))(np.array([a]))[0]):
        np.testing.assert_allclose(run(0.3), 3 * np.cos(0.3), rtol=1e-14)


NOT_LINEAR = {
    "checkpoint": (
        fd.checkpoint(lambda x: np.sin(x)),
        r"sin is not linear in its operands \[0\], at .*test_linear_transpose.py:\d+",
    ),
    "jit": (jit(lambda x: x * x), r"square is not linear"),
    "while": (
        lambda x: lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, np.sin(s[1])), (0, x)),
        "sin is not linear",
    ),
    "condition": (
        lambda x: lax.while_loop(lambda s: np.sum(s) < 3, lambda s: 2 * s, x),
        "the condition of a while loop depends on values that the loop would have to be linear in",
    ),
    "condition, binomial": (
        lambda x: lax.while_loop(lambda s: np.sum(s) < 3, lambda s: 2 * s, x, checkpoint="binomial"),
        "the condition of a while loop depends on values",
    ),
    "custom_jvp": (fd.custom_jvp(np.tanh), "tanh is not linear"),
    "callback": (
        lambda x: fd.pure_callback(np.negative, x, x),
        "pure_callback: negative is a Python function of which functad sees values alone, so it has no transpose; "
        "give it a reverse rule with",
    ),
}
NOT_LINEAR["custom_jvp"][0].defjvps(lambda t, y, x: t * (1 - y * y))


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_what_is_not_linear_is_named(name):
    f, message = NOT_LINEAR[name]
    for run in (linear_transpose(f, X), jit(lambda ct: linear_transpose(f, X)(ct))):
        with pytest.raises(LinearityError, match=message):
            run(ones_like(f(X)))
