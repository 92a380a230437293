"""Exponentials, logarithms, and their saturating relatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from functad.kernel_ir.ops import OPS
from functad.primitives.arithmetic import add, div, mul, neg, sub
from functad.primitives.bitwise import bit_and
from functad.primitives.comparison import eq, isinf
from functad.primitives.elementwise import Op, elementwise, formula
from functad.primitives.selection import select

__all__ = [
    "exp", "exp2", "expm1", "expm1_slope", "log", "log10", "log1mexp", "log1p", "log2", "logaddexp", "sigmoid",
    "sigmoid_slope", "softplus", "tanh_half",
]  # fmt: skip

LN2, LN10 = math.log(2), math.log(10)

# -- exponentials: the derivative is the result, up to a constant ------------------------------------------------------

exp = elementwise("exp", np.exp, kinds="fc", singular=True, jvp=lambda t, y, x: mul(t, y))

exp2 = elementwise("exp2", np.exp2, kinds="fc", singular=True, jvp=lambda t, y, x: mul(t, mul(y, LN2)))

# e^x, where y + 1 would lose all digits for negative x; a function of its own, since native code has it at little cost
# beside expm1
expm1 = elementwise("expm1", np.expm1, kinds="fc", singular=True, jvp=lambda t, y, x: mul(t, expm1_slope(x)))

expm1_slope: Op = elementwise(
    "expm1_slope",
    np.exp,
    kinds="fc",
    singular=True,
    jvp=lambda t, y, x: mul(t, y),
    doc="The derivative of expm1, exp(x).",
)

# -- logarithms --------------------------------------------------------------------------------------------------------

log = elementwise("log", np.log, kinds="fc", low=0.5, singular=True, jvp=lambda t, y, x: div(t, x))

# a constant factor goes to t: x may be subnormal, with no digits to spare
log2 = elementwise("log2", np.log2, kinds="fc", low=0.5, singular=True, jvp=lambda t, y, x: div(mul(t, 1 / LN2), x))

log10 = elementwise("log10", np.log10, kinds="fc", low=0.5, singular=True, jvp=lambda t, y, x: div(mul(t, 1 / LN10), x))

log1p = elementwise("log1p", np.log1p, kinds="fc", low=-0.5, singular=True, jvp=lambda t, y, x: div(t, add(x, 1)))

# -- saturating: all derivatives stay finite, and vanish at +-inf ------------------------------------------------------

# y = 1 / (1 + e^-x), dy = y (1 - y) dx, in which 1 - y would lose all digits where x is large: y'(x) = z / (1 + z)^2
# with z = e^-|x|
sigmoid = elementwise(
    "sigmoid", OPS["sigmoid"].function, kinds="f",
    jvp=lambda t, y, x: mul(t, sigmoid_slope(x)),
    doc="1 / (1 + exp(-x)), without overflow.",
)  # fmt: skip


# y'' = y' (1 - 2 y) = -y' tanh(x/2)
sigmoid_slope: Op = elementwise(
    "sigmoid_slope", OPS["sigmoid_slope"].function, kinds="f",
    jvp=lambda t, y, x: neg(mul(t, mul(y, tanh_half(x)))),
    doc="The derivative of the sigmoid, precise in both tails.",
)  # fmt: skip

# tanh(x/2) = 2 sigmoid(x) - 1
tanh_half: Op = elementwise(
    "tanh_half", OPS["tanh_half"].function, kinds="f",
    jvp=lambda t, y, x: mul(t, mul(sigmoid_slope(x), 2)),
    doc="tanh(x / 2).",
)  # fmt: skip

# d log(1 + e^x) = sigmoid(x) dx
softplus = elementwise(
    "softplus", OPS["softplus"].function, kinds="f",
    jvp=lambda t, y, x: mul(t, sigmoid(x)),
    doc="log(1 + exp(x)), without overflow.",
)  # fmt: skip


def _log_odds(x: Any, y: Any) -> Any:
    """x - y, but 0 where both are the same infinity: there they share equally."""
    return select(bit_and(eq(x, y), isinf(x)), 0, sub(x, y))


# d log(e^x + e^y) = sigmoid(x - y) dx + sigmoid(y - x) dy
logaddexp = elementwise(
    "logaddexp", np.logaddexp, kinds="f", operands=2,
    jvp=(lambda t, z, x, y: mul(t, sigmoid(_log_odds(x, y))), lambda t, z, x, y: mul(t, sigmoid(neg(_log_odds(x, y))))),
    doc="log(exp(x) + exp(y)), without overflow.",
)  # fmt: skip


def _log1mexp(b: Any, x: Any) -> Any:
    near = b.gt(x, -LN2)  # there 1 - e^x is less than 1/2
    return b.select(near, b.log(b.neg(b.expm1(x))), b.log1p(b.neg(b.exp(x))))


# d log(1 - e^x) = -e^x / (1 - e^x) dx
log1mexp: Op = elementwise(
    "log1mexp", formula(_log1mexp), kinds="f", low=-2.0, high=-0.5, singular=True, kernel=_log1mexp,
    jvp=lambda t, y, x: mul(t, div(exp(x), expm1(x))),
    doc="log(1 - exp(x)) of negative x, with all digits where x is small and where it is large (M. Maechler, "
    "*Accurately computing log(1 - exp(-|a|))*, 2012).",
)  # fmt: skip
