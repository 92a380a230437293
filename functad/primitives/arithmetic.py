"""Arithmetic: the ring operations and division, the linear operations that all other derivative rules are written
in.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.primitive import Linear, type_of
from functad.core.zeros import SPACES, Space
from functad.ir.types import ArrayType
from functad.kernel_ir.complex import Complex, product_of_scalars
from functad.primitives.broadcasting import broadcast, broadcast_p
from functad.primitives.elementwise import Op, elementwise, unbroadcast
from functad.transforms.strong import STRONG

__all__ = [
    "add", "div", "mul", "multiply", "neg", "product_kernel", "reciprocal", "square", "strong_div", "strong_mul",
    "strong_product", "sub", "tangent_mul",
]  # fmt: skip


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
    "neg", np.negative, kinds="fciu", cheap=True, infix=operator.neg,
    jvp=lambda t, y, x: neg(t),
    linear="jointly", transpose=lambda ct, x: (neg(ct),),
)  # fmt: skip

add = elementwise(
    "add", np.add, kinds="fciu", operands=2, cheap=True, infix=operator.add,
    jvp=(lambda t, z, x, y: t, lambda t, z, x, y: t),
    linear="jointly", transpose=_sum_transpose,
)  # fmt: skip

sub = elementwise(
    "sub", np.subtract, kinds="fciu", operands=2, cheap=True, infix=operator.sub,
    jvp=(lambda t, z, x, y: t, lambda t, z, x, y: neg(t)),
    linear="jointly", transpose=_sub_transpose,
)  # fmt: skip


# -- the sums and zeros of tangents and cotangents ---------------------------------------------------------------------


def _zeros(type: ArrayType) -> Any:
    zero = type.dtype.type(0)
    return broadcast_p.bind(zero, shape=type.shape, axes=()) if type.ndim else zero


def _repeated(x: Any, size: int) -> Any:
    shape = type_of(x).shape
    return broadcast(x, (size, *shape), range(1, len(shape) + 1))


SPACES[ArrayType] = Space(add.primitive.bind, lambda x: _zeros(type_of(x)), _zeros, _repeated)

# -- products ----------------------------------------------------------------------------------------------------------

NUMBERS = frozenset((np.float64, np.float32, np.complex128, np.complex64))


def multiply(x: Any, y: Any) -> Any:
    """The product; of scalars by their own operator. NumPy's loops fuse a product of complex numbers with a sum, but,
    given scalars, at times do not; the operator never does, and is faster."""
    if type(x) in NUMBERS and type(y) in NUMBERS:
        return x * y
    return np.multiply(x, y) if x.ndim or y.ndim or x.dtype.kind != "c" else x[()] * y[()]


mul: Op = elementwise(
    "mul", multiply, kinds="fciu", operands=2, cheap=True, ufunc=np.multiply, infix=operator.mul,
    jvp=(lambda t, z, x, y: mul(t, y), lambda t, z, x, y: mul(x, t)),
    linear="each", transpose=_mul_transpose, scalar_kernel=product_of_scalars,
)  # fmt: skip

# d(x/y) = dx/y - (x/y) dy/y: reusing the quotient, and dividing last, keeps it finite wherever the result is
div: Op = elementwise(
    "div", np.true_divide, kinds="fc", operands=2, low=0.5, singular=(1,), infix=operator.truediv,
    jvp=(lambda t, z, x, y: div(t, y), lambda t, z, x, y: div(mul(neg(t), z), y)),
    linear=(0,), transpose=_div_transpose,
)  # fmt: skip

square = elementwise(
    "square", lambda x: np.square(x) if x.ndim else multiply(x, x), kinds="fciu", cheap=True, ufunc=np.square,
    jvp=lambda t, y, x: mul(t, mul(x, 2)),
    scalar_kernel=lambda b, x: product_of_scalars(b, x, x),
)  # fmt: skip

# d(1/x) = -(1/x)^2 dx
reciprocal = elementwise(
    "reciprocal", np.reciprocal, kinds="fc", low=0.5, singular=True,
    jvp=lambda t, y, x: neg(mul(t, square(y))),
)  # fmt: skip

# -- strong zeros: a tangent that is exactly 0 stays 0, though it meets an infinity or NaN -----------------------------
#
# What ``where``, ``maximum``, an index or a mask did not take has a tangent or cotangent of exactly 0. The derivative
# rules of singular primitives multiply it by factors that may be infinite or NaN, and so may what follows them;
# ``transforms/strong.py`` puts these operations in the place of such products. Complex numbers are 0 if both parts are.
# With f' and t' the tangents,
#
#     strong_mul(t, f) = t f, and 0 where t is 0:          d = strong_mul(t', f) + strong_product(f', t)
#     strong_div(t, f) = z = t / f, and 0 where t is 0:    d = strong_div(t', f) + strong_div(strong_product(-f', z), f)
#     strong_product(x, y) = x y, and 0 where x or y is 0: d = strong_product(x', y) + strong_product(y', x)
#     tangent_mul(t, f) = t f for a finite f:              d = tangent_mul(t', f) + strong_product(f', t)
#
# where t is 0, the result is 0 whatever f is, and so are its derivatives in f, of any order. The zero is +0: in native
# code, that is a product that a mask leaves out, where the sign of the product would take an operation more.

count_nonzero = getattr(
    np._core.multiarray,  # type: ignore[attr-defined]
    "count_nonzero",
    np.count_nonzero,
)  # without a wrapper in Python

SMALL = 500
"""Elements up to which NumPy counts those that are not 0 in less time than it compares them."""


class Strong:
    """``plain(t, f)``, and 0 where t is 0 (``either``: or f); NumPy warns of what is not a number where neither is."""

    def __init__(self, plain: Callable[[Any, Any], Any], ufunc: np.ufunc, either: bool = False) -> None:
        self._plain, self._ufunc, self._either = plain, ufunc, either

    def __call__(self, t: Any, f: Any) -> Any:
        if _has_no_zero(t) and not (self._either and not _has_no_zero(f)):
            return self._plain(t, f)
        if t.ndim and t.dtype.kind == "f":  # real: only where it is wanted
            out = np.zeros(t.shape, t.dtype)
            self._ufunc(t, f, out=out, where=self._wanted(t, f))
            return out
        with np.errstate(invalid="ignore"):
            out = self._plain(t, f)
        zero = (t == 0) | (f == 0) if self._either else t == 0
        return np.where(zero, out.dtype.type(0), out)[()]

    def into(self, t: Any, f: Any, out: Any = None) -> Any:
        """The same of real arrays, written to one, which may be an operand, if it is given."""
        if t.ndim and _has_no_zero(t) and not (self._either and not _has_no_zero(f)):
            return self._ufunc(t, f, out=out)
        if out is None or not t.ndim:
            return self(t, f)
        wanted = self._wanted(t, f)
        self._ufunc(t, f, out=out, where=wanted)
        np.copyto(out, 0, where=~wanted)
        return out

    def _wanted(self, t: Any, f: Any) -> Any:
        return (t != 0) & (f != 0) if self._either else t != 0


def _has_no_zero(x: Any) -> bool:
    if not x.ndim:
        return bool(x)
    return bool(count_nonzero(x) == x.size if x.size < SMALL else np.all(x))


def _strong_kernel(plain: Callable[[Any, Any, Any], Any], either: bool = False) -> Callable[..., Any]:
    def kernel(b: Any, t: Any, f: Any) -> Any:
        kept, t = _kept(b, t)
        nonzero = b.ne(t, 0) if kept is None else b.bit_and(kept, b.ne(t, 0))
        if either:
            nonzero = b.bit_and(nonzero, b.ne(f, 0))
        return b.select(nonzero, plain(b, t, f), b.const(0, t.dtype))

    return kernel


def _kept(b: Any, t: Any) -> tuple[Any, Any]:
    """Where an operand is not 0 for having been left out of a product before, and what it is there: products in a row
    have one mask, not one after another.
    """
    inner = t if type(t) is Complex else b.negated.get(t, t)
    mask, product, zero = b.selected.get(inner, (None, t, None))
    if mask is None or b.constant(zero) != 0:
        return None, t
    return mask, product if inner is t else b.neg(product)


def _product(b: Any, t: Any, f: Any) -> Any:
    return b.mul(t, f)


product_kernel = _strong_kernel(_product, either=True)
"""The kernel of ``strong_product``, for recurrences in which zero wins."""

STRONG_MUL, STRONG_PRODUCT = Strong(multiply, np.multiply), Strong(multiply, np.multiply, either=True)
STRONG_DIV = Strong(operator.truediv, np.true_divide)

strong_mul: Op = elementwise(
    "strong_mul", STRONG_MUL, kinds="fc", operands=2, cheap=True, ufunc=STRONG_MUL.into,
    infix=lambda t, f: t * f if t else abs(t),
    kernel=_strong_kernel(_product), scalar_kernel=_strong_kernel(product_of_scalars),
    jvp=(lambda t, z, x, y: strong_mul(t, y), lambda t, z, x, y: strong_product(t, x)),
    linear=(0,), transpose=lambda ct, x, y: (unbroadcast(strong_mul(ct, y), x), None),
    doc="x * y, and 0 where x is 0, whatever y is.",
)  # fmt: skip

strong_product: Op = elementwise(
    "strong_product", STRONG_PRODUCT, kinds="fc", operands=2, cheap=True, ufunc=STRONG_PRODUCT.into,
    infix=lambda t, f: t * f if t and f else t.dtype.type(0),
    kernel=product_kernel, scalar_kernel=_strong_kernel(product_of_scalars, either=True),
    jvp=(lambda t, z, x, y: strong_product(t, y), lambda t, z, x, y: strong_product(t, x)),
    linear=(0,), transpose=lambda ct, x, y: (unbroadcast(strong_product(ct, y), x), None),
    doc="x * y, and 0 where x or y is 0, whatever the other is.",
)  # fmt: skip

strong_div: Op = elementwise(
    "strong_div", STRONG_DIV, kinds="fc", operands=2, low=0.5, singular=(1,), ufunc=STRONG_DIV.into,
    infix=lambda t, f: t / f if t else abs(t),
    kernel=_strong_kernel(lambda b, t, f: b.div(t, f)),
    jvp=(lambda t, z, x, y: strong_div(t, y), lambda t, z, x, y: strong_div(strong_product(neg(t), z), y)),
    linear=(0,), transpose=lambda ct, x, y: (unbroadcast(strong_div(ct, y), x), None),
    doc="x / y, and 0 where x is 0, whatever y is.",
)  # fmt: skip

tangent_mul: Op = elementwise(
    "tangent_mul", multiply, kinds="fc", operands=2, cheap=True, kernel="mul", scalar_kernel=product_of_scalars,
    ufunc=np.multiply, infix=operator.mul,
    jvp=(lambda t, z, x, y: tangent_mul(t, y), lambda t, z, x, y: strong_product(t, x)),
    linear=(0,), transpose=lambda ct, x, y: (unbroadcast(tangent_mul(ct, y), x), None),
    doc="x * y for a y that is finite; where x is 0, so are all derivatives in y.",
)  # fmt: skip

STRONG.update(
    {
        mul.primitive: (strong_mul.primitive, tangent_mul.primitive, tangent_mul.primitive),
        tangent_mul.primitive: (strong_mul.primitive, tangent_mul.primitive, tangent_mul.primitive),
        div.primitive: (strong_div.primitive, strong_div.primitive, div.primitive),
    }
)
