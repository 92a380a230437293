"""New arrays: traced inside a trace, NumPy's own outside."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad.core.tracer import ARRAY, Tracer
from functad.errors import ArgumentError, ShapeError, TracerConversionError, UnsupportedError
from tests.numpy.against_numpy import array, assert_same, check, tracing

CALLS = [
    ("zeros", ((2, 3),), {}), ("zeros", (3, "f4"), {}), ("zeros", ((),), {}), ("ones", ((2,), int), {}),
    ("ones", (2,), {"dtype": bool}), ("full", ((2, 3), 7), {}), ("full", (3, 1.5), {"dtype": "f4"}),
    ("full", ((2, 3), [1, 2, 3]), {}), ("full", ((), 2), {}), ("arange", (5,), {}), ("arange", (5.0,), {}),
    ("arange", (1, 9, 2), {}), ("arange", (0, 1, 0.25), {}), ("arange", (5,), {"dtype": "f4"}),
    ("arange", (5, 0, -1), {}), ("arange", (3, 0), {}), ("eye", (3,), {}), ("eye", (2, 4, 1), {}),
    ("eye", (3, 3, -1, int), {}), ("identity", (3,), {}), ("identity", (2, bool), {}),
    ("zeros_like", (np.ones((2, 3), "f4"),), {}), ("ones_like", ([1, 2],), {"dtype": float}),
    ("full_like", (np.ones(3), 2), {}), ("full_like", (np.ones(3, int), 2.7), {}),
    ("full_like", (np.ones(3), 2), {"shape": (2, 2)}), ("asarray", ([[1, 2], [3, 4]],), {}), ("asarray", (2.5,), {}),
    ("array", ([1, 2],), {"dtype": float}), ("array", (3,), {"ndmin": 2}), ("array", (np.arange(3),), {}),
    ("linspace", (0, 1, 5), {}), ("linspace", (0, [1, 2], 3), {"axis": 1}), ("logspace", (0, 2, 3), {}),
]  # fmt: skip


@pytest.mark.parametrize("name, args, kwargs", CALLS, ids=str)
def test_inside_and_outside_a_trace(name, args, kwargs):
    expected = getattr(np, name)(*args, **kwargs)
    assert_same(expected, getattr(fnp, name)(*args, **kwargs))
    got = tracing(lambda x: getattr(fnp, name)(*args, **kwargs), 1.0)
    assert got[0] == ARRAY
    assert_same(expected, got)


def test_arguments_that_there_are_not():
    with pytest.raises(UnsupportedError, match="np.array at .*: the argument order= is not available"):
        tracing(lambda x: fnp.array(x, order="F"), np.ones(3))


def test_grids_inside_a_trace():
    for sparse in (False, True):
        expected = np.meshgrid(np.arange(2), [1.0, 2.0, 3.0], sparse=sparse)
        assert_same(expected, tracing(lambda x, s=sparse: fnp.meshgrid(np.arange(2), [1.0, 2.0, 3.0], sparse=s), 1.0))


def test_empty():
    assert fnp.empty((2, 3)).shape == (2, 3)
    assert tracing(lambda x: fnp.empty((2, 3), "f4"), 1.0)[1].tolist() == [[0] * 3] * 2
    check(lambda x: np.empty_like(x).shape, array(3))


def test_like_a_traced_array():
    x = array((2, 3), "f4")
    for f in (
        np.zeros_like,
        np.ones_like,
        lambda x: np.full_like(x, 2.5),
        lambda x: np.full_like(x, x[0]),
        lambda x: np.zeros_like(x, int),
    ):
        check(f, x)
    check(lambda x: np.full_like(x, 1, dtype=int, shape=4), x)
    kind, value = tracing(lambda x: np.zeros((2, 2), like=x), x)
    assert kind == ARRAY and value.shape == (2, 2)


def test_updates_of_new_arrays():
    def f(x):
        y = fnp.zeros(3)
        for i in range(3):
            y = y.at[i].set(x**i)
        return fnp.sum(y)

    assert fd.grad(f)(2.0) == 1 + 4


def test_traced_values():
    assert_same(np.full((2, 2), 3.0), tracing(lambda x: fnp.full((2, 2), x), np.float64(3.0)))
    assert_same(np.array([[1.0, 2.0], [3.0, 1.0]]), tracing(lambda x: fnp.array([[x, 2], [3, x]]), 1.0))
    assert_same(np.array([1.0, 2.0], "f4"), tracing(lambda x: fnp.asarray([x, 2.0], dtype="f4"), 1.0))
    assert tracing(lambda x: fnp.asarray(x) is x, np.ones(3)) is True
    assert tracing(lambda x: fnp.array(x) is x, np.ones(3)) is False
    with pytest.raises(ShapeError, match=r"the parts of a list have different shapes, \(\) and \(2,\)"):
        tracing(lambda x: fnp.array([x, [1, 2]]), 1.0)
    with pytest.raises(
        TracerConversionError, match="use functad.numpy.asarray or np.stack, and np.zeros of functad.numpy"
    ):
        tracing(lambda x: np.array([x, x]), 1.0)


def test_arange_of_a_traced_length():
    assert tracing(lambda n: fnp.arange(n), 3)[1].tolist() == [0, 1, 2]
    with pytest.raises(TracerConversionError, match="np.arange, whose length depends on the value, of a traced i64"):
        tracing(lambda n: fnp.arange(n), 3, concrete=False)


@pytest.mark.parametrize("num", [0, 1, 2, 5])
@pytest.mark.parametrize("endpoint", [True, False])
def test_linspace(num, endpoint):
    check(lambda a: np.linspace(a, 3, num, endpoint), 1)
    check(lambda a, b: np.linspace(a, b, num, endpoint), 1.0, np.float32(2))
    check(lambda a: np.linspace(a, [1, 2, 3], num, endpoint, axis=-1), array(3, "f4"))
    check(lambda a: np.linspace(-3, a, num, endpoint, dtype=int), 7.5)
    check(lambda a: np.logspace(a, 2, num, endpoint, base=2), 1.0)
    assert fd.grad(lambda b: np.sum(np.linspace(0, b, 5)))(2.0) == 2.5


def test_linspace_step():
    y, step = tracing(lambda a: np.linspace(a, 3, 5, retstep=True), 1.0)
    assert y[1].shape == (5,) and step[1] == 0.5
    with pytest.raises(ArgumentError, match="the number of samples must not be negative, got -1"):
        tracing(lambda a: np.linspace(a, 3, -1), 1.0)


def test_meshgrid():
    x, y, z = array(2, seed=1), array(3, seed=2), array(4, seed=3)
    for indexing in ("xy", "ij"):
        for sparse in (False, True):
            check(lambda *v: np.meshgrid(*v, indexing=indexing, sparse=sparse), x, y)
            check(lambda *v: np.meshgrid(*v, indexing=indexing, sparse=sparse), x, y, z)
    check(np.meshgrid, x)
    with pytest.raises(ArgumentError, match="indexing must be 'xy' or 'ij', got 'yx'"):
        tracing(lambda x: np.meshgrid(x, indexing="yx"), x)


def test_an_array_that_is_closed_over_is_traced_as_it_is():
    def f(x):
        y = fnp.asarray(np.arange(3.0))
        assert isinstance(y, Tracer)
        return y.at[0].set(x)

    assert tracing(f, 5.0)[1].tolist() == [5, 1, 2]
