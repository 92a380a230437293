"""Small functions as users write them, for all transforms to be tried on: plain NumPy, no two alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

import functad as fd
import functad.numpy as fnp
from functad import lax

RNG = np.random.default_rng(20240607)


@dataclass(frozen=True)
class Entry:
    """A function with arguments, and what it can be used with."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    traceable: bool = True  # without its values: under jit, and with its arguments mapped by vmap
    smooth: bool = True  # finite differences mean something

    def __str__(self) -> str:
        return self.function.__name__


CORPUS: list[Entry] = []


def entry(*args: Any, **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a function to the corpus, with arguments to call it with."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        CORPUS.append(Entry(function, args, **options))
        return function

    return add


def uniform(*shape: int, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """Random values of a shape."""
    return RNG.uniform(low, high, shape)


VECTOR, MATRIX, SQUARE = uniform(5), uniform(3, 4), uniform(4, 4)
POSITIVE = uniform(5, low=0.5, high=2.0)


# -- scalars --------------------------------------------------------------------------------------------


@entry(0.7)
def polynomial(x):
    return 3 * x**3 - 2 * x + 1


@entry(0.3, 1.2)
def scalar_chain(x, y):
    z = np.sin(np.exp(x)) / (1 + y * y)
    return -z + abs(x - y) * np.sqrt(y)


@entry(np.float64(0.4), np.array(1.5))
def numpy_scalars_and_rank_0(x, y):
    return np.tanh(x * y) + np.log1p(y) * x


@entry(1.3)
def powers(x):
    return x**2, x**0.5, 2.0**x, x**-3, np.power(x, x)


@entry(0.8, 0.3, 1.7)
def rosenbrock_like(a, b, c):
    return (1 - a) ** 2 + 100 * (b - a * a) ** 2 + np.arctan2(b, c) + np.hypot(a, c)


# -- elementwise ----------------------------------------------------------------------------------------


@entry(uniform(6, low=-0.9, high=0.9))
def trigonometry(x):
    return np.sin(x) * np.cos(2 * x) + np.tan(x) - np.arcsin(x) + np.arccos(x) * np.arctan(x)


@entry(uniform(2, 3, low=-0.9, high=0.9))
def hyperbolics(x):
    return np.sinh(x) + np.cosh(x) * np.tanh(x) - np.arcsinh(x) + np.arccosh(x + 3) + np.arctanh(x)


@entry(POSITIVE, VECTOR)
def exponentials(x, y):
    return (
        np.log(x) * np.exp2(y)
        + np.expm1(y)
        - np.log2(x)
        + np.log10(x)
        + np.logaddexp(x, y)
        + np.cbrt(x)
        + np.reciprocal(x)
    )


@entry(VECTOR, POSITIVE)
def kinks_away_from_them(x, y):
    return (
        np.maximum(x, y)
        - np.minimum(x, 0.1)
        + np.clip(x, -0.5, 0.5)
        + np.abs(x) * np.sign(x)
        + np.floor(y) * x
        + np.fabs(x)
    )


@entry(np.array([-1.0, 0.5, 2.0, -0.3]))
def guarded_where(x):
    return np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), x * x)


@entry(VECTOR, np.arange(5), np.array([True, False, True, True, False]))
def mixed_dtypes(x, n, b):
    return x * n + b * x + (n > 2) * x**n


@entry(MATRIX.astype(np.float32), 2.0)
def single_precision(x, a):
    return np.tanh(x * a) * np.float32(0.5) + x.mean()


# -- shapes, slices, indices ----------------------------------------------------------------------------


@entry(MATRIX, uniform(4))
def broadcasting(x, y):
    return x + y, x * y[:3, np.newaxis], np.broadcast_to(y, (2, 4)) * 2.0


@entry(uniform(2, 3, 4))
def rearrangements(x):
    y = np.transpose(x, (2, 0, 1)).reshape(4, 6)
    return (
        np.swapaxes(x, 0, 1),
        np.moveaxis(x, 0, -1) * 2.0,
        y.T @ y,
        np.ravel(x)[::-1],
        np.squeeze(x[:1]),
        np.expand_dims(y, 0),
    )


@entry(uniform(7))
def slices(x):
    return x[1:] - x[:-1], x[::-2] * x[::2], x[-3:].sum() * x[0], x[..., None, 2:5]


@entry(uniform(6), np.array([0, 2, 2, 5, -1]))
def gathers(x, i):
    return x[i] * x[:5], np.take(x, i) ** 2, x[i[1]], x[[1, 1, 0]]


@entry(uniform(4, 3), np.array([2, 0, 1, 1]))
def cross_entropy(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.mean(log_p[np.arange(4), labels])


@entry(uniform(6))
def constant_masks(x):
    mask = np.array([True, False, True, True, False, False])
    return x[mask] ** 2, x[~mask].sum()


@entry(uniform(5), uniform(2))
def updates(x, y):
    a = fd.at(x)[1:3].set(y)
    b = fnp.at(a)[np.array([0, 0, 4])].add(y[0] * x[:3])
    return a, b * x


@entry(MATRIX, uniform(3))
def joins(x, y):
    columns = np.concatenate([x, x[:, :1] * 2.0], axis=1)
    return np.stack([y, y**2]), np.vstack([y, x[:, 0]]), np.hstack([x, columns]), np.split(y, 3)[1] * y


@entry(uniform(5))
def neighbours(x):
    return np.diff(x), np.roll(x, 2) * x, np.tile(x, 2), np.repeat(x, 2)[3:], np.pad(x, 1) * 2.0, np.flip(x)


@entry(SQUARE)
def triangles(a):
    return np.tril(a) @ np.triu(a), np.trace(a) * np.diag(a), np.diag(a[0])


# -- reductions -----------------------------------------------------------------------------------------


@entry(uniform(4, 5))
def normalised(x):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)


@entry(uniform(3, 4, low=0.5, high=1.5))
def reductions(x):
    return np.sum(x), np.prod(x, axis=0), np.max(x, axis=1), x.min(), np.mean(x, axis=(0, 1)), np.std(x, axis=0)


@entry(uniform(6, low=0.5, high=1.5))
def cumulative(x):
    return np.cumsum(x) * x, np.cumprod(x)


@entry(np.zeros((0, 3)), VECTOR)
def empty_arrays(x, y):
    return x.sum() + y.sum(), x * 2.0, y[:0] ** 2


# -- linear algebra -------------------------------------------------------------------------------------


@entry(uniform(4), SQUARE)
def quadratic_form(x, a):
    return x @ a @ x


@entry(uniform(6, 3), uniform(3), uniform(6))
def least_squares(a, x, b):
    residual = np.dot(a, x) - b
    return 0.5 * np.sum(residual**2) + np.vdot(x, x)


@entry(uniform(2, 3), uniform(3, 4), uniform(4))
def einsums(a, b, c):
    return (
        np.einsum("ij,jk,k->i", a, b, c),
        np.einsum("ij,ij->", a, a),
        np.outer(c, c),
        np.tensordot(a, b, axes=1),
        np.inner(c, c),
    )


@entry(uniform(2, 3, 4), uniform(4, 3))
def batched_products(x, y):
    return np.matmul(x, y), x @ np.swapaxes(x, -1, -2)


# -- containers, closures, control flow -----------------------------------------------------------------


@entry({"hidden": (uniform(3, 4), uniform(4)), "out": [uniform(4, 2), uniform(2)]}, uniform(5, 3), uniform(5, 2))
def multilayer_perceptron(params, x, y):
    (w, b), (v, c) = params["hidden"], params["out"]
    prediction = np.tanh(x @ w + b) @ v + c
    return np.mean((prediction - y) ** 2)


class Point(NamedTuple):
    """A container of the corpus."""

    x: Any
    y: Any


@dataclass
class Body:
    """A container with a field that is no leaf."""

    position: Any
    mass: Any
    name: str = field(default="body", metadata={"static": True})


@entry(Point(0.3, uniform(2)), Body(uniform(3), 2.0), None)
def containers(p, body, nothing):
    assert nothing is None
    assert body.name == "body"
    return {"p": Point(p.y * p.x, p.x**2), "kinetic": [0.5 * body.mass * np.sum(body.position**2), None]}


@entry(uniform(4, 2))
def pairwise_energy(position):
    offset = position[:, None, :] - position[None, :, :]
    distance = np.sqrt(np.sum(offset**2, axis=-1) + 0.1)
    return np.sum(np.triu(1.0 / distance, 1))


@entry(uniform(2), 0.1)
def runge_kutta(y, h):
    def slope(y):
        return np.stack([y[1], -np.sin(y[0])])

    for _ in range(3):
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(y + h * k3))
    return y


@entry(2.0, traceable=False)
def newton_root(a):
    x = a
    while abs(x * x - a) > 1e-13:
        x = 0.5 * (x + a / x)
    return x


@entry(uniform(3), traceable=False)
def branches(x):
    total = 0.0
    for v in x:
        if v > 0:
            total = total + np.exp(v)
        else:
            total = total - v * v
    return total


WEIGHTS = uniform(5)


@entry(VECTOR)
def closure(x):
    def weigh(y):
        return WEIGHTS * y * x

    return weigh(np.sin(x)), np.zeros_like(x) + WEIGHTS, np.linspace(0.0, 1.0, 5) * x


@entry(VECTOR)
def methods(x):
    return (
        x.reshape(5, 1).sum(axis=1).mean() * x.astype(float).max(),
        (x * 2).T.copy(),
        x.dot(x),
        x.ravel().clip(-0.5, 0.5),
    )


@entry(VECTOR, 0.5)
def gradient_inside(x, scale):
    return np.sum(fd.grad(lambda v: np.sum(np.sin(v) * scale * v))(x) ** 2)


@entry(MATRIX)
def vmap_inside(x):
    return fd.vmap(lambda row: np.tanh(row).sum() * row)(x)


@entry(VECTOR)
def jit_inside(x):
    inner = fd.jit(lambda v, s: np.exp(v) * s)
    return inner(x, x.sum()) + inner(2 * x, 1.0)


# -- structured control flow --------------------------------------------------------------------------------------


@entry(uniform(3), uniform(4, 3), uniform(3, 3))
def recurrent_network(h, xs, w):
    def step(h, x):
        h = np.tanh(w @ h + x)
        return h, {"norm": np.sum(h**2), "state": h}

    return lax.scan(step, h, xs)


@entry(uniform(2), 0.05)
def reversed_scan_of_a_constant_body(x, rate):
    return lax.scan(lambda c, _: (c - rate * c**3, c[0]), x, None, length=6, reverse=True)


@entry(2.0)
def newton_iteration(a):
    return lax.while_loop(lambda x: abs(x * x - a) > 1e-13, lambda x: 0.5 * (x + a / x), 1.0 * a)


@entry(0.3, uniform(3))
def growth_until(rate, x):
    def step(state):
        n, y = state
        return n + 1, y * (1 + rate) + np.sin(y)

    n, y = lax.while_loop(lambda state: (np.sum(state[1] ** 2) < 50.0) & (state[0] < 40), step, (0, x + 1.0))
    return y, n


@entry(0.4, uniform(3))
def conditional(x, v):
    return lax.cond(x > 0.41, lambda v: np.exp(v) * x, lambda v: v**2 - x, v)


@entry(np.array([0, 2, 1]), uniform(3))
def switched(index, v):
    branches = [np.sin, lambda x: x * v[0], lambda x: x**3]
    return np.stack([lax.switch(i, branches, x) for i, x in zip(index, v)])


@entry(SQUARE, uniform(4))
def power_iteration(a, v):
    symmetric = a @ a.T + np.eye(4)
    v = lax.fori_loop(0, 5, lambda i, v: (symmetric @ v) / np.linalg.norm(symmetric @ v) + 0.1 * i * v, v)
    return v @ symmetric @ v


@entry(uniform(4), 0.7)
def loops_in_loops(xs, a):
    def root(x):
        return lax.while_loop(lambda y: y * y < x * x + 3.0, lambda y: y * 1.5 + a, 1.0 + 0.0 * x)

    def step(c, x):
        c = lax.cond(x > 0, lambda c: c + root(x), lambda c: lax.fori_loop(0, 3, lambda i, c: c * np.cos(x) + i, c), c)
        return c, c * x

    return lax.scan(step, a, xs)


@entry(uniform(5), uniform(3))
def mapped_and_associative(x, y):
    return lax.map(lambda v: np.sin(v) * np.sum(y), x), lax.associative_scan(lambda a, b: a * b + a + b, x)


# -- complex numbers ------------------------------------------------------------------------------------


@entry(uniform(3) + 1j * uniform(3), 0.5 - 0.2j)
def complex_polynomial(z, c):
    return z * z * z + c * z + 1.0, np.exp(1j * z) / (z + 3)


@entry(uniform(3) + 1j * uniform(3))
def complex_to_real(z):
    return np.abs(z), np.real(z) * np.imag(z), np.sum(z * np.conj(z)).real, np.angle(z)


@entry(VECTOR)
def real_to_complex(x):
    wave = np.exp(2j * x)
    return wave, np.sum(wave * np.conj(wave[::-1])).real
