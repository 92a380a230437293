"""Moments of the distribution of von Mises: for x from 0 to pi

    M_n(x, k) = integral from -pi to -x of (cos t - 1)^n f(t),    f(t) = exp(k (cos t - 1)) / 2 pi i0e(k)

of which M_0 is the distribution function. All are integrals of functions that keep their sign, and

    dM_n/dx = -(cos x - 1)^n f(x),    dM_n/dk = M_(n+1) + r(k) M_n,    r = 1 - I_1(k) / I_0(k)

Gauss's and Legendre's rule in sqrt(t - x), of -t, goes up to pi, or to where f is exp(-39) of what it is at x.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from functad.kernel_ir.ops import iteration
from functad.primitives.arithmetic import div, mul, neg
from functad.primitives.bessel import modified_bessel
from functad.primitives.elementwise import Op
from functad.primitives.exponential import exp
from functad.primitives.scipy_special.densities import nodes
from functad.primitives.scipy_special.library import either, in_double
from functad.primitives.trigonometric import sin

__all__ = ["vonmises_moment"]

NODES = 40
DEEP = 39.0

REST_OF_PI = 1.2246467991473532e-16
"""What pi is more than the number next to it."""


def _haversine(b: Any, t: Any) -> Any:
    """1 - cos t."""
    half = b.sin(b.mul(t, 0.5))
    return b.mul(b.mul(half, half), 2.0)


@functools.cache
def _quadrature(order: int) -> str:
    def step(b: Any, row: Any, state: Any, x: Any, width: Any, kappa: Any, least: Any) -> Any:
        """``least`` is 1 - cos x."""
        point, weight = row
        size = _haversine(b, b.add(x, b.mul(width, point)))
        value = b.exp(b.mul(kappa, b.sub(least, size)))
        for _ in range(order):
            value = b.mul(value, size)
        return (b.add(state[0], b.mul(value, weight)),)

    table = tuple([(y * y, 2 * y * c) for y, c in nodes(NODES)])
    return iteration(f"vonmises_moment_{order}", 4, table, lambda b, x, *_: (b.mul(x, 0),), step)


def _moment(b: Any, x: Any, kappa: Any, normal: Any, *, order: int) -> Any:
    """``normal`` is i0e(kappa)."""
    least = _haversine(b, x)
    deepest = b.minimum(b.add(least, b.div(DEEP, kappa)), 2.0)
    width = b.sub(b.mul(b.arcsin(b.sqrt(b.mul(deepest, 0.5))), 2.0), x)
    width = b.add(width, either(b, b.eq(deepest, 2.0), REST_OF_PI, 0.0))
    total = b.compute(_quadrature(order), x, width, kappa, least)
    scale = b.div(b.mul(width, b.exp(b.neg(b.mul(kappa, least)))), b.mul(normal, (-1) ** order * 2 * math.pi))
    return b.mul(total, scale)


def _in_x(t: Any, y: Any, x: Any, kappa: Any, normal: Any, *, order: int) -> Any:
    half = sin(mul(x, 0.5))
    size = mul(mul(half, half), -2)
    value = div(mul(exp(mul(kappa, size)), 1 / (2 * math.pi)), normal)
    for _ in range(order):
        value = mul(value, size)
    return neg(mul(t, value))


_moment_op: Op = in_double(
    "vonmises_moment", _moment,
    (
        _in_x,
        lambda t, y, x, kappa, normal, *, order: mul(t, _moment_op(x, kappa, normal, order=order + 1)),
        lambda t, y, x, kappa, normal, *, order: neg(mul(t, div(y, normal))),
    ),
    static=("order",), params=({"order": 0}, {"order": 1}),
)  # fmt: skip


def vonmises_moment(x: Any, kappa: Any) -> Any:
    """The distribution function at -x, for x from 0 to pi."""
    return _moment_op(x, kappa, modified_bessel(kappa, 0, scaled=True), order=0)
