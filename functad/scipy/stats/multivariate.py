"""Distributions of vectors and matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sc
from scipy import stats as sp

import functad.scipy.special  # noqa: F401  declares what stands for SciPy's functions
from functad.core.tracer import Tracer
from functad.errors import ArgumentError, ShapeError, UnsupportedError
from functad.numpy.indexing import where
from functad.numpy.linear.systems import cholesky
from functad.numpy.operands import shape_of
from functad.numpy.traced import here
from functad.primitives.check import Failure, check
from functad.scipy.linear.systems import solve_triangular
from functad.scipy.stats.distribution import Distribution, falls_back, real, replace_methods, undefined_unless

__all__ = ["dirichlet", "multinomial", "multivariate_normal", "multivariate_t", "wishart"]

LOG_2PI = math.log(2 * math.pi)


class Multivariate(Distribution):
    """A distribution of arrays: its methods have SciPy's signatures."""

    def __init__(self, scipy: Any, *parameters: str) -> None:
        super().__init__(scipy, parameters, (None,) * len(parameters))
        replace_methods(type(scipy), [k for k in dir(scipy) if not k.startswith("_") and callable(getattr(scipy, k))])
        replace_methods(type(scipy), ["__call__"])

    def methods(self) -> tuple[str, ...]:
        """The methods that take traced values, by name."""
        return tuple([k for k in vars(type(self)) if not k.startswith("_")])


def _require(ok: Any, name: str, message: str) -> None:
    """Refuse values that are only known when they are computed."""
    text = f"scipy.stats.{name}{here()}: {message}"
    if type(ok) is Tracer:
        check(ok, Failure(lambda: ArgumentError(text), text))
    elif not ok:
        raise ArgumentError(text)


# -- normal, and Student's t -------------------------------------------------------------------------------------------


class _Spread:
    """A positive definite matrix, by its Cholesky factor; or a diagonal one, by the roots on its diagonal."""

    def __init__(self, matrix: Any, dim: int, name: str) -> None:
        matrix = real(matrix)
        shape = shape_of(matrix)
        if dim == 1 and shape in ((), (1,), (1, 1)):
            matrix = np.reshape(matrix, (1,))
        elif shape not in ((), (dim,), (dim, dim)):
            raise ShapeError(
                f"scipy.stats.{name}{here()}: for vectors of length {dim} expected a matrix of shape {(dim, dim)}, its "
                f"diagonal, or a number, got shape {shape}"
            )
        self.dim = dim
        self.full = len(shape_of(matrix)) == 2
        if self.full:
            self.root = cholesky(0.5 * (matrix + np.transpose(matrix)))
            self.log_det = 2 * np.sum(np.log(np.diagonal(self.root)))
        else:
            diagonal = where(matrix > 0, matrix, np.nan)
            self.root = np.sqrt(diagonal)
            self.log_det = np.sum(np.log(diagonal) * np.ones(dim))

    def squares(self, deviations: Any) -> Any:
        """d' matrix^-1 d for each d along the last axis."""
        if not self.full:
            white = deviations / self.root
            return np.sum(white * white, axis=-1)
        rows = np.reshape(deviations, (-1, self.dim))
        white = solve_triangular(self.root, np.transpose(rows), lower=True)
        return np.reshape(np.sum(white * white, axis=0), shape_of(deviations)[:-1])


def _centre(mean: Any, matrix: Any, name: str) -> tuple[Any, int]:
    """The mean as a vector, and its length."""
    if mean is None:
        shape = shape_of(real(matrix))
        dim = shape[0] if len(shape) == 2 else 1
        return np.zeros(dim), dim
    mean = real(mean)
    dim = math.prod(shape_of(mean))
    if dim != 1 and len(shape_of(mean)) != 1:
        raise ShapeError(f"scipy.stats.{name}{here()}: expected a vector as mean, got shape {shape_of(mean)}")
    return np.reshape(mean, (dim,)), dim


def _points(x: Any, dim: int) -> Any:
    """Points along the last axis: a vector is one point, or numbers where a point is one."""
    x = real(x)
    if len(shape_of(x)) == 1 and dim == 1:
        return x[:, np.newaxis]
    return x


def _squeezed(x: Any) -> Any:
    """As SciPy gives its results: without axes of length 1."""
    y = np.squeeze(x)
    return y if shape_of(y) else y[()]


def _regular(allow_singular: Any, name: str) -> None:
    if allow_singular:
        raise UnsupportedError(
            f"scipy.stats.{name}{here()}: allow_singular= is not available for traced values: the density of a "
            "singular distribution has no derivative in its covariance"
        )


class _MultivariateNormal(Multivariate):
    @falls_back
    def logpdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        """The logarithm of the density."""
        name = "multivariate_normal.logpdf"
        _regular(allow_singular, name)
        mean, dim = _centre(mean, cov, name)
        spread = _Spread(cov, dim, name)
        squares = spread.squares(_points(x, dim) - mean)
        return _squeezed(-0.5 * (squares + (dim * LOG_2PI + spread.log_det)))

    @falls_back
    def pdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        """The density."""
        return np.exp(self.logpdf(x, mean, cov, allow_singular))

    @falls_back
    def entropy(self, mean: Any = None, cov: Any = 1) -> Any:
        """The differential entropy."""
        _, dim = _centre(mean, cov, "multivariate_normal.entropy")
        return 0.5 * (dim * (LOG_2PI + 1) + _Spread(cov, dim, "multivariate_normal.entropy").log_det)


multivariate_normal = _MultivariateNormal(sp.multivariate_normal, "mean", "cov", "allow_singular")


class _MultivariateT(Multivariate):
    @falls_back
    def logpdf(self, x: Any, loc: Any = None, shape: Any = 1, df: Any = 1) -> Any:
        """The logarithm of the density."""
        name = "multivariate_t.logpdf"
        loc, dim = _centre(loc, shape, name)
        spread, df = _Spread(shape, dim, name), real(df)
        df = undefined_unless(df > 0, df)
        squares = spread.squares(_points(x, dim) - loc)
        constant = sc.gammaln(0.5 * (df + dim)) - sc.gammaln(0.5 * df) - 0.5 * dim * np.log(df * math.pi)
        return _squeezed(constant - 0.5 * spread.log_det - 0.5 * (df + dim) * np.log1p(squares / df))

    @falls_back
    def pdf(self, x: Any, loc: Any = None, shape: Any = 1, df: Any = 1, allow_singular: bool = False) -> Any:
        """The density."""
        _regular(allow_singular, "multivariate_t.pdf")
        return np.exp(self.logpdf(x, loc, shape, df))

    @falls_back
    def entropy(self, loc: Any = None, shape: Any = 1, df: Any = 1) -> Any:
        """The differential entropy."""
        _, dim = _centre(loc, shape, "multivariate_t.entropy")
        log_det, df = _Spread(shape, dim, "multivariate_t.entropy").log_det, real(df)
        a, b = 0.5 * df, 0.5 * (df + dim)
        gammas = sc.gammaln(a) - sc.gammaln(b) + b * (sc.psi(b) - sc.psi(a))
        return gammas + 0.5 * dim * np.log(df * math.pi) + 0.5 * log_det


multivariate_t = _MultivariateT(sp.multivariate_t, "loc", "shape", "df", "allow_singular")


# -- on the simplex ----------------------------------------------------------------------------------------------------


class _Dirichlet(Multivariate):
    @falls_back
    def logpdf(self, x: Any, alpha: Any) -> Any:
        """The logarithm of the density of points whose components lie along the first axis."""
        alpha, x = self._concentration(alpha, "logpdf"), real(x)
        (k,) = shape_of(alpha)
        if shape_of(x)[0] == k - 1:
            x = np.concatenate([x, 1 - np.sum(x, axis=0, keepdims=True)])
        elif shape_of(x)[0] != k:
            raise ShapeError(
                f"scipy.stats.dirichlet.logpdf{here()}: x must have {k} components, or {k - 1}, as alpha has, along "
                f"its first axis, got shape {shape_of(x)}"
            )
        _require(np.all(x >= 0), "dirichlet.logpdf", "the components of x must not be negative")
        _require(
            np.all(np.abs(np.sum(x, axis=0) - 1) <= 1e-9), "dirichlet.logpdf", "the components of x must have sum 1"
        )
        weights = np.reshape(alpha - 1, (k,) + (1,) * (len(shape_of(x)) - 1))
        return _squeezed(np.sum(sc.xlogy(weights, x), axis=0) - _log_beta(alpha))

    @falls_back
    def pdf(self, x: Any, alpha: Any) -> Any:
        """The density of points whose components lie along the first axis."""
        return np.exp(self.logpdf(x, alpha))

    @falls_back
    def mean(self, alpha: Any) -> Any:
        """The mean."""
        alpha = self._concentration(alpha, "mean")
        return _squeezed(alpha / np.sum(alpha))

    @falls_back
    def var(self, alpha: Any) -> Any:
        """The variances."""
        alpha = self._concentration(alpha, "var")
        total = np.sum(alpha)
        return _squeezed(alpha * (total - alpha) / (total * total * (total + 1)))

    @falls_back
    def cov(self, alpha: Any) -> Any:
        """The covariances."""
        alpha = self._concentration(alpha, "cov")
        total = np.sum(alpha)
        share = alpha / total
        return _squeezed((np.diag(share) - np.outer(share, share)) / (total + 1))

    @falls_back
    def entropy(self, alpha: Any) -> Any:
        """The differential entropy."""
        alpha = self._concentration(alpha, "entropy")
        total, k = np.sum(alpha), shape_of(alpha)[0]
        return _log_beta(alpha) + (total - k) * sc.psi(total) - np.sum((alpha - 1) * sc.psi(alpha))

    def _concentration(self, alpha: Any, method: str) -> Any:
        alpha = real(alpha)
        if len(shape_of(alpha)) != 1:
            raise ShapeError(f"scipy.stats.dirichlet.{method}{here()}: alpha must be a vector, got {shape_of(alpha)}")
        _require(np.all(alpha > 0), f"dirichlet.{method}", "all of alpha must be positive")
        return alpha


def _log_beta(alpha: Any) -> Any:
    return np.sum(sc.gammaln(alpha)) - sc.gammaln(np.sum(alpha))


dirichlet = _Dirichlet(sp.dirichlet, "alpha")


class _Multinomial(Multivariate):
    @falls_back
    def logpmf(self, x: Any, n: Any, p: Any) -> Any:
        """The logarithm of the probability of counts along the last axis."""
        x, n, p = real(x), real(n), self._probabilities(p)
        outside = np.any((x < 0) | (np.floor(x) != x), axis=-1) | (np.sum(x, axis=-1) != n)
        x = where(outside[..., np.newaxis], 0.0, x)
        n = undefined_unless(n >= 0, n)
        value = sc.gammaln(n + 1) + np.sum(sc.xlogy(x, p) - sc.gammaln(x + 1), axis=-1)
        return where(outside & (value == value), -math.inf, value)

    @falls_back
    def pmf(self, x: Any, n: Any, p: Any) -> Any:
        """The probability of counts along the last axis."""
        return np.exp(self.logpmf(x, n, p))

    @falls_back
    def mean(self, n: Any, p: Any) -> Any:
        """The expected counts."""
        return real(n)[..., np.newaxis] * self._probabilities(p)

    @falls_back
    def cov(self, n: Any, p: Any) -> Any:
        """The covariances of counts."""
        p = self._probabilities(p)
        own = p[..., np.newaxis] * np.eye(shape_of(p)[-1])
        products = p[..., np.newaxis] * p[..., np.newaxis, :]
        return real(n)[..., np.newaxis, np.newaxis] * (own - products)

    def _probabilities(self, p: Any) -> Any:
        """The probabilities along the last axis; NaN where they are none."""
        p = real(p)
        sound = np.all((p >= 0) & (p <= 1), axis=-1) & (np.abs(np.sum(p, axis=-1) - 1) < 1e-14)
        return where(sound[..., np.newaxis], p, np.nan)


multinomial = _Multinomial(sp.multinomial, "n", "p")


# -- matrices ----------------------------------------------------------------------------------------------------------


class _Wishart(Multivariate):
    @falls_back
    def logpdf(self, x: Any, df: Any, scale: Any) -> Any:
        """The logarithm of the density of positive definite matrices; a third axis counts them."""
        df, scale, dim = self._taken(df, scale)
        x = real(x)
        shape = shape_of(x)
        if len(shape) < 2:
            x = np.reshape(x, (1, 1, *shape)) if dim == 1 else np.diag(x)
        x = np.moveaxis(x, (0, 1), (-2, -1))
        log_det_x = 2 * np.sum(np.log(np.diagonal(cholesky(x), axis1=-2, axis2=-1)), axis=-1)
        root = cholesky(scale)
        log_det = 2 * np.sum(np.log(np.diagonal(root)))
        half = solve_triangular(root, np.eye(dim), lower=True)
        trace = np.sum(np.transpose(half) @ half * x, axis=(-2, -1))
        constant = 0.5 * df * (dim * math.log(2) + log_det) + _multigammaln(0.5 * df, dim)
        return _squeezed(0.5 * (df - dim - 1) * log_det_x - 0.5 * trace - constant)

    @falls_back
    def pdf(self, x: Any, df: Any, scale: Any) -> Any:
        """The density of positive definite matrices; a third axis counts them."""
        return np.exp(self.logpdf(x, df, scale))

    @falls_back
    def mean(self, df: Any, scale: Any) -> Any:
        """The mean."""
        df, scale, _ = self._taken(df, scale)
        return _squeezed(df * scale)

    @falls_back
    def var(self, df: Any, scale: Any) -> Any:
        """The variances."""
        df, scale, _ = self._taken(df, scale)
        diagonal = np.diagonal(scale)
        return _squeezed(df * (scale * scale + np.outer(diagonal, diagonal)))

    @falls_back
    def entropy(self, df: Any, scale: Any) -> Any:
        """The differential entropy."""
        df, scale, dim = self._taken(df, scale)
        log_det = 2 * np.sum(np.log(np.diagonal(cholesky(scale))))
        slopes = sum([sc.psi(0.5 * (df - k)) for k in range(dim)])
        gammas = _multigammaln(0.5 * df, dim) - 0.5 * (df - dim - 1) * slopes + 0.5 * df * dim
        return 0.5 * (dim + 1) * (log_det + dim * math.log(2)) + gammas

    def _taken(self, df: Any, scale: Any) -> tuple[Any, Any, int]:
        df, scale = real(df), real(scale)
        shape = shape_of(scale)
        if len(shape) < 2:
            scale = np.diag(scale) if shape else np.reshape(scale, (1, 1))
        dim = shape_of(scale)[0]
        return undefined_unless(df > dim - 1, df), scale, dim


def _multigammaln(a: Any, dim: int) -> Any:
    """The logarithm of the multivariate gamma function."""
    terms = sum([sc.gammaln(a - 0.5 * k) for k in range(dim)])
    return 0.25 * dim * (dim - 1) * math.log(math.pi) + terms


wishart = _Wishart(sp.wishart, "df", "scale")
