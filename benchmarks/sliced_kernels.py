"""Kernels as people write them with slices whose bounds are the indices of loops, and with masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["SLICED", "arguments"]


def lu(A):
    A = A.copy()
    for i in range(A.shape[0]):
        for j in range(i):
            A[i, j] -= A[i, :j] @ A[:j, j]
            A[i, j] /= A[j, j]
        for j in range(i, A.shape[0]):
            A[i, j] -= A[i, :i] @ A[:i, j]
    return A


def lu_outer(A):
    A = A.copy()
    for k in range(A.shape[0]):
        A[k + 1 :, k] /= A[k, k]
        A[k + 1 :, k + 1 :] -= np.outer(A[k + 1 :, k], A[k, k + 1 :])
    return A


def cholesky(A):
    A = A.copy()
    A[0, 0] = np.sqrt(A[0, 0])
    for i in range(1, A.shape[0]):
        for j in range(i):
            A[i, j] -= np.dot(A[i, :j], A[j, :j])
            A[i, j] /= A[j, j]
        A[i, i] -= np.dot(A[i, :i], A[i, :i])
        A[i, i] = np.sqrt(A[i, i])
    return A


def durbin(r):
    y = np.empty_like(r)
    alpha = -r[0]
    beta = 1.0
    y[0] = -r[0]
    for k in range(1, r.shape[0]):
        beta *= 1.0 - alpha * alpha
        alpha = -(r[k] + np.dot(np.flip(r[:k]), y[:k])) / beta
        y[:k] += alpha * np.flip(y[:k])
        y[k] = alpha
    return y


def levinson(r):
    y = np.zeros(len(r))
    alpha = -r[0]
    beta = 1.0
    y[0] = -r[0]
    for k in range(1, len(r)):
        beta *= 1.0 - alpha * alpha
        alpha = -(r[k] + np.dot(r[:k], y[:k][::-1])) / beta
        y[:k] = y[:k] + alpha * y[:k][::-1]
        y[k] = alpha
    return y


def triangular_solve(L, b):
    x = np.zeros(len(b))
    for i in range(len(b)):
        x[i] = (b[i] - L[i, :i] @ x[:i]) / L[i, i]
    return x


def gram_schmidt(A):
    A = A.copy()
    Q = np.zeros_like(A)
    Rm = np.zeros((A.shape[1], A.shape[1]), dtype=A.dtype)
    for k in range(A.shape[1]):
        nrm = np.dot(A[:, k], A[:, k])
        Rm[k, k] = np.sqrt(nrm)
        Q[:, k] = A[:, k] / Rm[k, k]
        for j in range(k + 1, A.shape[1]):
            Rm[k, j] = np.dot(Q[:, k], A[:, j])
            A[:, j] -= Q[:, k] * Rm[k, j]
    return Rm


def gram_schmidt_outer(A):
    A = A.copy()
    Rm = np.zeros((A.shape[1], A.shape[1]))
    for k in range(A.shape[1]):
        Rm[k, k] = np.sqrt(np.sum(A[:, k] ** 2))
        q = A[:, k] / Rm[k, k]
        Rm[k, k + 1 :] = q @ A[:, k + 1 :]
        A[:, k + 1 :] -= np.outer(q, Rm[k, k + 1 :])
    return Rm


def covariance(data):
    M = data.shape[1]
    fn = data.shape[0]
    mean = np.mean(data, axis=0)
    data = data - mean
    cov = np.zeros((M, M))
    for i in range(M):
        cov[i:, i] = data[:, i] @ data[:, i:] / (fn - 1.0)
        cov[i, i:] = cov[i:, i]
    return cov


def correlation(data):
    M = data.shape[1]
    mean = np.mean(data, axis=0)
    stddev = np.std(data, axis=0)
    data = (data - mean) / (np.sqrt(data.shape[0]) * stddev)
    corr = np.eye(M)
    for i in range(M - 1):
        corr[i + 1 :, i] = corr[i, i + 1 :] = data[:, i] @ data[:, i + 1 :]
    return corr


def symm(A, B, C):
    C = C.copy()
    temp2 = np.empty((C.shape[1],), dtype=C.dtype)
    C *= 1.2
    for i in range(C.shape[0]):
        for j in range(C.shape[1]):
            C[:i, j] += 1.5 * B[i, j] * A[i, :i]
            temp2[j] = B[:i, j] @ A[i, :i]
        C[i, :] += 1.5 * B[i, :] * A[i, i] + 1.5 * temp2
    return C


def trmm(A, B):
    B = B.copy()
    for i in range(B.shape[0]):
        for j in range(B.shape[1]):
            B[i, j] += np.dot(A[i + 1 :, i], B[i + 1 :, j])
    B *= 1.5
    return B


def syrk(A, C):
    C = C.copy()
    for i in range(A.shape[0]):
        C[i, : i + 1] *= 1.2
        for k in range(A.shape[1]):
            C[i, : i + 1] += 1.5 * A[i, k] * A[: i + 1, k]
    return C


def syr2k(A, B, C):
    C = C.copy()
    for i in range(A.shape[0]):
        C[i, : i + 1] *= 1.2
        for k in range(A.shape[1]):
            C[i, : i + 1] += A[: i + 1, k] * 1.5 * B[i, k] + B[: i + 1, k] * 1.5 * A[i, k]
    return C


def running(x):
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = x[: i + 1].sum() + np.mean(x[max(0, i - 2) : i + 1]) + x[i : i + 3].max()
    return y


def mandelbrot(xr):
    C = xr[:, None] + xr * 1j
    N = np.zeros(C.shape, dtype=np.int64)
    Z = np.zeros(C.shape, dtype=np.complex128)
    for n in range(20):
        inside = np.less(abs(Z), 2.0)
        N[inside] = n
        Z[inside] = Z[inside] ** 2 + C[inside]
    N[N == 19] = 0
    return np.abs(Z) + N


SLICED: dict[str, tuple[Callable[..., Any], str]] = {
    "LU": (lu, "definite"),
    "LU, outer products": (lu_outer, "definite"),
    "Cholesky": (cholesky, "definite"),
    "Durbin": (durbin, "autocorrelation"),
    "Levinson": (levinson, "autocorrelation"),
    "triangular solve": (triangular_solve, "triangle vector"),
    "Gram-Schmidt": (gram_schmidt, "matrix"),
    "Gram-Schmidt, outer products": (gram_schmidt_outer, "matrix"),
    "covariance": (covariance, "matrix"),
    "correlation": (correlation, "matrix"),
    "symm": (symm, "matrix matrix matrix"),
    "trmm": (trmm, "triangle matrix"),
    "syrk": (syrk, "matrix matrix"),
    "syr2k": (syr2k, "matrix matrix matrix"),
    "running sums": (running, "vector"),
    "Mandelbrot": (mandelbrot, "line"),
}
"""Kernels, and the arguments that they take."""


def arguments(names: str, n: int) -> tuple[np.ndarray, ...]:
    """Arguments of size n."""
    rng = np.random.default_rng(n)
    square = rng.normal(size=(n, n))
    made: dict[str, Callable[[], np.ndarray]] = {
        "definite": lambda: square @ square.T / n + 2 * np.eye(n),
        "autocorrelation": lambda: 0.3 * np.cos(np.arange(n)) / np.arange(1, n + 1) ** 1.5,
        "triangle": lambda: np.tril(square) / n + np.eye(n),
        "matrix": lambda: rng.normal(size=(n, n)),
        "vector": lambda: rng.normal(size=n),
        "line": lambda: np.linspace(-1.5, 0.5, n),
    }
    return tuple([made[name]() for name in names.split()])
