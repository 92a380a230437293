"""Loops over indices, optimised by LLVM, are NumPy's arithmetic to the last bit: vectors, forwarded stores and hoisted
loads change nothing, whichever way what a loop reads lies from what it writes.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd

RNG = np.random.default_rng(1)
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e308])


def reads_ahead(x):
    x = x.copy()
    for i in range(len(x) - 3):
        x[i] = x[i + 3] * 0.5 + x[i]
    return x


def reads_behind(x):
    x = x.copy()
    for i in range(len(x) - 3):
        x[i + 3] = x[i] * 0.5 + x[i + 3]
    return x


def reads_from_the_other_end(x):
    x = x.copy()
    for i in range(len(x) - 1, -1, -1):
        x[i] = x[len(x) - 1 - i] * 0.5 + x[i]
    return x


def sums(x):
    s, p, m = 0.0, 1.0, x[0]
    for i in range(len(x)):
        s += x[i] * x[i]
        p *= 1.0 + x[i] * 1e-3
        m = max(m, x[i])
    return np.array([s, p, m])


def clipped(x):
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = min(max(x[i], -0.5), 0.5)
    return y


def integers(x):
    y = np.zeros(len(x), np.int64)
    s = np.int64(0)
    for i in range(len(x)):
        s = (s * 31 + np.int64(x[i] * 10)) % 1000003
        y[i] = s // 3 - s % 7
    return y


def single(x):
    x = x.astype(np.float32)
    y = np.zeros(len(x), np.float32)
    for i in range(1, len(x)):
        y[i] = x[i] * x[i - 1] + y[i - 1] * np.float32(0.5)
    return y


def stencil(x):
    n = len(x)
    u = x.reshape((-1, 1)) * x
    v = u.copy()
    for _ in range(8):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                v[i, j] = u[i, j] * 0.3 + u[i - 1, j] * u[i, j - 1] - u[i + 1, j] / (1.0 + u[i, j + 1] * u[i, j + 1])
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                u[i, j] = v[i, j]
    return u


FUNCTIONS = [reads_ahead, reads_behind, reads_from_the_other_end, sums, clipped, integers, single, stencil]


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_bits(f):
    jitted = fd.jit(f)
    for n in (64, 71, 80):
        for share in (0.0, 0.3) if f not in (integers, stencil) else (0.0,):
            x = RNG.normal(size=n)
            x = np.where(RNG.random(n) < share, RNG.choice(SPECIAL, size=n), x)
            with np.errstate(all="ignore"):
                found, expected = jitted(x), f(x)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)
            if found.dtype.kind == "f":  # of zeros, too
                number = ~np.isnan(expected)
                np.testing.assert_array_equal(np.signbit(found)[number], np.signbit(expected)[number])


def test_reverse_mode_of_two_updates_of_one_element_copies_nothing():
    def f(x):
        x = x.copy()
        for i in range(1, len(x)):
            x[i] += x[i - 1]
            x[i] /= 9.0
        return np.sum(x**2)

    x = np.random.default_rng(0).normal(size=50)
    gradient = fd.jit(fd.grad(f))
    np.testing.assert_allclose(gradient(x), fd.grad(f)(x), rtol=1e-13)
    assert "kernel copy" not in gradient.lower(x).compile().kernel_ir
