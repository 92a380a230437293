"""Compiled functions as native code sees them: stages, C address, ctypes, Numba, threads, recompilation."""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.lower.compile import compile_count

X = np.linspace(-1.0, 2.0, 37)


def loss(x, y):
    return np.sum(np.exp(-(x**2)) * np.sin(y) + np.tanh(x * y) + np.log(1 + x**2))


def test_every_stage_can_be_printed(capsys) -> None:
    lowered = fd.jit(fd.grad(loss, (0, 1))).lower(X, X)
    assert "lambda" in str(lowered.ir) and "kernel" in lowered.kernel_ir
    compiled = lowered.compile()
    assert "define" in compiled.llvm and "ret" in compiled.assembly
    with config.dump(frozenset({"all"})):
        fd.jit(lambda x: np.cos(x) * 3.125 + x)(X)
    printed = capsys.readouterr().err
    for stage in ("-- after inline", "-- kernel", "-- llvm", "-- asm"):
        assert stage in printed


def test_gradient_is_one_kernel_without_temporaries() -> None:
    text = fd.jit(fd.grad(loss, (0, 1))).lower(X, X).kernel_ir
    assert text.count("  kernel ") == 1 and " = temp " not in text
    text = fd.jit(fd.value_and_grad(loss, (0, 1))).lower(X, X).kernel_ir
    assert text.count("  kernel ") == 1 and " = temp " not in text


def test_scalar_programs_are_straight_line_code() -> None:
    f = np.tanh
    for _ in range(4):
        f = fd.grad(f)
    compiled = fd.jit(f).lower(0.3).compile()
    driver = compiled.llvm[compiled.llvm.index("@functad_driver") :]
    driver = driver[: driver.index("\n}")]
    assert "br i1" not in driver and "phi" not in driver


def test_c_address_and_ctypes() -> None:
    compiled = fd.jit(lambda x, y: (np.sum(x * y), x + y)).lower(X, X).compile()
    x, y = X.copy(), X[::-1].copy()
    total, both = np.empty(1), np.empty_like(x)
    inputs = (ctypes.c_void_p * 2)(x.ctypes.data, y.ctypes.data)
    outputs = (ctypes.c_void_p * 2)(total.ctypes.data, both.ctypes.data)
    sizes = (ctypes.c_int64 * max(1, len(compiled.sizes)))(*compiled.sizes)
    assert compiled.constants == ()
    assert compiled.ctypes(inputs, outputs, sizes) == 0
    np.testing.assert_allclose(total[0], np.sum(x * y))
    np.testing.assert_array_equal(both, x + y)
    assert compiled.address == ctypes.cast(compiled.ctypes, ctypes.c_void_p).value


def test_numba_code_calls_compiled_functions() -> None:
    import numba

    gradient = fd.jit(fd.grad(lambda x, a: np.sum(np.sin(x) * a))).lower(X, 2.0).compile()

    @numba.njit
    def descend(x, steps):
        for _ in range(steps):
            x = x - 0.1 * gradient(x, 2.0)
        return x

    expected = X
    for _ in range(5):
        expected = expected - 0.2 * np.cos(expected)
    np.testing.assert_allclose(descend(X, 5), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="compiled for shape"):
        descend(X[:5].copy(), 1)
    strided = np.repeat(X, 2)[::2]
    np.testing.assert_allclose(gradient.numba(strided, 1.0), np.cos(X), rtol=1e-12)
    with pytest.raises(TypeError):
        gradient.numba(X.astype(np.int64), 1.0)


def test_a_second_size_compiles_nothing() -> None:
    f = fd.jit(fd.grad(loss, (0, 1)))
    f(X, X)
    before = compile_count()
    for n in (17, 100, 1000):
        x = np.linspace(0.0, 1.0, n)
        np.testing.assert_allclose(f(x, x)[0], fd.grad(loss)(x, x), rtol=1e-12)
    assert compile_count() == before


def test_calls_of_several_kinds_alternate() -> None:
    f = fd.jit(lambda x: x * 2)
    for _ in range(3):
        assert f(3) == 6 and f(3).dtype == np.int64
        assert f(1.5) == 3.0
        assert f(np.float32(1.5)).dtype == np.float32
        np.testing.assert_array_equal(f(X), 2 * X)
        np.testing.assert_array_equal(f(X[:3]), 2 * X[:3])
        np.testing.assert_array_equal(f(x=X), 2 * X)


def test_closed_over_arrays_are_not_stale() -> None:
    held = np.ones(3)
    f = fd.jit(lambda x: np.sum(x * held))
    assert f(np.ones(3)) == 3.0
    held[:] = 2.0
    assert f(np.ones(3)) == 6.0
    assert fd.jit(fd.grad(f))(np.ones(3)).tolist() == [2.0, 2.0, 2.0]


def test_closed_over_arrays_are_compared_bit_by_bit() -> None:
    held = np.array([0.0, np.nan])
    f = fd.jit(lambda x: np.copysign(x, held))
    assert f(2.0).tolist() == [2.0, 2.0]
    held[:] = [-0.0, np.nan]
    assert f(2.0).tolist() == [-2.0, 2.0]


def test_closed_over_views_of_arrays_are_not_stale() -> None:
    """The view is made anew at each trace and gone after it; what it shows can still be written to."""
    held = np.ones(3)
    f = fd.jit(lambda x: np.sum(x * held[1:]))
    assert f(np.ones(2)) == 2.0
    held[:] = 2.0
    assert f(np.ones(2)) == 4.0


def test_static_arguments() -> None:
    traced = []

    @fd.jit(static_argnums=1, static_argnames="mode")
    def f(x, n, mode="sum"):
        traced.append((n, mode))
        y = x
        for _ in range(n):
            y = y * x
        return np.sum(y) if mode == "sum" else y

    assert f(np.ones(3), 2) == 3.0
    assert f(np.ones(3), 2, mode="none").shape == (3,)
    assert f(np.ones(3), n=2) == 3.0
    assert f(np.full(3, 2.0), 2) == 24.0
    assert len(traced) == 3


def test_jit_of_methods_and_in_comprehensions() -> None:
    class Model:
        def __init__(self) -> None:
            self.scale = 3.0

        @fd.jit(static_argnums=0)
        def predict(self, x):
            return x * self.scale

    assert Model().predict(2.0) == 6.0


def test_eight_threads_on_one_function() -> None:
    f = fd.jit(fd.value_and_grad(loss))
    rng = np.random.default_rng(0)
    inputs = [(rng.normal(size=n), rng.normal(size=n)) for n in (5, 40, 5, 40, 30_000, 30_000, 200_000, 200_000)]
    expected = [fd.value_and_grad(loss)(x, y) for x, y in inputs]
    failures = []

    def work(k: int) -> None:
        for _ in range(10):
            value, gradient = f(*inputs[k])
            if not (
                np.isclose(value, expected[k][0], rtol=1e-10) and np.allclose(gradient, expected[k][1], rtol=1e-10)
            ):
                failures.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_ctypes_entry_and_other_backends_agree() -> None:
    x = np.linspace(0.1, 1.0, 20)
    expected = fd.grad(loss)(x, x)
    for flag, value in ((config.entry, "ctypes"), (config.backend, "evaluator"), (config.backend, "kernel")):
        with flag(value):
            np.testing.assert_allclose(fd.jit(fd.grad(loss))(x, x), expected, rtol=1e-12)
            np.testing.assert_allclose(fd.grad(fd.jit(loss))(x, x), expected, rtol=1e-12)
