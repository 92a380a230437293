"""Derive the polynomial coefficients of ``functad/lower/math``: ``python tools/minimax.py [name ...]`` prints them with
their error bounds.

Each is the minimax polynomial p of a function g under a weight w, so that max |w (g - p)|, which the weight makes the
relative error of the final result (``exp``, not the polynomial inside it), is least. It is found by Remez's exchange
algorithm (E. Remez, 1934; J.-M. Muller, *Elementary Functions*, on polynomial approximation) in 60-digit arithmetic,
and its coefficients are then rounded to the dtype.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath as mp
import numpy as np

mp.mp.dps = 60

Function = Callable[[mp.mpf], mp.mpf]
SCALARS = {"f64": float, "f32": lambda x: np.float32(float(x))}


@dataclass(frozen=True)
class Approximation:
    """``g`` by a polynomial of degree ``degrees[dtype]`` on ``interval``, under ``weight``; ``limit`` is g(0), where
    its formula is 0/0.

    The first ``low_parts`` coefficients are given a second time: what rounding took from them.
    """

    g: Function
    limit: mp.mpf
    weight: Function
    interval: tuple[mp.mpf, mp.mpf] | dict[str, tuple[mp.mpf, mp.mpf]]
    degrees: dict[str, int]
    low_parts: int = 0

    def value(self, x: mp.mpf) -> mp.mpf:
        return self.g(x) if abs(x) > mp.mpf(10) ** -25 else self.limit

    def weight_at(self, x: mp.mpf) -> mp.mpf:
        """The weight, kept positive where it vanishes with x."""
        return abs(self.weight(x if x else mp.mpf(10) ** -40)) + mp.mpf(10) ** -30


def remez(a: Approximation, dtype: str) -> tuple[list[mp.mpf], mp.mpf]:
    """Coefficients, constant first, and the weighted error."""
    degree = a.degrees[dtype]
    low, high = a.interval[dtype] if isinstance(a.interval, dict) else a.interval
    middle, radius = (low + high) / 2, (high - low) / 2
    nodes = [middle - radius * mp.cos(mp.pi * (2 * i + 1) / (2 * (degree + 2))) for i in range(degree + 2)]
    steps = 60 * (degree + 2)
    grid = [middle - radius * mp.cos(mp.pi * i / steps) for i in range(steps + 1)]
    values, weights = [a.value(x) for x in grid], [a.weight_at(x) for x in grid]
    for _ in range(20):
        coefficients, level = _levelled(a, nodes, degree)
        errors = [w * (g - evaluated(coefficients, x)) for x, g, w in zip(grid, values, weights, strict=True)]
        largest = max(abs(e) for e in errors)
        if largest <= abs(level) * mp.mpf("1.001"):
            return coefficients, largest
        nodes = _alternation(grid, errors, degree + 2)
    return coefficients, largest


def evaluated(coefficients: Sequence[mp.mpf], x: mp.mpf) -> mp.mpf:
    """The polynomial's value, by Horner's rule."""
    value = mp.mpf(0)
    for c in reversed(coefficients):
        value = value * x + c
    return value


def _levelled(a: Approximation, nodes: list[mp.mpf], degree: int) -> tuple[list[mp.mpf], mp.mpf]:
    """The polynomial whose weighted error is +E, -E, +E, ... at the nodes, and E."""
    matrix, right = mp.matrix(degree + 2, degree + 2), mp.matrix(degree + 2, 1)
    for i, x in enumerate(nodes):
        for j in range(degree + 1):
            matrix[i, j] = x**j
        matrix[i, degree + 1] = (-1) ** i / a.weight_at(x)
        right[i] = a.value(x)
    solution = mp.lu_solve(matrix, right)
    return [solution[j] for j in range(degree + 1)], solution[degree + 1]


def _alternation(grid: list[mp.mpf], errors: list[mp.mpf], count: int) -> list[mp.mpf]:
    """Where the error is largest between sign changes: ``count`` neighbouring such points, dropping the smaller end of
    any surplus.
    """
    extrema: list[tuple[mp.mpf, mp.mpf]] = []
    for x, e in zip(grid, errors, strict=True):
        if not extrema or extrema[-1][1] * e < 0:
            extrema.append((x, e))
        elif abs(e) > abs(extrema[-1][1]):
            extrema[-1] = (x, e)
    while len(extrema) > count:
        extrema.pop(0 if abs(extrema[0][1]) < abs(extrema[-1][1]) else -1)
    return [x for x, _ in extrema]


HALF_LN2 = mp.log(2) / 2 * mp.mpf("1.0001")
QUARTER_PI = mp.pi / 4 * mp.mpf("1.01")
LOG_S = (3 - 2 * mp.sqrt(2)) * mp.mpf("1.0001")  # (m - 1) / (m + 1) at m = sqrt 2
ERFC_MIDDLE = mp.mpf("0.125")
ERFC_ENDS = {"f64": mp.mpf("27.5"), "f32": mp.mpf("10.5")}


def erfcx(x: mp.mpf) -> mp.mpf:
    return mp.exp(x**2) * mp.erfc(x)


def _root(f: Function) -> Function:
    return lambda z: f(mp.sqrt(z))


APPROXIMATIONS = {
    # exp(r) = 1 + r + r^2 p(r)
    "EXP": Approximation(
        g=lambda r: (mp.expm1(r) - r) / r**2,
        limit=mp.mpf(1) / 2,
        weight=lambda r: r**2 * mp.exp(-r),
        interval=(-HALF_LN2, HALF_LN2),
        degrees={"f64": 9, "f32": 4},
    ),
    # expm1(r) = r + r^2 p(r)
    "EXPM1": Approximation(
        g=lambda r: (mp.expm1(r) - r) / r**2,
        limit=mp.mpf(1) / 2,
        weight=lambda r: r**2 / mp.expm1(r),
        interval=(-HALF_LN2, HALF_LN2),
        degrees={"f64": 10, "f32": 5},
    ),
    # exp2(r) = 1 + r p(r)
    "EXP2": Approximation(
        g=lambda r: (mp.mpf(2) ** r - 1) / r,
        limit=mp.log(2),
        weight=lambda r: r * mp.mpf(2) ** -r,
        interval=(mp.mpf("-0.5001"), mp.mpf("0.5001")),
        degrees={"f64": 11, "f32": 5},
    ),
    # sinh(r) = r + r^3 p(r^2)
    "SINH": Approximation(
        g=_root(lambda r: (mp.sinh(r) / r - 1) / r**2),
        limit=mp.mpf(1) / 6,
        weight=_root(lambda r: r**3 / mp.sinh(r)),
        interval=(mp.mpf(0), HALF_LN2**2),
        degrees={"f64": 4, "f32": 2},
    ),
    # cosh(r) = 1 + r^2 p(r^2)
    "COSH": Approximation(
        g=_root(lambda r: (mp.cosh(r) - 1) / r**2),
        limit=mp.mpf(1) / 2,
        weight=_root(lambda r: r**2 / mp.cosh(r)),
        interval=(mp.mpf(0), HALF_LN2**2),
        degrees={"f64": 4, "f32": 2},
    ),
    # log(1 + f) = 2 atanh(s) = 2 s + s^3 p(s^2), s = f / (2 + f)
    "LOG": Approximation(
        g=_root(lambda s: (2 * mp.atanh(s) / s - 2) / s**2),
        limit=mp.mpf(2) / 3,
        weight=_root(lambda s: s**3 / (2 * mp.atanh(s))),
        interval=(mp.mpf(0), LOG_S**2),
        degrees={"f64": 6, "f32": 2},
    ),
    # sin(r) = r + r^3 p(r^2)
    "SIN": Approximation(
        g=_root(lambda r: (mp.sin(r) / r - 1) / r**2),
        limit=-mp.mpf(1) / 6,
        weight=_root(lambda r: r**3 / mp.sin(r)),
        interval=(mp.mpf(0), QUARTER_PI**2),
        degrees={"f64": 5, "f32": 2},
    ),
    # cos(r) = 1 - r^2 / 2 + r^4 p(r^2)
    "COS": Approximation(
        g=_root(lambda r: (mp.cos(r) - 1 + r**2 / 2) / r**4),
        limit=mp.mpf(1) / 24,
        weight=_root(lambda r: r**4 / mp.cos(r)),
        interval=(mp.mpf(0), QUARTER_PI**2),
        degrees={"f64": 5, "f32": 2},
    ),
    # atanh(s) = s + s^3 / 3 + s^5 p(s^2), relative to s alone
    "ATANH": Approximation(
        g=_root(lambda s: (mp.atanh(s) / s - 1 - s**2 / 3) / s**4),
        limit=mp.mpf(1) / 5,
        weight=lambda z: z**2,
        interval=(mp.mpf(0), LOG_S**2),
        degrees={"f64": 6, "f32": 2},
    ),
    # erf(x) = x + x p(x^2) for |x| <= 1
    "ERF": Approximation(
        g=_root(lambda x: mp.erf(x) / x - 1),
        limit=2 / mp.sqrt(mp.pi) - 1,
        weight=_root(lambda x: x / mp.erf(x)),
        interval=(mp.mpf(0), mp.mpf(1)),
        degrees={"f64": 11, "f32": 6},
    ),
    # erf(x) = 1 - exp(p(x)) for 1 <= x until it rounds to 1
    "LOG_ERFC": Approximation(
        g=lambda x: mp.log(mp.erfc(x)),
        limit=mp.mpf(0),
        weight=lambda x: mp.erfc(x) / mp.erf(x),
        interval={"f64": (mp.mpf(1), mp.mpf("5.95")), "f32": (mp.mpf(1), mp.mpf("3.95"))},
        degrees={"f64": 17, "f32": 6},
    ),
    # erfc(x) = exp(-x^2) u p(u - ERFC_MIDDLE), u = 1 / (3 + x), for x >= 3/4 until it rounds to 0
    "ERFC": Approximation(
        g=lambda v: erfcx(1 / (v + ERFC_MIDDLE) - 3) / (v + ERFC_MIDDLE),
        limit=erfcx(1 / ERFC_MIDDLE - 3) / ERFC_MIDDLE,
        weight=lambda v: (v + ERFC_MIDDLE) / erfcx(1 / (v + ERFC_MIDDLE) - 3),
        interval={
            dtype: (1 / (3 + end) - ERFC_MIDDLE, 1 / mp.mpf("3.75") - ERFC_MIDDLE) for dtype, end in ERFC_ENDS.items()
        },
        degrees={"f64": 20, "f32": 9},
        low_parts=2,
    ),
    # tan(r) = r + r^3 p(r^2)
    "TAN": Approximation(
        g=_root(lambda r: (mp.tan(r) / r - 1) / r**2),
        limit=mp.mpf(1) / 3,
        weight=_root(lambda r: r**3 / mp.tan(r)),
        interval=(mp.mpf(0), QUARTER_PI**2),
        degrees={"f64": 14, "f32": 6},
    ),
    # atan(t) = t + t^3 p(t^2)
    "ATAN": Approximation(
        g=_root(lambda t: (mp.atan(t) / t - 1) / t**2),
        limit=-mp.mpf(1) / 3,
        weight=_root(lambda t: t**3 / mp.atan(t)),
        interval=(mp.mpf(0), mp.mpf(1)),
        degrees={"f64": 19, "f32": 8},
    ),
    # asin(x) = x + x^3 p(x^2)
    "ASIN": Approximation(
        g=_root(lambda x: (mp.asin(x) / x - 1) / x**2),
        limit=mp.mpf(1) / 6,
        weight=_root(lambda x: x**3 / mp.asin(x)),
        interval=(mp.mpf(0), mp.mpf("0.25")),
        degrees={"f64": 12, "f32": 4},
    ),
    # m^(-1/3), a first guess
    "INVERSE_CBRT": Approximation(
        g=lambda m: m ** (-mp.mpf(1) / 3),
        limit=mp.mpf(0),
        weight=lambda m: m ** (mp.mpf(1) / 3),
        interval=(mp.mpf("0.707"), mp.mpf("1.415")),
        degrees={"f64": 5, "f32": 3},
    ),
}


def rounded_coefficients(name: str) -> dict[str, list[float]]:
    """The coefficients of each dtype, as floats."""
    a = APPROXIMATIONS[name]
    return {dtype: [float(SCALARS[dtype](c)) for c in remez(a, dtype)[0]] for dtype in a.degrees}


def main(names: list[str]) -> None:
    for name in names or APPROXIMATIONS:
        a = APPROXIMATIONS[name]
        solutions = {dtype: remez(a, dtype) for dtype in a.degrees}
        print(f"{name} = {{")
        for dtype, (coefficients, error) in solutions.items():
            print_entry(dtype, coefficients, f"  # 2^{float(mp.log(error, 2)):.1f}")
        print("}  # fmt: skip")
        if a.low_parts:
            print(f"{name}_LOW = {{")
            for dtype, (coefficients, _) in solutions.items():
                print_entry(dtype, [c - float(SCALARS[dtype](c)) for c in coefficients[: a.low_parts]], "")
            print("}")


def print_entry(dtype: str, values: Sequence[mp.mpf | float], comment: str) -> None:
    """One line of a table in the package's source, or several."""
    numbers = ", ".join(str(SCALARS[dtype](value)) for value in values)
    line = f'    "{dtype}": ({numbers}),{comment}'
    if len(line) > 140:
        indent = " " * 8
        body = textwrap.fill(f"{numbers},", 140, initial_indent=indent, subsequent_indent=indent)
        line = f'    "{dtype}": (\n{body}\n    ),{comment}'
    print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
