"""Pseudo-Huber's loss d^2 (sqrt(1 + (r / d)^2) - 1).

With h = hypot(d, r) it is r^2 d / (d + h); its derivatives are d r / h in r and r^4 / (h (d + h)^2) in d.
"""

from __future__ import annotations

from typing import Any

from functad.primitives.arithmetic import add, div, mul
from functad.primitives.elementwise import Op
from functad.primitives.powers import hypot
from functad.primitives.scipy_special.library import in_double

__all__ = ["pseudo_huber"]


def _value(b: Any, d: Any, r: Any) -> Any:
    total = b.add(b.abs(d), b.hypot(d, r))  # without cancelling where d < 0
    return b.select(b.eq(total, 0), 0.0, b.mul(d, b.mul(r, b.div(r, b.select(b.eq(total, 0), 1.0, total)))))


def _in_delta(t: Any, y: Any, d: Any, r: Any) -> Any:
    h = hypot(d, r)
    share = div(r, add(d, h))
    return mul(t, mul(mul(share, share), mul(r, div(r, h))))


pseudo_huber: Op = in_double(
    "pseudo_huber", _value, (_in_delta, lambda t, y, d, r: mul(t, mul(d, div(r, hypot(d, r))))),
    doc="Pseudo-Huber's loss, for d >= 0.",
)  # fmt: skip
