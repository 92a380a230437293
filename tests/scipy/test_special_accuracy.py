"""Functions that ``scipy.special`` has: their derivatives to third order against mpmath, in tails and at joints of
methods; those of incomplete gamma and beta functions in their parameters among them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special as sp

import functad as fd
from functad.primitives.scipy_special.library import DECLARED

mp = mpmath.mp.clone()
mp.dps = 40

Points = Sequence[tuple[float, ...]]


@dataclass(frozen=True)
class Case:
    """A function and what it is in mpmath, at points; ``active`` are the arguments in which it is differentiated.

    An error is measured by ``units`` of 2^-53 of the derivative, and of what it changes by where an argument changes by
    an ulp (its condition); each order has four times as much as the one before.
    """

    function: Callable[..., Any]
    exact: Callable[..., Any]
    points: Points
    active: tuple[int, ...] = (0,)
    units: float = 60.0
    orders: int = 3
    of: tuple[str, ...] = field(default=())


def one(function: Callable[..., Any], exact: Callable[..., Any], *points: float, **traits: Any) -> Case:
    return Case(function, exact, [(x,) for x in points], **traits)


def orders_of(v: Sequence[float], x: Sequence[float]) -> list[tuple[float, float]]:
    return list(itertools.product(v, x))


def lower(a: Any, x: Any) -> Any:
    """P(a, x), to within a constant: where P is nearly 1, -Q."""
    return mp.gammainc(a, 0, x, regularized=True) if x < a else -mp.gammainc(a, x, mp.inf, regularized=True)


def incomplete_beta(a: Any, b: Any, x: Any) -> Any:
    """I, to within a constant: where it is nearly 1, I - 1."""

    def tail(a: Any, b: Any, x: Any, y: Any) -> Any:
        return x**a * y**b / a / mp.beta(a, b) * mp.hyp2f1(a + b, 1, a + 1, x)

    return tail(a, b, x, 1 - x) if x < a / (a + b) else -tail(b, a, 1 - x, x)


def scaled(f: Callable[..., Any], sign: int) -> Callable[..., Any]:
    return lambda v, x: f(v, x) * mp.exp(sign * (abs(x) if sign < 0 else x))


def airy(k: int) -> Callable[..., Any]:
    return lambda x: sp.airy(x)[k]


def result(f: Any, k: int) -> Callable[..., Any]:
    return lambda x: f(x)[k]


def exprel(x: Any) -> Any:
    return mp.hyp1f1(1, 2, x)


def boxcox(x: Any, power: Any) -> Any:
    return mp.log(x) * exprel(power * mp.log(x))


def inv_boxcox(y: Any, power: Any) -> Any:
    return mp.exp(y * mp.hyp2f1(1, 1, 2, -power * y))


def student(df: Any, t: Any) -> Any:
    """Student's distribution function, to within a constant."""
    tail = incomplete_beta(df / 2, mp.mpf(1) / 2, df / (df + t * t)) / 2
    return tail if t < 0 else -tail


POSITIVE = (0.1, 3.0, 50.0)
WIDE = (-50.0, -2.0, -0.1, 0.0, 1e-5, 1.0, 2.4, 30.0)
SHAPES = orders_of((1e-8, 0.05, 0.7, 1.5, 8.0, 50.0), (1e-5, 0.4, 0.41, 1.5, 9.0, 30.0))
SHARES = [
    (a, b, x) for a, b in itertools.product((0.05, 0.7, 3.0, 60.0), repeat=2) for x in (1e-4, 0.149, 0.4, 0.7, 0.99)
]
EDGES = [(0.3, 2.0), (1e-3, -1.5), (1.0, 0.7), (5.0, 0.0), (0.999, 1e-9), (40.0, -0.2)]

CASES = {
    "gamma": one(sp.gamma, mp.gamma, -2.5, -0.3, 0.1, 0.7, 1.4616, 3.0, 20.0, 100.0),
    "rgamma": one(sp.rgamma, mp.rgamma, -2.5, -0.3, 0.1, 0.7, 3.0, 20.0, of=("rgamma_slope",)),
    "loggamma": one(sp.loggamma, mp.loggamma, 1e-10, 0.5, 30.0, 1e10),
    "poch": Case(sp.poch, lambda z, m: mp.gamma(z + m) / mp.gamma(z), orders_of((0.3, 2.0, 9.0), (0.5, 3.0)), (0, 1)),
    "beta": Case(sp.beta, mp.beta, orders_of((0.3, 0.7, 30.0), (0.2, 3.0, 50.0)), (0, 1), 60),
    "binom": Case(sp.binom, mp.binomial, [(5.0, 2.0), (7.5, 3.2), (40.0, 11.0)], (0, 1)),
    "erfcx": one(
        sp.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x), -20.0, -3.0, -0.5, 0.0, 0.3, 1.0, 5.0, 30.0, 1e4, 1e10
    ),
    "erfi": one(sp.erfi, mp.erfi, -3.0, 0.0, 0.5, 4.0),
    "dawsn": one(
        sp.dawsn,
        lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x),
        -8.0,
        -2.0,
        0.0,
        0.5,
        1.0,
        2.5,
        6.6,
        20.0,
        1e3,
        units=400,
    ),
    "log_ndtr": one(
        sp.log_ndtr,
        lambda x: mp.log(mp.erfc(-x / mp.sqrt(2)) / 2),
        -1e4,
        -40.0,
        -10.0,
        -1.01,
        -0.99,
        0.0,
        2.0,
        8.0,
        orders=2,
    ),
    **{
        name: one(getattr(sp, name), exact, *POSITIVE, units=units, orders=2)
        for name, exact, units in (
            ("i0", lambda x: mp.besseli(0, x), 40),
            ("i1", lambda x: mp.besseli(1, x), 40),
            ("i0e", lambda x: mp.besseli(0, x) * mp.exp(-x), 8000),
            ("i1e", lambda x: mp.besseli(1, x) * mp.exp(-x), 8000),
            ("j0", lambda x: mp.besselj(0, x), 100),
            ("j1", lambda x: mp.besselj(1, x), 100),
            ("y0", lambda x: mp.bessely(0, x), 100),
            ("y1", lambda x: mp.bessely(1, x), 100),
        )
    },
    **{
        name: Case(getattr(sp, name), exact, orders_of((0.0, 0.5, 2.0, 3.7), (0.3, 2.0, 15.0)), (1,), units)
        for name, exact, units in (
            ("jv", mp.besselj, 400),
            ("yv", mp.bessely, 400),
            ("iv", mp.besseli, 100),
            ("ive", scaled(mp.besseli, -1), 2000),
        )
    },
    **{
        f"airy {k}": one(
            airy(k), exact, -10.0, -1.0, 0.0, 1.0, 5.0, units=100, of=(f"airy_{('ai', 'aip', 'bi', 'bip')[k]}",)
        )
        for k, exact in enumerate(
            (mp.airyai, lambda x: mp.airyai(x, derivative=1), mp.airybi, lambda x: mp.airybi(x, derivative=1))
        )
    },
    "kv": Case(sp.kv, mp.besselk, orders_of((0.5, 3.7), (0.3, 2.0)), (1,), 100),
    "kve": Case(sp.kve, scaled(mp.besselk, 1), orders_of((0.5, 3.7), (0.3, 2.0)), (1,), 2000),
    **{
        name: one(getattr(sp, name), exact, 0.7, 6.0, units=100, orders=1)  # where mpmath takes long
        for name, exact in (
            ("k0", lambda x: mp.besselk(0, x)),
            ("k1", lambda x: mp.besselk(1, x)),
            ("k0e", lambda x: mp.besselk(0, x) * mp.exp(x)),
            ("k1e", lambda x: mp.besselk(1, x) * mp.exp(x)),
        )
    },
    "exp1": one(sp.exp1, mp.e1, 1e-5, 0.5, 3.0, 50.0, 300.0),
    "expi": one(sp.expi, mp.ei, -3.0, 0.4, 3.0, 50.0),
    "expn": Case(sp.expn, mp.expint, orders_of((0.0, 1.0, 2.0, 5.0), (0.3, 2.0, 30.0)), (1,)),
    "si": one(result(sp.sici, 0), mp.si, -3.0, 0.0, 1.0, 20.0, units=100, of=("sinint",)),
    "ci": one(result(sp.sici, 1), mp.ci, 0.1, 1.0, 20.0, of=("cosint",)),
    "shi": one(result(sp.shichi, 0), mp.shi, -3.0, 0.0, 1.0, 20.0, of=("sinhint",)),
    "chi": one(result(sp.shichi, 1), mp.chi, 0.1, 1.0, 20.0, of=("coshint",)),
    "fresnel s": one(result(sp.fresnel, 0), mp.fresnels, -2.1, 0.0, 0.5, 3.0, of=("fresnel_s",)),
    "fresnel c": one(result(sp.fresnel, 1), mp.fresnelc, -2.1, 0.0, 0.5, 3.0, of=("fresnel_c",)),
    "spence": one(
        sp.spence,
        lambda z: mp.re(mp.polylog(2, 1 - z)),
        0.1,
        0.5,
        0.9999,
        1.0001,
        1.5,
        1.9,
        7.0,
        units=60,
        of=("log1prel",),
    ),
    "ellipk": one(sp.ellipk, mp.ellipk, -5.0, -0.1, 0.0, 0.3, 0.9, 0.999, units=200),
    "ellipkm1": one(sp.ellipkm1, lambda p: mp.ellipk(1 - p), 1e-5, 0.1, 0.9, 1.5, units=200),
    "ellipe": one(sp.ellipe, mp.ellipe, -5.0, -0.1, 0.0, 0.3, 0.9, 0.999, units=400),
    "ellipkinc": Case(
        sp.ellipkinc,
        mp.ellipf,
        orders_of((-0.4, 1.2, 1.9, 7.0), (-2.0, 0.0, 0.3, 0.9)),
        (0, 1),
        60,
        1,
        of=("elliptic_slope",),
    ),
    "ellipeinc": Case(sp.ellipeinc, mp.ellipe, orders_of((-0.4, 1.2, 1.9, 7.0), (-2.0, 0.0, 0.3, 0.9)), (0, 1), 60, 1),
    "hyp0f1": Case(sp.hyp0f1, mp.hyp0f1, orders_of((0.5, 3.0), (-2.0, 0.0, 4.0)), (1,), 100),
    "hyp1f1": Case(sp.hyp1f1, mp.hyp1f1, [(0.5, 1.5, -3.0), (2.0, 3.0, 0.0), (1.2, 0.7, 5.0)], (2,), 100),
    "hyp2f1": Case(
        sp.hyp2f1, mp.hyp2f1, [(0.5, 1.0, 1.5, -0.7), (2.0, 0.3, 3.0, 0.0), (1.2, 0.7, 2.5, 0.6)], (3,), 200
    ),
    "hyperu": Case(sp.hyperu, mp.hyperu, [(0.5, 1.5, 3.0), (2.0, 0.3, 0.7), (1.0, 1.0, 12.0)], (2,), 2000),
    "powm1": Case(sp.powm1, lambda x, y: x**y - 1, orders_of((0.3, 1.0, 7.5), (-2.0, 1e-9, 0.5, 3.0)), (0, 1), 100),
    "wrightomega": one(
        sp.wrightomega, lambda x: mp.lambertw(mp.exp(x)).real, -20.0, -1.0, 0.0, 1.0, 30.0, 1e5, units=100
    ),
    "exprel": one(sp.exprel, exprel, *WIDE, units=60),
    "cosm1": one(sp.cosm1, lambda x: -2 * mp.sin(x / 2) ** 2, 1e-5, 0.5, 3.0),
    "boxcox": Case(sp.boxcox, boxcox, EDGES, (0, 1), 100),
    "boxcox1p": Case(sp.boxcox1p, lambda x, power: boxcox(1 + x, power), EDGES, (0, 1), 100),
    "inv_boxcox": Case(sp.inv_boxcox, inv_boxcox, [(0.3, 2.0), (-0.4, -0.5), (1.0, 0.0), (2.0, 1e-9)], (0, 1), 100),
    "inv_boxcox1p": Case(
        sp.inv_boxcox1p, lambda y, power: inv_boxcox(y, power) - 1, [(0.3, 2.0), (1.0, 0.0)], (0, 1), 100
    ),
    "pseudo_huber": Case(
        sp.pseudo_huber,
        lambda d, r: d * d * (mp.sqrt(1 + (r / d) ** 2) - 1),
        orders_of((0.5, 2.0), (1e-6, 0.7, -30.0)),
        (0, 1),
        400,
        2,
    ),
    "zeta": Case(sp.zeta, mp.zeta, [(1.5, 0.3), (3.0, 2.0), (7.5, 40.0)], (1,), 100, of=("hurwitz_zeta",)),
    "gammainc": Case(sp.gammainc, lower, SHAPES, (0, 1), 400, 2, of=("gammainc_slope", "gamma_density", "gamma_score")),
    "gammaincc": Case(sp.gammaincc, lambda a, x: -lower(a, x), SHAPES[::5], (0, 1), 400, 1),
    "betainc": Case(sp.betainc, incomplete_beta, SHARES, (0, 1, 2), 800, 1, of=("betainc_slope", "beta_density")),
    "betainc twice": Case(sp.betainc, incomplete_beta, SHARES[3::7], (0, 1, 2), 4000, 2, of=("beta_score",)),
    "stdtr": Case(sp.stdtr, student, orders_of((0.7, 3.0, 40.0), (-30.0, -1.5, 0.4, 6.0)), (0, 1), 1000, 2),
    "betaincc": Case(sp.betaincc, lambda a, b, x: -incomplete_beta(a, b, x), SHARES[::9], (0, 1, 2), 800, 1),
}

OTHERWISE = {
    **dict.fromkeys(("gammaincinv", "gammainccinv", "betaincinv", "betainccinv", "ndtri_exp"), "as inverses, below"),
    **dict.fromkeys(("gammasgn", "riemann_zeta"), "no derivative"),
    "stdtrit": "in test_distributions, as quantiles",
    **dict.fromkeys(("log_skewed_tail", "skewnorm_ppf", "skewnorm_isf", "vonmises_moment"), "in test_distributions"),
    **dict.fromkeys(("binom_ppf", "binom_isf", "nbinom_ppf", "nbinom_isf", "poisson_ppf"), "steps"),
    **{name: "not known" for name in DECLARED if name.startswith(("betabinom.", "hypergeom.", "binom.entropy"))},
    "ndtri": "in test_special_functions, as the inverse of ndtr",
}


def test_every_primitive_of_scipys_functions_is_compared() -> None:
    compared = {name for key, case in CASES.items() for name in (key, *case.of)}
    assert {*DECLARED} <= compared | {*OTHERWISE}


def exact_derivative(case: Case, xs: Sequence[Any], positions: tuple[int, ...]) -> Any:
    counts = tuple([positions.count(k) for k in range(len(xs))])
    return mp.diff(case.exact, tuple(xs), counts) if len(xs) > 1 else mp.diff(case.exact, xs[0], counts[0])


def condition(case: Case, xs: Sequence[Any], positions: tuple[int, ...]) -> Any:
    """What a derivative changes by, relative to a change of the arguments."""
    return sum([abs(xs[k] * exact_derivative(case, xs, (*positions, k))) for k in case.active])


@pytest.mark.one_in(9)
@pytest.mark.parametrize("name", CASES)
def test_derivatives(name: str) -> None:
    case = CASES[name]
    arrays = [np.array(column) for column in zip(*case.points, strict=True)]
    for order in range(1, case.orders + 1):
        for positions in itertools.combinations_with_replacement(case.active, order):
            f = case.function
            for k in positions:
                f = fd.grad(f, k)
            found = (fd.jit if order == 1 else lambda f: f)(fd.vmap(f))(*arrays)
            for point, got in zip(case.points, found.tolist(), strict=True):
                xs = [mp.mpf(x) for x in point]
                exact = exact_derivative(case, xs, positions)
                exact = mp.chop(exact, 1e-45) if 0 in point else exact
                roundings = case.units * 4 ** (order - 1)
                allowed = roundings * mp.ldexp(abs(exact), -53) + 1e-300
                if abs(got - exact) > allowed:
                    allowed += roundings * mp.ldexp(condition(case, xs, positions), -53)
                assert abs(got - exact) <= allowed, (
                    f"the derivative of {name} in {positions} at {point} is {got!r}, not {mp.nstr(exact, 17)}: "
                    f"{mp.nstr(abs(got - exact) / allowed, 3)} times what is allowed"
                )
