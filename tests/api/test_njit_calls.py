"""Jitted functions in ``@njit`` code: by types, at any shape, in loops on several threads; what is wrong raises."""

from __future__ import annotations

import gc
import importlib.util
import threading
import warnings
from typing import NamedTuple

import numba
import numpy as np
import pytest
from numba.core.errors import NumbaWarning, TypingError

import functad as fd
from functad.errors import IndexOutOfBoundsError, ShapeError, StructureError

RNG = np.random.default_rng(0)


def deep(case: str):
    return pytest.param(case, marks=pytest.mark.deep)


@pytest.mark.deep
def test_an_hmc_sampler() -> None:
    """Hamiltonian Monte Carlo of a correlated normal distribution: the whole sampler is Numba's, but the gradient."""
    covariance = np.array([[1.0, 0.6], [0.6, 2.0]])
    precision = np.linalg.inv(covariance)
    potential = fd.jit(lambda q: 0.5 * q @ precision @ q)
    value_and_slope = fd.jit(fd.value_and_grad(potential))

    @numba.njit
    def sample(q, draws, step, leaps, seed):
        np.random.seed(seed)
        kept = np.empty((draws, len(q)))
        accepted = 0
        energy, slope = value_and_slope(q)
        for n in range(draws):
            p = np.random.normal(0.0, 1.0, len(q))
            start = energy + 0.5 * np.sum(p * p)
            x, e, g = q.copy(), energy, slope
            for _ in range(leaps):
                p = p - 0.5 * step * g
                x = x + step * p
                e, g = value_and_slope(x)
                p = p - 0.5 * step * g
            if np.log(np.random.random()) < start - e - 0.5 * np.sum(p * p):
                q, energy, slope = x, e, g
                accepted += 1
            kept[n] = q
        return kept, accepted / draws

    kept, accepted = sample(np.zeros(2), 20_000, 0.4, 6, 0)
    assert accepted > 0.9
    # the error of a variance of some 10,000 independent draws is 1.4 %; four of these
    np.testing.assert_allclose(np.cov(kept.T), covariance, atol=0.12)
    np.testing.assert_allclose(kept.mean(axis=0), 0.0, atol=0.06)


class Pair(NamedTuple):
    a: np.ndarray
    b: float


scaled = fd.jit(lambda p, n=3, *, k=1: (Pair(p.a * 2 * n, p.b), None, (1, p.a.sum(), "s")))


@numba.njit
def scale(a):
    return scaled(Pair(a, 2.0), n=5)


def arguments(kind: str) -> list[np.ndarray]:
    cube = RNG.normal(size=(4, 3, 2))
    readonly = cube[0].copy()
    readonly.setflags(write=False)
    shifted = np.zeros(3, [("pad", "i1"), ("x", "f8")])["x"]  # neither contiguous nor aligned
    return {
        "strided": [cube[:, 0], cube[::2, ::-1, 0].T, cube[:, 0, :0]],
        "readonly": [readonly, readonly[:0]],
        "Fortran": [np.asfortranarray(cube[1])],
        "unaligned": [shifted, shifted[:0]],
        "three axes": [cube, cube[:0]],
    }[kind]


@pytest.mark.deep
@pytest.mark.parametrize("kind", ["strided", *[deep(k) for k in ("readonly", "Fortran", "unaligned", "three axes")]])
def test_containers_ranks_and_layouts(kind: str) -> None:
    for a in arguments(kind):
        pair, nothing, (one, total, name) = scale(a)
        np.testing.assert_array_equal(pair.a, a * 10)
        np.testing.assert_allclose(total, a.sum(), rtol=1e-14)
        assert (type(pair), pair.b, nothing, one, name) == (Pair, 2.0, None, 1, "s")


pick = fd.jit(lambda x, i: x[i])


@numba.njit(parallel=True)
def picked(rows, at):
    out = np.zeros(len(rows))
    for i in numba.prange(len(rows)):
        out[i] = pick(rows[i, : i + 1], at[i])
    return out


@pytest.mark.deep
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_several_threads_meet_shapes_that_are_new(monkeypatch) -> None:
    rows = RNG.normal(size=(64, 64))
    np.testing.assert_array_equal(picked(rows, np.arange(64)), rows[np.arange(64), np.arange(64)])
    shown: list[BaseException] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: shown.append(args.exc_value))
    at = np.arange(64)
    at[63] = 99
    try:
        picked(rows, at)
    except (IndexOutOfBoundsError, SystemError):  # Numba raises what happens in the calling thread, as one or the other
        assert not shown
    else:
        assert "is out of bounds for axis 0 with size 64" in str(shown[0])


def test_errors_are_raised_as_they_are() -> None:
    weights = np.ones((5, 3))
    project = fd.jit(lambda w: weights @ w)

    @numba.njit
    def f(w, i):
        return pick(project(w), i)

    assert f(np.ones(3), 4) == 3.0  # its shape is found from the array that the function closes over
    with pytest.raises(IndexOutOfBoundsError, match=r"index 5 is out of bounds .* at .*test_njit_calls.py:\d+"):
        f(np.ones(3), 5)
    with pytest.raises(ShapeError, match=r"np.matmul at .*test_njit_calls.py:\d+: shapes \(5, 3\) and \(4,\)"):
        f(np.ones(4), 0)
    weights[:] = 2.0
    assert f(np.ones(3), -1) == 6.0


def test_a_result_of_another_kind_at_other_shapes() -> None:
    choosy = fd.jit(lambda x: x if len(x) > 5 else x[0])

    @numba.njit
    def f(x):
        return choosy(x)

    np.testing.assert_array_equal(f(np.ones(6)), np.ones(6))
    with pytest.raises(
        StructureError, match=r"<lambda>, called in @njit code with shapes \(3,\), returns float64 of rank 0; the @njit"
    ):
        f(np.ones(3))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (lambda x: pick("abc", 0), "is given a unicode_type in @njit code; expected arrays, numbers, None"),
        (lambda x: pick(x), "missing a required argument: 'i'"),
        (lambda x: listed(x), "a result with a list cannot be given to Numba code: return arrays"),
        (lambda x: never(x), "could not be traced for shapes like those that it was tried with"),
        (lambda x: pick(x > 0, np.float16(1)), "Numba no float16"),
    ],
)
def test_what_is_refused_when_it_is_compiled(code, message) -> None:
    with pytest.raises(TypingError, match=message):
        numba.njit(code)(np.ones(3))


listed = fd.jit(lambda x: [x])


@fd.jit
def never(x):
    a, b = x[:, 0]
    return np.zeros(99) @ x


@pytest.mark.deep
def test_integers_that_decide_and_dtypes() -> None:
    ones = fd.jit(lambda n, x: np.ones(n, x.dtype) * x)

    @numba.njit
    def f(n, x):
        return ones(n, x)

    for n in (3, 0, 5):
        np.testing.assert_array_equal(f(n, 2.0), np.full(n, 2.0))
    for x in (np.float32(2), np.complex64(2j), 3j, np.uint8(200)):
        found = f(2, x)
        np.testing.assert_array_equal(found, np.full(2, x))
        assert found.dtype == np.asarray(x).dtype
    with pytest.raises(Exception, match="negative"):
        f(-1, 2.0)


def test_code_with_addresses_is_not_cached(tmp_path, monkeypatch) -> None:
    path = tmp_path / "cached_calls.py"
    path.write_text(
        "import functad as fd, numba\n"
        "cube = fd.jit(lambda x: x**3)\n"
        "@numba.njit(cache=True)\ndef inner(x):\n    return cube(x)\n"
        "@numba.njit(cache=True)\ndef outer(x):\n    return inner(x) + 1\n"
    )
    spec = importlib.util.spec_from_file_location("cached_calls", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NumbaWarning)
        assert module.outer(2.0) == 9.0
    assert ["Cannot cache compiled function" in str(w.message) for w in caught if w.category is NumbaWarning] == [
        True
    ] * 2
    assert not list(tmp_path.rglob("*.nbi"))


@pytest.mark.deep
def test_code_outlives_the_function() -> None:
    def made():
        held = np.full(3, 2.0)
        times = fd.jit(lambda x: x * held)

        @numba.njit
        def f(x):
            return times(x)

        f(np.ones(3))
        return f

    f = made()
    fd.clear_caches()
    gc.collect()
    np.testing.assert_array_equal(f(np.ones(3)), 2.0)
    results: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: results.append(f(np.ones(3)))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_array_equal(results, np.full((4, 3), 2.0))


@pytest.mark.deep
def test_as_an_argument_and_in_a_c_function() -> None:
    square, cube = fd.jit(lambda x: x * x), fd.jit(fd.grad(lambda x: x**4 / 4))

    @numba.njit
    def apply(f, x):
        return f(x) + 1

    assert (apply(square, 3.0), apply(cube, 3.0), apply(square, 4.0)) == (10.0, 28.0, 17.0)

    @numba.cfunc("float64(float64)")
    def c(x):
        return cube(x)

    @numba.vectorize(["float64(float64)"])
    def v(x):
        return cube(x)

    assert c.ctypes(2.0) == 8.0
    np.testing.assert_allclose(v(np.arange(3.0)), [0.0, 1.0, 8.0])
