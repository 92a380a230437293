"""The gamma function's family of complex numbers.

The derivative of digamma is Hurwitz's zeta(2, z), by Euler and Maclaurin where re z >= 0, and by reflection elsewhere:

    psi'(z) = sum over k < N of 1 / (z + k)^2  +  1 / w + 1 / 2 w^2 + sum over j of B_2j / w^(2j+1),    w = z + N
    psi'(z) = (pi / sin(pi z))^2 - psi'(1 - z)

Higher derivatives are those of the terms.
"""

from __future__ import annotations

import math
from typing import Any

from functad.primitives.arithmetic import add, div, mul, neg, reciprocal, sub
from functad.primitives.bitwise import bit_and
from functad.primitives.comparison import eq, lt
from functad.primitives.complex import imag, make_complex, real
from functad.primitives.elementwise import Op
from functad.primitives.rounding import absolute, rint
from functad.primitives.scipy_special.holomorphic import holomorphic
from functad.primitives.selection import select
from functad.primitives.special import BERNOULLI
from functad.primitives.stops import stop_gradient
from functad.primitives.trigonometric import sin

__all__ = ["digamma", "gamma", "loggamma", "rgamma"]

TERMS = 10

FLAT = 12.0
"""sin(pi z)^-2 is less than 1e-31 where |im z| exceeds this."""


def _trigamma(z: Any) -> Any:
    left = lt(real(z), 0)
    u = select(left, sub(1, z), z)
    total: Any = None
    for k in range(TERMS):
        inverse = reciprocal(add(u, k))
        term = mul(inverse, inverse)
        total = term if total is None else add(total, term)
    inverse = reciprocal(add(u, TERMS))
    square = mul(inverse, inverse)
    series: Any = None
    for b in reversed(BERNOULLI):
        series = mul(square, b) if series is None else mul(square, add(series, b))
    value = add(total, mul(inverse, add(add(series, mul(inverse, 0.5)), 1)))
    return select(left, sub(_reflected(z, left), value), value)


def _reflected(z: Any, left: Any) -> Any:
    """(pi / sin(pi z))^2, near the real axis; of what is left of z less an integer."""
    near = bit_and(left, lt(absolute(imag(z)), FLAT))
    whole = stop_gradient(rint(real(z)))
    r = select(near, sub(z, make_complex(whole, 0)), 0.5)
    root = div(math.pi, sin(mul(r, math.pi)))
    return select(near, mul(root, root), 0)


digamma: Op = holomorphic("psi", lambda t, y, z: mul(t, _trigamma(z)))
gamma: Op = holomorphic("gamma", lambda t, y, z: mul(t, mul(y, digamma(z))))
loggamma: Op = holomorphic("loggamma", lambda t, y, z: mul(t, digamma(z)))


def _rgamma_jvp(t: Any, y: Any, z: Any) -> Any:
    """-psi(z) / gamma(z), and (-1)^n n! at the poles z = -n."""
    x = real(z)
    pole = bit_and(bit_and(eq(imag(z), 0), eq(x, rint(x))), lt(x, 0.5))
    mirrored = gamma(select(pole, sub(1, z), 1.0))
    even = eq(mul(rint(mul(x, 0.5)), 2), x)
    regular = select(pole, 0.5, z)
    return mul(t, select(pole, select(even, mirrored, neg(mirrored)), neg(mul(digamma(regular), rgamma(regular)))))


rgamma: Op = holomorphic("rgamma", _rgamma_jvp)
