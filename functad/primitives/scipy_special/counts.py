"""Quantiles of counts, and parameters of counts in which distribution functions have no known derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from functad.primitives.elementwise import Op
from functad.primitives.scipy_special.library import in_double, loop_operation, operation, unknown

__all__ = ["binom_isf", "binom_ppf", "held", "nbinom_isf", "nbinom_ppf", "poisson_ppf"]

# -- quantiles are steps: they have derivative 0 -----------------------------------------------------------------------


def _quantile(ufunc: str, largest: Callable[..., Any]) -> Op:
    """Of a probability and two parameters, by Boost; NaN where a quantile might be larger than all numbers, which Boost
    raises an exception for.
    """
    boost = loop_operation(ufunc, 3)

    def kernel(b: Any, q: Any, n: Any, p: Any) -> Any:
        inside = b.bit_and(b.bit_and(b.gt(q, 0), b.lt(q, 1)), b.lt(largest(b, n, p), HUGE))
        value = b.compute(boost, b.select(inside, q, 0.5), b.select(inside, n, 1.0), b.select(inside, p, 0.5))
        return b.select(inside, value, math.nan)

    return in_double(ufunc.lstrip("_"), kernel, (None, None, None), low=0.2, high=0.8, smooth=False)


def _failures(b: Any, n: Any, p: Any) -> Any:
    return b.div(n, p)


HUGE = 1e300

binom_ppf, binom_isf = [_quantile(f"_binom_{name}", lambda b, n, p: n) for name in ("ppf", "isf")]
nbinom_ppf, nbinom_isf = [_quantile(f"_nbinom_{name}", _failures) for name in ("ppf", "isf")]

PDTR, PDTRIK = operation("pdtr", 2), operation("pdtrik", 2)


def _poisson_ppf(b: Any, q: Any, mu: Any) -> Any:
    """What ``pdtrik`` finds between the integers is rounded up, unless that was a rounding too much."""
    k = b.ceil(b.compute(PDTRIK, q, mu))
    before = b.maximum(b.sub(k, 1), 0)
    return b.select(b.ge(b.compute(PDTR, before, mu), q), before, k)


poisson_ppf = in_double("poisson_ppf", _poisson_ppf, (None, None), low=0.2, high=0.8, smooth=False)

# -- parameters --------------------------------------------------------------------------------------------------------


def held(distribution: str, argument: str) -> Op:
    """A parameter as it is, and without a derivative: where a sum has as many terms as it says, that is none of the
    sum's formula.
    """
    name = f"{distribution}.{argument}"
    rule = unknown(distribution, argument, "scipy.stats")
    return in_double(name, lambda b, x: b.mul(x, 1), (rule,), singular=False)
