"""Products with sparse matrices of SciPy's, which SciPy leaves to traced operands."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

import functad as fd
from functad.errors import ShapeError, StructureError

FORMATS = ["csr", "csc", "coo", "dia", "bsr", "lil", "dok"]


def drawn(kind, m=7, n=5, seed=0, make=scipy.sparse.random_array):
    size = ((m, n),) if make is scipy.sparse.random_array else (m, n)
    return make(*size, density=0.4, format=kind, random_state=seed)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("make", [scipy.sparse.random_array, scipy.sparse.random])
@pytest.mark.parametrize("kind", FORMATS)
def test_products_and_derivatives(kind, make, rng):
    a = drawn(kind, make=make)
    x, y, xs = rng.normal(size=5), rng.normal(size=7), rng.normal(size=(5, 3))
    dense = a.toarray()
    for f, v, wanted in (
        (lambda v: a @ v, x, dense),
        (lambda v: a.dot(v), x, dense),
        (lambda v: v @ a, y, dense.T),
        (lambda v: a.T @ v, y, dense.T),
    ):
        np.testing.assert_allclose(fd.jacobian(f)(v), wanted, rtol=1e-15)
        np.testing.assert_allclose(fd.jacfwd(f)(v), wanted, rtol=1e-15)
        if kind in ("csr", "csc"):
            np.testing.assert_array_equal(fd.jit(f)(v), f(v))
            np.testing.assert_allclose(fd.jit(fd.jacobian(f))(v), wanted, rtol=1e-15)
    np.testing.assert_allclose(fd.vmap(lambda v: a @ v, 1, 1)(xs), a @ xs, rtol=1e-14)
    gradient = fd.grad(lambda v: np.sum(np.sin(a @ v)))(xs)
    np.testing.assert_allclose(gradient, dense.T @ np.cos(dense @ xs), rtol=1e-13)
    if make is scipy.sparse.random:
        np.testing.assert_allclose(fd.jacobian(lambda v: a * v)(x), dense, rtol=1e-15)
        np.testing.assert_allclose(fd.jacobian(lambda v: v * a)(y), dense.T, rtol=1e-15)


def test_values_are_scipy_s_to_the_last_bit(rng):
    a = drawn("csr", 40, 30)
    x, xs = rng.normal(size=30), rng.normal(size=(30, 4))
    for matrix in (a, a.tocsc(), a.astype(np.float32), a.astype(np.int32), a.astype(bool), a * (1 + 2j)):
        for v in (x, xs, x.astype(np.float32), xs[::-1], np.asfortranarray(xs)):
            found, wanted = fd.jit(lambda v, m=matrix: m @ v)(v), matrix @ v
            assert found.dtype == wanted.dtype
            if matrix.dtype.kind == "c":  # SciPy's compiler contracts complex products
                np.testing.assert_allclose(found, wanted, rtol=1e-14)
            else:
                np.testing.assert_array_equal(found, wanted)
    empty = scipy.sparse.csr_array((0, 30))
    assert fd.jit(lambda v: empty @ v)(x).shape == (0,)
    assert not fd.grad(lambda v: np.sum(empty @ v))(x).any()


def test_compiled_code_sees_what_is_written(rng):
    x = rng.normal(size=6)
    for f in (lambda v, a: a @ v, lambda v, a: v @ a, lambda v, a: np.sin(a.T @ v)):
        a = drawn("csr", 6, 6)
        closed, given = fd.jit(lambda v, f=f: f(v, a)), fd.jit(f)

        def check(f=f, closed=closed, given=given):
            np.testing.assert_allclose(closed(x), f(x, a), rtol=1e-14)
            np.testing.assert_allclose(given(x, a), f(x, a), rtol=1e-14)

        check()
        a.data *= 2
        check()
        a.indices[:] = np.sort(a.indices)[::-1]
        check()
        a.data = a.data * 3
        check()
        a = drawn("csr", 6, 6, seed=1)
        check()


def test_conjugate_gradients(rng):
    a = drawn("csr", 20, 20)
    a = (a + a.T + 20 * scipy.sparse.eye_array(20)).tocsr()
    b = rng.normal(size=20)

    def solve(b):
        x = np.zeros(20)
        r = p = b
        rr = r @ r
        for _ in range(100):
            q = a @ p
            step = rr / (p @ q)
            x, r = x + step * p, r - step * q
            before, rr = rr, r @ r
            if rr < 1e-24:
                break
            p = r + rr / before * p
        return x

    np.testing.assert_allclose(fd.jit(solve)(b), np.linalg.solve(a.toarray(), b), rtol=1e-10)
    np.testing.assert_allclose(fd.jit(fd.jacobian(solve))(b), np.linalg.inv(a.toarray()), rtol=1e-7, atol=1e-10)


class Truss:
    def __init__(self, stiffness):
        self.stiffness = stiffness

    @fd.jit
    def energy(self, u):
        return 0.5 * u @ (self.stiffness @ u)


def test_a_matrix_in_an_object(rng):
    a, u = drawn("csr", 6, 6), rng.normal(size=6)
    truss = Truss(a)
    assert truss.energy(u) == pytest.approx(0.5 * u @ (a @ u), rel=1e-14)
    np.testing.assert_allclose(fd.hessian(truss.energy)(u), 0.5 * (a + a.T).toarray(), rtol=1e-14)
    truss.stiffness.data[:] = 0
    assert truss.energy(u) == 0


def test_what_is_refused(rng):
    a, x = drawn("csr", 6, 6), rng.normal(size=6)
    with pytest.raises(ShapeError, match=r"shape \(6, 6\) and a traced f64\[5\] at .*test_sparse.*expected 6 elements"):
        fd.jit(lambda v: a @ v[:5])(x)
    with pytest.raises(ShapeError, match="expected 6 elements, or 6 rows"):
        fd.jit(lambda v: v[:, None, None] @ a)(x)
    with pytest.raises(StructureError, match=r"other than @ .* sparse csr_array at .*write it with matrix.toarray"):
        fd.jit(lambda v: v * a)(x)
    with pytest.raises(StructureError, match=r"c \* \(matrix @ v\)"):
        fd.jit(lambda v: v[0] * a)(x)
    lil = a.tolil()
    with pytest.raises(StructureError, match=r"sparse lil_array at .*write matrix.tocsr\(\) outside"):
        fd.jit(lambda v: lil @ v)(x)
    with pytest.raises(StructureError, match=r"a scipy.sparse._csr.csr_array, which has no derivative"):
        fd.grad(lambda v, m: np.sum(m @ v), 1)(x, a)
    with pytest.raises(
        StructureError, match=r"a sparse array of shape \(4,\) and a traced f64\[4\] at .*expected a matrix"
    ):
        fd.jit(lambda v: scipy.sparse.coo_array(np.array([1.0, 0.0, 2.0, 0.0])) @ v)(x[:4])
