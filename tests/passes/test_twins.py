"""What loops and branches are given, or give, twice; checks of one index along several axes; elements that were just
written.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import IndexOutOfBoundsError
from functad.ir.regions import control_of
from tests.passes.test_promote import innermost

X = np.random.default_rng(3).uniform(1, 2, (30, 30))


def program(f, *args):
    return fd.make_ir(f, optimized=True)(*args)


def names(p):
    return [e.primitive.name for e in p.eqns]


def test_what_is_written_twice_is_written_once():
    def f(x):
        _, (a, b, c) = fd.lax.scan(lambda s, _: (s * 0.5, (s, s, s * s)), x, None, length=20)
        return a + b * c

    (loop,) = [e for e in program(f, 1.5).eqns if control_of(e) is not None]
    assert len(control_of(loop).results(loop.outputs).written) == 2
    np.testing.assert_array_equal(fd.jit(f)(1.5), f(1.5))


def test_what_goes_round_twice_goes_round_once():
    def f(x):
        def step(i, s):
            y = np.sin(s[0])
            return y, y, s[0] - s[1]

        return fd.lax.fori_loop(0, 20, step, (x, x, 1.0))

    (loop,) = innermost(program(f, 0.5))
    assert len([a for a in control_of(loop).operands(loop.inputs).carry if a.type.dtype == float]) == 2
    np.testing.assert_allclose(fd.jit(f)(0.5), f(0.5), rtol=1e-15)


def test_what_starts_alike_and_goes_on_otherwise_stays():
    def f(x):
        return fd.lax.fori_loop(0, 20, lambda i, s: (s[0] * 0.5, s[1] * 0.25), (x, x))

    np.testing.assert_array_equal(fd.jit(f)(0.5), f(0.5))
    assert len(set(map(float, fd.jit(f)(0.5)))) == 2


def test_an_index_is_checked_once_for_axes_of_one_length():
    found = names(program(lambda x, i: x[i, i] + x[i, 0] + x[0, i], X, 3))
    assert found.count("check_index") == 1
    assert names(program(lambda x, i: x[i, i], X[:, :29], 3)).count("check_index") == 2
    with pytest.raises(IndexOutOfBoundsError, match="index 30 is out of bounds for axis 0 with size 30"):
        fd.jit(lambda x, i: x[i, i] + x[0, i])(X, 30)
    assert fd.jit(lambda x, i: x[i, i] + x[0, i])(X, -1) == X[-1, -1] + X[0, -1]


def test_what_was_just_written_is_not_read():
    def f(x, i):
        y = x.copy()
        y[i, 0] = 2.0
        y[i, 0] += y[i, 1]
        y[i, 0] *= y[i, 0]
        y[i, 2] = y[i, 0] - 1.0
        return y

    found = names(program(f, X, 3))
    assert found.count("gather") == 1 and found.count("scatter_set") == 2
    for i in (3, 5, -27):
        np.testing.assert_array_equal(fd.jit(f)(X, i), f(X.copy(), i))
    total = fd.grad(lambda x, i: np.sum(f(x, i) ** 2))
    np.testing.assert_array_equal(fd.jit(total)(X, 3), total(X, 3))
