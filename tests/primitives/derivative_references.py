"""Exact derivatives of elementwise primitives: what they are in mpmath, and where to look.

Derivatives of the references are central differences in high precision. Where a function saturates, those of its value
would cancel, so ``slope`` says what its first derivative is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, log, nan, pi
from typing import Any

import mpmath
import numpy as np

mp = mpmath.mp.clone()
mp.prec = 600

Positions = tuple[int, ...]

STEP = 200
"""Differences are taken over 2^-200 of an operand: their relative error is about 2^-400, near a singularity an ulp away
still 2^-290.
"""

SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)


def derivative(f: Callable[..., Any], xs: Sequence[Any], positions: Positions, periodic: bool = False) -> Any:
    """The derivative of f in the operands at ``positions``, with as many bits as it takes for a relative error of
    2^-100.
    """
    steps = [min(step(xs[i]), step(1) if periodic else mp.inf) for i in positions]
    found = difference(f, xs, positions, steps)
    noise = mp.ldexp(abs(f(*xs)) or 1, 2 * len(positions) - mp.prec) / mp.fprod(steps)
    if noise <= mp.ldexp(max(abs(found), SMALLEST_NORMAL), -100):
        return found
    if mp.prec > 10_000:
        return mp.mpf(0) if abs(found) <= noise else found
    with mp.workprec(2 * mp.prec):
        return derivative(f, xs, positions, periodic)


def difference(f: Callable[..., Any], xs: Sequence[Any], positions: Positions, steps: Sequence[Any]) -> Any:
    """The central difference."""
    if not positions:
        return f(*xs)
    first, h = positions[0], steps[0]

    def at(moved: Any) -> Any:
        return difference(f, (*xs[:first], moved, *xs[first + 1 :]), positions[1:], steps[1:])

    return (at(xs[first] + h) - at(xs[first] - h)) / (2 * h)


def step(x: Any) -> Any:
    """A power of two, so that x + step is exact, and differences of polynomials are too; at 0, less than the smallest
    number.
    """
    return mp.ldexp(1, mp.frexp(abs(x))[1] - STEP) if x else mp.ldexp(1, -1100)


@dataclass(frozen=True)
class Reference:
    """A primitive as a function of mpmath, and points where its derivatives are compared.

    ``special`` gives derivatives by order where there is no ordinary one: at singular points and infinities; None: not
    compared. ``by_order(positions, *xs)`` gives derivatives where differences would take long. ``terms(positions,
    *xs)`` is the size of the terms that a derivative is the sum of: where they overflow, that cannot be had. ``slack``
    allows for more roundings.
    """

    function: Callable[..., Any]
    slope: Callable[..., Any] | None = None
    points: tuple[Any, ...] = ()
    low: float = -inf
    high: float = inf
    special: dict[Any, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    periodic: bool = False
    by_order: Callable[..., Any] | None = None
    terms: Callable[..., Any] | None = None
    slack: float = 1

    def exact(self, xs: Sequence[Any], positions: Positions) -> Any:
        """A derivative at a point."""
        try:
            if self.by_order is not None:
                with mp.workprec(1500):
                    return self.by_order(positions, *xs)
            if self.slope is not None and positions:
                return derivative(self.slope, xs, positions[1:], self.periodic)
            return derivative(self.function, xs, positions, self.periodic)
        except (ValueError, ZeroDivisionError):  # a pole
            return mp.nan


def inverse_of_complement(q: Any) -> Any:
    """The inverse of erfc, by Newton's method for its logarithm: the error is squared each time."""
    q = mp.mpf(q)
    if q > 1:
        return -inverse_of_complement(2 - q)
    with mp.workprec(300):
        y = mp.sqrt(-mp.log(q * (2 - q))) if q < 0.5 else mp.erfinv(1 - q)
        for _ in range(12):
            y += mp.log(mp.erfc(y) / q) * mp.erfc(y) * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
        return +y


def inverse(x: Any) -> Any:
    """The inverse of erf."""
    if abs(x) < 0.5:
        return mp.erfinv(mp.mpf(x))
    return mp.sign(x) * inverse_of_complement(1 - abs(mp.mpf(x)))


def of_inverse(function: Callable[..., Any], sign: int) -> Callable[..., Any]:
    """Derivatives of y whose first is d = s e^(y^2) sqrt(pi) / 2; then 2 y d^2 and 2 d^3 (1 + 4 y^2)."""

    def by_order(at: Positions, x: Any) -> Any:
        y = function(x)
        d = sign * mp.exp(y * y) * mp.sqrt(mp.pi) / 2
        return (y, d, 2 * y * d**2, 2 * d**3 * (1 + 4 * y**2), d**4 * (28 * y + 48 * y**3))[len(at)]

    return by_order


def both_signs(*numbers: float) -> tuple[float, ...]:
    return tuple([s * x for x in numbers for s in (1, -1)])


def around(*numbers: float) -> tuple[float, ...]:
    """Numbers near special ones, down to their neighbours."""
    found = []
    for x in numbers:
        for toward in (-inf, inf):
            found += [float(np.nextafter(x, toward)), x + (1 if toward > 0 else -1) * 1e-8 * max(abs(x), 1)]
    return tuple(found)


REAL = both_signs(
    *(
        0.0,
        5e-324,
        1e-310,
        3e-308,
        1e-200,
        1e-100,
        1e-20,
        1e-10,
        1e-5,
        0.01,
        0.1,
        0.3,
        0.5,
        0.7,
        0.9,
        1.0,
        1.3,
        2.0,
        3.7,
        7.0,
        15.0,
    ),
    *(
        20.0,
        26.5,
        40.0,
        100.0,
        300.0,
        353.0,
        700.0,
        709.5,
        740.0,
        1e4,
        1e6,
        1e10,
        1e20,
        1e80,
        1e120,
        1e160,
        1e250,
        1e300,
    ),
)
"""Where the derivatives of functions of one operand are compared, as far as they are in its domain."""

NOWHERE = {inf: (nan, nan, nan), -inf: (nan, nan, nan)}
"""A function that has no limit at infinity."""


def limits(left: Any, right: Any) -> dict[Any, Any]:
    return {-inf: left, inf: right}


ZERO, ONE = (0, 0, 0), (1, 0, 0)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x)) if x > 0 else mp.exp(x) / (1 + mp.exp(x))


def sigmoid_slope(x: Any) -> Any:
    return sigmoid(x) * sigmoid(-x)


def sech2(x: Any) -> Any:
    z = mp.exp(-2 * abs(x))
    return 4 * z / (1 + z) ** 2


def bell(x: Any) -> Any:
    return 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)


def rsqrt(x: Any) -> Any:
    return 1 / mp.sqrt(x)


GAMMA = (
    -0.3,
    -0.99999,
    -1.5,
    -2.457,
    -7.3,
    -20.5,
    -100.25,
    1.4616321449683622,
    1.0 + 1e-9,
    2.0 - 1e-9,
    9.99,
    11.5,
    170.6,
    1e15,
)

UNARY: dict[str, Reference | list[Reference]] = {
    "neg": Reference(lambda x: -x, special=limits((-1, 0, 0), (-1, 0, 0))),
    "square": Reference(lambda x: x * x, special=limits((-inf, 2, 0), (inf, 2, 0))),
    "reciprocal": Reference(
        lambda x: 1 / x, special={0.0: (-inf, inf, -inf), **limits(ZERO, ZERO)},
    ),
    "absolute": Reference(abs, lambda x: mp.mpf(1 if x > 0 else -1), special={0.0: ZERO, **limits((-1, 0, 0), ONE)}),
    "sign": Reference(mp.sign, lambda x: mp.mpf(0), special={0.0: ZERO, **limits(ZERO, ZERO)}),
    "exp": Reference(mp.exp, special=limits(ZERO, (inf, inf, inf))),
    "exp2": Reference(lambda x: mp.exp(x * mp.ln2), points=both_signs(1000.0, 1021.5),
        special=limits(ZERO, (inf, inf, inf))),
    "expm1": Reference(mp.expm1, mp.exp, special=limits(ZERO, (inf, inf, inf))),
    "expm1_slope": Reference(mp.exp, special=limits(ZERO, (inf, inf, inf))),
    "log": Reference(mp.log, lambda x: 1 / x, low=0, special={0.0: (inf, -inf, inf), inf: ZERO}),
    "log2": Reference(lambda x: mp.log(x, 2), lambda x: 1 / (x * mp.ln2), low=0,
        special={0.0: (inf, -inf, inf), inf: ZERO}),
    "log10": Reference(mp.log10, lambda x: 1 / (x * mp.ln10), low=0, special={0.0: (inf, -inf, inf), inf: ZERO}),
    "log1p": Reference(
        lambda x: mp.log(1 + x), lambda x: 1 / (1 + x), low=-1, points=around(-1.0)[2:],
        special={-1.0: (inf, -inf, inf), inf: ZERO}
    ),
    "log1mexp": Reference(
        lambda x: mp.log(-mp.expm1(x)), lambda x: -1 / mp.expm1(-x), high=0, special={-inf: ZERO},
        points=(-1e-10, -log(2), -40.0, -700.0),
    ),
    "sigmoid": Reference(sigmoid, sigmoid_slope, special=limits(ZERO, ZERO)),
    "sigmoid_slope": Reference(sigmoid_slope, special=limits(ZERO, ZERO)),
    "tanh_half": Reference(lambda x: mp.tanh(x / 2), lambda x: sech2(x / 2) / 2, special=limits(ZERO, ZERO)),
    "softplus": Reference(lambda x: mp.log(1 + mp.exp(x)), sigmoid, special=limits(ZERO, ONE)),
    "sin": Reference(mp.sin, points=(pi, pi / 2, 1e22), periodic=True, special=NOWHERE),
    "cos": Reference(mp.cos, points=(pi, pi / 2, 1e22), periodic=True, special=NOWHERE),
    "tan": Reference(mp.tan, lambda x: 1 / mp.cos(x) ** 2, points=(pi, *around(pi / 2)), periodic=True,
        special=NOWHERE),
    "arcsin": Reference(
        mp.asin, lambda x: rsqrt(1 - x * x), low=-1, high=1, points=around(-1.0, 1.0),
        special={-1.0: (inf, -inf, inf), 1.0: (inf, inf, inf)}
    ),
    "arccos": Reference(
        mp.acos, lambda x: -rsqrt(1 - x * x), low=-1, high=1, points=around(-1.0, 1.0),
        special={-1.0: (-inf, inf, -inf), 1.0: (-inf, -inf, -inf)},
    ),
    "arcsin_slope": Reference(
        lambda x: rsqrt(1 - x * x), low=-1, high=1, points=around(-1.0, 1.0),
        special={-1.0: (-inf, inf, -inf), 1.0: (inf, inf, inf)}
    ),
    "arctan": Reference(mp.atan, lambda x: 1 / (1 + x * x), special=limits(ZERO, ZERO)),
    "arctan_slope": Reference(lambda x: 1 / (1 + x * x), special=limits(ZERO, ZERO)),
    "sinh": Reference(mp.sinh, special=limits((inf, -inf, inf), (inf, inf, inf))),
    "cosh": Reference(mp.cosh, special=limits((-inf, inf, -inf), (inf, inf, inf))),
    "tanh": Reference(mp.tanh, sech2, special=limits(ZERO, ZERO)),
    "tanh_slope": Reference(sech2, special=limits(ZERO, ZERO)),
    "arcsinh": Reference(mp.asinh, lambda x: rsqrt(1 + x * x), special=limits(ZERO, ZERO)),
    "arcsinh_slope": Reference(lambda x: rsqrt(1 + x * x), special=limits(ZERO, ZERO)),
    "arccosh": Reference(mp.acosh, lambda x: rsqrt(x * x - 1), low=1, points=around(1.0),
        special={1.0: (inf, -inf, inf), inf: ZERO}),
    "arccosh_slope": Reference(lambda x: rsqrt(x * x - 1), low=1, points=around(1.0),
        special={1.0: (-inf, inf, -inf), inf: ZERO}),
    "arctanh": Reference(
        mp.atanh, lambda x: 1 / (1 - x * x), low=-1, high=1, points=around(-1.0, 1.0),
        special={-1.0: (inf, -inf, inf), 1.0: (inf, inf, inf)},
    ),
    "arctanh_slope": Reference(
        lambda x: 1 / (1 - x * x), low=-1, high=1, points=around(-1.0, 1.0),
        special={-1.0: (-inf, inf, -inf), 1.0: (inf, inf, inf)}
    ),
    "sqrt": Reference(mp.sqrt, low=0, special={0.0: (inf, -inf, inf), inf: ZERO}),
    "cbrt": Reference(
        lambda x: mp.sign(x) * mp.cbrt(abs(x)), lambda x: 1 / (3 * mp.cbrt(x * x)),
        special={0.0: (inf, -inf, inf), **limits(ZERO, ZERO)}
    ),
    "cbrt_slope": Reference(lambda x: 1 / (3 * mp.cbrt(x * x)), special={0.0: None, **limits(ZERO, ZERO)}),
    "integer_power": [
        Reference(lambda x: x**5, params={"exponent": 5, "coefficient": 1},
            special=limits((inf, -inf, inf), (inf, inf, inf))),
        Reference(lambda x: 4 * x**3, params={"exponent": 3, "coefficient": 4},
            special=limits((inf, -inf, 24), (inf, inf, 24))),
        Reference(lambda x: x**-2, params={"exponent": -2, "coefficient": 1},
            special={0.0: None, **limits(ZERO, ZERO)}),
    ],
    "gaussian": Reference(lambda x: mp.exp(-x * x), special=limits(ZERO, ZERO)),
    "erf": Reference(mp.erf, bell, special=limits(ZERO, ZERO)),
    "erfc": Reference(mp.erfc, lambda x: -bell(x), special=limits(ZERO, ZERO)),
    "erfinv": Reference(
        inverse, by_order=of_inverse(inverse, 1), low=-1 + 2.0**-53, high=1 - 2.0**-53, points=around(-1.0, 0.5),
        slack=2,
    ),
    "erfcinv": Reference(
        inverse_of_complement, by_order=of_inverse(inverse_of_complement, -1), low=1e-300, high=1.9999,
        points=(1e-250, 1e-30, 1.75), slack=500,  # of exp(y^2), where y^2 is up to 700 and y to 2 ulp
    ),
    "lgamma": Reference(
        lambda x: mp.log(abs(mp.gamma(x))), by_order=lambda at, x: mp.polygamma(len(at) - 1, x), points=GAMMA,
        low=-1000, special={0.0: None, -1.0: (nan, inf, None), inf: (inf, 0, 0)},
    ),
    "digamma": Reference(
        mp.digamma, by_order=lambda at, x: mp.polygamma(len(at), x), points=GAMMA, low=-1000,
        special={0.0: (inf, None, inf), -1.0: (inf, None, inf), inf: ZERO},
    ),
    "polygamma": [
        Reference(
            lambda x, n=n: mp.polygamma(n, x), by_order=lambda at, x, n=n: mp.polygamma(n + len(at), x), points=GAMMA,
            low=-1000, special={0.0: None, inf: ZERO}, params={"order": n},
        )
        for n in (1, 2)
    ],
}  # fmt: skip


def hypot(x: Any, y: Any) -> Any:
    return mp.sqrt(x * x + y * y)


PLANE = [
    (x, y)
    for x in (*(0.0, 1e-310, 1e-200, -1e-10, 0.3), *(1.0, -3.0, 1e6, 1e100, 1e200, -1e300))
    for y in (*(0.0, -1e-310, 3e-200, 1e-10, 0.3), *(-1.0, 4.0, 1e7, 1e100, 1e200, 1e300))
]
"""Points that are nearly on an axis, or extremely near the origin or far from it, and those between."""

AWAY = tuple(p for p in PLANE if p != (0.0, 0.0))


def radius(power: int) -> Callable[..., Any]:
    """Terms of a derivative of a function of (x, y) that is homogeneous."""
    return lambda positions, x, y: hypot(x, y) ** (power - len(positions))


TWO = tuple((x, y) for x in (-1e100, -2.0, 0.0, 1e-300, 0.3, 5.0) for y in (-1e60, 2.0, 0.7, -1e-70, 3.0))


def rounded_down(x: Any, y: Any) -> Any:
    return x - y * mp.floor(x / y)


def truncated(x: Any, y: Any) -> Any:
    return x - y * (mp.floor(x / y) if x / y > 0 else mp.ceil(x / y))


SIZES = (1e-100, 1e-20, 1e-3, 0.3, 1.0, 3.0, 7.7, 9.99, 10.0, 50.0, 1e3, 1e8, 1e20, 1e150)


def betaln_derivative(positions: Positions, x: Any, y: Any) -> Any:
    order = len(positions) - 1
    whole = mp.polygamma(order, x + y)
    return -whole if len(set(positions)) == 2 else mp.polygamma(order, (x, y)[positions[0]]) - whole


POSITIVE = tuple(
    (x, y)
    for x in (1e-300, 1e-20, 0.3, 1.0, 1.7, 1e100)
    for y in (1e-280, 3e-20, 0.3 + 1e-9, 1.0 - 1e-15, 2.0, 5.0, 1e99)
)


BINARY: dict[str, Reference] = {
    "add": Reference(lambda x, y: x + y, points=TWO),
    "sub": Reference(lambda x, y: x - y, points=TWO),
    "mul": Reference(lambda x, y: x * y, points=TWO),
    "div": Reference(lambda x, y: x / y, points=(*TWO, (3.0, 1e-310)),
        special={(3.0, inf): {(0,): 0, (1,): 0, (1, 1): 0}}),
    "power": Reference(
        lambda x, y: mp.exp(y * mp.log(x)),
        terms=lambda positions, x, y: x ** (y - positions.count(0)),
        slack=16,  # y - 1 is rounded in x^(y-1), which counts |log x| times
        points=tuple(
            (x, y)
            for x in (1e-300, 1e-100, 1e-10, 0.3, 1 - 1e-9, 1.0, 1 + 1e-9, 2.0, 1e10, 1e300)
            for y in (-3.5, -1.0, -0.5, -1e-10, 0.0, 1e-10, 0.5, 1.0, 1.5, 2.0, 3.0, 30.5)
        ),
        special={
            (0.0, 0.5): {(0,): inf, (1,): 0, (0, 0): -inf, (1, 1): 0}, (0.0, 1.0): {(0,): 1, (1,): 0},
            (0.0, 2.0): {(0,): 0, (1,): 0, (0, 0): 2}, (0.0, -1.0): {(0,): -inf, (1,): -inf},
            (inf, -1.0): {(0,): 0, (1,): 0, (0, 0): 0}, (inf, 2.0): {(0,): inf, (1,): inf},
            (0.0, 0.0): {(0,): 0, (1,): 0},  # a choice
        },
    ),
    "logaddexp": Reference(
        lambda x, y: mp.log(mp.exp(x) + mp.exp(y)),
        points=(
            (0.3, 0.3), (0.0, 0.0), (1.0, 1.0 - 1e-10), (-2.0, 1.0), (40.0, 0.0), (0.0, 40.0), (-300.0, 5.0),
            (5.0, -300.0), (700.0, 699.0), (-700.0, 20.0), (1e6, 1e6 + 1), (-1e6, 1e6), (5000.0, -5000.0),
        ),
        special={
            (inf, 0.0): {(0,): 1, (1,): 0, (0, 1): 0, (1, 1): 0}, (-inf, 0.0): {(0,): 0, (1,): 1, (0, 0): 0},
            (inf, inf): {(0,): 0.5, (1,): 0.5},  # they share
        },
    ),
    "hypot": Reference(
        hypot, terms=radius(1), points=AWAY,
        special={
            (0.0, 0.0): {(0,): 0, (1,): 0, (0, 0): 0, (0, 1): 0},
            (inf, 1.0): {(0,): 1, (1,): 0, (0, 0): 0, (0, 1): 0, (1, 1): 0},
            (-2.0, -inf): {(0,): 0, (1,): -1, (0, 0): 0}, (inf, inf): {(0,): nan, (1,): nan},
        },
    ),
    "unit_x": Reference(lambda x, y: x / hypot(x, y), terms=radius(0), points=AWAY,
        special={(inf, 1.0): {(0,): 0, (1,): 0}}),
    "unit_y": Reference(lambda x, y: y / hypot(x, y), terms=radius(0), points=AWAY,
        special={(inf, 1.0): {(0,): 0, (1,): 0}}),
    "arctan2": Reference(
        mp.atan2, terms=radius(0), points=tuple((y, x) for y, x in AWAY if y or x > 0),
        special={(0.0, 0.0): {(0,): nan, (1,): nan}, (1.0, inf): {(0,): 0, (1,): 0}, (-inf, 1.0): {(0,): 0, (1,): 0}},
    ),
    "x_over_square": Reference(lambda x, y: x / (x * x + y * y), terms=radius(-1), points=AWAY,
        special={(inf, 1.0): {(0,): 0, (1,): 0}}),
    "y_over_square": Reference(lambda x, y: y / (x * x + y * y), terms=radius(-1), points=AWAY,
        special={(inf, 1.0): {(0,): 0, (1,): 0}}),
    "betaln": Reference(
        mp.beta, by_order=betaln_derivative, points=tuple((a, b) for a in SIZES for b in SIZES),
        special={(-1.0, 1.0): {(0,): nan}, (3.0, inf): {(1,): 0}},
    ),
    "polygamma_difference": Reference(
        mp.digamma, by_order=lambda at, x,
        h: mp.polygamma(len(at), x + h) - (0 if 1 in at else mp.polygamma(len(at), x)), params={"order": 0},
        points=tuple((x, h) for x in SIZES for h in SIZES),
    ),
    "log_ratio": Reference(lambda x, y: mp.log(x / y), points=POSITIVE),
    "relative_difference": Reference(lambda x, y: (y - x) / y, points=POSITIVE),
    "relative_entropy": Reference(lambda x, y: x * mp.log(x / y) - x + y, points=POSITIVE),
    "copysign": Reference(lambda x, y: abs(x) * mp.sign(y),
        points=((2.0, 3.0), (-2.0, 3.0), (2.0, -1e-300), (-1e300, -3.0))),
    "remainder": Reference(rounded_down, points=tuple((x, y) for x in (5.5, -5.5, 1e10, -1e-20) for y in (2.0, -0.7))),
    "fmod": Reference(truncated, points=tuple((x, y) for x in (5.5, -5.5, 1e10, -1e-20) for y in (2.0, -0.7))),
    "maximum": Reference(max, points=((1.0, 2.0), (-1.0, -2.0)), special={(3.0, 3.0): {(0,): 0.5, (1,): 0.5}}),
    "minimum": Reference(min, points=((1.0, 2.0), (-1.0, -2.0)), special={(3.0, 3.0): {(0,): 0.5, (1,): 0.5}}),
}  # fmt: skip

EXEMPT = {
    **dict.fromkeys(("barrier", "name"), "the identity"),
    **dict.fromkeys(("conj", "imag", "make_complex", "real"), "linear, and of complex numbers"),
    "convert": "linear",
    **dict.fromkeys(("modified_bessel", "spherical_bessel"), "compared in tests/numpy/test_numbers"),
    "require_nonzero": "the identity, or an error",
    "nextafter": "the neighbour of a number moves with it",
    "select": "linear in what it chooses from",
    **dict.fromkeys(
        ("strong_div", "strong_mul", "strong_product", "tangent_mul"),
        "linear in a tangent, whose zero wins: tests/transforms/test_strong_zeros",
    ),
}
"""Elementwise primitives with derivatives that are not compared, and why."""


def one_over_roots(z: Any) -> Any:
    return 1 / (mp.sqrt(z - 1) * mp.sqrt(z + 1))


COMPLEX: dict[str, Reference] = {
    name: Reference(function)
    for name, function in {
        "exp": mp.exp, "exp2": lambda z: mp.exp(z * mp.ln2), "expm1": mp.expm1, "expm1_slope": mp.exp, "log": mp.log,
        "log2": lambda z: mp.log(z) / mp.ln2, "log10": lambda z: mp.log(z) / mp.ln10, "log1p": lambda z: mp.log(1 + z),
        "sin": mp.sin, "cos": mp.cos, "tan": mp.tan, "arcsin": mp.asin, "arccos": mp.acos, "arctan": mp.atan,
        "arcsin_slope": lambda z: 1 / mp.sqrt(1 - z * z), "arctan_slope": lambda z: 1 / (1 + z * z),
        "sinh": mp.sinh, "cosh": mp.cosh, "tanh": mp.tanh, "arcsinh": mp.asinh, "arccosh": mp.acosh,
        "arctanh": mp.atanh, "tanh_slope": lambda z: 1 / mp.cosh(z) ** 2,
        "arcsinh_slope": lambda z: 1 / mp.sqrt(1 + z * z), "arccosh_slope": one_over_roots,
        "arctanh_slope": lambda z: 1 / (1 - z * z), "sqrt": mp.sqrt, "square": lambda z: z * z,
        "reciprocal": lambda z: 1 / z, "neg": lambda z: -z,
    }.items()
}  # fmt: skip

COMPLEX_POINTS = (
    0.3 + 0.2j, -2.0 + 1.0j, 1e-10 - 1e-10j, 1e-160 + 2e-160j, 20.5 + 1.0j, -40.0 + 2.0j, 300.0 - 1.0j, -5.0 - 3.0j,
    1.0 + 1e-8j, -1.0 - 1e-8j, -0.5 + 1e-9j, 1e-9 + 1.0000001j, 1e5 - 1e4j, 1e100 - 1e100j,
)  # fmt: skip
