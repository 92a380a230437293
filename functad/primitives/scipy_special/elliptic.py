"""Elliptic integrals. Derivatives of the complete ones are hypergeometric functions, which do not cancel at m = 0:

    K(m) = pi/2 2F1(1/2, 1/2; 1; m),    K' = pi/8 2F1(1/2, 1/2; 2; m) / (1 - m),    E' = -pi/8 2F1(1/2, 3/2; 2; m)

those of the incomplete ones in m Carlson's integrals of the second kind: with s = sin phi, c = cos phi and
d^2 = 1 - m s^2, for phi up to pi/2 (beyond, by periods),

    dF/dm = s^3/6 R_D(c^2, 1, d^2),    dE/dm = -s^3/6 R_D(c^2, d^2, 1)

(NIST Digital Library of Mathematical Functions, 19.5, 19.25).
"""

from __future__ import annotations

import math
from typing import Any

from functad.primitives.arithmetic import div, mul, neg, sub
from functad.primitives.elementwise import Op
from functad.primitives.powers import sqrt
from functad.primitives.scipy_special.hypergeometric import hyp2f1
from functad.primitives.scipy_special.library import in_double, library, operation, unknown
from functad.primitives.trigonometric import sin

__all__ = ["ellipe", "ellipeinc", "ellipk", "ellipkinc", "ellipkm1"]


def _gauss(b: float, m: Any) -> Any:
    """pi/8 2F1(1/2, b; 2; m)."""
    half, upper, two = (m.dtype.type(v) for v in (0.5, b, 2))
    return mul(hyp2f1(half, upper, two, m), math.pi / 8)


ellipk = library(
    "ellipk", lambda t, y, m: mul(t, div(_gauss(0.5, m), sub(1, m))), low=-2.0, high=0.9,
    doc="The complete elliptic integral of the first kind.",
)  # fmt: skip
ellipkm1 = library(
    "ellipkm1", lambda t, y, p: neg(mul(t, div(_gauss(0.5, sub(1, p)), p))), low=0.1, high=2.0, doc="ellipk(1 - p).",
)  # fmt: skip
ellipe = library(
    "ellipe", lambda t, y, m: neg(mul(t, _gauss(1.5, m))), low=-2.0, high=0.9,
    doc="The complete elliptic integral of the second kind.",
)  # fmt: skip

CARLSON, GAUSS = operation("elliprd", 3), "scipy.hyp2f1"


def _slope(b: Any, phi: Any, m: Any, *, kind: str) -> Any:
    """The derivative in m of F or E."""
    periods = b.rint(b.mul(phi, 1 / math.pi))
    r = b.sub(b.sub(phi, b.mul(periods, math.pi)), b.mul(periods, 1.2246467991473532e-16))  # pi in two parts
    s, c = b.sin(r), b.cos(r)
    rest, one = b.sub(1, b.mul(m, b.mul(s, s))), b.add(b.mul(m, 0), 1)
    cosine = b.mul(c, c)
    first = kind == "F"
    part = b.compute(CARLSON, cosine, *((one, rest) if first else (rest, one)))
    part = b.mul(b.mul(b.mul(s, b.mul(s, s)), part), 1 / 6 if first else -1 / 6)
    whole = b.compute(GAUSS, b.mul(one, 0.5), b.mul(one, 0.5 if first else 1.5), b.mul(one, 2.0), m)
    whole = b.div(whole, b.sub(1, m)) if first else b.neg(whole)
    return b.add(part, b.select(b.eq(periods, 0), 0.0, b.mul(b.mul(whole, periods), math.pi / 4)))


def _rest(phi: Any, m: Any) -> Any:
    """sqrt(1 - m sin^2 phi)."""
    s = sin(phi)
    return sqrt(sub(1, mul(m, mul(s, s))))


def _first_jvp(t: Any, y: Any, phi: Any, m: Any, *, kind: str) -> Any:
    """Under the integral: sin^2 / 2 d^3, or -sin^2 / 2 d."""
    s, d = sin(phi), _rest(phi, m)
    slope = div(mul(mul(s, s), 0.5 if kind == "F" else -0.5), d)
    return mul(t, div(div(slope, d), d) if kind == "F" else slope)


_slope_op: Op = in_double(
    "elliptic_slope", _slope, (_first_jvp, unknown("ellipkinc and ellipeinc, twice", "m")), static=("kind",),
    low=0.1, high=0.9, params=({"kind": "F"}, {"kind": "E"}),
)  # fmt: skip

ellipkinc = library(
    "ellipkinc",
    (lambda t, y, phi, m: div(t, _rest(phi, m)), lambda t, y, phi, m: mul(t, _slope_op(phi, m, kind="F"))),
    low=0.1, high=0.9, doc="The incomplete elliptic integral of the first kind.",
)  # fmt: skip
ellipeinc = library(
    "ellipeinc",
    (lambda t, y, phi, m: mul(t, _rest(phi, m)), lambda t, y, phi, m: mul(t, _slope_op(phi, m, kind="E"))),
    low=0.1, high=0.9, doc="The incomplete elliptic integral of the second kind.",
)  # fmt: skip
