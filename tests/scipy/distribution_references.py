"""Standardised distributions in mpmath: density (or probability), distribution and survival function.

Derivatives of the references are central differences in high precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath

mp = mpmath.mp.clone()
mp.dps = 50

Real = Any


@dataclass(frozen=True)
class Reference:
    """Functions of the standardised variable and the shape parameters."""

    density: Callable[..., Real]
    cdf: Callable[..., Real] | None = None
    sf: Callable[..., Real] | None = None


def slope(f: Callable[..., Real], args: tuple[Real, ...], *positions: int) -> Real:
    """A derivative of f in the arguments at some positions."""
    if not positions:
        return f(*args)
    first, h = positions[0], mp.mpf(10) ** -16

    def at(sign: int) -> Real:
        moved = (*args[:first], args[first] + sign * h, *args[first + 1 :])
        return slope(f, moved, *positions[1:])

    return (at(1) - at(-1)) / (2 * h)


def located(f: Callable[..., Real], per_scale: bool) -> Callable[..., Real]:
    """A function of x, shape parameters, location and scale."""

    def g(x: Real, *parameters: Real) -> Real:
        *shapes, loc, scale = parameters
        value = f((x - loc) / scale, *shapes)
        return value / scale if per_scale else value

    return g


# -- densities, and what belongs to them -------------------------------------------------------------------------------


def phi(z: Real) -> Real:
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


def tail(z: Real) -> Real:
    return mp.erfc(z / mp.sqrt(2)) / 2


def upper(a: Real, z: Real) -> Real:
    return mp.gammainc(a, z, mp.inf, regularized=True)


def lower(a: Real, z: Real) -> Real:
    return mp.gammainc(a, 0, z, regularized=True)


def share(a: Real, b: Real, z: Real) -> Real:
    return mp.betainc(a, b, 0, z, regularized=True)


def t_tail(z: Real, df: Real) -> Real:
    half = share(df / 2, mp.mpf(1) / 2, df / (df + z * z)) / 2
    return half if z > 0 else 1 - half


def rising(a: Real, k: Real) -> Real:
    return mp.gamma(a + k) / mp.gamma(a)


def choose(n: Real, k: Real) -> Real:
    return mp.gamma(n + 1) / (mp.gamma(k + 1) * mp.gamma(n - k + 1))


def added(density: Callable[..., Real], first: Callable[..., Real], last: Callable[..., Real]) -> Reference:
    """A distribution of integers from ``first`` to ``last``, of the shape parameters."""

    def cdf(k: Real, *shapes: Real) -> Real:
        return mp.fsum([density(mp.mpf(j), *shapes) for j in range(int(first(*shapes)), int(k) + 1)])

    def sf(k: Real, *shapes: Real) -> Real:
        return mp.fsum([density(mp.mpf(j), *shapes) for j in range(int(k) + 1, int(last(*shapes)) + 1)])

    return Reference(density, cdf, sf)


def skewed_tail(z: Real, a: Real) -> Real:
    """P(Z < -|z|) of shape |a|."""
    start, z = mp.atan(abs(a)), abs(z)
    ends = [start + (mp.pi / 2 - start) * mp.mpf(2) ** -j for j in range(8, -1, -1)]
    return mp.quad(lambda t: mp.exp(-((z / mp.cos(t)) ** 2) / 2), [start, *ends]) / mp.pi


def skewed(z: Real, a: Real) -> Real:
    if z <= 0:
        return skewed_tail(z, a) if a >= 0 else 2 * tail(-z) - skewed_tail(z, a)
    return 1 - skewed(-z, -a)


def turned(z: Real, k: Real) -> Real:
    """By the Fourier series of the density."""
    waves = mp.fsum([mp.besseli(j, k) * mp.sin(j * z) / j for j in range(1, 150)])
    return mp.mpf(1) / 2 + z / (2 * mp.pi) + waves / (mp.pi * mp.besseli(0, k))


def of_survival(sf: Callable[..., Real], density: Callable[..., Real]) -> Reference:
    return Reference(density, lambda *args: 1 - sf(*args), sf)


def of_cdf(cdf: Callable[..., Real], density: Callable[..., Real]) -> Reference:
    return Reference(density, cdf, lambda *args: 1 - cdf(*args))


def exponnorm_rest(z: Real, k: Real) -> Real:
    return mp.exp((1 / (2 * k) - z) / k) * tail(1 / k - z)


def extreme(z: Real, c: Real) -> Real:
    return (1 - c * z) ** (1 / c)


CONTINUOUS: dict[str, Reference] = {
    "beta": of_survival(
        lambda z, a, b: share(b, a, 1 - z), lambda z, a, b: z ** (a - 1) * (1 - z) ** (b - 1) / mp.beta(a, b)
    ),
    "cauchy": of_survival(lambda z: mp.atan2(1, z) / mp.pi, lambda z: 1 / (mp.pi * (1 + z * z))),
    "chi2": Reference(
        lambda z, n: (z / 2) ** (n / 2 - 1) * mp.exp(-z / 2) / (2 * mp.gamma(n / 2)),
        lambda z, n: lower(n / 2, z / 2),
        lambda z, n: upper(n / 2, z / 2),
    ),
    "expon": of_survival(lambda z: mp.exp(-z), lambda z: mp.exp(-z)),
    "exponnorm": of_survival(lambda z, k: tail(z) + exponnorm_rest(z, k), lambda z, k: exponnorm_rest(z, k) / k),
    "f": Reference(
        lambda z, n, m: (
            (n / m) ** (n / 2) * z ** (n / 2 - 1) * (1 + n * z / m) ** (-(n + m) / 2) / mp.beta(n / 2, m / 2)
        ),
        lambda z, n, m: share(n / 2, m / 2, n * z / (m + n * z)),
        lambda z, n, m: share(m / 2, n / 2, m / (m + n * z)),
    ),
    "gamma": Reference(
        lambda z, a: z ** (a - 1) * mp.exp(-z) / mp.gamma(a), lambda z, a: lower(a, z), lambda z, a: upper(a, z)
    ),
    "genextreme": of_cdf(
        lambda z, c: mp.exp(-extreme(z, c)), lambda z, c: extreme(z, c) ** (1 - c) * mp.exp(-extreme(z, c))
    ),
    "gumbel_l": of_survival(lambda z: mp.exp(-mp.exp(z)), lambda z: mp.exp(z - mp.exp(z))),
    "gumbel_r": of_cdf(lambda z: mp.exp(-mp.exp(-z)), lambda z: mp.exp(-z - mp.exp(-z))),
    "halfcauchy": of_survival(lambda z: 2 * mp.atan2(1, z) / mp.pi, lambda z: 2 / (mp.pi * (1 + z * z))),
    "halfnorm": of_survival(lambda z: 2 * tail(z), lambda z: 2 * phi(z)),
    "invgamma": Reference(
        lambda z, a: z ** (-a - 1) * mp.exp(-1 / z) / mp.gamma(a),
        lambda z, a: upper(a, 1 / z),
        lambda z, a: lower(a, 1 / z),
    ),
    "laplace": of_survival(lambda z: mp.exp(-z) / 2 if z > 0 else 1 - mp.exp(z) / 2, lambda z: mp.exp(-abs(z)) / 2),
    "loggamma": Reference(
        lambda z, c: mp.exp(c * z - mp.exp(z)) / mp.gamma(c),
        lambda z, c: lower(c, mp.exp(z)),
        lambda z, c: upper(c, mp.exp(z)),
    ),
    "logistic": of_survival(lambda z: 1 / (1 + mp.exp(z)), lambda z: mp.exp(-z) / (1 + mp.exp(-z)) ** 2),
    "lognorm": of_survival(lambda z, s: tail(mp.log(z) / s), lambda z, s: phi(mp.log(z) / s) / (s * z)),
    "norm": of_survival(tail, phi),
    "pareto": of_survival(lambda z, b: z**-b, lambda z, b: b * z ** (-b - 1)),
    "rayleigh": of_survival(lambda z: mp.exp(-z * z / 2), lambda z: z * mp.exp(-z * z / 2)),
    "skewnorm": Reference(lambda z, a: 2 * phi(z) * tail(-a * z), skewed, lambda z, a: skewed(-z, -a)),
    "t": of_survival(
        t_tail, lambda z, n: (1 + z * z / n) ** (-(n + 1) / 2) / (mp.sqrt(n) * mp.beta(n / 2, mp.mpf(1) / 2))
    ),
    "truncnorm": Reference(
        lambda z, a, b: phi(z) / (tail(a) - tail(b)),
        lambda z, a, b: (tail(a) - tail(z)) / (tail(a) - tail(b)),
        lambda z, a, b: (tail(z) - tail(b)) / (tail(a) - tail(b)),
    ),
    "uniform": of_survival(lambda z: 1 - z, lambda z: mp.mpf(1)),
    "vonmises": of_cdf(turned, lambda z, k: mp.exp(k * mp.cos(z)) / (2 * mp.pi * mp.besseli(0, k))),
    "weibull_max": of_cdf(lambda z, c: mp.exp(-((-z) ** c)), lambda z, c: c * (-z) ** (c - 1) * mp.exp(-((-z) ** c))),
    "weibull_min": of_survival(lambda z, c: mp.exp(-(z**c)), lambda z, c: c * z ** (c - 1) * mp.exp(-(z**c))),
}

DISCRETE: dict[str, Reference] = {
    "bernoulli": of_survival(lambda k, p: p * (1 - k), lambda k, p: p**k * (1 - p) ** (1 - k)),
    "betabinom": added(
        lambda k, n, a, b: choose(n, k) * mp.beta(k + a, n - k + b) / mp.beta(a, b),
        lambda n, a, b: 0,
        lambda n, a, b: n,
    ),
    "binom": Reference(
        lambda k, n, p: choose(n, k) * p**k * (1 - p) ** (n - k),
        lambda k, n, p: share(n - k, k + 1, 1 - p),
        lambda k, n, p: share(k + 1, n - k, p),
    ),
    "geom": of_survival(lambda k, p: (1 - p) ** k, lambda k, p: (1 - p) ** (k - 1) * p),
    "hypergeom": added(
        lambda k, M, n, N: choose(n, k) * choose(M - n, N - k) / choose(M, N),
        lambda M, n, N: max(N - (M - n), 0),
        lambda M, n, N: min(n, N),
    ),
    "nbinom": Reference(
        lambda k, n, p: rising(n, k) / mp.gamma(k + 1) * p**n * (1 - p) ** k,
        lambda k, n, p: share(n, k + 1, p),
        lambda k, n, p: share(k + 1, n, 1 - p),
    ),
    "poisson": Reference(
        lambda k, mu: mu**k * mp.exp(-mu) / mp.gamma(k + 1),
        lambda k, mu: upper(k + 1, mu),
        lambda k, mu: lower(k + 1, mu),
    ),
}
