"""Variables that only some ways through a function assign to."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import FunctadError, StructureError


def found_in_a_loop(x):
    while True:
        if x > 10:
            found = x * 2
            break
        x = x + 1
    return found


def root(x):
    for _ in range(100):
        y = 0.5 * (x + 2.0 / x)
        if abs(y - x) < 1e-12:
            answer = y * x
            break
        x = y
    return answer


def with_else(x):
    for step in range(20):
        if x > 10:
            best = x, step
            break
        x = x + 1
    else:
        best = -x, 0
    return best[0] * 2


def flagged(x):
    done = False
    while not done:
        if x > 10:
            r = {"a": x * 2}
            done = True
        else:
            x = x + 1
    return r["a"]


def on_one_condition(x):
    if x > 1:
        a, b = x * 2, x
    if x > 1:
        a += b
        return a
    return x


def last(x):
    for i in range(5):
        if x > i:
            r = x * i
    return r


def earlier(x):
    s = 0.0
    for i in range(4):
        if x > i:
            w = x * i
        elif i > 0:
            s += w * i
    return s


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "f", [found_in_a_loop, root, with_else, flagged, on_one_condition, last, earlier], ids=lambda f: f.__name__
)
def test_what_python_computes(f):
    for x in (0.5, 2.5, 30.0):
        assert fd.jit(f)(x) == pytest.approx(f(x), rel=1e-14)
        assert fd.jit(fd.grad(f))(x) == pytest.approx(fd.grad(f)(x), rel=1e-12, abs=1e-12)
    xs = np.array([0.5, 2.5, 30.0])
    np.testing.assert_allclose(fd.jit(fd.vmap(f))(xs), [f(x) for x in xs], rtol=1e-14)
    np.testing.assert_allclose(fd.vmap(fd.grad(f))(xs), [fd.grad(f)(x) for x in xs], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("f", "name"), [(last, "r"), (earlier, "w")])
def test_where_it_has_no_value(f, name):
    for x in (-1.0, np.float64(-1.0)):
        for g in (f, fd.jit(f), fd.jit(fd.grad(f)), fd.grad(fd.jit(f))):
            with pytest.raises(UnboundLocalError, match=f"cannot access local variable '{name}'"):
                g(x)
    with pytest.raises(UnboundLocalError, match=f"cannot access local variable '{name}'"):
        fd.jit(fd.vmap(f))(np.array([3.0, -1.0]))


def test_it_can_be_caught():
    def f(x):
        try:
            if x > 0:
                y = x
            return y * 2
        except UnboundLocalError:
            return -x

    assert [fd.jit(f)(x) for x in (3.0, -3.0)] == [f(x) for x in (3.0, -3.0)] == [6.0, 3.0]


def test_arrays():
    def copied(x, c):
        a = x * 2
        if c > 0:
            b = a.copy()
            b[0] = 5.0
        a[1] = 7.0
        if c > 0:
            return np.sum(b * a)
        return np.sum(a)

    def shared(x, c):
        a = x * 2
        if c > 0:
            b = a
        if c > 0:
            b[0] = 5.0
        return a

    x = np.arange(3.0)
    for c in (1.0, -1.0):
        assert fd.jit(copied)(x, c) == copied(x, c)
        try:
            np.testing.assert_array_equal(fd.jit(shared)(x, c), shared(x, c))
        except FunctadError as error:
            assert "b" in str(error)


def test_a_known_condition_costs_nothing():
    def f(x, mode):
        if mode == "twice":
            y = x * 2
        for _ in range(3):
            z = x + 1
        return y + z if mode == "twice" else x

    assert len(fd.make_ir(f)(1.0, "twice").eqns) == 3
    with pytest.raises(UnboundLocalError, match="'y'"):
        fd.jit(lambda x, mode: f(x, mode) if mode else _unassigned(x))(1.0, "")


def _unassigned(x):
    if not isinstance(x, object):
        y = x
    return y


def test_what_stays_undecided():
    def with_text(x):
        if x > 0:
            y = "text"
        if x > 0:
            return x if y == "text" else -x
        return x

    def read_in_part(x):
        if x > 0:
            y = x * 2
        return y if x > 0 else x

    def of_another_shape(x):
        if x > 0:
            y = np.zeros(2)
        else:
            if x < -1:
                y = np.zeros(3)
        return np.sum(y)

    assert fd.jit(with_text)(2.0) == 2.0
    with pytest.raises(StructureError, match="y is assigned in one branch only of the if at"):
        fd.jit(read_in_part)(2.0)
    with pytest.raises(StructureError, match=r"y is f64\[2\] in one branch and f64\[3\] in the other of the if"):
        fd.jit(of_another_shape)(2.0)
