"""``numpy.linalg`` of traced values: against NumPy, natively and in the evaluator; derivatives; what raises."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad import config
from functad.core.tracer import ARRAY, SCALAR
from functad.errors import ArgumentError, DtypeError, LinAlgError, ShapeError, UnsupportedError
from functad.numpy.dispatch import TABLE
from functad.testing.numerics import directional_derivative
from tests.numpy.against_numpy import array, tracing

L = np.linalg


def square(n=4, dtype="d", lead=(), seed=0):
    """Matrices far from singular."""
    return array((*lead, n, n), dtype, -1.0, 1.0, seed) + ((n + 1) * np.eye(n) * np.arange(1, n + 1)).astype(dtype)


def hermitian(n=4, dtype="d", lead=(), seed=0):
    """Positive definite matrices."""
    a = square(n, dtype, lead, seed)
    return a @ a.conj().swapaxes(-1, -2)


OF_SQUARE = {
    "solve vector": lambda a: L.solve(a, a[..., :1]),
    "solve plain": lambda a: L.solve(a, np.ones((a.shape[-1], 2))),
    "solve shared": lambda a: L.solve(np.eye(a.shape[-1]) * 2, a),
    "inv": lambda a: L.inv(a),
    "det": lambda a: L.det(a),
    "slogdet": lambda a: tuple(L.slogdet(a)),
    "eigh": lambda a: tuple(L.eigh(a)),
    "eigvalsh upper": lambda a: L.eigvalsh(a, UPLO="u"),
    "eigvals": lambda a: L.eigvals(a * (1 + 0j)),
    "eig": lambda a: tuple(L.eig(a * (1 + 0j))),
    "power": lambda a: (L.matrix_power(a, 0), L.matrix_power(a, 1), L.matrix_power(a, 5), L.matrix_power(a, -2)),
    "rank hermitian": lambda a: L.matrix_rank(a, hermitian=True),
    "pinv hermitian": lambda a: L.pinv(a @ a.conj().swapaxes(-1, -2), hermitian=True),
}
OF_ANY = {
    "svd": lambda a: tuple(L.svd(a)),
    "svd thin": lambda a: tuple(L.svd(a, full_matrices=False)),
    "svd values": lambda a: (L.svd(a, compute_uv=False), L.svdvals(a)),
    "qr": lambda a: tuple(L.qr(a)),
    "qr complete": lambda a: tuple(L.qr(a, mode="complete")),
    "qr r": lambda a: L.qr(a, "r"),
    "pinv": lambda a: (L.pinv(a), L.pinv(a, rcond=0.2), L.pinv(a, rtol=1e-3)),
    "rank": lambda a: (L.matrix_rank(a), L.matrix_rank(a, tol=1.0), L.matrix_rank(a, rtol=0.1)),
    "norms": lambda a: [L.norm(a, p, (-2, -1)) for p in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)],
    "norm kept": lambda a: (L.norm(a, 2, (-1, -2), True), L.matrix_norm(a, ord="nuc", keepdims=True)),
}
OF_DEFINITE = {"cholesky": lambda a: (L.cholesky(a), L.cholesky(a, upper=True))}


def cases(dtype, lead):
    for name, f in OF_SQUARE.items():
        yield name, f, square(4, dtype, lead)
    for name, f in OF_ANY.items():
        for shape in ((3, 2), (2, 3)):
            yield name, f, array((*lead, *shape), dtype, seed=5)
    for name, f in OF_DEFINITE.items():
        yield name, f, hermitian(4, dtype, lead)


def compare(expected, found, dtype):
    """Equal up to the rounding of a factorisation; of the same kind, if traced, dtype and shape."""
    rtol = 3e-5 if np.dtype(dtype).char in "fF" else 1e-11
    for e, (kind, value) in zip(leaves(expected), pairs(found), strict=True):
        due = ARRAY if isinstance(e, np.ndarray) else SCALAR
        assert kind in (None, due), (kind, due)
        value = np.asarray(value)
        assert value.shape == np.shape(e) and value.dtype == np.asarray(e).dtype, (value, e)
        np.testing.assert_allclose(value, e, rtol=rtol, atol=rtol * max(1.0, float(np.max(np.abs(e), initial=0))))


def pairs(x):
    """The results of tracing, each as (kind, value)."""
    if isinstance(x, tuple) and len(x) == 2 and type(x[0]) is type(ARRAY):
        return [x]
    if isinstance(x, tuple | list):
        return [pair for part in x for pair in pairs(part)]
    return [(None, x)]


def leaves(x):
    """The arrays in a result."""
    return [leaf for part in x for leaf in leaves(part)] if isinstance(x, tuple | list) else [x]


@pytest.mark.parametrize("dtype", ["d", "D", "f", "F", "i8"])
def test_in_the_evaluator(dtype):
    for lead in ((), (2,)):
        for name, f, a in cases(dtype, lead):
            try:
                compare(f(a), tracing(f, a), dtype)
            except AssertionError as error:
                error.add_note(f"{name} of {a.dtype} {a.shape}")
                raise


QUICK = {"solve vector", "inv", "slogdet", "eigh", "eig", "svd", "qr", "cholesky"}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("dtype", ["d", "D", "f"])
def test_natively(dtype):
    compare_natively([c for c in cases(dtype, (2,)) if c[0] in QUICK])


@pytest.mark.deep
@pytest.mark.parametrize("lead", [(), (2,)])
@pytest.mark.parametrize("dtype", ["d", "D", "f"])
def test_everything_natively(dtype, lead):
    compare_natively(list(cases(dtype, lead)))


def compare_natively(made):
    """One compiled function of many, against NumPy."""
    fs = [f for _, f, _ in made]
    found = fd.jit(lambda args: [f(a) for f, a in zip(fs, args, strict=True)])([a for *_, a in made])
    for (name, f, a), y in zip(made, found, strict=True):
        try:
            compare(f(a), y, a.dtype)
        except AssertionError as error:
            error.add_note(f"{name} of {a.dtype} {a.shape}")
            raise


def test_large_and_empty():
    """Sizes that are run-time data, and none at all."""
    for f, a in [
        (lambda a: (L.solve(a, a.T), L.slogdet(a), L.svd(a)[1], L.qr(a), L.eigh(a + a.T)[0]), square(30)),
        (lambda a: (L.inv(a), L.det(a), L.slogdet(a), L.eigh(a), L.svd(a), L.qr(a), L.eigvalsh(a)), np.zeros((0, 0))),
        (lambda a: (L.inv(a), L.det(a), L.cholesky(a), L.eigh(a)), np.zeros((0, 3, 3))),
        (lambda a: (L.pinv(a), L.svd(a), L.qr(a, "complete")), np.zeros((0, 3))),
        (lambda a: (L.inv(a), L.det(a), L.eigh(a), L.svd(a), L.qr(a)), np.full((1, 1), 2.0)),
    ]:
        compare(f(a), fd.jit(f)(a), "d")


def test_products_and_tensors():
    a, b, c, v = array((2, 3)), array((3, 5)), array((5, 4)), array((2,))
    six, four = array((2, 3, 6), seed=3), array((4, 6, 8, 3), seed=4)
    for f in (
        lambda a, b, c: (L.multi_dot([a, b, c]), L.multi_dot([v, a, b, c]), L.multi_dot([a, b])),
        lambda a, b, c: L.multi_dot([v, a, b, c, np.ones(4)]),
        lambda a, b, c: (L.cross(a, a[:1] + 1), L.cross(b, b + 1, axis=0), L.matmul(a, b), L.vecdot(a, a + 1, axis=0)),
        lambda a, b, c: L.tensorsolve(six * a[0, 0], a),
        lambda a, b, c: L.tensorsolve(np.moveaxis(six, 2, 0) * a[0, 0], a, axes=(0,)),
        lambda a, b, c: L.tensorinv(four * a[0, 0]),
        lambda a, b, c: (L.cond(b[:, :3]), L.cond(b[:, :3], 1), L.cond(b[:, :3], "fro"), L.cond(b, -2)),
        lambda a, b, c: L.lstsq(b.T, c[:, :2]),
        lambda a, b, c: L.lstsq(b, np.ones(3), rcond=0.1),
        lambda a, b, c: (L.cond(a[:, :2] * 0, 1), L.cond(np.ones((2, 3, 3)) * a[0, 0])[:0], L.matrix_rank(a[0])),
    ):
        compare(f(a, b, c), fd.jit(f)(a, b, c), "d")


# -- derivatives -------------------------------------------------------------------------------------------------------

W = array((4, 4), seed=11)
SMOOTH = {
    "solve": (lambda a: np.sum(W[:, :2] * np.sin(L.solve(a, W[:, 2:]))), square()),
    "solve batch": (lambda a: np.sum(L.solve(a, W) ** 2), square(lead=(2,))),
    "inv": (lambda a: np.sum(W * L.inv(a)), square()),
    "det": (L.det, square()),
    "singular det": (L.det, np.array([[1.0, 2, 3, 4], [2, 4, 6, 8], [0, 1, 0, 1], [5, 1, 1, 1]])),
    "det of zeros": (L.det, np.zeros((4, 4))),
    "slogdet": (lambda a: L.slogdet(a)[1], square()),
    "cholesky": (lambda a: np.sum(W * L.cholesky(a)), hermitian()),
    "cholesky upper": (lambda a: np.sum(W * L.cholesky(a, upper=True)), hermitian()),
    "pinv": (lambda a: np.sum(W[:, :3] * L.pinv(a)), array((3, 4))),
    "pinv of equal singular values": (lambda a: np.sum(W[:, :3] * L.pinv(a)), np.eye(3, 4)),
    "lstsq": (lambda a: np.sum(L.lstsq(a, W)[0] ** 2) + np.sum(L.lstsq(a, W)[1]), array((4, 3))),
    "spectral norms": (lambda a: L.norm(a, 2) + L.norm(a, "nuc") + L.norm(a, -2), square()),
    "cond": (lambda a: L.cond(a) + L.cond(a, "fro"), square()),
    "eigenvectors": (lambda a: np.sum(W * L.eigh(a)[1]), hermitian()),
    "eig": (lambda a: np.sum(np.abs(L.eig(a)[0]) + np.abs(L.eig(a)[1]).sum(0)), square()),
    "power": (lambda a: np.sum(W * L.matrix_power(a, 3)), square()),
    "multi_dot": (lambda a: np.sum(L.multi_dot([a, W, a])), square()),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_finite_differences(name):
    """In both modes, and twice."""
    f, a = SMOOTH[name]
    t = array(a.shape, low=-1.0, high=1.0, seed=12)
    (expected,) = directional_derivative(lambda xs: [f(xs[0])], [a], [t])
    g = fd.grad(f)(a)
    np.testing.assert_allclose(np.sum(g * t), expected, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(fd.jvp(f, (a,), (t,))[1], expected, rtol=1e-7, atol=1e-7)
    if "det of" in name or "singular" in name:
        return  # the second derivative is not found where a is singular
    (second,) = directional_derivative(lambda xs: [fd.grad(f)(xs[0])], [a], [t])
    np.testing.assert_allclose(fd.hvp(f, (a,), (t,)), second, rtol=1e-6, atol=1e-6)


OFTEN = ("solve", "slogdet", "cholesky", "eigenvectors", "pinv")


@pytest.mark.parametrize("name", [n if n in OFTEN else pytest.param(n, marks=pytest.mark.deep) for n in SMOOTH])
def test_gradients_natively_of_a_batch(name):
    f, a = SMOOTH[name]
    batch = np.stack([a, a * 1.25])
    both = fd.jit(fd.vmap(fd.grad(f)))(batch)
    np.testing.assert_allclose(both[0], fd.grad(f)(a), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(both[1], fd.grad(f)(batch[1]), rtol=1e-9, atol=1e-9)


def test_complex_gradients():
    """The angle of a determinant; the gradient of a real function of a complex matrix is conjugated as everywhere."""
    a = square(3, "D") + 1j

    def f(x, y):
        z = x + 1j * y
        sign, size = L.slogdet(z)
        w, v = L.eigh(z + np.conj(z.T))
        projector = v[:, :1] @ np.conj(v[:, :1]).T
        return np.sum(np.real(L.solve(z, W[:3, :2] + 0j)) + size * np.imag(sign)) + np.sum(w**2 * np.real(projector))

    t = array((3, 3), seed=3)
    (expected,) = directional_derivative(lambda xs: [f(xs[0], xs[1])], [a.real, a.imag], [t, 2 * t])
    gx, gy = fd.jit(fd.grad(f, argnums=(0, 1)))(a.real, a.imag)
    np.testing.assert_allclose(np.sum(gx * t) + np.sum(gy * 2 * t), expected, rtol=1e-8)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: np.diag([1.0, 1.0, 2.0, 2.0]),
        pytest.param(np.eye, marks=pytest.mark.deep),
        pytest.param(lambda n: np.ones((n, n)), marks=pytest.mark.deep),
    ],
)
def test_equal_eigenvalues(make):
    """What does not depend on how they part has its derivative; all derivatives are finite."""
    a, s = make(4), W + W.T
    q = L.qr(W)[0]
    a = q @ a @ q.T

    def trace(a):  # whose gradient is 3 a^2, of the part that is read
        w, v = L.eigh(a)
        return np.sum(w**3)

    lower = np.tril(2 * np.ones((4, 4)), -1) + np.eye(4)
    np.testing.assert_allclose(fd.grad(trace)(a), 3 * (a @ a) * lower, atol=1e-12)

    def composed(a):
        w, v = L.eigh(a)
        return np.sum(s * ((v * np.exp(w)) @ v.T))

    def by_singular_values(a):
        u, w, vh = L.svd(a)
        return np.sum(s * ((u * w**2) @ u.T))

    for f in (composed, by_singular_values):
        assert np.isfinite(fd.grad(f)(a)).all() and np.isfinite(fd.hvp(f, (a,), (s,))).all()
    w, _ = L.eigh(a)
    if w[1] < 1.5 and w[2] > 1.5:  # the projector on the space of the first two eigenvectors

        def projector(a):
            v = L.eigh(a)[1][:, :2]
            return np.sum(s * (v @ v.T))

        e = array((4, 4), seed=8)
        e = e + e.T
        (expected,) = directional_derivative(lambda xs: [projector(xs[0])], [a], [e], 1e-3)
        np.testing.assert_allclose(np.sum(fd.grad(projector)(a) * e), expected, rtol=1e-8)


# -- in loops and branches, and what raises ----------------------------------------------------------------------------


def test_in_compiled_loops_and_branches():
    a = square(3) / 8

    def f(a):
        x = np.ones(3)
        for _ in range(20):
            x = x + 0.1 * L.solve(a, x) / L.norm(x)
        while np.sum(x) > 10:
            x = x / (2 + L.det(a) ** 2)
        return np.sum(L.cholesky(np.outer(x, x) + np.eye(3))) if x[0] > 0 else np.sum(L.inv(a))

    t = array((3, 3), seed=3)
    (expected,) = directional_derivative(lambda xs: [f(xs[0])], [a], [t])
    np.testing.assert_allclose(np.sum(fd.jit(fd.grad(f))(a) * t), expected, rtol=1e-7)
    np.testing.assert_allclose(fd.jit(f)(a), f(a), rtol=1e-12)


def test_threads_over_a_batch():
    """The results do not depend on their number; a failure anywhere in the batch raises."""
    a = array((3000, 5, 5), seed=9)
    f = fd.jit(lambda a: L.svd(a))
    with config.threads(1):
        expected = f(a)
    with config.threads(4):
        for e, y in zip(expected, f(a), strict=True):
            np.testing.assert_array_equal(y, e)
        a[1234] = np.nan
        with pytest.raises(LinAlgError, match="singular values did not converge"):
            f(a)


@pytest.mark.parametrize("backend", ["native", "kernel", "evaluator"])
def test_raises_what_numpy_raises(backend):
    """Singular and indefinite matrices, anywhere in a batch; NaNs and infinities."""
    with config.backend(backend):
        for f, a, message in [
            (L.inv, np.ones((3, 3)), r"matrix is singular.*test_linalg"),
            (L.inv, np.stack([np.eye(3), np.zeros((3, 3))]), "matrix is singular"),
            (lambda a: L.solve(a, np.ones(3)), np.zeros((3, 3)), "matrix is singular"),
            (L.cholesky, -np.eye(3), r"matrix is not positive definite.*test_linalg"),
            (L.cholesky, np.stack([np.eye(2), -np.eye(2)]), "not positive definite"),
            (L.eigvals, np.full((2, 2), np.nan), "must not contain infinities or NaNs"),
            (L.svd, np.full((2, 2), np.nan), "singular values did not converge"),
        ]:
            with pytest.raises(np.linalg.LinAlgError):
                f(a)
            with pytest.raises(LinAlgError, match=message):
                fd.jit(lambda a, f=f: f(a))(a)
        nan = np.full((3, 3), np.nan)
        assert np.isnan(fd.jit(lambda a: L.inv(a))(nan)).all() and np.isnan(L.inv(nan)).all()
        assert fd.jit(lambda a: L.slogdet(a))(np.zeros((2, 2))) == (0.0, -np.inf)


def test_what_is_not_taken_contributes_nothing():
    """A singular matrix in the branch of np.where that is not taken."""
    zero = np.zeros((2, 2))
    for f in (lambda a: L.slogdet(a)[1], lambda a: L.cond(a), lambda a: L.norm(a, "nuc"), L.det):
        for g in (fd.grad, lambda f: fd.jit(fd.grad(f))):
            found = g(lambda a, f=f: np.where(a[0, 0] > 1, f(a), np.sum(a)))(zero)
            np.testing.assert_array_equal(found, np.ones((2, 2)))


def test_messages():
    for f, a, error, message in [
        (L.inv, np.ones((2, 3)), LinAlgError, r"np.linalg.inv at .*square matrices .* got shape \(2, 3\)"),
        (L.inv, np.ones(3), LinAlgError, r"expected matrices in the last two axes, got an array of shape \(3,\)"),
        (L.inv, np.eye(2, dtype=np.float16), DtypeError, r"float16 is not available in linear algebra; convert with"),
        (lambda a: L.solve(a, np.ones(3)), np.eye(2), LinAlgError, r"do not fit matrices of shape \(2, 2\)"),
        (lambda a: L.solve(a, np.ones((3, 2, 1))), np.ones((2, 2, 2)), ShapeError, "could not be broadcast"),
        (lambda a: L.solve(a, 1.0), np.eye(2), LinAlgError, "right-hand sides need at least one axis"),
        (lambda a: L.qr(a, "raw"), np.eye(2), UnsupportedError, "LAPACK's reflections.*use 'reduced'"),
        (lambda a: L.qr(a, "full"), np.eye(2), ArgumentError, "mode must be 'reduced'"),
        (lambda a: L.eigh(a, "X"), np.eye(2), ArgumentError, "UPLO must be 'L' or 'U', got 'X'"),
        (lambda a: L.pinv(a, 0.1, rtol=0.1), np.eye(2), ArgumentError, "can't be both set"),
        (lambda a: L.matrix_rank(a, 0.1, rtol=0.1), np.eye(2), ArgumentError, "can't be both set"),
        (lambda a: L.matrix_power(a, 0.5), np.eye(2), ArgumentError, "plain integer, got float"),
        (lambda a: L.matrix_power(a, 2), np.ones((2, 3)), LinAlgError, "expected square matrices"),
        (lambda a: L.norm(a, 3), np.eye(2), ArgumentError, "matrices have no norm of order 3"),
        (lambda a: L.multi_dot([a]), np.eye(2), ArgumentError, "at least two arrays, got 1"),
        (lambda a: L.multi_dot([a, np.ones(3)]), np.eye(2), ShapeError, r"\(2, 2\) and \(3, 1\) are not aligned"),
        (lambda a: L.multi_dot([a, np.ones(2), a]), np.eye(2), LinAlgError, "expected matrices, and at the ends"),
        (lambda a: L.tensorsolve(a, np.ones(3)), np.eye(2), LinAlgError, "no square system"),
        (lambda a: L.tensorinv(a, 0), np.eye(2), ArgumentError, "ind must be positive"),
        (lambda a: L.tensorinv(a, 1), np.ones((2, 3)), LinAlgError, "as many elements as the others"),
        (lambda a: L.lstsq(a, np.ones(3)), np.eye(2), LinAlgError, "as many rows"),
        (L.cond, np.zeros((0, 0)), LinAlgError, "not defined on empty matrices"),
    ]:
        with pytest.raises(error, match=message):
            tracing(f, a)


def test_the_public_module():
    assert fnp.linalg.solve(np.eye(2), np.ones(2)).tolist() == [1, 1]
    assert fd.grad(lambda a: fnp.linalg.det(a))(np.eye(2)).tolist() == [[1, 0], [0, 1]]
    assert pickle.loads(pickle.dumps(fnp.linalg.inv)) is fnp.linalg.inv
    program = fd.make_ir(lambda a: L.inv(a))(np.eye(2))
    assert str(pickle.loads(pickle.dumps(program))) == str(program)
    assert [n for n in L.__all__ if n != "LinAlgError" and getattr(L, n) not in TABLE] == []
    assert set(L.__all__) <= set(dir(fnp.linalg))
