"""Functions run by the Numba backend: the same results and errors as by the quick one."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import IndexOutOfBoundsError, UnsupportedError

X = np.random.default_rng(0).normal(size=40)


def recursive(w, x):
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = w * x[i]
        if i > 0:
            y[i] += 0.5 * y[i - 1]
    return np.sum(np.tanh(y) ** 2)


def collatz(n):
    steps = 0
    while n > 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


CASES = {
    "gradient": (fd.value_and_grad(recursive, argnums=(0, 1)), (0.3, X)),
    "while": (collatz, (27,)),
    "sort and fft": (lambda x: np.fft.fft(np.sort(x)), (X,)),
    "solve": (lambda a: np.linalg.solve(a, a[0]), (np.outer(X[:6], X[6:12]) + np.eye(6),)),
    "batched products": (lambda a, b: a @ b, (X.reshape(2, 4, 5), X.reshape(2, 5, 4))),
}


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=() if c == "batched products" else pytest.mark.deep) for c in CASES]
)
def test_results(case: str) -> None:
    f, args = CASES[case]
    expected = fd.jit(f)(*args)
    with fd.config.backend("numba"):
        fast = fd.jit(f)
        for _ in range(2):
            found = fast(*args)
    fd.tree_map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), found, expected)


def test_errors() -> None:
    with fd.config.backend("numba"):
        with pytest.raises(IndexOutOfBoundsError, match=r"index 50 is out of bounds .* at .*test_numba_backend.py:\d+"):
            fd.jit(lambda x, i: x[i])(X, 50)
        with pytest.raises(UnsupportedError, match="Numba computes no float16"):
            fd.jit(np.sin)(X.astype(np.float16))


def test_what_is_shown() -> None:
    def model(params, mul):
        scale = np.exp(params["w"])
        total = np.sum(scale * mul)
        return total

    args = {"w": X}, X
    text = fd.jit(model).lower(*args).numba
    assert text.endswith("""@njit(error_model="numpy")
def total(params_w, mul, n0):
    # scale = np.exp(params["w"])
    # total = np.sum(scale * mul)
    out0_value = 0.0
    for i in range(n0):
        out0_value = plus(out0_value, np.exp(params_w[i]) * mul[i])
    return out0_value


@njit(error_model="numpy")
def driver(params_w, mul, out0, n0, status):
    out0_value = total(params_w, mul, n0)
    out0[()] = out0_value
""")
    assert "def strong_mul(params_w, mul, out0, n0)" in fd.jit(fd.grad(model)).lower(*args).numba
    with fd.config.backend("numba"):  # shared by all that has this structure
        source = fd.jit(model).lower(*args).compile()._compiled.code.source
    assert "scale" not in source and "def sum_(in0, in1, n0)" in source


def test_names_that_are_taken() -> None:
    """Arguments and variables that are called as something in the module is."""

    def awkward(status, n0, driver, np_, t, out0):
        plus = np.cumsum(status) * n0
        njit = np.cumsum(plus + driver)
        in0 = np.cumsum(njit * t)
        t = np.cumsum(in0) + np_
        return t * out0

    text = fd.jit(awkward).lower(*[X] * 6).numba
    scope: dict[str, object] = {}
    exec(text, scope)
    out = np.empty_like(X)
    values = [X + k for k in range(6)]
    scope["driver"](*values, out, len(X), np.zeros(2, np.int64))
    np.testing.assert_allclose(out, awkward(*values), rtol=1e-12)
