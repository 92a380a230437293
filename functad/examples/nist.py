"""Nonlinear regression on NIST's reference data, with derivatives by functad.

The data sets are NIST's Statistical Reference Datasets for nonlinear regression (public domain), as published: each
file states its model, two starting points, certified parameters with their standard deviations, the residual sum of
squares, and the data.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import least_squares

import functad as fd

__all__ = ["MODELS", "Dataset", "Fit", "fit", "load"]

Model = Callable[[Any, Any], Any]


def box_bod(b: Any, x: Any) -> Any:
    return b[0] * (1 - np.exp(-b[1] * x))


def chwirut(b: Any, x: Any) -> Any:
    return np.exp(-b[0] * x) / (b[1] + b[2] * x)


def dan_wood(b: Any, x: Any) -> Any:
    return b[0] * x ** b[1]


def enso(b: Any, x: Any) -> Any:
    year, first, second = 2 * np.pi * x / 12, 2 * np.pi * x / b[3], 2 * np.pi * x / b[6]
    cycles = b[4] * np.cos(first) + b[5] * np.sin(first) + b[7] * np.cos(second) + b[8] * np.sin(second)
    return b[0] + b[1] * np.cos(year) + b[2] * np.sin(year) + cycles


def gauss(b: Any, x: Any) -> Any:
    return (
        b[0] * np.exp(-b[1] * x)
        + b[2] * np.exp(-(((x - b[3]) / b[4]) ** 2))
        + b[5] * np.exp(-(((x - b[6]) / b[7]) ** 2))
    )


def kirby(b: Any, x: Any) -> Any:
    return (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2)


def cubic_ratio(b: Any, x: Any) -> Any:
    return (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3)


def lanczos(b: Any, x: Any) -> Any:
    return b[0] * np.exp(-b[1] * x) + b[2] * np.exp(-b[3] * x) + b[4] * np.exp(-b[5] * x)


def mgh09(b: Any, x: Any) -> Any:
    return b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3])


def mgh17(b: Any, x: Any) -> Any:
    return b[0] + b[1] * np.exp(-x * b[3]) + b[2] * np.exp(-x * b[4])


def misra1b(b: Any, x: Any) -> Any:
    return b[0] * (1 - (1 + b[1] * x / 2) ** -2)


def roszman(b: Any, x: Any) -> Any:
    return b[0] - b[1] * x - np.arctan(b[2] / (x - b[3])) / np.pi


MODELS: dict[str, Model] = {
    "BoxBOD": box_bod,
    "Chwirut2": chwirut,
    "DanWood": dan_wood,
    "ENSO": enso,
    "Gauss1": gauss,
    "Hahn1": cubic_ratio,
    "Kirby2": kirby,
    "Lanczos3": lanczos,
    "MGH09": mgh09,
    "MGH17": mgh17,
    "Misra1a": box_bod,
    "Misra1b": misra1b,
    "Roszman1": roszman,
    "Thurber": cubic_ratio,
}
"""The model of each data set: predictions from parameters ``b`` and predictor ``x``, in plain NumPy."""


@dataclass
class Dataset:
    """One NIST data set."""

    name: str
    starts: np.ndarray  # (2, parameters)
    parameters: np.ndarray  # certified
    deviations: np.ndarray  # certified standard deviations of the parameters
    residual_sum: float  # certified residual sum of squares
    y: np.ndarray
    x: np.ndarray


def load(name: str) -> Dataset:
    """Read a data set from NIST's own file format."""
    text = resources.files("functad.examples").joinpath("data", f"{name}.dat").read_text()
    first, last = (int(n) for n in re.findall(r"Data +\(lines +(\d+) to +(\d+)\)", text)[0])
    lines = text.splitlines()
    data = np.array([[float(v) for v in line.split()] for line in lines[first - 1 : last]])
    rows = np.array([[float(v) for v in r.split()] for r in re.findall(r"^ *b\d+ *=(.*)$", text, re.MULTILINE)])
    rss = float(re.findall(r"Residual Sum of Squares: +(\S+)", text)[0])
    return Dataset(
        name, rows[:, :2].T.copy(), rows[:, 2].copy(), rows[:, 3].copy(), rss, data[:, 0].copy(), data[:, 1].copy()
    )


@dataclass
class Fit:
    """The result of a fit."""

    parameters: np.ndarray
    deviations: np.ndarray
    residual_sum: float
    evaluations: int


def residual_function(data: Dataset) -> Callable[[Any], Any]:
    """The residuals of a data set as a function of the parameters."""
    model = MODELS[data.name]

    def residuals(b: Any) -> Any:
        return model(b, data.x) - data.y

    return residuals


def fit(data: Dataset, start: int = 1) -> Fit:
    """Fit a model by Levenberg-Marquardt with functad's compiled Jacobian, from starting point 0 or 1.

    The standard deviations are the square roots of the diagonal of ``s**2 (J^T J)^-1`` with ``s**2`` the residual
    variance; with the QR factorisation ``J = Q R`` that diagonal holds the squared norms of the rows of ``R^-1``, which
    squares no condition number.
    """
    residuals = residual_function(data)
    compiled, jacobian = fd.jit(residuals), fd.jit(fd.jacobian(residuals))
    found = least_squares(
        compiled,
        data.starts[start],
        jac=jacobian,
        method="lm",
        x_scale="jac",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        max_nfev=20_000,
    )
    b = polish(compiled, jacobian, found.x)
    r = compiled(b)
    rss = float(np.sum(r * r))
    scale = np.linalg.norm(jacobian(b), axis=0)
    triangle = np.linalg.qr(jacobian(b) / scale, mode="r")
    inverse = solve_triangular(triangle, np.eye(len(b)))
    deviations = np.sqrt(rss / (len(r) - len(b))) * np.linalg.norm(inverse, axis=1) / scale
    return Fit(b, deviations, rss, int(found.nfev))


def polish(residuals: Callable[[Any], Any], jacobian: Callable[[Any], Any], b: np.ndarray) -> np.ndarray:
    """A few Gauss-Newton steps: the optimiser stops when the sum of squares does, half the digits before the parameters
    do.
    """
    for _ in range(10):
        j = jacobian(b)
        scale = np.linalg.norm(j, axis=0)
        b = b - np.linalg.lstsq(j / scale, residuals(b), rcond=None)[0] / scale
    return b
