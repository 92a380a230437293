r"""``eig``: eigenvalues w and eigenvectors v of any square matrix, ``a v = v w``, as complex numbers.

With p = v^-1 da v,

    dw_i = p_ii,   dv = v (f p),   f_ij = 1 / (w_j - w_i), 0 where i = j or the two coincide up to rounding

which leaves out how long the columns of v are, and what their phases are: LAPACK makes their length 1, and the largest
element of each a real number. So from dv is taken v_j (re v_j^H dv_j + i im dv_kj / v_kj), with k where the largest
element is, after the first has been taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import LinAlgError
from functad.ir.types import ArrayType
from functad.kernel_ir.lapack import Call, lapack_function
from functad.kernel_ir.native import NativeFunction, family, updates, writes
from functad.kernel_ir.rules import Statements
from functad.kernel_ir.sizes import poly
from functad.primitives.arithmetic import div, mul, reciprocal, sub
from functad.primitives.bitwise import bit_or
from functad.primitives.broadcasting import broadcast, reduce_sum
from functad.primitives.comparison import eq, le
from functad.primitives.complex import complex_dtype, conj, imag, make_complex, real
from functad.primitives.convert import convert
from functad.primitives.generate import iota
from functad.primitives.linalg.hermitian import MESSAGE, times_columns
from functad.primitives.linalg.lu import random_matrices
from functad.primitives.linalg.matrices import cast_result, check_matrices, diagonal, double, in_rows, matmul, places
from functad.primitives.linalg.solving import factors_of, lu_solve
from functad.primitives.reductions import argmax, reduce_max
from functad.primitives.rounding import absolute
from functad.primitives.selection import select
from functad.primitives.stops import stop_gradient

__all__ = ["eig", "eigvals"]

NOT_FINITE = "the matrix must not contain infinities or NaNs"


def eig(a: Any) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors."""
    return eig_p.bind(a, vectors=True)  # type: ignore[no-any-return]


def eigvals(a: Any) -> Any:
    """Eigenvalues alone."""
    return eig_p.bind(a, vectors=False)[0]


def _type_rule(a: ArrayType, *, vectors: bool) -> tuple[ArrayType, ...]:
    check_matrices("eig", a, square=True)
    v = a.with_dtype(complex_dtype(a.dtype))
    w = v.with_shape(a.shape[:-1])
    return (w, v) if vectors else (w,)


def _evaluate(a: Any, *, vectors: bool) -> tuple[Any, ...]:
    if not np.isfinite(a).all():
        raise LinAlgError(NOT_FINITE)
    try:
        found = tuple(np.linalg.eig(a)) if vectors else (np.linalg.eigvals(a),)
    except np.linalg.LinAlgError:
        raise LinAlgError(MESSAGE) from None
    return tuple([np.asarray(x).astype(complex_dtype(a.dtype), copy=False) for x in found])


def _jvp(ts: Sequence[Any], xs: Sequence[Any], outs: Sequence[Any], *, vectors: bool) -> tuple[Any, ...]:
    (t,) = ts
    w, v = outs if vectors else eig(xs[0])
    t = convert(t, v.dtype)
    p = lu_solve(factors_of(v), matmul(t, v))
    if not vectors:
        return (diagonal(p),)
    *lead, n = type_of(w).shape
    square, axes = (*lead, n, n), range(len(lead))
    if not n:
        return diagonal(p), p
    of_column, of_row = broadcast(w, square, (*axes, len(lead) + 1)), broadcast(w, square, (*axes, len(lead)))
    gap = sub(of_column, of_row)
    scale = mul(reduce_max(absolute(stop_gradient(w)), (len(lead),)), n * float(np.finfo(v.dtype).eps))
    row, column = places(gap)
    together = bit_or(eq(row, column), le(absolute(stop_gradient(gap)), broadcast(scale, square, axes)))
    f = select(together, 0, reciprocal(select(together, 1, gap)))
    return diagonal(p), _normalised(matmul(v, mul(f, p)), v)


def _normalised(dv: Any, v: Any) -> Any:
    """The tangent of columns of length 1 with a real largest element."""
    nd = type_of(v).ndim
    along = real(reduce_sum(mul(conj(v), dv), (nd - 2,)))
    dv = sub(dv, times_columns(v, along))
    largest = argmax(absolute(stop_gradient(v)), nd - 2)
    shape = type_of(v).shape
    at = eq(iota(shape, np.int64, nd - 2), broadcast(largest, shape, (*range(nd - 2), nd - 1)))
    turning = div(reduce_sum(select(at, imag(dv), 0), (nd - 2,)), reduce_sum(select(at, real(v), 0), (nd - 2,)))
    i_v = make_complex(mul(imag(v), -1), real(v))
    return sub(dv, times_columns(i_v, turning))


@family
def geev(dtype: np.dtype, lead: int, vectors: bool) -> NativeFunction:
    """The matrix is lost. Of a real one, eigenvalues come as real and imaginary parts, and eigenvectors of a pair as
    the columns of both parts of the first.
    """
    values = (writes(dtype, 1),) * (1 if dtype.kind == "c" else 2)

    def write(call: Call) -> None:
        n = call.length(0, 0)
        size, leading, none = call.count(n), call.leading(n), call.anything
        first, one = [call.char("N"), call.char("V" if vectors else "N"), size], call.count("1")
        after = [call.room(call.times(n, "2"), call.real_size), call.info] if call.complex else [call.info]
        asked = [*first, none, leading, *[none for _ in values], none, one, none, leading, *after]
        work = call.work("geev", *asked, at=9 + len(values))
        parts = [call.item(k + 1) for k in range(len(values))]
        right = call.item(len(values) + 1) if vectors else none
        call.call("geev", *first, call.item(0), leading, *parts, none, one, right, leading, *work, *after)

    def evaluate(a: Any, *outs: Any) -> int:
        try:
            w, v = np.linalg.eig(a.T)
        except np.linalg.LinAlgError:
            return 1
        if dtype.kind == "c":
            outs[0][...] = w
        else:
            outs[0][...], outs[1][...] = w.real, w.imag
        if vectors:
            second = np.imag(w) < 0
            outs[-1][...] = v.T if dtype.kind == "c" else np.where(second[:, None], -v.imag.T, v.real.T)
        return 0

    operands = updates(dtype, 2), *values, *((writes(dtype, 2),) if vectors else ())
    symbol = f"geev{'v' if vectors else 'n'}"
    return lapack_function(symbol, dtype, lead, operands, write, evaluate, ("LinAlgError", MESSAGE))


def _kernel(ctx: Any, in_types: Any, out_types: Any, *, vectors: bool) -> None:
    (a,), w_type = in_types, out_types[0]
    dtype, is_complex, n = double(a.dtype), a.dtype.kind == "c", a.shape[-1]
    matrix = ctx.temp(a.shape, dtype)
    read = ctx.read(0)

    def finite(b: Any, index: Any) -> None:
        x = read(index)
        good = b.bit_and(b.isfinite(x.re), b.isfinite(x.im)) if is_complex else b.isfinite(x)
        b.require(good, "LinAlgError", NOT_FINITE)
        b.store(matrix, (*index[:-2], index[-1], index[-2]), b.select(good, b.cast(x, dtype), b.const(0, dtype)))

    ctx.kernel(a.shape, finite, "turn")
    found = ctx.temp(a.shape, dtype) if vectors else None
    parts = [ctx.temp(w_type.shape, dtype) for _ in range(1 if is_complex else 2)]
    ctx.call(geev(dtype, len(a.shape) - 2, vectors), matrix, *parts, *([found] if vectors else []))
    if is_complex:
        cast_result(ctx, parts[0], 0, w_type)
        if vectors:
            in_rows(ctx, found, 1, out_types[1])
        return
    re, im = parts

    def value(b: Any, index: Any) -> None:
        b.store(ctx.output(), index, b.cast(b.complex(b.load(re, index), b.load(im, index)), w_type.dtype))

    ctx.kernel(w_type.shape, value, "eigenvalues")

    def vector(b: Any, index: Any) -> None:
        """Column j of a pair: the real part is in the first column of the two, the imaginary one in the second."""
        *batch, i, j = index
        angle, at = b.load(im, (*batch, j)), b.axis(j)
        first, second = b.gt(angle, 0), b.lt(angle, 0)
        own = b.load(found, (*batch, j, i))
        before = b.load(found, (*batch, j + -1, i), b.bit_and(second, b.gt(at, 0)))
        after = b.load(found, (*batch, j + 1, i), b.bit_and(first, b.lt(at, b.size(poly(n) - 1))))
        imaginary = b.select(first, after, b.select(second, b.neg(own), b.const(0, dtype)))
        b.store(ctx.output(1), index, b.cast(b.complex(b.select(second, before, own), imaginary), out_types[1].dtype))

    if vectors:
        ctx.kernel(out_types[1].shape, vector, "eigenvectors")


def _samples() -> list[Sample]:
    shapes: list[Any] = [
        ((3, 3), "d"), ((2, 4, 4), "d"), ((0, 0), "d"), ((3, 3), "f"), ((3, 3), "D"),
        ((2, 2, 2), "F"), ((18, 18), "d"),
    ]  # fmt: skip
    turning = np.array([[0.2, 1.0, 0.3], [-1.1, 0.1, 0.2], [0.3, -0.2, 1.5]])
    made = [Sample((turning,), {"vectors": flag}) for flag in (True, False)]
    for sample in random_matrices(shapes, {"vectors": True}) + random_matrices(shapes[::3], {"vectors": False}):
        a = sample.operands[0]
        a = a * a.dtype.type(0.2) + np.diag(np.arange(a.shape[-1])).astype(a.dtype)
        made.append(Sample((a,), sample.params, smooth=a.shape[-1] < 4))  # LAPACK's order and signs may jump
    return made


eig_p: Primitive = Primitive(
    "eig",
    type_rule=_type_rule,
    evaluate=_evaluate,
    multiple_results=True,
    jvp=_jvp,
    batch=lambda size, batched, a, *, vectors: (tuple(eig_p.bind(a, vectors=vectors)), (True,) * (1 + vectors)),
    kernel=Statements(_kernel, static=("vectors",)),
    may_raise=True,
    samples=_samples,
)
