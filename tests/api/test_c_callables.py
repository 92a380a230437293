"""Compiled functions as callbacks of SciPy's, and as ufuncs of NumPy's."""

from __future__ import annotations

import gc
import itertools
import threading
import warnings

import numpy as np
import pytest
from scipy import LowLevelCallable, integrate, ndimage

import functad as fd
from functad.errors import ArgumentError, StructureError, UnsupportedError

RNG = np.random.default_rng(0)


def bump(x, a, b):
    return np.exp(-a * x * x) * np.cos(b * x)


# -- SciPy -------------------------------------------------------------------------------------------------------------


def test_integrals_of_a_function_and_its_derivative() -> None:
    f, g = fd.low_level_callable(bump), fd.low_level_callable(fd.jit(fd.grad(bump)))
    value = integrate.quad(f, 0.0, 2.0, args=(1.0, 3.0))
    assert value[0] == pytest.approx(integrate.quad(bump, 0.0, 2.0, args=(1.0, 3.0))[0], abs=1e-14)
    assert integrate.quad(g, 0.0, 2.0, args=(1.0, 3.0))[0] == pytest.approx(bump(2.0, 1.0, 3.0) - 1, abs=1e-12)
    box = fd.low_level_callable(lambda x, y, z: x * y * y + z)
    assert integrate.nquad(box, [(0, 1), (0, 2), (0, 3)])[0] == pytest.approx(13.0, abs=1e-12)


def test_filters() -> None:
    image = RNG.normal(size=(9, 7))
    weights = RNG.normal(size=9)
    f = fd.low_level_callable(lambda x: weights @ np.abs(x), "filter", size=9)
    for _ in range(2):
        np.testing.assert_allclose(
            ndimage.generic_filter(image, f, size=3),
            ndimage.generic_filter(image, lambda x: weights @ np.abs(x), size=3),
            rtol=1e-13,
        )
        weights *= 2.0  # its memory is read at each call
    line = fd.low_level_callable(lambda x: x[2:] - x[:-2], "filter1d", size=9)
    expected = ndimage.correlate1d(image, [-1.0, 0.0, 1.0])
    np.testing.assert_allclose(ndimage.generic_filter1d(image, line, 3), expected, rtol=1e-13)
    moved = fd.low_level_callable(lambda at: at - np.array([0.5, 1.0]), "transform", size=2)
    expected = ndimage.shift(image, (0.5, 1.0))
    np.testing.assert_allclose(ndimage.geometric_transform(image, moved), expected, rtol=1e-12, atol=1e-13)


def test_calls_that_do_not_fit() -> None:
    pick = fd.low_level_callable(lambda x, i: np.array([1.0, 2.0])[np.int64(i)])
    assert integrate.quad(pick, 0.0, 1.0, args=(1.0,))[0] == 2.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isnan(integrate.quad(pick, 0.0, 1.0, args=(9.0,))[0])  # out of bounds
        assert np.isnan(integrate.quad(pick, 0.0, 1.0)[0])  # another number of arguments
    f = fd.low_level_callable(np.sum, "filter", size=4)
    with pytest.raises(Exception, match="unknown error in"):
        ndimage.generic_filter(np.ones((5, 5)), f, size=3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fd.low_level_callable(bump, "ode"), ArgumentError, "kind='ode'; expected one of 'quad', 'filter'"),
        (
            lambda: fd.low_level_callable(np.sum, "filter"),
            ArgumentError,
            "needs size=, the length of the array",
        ),
        (lambda: fd.low_level_callable(lambda *x: x[0]), ArgumentError, "state count=; <lambda> takes any number"),
        (
            lambda: fd.low_level_callable(lambda x: (x, x)),
            StructureError,
            r"returns f64\[\], f64\[\]; expected",
        ),
        (lambda: fd.low_level_callable(np.cumsum, "filter", size=3), StructureError, "expected one float64"),
        (lambda: fd.as_ufunc(lambda *x: x[0]), ArgumentError, "with as many parameters as it has operands"),
        (lambda: fd.as_ufunc(lambda x: [x]), StructureError, "expected a number or a tuple of numbers"),
        (lambda: fd.as_ufunc(lambda x: np.sin(x), [np.float16]), UnsupportedError, "no float16"),
        (lambda: fd.as_ufunc(lambda x, y: x, [(float,)]), ArgumentError, "tuples of the 2 that <lambda> takes"),
    ],
)
def test_errors(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


def test_the_code_lives_as_long_as_the_object() -> None:
    f = fd.low_level_callable(lambda x: x * 3.25)
    assert isinstance(f, LowLevelCallable)
    fd.clear_caches()
    gc.collect()
    assert integrate.quad(f, 0.0, 2.0)[0] == pytest.approx(6.5)


# -- NumPy -------------------------------------------------------------------------------------------------------------


def logistic(x, scale):
    return scale / (1 + np.exp(-x)) if scale > 0 else x


ufunc = fd.as_ufunc(logistic)
slope = fd.as_ufunc(fd.grad(logistic))


def expected_of(x, scale):
    return np.where(scale > 0, scale / (1 + np.exp(-x)), x)


@pytest.mark.parametrize("n", [0, 1, 2, 16, 17, 31, 32, 33, 255, 256, 257, 600])
def test_lengths_and_layouts(n: int) -> None:
    x, scale = RNG.normal(size=(2, n))
    np.testing.assert_allclose(ufunc(x, scale), expected_of(x, scale), rtol=1e-14)
    np.testing.assert_allclose(ufunc(x[::-1], 2.0), expected_of(x[::-1], 2.0), rtol=1e-14)
    wide = np.zeros((n, 3))
    assert ufunc(x, scale, out=wide[:, 1]) is not None
    np.testing.assert_allclose(wide[:, 1], expected_of(x, scale), rtol=1e-14)
    assert not wide[:, ::2].any()
    mine = x.copy()
    ufunc(mine, mine, out=mine)  # written over itself
    np.testing.assert_allclose(mine, expected_of(x, x), rtol=1e-14)
    moved = x.copy()
    ufunc(moved[1:], 1.0, out=moved[:-1])
    np.testing.assert_allclose(moved[:-1], expected_of(x[1:], 1.0), rtol=1e-14)


def test_what_numpy_does_with_ufuncs() -> None:
    x, scale = RNG.normal(size=(20, 1)), RNG.normal(size=30)
    assert isinstance(ufunc, np.ufunc) and (ufunc.nin, ufunc.nout, ufunc.types) == (2, 1, ["ff->f", "dd->d"])
    np.testing.assert_allclose(ufunc(x, scale), expected_of(x, scale), rtol=1e-14)
    np.testing.assert_allclose(ufunc.outer(x[:, 0], scale), expected_of(x, scale), rtol=1e-14)
    assert ufunc(np.float32(1), np.float32(2)).dtype == np.float32 and ufunc(1, 2, dtype=np.float32).dtype == np.float32
    kept = np.full(30, 7.0)
    ufunc(1.0, scale, where=scale > 0, out=kept)
    np.testing.assert_allclose(kept, np.where(scale > 0, expected_of(1.0, scale), 7.0), rtol=1e-14)
    swapped = scale.astype(">f8")
    np.testing.assert_allclose(ufunc(swapped, swapped), expected_of(scale, scale), rtol=1e-14)
    with pytest.raises(TypeError, match="not supported for the input types"):
        ufunc("a", 1.0)
    mixed = fd.as_ufunc(lambda a, b: a + b - a * b // 7, [int])
    n = RNG.integers(-9, 9, size=(70, 3))
    steps = list(itertools.accumulate(n, lambda a, b: a + b - a * b // 7))
    np.testing.assert_array_equal(mixed.accumulate(n), steps)
    np.testing.assert_array_equal(mixed.reduce(n), steps[-1])
    np.testing.assert_array_equal(mixed.accumulate(n[:, 0].copy()), [row[0] for row in steps])
    counts = np.zeros(4, int)
    mixed.at(counts, [1, 1, 3], [2, 3, 4])
    np.testing.assert_array_equal(counts, [0, 2 + 3 - 6 // 7, 0, 4])
    both = fd.as_ufunc(lambda x: (x * x, x > 0), [float, complex][:1])
    square, positive = both(scale)
    np.testing.assert_array_equal(square, scale * scale)
    np.testing.assert_array_equal(positive, scale > 0)
    assert positive.dtype == bool
    z = scale * 1j + 1
    np.testing.assert_allclose(fd.as_ufunc(lambda z: z * z, [complex])(z[::2]), z[::2] ** 2, rtol=1e-14)


def test_derivatives_and_traced_code() -> None:
    x, scale = RNG.normal(size=(2, 50))
    s = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(slope(x, scale), np.where(scale > 0, scale * s * (1 - s), 1.0), rtol=1e-13)
    traced = fd.jit(fd.grad(lambda x: np.sum(ufunc(x, scale))))(x)
    np.testing.assert_allclose(traced, slope(x, scale), rtol=1e-12)


def test_elements_that_fail_are_nan() -> None:
    table = np.arange(5.0)
    u = fd.as_ufunc(lambda i: table[np.int64(i)], [float])
    at = np.arange(600.0) % 7
    with pytest.warns(RuntimeWarning, match="invalid value encountered in"):
        found = u(at)
    np.testing.assert_array_equal(found, np.where(at < 5, at, np.nan))
    np.testing.assert_array_equal(u(at[at < 5]), at[at < 5])
    table *= 2
    np.testing.assert_array_equal(u(at[at < 5]), 2 * at[at < 5])


def test_several_threads_call_one() -> None:
    x = RNG.normal(size=100_000)
    expected, found = ufunc(x, 2.0), []
    threads = [threading.Thread(target=lambda: found.append(ufunc(x, 2.0))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 4 and all(np.array_equal(y, expected) for y in found)
