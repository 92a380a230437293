"""``scipy.linalg`` in traced functions, by SciPy's names: values natively, gradients against finite differences."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest
import scipy.linalg as L

import functad as fd
import functad.scipy.linalg as fl
from functad.errors import ArgumentError, LinAlgError, ShapeError, UnsupportedError
from functad.testing.numerics import directional_derivative

RNG = np.random.default_rng(0)
A, B, T = RNG.normal(size=(4, 4)) + 4 * np.eye(4), RNG.normal(size=(4, 2)), RNG.normal(size=(6, 3))
S, C, W = A @ A.T, A + 1j * RNG.normal(size=(4, 4)), RNG.normal(size=(4, 4))
H = C @ C.conj().T
BANDS, RIGHT = RNG.normal(size=(4, 6)) + np.array([[0], [0], [5], [0]]), RNG.normal(size=(6, 2))
HALF = RNG.normal(size=(3, 6)) + np.array([[0], [0], [9]])


def same(f, *args):
    """The native results are SciPy's, in dtype and shape, too."""
    expected, found = f(*args), fd.jit(f)(*args)
    for e, y in zip(leaves(expected), leaves(found), strict=True):
        assert np.shape(e) == np.shape(y) and np.asarray(e).dtype == np.asarray(y).dtype
        np.testing.assert_allclose(y, e, rtol=1e-9, atol=1e-9)


def leaves(x):
    return [leaf for part in x for leaf in leaves(part)] if isinstance(x, tuple | list) else [x]


STRUCTURED = {
    "sym": S, "her": S, "pos": S, "diagonal": np.diag(np.diag(A)), "upper triangular": np.triu(A),
    "lower triangular": np.tril(A), "tridiagonal": np.triu(np.tril(A, 1), -1),
}  # fmt: skip


@pytest.mark.deep
def test_systems():
    same(
        lambda a, b: (
            L.solve(a, b), L.solve(a, b[:, 0], transposed=True), L.inv(a), L.det(a),
            [L.solve_triangular(a, b, trans=t, lower=low) for t in ("N", 1) for low in (False, True)],
            L.solve_triangular(a, b[:, 0], unit_diagonal=True),
            L.lu_factor(a, check_finite=False)[0], [L.lu_solve(L.lu_factor(a), b, t) for t in (0, 1)],
        ),
        A, B,
    )  # fmt: skip
    same(
        lambda h, c, b: (
            [L.cho_solve(L.cho_factor(h, lower=low), b) for low in (False, True)],
            [L.cholesky(h, low) for low in (False, True)], L.solve(h, b, assume_a="her", lower=True),
            L.solve(h, b, assume_a="pos"), L.solve_triangular(c, b, trans="C"), L.lu_solve(L.lu_factor(c), b, 2),
        ),
        H, C, B,
    )  # fmt: skip
    for structure, a in STRUCTURED.items():
        for t in (False, True):
            expected = L.solve(a, B, assume_a=structure, transposed=t)
            found = fd.vmap(lambda a, s=structure, t=t: L.solve(a, B, assume_a=s, transposed=t))(a[None])
            np.testing.assert_allclose(found[0], expected, rtol=1e-10)


def test_banded_and_two_sided_systems():
    same(
        lambda ab, half, b: (
            L.solve_banded((1, 2), ab, b), L.solve_banded((1, 2), ab, b[:, 0]), L.solveh_banded(half, b),
            L.solveh_banded(half[::-1], b, lower=True),
            L.solve_toeplitz(half[2], b), L.solve_toeplitz((ab[2], ab[2]), b),
        ),
        BANDS, HALF, RIGHT,
    )  # fmt: skip
    same(lambda h, b: L.solveh_banded(h, b, lower=True), HALF[::-1] + 1j * np.array([[0], [1], [1]]), RIGHT)
    same(
        lambda a, s, q: (
            L.solve_sylvester(a, s[:2, :2], q), L.solve_continuous_lyapunov(a, s), L.solve_discrete_lyapunov(a / 9, s),
        ),
        A, S, B,
    )  # fmt: skip


def test_factors():
    same(
        lambda a: (
            L.lu(a), L.lu(a.T), L.lu(a, permute_l=True), L.lu(a, p_indices=True), L.svd(a), L.svdvals(a),
            L.svd(a, full_matrices=False, lapack_driver="gesdd"),
            [L.qr(x, mode=m, pivoting=p) for x in (a, a.T) for m in ("full", "economic", "r") for p in (False, True)],
        ),
        T,
    )  # fmt: skip
    same(
        lambda a, s: (
            L.pinv(a), L.pinv(a, return_rank=True), L.pinv(a, atol=0.3), L.pinvh(s), L.null_space(a.T), L.orth(a),
            L.polar(a), L.polar(a.T, side="left"), L.polar(s), L.norm(s, 2), L.norm(a), L.lstsq(a, a[:, 0]),
        ),
        T, S,
    )  # fmt: skip


@pytest.mark.one_in(4)
@pytest.mark.parametrize("a", [A, C], ids=["real", "complex"])
@pytest.mark.parametrize("b", [None, S], ids=["one", "pair"])
def test_left_eigenvectors(a, b):
    """Of a matrix SciPy's own, up to signs; of a pair by what they are."""
    found = fd.jit(lambda a: L.eig(a, b, left=True))(a)
    w, u, v = found
    right = np.eye(4) if b is None else b
    np.testing.assert_allclose(a @ v, right @ v * w, atol=1e-12)
    np.testing.assert_allclose(u.conj().T @ a, w[:, None] * (u.conj().T @ right), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(u, axis=0), 1)
    if b is None:
        np.testing.assert_allclose(w, L.eig(a)[0], atol=1e-12)
        for x, y in zip(found[1:], L.eig(a, left=True)[1:], strict=True):
            signs = np.sign(np.sum(x.conj() * y, axis=0).real)  # the largest element may be negative
            np.testing.assert_allclose(x * signs, y, atol=1e-12)
    np.testing.assert_allclose(np.sort_complex(fd.jit(lambda a: L.eigvals(a, b))(a)), np.sort_complex(L.eigvals(a, b)))
    assert len(fd.jit(lambda a: L.eig(a, b, left=True, right=False))(a)) == 2


def test_gradients_of_left_eigenvectors():
    """Against finite differences, of what does not depend on phases."""

    def f(a, b):
        w, u, v = L.eig(a, b, left=True)
        return np.sum(np.abs(u) * W) + np.sum(np.abs(v) ** 2 * W) + np.sum(np.real(w**2))

    for k, direction in enumerate((W, W.T)):
        slope = np.sum(fd.grad(f, k)(A, S) * direction)
        args = lambda h, k=k, d=direction: (A + h * d, S) if k == 0 else (A, S + h * d)
        h = 1e-5
        expected = (8 * (f(*args(h)) - f(*args(-h))) - (f(*args(2 * h)) - f(*args(-2 * h)))) / (12 * h)
        np.testing.assert_allclose(slope, expected, rtol=1e-7)


def test_eigenvalues():
    same(lambda a, s: (L.eigh(s), L.eigh(s, eigvals_only=True), L.eigvalsh(s), L.eig(a), L.eigvals(a)), A, S)
    same(lambda h: (L.eigh(h, lower=False), L.eigh(h, driver="evd"), L.eigvalsh(h, subset_by_index=(1, 2))), H)
    for t in (1, 2, 3):
        same(lambda c, h, t=t: L.eigh(c + c.conj().T, h, type=t, lower=t != 2), C, H)
    same(lambda a, s: L.eigvalsh(a + a.T, s), A, S)


def test_functions_of_matrices():
    names = ["expm", "logm", "sqrtm", "cosm", "sinm", "tanm", "coshm", "sinhm", "tanhm"]
    same(lambda a: [getattr(L, n)(a) for n in names], S / 8)
    same(lambda a, b: (L.expm(a), L.expm_frechet(a, b), L.expm_frechet(a, b, compute_expm=False)), C, H)


def test_matrices_of_vectors():
    same(
        lambda a, b: (
            L.toeplitz(a[0], a[1, :3]), L.toeplitz(a[0]), L.circulant(a[0]), L.hankel(a[0]), L.hankel(a[0], a[1, :2]),
            L.companion(a[0]), L.khatri_rao(a, a.T), L.block_diag(a, b, 1.0, b[0]), L.toeplitz(a[0] * 1j),
        ),
        A, B,
    )  # fmt: skip


SMOOTH = {
    "solve pos": (lambda a: np.sum(B * L.solve(a, B, assume_a="pos")), S),
    "solve sym": (lambda a: np.sum(B * L.solve(a, B, assume_a="sym", lower=True)), S),
    "triangular": (lambda a: np.sum(B * L.solve_triangular(a, B, 1, lower=True)), A),
    "cho_solve": (lambda a: np.sum(B * L.cho_solve(L.cho_factor(a), B)), S),
    "lu_solve": (lambda a: np.sum(B * L.lu_solve(L.lu_factor(a), B, 1)), A),
    "lu": (lambda a: np.sum(W[:3, :3] * L.lu(a)[2]) + np.sum(L.lu(a)[1] ** 2), T),
    "expm": (lambda a: np.sum(W * L.expm(a)), S / 20),
    "expm of equal eigenvalues": (lambda a: np.sum(W * L.expm(a)), np.eye(4)),
    "sqrtm": (lambda a: np.sum(W * L.sqrtm(a)), np.eye(4)),
    "logm": (lambda a: np.sum(W * L.logm(a)), S / 8),
    "pair": (lambda b: np.sum(W * L.eigh(A + A.T, b)[1] ** 2) + np.sum(L.eigh(A + A.T, b)[0] ** 3), S),
    "polar": (lambda a: np.sum(W * L.polar(a)[0]) + np.sum(W * L.polar(a, side="left")[1]), A),
    "polar of a rotation": (lambda a: np.sum(W * L.polar(a)[0] ** 2), L.qr(A)[0]),
    "banded": (lambda a: np.sum(RIGHT * L.solve_banded((1, 2), a, RIGHT)), BANDS),
    "banded definite": (lambda a: np.sum(RIGHT * L.solveh_banded(a, RIGHT)), HALF),
    "banded lower": (lambda a: np.sum(RIGHT * L.solveh_banded(a, RIGHT, lower=True)), HALF[::-1].copy()),
    "sylvester": (lambda a: np.sum(B * L.solve_sylvester(a, S[:2, :2], B)), A),
    "lyapunov": (lambda a: np.sum(W * L.solve_discrete_lyapunov(a, S)), A / 9),
    "null space": (lambda a: np.sum(W * (L.null_space(a) @ L.null_space(a).T)), A[:2]),
    "qr": (lambda a: np.sum(W[:3, :3] * L.qr(a, mode="economic", pivoting=True)[1]), T),
    "matrices": (lambda a: np.sum(W * np.sin(L.toeplitz(a[0], a[1]) @ L.circulant(a[2]))), A),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_finite_differences(name):
    """In both orders."""
    f, a = SMOOTH[name]
    t = RNG.uniform(-1, 1, a.shape)
    (expected,) = directional_derivative(lambda xs: [f(xs[0])], [a], [t])
    g = fd.grad(f)(a)
    np.testing.assert_allclose(np.sum(g * t), expected, rtol=1e-7, atol=1e-7)
    (second,) = directional_derivative(lambda xs: [fd.grad(f)(xs[0])], [a], [t])
    np.testing.assert_allclose(fd.hvp(f, (a,), (t,)), second, rtol=1e-6, atol=1e-6)


OFTEN = ("cho_solve", "lu_solve", "expm", "banded")


@pytest.mark.parametrize("name", [n if n in OFTEN else pytest.param(n, marks=pytest.mark.deep) for n in SMOOTH])
def test_gradients_natively(name):
    f, a = SMOOTH[name]
    np.testing.assert_allclose(fd.jit(fd.grad(f))(a), fd.grad(f)(a), rtol=1e-9, atol=1e-9)


def test_what_raises():
    for f, a, error, message in [
        (lambda a: L.solve_triangular(a, B), np.triu(A) - np.diag(np.diag(A)), LinAlgError, "matrix is singular"),
        (lambda a: L.solve_banded((1, 2), a, RIGHT), BANDS * 0, LinAlgError, "banded matrix is singular"),
        (lambda a: L.solveh_banded(a, RIGHT), -HALF, LinAlgError, "banded matrix is not positive definite"),
        (lambda a: L.cho_factor(a), -S, LinAlgError, "not positive definite"),
        (lambda a: L.logm(a), -np.eye(2), LinAlgError, "logm of this matrix is not real: convert it"),
        (lambda a: L.null_space(a), np.ones((2, 3)), LinAlgError, "a matrix of full rank"),
    ]:
        with pytest.raises(error, match=message):
            fd.jit(f)(a)
    for f, a, error, message in [
        (lambda a: L.expm(a), B, LinAlgError, r"^scipy.linalg.expm at .*expected square matrices"),
        (lambda a: L.solve(a, B[:3]), A, ShapeError, r"do not fit matrices of shape \(4, 4\)"),
        (lambda a: L.solve(a, B, assume_a="odd"), A, ArgumentError, "assume_a must be one of 'gen'"),
        (lambda a: L.solve_banded((1, 1), a, RIGHT), BANDS, ShapeError, r"expected 3 rows of diagonals"),
        (lambda a: L.eigh(a, subset_by_value=(0, 1)), S, UnsupportedError, "use subset_by_index="),
        (lambda a: L.eigh(a, subset_by_index=(2, 7)), S, ArgumentError, "the last index, of 0 to 3"),
        (lambda a: L.eig(a, A, homogeneous_eigvals=True), A, UnsupportedError, "argument homogeneous_eigvals= is not"),
        (lambda a: L.eig(a, np.zeros((4, 4))), A, LinAlgError, "singular"),
        (lambda a: L.toeplitz(a), A, ShapeError, r"expected a vector, got shape \(4, 4\)"),
        (lambda a: L.companion(a), A[0, :1], ShapeError, "at least two coefficients"),
        (lambda a: L.khatri_rao(a, B), A, ShapeError, "as many columns"),
        (lambda a: L.block_diag(a), np.ones((2, 2, 2)), ShapeError, "expected matrices"),
        (lambda a: L.lu_solve((a, np.arange(4)), np.ones((2, 4, 1))), A, ShapeError, "batches of one shape"),
    ]:
        with pytest.raises(error, match=message):
            fd.grad(lambda a, f=f: np.sum(f(a)[0]))(a)


def test_every_function_is_there_or_refused():
    """And what the docs say is there, is."""
    there = {getattr(L, name) for name in L.__all__ if name in fl.__dict__}
    for name in L.__all__:
        f = getattr(L, name)
        if isinstance(f, FunctionType) and f not in there:
            with pytest.raises(UnsupportedError, match=rf"^scipy.linalg.{name} at .* is not available"):
                fd.grad(lambda a, f=f: f(a))(A)
    page = (Path(__file__).parents[2] / "docs" / "linear_algebra.md").read_text()
    there = page[page.index("- **Of `scipy.linalg`**") : page.index("The functions of matrices")]
    names = set(re.findall(r"`([a-z_]+)`", there)) - {"assume_a"}
    assert names == {n for n in fl.__dict__ if not n.startswith("_") and callable(fl.__dict__[n])}


def test_the_public_module():
    np.testing.assert_allclose(fl.solve(A, B), L.solve(A, B))
    np.testing.assert_allclose(fd.jit(lambda a: fl.expm(a))(A), L.expm(A))
    assert fl.hilbert is L.hilbert and pickle.loads(pickle.dumps(fl.lu_solve)) is fl.lu_solve
