"""Trigonometric functions and their inverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.core.primitive import type_of
from functad.kernel_ir.complex import Complex
from functad.kernel_ir.ops import OPS, in_single
from functad.primitives.arithmetic import add, div, mul, neg, square, sub
from functad.primitives.complex import imag, joined, make_complex, real
from functad.primitives.elementwise import Op, elementwise, of_complex
from functad.primitives.hyperbolic import tanh_slope
from functad.primitives.powers import hypot, unit_x, unit_y
from functad.primitives.selection import finite

__all__ = [
    "arccos", "arcsin", "arcsin_slope", "arctan", "arctan2", "arctan_slope", "cos", "sin", "tan", "x_over_square",
    "y_over_square",
]  # fmt: skip

sin = elementwise("sin", np.sin, kinds="fc", jvp=lambda t, y, x: mul(t, cos(x)))

cos: Op = elementwise("cos", np.cos, kinds="fc", jvp=lambda t, y, x: neg(mul(t, sin(x))))


# d tan x = (1 + tan^2 x) dx; tan z nears +-i as z goes away from the real axis, there it is 1 / cosh^2 iz
def _tan_jvp(t: Any, y: Any, x: Any) -> Any:
    if type_of(x).dtype.kind == "c":
        return mul(t, tanh_slope(make_complex(neg(imag(x)), real(x))))
    return mul(t, add(square(y), 1))


tan = elementwise("tan", np.tan, kinds="fc", low=-1.2, high=1.2, jvp=_tan_jvp)

# -- inverses: the derivative's own is a multiple of its cube or square, so that nothing cancels near 0 or 1 -----------


@in_single
def _arcsin_slope(x: Any) -> Any:
    """1 - x is written, for a complex x, so that a zero imaginary part keeps its sign, which says on which side of a
    branch cut x lies.
    """
    if x.dtype.kind == "c":
        return np.reciprocal(np.sqrt(-(x - 1))) / np.sqrt(x - (-1))
    return np.reciprocal(np.sqrt((1 - x) * (1 + x)))


def _arcsin_slope_kernel(b: Any, x: Any) -> Any:
    if isinstance(x, Complex):
        return b.div(b.reciprocal(b.sqrt(Complex(b.sub(1, x.re), b.neg(x.im)))), b.sqrt(Complex(b.add(1, x.re), x.im)))
    return b.reciprocal(b.sqrt(b.mul(b.sub(1, x), b.add(1, x))))


arcsin = elementwise(
    "arcsin", np.arcsin, kinds="fc", low=-0.9, high=0.9, singular=True, jvp=lambda t, y, x: mul(t, arcsin_slope(x))
)

arccos = elementwise(
    "arccos", np.arccos, kinds="fc", low=-0.9, high=0.9, singular=True, jvp=lambda t, y, x: neg(mul(t, arcsin_slope(x)))
)

# y = (1 - x)^(-1/2) (1 + x)^(-1/2): dy = x y^3 dx
arcsin_slope: Op = elementwise(
    "arcsin_slope", _arcsin_slope, kinds="fc", low=-0.9, high=0.9, singular=True, kernel=_arcsin_slope_kernel,
    jvp=lambda t, y, x: mul(t, mul(square(y), mul(finite(x), y))),
    doc="The derivative of arcsin, 1 / sqrt(1 - x**2).",
)  # fmt: skip


@in_single
def _arctan_slope(x: Any) -> Any:
    """Factored where x is complex: (1 + ix) (1 - ix)."""
    if x.dtype.kind == "c":
        return np.reciprocal(joined(1 - x.imag, x.real)) / joined(1 + x.imag, -x.real)
    return np.reciprocal(1 + np.square(x))


def _arctan_slope_kernel(b: Any, x: Any) -> Any:
    if isinstance(x, Complex):
        return b.div(b.reciprocal(Complex(b.sub(1, x.im), x.re)), Complex(b.add(1, x.im), b.neg(x.re)))
    return b.reciprocal(b.add(1, b.mul(x, x)))


arctan = elementwise("arctan", np.arctan, kinds="fc", singular=of_complex, jvp=lambda t, y, x: mul(t, arctan_slope(x)))

# y = 1 / (1 + x^2): dy = -2 x y^2 dx, where x y is 1/2 at most
arctan_slope: Op = elementwise(
    "arctan_slope", _arctan_slope, kinds="fc", singular=of_complex, kernel=_arctan_slope_kernel,
    jvp=lambda t, y, x: mul(t, mul(mul(y, mul(y, finite(x))), -2)),
    doc="The derivative of arctan, 1 / (1 + x**2).",
)  # fmt: skip

# with r^2 = x^2 + y^2: d arctan2(y, x) = (x dy - y dx) / r^2, and r^2 would overflow or vanish long before the quotient
# does
arctan2 = elementwise(
    "arctan2", np.arctan2, kinds="f", operands=2, low=0.5, singular=True,
    jvp=(lambda t, z, y, x: mul(t, x_over_square(x, y)), lambda t, z, y, x: neg(mul(t, y_over_square(x, y)))),
    doc="The angle of the point (x, y), given as ``arctan2(y, x)``; at the origin it has no derivative, NaN.",
)  # fmt: skip


def _difference_of_squares(x: Any, y: Any) -> Any:
    """(s^2 - c^2) / r^2, where c and s are the parts of the unit vector."""
    c, s, r = unit_x(x, y), unit_y(x, y), hypot(x, y)
    return div(div(sub(square(s), square(c)), r), r)


def _double_product(x: Any, y: Any) -> Any:
    """-2 c s / r^2."""
    r = hypot(x, y)
    return mul(mul(div(unit_x(x, y), r), div(unit_y(x, y), r)), -2)


# d (c / r) = ((s^2 - c^2) dx - 2 c s dy) / r^2, and so for s / r
x_over_square: Op = elementwise(
    "x_over_square", OPS["x_over_square"].function, kinds="f", operands=2, low=0.5, singular=True,
    jvp=(lambda t, z, x, y: mul(t, _difference_of_squares(x, y)), lambda t, z, x, y: mul(t, _double_product(x, y))),
    doc="x / (x**2 + y**2), without overflow.",
)  # fmt: skip

y_over_square: Op = elementwise(
    "y_over_square", OPS["y_over_square"].function, kinds="f", operands=2, low=0.5, singular=True,
    jvp=(lambda t, z, x, y: mul(t, _double_product(x, y)), lambda t, z, x,
        y: neg(mul(t, _difference_of_squares(x, y)))),
    doc="y / (x**2 + y**2), without overflow.",
)  # fmt: skip
