"""Maximum likelihood by another way: python -m tests.clients.survival_references prints ``REFERENCES`` of
test_survival.py.

The log-likelihoods are written again, in mpmath's functions; a simplex search in floats finds the neighbourhood, and
Newton's method with central differences in 40 digits the maximum. No derivative is taken by rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import mpmath as mp
from scipy.optimize import minimize

from tests.clients.freireich import observations

Real = Any
DATA = observations()
COLUMNS = zip(DATA.time, DATA.seen, DATA.treated, strict=True)
ROWS = Counter((mp.mpf(float(t)), bool(seen), mp.mpf(float(x))) for t, seen, x in COLUMNS)
"""How often each observation was made."""


def normal_tail(z: Real) -> Real:
    return mp.erfc(z / mp.sqrt(2)) / 2


def scale(p: Sequence[Real], x: Real) -> Real:
    return mp.exp(p[0] + p[1] * x)


# -- survival functions; densities are their derivatives, by hand ------------------------------------------------------


def exponential(p: Sequence[Real], t: Real, x: Real) -> tuple[Real, Real]:
    s = scale(p, x)
    return mp.exp(-t / s) / s, mp.exp(-t / s)


def weibull(p: Sequence[Real], t: Real, x: Real) -> tuple[Real, Real]:
    k, s = mp.exp(p[2]), scale(p, x)
    survival = mp.exp(-((t / s) ** k))
    return k / t * (t / s) ** k * survival, survival


def log_normal(p: Sequence[Real], t: Real, x: Real) -> tuple[Real, Real]:
    s = mp.exp(p[2])
    z = (mp.log(t) - p[0] - p[1] * x) / s
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi) / (s * t), normal_tail(z)


def log_logistic(p: Sequence[Real], t: Real, x: Real) -> tuple[Real, Real]:
    s = mp.exp(p[2])
    odds = mp.exp((mp.log(t) - p[0] - p[1] * x) / s)
    return odds / (1 + odds) ** 2 / (s * t), 1 / (1 + odds)


def gamma(p: Sequence[Real], t: Real, x: Real) -> tuple[Real, Real]:
    return generalised_gamma((*p, mp.mpf(0)), t, x)


def generalised_gamma(p: Sequence[Real], t: Real, x: Real) -> tuple[Real, Real]:
    a, power = mp.exp(p[2]), mp.exp(p[3])
    u = (t / scale(p, x)) ** power
    front, term, total, n = u**a * mp.exp(-u) / mp.gamma(a), 1 / a, 1 / a, 0
    while term > mp.eps * total:  # of the incomplete gamma function
        n += 1
        term *= u / (a + n)
        total += term
    return power / t * front, 1 - front * total


def exponentiated_weibull(p: Sequence[Real], t: Real, x: Real) -> tuple[Real, Real]:
    density, survival = weibull(p, t, x)
    power = mp.exp(p[3])
    return power * (1 - survival) ** (power - 1) * density, 1 - (1 - survival) ** power


def log_t(p: Sequence[Real], t: Real, x: Real) -> tuple[Real, Real]:
    """Of four degrees of freedom, whose distribution function is algebraic."""
    s = mp.exp(p[2])
    z = (mp.log(t) - p[0] - p[1] * x) / s
    w = z / mp.sqrt(4 + z * z)
    return mp.mpf(3) / 8 * (1 + z * z / 4) ** mp.mpf(-2.5) / (s * t), mp.mpf(1) / 2 - 3 * w / 4 + w**3 / 4


def frechet(p: Sequence[Real], t: Real, x: Real) -> tuple[Real, Real]:
    s = mp.exp(p[2])
    u = mp.exp(-(mp.log(t) - p[0] - p[1] * x) / s)
    return u * mp.exp(-u) / (s * t), 1 - mp.exp(-u)


def gompertz(p: Sequence[Real], t: Real, x: Real) -> tuple[Real, Real]:
    level = mp.exp(p[0] + p[1] * x)
    survival = mp.exp(-level * (mp.exp(p[2] * t) - 1) / p[2])
    return level * mp.exp(p[2] * t) * survival, survival


def piecewise_exponential(p: Sequence[Real], t: Real, x: Real) -> tuple[Real, Real]:
    levels, cuts = [mp.exp(level + p[0] * x) for level in p[1:]], (0, 6, 12, mp.inf)
    total = mp.fsum(level * (min(max(t, a), b) - a) for level, a, b in zip(levels, cuts, cuts[1:], strict=False))
    hazard = next(level for level, a, b in zip(levels, cuts, cuts[1:], strict=False) if a < t <= b)
    return hazard * mp.exp(-total), mp.exp(-total)


def frailty(p: Sequence[Real], t: Real, x: Real) -> tuple[Real, Real]:
    s, variance = scale(p, x), mp.exp(p[2])
    base = 1 + variance * (t / s) ** 2
    return 2 * t / s**2 * base ** (-1 / variance - 1), base ** (-1 / variance)


def cure(p: Sequence[Real], t: Real, x: Real) -> tuple[Real, Real]:
    share = x / (1 + mp.exp(-p[3]))
    density, survival = weibull(p, t, x)
    return (1 - share) * density, share + (1 - share) * survival


# -- likelihoods, and their maxima -------------------------------------------------------------------------------------


def of_times(model: Callable[..., Any]) -> Callable[..., Real]:
    return lambda p: -mp.fsum(n * mp.log(model(p, t, x)[0 if seen else 1]) for (t, seen, x), n in ROWS.items())


def of_intervals(model: Callable[..., Any]) -> Callable[..., Real]:
    def term(p: Sequence[Real], t: Real, seen: bool, x: Real) -> Real:
        late = model(p, t, x)[1]
        return mp.log((model(p, t - 1, x)[1] if t > 1 else 1) - late) if seen else mp.log(late)

    return lambda p: -mp.fsum(n * term(p, *row) for row, n in ROWS.items())


CASES: dict[str, tuple[Callable[..., Real], tuple[float, ...]]] = {
    "exponential": (of_times(exponential), (2, 0.5)),
    "weibull": (of_times(weibull), (2, 0.5, 0)),
    "log-normal": (of_times(log_normal), (2, 0.5, 0)),
    "log-logistic": (of_times(log_logistic), (2, 0.5, 0)),
    "gamma": (of_times(gamma), (2, 0.5, 0)),
    "generalised gamma": (of_times(generalised_gamma), (2, 0.5, 0, 0)),
    "exponentiated weibull": (of_times(exponentiated_weibull), (2, 0.5, 0, 0)),
    "log-t": (of_times(log_t), (2, 0.5, 0)),
    "frechet": (of_times(frechet), (2, 0.5, 0)),
    "gompertz": (of_times(gompertz), (-2, -1, 0.05)),
    "piecewise exponential": (of_times(piecewise_exponential), (-1, -2, -2, -2)),
    "rayleigh with frailty": (of_times(frailty), (2, 0.5, 0)),
    "weibull with cure": (of_times(cure), (2, 0.5, 0.3, 0)),
    "weibull, intervals": (of_intervals(weibull), (2, 0.5, 0)),
    "log-logistic, intervals": (of_intervals(log_logistic), (2, 0.5, 0)),
}


def maximum(f: Callable[..., Real], start: tuple[float, ...]) -> tuple[list[float], float, list[float]]:
    """Parameters, the least value, and standard errors."""
    with mp.workdps(16):
        found = minimize(
            lambda p: float(f([mp.mpf(v) for v in p])),
            start,
            method="Nelder-Mead",
            options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 4000},
        )
    with mp.workdps(40):
        p, h = mp.matrix([mp.mpf(float(v)) for v in found.x]), mp.mpf(10) ** -9
        n = len(p)

        def at(*moves: tuple[int, int]) -> Real:
            q = list(p)
            for k, sign in moves:
                q[k] += sign * h
            return f(q)

        for _ in range(6):
            slope = mp.matrix([(at((i, 1)) - at((i, -1))) / (2 * h) for i in range(n)])
            curvature = mp.matrix(n, n)
            for i in range(n):
                for j in range(i + 1):
                    signs = [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]
                    curvature[i, j] = curvature[j, i] = mp.fsum(s * at((i, a), (j, b)) for a, b, s in signs) / (
                        4 * h * h
                    )
            change = mp.lu_solve(curvature, -slope)
            p += change
            if mp.norm(change) < mp.mpf(10) ** -15:
                break
        errors = [mp.sqrt((curvature**-1)[i, i]) for i in range(n)]
        return [float(v) for v in p], float(f(list(p))), [float(e) for e in errors]


if __name__ == "__main__":
    for name, (f, start) in CASES.items():
        parameters, value, errors = maximum(f, start)
        print(f"    {name!r}: (")
        print(f"        ({', '.join(f'{v:.12g}' for v in parameters)}),")
        print(f"        {value:.12g},")
        print(f"        ({', '.join(f'{v:.9g}' for v in errors)}),")
        print("    ),", flush=True)
