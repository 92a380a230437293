"""Derivatives of sums of exponentials: of softmax, its logarithm, and the logarithm of the sum.

Differentiated step by step, the derivative of a weight w would be w - w^2, and of its logarithm 1 - w, which lose their
digits where one exponential outweighs the others.
"""

from __future__ import annotations

from typing import Any

from functad.core.primitive import type_of
from functad.primitives.arithmetic import mul, sub
from functad.primitives.broadcasting import reduce_sum
from functad.primitives.comparison import gt
from functad.primitives.functions_of import Axes, function_of, spread_over
from functad.primitives.selection import select

__all__ = ["log_softmax_of", "logsumexp_of", "softmax_of"]


def _deviation(t: Any, w: Any, axes: Axes) -> Any:
    """t less its mean with weights w.

    Where one weight m is more than 1/2, t_m is taken from all t first: then nothing is left of t_m itself, and the mean
    is over the others.
    """
    if type_of(w).dtype.kind == "c":
        return sub(t, spread_over(reduce_sum(mul(w, t), axes), t, axes))
    heavy = gt(w, 0.5)
    others = select(heavy, 0, w)
    t_heavy = reduce_sum(select(heavy, t, 0), axes)
    mean = sub(reduce_sum(mul(others, t), axes), mul(reduce_sum(others, axes), t_heavy))
    return sub(select(heavy, 0, sub(t, spread_over(t_heavy, t, axes))), spread_over(mean, t, axes))


softmax_of = function_of("softmax_of", (False,), lambda t, xs, w, axes: mul(w, _deviation(t, w, axes)))

log_softmax_of = function_of("log_softmax_of", (False, False), lambda t, xs, y, axes: _deviation(t, xs[1], axes))

logsumexp_of = function_of("logsumexp_of", (True, False), lambda t, xs, y, axes: reduce_sum(mul(xs[1], t), axes))
