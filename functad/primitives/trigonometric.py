"""Trigonometric functions and their inverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.core.primitive import type_of
from functad.primitives.arithmetic import add, div, mul, neg, square, sub
from functad.primitives.elementwise import Op, elementwise, of_complex
from functad.primitives.powers import hypot, sqrt

__all__ = ["arccos", "arcsin", "arctan", "arctan2", "cos", "sin", "tan"]

sin = elementwise("sin", np.sin, kinds="fc", jvp=lambda t, y, x: mul(t, cos(x)))

cos: Op = elementwise("cos", np.cos, kinds="fc", jvp=lambda t, y, x: neg(mul(t, sin(x))))

# d tan x = (1 + tan^2 x) dx
tan = elementwise("tan", np.tan, kinds="fc", low=-1.2, high=1.2, jvp=lambda t, y, x: mul(t, add(square(y), 1)))


def _root(x: Any) -> Any:
    """sqrt(1 - x) sqrt(1 + x): factored, nothing cancels near +-1.

    The differences of a complex x are written so that a zero imaginary part keeps its sign, which says on which side of a branch cut
    x lies: (1 + 0i) - x and (1 + 0i) + x would lose it. (For a real x, -(x - 1) is -0 at 1.)
    """
    one_minus = neg(sub(x, 1)) if type_of(x).dtype.kind == "c" else sub(1, x)
    return mul(sqrt(one_minus), sqrt(sub(x, -1)))


# d arcsin x = dx / sqrt(1 - x^2)
arcsin = elementwise("arcsin", np.arcsin, kinds="fc", low=-0.9, high=0.9, singular=True, jvp=lambda t, y, x: div(t, _root(x)))

arccos = elementwise("arccos", np.arccos, kinds="fc", low=-0.9, high=0.9, singular=True, jvp=lambda t, y, x: neg(div(t, _root(x))))

# d arctan x = dx / (1 + x^2)
arctan = elementwise("arctan", np.arctan, kinds="fc", singular=of_complex, jvp=lambda t, y, x: div(t, add(square(x), 1)))


def _over_square(x: Any, r: Any) -> Any:
    return div(div(x, r), r)  # r^2 would overflow or vanish long before the quotient does


# with r^2 = x^2 + y^2: d arctan2(y, x) = (x dy - y dx) / r^2
arctan2 = elementwise(
    "arctan2", np.arctan2, kinds="f", operands=2, low=0.5, singular=True,
    jvp=(lambda t, z, y, x: mul(t, _over_square(x, hypot(x, y))), lambda t, z, y, x: neg(mul(t, _over_square(y, hypot(x, y))))),
    doc="The angle of the point (x, y), given as ``arctan2(y, x)``.",
)  # fmt: skip
