"""Tangents and cotangents of narrower dtypes than what they belong to are converted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, cg

import functad as fd

X = np.array([0.5, 2.0])


def cubes(x):
    return np.sum(x**3)


ALONG = {
    "jvp": lambda x, t: fd.jvp(np.sin, (x,), (t,))[1],
    "vjp": lambda x, t: fd.vjp(np.sin, x)[1](t)[0],
    "linearize": lambda x, t: fd.linearize(np.sin, x)[1](t),
    "linear_transpose": lambda x, t: fd.linear_transpose(lambda v: v * np.cos(x), x)(t)[0],
    "hvp": lambda x, t: fd.hvp(lambda v: np.sum(v * v) * 0.5, (x,), (t,)),
    "vhp": lambda x, t: fd.vhp(lambda v: np.sum(v * v) * 0.5, (x,), (t,)),
}
NARROWER = [(np.float64, t) for t in (bool, np.int8, np.uint32, np.int64, np.float16, np.float32)] + [
    (np.float32, t) for t in (bool, np.int8, np.uint16, np.float16)
]


@pytest.mark.parametrize("jitted", [False, True], ids=["plain", "jit"])
@pytest.mark.parametrize(("dtype", "narrow"), NARROWER, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("along", ALONG.values(), ids=ALONG)
def test_narrower_dtypes(along, dtype, narrow, jitted) -> None:
    x, t = X.astype(dtype), np.array([1, 0], narrow)
    found = (fd.jit(along) if jitted else along)(x, t)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, along(x, t.astype(dtype)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_python_numbers(dtype) -> None:
    x = dtype(0.5)
    value, tangent = fd.jvp(np.sin, (x,), (2,))
    assert type(tangent) is dtype and tangent == 2 * np.cos(x)
    assert type(fd.vjp(np.sin, x)[1](2.0)[0]) is dtype


def test_real_for_complex() -> None:
    z = X + 1j
    np.testing.assert_array_equal(fd.jvp(np.sin, (z,), (X,))[1], np.cos(z) * X)
    np.testing.assert_array_equal(fd.vjp(np.sin, z)[1](X)[0], np.cos(z) * X)


def test_derivative_through_the_conversion() -> None:
    t = np.array([1.0, 2.0], np.float32)
    gradient = fd.grad(lambda t: np.sum(fd.jvp(np.sin, (X,), (t,))[1]))(t)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, np.cos(X), rtol=1e-6)


def test_scipy_probes_with_int8() -> None:
    operator = LinearOperator((2, 2), matvec=lambda v: fd.hvp(cubes, (X,), (v,)))
    assert operator.dtype == np.float64
    solution, info = cg(operator, np.ones(2))
    assert info == 0
    np.testing.assert_allclose(solution, 1 / (6 * X))
    with_adjoint = LinearOperator(
        (2, 2), matvec=fd.linearize(np.sin, X)[1], rmatvec=lambda v: fd.vjp(np.sin, X)[1](v)[0]
    )
    np.testing.assert_allclose(with_adjoint.H @ np.ones(2, np.int8), np.cos(X))
