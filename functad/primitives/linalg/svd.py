r"""``svd``: ``a = u s v^H`` with orthonormal columns of u and v, and singular values s in descending order.

With p = u^H da v, which has a row and a column for each singular value,

    ds_i = re p_ii
    du = u (f (p s + s p^H)) + (da v - u p) / s,   dv = v (f (s p + p^H s)) + (da^H u - v p^H) / s

where f_ij = 1 / ((s_j - s_i) (s_j + s_i)), 0 where i = j and, as in ``hermitian``, where the two coincide up to
rounding; 1 / s is 0 where s is. Vectors that belong to no singular value (``full``) stay orthogonal to the others,
and turn no more than that takes.
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
from functad.primitives.arithmetic import add, mul, neg, reciprocal, sub
from functad.primitives.comparison import eq
from functad.primitives.complex import real, real_dtype
from functad.primitives.convert import convert
from functad.primitives.joining import concatenate
from functad.primitives.linalg.hermitian import apart, times_columns
from functad.primitives.linalg.lu import random_matrices
from functad.primitives.linalg.matrices import (
    adjoint,
    cast_result,
    check_matrices,
    diagonal,
    double,
    in_columns,
    in_rows,
    matmul,
    on_diagonal,
)
from functad.primitives.selection import select
from functad.primitives.slicing import slice_

__all__ = ["columns", "completed", "svd", "svdvals"]

MESSAGE = "the singular values did not converge; are there NaNs or infinities in the matrix?"


def svd(a: Any, full: bool = False) -> tuple[Any, Any, Any]:
    """u, s and v^H."""
    return svd_p.bind(a, full=full, vectors=True)  # type: ignore[no-any-return]


def svdvals(a: Any) -> Any:
    """Singular values alone."""
    return svd_p.bind(a, full=False, vectors=False)[0]


def columns(x: Any, start: int, stop: int) -> Any:
    """Some columns of matrices."""
    *lead, m, n = type_of(x).shape
    return x if (start, stop) == (0, n) else slice_(x, [0] * (len(lead) + 1) + [start], (*lead, m, stop))


def _type_rule(a: ArrayType, *, full: bool, vectors: bool) -> tuple[ArrayType, ...]:
    check_matrices("svd", a)
    *lead, m, n = a.shape
    k = min(m, n)
    s = a.with_dtype(real_dtype(a.dtype)).with_shape((*lead, k))
    if not vectors:
        return (s,)
    return a.with_shape((*lead, m, m if full else k)), s, a.with_shape((*lead, n if full else k, n))


def _evaluate(a: Any, *, full: bool, vectors: bool) -> tuple[Any, ...]:
    try:
        return tuple(np.linalg.svd(a, full)) if vectors else (np.linalg.svd(a, compute_uv=False),)
    except np.linalg.LinAlgError:
        raise LinAlgError(MESSAGE) from None


def _jvp(ts: Sequence[Any], xs: Sequence[Any], outs: Sequence[Any], *, full: bool, vectors: bool) -> tuple[Any, ...]:
    (t,) = ts
    u_all, s, vh_all = outs if vectors else svd(xs[0])
    *_, m, n = type_of(t).shape
    k = min(m, n)
    u, v_all = columns(u_all, 0, k), adjoint(vh_all)
    v = columns(v_all, 0, k)
    tv = matmul(t, v)
    p = matmul(adjoint(u), tv)
    is_complex = p.dtype.kind == "c"
    ds = real(diagonal(p)) if is_complex else diagonal(p)
    if not vectors:
        return (ds,)
    of_column, of_row, together = apart(s, max(m, n))
    f = mul(sub(of_column, of_row), add(of_column, of_row))
    f = convert(select(together, 0, reciprocal(select(together, 1, f))), p.dtype)
    zero = eq(s, 0)
    inverse = select(zero, 0, reciprocal(select(zero, 1, s)))
    ps, sp = times_columns(p, s), adjoint(times_columns(adjoint(p), s))
    in_u, in_v = mul(f, add(ps, adjoint(ps))), mul(f, add(sp, adjoint(sp)))
    if is_complex:  # the phases of u_i and v_i are free: half of what turns them both
        half = mul(sub(p, adjoint(p)), 0.5)
        in_u = on_diagonal(times_columns(half, inverse), in_u)
    du, dv = matmul(u, in_u), matmul(v, in_v)
    if m > k:
        du = add(du, times_columns(sub(tv, matmul(u, p)), inverse))
    if n > k:
        dv = add(dv, times_columns(sub(matmul(adjoint(t), u), matmul(v, adjoint(p))), inverse))
    return completed(du, u_all, k), ds, adjoint(completed(dv, v_all, k))


def completed(du: Any, u: Any, k: int) -> Any:
    """The tangent of all columns from that of the first k: the others stay orthogonal to these."""
    n = type_of(u).shape[-1]
    if n == k:
        return du
    first, others = columns(u, 0, k), columns(u, k, n)
    return concatenate([du, neg(matmul(first, matmul(adjoint(du), others)))], type_of(u).ndim - 1)


@family
def gesdd(dtype: np.dtype, lead: int, job: str) -> NativeFunction:
    """The matrix is lost; u and v^H in columns, if there are any."""
    vectors = job != "N"
    effect = updates if job == "A" else writes
    matrices = (effect(dtype, 2), effect(dtype, 2)) if vectors else ()

    def write(call: Call) -> None:
        n, m = call.length(0, 0), call.length(0, 1)
        least, most = call.least(m, n), call.most(m, n)
        square, rectangle = call.times(least, least), call.times(least, most)
        kept = call.length(3, 1) if vectors else "1"
        first = [call.char(job), call.count(m), call.count(n)]
        leading = call.leading(m), call.leading(m), call.leading(kept)
        integers = call.room(call.times(least, "8"), 4)
        after = [integers, call.info]
        if call.complex:  # documented: at most max(5 k^2 + 7 k, 2 k max(m, n) + 2 k^2 + k), k = min(m, n)
            reals = call.plus(call.times(call.plus(square, least), "7"), call.times(rectangle, "2"))
            after = [call.room(reals, call.real_size), *after]
        none = call.anything
        asked = [*first, none, leading[0], none, none, leading[1], none, leading[2], *after]
        work = call.work("gesdd", *asked, at=10)
        u, vh = (call.item(2), call.item(3)) if vectors else (none, none)
        call.call("gesdd", *first, call.item(0), leading[0], call.item(1), u, leading[1], vh, leading[2], *work, *after)

    def evaluate(a: Any, s: Any, u: Any = None, vh: Any = None) -> int:
        try:
            if u is None:
                s[...] = np.linalg.svd(a.T, compute_uv=False)
            else:
                found = np.linalg.svd(a.T, job == "A")
                u[...], s[...], vh[...] = found[0].T, found[1], found[2].T
        except np.linalg.LinAlgError:
            return 1
        return 0

    operands = updates(dtype, 2), writes(real_dtype(dtype), 1), *matrices
    return lapack_function(f"gesdd{job.lower()}", dtype, lead, operands, write, evaluate, ("LinAlgError", MESSAGE))


def _kernel(ctx: Any, in_types: Any, out_types: Any, *, full: bool, vectors: bool) -> None:
    (a,) = in_types
    dtype, s_type = double(a.dtype), out_types[1 if vectors else 0]
    function = gesdd(dtype, a.ndim - 2, ("A" if full else "S") if vectors else "N")
    matrix, s = in_columns(ctx, 0, a, dtype), ctx.temp(s_type.shape, real_dtype(dtype))
    if not vectors:
        ctx.call(function, matrix, s)
        cast_result(ctx, s, 0, s_type)
        return
    found = [ctx.temp((*t.shape[:-2], t.shape[-1], t.shape[-2]), dtype) for t in (out_types[0], out_types[2])]
    if full:  # what LAPACK leaves alone where the matrix has no elements
        for buffer in found:
            ctx.kernel(
                buffer.shape[: a.ndim],
                lambda b, i, to=buffer: b.store(to, i, b.cast(b.eq(b.axis(i[-2]), b.axis(i[-1])), dtype)),
                "identity",
            )
    ctx.call(function, matrix, s, *found)
    in_rows(ctx, found[0], 0, out_types[0])
    cast_result(ctx, s, 1, s_type)
    in_rows(ctx, found[1], 2, out_types[2])


SHAPES: list[tuple[tuple[int, ...], str]] = [
    ((3, 3), "d"), ((2, 4, 3), "d"), ((0, 0), "d"), ((3, 3), "f"), ((3, 2), "D"),
    ((2, 2, 2), "F"), ((2, 4), "d"), ((20, 18), "d"),
]  # fmt: skip


def _samples() -> list[Sample]:
    made = random_matrices(SHAPES, {"full": False, "vectors": True}, smooth=False)
    made += random_matrices(SHAPES[::3], {"full": False, "vectors": False})
    wide: list[Any] = [((2, 4), "d"), ((4, 2), "d"), ((4, 2), "D"), ((3, 0), "d"), ((0, 2), "f")]
    full = random_matrices(wide, {"full": True, "vectors": True})
    return [*made, *[Sample(s.operands, s.params, smooth=False) for s in full]]


svd_p: Primitive = Primitive(
    "svd",
    type_rule=_type_rule,
    evaluate=_evaluate,
    multiple_results=True,
    jvp=_jvp,
    batch=lambda size, batched, a, *, full, vectors: (
        svd_p.bind(a, full=full, vectors=vectors),
        (True,) * (3 if vectors else 1),
    ),
    kernel=Statements(_kernel, static=("full", "vectors")),
    may_raise=True,
    samples=_samples,
)
