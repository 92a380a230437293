"""``fd.at(x)[index]`` with integers that are out of bounds, in each mode: against what NumPy does at clipped ones."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import ArgumentError, IndexOutOfBoundsError

X = np.arange(1.0, 13.0).reshape(3, 4)
OUT = np.array([0, 5, -1, -7])

INDICES = {
    "rows": (lambda i: (i,), 0),
    "columns": (lambda i: (slice(None), i), 1),
    "both": (lambda i: (i[:, None], np.array([1, 7, -2])), None),
    "an integer": (lambda i: (7, slice(1, None)), None),
    "a new axis": (lambda i: (i, None, slice(1, 3)), 0),
}


def normal(part, n):
    """The places of a part, and which of them there are."""
    i = np.where(np.asarray(part) < 0, np.asarray(part) + n, part)
    return np.clip(i, 0, n - 1), (i >= 0) & (i < n)


def expected(index, op=None):
    """Clipped index, and where the result, or each update, is in bounds."""
    clipped, valid, axis = [], True, 0
    for part in index:
        if part is None or isinstance(part, slice):
            clipped.append(part)
            axis += part is not None
            continue
        place, ok = normal(part, X.shape[axis])
        clipped.append(place if place.ndim else int(place))
        valid = valid & ok
        axis += 1
    return tuple(clipped), valid


def filled(index, x, fill):
    clipped, valid = expected(index)
    y = np.array(x[clipped], copy=True)
    valid = np.asarray(valid)
    at = np.expand_dims(valid, tuple(range(valid.ndim, y.ndim))) if not isinstance(index[0], slice) else valid
    return np.where(at, y, fill)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", INDICES)
def test_modes(name):
    make, _ = INDICES[name]
    index = make(OUT)
    clipped, _ = expected(index)
    for run in (lambda f: f, fd.jit):
        got = run(lambda x, i: fd.at(x)[make(i)].get(mode="fill", fill_value=-5.0))(X, OUT)
        np.testing.assert_array_equal(got, filled(index, X, -5.0))
        got = run(lambda x, i: fd.at(x)[make(i)].get(mode="clip"))(X, OUT)
        np.testing.assert_array_equal(got, X[clipped])
        got = run(lambda x, i: fd.at(x)[make(i)].set(0.0, mode="clip", unique_indices=True))(X, OUT)
        y = X.copy()
        y[clipped] = 0.0
        np.testing.assert_array_equal(got, y)
    slope = fd.jit(fd.grad(lambda x, i: np.sum(fd.at(x)[make(i)].get(mode="fill", fill_value=0.0) ** 2)))(X, OUT)
    plain = fd.grad(lambda x: np.sum(filled_traced(index, x) ** 2))(X)
    np.testing.assert_allclose(slope, plain, rtol=1e-14)


def filled_traced(index, x):
    clipped, valid = expected(index)
    y = x[clipped]
    valid = np.asarray(valid)
    at = np.expand_dims(valid, tuple(range(valid.ndim, y.ndim))) if not isinstance(index[0], slice) else valid
    return np.where(at, y, 0.0)


OPS = {
    "set": lambda x, i: [0.5 if k in i else v for k, v in enumerate(x)],
    "add": lambda x, i: [v + 0.5 * i.count(k) for k, v in enumerate(x)],
    "subtract": lambda x, i: [v - 0.5 * i.count(k) for k, v in enumerate(x)],
    "multiply": lambda x, i: [v * 0.5 ** i.count(k) for k, v in enumerate(x)],
    "mul": lambda x, i: [v * 0.5 ** i.count(k) for k, v in enumerate(x)],
    "divide": lambda x, i: [v / 0.5 ** i.count(k) for k, v in enumerate(x)],
    "power": lambda x, i: [v ** (0.5 ** i.count(k)) for k, v in enumerate(x)],
    "min": lambda x, i: [min(v, 0.5) if k in i else v for k, v in enumerate(x)],
    "max": lambda x, i: [max(v, 0.5) if k in i else v for k, v in enumerate(x)],
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("op", OPS)
def test_updates_out_of_bounds_are_dropped(op):
    x, i = np.array([0.25, 2.0, 3.0, 4.0]), np.array([9, 1, 1, -1, -9])
    whole = OPS[op](x, [1, 1, 3])
    for run in (lambda f: f, fd.jit):
        np.testing.assert_allclose(
            run(lambda x, i: getattr(fd.at(x)[i], op)(0.5, mode="drop"))(x, i), whole, rtol=1e-15
        )
    assert x[1] == 2.0


def test_defaults_and_other_modes():
    assert np.isnan(fd.at(X)[9].get(mode="fill")).all()
    assert fd.at(np.arange(3))[[9]].get(mode="fill")[0] == np.iinfo(np.int64).min
    assert fd.at(np.arange(3, dtype=np.uint8))[[9]].get(mode="fill")[0] == 255
    assert fd.at(np.zeros(3, bool))[[9]].get(mode="fill")[0]
    assert np.isnan(fd.at(np.zeros((0, 2)))[[0, 1]].get(mode="fill")).tolist() == [[True, True]] * 2
    assert fd.at(np.arange(3))[[7, -4]].get(mode="wrap").tolist() == [1, 2]
    assert fd.at(np.arange(3.0))[[-1, 1]].get(mode="fill", fill_value=9.0, wrap_negative_indices=False).tolist() == [
        9,
        1,
    ]
    assert fd.at(np.arange(3.0))[[5, 1]].apply(lambda v: v + 1, mode="clip").tolist() == [0.0, 2.0, 3.0]
    assert fd.at(np.arange(3.0))[[0]].get(indices_are_sorted=True, mode="promise_in_bounds").tolist() == [0.0]


def test_what_is_out_of_bounds_is_an_error_unless_a_mode_is_given():
    for options in ({}, {"mode": "promise_in_bounds"}, {"indices_are_sorted": True}):
        with pytest.raises(IndexOutOfBoundsError):
            fd.jit(lambda x, i: fd.at(x)[i].add(1.0, **options))(X, np.array([3]))
    with pytest.raises(IndexOutOfBoundsError):
        fd.jit(lambda x, i: fd.at(x)[i].get(wrap_negative_indices=False))(X, np.array([-1]))


def test_errors():
    with pytest.raises(ArgumentError, match=r"fd.at\(x\)\[index\] at .*: mode='x'; expected None or one of promise"):
        fd.at(X)[0].set(1.0, mode="x")
    with pytest.raises(ArgumentError, match="there is no option sorted; there are indices_are_sorted"):
        fd.at(X)[0].set(1.0, sorted=True)
    assert repr(fd.at(np.zeros(1))) == "<updates of array([0.]); use fd.at(x)[index].set(value)>"
