"""Values that Python asks for while tracing, where computing them raises: the error is the user's to catch, and nothing
is lost by it.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import functad as fd
from functad import grad, jvp, vjp, vmap


def guarded(x, y):
    """3 x where x / y overflows, else 2 x."""
    with np.errstate(all="raise"):
        try:
            if x / y > 0:
                return x * 2
        except FloatingPointError:
            pass
    return x * 3


def not_asked(x, y):
    """As above, though Python never asks for the value: the division raises where it stands."""
    with np.errstate(all="raise"):
        try:
            z = x / y
        except FloatingPointError:
            z = 3.0
    return x * np.where(z == 3.0, 3.0, 2.0)


def divided_before(x, y):
    """The division is outside of ``np.errstate``: it does not raise, wherever it is asked for."""
    z = x / y
    with np.errstate(all="raise"):
        w = x * 2
        return w if z > 0 else x * 3


def asked_again(x, y):
    """What was asked for in vain has its value where it is asked for again, and does not stand in the way of what comes
    after it.
    """
    z = x / y
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            if z > 0:
                return x * 2
        except RuntimeWarning:
            pass
        if x * 5 > 0:
            x = x * 7
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.where(z > 4, x, 0.0) if z > 0 else 0.0 * x


TRANSFORMS = {
    "grad": lambda f: lambda x, y: grad(f)(x, y),
    "grad of both": lambda f: lambda x, y: grad(f, argnums=(0, 1))(x, y)[0],
    "second order": lambda f: lambda x, y: grad(lambda x: x * grad(f)(x, y))(x),
    "inner values from outside": lambda f: (
        lambda x, y: grad(lambda y: grad(lambda x: f(x, y))(x) + 0 * y, 0)(y) + grad(f)(x, y)
    ),
    "jvp": lambda f: lambda x, y: jvp(lambda x: f(x, y), (x,), (1.0,))[1],
    "vjp": lambda f: lambda x, y: vjp(lambda x: f(x, y), x)[1](1.0)[0],
    "jacobian": lambda f: lambda x, y: fd.jacobian(f)(x, y),
    "linearize": lambda f: lambda x, y: fd.linearize(lambda x: f(x, y), x)[1](1.0),
    "not mapped": lambda f: lambda x, y: grad(lambda x: np.sum(vmap(lambda w: f(x, y) * w)(np.array([0.5, 0.5]))))(x),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_an_error_that_is_caught(transform):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for f in (guarded, not_asked):
            assert transform(f)(1.0, 0.0) == 3.0  # the division is not run again, where it would warn
            assert transform(f)(1.0, 2.0) == 2.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert transform(divided_before)(1.0, 0.0) == divided_before(np.float64(1.0), 0.0) == 2.0
        assert transform(asked_again)(1.0, 0.0) == 7.0
        assert transform(asked_again)(1.0, 2.0) == 2.0


def test_silenced_warnings():
    def f(x):
        with np.errstate(all="ignore"):
            y = np.log(x)
        return np.sum(np.where(x > 0, y, 0.0))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fd.jvp(lambda x: fd.stop_gradient(f(x)), (np.array([-1.0, np.e]),), (np.ones(2),))[0] == 1.0
        with pytest.raises(RuntimeWarning, match="invalid value encountered in log"):
            grad(lambda x: np.sum(np.log(x)))(-np.ones(2))


def test_an_error_that_is_not_caught():
    def f(x, y):
        return x * 2 if x / y > 0 else x

    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="divide by zero"):
        grad(f)(1.0, 0.0)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="divide by zero"):
        grad(lambda x: x * grad(f)(x, 0.0))(1.0)


def test_warnings_as_errors():
    def f(x, y):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                if np.sum(x) / y > 0:
                    return np.sum(x)
            except RuntimeWarning:
                return 3 * np.sum(x)
        return 0.0

    assert grad(f)(np.ones(2), 0.0).tolist() == [3.0, 3.0]


def test_interrupted():
    calls = []

    def interrupted(x):
        calls.append(x)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return x

    def f(x):
        y = fd.stop_gradient(fd.pure_callback(interrupted, x, fd.stop_gradient(x) * 1.0)) * x
        try:
            if y > 0:
                return y
        except KeyboardInterrupt:
            pass
        return 5 * y if y > 0 else x

    assert grad(f)(3.0) == 15.0
    assert len(calls) == 2


def test_an_index_out_of_bounds_that_is_caught():
    def f(x):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            i = np.argmax(x / np.array([0.0, 1.0]))  # raises where it is needed, not here
            try:
                return x[i] * 2
            except RuntimeWarning:
                pass
        try:
            return x[np.argmax(x) + 2] * 2
        except IndexError:
            return 3 * x[1]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert grad(f)(np.ones(2)).tolist() == [0.0, 3.0]


def test_a_jitted_index_out_of_bounds_that_is_caught():
    pick = fd.jit(lambda x, i: x[i])

    def f(x):
        y = pick(x, 7)
        try:
            return y if y > 0 else x[1]
        except IndexError:
            return 3 * x[0]

    assert grad(f)(np.ones(2)).tolist() == [3.0, 0.0]


def test_calls_without_results():
    def f(x):
        fd.lax.cond(x > 0, lambda: None, lambda: None)
        fd.checkpoint(lambda x: None)(x)
        with np.errstate(all="ignore"):
            fd.jit(lambda x: None)(x)
            y = x * 2 if x > 0 else -x
        return y

    for transform in TRANSFORMS.values():
        assert transform(lambda x, y: f(x))(1.0, 2.0) == 2.0
    assert fd.jacfwd(lambda x: (f(x[0]), np.sum(x**2))[1])(np.ones(2)).tolist() == [2.0, 2.0]
