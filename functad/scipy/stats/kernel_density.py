"""Gaussian kernel density estimates: of traced points, data, weights, and bandwidths."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sc
from scipy import stats as sp

import functad.scipy.special  # noqa: F401  declares what stands for SciPy's functions
from functad.errors import ArgumentError, ShapeError, UnsupportedError
from functad.nn import logsumexp
from functad.numpy.correlations import cov
from functad.numpy.dispatch import stands_for
from functad.numpy.linear.systems import cholesky
from functad.numpy.operands import shape_of
from functad.numpy.traced import here, is_traced
from functad.scipy.linear.systems import solve_triangular
from functad.scipy.stats.distribution import real

__all__ = ["gaussian_kde"]


class Estimate:
    """What stands for ``scipy.stats.gaussian_kde`` where something is traced."""

    def __init__(self, dataset: Any, bw_method: Any = None, weights: Any = None) -> None:
        self.dataset = _rows(dataset)
        self.d, self.n = shape_of(self.dataset)
        if self.d > self.n:
            raise ShapeError(
                f"scipy.stats.gaussian_kde{here()}: {self.n} points do not span {self.d} dimensions; each column of "
                "the data is a point"
            )
        equal = np.full(self.n, 1 / self.n)
        self.weights = equal if weights is None else real(weights) / np.sum(real(weights))
        self.neff = 1 / np.sum(self.weights * self.weights)
        self.factor = self._bandwidth(bw_method)
        spread = np.reshape(cov(self.dataset, bias=False, aweights=self.weights), (self.d, self.d))
        self.covariance = spread * self.factor**2
        self.cho_cov = cholesky(self.covariance)

    def scotts_factor(self) -> Any:
        """Scott's rule."""
        return self.neff ** (-1 / (self.d + 4))

    def silverman_factor(self) -> Any:
        """Silverman's rule."""
        return (self.neff * (self.d + 2) / 4) ** (-1 / (self.d + 4))

    def _bandwidth(self, method: Any) -> Any:
        if method is None or (isinstance(method, str) and method == "scott"):
            return self.scotts_factor()
        if isinstance(method, str):
            if method != "silverman":
                raise ArgumentError(
                    f"scipy.stats.gaussian_kde{here()}: bw_method must be 'scott', 'silverman', a number or a "
                    f"function, got {method!r}"
                )
            return self.silverman_factor()
        return method(self) if callable(method) else method

    def logpdf(self, x: Any) -> Any:
        """The logarithm of the estimate at points, the columns of x."""
        points = _rows(x)
        if shape_of(points)[0] != self.d:
            if shape_of(points) != (1, self.d):
                raise ShapeError(
                    f"scipy.stats.gaussian_kde{here()}: points of {shape_of(points)[0]} components, but the data have "
                    f"{self.d}"
                )
            points = np.reshape(points, (self.d, 1))
        at, centres = self._white(points), self._white(self.dataset)
        squares = 0.0
        for row in range(self.d):
            difference = at[row][:, np.newaxis] - centres[row]
            squares = squares + difference * difference
        log_norm = 0.5 * self.d * math.log(2 * math.pi) + np.sum(np.log(np.diagonal(self.cho_cov)))
        return logsumexp(-0.5 * squares, axis=1, b=self.weights) - log_norm

    def _white(self, points: Any) -> Any:
        if self.d == 1:
            return points / self.cho_cov
        return solve_triangular(self.cho_cov, points, lower=True)

    def evaluate(self, points: Any) -> Any:
        """The estimate at points, the columns of ``points``."""
        return np.exp(self.logpdf(points))

    __call__ = pdf = evaluate

    def integrate_box_1d(self, low: Any, high: Any) -> Any:
        """The probability of what lies between two bounds."""
        if self.d != 1:
            raise ShapeError(f"scipy.stats.gaussian_kde.integrate_box_1d{here()}: the data have {self.d} dimensions")
        width = self.cho_cov[0, 0]
        parts = sc.ndtr((high - self.dataset[0]) / width) - sc.ndtr((low - self.dataset[0]) / width)
        return np.sum(self.weights * parts)


def _rows(x: Any) -> Any:
    x = real(x)
    return x if len(shape_of(x)) == 2 else np.reshape(x, (1, -1))


@stands_for(sp.gaussian_kde)
def gaussian_kde(dataset: Any, bw_method: Any = None, weights: Any = None) -> Any:
    """``scipy.stats.gaussian_kde``: SciPy's own, unless something is traced.

    Parameters
    ----------
    dataset
        Data, a point each column.
    bw_method
        ``"scott"``, ``"silverman"``, a factor of the bandwidth, or a function of the estimate that gives it.
    weights
        Weights of the points.
    """
    if is_traced((dataset, bw_method, weights)):
        return Estimate(dataset, bw_method, weights)
    return sp.gaussian_kde(dataset, bw_method, weights)


def _of_scipys(name: str) -> None:
    """Declare what a method of an estimate of SciPy's does with traced arguments."""
    original = getattr(sp.gaussian_kde, name)

    @stands_for(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_traced(args) and not is_traced(kwargs.values()):
            return original(self, *args, **kwargs)
        if not hasattr(Estimate, name):
            raise UnsupportedError(
                f"scipy.stats.gaussian_kde.{name}{here()} is not available for traced values; docs/statistics.md lists "
                "what is"
            )
        return getattr(Estimate(self.dataset, self.factor, self.weights), name)(*args, **kwargs)


for _name in ("evaluate", "integrate_box", "integrate_box_1d", "integrate_gaussian", "logpdf", "pdf", "set_bandwidth"):
    _of_scipys(_name)
