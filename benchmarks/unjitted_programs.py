"""Whole programs of `unjitted`: each as a function of the library that it is written for (NumPy, autograd's, PyTorch),
which gives the function to be differentiated; and long loops, as they stand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import functad as fd

__all__ = ["LOOPS", "PROGRAMS"]

RNG = np.random.default_rng(5)


def data(x: np.ndarray, xp: Any) -> Any:
    """Data as the library takes them."""
    return xp.tensor(x, dtype=xp.float64) if xp.__name__ == "torch" else x


FEATURES, LABELS = RNG.normal(size=(200, 10)), (RNG.random(200) > 0.5) * 1.0


def logistic_regression_in(xp: Any) -> Callable[..., Any]:
    """The loss of 200 samples of 10 features."""
    features, labels = data(FEATURES, xp), data(LABELS, xp)

    def loss(w: Any, b: Any) -> Any:
        z = features @ w + b
        return xp.sum(xp.log(1.0 + xp.exp(-z)) + (1.0 - labels) * z) + 0.1 * xp.sum(w * w)

    return loss


INPUTS, TARGETS = RNG.normal(size=(32, 8)), RNG.normal(size=(32, 2))


def network_in(xp: Any) -> Callable[..., Any]:
    """Two layers of 16, for 32 samples."""
    inputs, targets = data(INPUTS, xp), data(TARGETS, xp)

    def loss(w1: Any, b1: Any, w2: Any, b2: Any, w3: Any) -> Any:
        hidden = xp.tanh(xp.tanh(inputs @ w1 + b1) @ w2 + b2)
        return xp.sum((hidden @ w3 - targets) ** 2)

    return loss


def rosenbrock_in(xp: Any) -> Callable[..., Any]:
    """Rosenbrock's function of 100 variables."""

    def rosenbrock(x: Any) -> Any:
        return xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    return rosenbrock


def pendulum_in(xp: Any) -> Callable[..., Any]:
    """20 steps of the classical Runge-Kutta method, on scalars."""

    def pendulum(angle: Any, frequency: Any) -> Any:
        speed, h = 0.0 * angle, 0.05
        for _ in range(20):
            k1, l1 = speed, -frequency * xp.sin(angle)
            k2, l2 = speed + h / 2 * l1, -frequency * xp.sin(angle + h / 2 * k1)
            k3, l3 = speed + h / 2 * l2, -frequency * xp.sin(angle + h / 2 * k2)
            k4, l4 = speed + h * l3, -frequency * xp.sin(angle + h * k3)
            angle = angle + h / 6 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
            speed = speed + h / 6 * (l1 + 2.0 * l2 + 2.0 * l3 + l4)
        return angle * angle + speed * speed

    return pendulum


DISTANCES = RNG.random((60, 60))


def scaling_in(xp: Any) -> Callable[..., Any]:
    """Stress of a layout of 60 points in the plane."""
    distances = data(DISTANCES, xp)

    def stress(points: Any) -> Any:
        difference = points[:, None, :] - points[None, :, :]
        return xp.sum((xp.sqrt(xp.sum(difference**2, -1) + 1e-6) - distances) ** 2)

    return stress


TIMES = np.linspace(0.0, 5.0, 100)
MEASURED = 2.0 * np.exp(-0.7 * TIMES) + 0.01 * RNG.normal(size=100)


def likelihood_in(xp: Any) -> Callable[..., Any]:
    """That of a decay with noise of unknown size, 100 times."""
    times, measured = data(TIMES, xp), data(MEASURED, xp)

    def likelihood(height: Any, rate: Any, noise: Any) -> Any:
        rest = (measured - height * xp.exp(-rate * times)) / xp.exp(noise)
        return 0.5 * xp.sum(rest * rest) + 100.0 * noise

    return likelihood


PROGRAMS: tuple[tuple[Callable[[Any], Callable[..., Any]], tuple[Any, ...]], ...] = (
    (logistic_regression_in, (RNG.normal(size=10), 0.1)),
    (
        network_in,
        (
            RNG.normal(size=(8, 16)),
            np.zeros(16),
            0.3 * RNG.normal(size=(16, 16)),
            np.zeros(16),
            RNG.normal(size=(16, 2)),
        ),
    ),
    (rosenbrock_in, (RNG.normal(size=100),)),
    (pendulum_in, (1.0, 9.81)),
    (scaling_in, (RNG.normal(size=(60, 2)),)),
    (likelihood_in, (1.5, 0.5, 0.1)),
)


# -- long loops --------------------------------------------------------------------------------------------------------


def scan_of_50_runge_kutta_steps(frequency: Any) -> Any:
    """A pendulum by ``fd.lax.scan``."""

    def slope(y: Any) -> Any:
        return np.stack([y[1], -frequency * np.sin(y[0])])

    def step(y: Any, h: Any) -> Any:
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(y + h * k3)), None

    return fd.lax.scan(step, np.array([1.0, 0.0]), np.full(50, 0.05))[0][0]


def trajectory_of_500_steps(g: Any) -> Any:
    """A pendulum in Python, that fills an array and branches."""
    y = np.zeros((501, 2))
    y[0] = 1.0, 0.0
    for i in range(500):
        y[i + 1] = y[i] + 0.01 * np.array([y[i, 1], -g * math.sin(y[i, 0])])
        if y[i + 1, 0] < 0:
            y[i + 1] *= 0.9
    return y[-1, 0]


def diffusion_of_1000_steps(k: Any) -> Any:
    """An explicit scheme in Python, that writes to slices."""
    u = np.zeros(50)
    u[20:30] = 1.0
    for _ in range(1000):
        u[1:-1] += k * (u[:-2] - 2 * u[1:-1] + u[2:])
    return u @ u


LOOPS = (
    (scan_of_50_runge_kutta_steps, 9.81),
    (trajectory_of_500_steps, 9.81),
    (diffusion_of_1000_steps, 0.2),
)
