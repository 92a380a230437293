"""Kernels as people write them for NumPy and for Numba: loops over indices, slices, arrays filled in place."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["KERNELS", "Kernel"]


@dataclass(frozen=True)
class Kernel:
    """A function and its arguments; a gradient is that of the sum of squares, in the first argument."""

    f: Callable[..., Any]
    args: tuple[Any, ...]
    differentiable: bool = True


def heat_slices(u, steps):
    u = u.copy()
    for _ in range(steps):
        u[1:-1, 1:-1] = u[1:-1, 1:-1] + 0.1 * (
            u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4.0 * u[1:-1, 1:-1]
        )
    return u


def heat_loops(u, steps):
    n, m = u.shape
    u, v = u.copy(), u.copy()
    for _ in range(steps):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                v[i, j] = u[i, j] + 0.1 * (u[i + 1, j] + u[i - 1, j] + u[i, j + 1] + u[i, j - 1] - 4.0 * u[i, j])
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                u[i, j] = v[i, j]
    return u


def seidel(a, steps):
    n, m = a.shape
    a = a.copy()
    for _ in range(steps):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                a[i, j] = (a[i - 1, j] + a[i, j - 1] + a[i, j] + a[i, j + 1] + a[i + 1, j]) / 5.0
    return a


def cholesky(a):
    n = a.shape[0]
    a = a.copy()
    for i in range(n):
        for j in range(i):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]
        for k in range(i):
            a[i, i] -= a[i, k] * a[i, k]
        a[i, i] = math.sqrt(a[i, i])
    return a


def lu(a):
    n = a.shape[0]
    a = a.copy()
    for i in range(n):
        for j in range(i):
            for k in range(j):
                a[i, j] -= a[i, k] * a[k, j]
            a[i, j] /= a[j, j]
        for j in range(i, n):
            for k in range(i):
                a[i, j] -= a[i, k] * a[k, j]
    return a


def triangular_solve(b, a):
    n = b.shape[0]
    x = np.zeros(n)
    for i in range(n):
        s = b[i]
        for j in range(i):
            s -= a[i, j] * x[j]
        x[i] = s / a[i, i]
    return x


def gram_schmidt(a):
    m, n = a.shape
    a = a.copy()
    q = np.zeros((m, n))
    for k in range(n):
        norm = np.sqrt(np.sum(a[:, k] * a[:, k]))
        q[:, k] = a[:, k] / norm
        for j in range(k + 1, n):
            a[:, j] -= q[:, k] * np.sum(q[:, k] * a[:, j])
    return q


def floyd_warshall(path):
    n = path.shape[0]
    path = path.copy()
    for k in range(n):
        for i in range(n):
            for j in range(n):
                path[i, j] = min(path[i, j], path[i, k] + path[k, j])
    return path


def recursive_filter(x, a, b):
    n = x.shape[0]
    y, z = np.zeros(n), np.zeros(n)
    y[0] = x[0]
    for i in range(1, n):
        y[i] = a * x[i] + b * y[i - 1]
    z[n - 1] = y[n - 1]
    for i in range(n - 2, -1, -1):
        z[i] = a * y[i] + b * z[i + 1]
    return z


def n_body(q, steps):
    n = q.shape[0]
    q, p = q.copy(), np.zeros((n, 3))
    for _ in range(steps):
        for i in range(n):
            for j in range(n):
                if i != j:
                    dx, dy, dz = q[j, 0] - q[i, 0], q[j, 1] - q[i, 1], q[j, 2] - q[i, 2]
                    w = 0.001 / (dx * dx + dy * dy + dz * dz + 0.1) ** 1.5
                    p[i, 0] += w * dx
                    p[i, 1] += w * dy
                    p[i, 2] += w * dz
        q += 0.01 * p
    return q


def vertical_advection(u, w):
    n, m = u.shape
    c, d, x = np.zeros((n, m)), np.zeros((n, m)), np.zeros((n, m))
    for k in range(n):
        if k == 0:
            c[k] = -w[k] / (2.0 + w[k])
            d[k] = u[k] / (2.0 + w[k])
        else:
            pivot = 1.0 / (2.0 + w[k] + w[k] * c[k - 1])
            c[k] = -w[k] * pivot
            d[k] = (u[k] + w[k] * d[k - 1]) * pivot
    x[n - 1] = d[n - 1]
    for k in range(n - 2, -1, -1):
        x[k] = d[k] - c[k] * x[k + 1]
    return x


def horizontal_diffusion(x, coefficient):
    laplacian = 4.0 * x[1:-1, 1:-1] - (x[2:, 1:-1] + x[:-2, 1:-1] + x[1:-1, 2:] + x[1:-1, :-2])
    flux = laplacian[1:, 1:-1] - laplacian[:-1, 1:-1]
    flux = np.where(flux * (x[2:-1, 2:-2] - x[1:-2, 2:-2]) > 0, 0.0, flux)
    out = x.copy()
    out[2:-2, 2:-2] = x[2:-2, 2:-2] - coefficient * (flux[1:, :] - flux[:-1, :])
    return out


def mandelbrot(re, im, most):
    n, m = re.shape[0], im.shape[0]
    counts = np.zeros((n, m), np.int64)
    for i in range(n):
        for j in range(m):
            x, y, k = 0.0, 0.0, 0
            while x * x + y * y < 4.0 and k < most:
                x, y = x * x - y * y + re[i], 2.0 * x * y + im[j]
                k += 1
            counts[i, j] = k
    return counts


def convolution(x, w):
    n, k = x.shape[0], w.shape[0]
    out = np.zeros((n - k + 1, n - k + 1))
    for i in range(n - k + 1):
        for j in range(n - k + 1):
            s = 0.0
            for a in range(k):
                for b in range(k):
                    s += x[i + a, j + b] * w[a, b]
            out[i, j] = s
    return out


def softmax(x):
    top = np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        top[i] = np.max(x[i])
    e = np.exp(x - top.reshape((-1, 1)))
    return e / np.sum(e, axis=1).reshape((-1, 1))


def sparse_product(data, x, indices, starts):
    n = starts.shape[0] - 1
    y = np.zeros(n)
    for i in range(n):
        for j in range(starts[i], starts[i + 1]):
            y[i] += data[j] * x[indices[j]]
    return y


def logistic_map(r, steps):
    x = 0.5
    total = 0.0
    for _ in range(steps):
        x = r * x * (1.0 - x)
        if x > 0.5:
            total += x
        else:
            total -= 0.5 * x
    return total


def kernels():
    rng = np.random.default_rng(0)
    square = rng.normal(size=(60, 60))
    definite = square @ square.T + 60 * np.eye(60)
    starts = np.arange(0, 2001, 4)
    return {
        "heat, slices": Kernel(heat_slices, (rng.normal(size=(120, 120)), 50)),
        "heat, loops": Kernel(heat_loops, (rng.normal(size=(60, 60)), 20)),
        "Seidel": Kernel(seidel, (rng.normal(size=(60, 60)), 20)),
        "Cholesky": Kernel(cholesky, (definite,)),
        "LU": Kernel(lu, (definite,)),
        "triangular solve": Kernel(triangular_solve, (rng.normal(size=60), definite)),
        "Gram-Schmidt": Kernel(gram_schmidt, (rng.normal(size=(60, 40)),)),
        "Floyd-Warshall": Kernel(floyd_warshall, (rng.uniform(1, 10, size=(50, 50)),)),
        "recursive filter": Kernel(recursive_filter, (rng.normal(size=5000), 0.3, 0.7)),
        "n bodies": Kernel(n_body, (rng.normal(size=(24, 3)), 10)),
        "vertical advection": Kernel(vertical_advection, (rng.normal(size=(80, 200)), rng.uniform(size=(80, 200)))),
        "horizontal diffusion": Kernel(horizontal_diffusion, (rng.normal(size=(128, 128)), 0.1)),
        "Mandelbrot": Kernel(mandelbrot, (np.linspace(-2, 1, 60), np.linspace(-1, 1, 60), 50), False),
        "convolution": Kernel(convolution, (rng.normal(size=(40, 40)), rng.normal(size=(3, 3)))),
        "softmax": Kernel(softmax, (rng.normal(size=(200, 50)),)),
        "sparse product": Kernel(
            sparse_product, (rng.normal(size=2000), rng.normal(size=300), rng.integers(300, size=2000), starts)
        ),
        "logistic map": Kernel(logistic_map, (3.7, 10_000)),
    }


KERNELS = kernels()
