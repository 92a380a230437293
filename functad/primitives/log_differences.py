"""The logarithm of a difference of exponentials."""

from __future__ import annotations

import math
from typing import Any

from functad.primitives.arithmetic import div, mul
from functad.primitives.elementwise import Op, elementwise, formula
from functad.primitives.exponential import exp, expm1

__all__ = ["log1mexp"]

LN2 = math.log(2)


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
