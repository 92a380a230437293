"""The tail of the skew-normal distribution.

With z and a at least 0, the probability of what is below -z, of shape a, is

    G(z, a) = 1/pi integral over u >= a of exp(-z^2 (1 + u^2) / 2) / (1 + u^2) = Phi(-z) - 2 T(z, a)

where T is Owen's function. All else follows from it (`functad.scipy.stats.normal`). The difference has digits where
a z is small, and so has 2 T(a z, 1 / a) - Phi(-a z) erf(z / sqrt 2), which it is too, where besides a is large. Where
a z is not small, the integral is taken by Gauss's and Legendre's rule in sqrt(s - 1), with u = a s, up to where the
integrand is exp(-39) of what it is at a.

With E = exp(-z^2 (1 + a^2) / 2),

    dG/da = -E / pi (1 + a^2),    dG/dz = -E erfcx(a z / sqrt 2) / sqrt(2 pi)
"""

from __future__ import annotations

import math
from typing import Any

from functad.kernel_ir.ops import iteration
from functad.primitives.arithmetic import add, div, mul, neg, sub
from functad.primitives.elementwise import Op
from functad.primitives.exponential import exp
from functad.primitives.scipy_special.densities import nodes
from functad.primitives.scipy_special.library import either, in_double, loop_operation, operation
from functad.primitives.scipy_special.normal import erfcx, erfcx_right, log_ndtr

__all__ = ["log_skewed_tail", "skewnorm_isf", "skewnorm_ppf"]

NODES = 40
DEEP = 39.0

OWEN = operation("owens_t", 2)


def _step(b: Any, row: Any, state: Any, width: Any, q: Any, square: Any) -> Any:
    """q = (a z)^2 / 2; s - 1 is the width times the point."""
    point, weight = row
    s = b.add(b.mul(width, point), 1)
    depth = b.mul(q, b.mul(b.sub(s, 1), b.add(s, 1)))
    value = b.div(b.exp(b.neg(depth)), b.add(b.mul(square, b.mul(s, s)), 1))
    return (b.add(state[0], b.mul(value, weight)),)


QUADRATURE = iteration(
    "skewed_tail", 3, tuple([(y * y, 2 * y * c) for y, c in nodes(NODES)]), lambda b, w, q, s: (b.mul(w, 0),), _step
)


def _log_tail(b: Any, z: Any, a: Any) -> Any:
    product, square = b.mul(a, z), b.mul(a, a)
    near = b.lt(product, 1)
    q = b.mul(b.select(near, 1.0, b.mul(product, product)), 0.5)
    width = b.sub(b.sqrt(b.add(b.div(DEEP, q), 1)), 1)
    scaled = b.mul(b.compute(QUADRATURE, width, q, square), b.mul(b.mul(a, width), 1 / math.pi))
    half = b.mul(b.mul(z, z), b.mul(b.add(square, 1), 0.5))
    far = b.sub(b.log(b.select(near, 1.0, scaled)), half)
    return b.select(near, b.log(_difference(b, b.select(near, z, 0.0), a)), far)


def _difference(b: Any, z: Any, a: Any) -> Any:
    """G(z, a) as a difference, for a z < 1."""
    large = b.gt(a, 1)
    h = b.select(large, b.mul(a, z), z)
    slope = b.select(large, b.div(1, b.select(large, a, 1.0)), a)
    owen = b.mul(b.compute(OWEN, h, slope), either(b, large, 2.0, -2.0))
    normal = b.mul(b.erfc(b.mul(h, math.sqrt(0.5))), 0.5)
    factor = b.select(large, b.neg(b.erf(b.mul(z, math.sqrt(0.5)))), 1.0)
    return b.add(owen, b.mul(normal, factor))


def _envelope(y: Any, z: Any, a: Any) -> Any:
    """E / G."""
    return exp(neg(add(y, mul(mul(z, z), mul(add(mul(a, a), 1), 0.5)))))


def _in_z(t: Any, y: Any, z: Any, a: Any) -> Any:
    other = mul(erfcx(mul(mul(a, z), math.sqrt(0.5))), 1 / math.sqrt(2 * math.pi))
    return neg(mul(t, mul(_envelope(y, z, a), other)))


def _in_a(t: Any, y: Any, z: Any, a: Any) -> Any:
    return neg(mul(t, div(mul(_envelope(y, z, a), 1 / math.pi), add(mul(a, a), 1))))


log_skewed_tail: Op = in_double(
    "log_skewed_tail", _log_tail, (_in_z, _in_a), doc="log G(z, a), for z and a that are not negative."
)

# -- quantiles ---------------------------------------------------------------------------------------------------------

STEPS = 7

SMALLEST = 1e-307
"""Below this, where G has lost digits, Newton's method finds nothing."""


def _newton(b: Any, row: Any, state: Any, target: Any, a: Any) -> Any:
    """log G is concave in z: from the right, Newton's method never passes its root."""
    (z,) = state
    value = _log_tail(b, z, a)
    half = b.mul(b.mul(z, z), b.mul(b.add(b.mul(a, a), 1), 0.5))
    other = b.mul(erfcx_right(b, b.mul(b.mul(a, z), math.sqrt(0.5)), 0), 1 / math.sqrt(2 * math.pi))
    slope = b.mul(b.exp(b.neg(b.add(value, half))), other)
    return (b.maximum(b.add(z, b.div(b.sub(value, target), slope)), 0),)


INVERSE = iteration(
    "skewed_tail_inverse",
    2,
    ((),) * STEPS,
    lambda b, target, a: (b.sqrt(b.div(b.mul(target, -2.0), b.add(b.mul(a, a), 1))),),
    _newton,
)


def _quantile(ufunc: str, sign: int) -> Op:
    """Boost's, but in the tail in which that has no digits: where a probability is G."""
    skewnorm = loop_operation(ufunc, 4)

    def kernel(b: Any, q: Any, a: Any) -> Any:
        skewed = b.mul(a, sign)
        size = b.maximum(skewed, 0)
        tail = b.bit_and(
            b.bit_and(b.gt(skewed, 0), b.ge(q, SMALLEST)),
            b.lt(q, b.mul(b.arctan2(b.add(b.mul(a, 0), 1), size), 1 / math.pi)),
        )
        inverse = b.compute(INVERSE, b.log(b.select(tail, q, 0.1)), b.select(tail, size, 1.0))
        known = b.bit_and(b.bit_and(b.gt(q, 0), b.lt(q, 1)), b.lt(b.abs(a), math.inf))
        inside = b.bit_and(known, b.bit_not(tail))  # elsewhere Boost might raise an exception
        q = b.select(inside, q, 0.5)
        zero = b.mul(q, 0)
        value = b.compute(skewnorm, q, zero, b.add(zero, 1), b.select(inside, a, 0.0))
        return b.select(known, b.select(tail, b.mul(inverse, -sign), value), math.nan)

    # dF/dx is the density 2 phi(x) Phi(a x), and dF/da = -exp(-x^2 (1 + a^2) / 2) / pi (1 + a^2)
    def in_q(t: Any, x: Any, q: Any, a: Any) -> Any:
        return mul(div(t, exp(_log_density(x, a))), sign)

    def in_a(t: Any, x: Any, q: Any, a: Any) -> Any:
        square = add(mul(a, a), 1)
        above = exp(neg(add(mul(mul(mul(x, x), square), 0.5), _log_density(x, a))))
        return mul(t, div(mul(above, 1 / math.pi), square))

    return in_double(ufunc.lstrip("_"), kernel, (in_q, in_a), low=0.2, high=0.8)


def _log_density(x: Any, a: Any) -> Any:
    return add(sub(log_ndtr(mul(a, x)), mul(mul(x, x), 0.5)), 0.5 * math.log(2 / math.pi))


skewnorm_ppf, skewnorm_isf = _quantile("_skewnorm_ppf", 1), _quantile("_skewnorm_isf", -1)
