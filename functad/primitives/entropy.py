"""What relative entropies are made of: log(x / y) and x log(x / y) - x + y of positive numbers, precise where x and y
are nearly equal.
"""

from __future__ import annotations

from typing import Any

from functad.primitives.arithmetic import div, mul, neg
from functad.primitives.elementwise import Op, elementwise, formula

__all__ = ["log_ratio", "log_ratio_kernel", "relative_difference", "relative_entropy", "relative_entropy_kernel"]


def log_ratio_kernel(b: Any, x: Any, y: Any) -> Any:
    """Near 1 by the difference, which is exact; where the quotient may be subnormal, or infinite, as a difference of
    logarithms.
    """
    ratio = b.div(x, y)
    near = b.bit_and(b.gt(ratio, 0.5), b.lt(ratio, 2.0))
    far = b.bit_or(b.lt(ratio, 1e-30), b.gt(ratio, 1e30))
    by_difference = b.log1p(b.div(b.select(near, b.sub(x, y), 0.0), y))
    return b.select(near, by_difference, b.select(far, b.sub(b.log(x), b.log(y)), b.log(ratio)))


log_ratio = elementwise(
    "log_ratio", formula(log_ratio_kernel), kinds="f", operands=2, low=0.5, singular=True, kernel=log_ratio_kernel,
    jvp=(lambda t, z, x, y: div(t, x), lambda t, z, x, y: neg(div(t, y))),
    doc="log(x / y) of positive numbers.",
)  # fmt: skip

# d ((y - x) / y) = -dx / y + x / y^2 dy
relative_difference = elementwise(
    "relative_difference", formula(lambda b, x, y: b.div(b.sub(y, x), y)), kinds="f", operands=2, low=0.5,
    singular=True, kernel=lambda b, x, y: b.div(b.sub(y, x), y),
    jvp=(lambda t, z, x, y: neg(div(t, y)), lambda t, z, x, y: mul(t, div(div(x, y), y))), doc="(y - x) / y.",
)  # fmt: skip

ATANH = tuple(1 / k for k in range(3, 27, 2))
"""atanh(v) = v + the sum of these times v^3, v^5, ..., all digits up to v = 1/5."""


def relative_entropy_kernel(b: Any, x: Any, y: Any) -> Any:
    """With v = (x - y) / (x + y), log(x / y) = 2 atanh v, and x log(x / y) - x + y = (x - y) v + 2 x (atanh(v) - v).

    Both terms are small where v is; C. Loader, *Fast and accurate computation of binomial probabilities*, 2000.
    """
    half_x, half_y = b.mul(x, 0.5), b.mul(y, 0.5)  # their sum does not overflow
    v = b.div(b.sub(half_x, half_y), b.add(half_x, half_y))
    near = b.lt(b.abs(v), 0.2)
    square = b.mul(v, v)
    *others, series = ATANH
    for c in reversed(others):
        series = b.add(b.mul(square, series), c)
    close = b.add(b.mul(b.sub(x, y), v), b.mul(b.mul(b.mul(x, v), 2.0), b.mul(square, series)))
    return b.select(near, close, b.add(b.sub(b.mul(x, log_ratio_kernel(b, x, y)), x), y))


# d = log(x / y) dx + (y - x) / y dy
relative_entropy: Op = elementwise(
    "relative_entropy", formula(relative_entropy_kernel), kinds="f", operands=2, low=0.5, singular=True,
    kernel=relative_entropy_kernel,
    jvp=(lambda t, z, x, y: mul(t, log_ratio(x, y)), lambda t, z, x, y: mul(t, relative_difference(x, y))),
    doc="x log(x / y) - x + y of positive numbers, the term of a Kullback-Leibler divergence.",
)  # fmt: skip
