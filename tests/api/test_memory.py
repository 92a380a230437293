"""Whose memory is whose: what counts are the values at the call, whoever writes to what afterwards, and results belong
to the user.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.tree import flatten

lax = fd.lax
A = np.array([0.1, 0.5, 0.9, 0.3])


def written(view, memory):
    """An array, and a function that writes to its memory."""
    return view, lambda: memory.__setitem__(slice(None), 7.0)


def plain():
    x = A.copy()
    return written(x, x)


def of_strides():
    x = np.repeat(A, 2)
    return written(x[::2], x)


def backwards():
    x = A[::-1].copy()
    return written(x[::-1], x)


def swapped():
    x = A.astype(">f8")
    return written(x, x)


def read_only_view():
    x = A.copy()
    view = x.view()
    view.flags.writeable = False
    return written(view, x)


def read_only_view_of_bytes():
    memory = bytearray(A.tobytes())
    view = np.frombuffer(memoryview(memory).toreadonly())

    def write():
        memory[:] = np.full(4, 7.0).tobytes()

    return view, write


MEMORY = [plain, of_strides, backwards, swapped, read_only_view, read_only_view_of_bytes]


@fd.custom_vjp
def exponential(x):
    return np.exp(x)


exponential.defvjp(lambda x: (np.exp(x), (x, np.exp(x))), lambda r, ct: (ct * r[1] + 0 * r[0],))


def viewed(x):
    """A result, and residuals that are views of its memory."""
    y = x + 1
    return y, np.sum(np.reshape(y, (2, -1)).T ** 3, axis=0), y[::2] ** 2


FUNCTIONS = {
    "exp": np.exp,
    "square": lambda x: x * x,
    "itself": lambda x: x,
    "views": lambda x: (np.reshape(x, (2, -1)).T, x[::-1], x[1:]),
    "viewed": viewed,
    "container": lambda x: {"a": x, "b": [np.exp(x), None, x[::-1] * x]},
    "product": lambda x: np.reshape(x, (2, -1)) @ np.reshape(x, (-1, 2)),
    "jit": fd.jit(viewed),
    "jitted identity": fd.jit(lambda x: (x, np.exp(x))),
    "checkpoint": fd.checkpoint(lambda x: np.sin(np.exp(x))),
    "custom_vjp": exponential,
    "scan": lambda x: lax.scan(lambda c, v: (c * v + np.sin(c), c * v), 1.0, x),
    "while": lambda x: lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * np.cos(s[1]) + x), (0, x))[1],
    "cond": lambda x: lax.cond(np.sum(x) > 0, np.exp, np.sin, x),
    "update": lambda x: x.at[1:3].multiply(x[1:3]),
}


def leaves(tree):
    return flatten(tree)[0]


def scalar(f):
    return lambda x: sum(np.sum(np.sin(leaf)) for leaf in leaves(f(x)))


TRANSFORMS = {
    "grad": lambda f, x: fd.grad(scalar(f))(x),
    "auxiliary data": lambda f, x: fd.value_and_grad(lambda x: (scalar(f)(x), f(x)), has_aux=True)(x),
    "jvp": lambda f, x: fd.jvp(f, (x,), (x,)),
    "jacrev": lambda f, x: fd.jacrev(f)(x),
    "hessian": lambda f, x: fd.hessian(scalar(f))(x),
    "linearize": lambda f, x: fd.linearize(f, x)[1](A),
    "vjp": lambda f, x: (lambda y, pullback: pullback(y))(*fd.vjp(f, x)),
    "vmap": lambda f, x: fd.vmap(lambda s: f(s * fd.numpy.arange(4.0)))(x),
    "inner": lambda f, x: fd.grad(lambda y: np.sum(fd.grad(scalar(f))(x) * y))(A),
    "of a gradient": lambda f, x: fd.grad(lambda x: np.sum(fd.grad(scalar(f))(x) * x))(x),
}
PLAIN = {
    "jit": lambda f, x: fd.jit(f)(x),
    "checkpoint": lambda f, x: fd.checkpoint(f)(x),
    "cond": lambda f, x: lax.cond(True, f, f, x),
    "scan": lambda f, x: lax.scan(lambda c, _: (c, f(c)), x, length=2),
    "map": lambda f, x: lax.map(lambda s: f(s * fd.numpy.arange(4.0)), x),
    "while": lambda f, x: lax.while_loop(
        lambda c: c[0] < 2, lambda c: (c[0] + 1, c[1] + sum(map(np.sum, leaves(f(c[1]))))), (0, x)
    ),
}
"""Values: these trace a function before they read its arguments."""
FORWARD_ONLY = {"jvp", "hessian", "linearize"}
PAIRS = [(f, t) for f in FUNCTIONS for t in TRANSFORMS if not (f == "custom_vjp" and t in FORWARD_ONLY)]


def assert_same(found, expected):
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


def overwrite(tree, value):
    for leaf in leaves(tree):
        if isinstance(leaf, np.ndarray):
            leaf[...] = value


@pytest.mark.parametrize(("f", "transform"), PAIRS)
def test_a_function_that_writes_to_its_argument(f, transform):
    f, apply = FUNCTIONS[f], {**TRANSFORMS, **PLAIN}[transform]
    expected = apply(f, A)
    for memory in MEMORY:
        x, write = memory()

        def impure(y, write=write):
            result = f(y)
            write()
            return result

        assert_same(apply(impure, x), expected)


@pytest.mark.parametrize("transform", PLAIN)
def test_a_traced_function_that_writes_to_its_argument(transform):
    test_a_function_that_writes_to_its_argument("viewed", transform)


@pytest.mark.parametrize("f", [k for k in FUNCTIONS if k != "custom_vjp"])
@pytest.mark.parametrize("memory", MEMORY)
def test_a_linear_function_whose_argument_and_value_are_overwritten(f, memory):
    f = FUNCTIONS[f]
    expected = fd.linearize(f, A)[1](A)
    x, write = memory()
    y, derivative = fd.linearize(f, x)
    write()
    overwrite(y, 5.0)
    found = derivative(A)
    assert_same(found, expected)
    overwrite(found, 9.0)
    assert_same(derivative(A), expected)


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("memory", MEMORY)
def test_a_pullback_whose_argument_value_and_cotangent_are_overwritten(f, memory):
    f = FUNCTIONS[f]
    y, pullback = fd.vjp(f, A)
    expected = pullback(y)
    x, write = memory()
    value, pullback = fd.vjp(f, x)
    write()
    overwrite(value, 5.0)
    found = pullback(y)
    assert_same(found, expected)
    overwrite(y, 3.0)
    assert_same(found, expected)
    overwrite(found, 9.0)
    assert_same(pullback(fd.vjp(f, A)[0]), expected)


def test_values_keep_their_layout():
    """NumPy adds in the order of memory: a copy in another order would round another way."""
    x = np.asfortranarray(np.random.default_rng(0).normal(size=(300, 50)))
    assert fd.value_and_grad(np.sum)(x)[0] == np.sum(x) != np.sum(x.copy(order="C"))
