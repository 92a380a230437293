"""Hypergeometric functions: their derivatives in the last argument are functions of neighbouring parameters. In the
parameters themselves none are known here.

    0F1(v; z)' = 0F1(v + 1; z) / v,    1F1(a; b; z)' = a/b 1F1(a + 1; b + 1; z),    U(a, b, x)' = -a U(a + 1, b + 1, x)
"""

from __future__ import annotations

import math
from typing import Any

from functad.primitives.arithmetic import add, div, mul, neg
from functad.primitives.elementwise import Op
from functad.primitives.scipy_special.library import either, in_double, library, operation, unknown

__all__ = ["hyp0f1", "hyp1f1", "hyp2f1", "hyperu"]


def _of_confluent(t: Any, y: Any, a: Any, b: Any, z: Any) -> Any:
    return mul(t, mul(div(a, b), hyp1f1(add(a, 1), add(b, 1), z)))


def _of_gauss(t: Any, y: Any, a: Any, b: Any, c: Any, z: Any) -> Any:
    return mul(t, mul(div(mul(a, b), c), hyp2f1(add(a, 1), add(b, 1), add(c, 1), z)))


hyp0f1: Op = library(
    "hyp0f1",
    (unknown("hyp0f1", "v"), lambda t, y, v, z: mul(t, div(hyp0f1(add(v, 1), z), v))),
    doc="The confluent hypergeometric limit function 0F1.",
)
HYP1F1 = operation("hyp1f1", 3)

HUGE, MODERATE = 1e8, 1e6


def _hyp1f1(b: Any, a: Any, c: Any, z: Any) -> Any:
    """SciPy's takes as many steps as a huge z is large. Where c is moderate, 1F1 is infinite long before, by exp(z),
    unless it is a polynomial; where c is large, and z larger still, it is not known.
    """
    polynomial = b.bit_and(b.le(a, 0), b.eq(a, b.rint(a)))
    huge, large = b.bit_and(b.gt(z, HUGE), b.bit_not(polynomial)), b.gt(b.abs(c), MODERATE)
    outside = b.bit_and(huge, b.bit_or(b.bit_not(large), b.gt(z, b.abs(c))))
    value = b.compute(HYP1F1, a, c, b.select(outside, 0.0, z))
    sign = b.mul(b.compute("scipy.gammasgn", a), b.compute("scipy.gammasgn", c))
    limit = either(b, b.lt(sign, 0), -math.inf, math.inf)  # gamma(c) / gamma(a) exp(z) z^(a - c)
    return b.select(outside, b.select(large, math.nan, limit), value)


hyp1f1: Op = in_double(
    "hyp1f1", _hyp1f1, (unknown("hyp1f1", "a"), unknown("hyp1f1", "b"), _of_confluent),
    doc="Kummer's confluent hypergeometric function 1F1.",
)  # fmt: skip
hyp2f1: Op = library(
    "hyp2f1", (unknown("hyp2f1", "a"), unknown("hyp2f1", "b"), unknown("hyp2f1", "c"), _of_gauss), low=0.1, high=0.8,
    doc="Gauss's hypergeometric function 2F1.",
)  # fmt: skip
hyperu: Op = library(
    "hyperu",
    (
        unknown("hyperu", "a"), unknown("hyperu", "b"),
        lambda t, y, a, b, x: neg(mul(t, mul(a, hyperu(add(a, 1), add(b, 1), x)))),
    ),
    doc="Tricomi's confluent hypergeometric function U.",
)  # fmt: skip
