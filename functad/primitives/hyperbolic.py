"""Hyperbolic functions and their inverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.core.primitive import type_of
from functad.primitives.arithmetic import add, div, mul, square, sub
from functad.primitives.elementwise import Op, elementwise, of_complex
from functad.primitives.powers import hypot, sqrt

__all__ = ["arccosh", "arcsinh", "arctanh", "cosh", "sinh", "tanh"]

sinh = elementwise("sinh", np.sinh, kinds="fc", singular=True, jvp=lambda t, y, x: mul(t, cosh(x)))

cosh: Op = elementwise("cosh", np.cosh, kinds="fc", singular=True, jvp=lambda t, y, x: mul(t, sinh(x)))

# d tanh x = (1 - tanh^2 x) dx: from the result, so that it saturates to zero where 1 / cosh^2 x would be inf / inf in higher orders
tanh = elementwise("tanh", np.tanh, kinds="fc", jvp=lambda t, y, x: mul(t, sub(1, square(y))))


def _arcsinh_root(x: Any) -> Any:
    """sqrt(x^2 + 1), as hypot(x, 1) where x is real: it cannot overflow.

    Where x is complex, 1 is added as -(-1): so a zero imaginary part keeps its sign, which says on which side of a branch cut x lies.
    """
    return hypot(x, 1) if type_of(x).dtype.kind == "f" else sqrt(sub(square(x), -1))


# d arcsinh x = dx / sqrt(x^2 + 1)
arcsinh = elementwise("arcsinh", np.arcsinh, kinds="fc", low=-0.9, high=0.9, singular=of_complex, jvp=lambda t, y, x: div(t, _arcsinh_root(x)))

# d arccosh x = dx / (sqrt(x - 1) sqrt(x + 1)), which is not sqrt(x^2 - 1) in the left half-plane; x - (-1) as for arcsinh
arccosh = elementwise(
    "arccosh", np.arccosh, kinds="fc", low=1.2, high=3.0, singular=True,
    jvp=lambda t, y, x: div(t, mul(sqrt(sub(x, 1)), sqrt(sub(x, -1)))),
)  # fmt: skip

# d arctanh x = dx / ((1 - x) (1 + x))
arctanh = elementwise(
    "arctanh", np.arctanh, kinds="fc", low=-0.9, high=0.9, singular=True,
    jvp=lambda t, y, x: div(t, mul(sub(1, x), add(x, 1))),
)  # fmt: skip
