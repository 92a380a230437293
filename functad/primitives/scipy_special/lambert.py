"""Lambert's W on all branches, and Wright's omega, which is W(exp z):

W e^W = z,    W' = W / z (1 + W) = e^-W / (1 + W),    omega' = omega / (1 + omega)
"""

from __future__ import annotations

from typing import Any

from functad.primitives.arithmetic import add, div, mul, neg, reciprocal, sub
from functad.primitives.comparison import lt
from functad.primitives.elementwise import Op
from functad.primitives.exponential import exp
from functad.primitives.rounding import absolute
from functad.primitives.scipy_special.holomorphic import holomorphic
from functad.primitives.scipy_special.library import loop
from functad.primitives.selection import select

__all__ = ["complex_wrightomega", "lambertw", "wrightomega"]


def _lambertw_jvp(t: Any, y: Any, z: Any, **params: Any) -> Any:
    """Where W is small z may be 0, where it is large e^-W has lost digits."""
    small = lt(absolute(y), 1)
    above = select(small, exp(neg(select(small, y, 0.0))), div(y, select(small, 1.0, z)))
    return mul(t, div(above, add(y, 1)))


_lambertw: Op = holomorphic("_lambertw", _lambertw_jvp, constants=2, as_name="lambertw")


def lambertw(z: Any, branch: int, tolerance: float) -> Any:
    """The branch of Lambert's W with a number."""
    return _lambertw(z, c0=branch, c1=tolerance.hex())


def _omega_jvp(t: Any, y: Any, z: Any) -> Any:
    """1 - 1 / (1 + omega) where omega is large: its derivatives do not cancel there."""
    small = lt(absolute(y), 1)
    near, far = select(small, y, 0.0), select(small, 1.0, y)
    return mul(t, select(small, div(near, add(near, 1)), sub(1, reciprocal(add(far, 1)))))


wrightomega: Op = loop(
    "wrightomega", "wrightomega", _omega_jvp, singular=False, low=-2.0, doc="Wright's omega function."
)
complex_wrightomega: Op = holomorphic("wrightomega", _omega_jvp)
