r"""Derivatives of the determinant and of its logarithm, whose values are read off the factors of ``lu``.

    d log det a = trace(a^-1 da)        d det a = det a trace(a^-1 da)

The determinant is a polynomial, and has a derivative where a is singular, too: that at the nearest matrix without a
pivot that is 0. (Its second derivative there is not found so: it is infinite or NaN.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.kernel_ir.rules import Pull
from functad.primitives.arithmetic import add, div, mul
from functad.primitives.bitwise import bit_and
from functad.primitives.broadcasting import broadcast, lead_axes, reduce_sum
from functad.primitives.comparison import eq, lt, ne
from functad.primitives.convert import convert
from functad.primitives.exponential import exp, log
from functad.primitives.generate import iota
from functad.primitives.linalg.lu import lu, lu_p
from functad.primitives.linalg.matrices import diagonal, eye_like, on_diagonal, turned
from functad.primitives.linalg.solving import lu_solve
from functad.primitives.linalg.triangular import samples_of_systems
from functad.primitives.reductions import reduce_any, reduce_max, reduce_prod
from functad.primitives.rounding import absolute
from functad.primitives.selection import select
from functad.primitives.stops import stop_gradient

__all__ = ["determinant", "log_determinant"]


def determinant(a: Any) -> Any:
    """The determinants of square matrices, as NumPy finds them: by their logarithms, so that no product overflows."""
    factors, pivots, permutation = lu(stop_gradient(a))
    sign, size = _sign_and_log(factors, pivots)
    value = mul(sign, convert(exp(size), sign.dtype))
    mended = _without_zeros(factors)
    near, size = _sign_and_log(mended, pivots)
    rest = select(eq(value, 0), mul(near, convert(exp(size), sign.dtype)), 0)
    return det_of.bind(value, rest, mended, permutation, a)


def log_determinant(a: Any) -> tuple[Any, Any]:
    """The sign of the determinants (of complex matrices the direction), and the logarithm of their size as a number of
    the matrix' dtype: its imaginary part is 0, with the derivative of the angle.
    """
    factors, pivots, permutation = lu(stop_gradient(a))
    sign, size = _sign_and_log(factors, pivots)
    return sign, logdet_of.bind(convert(size, sign.dtype), factors, permutation, a)


def _sign_and_log(factors: Any, pivots: Any) -> tuple[Any, Any]:
    """Signs of determinants and the logarithms of their sizes; 0 and -inf where a pivot is 0."""
    d, last = diagonal(factors), type_of(pivots).ndim - 1
    exchanged = convert(ne(pivots, iota(type_of(pivots).shape, np.int32, last)), np.dtype(np.int64))
    odd = eq(bit_and(reduce_sum(exchanged, (last,)), 1), 1)
    singular = reduce_any(eq(d, 0), (last,))
    size = absolute(select(eq(d, 0), 1, d))
    if d.dtype.kind == "c":
        signs = div(d, convert(size, d.dtype))
    else:
        signs = select(lt(d, 0), broadcast(d.dtype.type(-1), type_of(d).shape, ()), 1)
    sign = reduce_prod(signs, (last,))
    sign = select(odd, mul(sign, -1), sign)
    return select(singular, 0, sign), select(singular, -np.inf, reduce_sum(log(size), (last,)))


def trace_of_solution(factors: Any, permutation: Any, a: Any, t: Any) -> Any:
    """``trace(a^-1 t)``: the inverse depends on a alone, so it is found once, and reverse mode solves nothing."""
    inverse = lu_solve((factors, permutation, a), eye_like(a))
    nd = type_of(a).ndim
    return reduce_sum(mul(turned(inverse), t), (nd - 2, nd - 1))


def _without_zeros(factors: Any) -> Any:
    """Factors with pivots that are 0 replaced by the rounding error of the largest element."""
    *lead, n, _ = type_of(factors).shape
    if not n:
        return factors
    sizes = reduce_max(absolute(factors), (len(lead), len(lead) + 1))
    least = mul(select(eq(sizes, 0), 1, sizes), float(np.finfo(factors.dtype).eps))
    full = broadcast(convert(least, factors.dtype), type_of(factors).shape, range(len(lead)))
    return on_diagonal(select(eq(factors, 0), full, factors), factors)


# -- functions whose value is given ------------------------------------------------------------------------------------


def _function_of_factors(name: str, extra: int, tangent: Callable[..., Any], singular: bool) -> Primitive:
    """A function of a matrix, the last operand: its value, ``extra`` numbers of its derivative, and factors."""

    def batch(size: int, batched: Sequence[bool], *operands: Any) -> tuple[Any, bool]:
        return primitive.bind(*lead_axes(size, batched, operands)), True

    def samples() -> list[Sample]:
        made = []
        for sample in samples_of_systems([{}]):
            a = sample.operands[0]
            factors, _, permutation = lu_p.evaluate(a)
            values = [np.ones(a.shape[:-2], a.dtype)[()]] * (1 + extra)
            made.append(Sample((*values, factors, permutation, a), {}))
        return made

    def jvp(ts: Sequence[Any], operands: Sequence[Any], y: Any) -> Any:
        return None if ts[-1] is None else tangent(ts[-1], y, *operands[1:])

    primitive = Primitive(
        name,
        type_rule=lambda *types: types[0],
        evaluate=lambda *operands: np.array(operands[0])[()],
        jvp=jvp,
        batch=batch,
        kernel=Pull(lambda b, index, reads, in_types, out_type: reads[0](index)),
        samples=samples,
        singular=singular,
    )
    return primitive


def _logdet_tangent(t: Any, y: Any, factors: Any, permutation: Any, a: Any) -> Any:
    return trace_of_solution(factors, permutation, a, t)


def _det_tangent(t: Any, y: Any, rest: Any, factors: Any, permutation: Any, a: Any) -> Any:
    return mul(add(y, rest), trace_of_solution(factors, permutation, a, t))


logdet_of = _function_of_factors("logdet_of", 0, _logdet_tangent, singular=True)
det_of = _function_of_factors("det_of", 1, _det_tangent, singular=False)
