"""Hyperbolic functions and their inverses.

The derivatives of tanh and of the inverses are functions of their own, whose derivatives are products of factors that
neither cancel nor overflow: as compositions they would lose digits near 0, near 1, or in a tail.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.core.primitive import type_of
from functad.kernel_ir.complex import Complex
from functad.kernel_ir.ops import OPS, in_single
from functad.primitives.arithmetic import add, mul, neg, reciprocal, square, sub
from functad.primitives.complex import joined
from functad.primitives.elementwise import Op, elementwise, of_complex
from functad.primitives.selection import finite

__all__ = [
    "arccosh",
    "arccosh_slope",
    "arcsinh",
    "arcsinh_slope",
    "arctanh",
    "arctanh_slope",
    "cosh",
    "sinh",
    "tanh",
    "tanh_slope",
]

sinh = elementwise("sinh", np.sinh, kinds="fc", singular=True, jvp=lambda t, y, x: mul(t, cosh(x)))

cosh: Op = elementwise("cosh", np.cosh, kinds="fc", singular=True, jvp=lambda t, y, x: mul(t, sinh(x)))

# d tanh x = (1 - tanh^2 x) dx = dx / cosh^2 x, which is 4 z / (1 + z)^2 with z = e^(-2 |x|): nothing cancels or
# overflows
tanh = elementwise("tanh", np.tanh, kinds="fc", jvp=lambda t, y, x: mul(t, tanh_slope(x)))


def _tanh_slope(x: Any) -> Any:
    if x.dtype.kind != "c":
        return OPS["tanh_slope"].function(x)
    far = np.abs(x.real) > TAIL
    near = np.reciprocal(np.square(np.cosh(np.where(far, 0, x))))  # 1 + z would cancel at the poles
    size = 4 * np.exp(-2 * np.abs(x.real))
    return np.where(far, joined(size * np.cos(2 * x.imag), np.copysign(size, -x.real) * np.sin(2 * x.imag)), near)[()]


TAIL = 20.0
"""Where |Re x| is larger, 1 + z is 1."""

# d (1 / cosh^2 x) = -2 tanh x / cosh^2 x
tanh_slope: Op = elementwise(
    "tanh_slope", _tanh_slope, kinds="fc",
    jvp=lambda t, y, x: mul(t, mul(mul(y, tanh(x)), -2)),
    doc="The derivative of tanh, 1 / cosh(x)**2, precise in both tails.",
)  # fmt: skip

# -- inverses: the derivative, that of which is a multiple of its own cube or square -----------------------------------


@in_single
def _arcsinh_slope(x: Any) -> Any:
    """1 / hypot(x, 1) where x is real: it cannot overflow."""
    if x.dtype.kind != "c":
        return np.reciprocal(np.hypot(x, 1))
    return np.reciprocal(np.sqrt(joined(1 - x.imag, x.real))) / np.sqrt(joined(1 + x.imag, -x.real))


def _arcsinh_slope_kernel(b: Any, x: Any) -> Any:
    if not isinstance(x, Complex):
        return b.reciprocal(b.hypot(x, 1))
    return b.div(b.reciprocal(b.sqrt(Complex(b.sub(1, x.im), x.re))), b.sqrt(Complex(b.add(1, x.im), b.neg(x.re))))


arcsinh = elementwise(
    "arcsinh",
    np.arcsinh,
    kinds="fc",
    low=-0.9,
    high=0.9,
    singular=of_complex,
    jvp=lambda t, y, x: mul(t, arcsinh_slope(x)),
)

# y = (x^2 + 1)^(-1/2), for complex x (1 + ix)^(-1/2) (1 - ix)^(-1/2): dy = -x y^3 dx, where x y is 1 at most
arcsinh_slope: Op = elementwise(
    "arcsinh_slope", _arcsinh_slope, kinds="fc", low=-0.9, high=0.9, singular=of_complex, kernel=_arcsinh_slope_kernel,
    jvp=lambda t, y, x: neg(mul(t, mul(square(y), mul(finite(x), y)))),
    doc="The derivative of arcsinh, 1 / sqrt(1 + x**2).",
)  # fmt: skip

arccosh = elementwise(
    "arccosh", np.arccosh, kinds="fc", low=1.2, high=3.0, singular=True, jvp=lambda t, y, x: mul(t, arccosh_slope(x))
)


def _arccosh_curvature(t: Any, y: Any, x: Any) -> Any:
    """-x y^3; for real x as -y (1 / (x - 1) + 1 / (x + 1)) / 2, where higher derivatives at 1 are no inf - inf."""
    if type_of(x).dtype.kind == "c":
        return neg(mul(t, mul(square(y), mul(finite(x), y))))
    return mul(t, mul(mul(y, add(reciprocal(sub(x, 1)), reciprocal(add(x, 1)))), -0.5))


# y = (x - 1)^(-1/2) (x + 1)^(-1/2), which is not (x^2 - 1)^(-1/2) in the left half-plane.
# 1 is added as -(-1): so a zero imaginary part keeps its sign, which says on which side of a branch cut x lies
arccosh_slope: Op = elementwise(
    "arccosh_slope", in_single(lambda x: np.reciprocal(np.sqrt(x - 1)) / np.sqrt(x - (-1))), kinds="fc", low=1.2,
    high=3.0, singular=True, kernel=lambda b, x: b.div(b.reciprocal(b.sqrt(b.sub(x, 1))), b.sqrt(b.sub(x, -1))),
    jvp=_arccosh_curvature, doc="The derivative of arccosh, 1 / sqrt(x**2 - 1).",
)  # fmt: skip

arctanh = elementwise(
    "arctanh", np.arctanh, kinds="fc", low=-0.9, high=0.9, singular=True, jvp=lambda t, y, x: mul(t, arctanh_slope(x))
)

# y = 1 / ((1 - x) (1 + x)), dy = 2 x y^2 dx
arctanh_slope: Op = elementwise(
    "arctanh_slope", in_single(lambda x: np.reciprocal(1 - x) / (1 + x)), kinds="fc", low=-0.9, high=0.9, singular=True,
    kernel=lambda b, x: b.div(b.reciprocal(b.sub(1, x)), b.add(1, x)),
    jvp=lambda t, y, x: mul(t, mul(mul(y, mul(y, finite(x))), 2)),
    doc="The derivative of arctanh, 1 / (1 - x**2).",
)  # fmt: skip
