"""The zeta functions of Riemann and Hurwitz; the latter's derivative in q is -s zeta(s + 1, q)."""

from __future__ import annotations

from functad.primitives.arithmetic import add, mul, neg
from functad.primitives.elementwise import Op
from functad.primitives.scipy_special.library import loop, unknown

__all__ = ["hurwitz_zeta", "riemann_zeta"]

riemann_zeta = loop("riemann_zeta", "_riemann_zeta", unknown("zeta", "x"), low=1.5, high=4.0)

hurwitz_zeta: Op = loop(
    "hurwitz_zeta", "_zeta",
    (unknown("zeta", "x"), lambda t, y, s, q: neg(mul(t, mul(s, hurwitz_zeta(add(s, 1), q))))), low=1.5, high=4.0,
)  # fmt: skip
