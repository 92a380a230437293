"""Moments that say how a quantile of the gamma distribution moves with its shape.

Where F(x; a) = u stays the same, x moves with a as dx/da = -(dF/da) / p, with the density p (M. Figurnov, S. Mohamed
and A. Mnih, *Implicit reparameterization gradients*, 2018). With t = x e^(-s) below x, and t = x e^s above, the
integral of the derivative of the density over either tail becomes one that decreases in s and hardly changes its sign.
Of the lower tail where x <= a (sigma = -1), of the upper one elsewhere (sigma = 1),

    d log x / da  =  sigma (log x - psi(a)) m_0  +  m_1
    m_k  =  integral over s > 0 of s^k e^(-q(s)),    q(s) = |x - a| s + x (e^(sigma s) - 1 - sigma s)

The density cancels, so nothing over- or underflows, and m_0 is the incomplete gamma function over its leading factor:
gamma(a, x) e^x / x^a below, Gamma(a, x) e^x / x^a above. Moments have moments as their derivatives:

    dm_k/da = sigma m_(k+1),    x dm_k/dx = (x - a) m_k - sigma (k m_(k-1), or 1 where k = 0)

An estimate of the s with q(s) = 36 bounds an integral to 16 digits. It is taken by Gauss and Legendre's formula in the
square root of s, with 32 nodes: to 3e-13 for a >= 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.caches import cached
from functad.kernel_ir.rules import Pointwise
from functad.primitives.arithmetic import div, mul, sub
from functad.primitives.comparison import gt
from functad.primitives.elementwise import Op, elementwise, formula, single_rounding
from functad.primitives.selection import select
from functad.primitives.special import digamma

__all__ = ["gamma_moment", "log_quantile_slope"]

EXPONENT = 36.0
COUNT = 32


@cached(1)
def _nodes() -> list[tuple[float, float]]:
    """The nodes r^2 in [0, 1], from those r of the formula, and their weights: w / 2 times 2 r."""
    nodes, weights = np.polynomial.legendre.leggauss(COUNT)
    roots = (nodes + 1) / 2
    return list(zip((roots**2).tolist(), (weights * roots).tolist(), strict=True))


def gamma_moment(a: Any, x: Any, order: int = 0) -> Any:
    """The moment m_k for a >= 1 and x > 0."""
    return _moment(a, x, order=order)


def log_quantile_slope(a: Any, x: Any, log_x: Any) -> Any:
    """The derivative of the logarithm of a quantile of the gamma distribution in its shape.

    Below a = 1 from that of a + 1, as the distribution functions of the two differ by x^a e^(-x) / Gamma(a + 1):
    d log x / da = (x (d log x / db at b = a + 1) - log x + psi(a + 1)) / a.
    """
    small = gt(1, a)
    b = select(small, a + 1, a)
    psi = digamma(b)
    distance = mul(_side(b, x), sub(log_x, psi))
    slope = mul(distance, gamma_moment(b, x)) + gamma_moment(b, x, 1)
    return select(small, div(mul(x, slope) - sub(log_x, psi), select(small, a, 1)), slope)


def _side(a: Any, x: Any) -> Any:
    """sigma."""
    return select(gt(x, a), a.dtype.type(1), -1)


def _bound(b: Any, a: Any, x: Any, above: Any) -> Any:
    """An s with q(s) >= EXPONENT, and hardly more.

    Below, where e^-s - 1 + s >= s^2 / (2 + s), and above, where e^s - 1 - s >= s^2 / 2, by an equation of second order;
    above, s <= log(1 + (EXPONENT + a s) / x), too.
    """
    d = b.abs(b.sub(x, a))
    p = b.sub(b.mul(d, 2.0), EXPONENT)
    below = b.div(4 * EXPONENT, b.add(p, b.sqrt(b.add(b.mul(p, p), b.mul(a, 8 * EXPONENT)))))
    square = b.add(b.mul(d, d), b.mul(x, 2 * EXPONENT))
    first = b.div(2 * EXPONENT, b.add(d, b.sqrt(square)))
    second = b.log1p(b.div(b.add(b.mul(a, first), EXPONENT), x))
    return b.select(above, b.minimum(first, second), below)


def _moment_kernel(b: Any, a: Any, x: Any, *, order: int) -> Any:
    above = b.gt(x, a)
    bound = _bound(b, a, x, above)
    side = b.select(above, b.const(1, x.dtype), -1.0)
    d = b.abs(b.sub(x, a))
    total = b.const(0, x.dtype)
    for node, factor in _nodes():
        s = b.mul(bound, node)
        turned = b.mul(side, s)
        q = b.add(b.mul(d, s), b.mul(x, b.sub(b.expm1(turned), turned)))
        term = b.mul(b.exp(b.neg(q)), factor)
        for _ in range(order):
            term = b.mul(term, s)
        total = b.add(total, term)
    return b.mul(total, bound)


def _by_x(a: Any, x: Any, m: Any, order: int) -> Any:
    """dm_k/dx."""
    last = mul(gamma_moment(a, x, order - 1), order) if order else 1
    return div(sub(mul(sub(x, a), m), mul(_side(a, x), last)), x)


_moment: Op = elementwise(
    "gamma_moment", formula(_moment_kernel), kinds="f", operands=2, low=1.0, high=8.0, singular=True,
    kernel=Pointwise(single_rounding(_moment_kernel), static=("order",)), params=({"order": 0}, {"order": 1}),
    jvp=(
        lambda t, m, a, x, *, order: mul(t, mul(_side(a, x), gamma_moment(a, x, order + 1))),
        lambda t, m, a, x, *, order: mul(t, _by_x(a, x, m, order)),
    ),
    doc="The moment of an order of how quantiles of the gamma distribution move with its shape.",
)  # fmt: skip
