"""Control flow in native code against the evaluator where memory is handled differently: large and empty arrays,
dtypes, long bodies, copies.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.kernel_ir.control import Loop, While
from functad.lower.abstract.abstract import abstract
from functad.lower.fuse import fuse
from functad.passes.pipeline import optimize

lax = fd.lax
RNG = np.random.default_rng(5)


def same(f, *args, rtol=1e-12):
    """Native code gives what the evaluator and the evaluator of the kernel IR give."""
    results = {}
    with config.debug(True):
        for backend in ("native", "evaluator", "kernel"):
            with config.backend(backend):
                results[backend] = fd.jit(f)(*args)
    expected, _ = fd.tree.flatten(results["evaluator"])
    for backend in ("native", "kernel"):
        found, _ = fd.tree.flatten(results[backend])
        for x, y in zip(found, expected, strict=True):
            assert np.asarray(x).dtype == np.asarray(y).dtype
            np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-14)
    return results["native"]


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    "dtype", [np.float32, np.float64, np.complex64, np.complex128, np.int32, np.int64, np.uint8, np.bool_]
)
@pytest.mark.parametrize("shape", [(), (3,), (20,), (0,), (2, 30)])
def test_dtypes_and_shapes_of_carry_elements_and_results(dtype, shape):
    xs = (RNG.normal(size=(4, *shape)) * 3).astype(dtype)
    start = (RNG.normal(size=shape) * 3).astype(dtype)[()]

    def f(c, xs):
        return lax.scan(lambda c, x: (np.where(x != c, x, c), (c, x)), c, xs)

    same(f, start, xs)
    same(lambda c, xs: lax.scan(lambda c, x: (np.where(x != c, x, c), (c, x)), c, xs, reverse=True), start, xs)


def test_results_that_are_operands():
    """What a step passes through is copied: the carry, elements, constants of the body, one value twice."""
    xs = RNG.normal(size=(5, 40))

    def f(c, d, xs):
        return lax.scan(lambda s, x: ((s[1], s[0]), (x, x, s[0], d, np.ones(3), 2.5)), (c, d), xs)

    (c, d), ys = same(f, np.arange(40.0), np.ones(40), xs)
    assert np.array_equal(c, np.ones(40)) and np.array_equal(ys[0], xs) and not np.shares_memory(ys[0], ys[1])


def test_arguments_are_not_written_to():
    c = np.arange(1000.0)
    kept = c.copy()
    same(lambda c: lax.fori_loop(0, 3, lambda i, v: v * 2.0, c), c)
    same(lambda c: lax.fori_loop(0, 0, lambda i, v: v * 2.0, c), c)
    assert np.array_equal(c, kept)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 8])
def test_large_carry_for_every_parity(n):
    c = RNG.normal(size=(50, 40))
    w = RNG.normal(size=(40, 40)) / 6
    same(lambda c: lax.fori_loop(0, n, lambda i, v: np.tanh(v @ w) + i, c), c)
    same(
        lambda c, n: lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, np.tanh(s[1] @ w) + s[0]), (0, c))[1], c, n
    )


def test_array_work_on_several_threads_in_a_step():
    c = RNG.normal(size=300_000)
    total = same(lambda c: lax.fori_loop(0, 4, lambda i, v: np.sin(v) + np.mean(v), c), c, rtol=1e-9)
    assert total.shape == c.shape


def test_temporaries_of_a_step():
    """More than fits on the stack: they come from the workspace of the call."""
    w = RNG.normal(size=(100, 100)) / 10

    def f(c):
        def body(c, _):
            u = np.tanh(w @ c)
            v = np.sin(w @ u)
            return u * 0.5 + np.cumsum(v[:, :1], axis=0) * 0.01, np.sum(
                v
            )  # one column: the evaluator takes each element by itself

        return lax.scan(body, c, None, length=7)

    same(f, RNG.normal(size=(100, 100)), rtol=1e-10)
    same(fd.grad(lambda c: np.sum(f(c)[0])), RNG.normal(size=(100, 100)), rtol=1e-9)


def test_long_bodies():
    """A body of some thousand operations is not inlined; it is several functions."""

    def body(c, x):
        a, b = c
        for k in range(1200):
            a, b = a * 0.999 + b * x, b - a * (0.001 + k * 1e-6)
        return (a, b), a

    def f(x, xs):
        (a, b), ys = lax.scan(body, (x, 1.0), xs)
        return a + b + np.sum(ys)

    same(f, 0.3, np.array([1e-3, 2e-3, 3e-3]), rtol=1e-10)


@pytest.mark.parametrize("index", [-5, 0, 1, 2, 7])
def test_the_index_of_switch_is_clamped(index):
    f = fd.jit(lambda i, x: lax.switch(i, [lambda x: x, lambda x: x * x, lambda x: x + 10.0], x))
    assert f(index, 3.0) == [3.0, 9.0, 13.0][min(max(index, 0), 2)]


def test_branches_with_large_results():
    x = RNG.normal(size=(30, 30))

    def f(flag, x):
        return lax.cond(flag, lambda x: (x @ x, x), lambda x: (x, x.T), x)

    for flag in (True, False):
        same(f, flag, x)


def test_vector_residuals():
    w = RNG.normal(size=(30, 30)) / 5

    def f(c):
        return np.sum(
            lax.while_loop(lambda s: s[1] < 6, lambda s: (np.sin(w @ s[0]) + s[0] ** 2 * 0.1, s[1] + 1), (c, 0))[0]
        )

    c = RNG.normal(size=30)
    same(fd.grad(f), c, rtol=1e-10)
    np.testing.assert_allclose(fd.grad(fd.jit(f))(c), fd.jit(fd.grad(f))(c), rtol=1e-12)
    np.testing.assert_allclose(fd.jit(fd.grad(f))(c), fd.grad(f)(c), rtol=1e-10)


def test_updates_at_indices_in_a_loop():
    def f(x):
        return lax.fori_loop(0, 20, lambda i, v: fd.at(v)[i].set(np.sin(v[i]) * i), x)

    x = RNG.normal(size=20)
    same(f, x)
    same(fd.grad(lambda x: np.sum(f(x) ** 2)), x)


def test_checkpointed_bodies():
    f = fd.checkpoint(lambda c, x: np.sin(c) * x + np.tanh(c))

    def g(c):
        return lax.scan(lambda c, x: (f(c, x), None), c, np.linspace(0, 1, 9))[0]

    same(fd.grad(g), 0.4)


def test_the_ctypes_entry():
    with config.entry("ctypes"):
        same(fd.grad(lambda x: lax.while_loop(lambda v: v < 100.0, lambda v: v * v, x)), 3.0)


def test_mapped_loops_over_matrices():
    w = RNG.normal(size=(5, 5)) / 3

    def f(c, n):
        return lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, np.tanh(w @ s[1]) + s[1] * 0.5), (0, c))[1]

    c, n = RNG.normal(size=(6, 5)), np.arange(6)
    same(fd.vmap(f), c, n)
    same(fd.vmap(fd.grad(lambda c, n: np.sum(f(c, n) ** 2))), c, n)
    same(fd.grad(lambda c: np.sum(fd.vmap(f)(c, n) ** 2)), c)


# -- updates in place --------------------------------------------------------------------------------------------------


def carries(f, *args):
    found = abstract(optimize(fd.make_ir(f)(*args)))
    (loop,) = [s for s in fuse(found.program, len(found.symbols)).program.body if isinstance(s, Loop | While)]
    return [c.in_place for c in loop.carry]


@pytest.mark.parametrize("n", [3, 40])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_update_in_place(n, dtype):
    """A recurrence over an array reads other elements than it writes, and those that earlier steps wrote."""

    def f(x):
        return lax.fori_loop(1, n, lambda i, v: fd.at(v)[i].add(v[i - 1] * 2 - v[n - i]), x)

    x = (RNG.normal(size=n) * 3).astype(dtype)
    kept = x.copy()
    same(f, x)
    assert np.array_equal(x, kept) and carries(f, x) == [False, True]

    def g(x, m):
        return lax.while_loop(
            lambda s: s[0] < m, lambda s: (s[0] + 1, fd.at(s[1])[s[0]].set(s[1][s[0] - 1] * 2)), (0, x)
        )[1]

    assert carries(g, x, n) == [False, True]
    for m in (0, 1, n):
        same(g, x, m)


def test_no_update_in_place_where_the_old_value_is_read():
    def swapped(x, y):
        return lax.fori_loop(0, 20, lambda i, s: (fd.at(s[1])[i].set(1.0), s[0]), (x, y))

    def kept(x):
        return lax.scan(lambda v, i: (fd.at(v)[i].set(1.0 + v[i]), v), x, np.arange(20))

    def later(x):
        return lax.fori_loop(0, 20, lambda i, v: fd.at(fd.at(v)[i].set(2.0))[0].add(np.sum(v)), x)

    x, y = RNG.normal(size=20), RNG.normal(size=20)

    def both(x):
        def step(i, v):
            w = fd.at(v)[i].set(2.0)
            return fd.at(w)[0].add(np.sum(v * w[i - 1]))

        return lax.fori_loop(0, 20, step, x)

    assert not any(carries(swapped, x, y)) and not any(carries(both, x)[1:])
    same(swapped, x, y)
    same(both, x)
    assert carries(kept, x) == [True] and carries(later, x)[1]  # what reads the old value can do so first
    same(kept, x)
    same(later, x)


def test_updates_of_rows_and_complex_arrays():
    def f(x):
        return lax.fori_loop(1, 6, lambda i, v: fd.at(v)[i].set(v[i - 1] * 0.5 + v[i]), x)

    same(f, RNG.normal(size=(6, 30)))
    same(f, RNG.normal(size=(6, 30)) + 1j * RNG.normal(size=(6, 30)))
    same(fd.grad(lambda x: np.sum(f(x) ** 2)), RNG.normal(size=(6, 30)))


def test_an_index_that_is_too_large_for_int64() -> None:
    for index in (np.uint64(2**63 + 1), np.uint64(2**64 - 1), np.uint64(1)):
        for run in (lambda f: f, fd.jit):
            assert run(lambda i: fd.lax.switch(i, [lambda: 1.0, lambda: 2.0]))(index) == 2.0
