"""``debug_nans`` names the operation that made the first number that is not finite."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.errors import NonFiniteError

X = np.array([1.0, 4.0, 0.0])


@pytest.fixture(autouse=True)
def debug_nans():
    with config.debug_nans(True), np.errstate(all="ignore"):
        yield


def roots(x):
    y = np.sqrt(x)  # here
    return np.sum(2 * y)


def masked(x):
    a = np.where(x > 0, np.log(x), 0.0)
    return np.sum(a / x)  # here


def in_a_loop(x):
    def body(i, t):
        return (np.sqrt(t) + 0.1) * x[i]  # here

    return fd.lax.fori_loop(0, len(x), body, 1.0)


def in_plain_loop(x):
    t = 1.0
    for i in range(len(x)):
        t = t * np.log(x[i])  # here
    return t


def in_while(x):
    return fd.lax.while_loop(lambda t: t < 1e300, lambda t: np.exp(t), x)  # here


def in_a_branch(x):
    return fd.lax.cond(x > 0, lambda: np.log(x), lambda: 1 / x)  # here


def message(call, *args):
    with pytest.raises(NonFiniteError) as caught:
        call(*args)
    return str(caught.value)


def line_of(f):
    """The line of a function that is marked."""
    lines, first = inspect.getsourcelines(f)
    return next(f"{__file__}:{first + k}" for k, line in enumerate(lines) if line.endswith("# here\n"))


WAYS = [fd.grad, lambda f: fd.jit(fd.grad(f)), lambda f: fd.grad(fd.jit(f)), lambda f: fd.jit(fd.vmap(fd.grad(f)))]


@pytest.mark.parametrize("way", range(4))
@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (
            roots,
            X,
            r"div in the backward of sqrt at {line}, `.*`: inf at \[(0, )?2\] of f64\[(1,)?3\] from 2.0 and 0.0",
        ),
        (
            masked,
            X,
            r"div in the backward of div at {line}, `.*`: inf at \[(0, )?2\] of f64\[(1,)?3\] from 1.0 and 0.0",
        ),
        (
            in_a_loop,
            np.concatenate([np.ones(17), [0.0], np.ones(30)]),
            r"div in the backward of sqrt at {line}, `.*`, in step 18 of the loop at .*: inf",
        ),
        (
            in_plain_loop,
            np.concatenate([np.full(700, 2.5), [0.0], np.full(100, 2.0)]),
            r"log at {line}, `.*`(, in step 700 of the loop at .*)?: -inf",
        ),
        (in_while, 2.0, r"exp at {line}, `.*`, in step 2 of the while loop at .*: inf"),
        (in_a_branch, 0.0, r"div( in the backward of div)? at {line}, `.*`.*: inf"),
    ],
)
def test_the_first_is_named(f, x, expected, way):
    if way == 3:
        if f is in_while:
            x = np.array([2.0])
        else:
            x = np.asarray(x)[None]
    found = message(WAYS[way](f), x)
    line = re.escape(line_of(f))
    assert re.search("the first number that is not finite was made by " + expected.format(line=line), found), found


def test_forward_mode():
    for call in (lambda x: fd.jvp(roots, (x,), (x + 1,)), fd.jit(lambda x: fd.jvp(roots, (x,), (x + 1,)))):
        assert "was made by div in the tangent of sqrt at " + line_of(roots) in message(call, X)
    assert "in the tangent of" in message(fd.jacfwd(roots), X)


def test_derivatives_of_derivatives():
    def cube_root_like(x):
        return x**1.5

    found = message(fd.jit(fd.grad(fd.grad(cube_root_like))), 0.0)
    assert re.search(
        r"made by power in the derivative of power (of the derivative of power )?at .*: inf from 0.0 and -0.5", found
    )


def test_native_values():
    """By native code, with what NumPy's evaluator gives."""
    f = fd.jit(lambda x, y: np.sum(np.exp(x) * y, axis=1))
    assert message(f, np.array([[1.0, 2.0], [800.0, 3.0]]), np.ones(2)) == (
        "the result of jit of <lambda> is inf at [1] of f64[2]; the first number that is not finite was made by exp at "
        f"{__file__}:{inspect.currentframe().f_lineno - 3}, "
        "`f = fd.jit(lambda x, y: np.sum(np.exp(x) * y, axis=1))`: inf at [1, 0] of f64[2,2] from 800.0 [functad E17]"
    )
    np.testing.assert_array_equal(f(np.zeros((2, 2)), np.ones(2)), [2.0, 2.0])


def test_a_pullback():
    value, pullback = fd.vjp(roots, X)
    assert value == 6.0
    found = message(pullback, 1.0)
    assert found.startswith("the result[0] of pullback of roots is inf at [2] of f64[3]; the first")
    assert "made by div in the backward of sqrt at " + line_of(roots) in found


def test_what_is_not_taken_does_not_matter():
    def f(x):
        return np.sum(np.where(x > 0, np.log(x), 0.0))

    for g in (f, fd.jit(f), fd.jit(fd.grad(f)), fd.grad(f)):
        assert np.isfinite(g(X)).all()


def test_what_was_given():
    nan = np.array([1.0, np.nan])
    for f in (fd.grad(roots), fd.jit(roots)):
        found = message(f, nan)
        assert "no operation made it: sqrt at " + line_of(roots) in found
        assert found.endswith(
            "was given nan at [1] of f64[2], from an argument or from what is computed outside of functad [functad E17]"
        )
    assert fd.jit(lambda x: np.minimum(x, np.inf) + np.inf)(1.0) == np.inf
    assert np.isnan(nan).any() and fd.jit(np.nansum)(nan) == 1.0


def test_results_that_are_containers():
    assert message(fd.jit(lambda x: {"a": x, "b": (x, 1 / x)}), 0.0).startswith("the result['b'][1] of jit of <lambda>")


def test_compiled_code_is_the_fast_one_again():
    f = fd.jit(lambda x: 1 / x)
    with config.debug_nans(False):
        assert f(0.0) == np.inf
    message(f, 0.0)
    with config.debug_nans(False):
        assert f(0.0) == np.inf and len(f.entries) == 1
