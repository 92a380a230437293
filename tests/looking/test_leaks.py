"""``check_leaks`` names where a traced value was left."""

from __future__ import annotations

import re
from collections import deque
from functools import partial

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.errors import EscapedTracerError

X = np.ones(3)
HISTORY: list = []
LAST = None


@pytest.fixture(autouse=True)
def check_leaks():
    with config.check_leaks(True):
        yield
    HISTORY.clear()


class Model:
    def __init__(self):
        self.log = {"outputs": deque()}

    def last(self, x):
        self.y = 2 * x
        return np.sum(x)

    def logged(self, x):
        self.log["outputs"].append((2 * x, "a"))
        return np.sum(x)


class Slots:
    __slots__ = ("y",)

    def f(self, x):
        self.y = 2 * x
        return np.sum(x)


def in_a_list(x):
    HISTORY.append(2 * x)
    return np.sum(x)


def in_a_global(x):
    global LAST
    LAST = 2 * x
    return np.sum(x)


def closing_over(cell):
    def f(x):
        cell[0] = 2 * x
        return np.sum(x)

    return f


def that_makes_a_function(x):
    HISTORY.append(lambda: x)
    return np.sum(x)


def stored(into, x):
    into.append(x)
    return np.sum(x)


PLACES = [
    (Model().last, "the attribute y of a Model"),
    (Model().logged, "the attribute log['outputs'][0][0] of a Model"),
    (Slots().f, "the attribute y of a Slots"),
    (in_a_list, f"HISTORY[0], a global variable of the module {__name__}"),
    (in_a_global, f"LAST, a global variable of the module {__name__}"),
    (closing_over([None]), "cell[0], which closing_over.<locals>.f closes over"),
    (that_makes_a_function, "x, which that_makes_a_function.<locals>.<lambda> closes over"),
]


@pytest.mark.one_in(7)
@pytest.mark.parametrize(("f", "place"), PLACES)
def test_places(f, place):
    with pytest.raises(EscapedTracerError) as caught:
        fd.grad(f)(X)
    found = str(caught.value)
    assert re.match(rf"a traced value \(f64\[3\],( made at {re.escape(__file__)}:\d+| an argument)\) of a ", found)
    assert f"function under grad is left in {place}, where grad of {f.__name__} has returned" in found


@pytest.mark.deep
def test_other_transforms():
    for call, kind in ((fd.jit(in_a_list), "jit"), (lambda x: fd.vjp(in_a_list, x), "vjp")):
        with pytest.raises(EscapedTracerError, match=rf"under {kind} is left in HISTORY\[0\].*{kind} of in_a_list"):
            call(X)
        HISTORY.clear()


@pytest.mark.deep
def test_a_local_variable_of_a_running_function():
    seen = []
    with pytest.raises(EscapedTracerError, match=r"left in seen\[0\], a variable of test_a_local.* \(.*test_leaks.py:"):
        fd.grad(partial(stored, seen))(X)


@pytest.mark.deep
def test_the_body_of_a_loop():
    def f(x):
        return fd.lax.scan(lambda c, y: [HISTORY.append(c), (c + y, None)][1], 0.0, x)[0]

    with pytest.raises(EscapedTracerError, match=r"under scan is left in HISTORY\[\d\]"):
        fd.grad(f)(X)


@pytest.mark.deep
def test_what_is_returned_is_not_left():
    def f(x):
        kept = [2 * x, {"a": x}]
        return np.sum(kept[0] * kept[1]["a"]), kept

    (value, aux), gradient = fd.jit(fd.value_and_grad(f, has_aux=True))(X)
    np.testing.assert_array_equal(gradient, 4 * X)
    np.testing.assert_array_equal(fd.hessian(lambda x: f(x)[0])(X), 4 * np.eye(3))
    np.testing.assert_array_equal(aux[1]["a"], X)
    y, pullback = fd.vjp(lambda x: f(x)[0], X)
    np.testing.assert_array_equal(pullback(1.0)[0], 4 * X)


def test_what_was_there_before_is_nobodys_now():
    with config.check_leaks(False):
        fd.grad(in_a_list)(X)
    assert fd.grad(lambda x: np.sum(x))(X)[0] == 1.0
