"""Python functions inside traced code."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.errors import DtypeError, ShapeError, StructureError

X = np.array([3.0, 1.0, 2.0])


def stated(shape=(), dtype=np.float64):
    return np.zeros(shape, dtype)


def plain(f):
    return f


@pytest.fixture(params=["plain", "native", "kernel", "evaluator"])
def wrap(request):
    """How a function with a callback is run."""
    if request.param == "plain":
        yield plain
    elif request.param == "native":
        yield fd.jit
    else:
        with config.backend(request.param):
            yield fd.jit


def test_values_of_all_dtypes_and_containers(wrap) -> None:
    seen = []

    def g(d, n):
        seen.append((type(d["x"]), type(n)))
        return {"c": d["x"] * 1j, "f": d["x"].astype(np.float32), "b": d["x"] > n, "n": n + 1}

    def f(x, n):
        types = {"c": stated(3, complex), "f": stated(3, np.float32), "b": stated(3, bool), "n": stated((), np.int64)}
        out = fd.pure_callback(g, types, {"x": x + 1.0}, n)
        return {"c": out["c"] * 2.0, "f": out["f"], "b": out["b"], "n": out["n"] * 2}

    out = wrap(f)(X, np.int64(2))
    np.testing.assert_array_equal(out["c"], (X + 1.0) * 2j)
    np.testing.assert_array_equal(out["f"], (X + 1.0).astype(np.float32))
    np.testing.assert_array_equal(out["b"], X + 1.0 > 2)
    assert out["n"] == 6
    assert [out[k].dtype for k in "cfbn"] == [np.complex128, np.float32, np.bool_, np.int64]
    assert seen == [(np.ndarray, np.int64)]


def test_one_code_serves_all_sizes_and_empty_arrays() -> None:
    @fd.jit
    def f(x):
        return fd.pure_callback(np.sort, x, x) + 1.0

    for n in (0, 1, 20, 50, 1000):
        x = np.sin(np.arange(n))
        np.testing.assert_array_equal(f(x), np.sort(x) + 1.0)


def test_complex_operands(wrap) -> None:
    z = np.array([1.0 + 2.0j, 3.0 - 1.0j])
    np.testing.assert_array_equal(wrap(lambda z: fd.pure_callback(np.conj, z, z * 2.0))(z), np.conj(z) * 2.0)


def test_in_loops_and_branches(wrap) -> None:
    calls = []

    def g(c, x):
        calls.append(1)
        return c * 0.5 + x

    def f(xs):
        c, ys = fd.lax.scan(lambda c, x: (fd.pure_callback(g, stated(), c, x), c), 1.0, xs)
        return fd.lax.cond(c > 0.0, lambda: fd.pure_callback(lambda c: c * 10.0, stated(), c), lambda: c), ys

    c, ys = wrap(f)(X)
    expected = [1.0]
    for x in X:
        expected.append(expected[-1] * 0.5 + x)
    assert c == expected[-1] * 10.0
    np.testing.assert_array_equal(ys, expected[:-1])
    assert len(calls) == 3


def test_functions_get_copies(wrap) -> None:
    kept = []

    def g(x):
        kept.append(x)
        x[0] = 100.0
        return x[::-1]

    x = X.copy()
    np.testing.assert_array_equal(wrap(lambda x: fd.pure_callback(g, x, x) + x)(x), [5.0, 2.0, 102.0])
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(kept[0], [100.0, 1.0, 2.0])


def test_exceptions_come_through(wrap) -> None:
    def g(x):
        if x[0] < 0.0:
            raise LookupError("below zero")
        return x

    f = wrap(lambda x: fd.pure_callback(g, x, x) * 2.0)
    np.testing.assert_array_equal(f(X), X * 2.0)
    for _ in range(2):
        with pytest.raises(LookupError, match="below zero"):
            f(-X)
    np.testing.assert_array_equal(f(X), X * 2.0)  # nothing is left behind

    steps = []

    def count(i):
        steps.append(i)
        if i == 2:
            raise KeyboardInterrupt
        return i + 1

    loop = wrap(
        lambda n: fd.lax.while_loop(
            lambda i: i < n, lambda i: fd.pure_callback(count, stated((), np.int64), i), np.int64(0)
        )
    )
    with pytest.raises(KeyboardInterrupt):
        loop(np.int64(10))
    assert len(steps) == 3


def test_results_are_checked(wrap) -> None:
    with pytest.raises(ShapeError, match=r"<lambda> returned an array of shape \(2,\), but result_types says \(3,\)"):
        wrap(lambda x: fd.pure_callback(lambda x: x[:2], x, x))(X)
    with pytest.raises(DtypeError, match="returned float32, but result_types says float64; convert"):
        wrap(lambda x: fd.pure_callback(lambda x: x.astype(np.float32), x, x))(X)
    with pytest.raises(StructureError, match="pure_callback: <lambda> returned .*but result_types is"):
        wrap(lambda x: fd.pure_callback(lambda x: (x, x), x, x))(X)
    assert wrap(lambda x: fd.pure_callback(lambda x: 1, stated((), np.float32), x))(X) == np.float32(
        1.0
    )  # Python numbers are weak


def test_bad_arguments() -> None:
    with pytest.raises(
        StructureError, match="vmap_method='parallel'; expected one of 'sequential', 'expand_dims', 'broadcast_all'"
    ):
        fd.pure_callback(np.sort, X, X, vmap_method="parallel")
    with pytest.raises(
        StructureError, match=r"result_types\[0\] is str; expected a container of anything with shape and dtype"
    ):
        fd.pure_callback(np.sort, ("f8",), X)


@pytest.mark.parametrize("outer", [plain, fd.jit])
def test_derivatives(outer) -> None:
    def g(x):
        return fd.pure_callback(np.sin, x, x)

    with pytest.raises(StructureError, match="pure_callback: sin is a Python function .*fd.custom_jvp"):
        outer(fd.grad(lambda x: np.sum(g(x))))(X)
    with pytest.raises(StructureError, match="fd.custom_jvp"):
        outer(lambda x: fd.jvp(g, (x,), (x,)))(X)
    np.testing.assert_array_equal(outer(fd.grad(lambda x: np.sum(g(fd.stop_gradient(x)) * x)))(X), np.sin(X))

    @fd.custom_jvp
    def sine(x):
        return g(x)

    @sine.defjvp
    def _(primals, tangents):
        (x,), (t,) = primals, tangents
        return sine(x), np.cos(x) * t

    np.testing.assert_allclose(outer(fd.grad(lambda x: np.sum(sine(x))))(X), np.cos(X), rtol=1e-14)
    # integers have no derivative to miss
    np.testing.assert_array_equal(
        outer(fd.grad(lambda x: np.sum(x * fd.pure_callback(np.argsort, stated(3, np.int64), x))))(X), [1, 2, 0]
    )


@pytest.mark.parametrize("method", ["sequential", "expand_dims", "broadcast_all"])
def test_vmap(wrap, method: str) -> None:
    shapes = []

    def g(a, b):
        shapes.append((np.shape(a), np.shape(b)))
        return np.cumsum(a * b, -1)

    xs = np.arange(6.0).reshape(2, 3)
    f = fd.vmap(lambda a, b: fd.pure_callback(g, stated(3), a, b, vmap_method=method) + a, in_axes=(0, None))
    np.testing.assert_array_equal(wrap(f)(xs, X), np.cumsum(xs * X, 1) + xs)
    expected = {
        "sequential": [((3,), (3,))] * 2,
        "expand_dims": [((2, 3), (1, 3))],
        "broadcast_all": [((2, 3), (2, 3))],
    }
    assert shapes == expected[method]


def test_jitted_functions_may_be_called_back() -> None:
    @fd.jit
    def inner(x):
        return np.sum(x) * 2.0

    @fd.jit
    def outer(x):
        return fd.pure_callback(lambda x: inner(x), stated(), x) + inner(x)

    assert outer(X) == 24.0


class Scale:
    """A callable without a hash, equal to all others of its class."""

    def __init__(self, factor):
        self.factor = factor

    def __eq__(self, other):
        return isinstance(other, Scale)

    def __call__(self, x):
        return x * self.factor


def test_callable_objects_and_methods(wrap) -> None:
    for scale in (Scale(2.0), Scale(3.0)):  # equal objects are not the same function
        np.testing.assert_array_equal(wrap(lambda x, g=scale: fd.pure_callback(g, x, x))(X), X * scale.factor)
        np.testing.assert_array_equal(wrap(lambda x, g=scale: fd.pure_callback(g.__call__, x, x))(X), X * scale.factor)


def test_code_keeps_its_function_alive() -> None:
    def make():
        scale = Scale(3.0)
        return fd.jit(lambda x: fd.pure_callback(scale, x, x)).lower(X).compile()

    f = make()
    gc.collect()
    np.testing.assert_array_equal(f(X), X * 3.0)
