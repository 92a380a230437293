"""functad's own scalar math, in LLVM text that vectorises: no branches but rare ones, IEEE-correct everywhere, within 2
ulp (slopes: 4).

``MATH[name](lanes, dtype, *operands)`` writes one function of ``f64`` or ``f32`` operands and returns the name of its
result. One file a family; formulas are written with ``values.Value``; coefficients come from ``tools/minimax.py``.
"""

from __future__ import annotations

from collections.abc import Callable

from functad.lower.llvm.lanes import Lanes
from functad.lower.math.error_function import erf, erfc
from functad.lower.math.exponential import exp, exp2, expm1, expm1_slope, sigmoid, sigmoid_slope, tanh_half
from functad.lower.math.hyperbolic import cosh, sinh, tanh, tanh_slope
from functad.lower.math.inverse_hyperbolic import arccosh, arcsinh, arctanh
from functad.lower.math.inverse_trigonometric import arccos, arcsin, arctan, arctan2
from functad.lower.math.logarithm import log, log1p, log2, log10, logaddexp, softplus
from functad.lower.math.powers import power
from functad.lower.math.remainder import fmod
from functad.lower.math.roots import cbrt, hypot, unit_x, unit_y, x_over_square, y_over_square
from functad.lower.math.trigonometric import cos, sin, tan
from functad.lower.math.values import Value

__all__ = ["MATH"]

MathFunction = Callable[..., str]


def _on_names(function: Callable[..., Value]) -> MathFunction:
    def write(lanes: Lanes, dtype: str, *operands: str) -> str:
        return function(*(Value(lanes, dtype, x) for x in operands)).name

    return write


MATH: dict[str, MathFunction] = {
    function.__name__: _on_names(function)
    for function in (
        exp, exp2, expm1, expm1_slope, sigmoid, sigmoid_slope, tanh_half,
        log, log2, log10, log1p, softplus, logaddexp,
        sin, cos, tan, arcsin, arccos, arctan, arctan2,
        sinh, cosh, tanh, tanh_slope, arcsinh, arccosh, arctanh,
        power, cbrt, hypot, unit_x, unit_y, x_over_square, y_over_square, fmod, erf, erfc,
    )
}  # fmt: skip
