"""Arithmetic: the ring operations and division, the linear operations that all other derivative rules are written in."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.core.primitive import Linear
from functad.kernel_ir.complex import product_of_scalars
from functad.primitives.elementwise import Op, elementwise, unbroadcast

__all__ = ["add", "div", "mul", "multiply", "neg", "reciprocal", "square", "sub"]


def is_linear(operand: Any) -> bool:
    """Whether a transpose rule is asked for this operand's cotangent."""
    return type(operand) is Linear


def _sum_transpose(ct: Any, x: Any, y: Any) -> tuple[Any, Any]:
    return unbroadcast(ct, x) if is_linear(x) else None, unbroadcast(ct, y) if is_linear(y) else None


def _sub_transpose(ct: Any, x: Any, y: Any) -> tuple[Any, Any]:
    return unbroadcast(ct, x) if is_linear(x) else None, neg(unbroadcast(ct, y)) if is_linear(y) else None


def _mul_transpose(ct: Any, x: Any, y: Any) -> tuple[Any, Any]:
    if is_linear(x):
        return unbroadcast(mul(ct, y), x), None
    return None, unbroadcast(mul(x, ct), y)


def _div_transpose(ct: Any, x: Any, y: Any) -> tuple[Any, Any]:
    return unbroadcast(div(ct, y), x), None


neg: Op = elementwise(
    "neg", np.negative, kinds="fciu", cheap=True,
    jvp=lambda t, y, x: neg(t),
    linear="jointly", transpose=lambda ct, x: (neg(ct),),
)  # fmt: skip

add = elementwise(
    "add", np.add, kinds="fciu", operands=2, cheap=True,
    jvp=(lambda t, z, x, y: t, lambda t, z, x, y: t),
    linear="jointly", transpose=_sum_transpose,
)  # fmt: skip

sub = elementwise(
    "sub", np.subtract, kinds="fciu", operands=2, cheap=True,
    jvp=(lambda t, z, x, y: t, lambda t, z, x, y: neg(t)),
    linear="jointly", transpose=_sub_transpose,
)  # fmt: skip


NUMBERS = frozenset((np.float64, np.float32, np.complex128, np.complex64))


def multiply(x: Any, y: Any) -> Any:
    """The product; of scalars by their own operator. NumPy's loops fuse a product of complex numbers with a sum, but,
    given scalars, at times do not; the operator never does, and is faster."""
    if type(x) in NUMBERS and type(y) in NUMBERS:
        return x * y
    return np.multiply(x, y) if x.ndim or y.ndim or x.dtype.kind != "c" else x[()] * y[()]


mul: Op = elementwise(
    "mul", multiply, kinds="fciu", operands=2, cheap=True,
    jvp=(lambda t, z, x, y: mul(t, y), lambda t, z, x, y: mul(x, t)),
    linear="each", transpose=_mul_transpose, scalar_kernel=product_of_scalars,
)  # fmt: skip

# d(x/y) = dx/y - (x/y) dy/y: reusing the quotient, and dividing last, keeps it finite wherever the result is
div: Op = elementwise(
    "div", np.true_divide, kinds="fc", operands=2, low=0.5,
    jvp=(lambda t, z, x, y: div(t, y), lambda t, z, x, y: div(mul(neg(t), z), y)),
    linear=(0,), transpose=_div_transpose,
)  # fmt: skip

square = elementwise(
    "square", lambda x: np.square(x) if x.ndim else multiply(x, x), kinds="fciu", cheap=True,
    jvp=lambda t, y, x: mul(t, mul(x, 2)),
    scalar_kernel=lambda b, x: product_of_scalars(b, x, x),
)  # fmt: skip

# d(1/x) = -(1/x)^2 dx
reciprocal = elementwise(
    "reciprocal", np.reciprocal, kinds="fc", low=0.5,
    jvp=lambda t, y, x: neg(mul(t, square(y))),
)  # fmt: skip
