"""functad beside Numba: the backend that is Numba's against the quick one, calls out of ``@njit`` code, ufuncs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np

import functad as fd
from benchmarks.elementwise import loss_in
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]


def arithmetic(x: Any, y: Any) -> Any:
    """An elementwise function without elementary functions, which the quick backend computes in vectors."""
    z = x * y + 0.25
    return np.sum(np.sqrt(z * z + 1.0) / (x * x + 2.0) - y)


def recurrence(a: Any, x: Any) -> Any:
    """A filter, and the sum of its squares."""
    y = np.zeros(len(x))
    for i in range(1, len(x)):
        y[i] = a * y[i - 1] + x[i]
    return np.sum(y * y)


def pendulum(q: Any) -> Any:
    """Symplectic Euler with a cubic force: a loop over numbers."""
    p = 0.5
    for _ in range(10_000):
        p = p - 0.001 * (q - q * q * q / 6)
        q = q + 0.001 * p
    return q * q + p * p


def backends(f: Callable[..., Any]) -> list[Any]:
    """A function by both."""
    return [fd.jit(f, backend=name) for name in ("native", "numba")]


def run(seconds: float) -> Iterator[Result]:
    """The quick backend against Numba's; then the same gradient, called from ``@njit`` code, against one by hand."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 10_000))
    z = np.float64(0.3)
    cases: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
        "call, 3 elements": (lambda x, y: x * y, {"x": x[:3].copy(), "y": y[:3].copy()}),
        "elementwise gradient, arithmetic, 1e4 elements": (fd.grad(arithmetic, (0, 1)), {"x": x, "y": y}),
        "elementwise gradient, elementary functions, 1e4 elements": (fd.grad(loss_in(np), (0, 1)), {"x": x, "y": y}),
        "gradient of a filter, 1e4 steps": (fd.grad(recurrence, (0, 1)), {"x": z, "y": x}),
        "gradient of a pendulum, 1e4 steps": (fd.grad(pendulum), {"x": z}),
    }
    for case, (f, given) in cases.items():
        quick, slow = backends(f)
        expression = f"f({', '.join(given)})"
        peers = [Contender("Numba's backend", expression, {"f": slow, **given})]
        yield from compare(case, Contender("functad", expression, {"f": quick, **given}), peers, seconds)
    yield from _called(seconds, x[:10].copy())
    yield from _ufuncs(seconds, x, y)


def _called(seconds: float, x: np.ndarray) -> Iterator[Result]:
    slope = fd.jit(fd.grad(lambda x: np.sum(x**4) / 4))
    compiled = slope.lower(x).compile()
    by_hand = numba.njit(lambda x: x * x * x)

    def descent(slope: Any) -> Any:
        @numba.njit
        def descend(x: Any) -> Any:
            for _ in range(1000):
                x = x - 0.01 * slope(x)
            return x

        return descend

    ours, *others = [
        Contender(name, "f(x)", {"f": descent(f), "x": x})
        for name, f in (("functad", slope), ("lower().compile()", compiled), ("Numba, by hand", by_hand))
    ]
    yield from compare("1000 gradients of 10 elements in @njit code", ours, others, seconds)


def _ufuncs(seconds: float, x: np.ndarray, y: np.ndarray) -> Iterator[Result]:
    def f(x: Any, y: Any) -> Any:
        return y / (1.0 + np.exp(-x))

    names = {"x": x, "y": y}
    ours = Contender("functad", "f(x, y)", {"f": fd.as_ufunc(f), **names})
    theirs = Contender("numba.vectorize", "f(x, y)", {"f": numba.vectorize(["float64(float64, float64)"])(f), **names})
    yield from compare("a ufunc, 1e4 elements", ours, [theirs], seconds)
