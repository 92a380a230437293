"""Carbon dioxide at Mauna Loa: Gaussian-process regression, whose eleven hyper-parameters are fitted by gradients.

The covariance is that of C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine Learning, section 5.4.3:
a smooth trend, a season that changes slowly, irregularities, and correlated noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.linalg
import scipy.optimize

import functad as fd

LAST = 1999.0
"""What is later is predicted."""

START = np.log([66.0, 67.0, 2.4, 90.0, 1.3, 0.66, 1.2, 0.78, 0.18, 0.13, 0.19])
"""Logarithms of hyper-parameters, roughly as the book gives them."""


def load() -> tuple[np.ndarray, np.ndarray]:
    """Years, and parts per million."""
    year, month, co2 = np.loadtxt(Path(__file__).parent / "data" / "co2.txt", unpack=True)
    return year + (month - 0.5) / 12, co2


# -- the model: plain NumPy --------------------------------------------------------------------------------------------


def covariance(theta, s, t):
    """Between the values at times s and those at times t, without noise."""
    p = np.exp(theta)
    d = s[:, None] - t[None, :]
    square = d * d
    k = p[0] ** 2 * np.exp(-0.5 * square / p[1] ** 2)
    k += p[2] ** 2 * np.exp(-0.5 * square / p[3] ** 2 - 2.0 * (np.sin(np.pi * d) / p[4]) ** 2)
    k += p[5] ** 2 * (1.0 + 0.5 * square / (p[7] * p[6] ** 2)) ** -p[7]
    return k


def noisy(theta, t):
    """Between measurements."""
    p = np.exp(theta)
    k = covariance(theta, t, t)
    k += p[8] ** 2 * np.exp(-0.5 * (t[:, None] - t[None, :]) ** 2 / p[9] ** 2)
    for i in range(len(t)):
        k[i, i] += p[10] ** 2
    return k


def cost(theta, t, y):
    """The negative logarithm of the evidence: how improbable the measurements are."""
    triangle = np.linalg.cholesky(noisy(theta, t))
    white = scipy.linalg.solve_triangular(triangle, y, lower=True)
    return 0.5 * white @ white + np.sum(np.log(np.diag(triangle))) + 0.5 * len(t) * np.log(2 * np.pi)


def predict(theta, t, y, new):
    """Mean and standard deviation of new measurements."""
    across = covariance(theta, t, new)
    factor = scipy.linalg.cho_factor(noisy(theta, t), lower=True)
    mean = across.T @ scipy.linalg.cho_solve(factor, y)
    p = np.exp(theta)
    variance = p[0] ** 2 + p[2] ** 2 + p[5] ** 2 + p[8] ** 2 + p[10] ** 2
    return mean, np.sqrt(variance - np.sum(across * scipy.linalg.cho_solve(factor, across), axis=0))


# -- the program -------------------------------------------------------------------------------------------------------

value_and_gradient = fd.jit(fd.value_and_grad(cost))
"""One native function: what the optimiser calls."""


def fit(t: np.ndarray, y: np.ndarray) -> scipy.optimize.OptimizeResult:
    """The hyper-parameters of most evidence."""
    bounds = [(low, low + 6.0) for low in START - 3.0]  # within a factor of twenty of the book's
    return scipy.optimize.minimize(value_and_gradient, START, (t, y), jac=True, bounds=bounds, method="L-BFGS-B")


def main() -> None:
    """Fit to what is earlier, predict what is later."""
    t, co2 = load()
    seen = t < LAST
    level = np.mean(co2[seen])
    y = co2[seen] - level
    found = fit(t[seen], y)
    mean, deviation = predict(found.x, t[seen], y, t[~seen])
    error = co2[~seen] - level - mean
    before = -cost(START, t[seen], y)
    print(f"{len(y)} months, {found.nfev} evaluations: log evidence {before:.2f} before, {-found.fun:.2f} after")
    inside = np.mean(np.abs(error) < 2 * deviation)
    print(f"{len(error)} months ahead: error {np.sqrt(np.mean(error**2)):.2f} ppm, {inside:.0%} within two deviations")


if __name__ == "__main__":
    main()
