r"""``qr``: ``a = q r`` with orthonormal columns of q and upper triangular r; with ``pivoting``, of the columns of a
in an order of decreasing size.

With x = da r^-1 for the first columns, as many as q has, and k the skew-Hermitian matrix that has the lower triangle
(and the imaginary diagonal) of q^H x,

    dq = q (k - q^H x) + x,   dr = (q^H x - k) r,

and for the columns that r has beyond these (there, q is square) dr = q^H da - k r. Columns of q that a does not span
(``full``) stay orthogonal to the others, and turn no more than that takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg.lapack import get_lapack_funcs

from functad.core.primitive import Primitive, Sample, type_of
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.lapack import Call, lapack_function
from functad.kernel_ir.native import NativeFunction, family, reads, updates, writes
from functad.kernel_ir.rules import Statements
from functad.kernel_ir.sizes import poly
from functad.primitives.arithmetic import add, mul, sub
from functad.primitives.convert import convert
from functad.primitives.joining import concatenate
from functad.primitives.linalg.lu import permuted, random_matrices
from functad.primitives.linalg.matrices import (
    adjoint,
    check_matrices,
    in_columns,
    in_rows,
    items,
    lower_part,
    matmul,
    on_diagonal,
    turned,
)
from functad.primitives.linalg.svd import columns, completed
from functad.primitives.linalg.triangular import triangular_solve
from functad.primitives.slicing import pad, slice_

__all__ = ["qr"]


def qr(a: Any, full: bool = False, pivoting: bool = False) -> Any:
    """q and r, and the order of the columns where they are exchanged."""
    return qr_p.bind(a, full=full, pivoting=pivoting)


def _type_rule(a: ArrayType, *, full: bool, pivoting: bool) -> tuple[ArrayType, ...]:
    check_matrices("qr", a)
    *lead, m, n = a.shape
    k = m if full else min(m, n)
    factors = a.with_shape((*lead, m, k)), a.with_shape((*lead, k, n))
    return (*factors, array_type((*lead, n), np.int32)) if pivoting else factors


def _evaluate(a: Any, *, full: bool, pivoting: bool) -> tuple[Any, ...]:
    if not pivoting:
        return tuple(np.linalg.qr(a, "complete" if full else "reduced"))
    out_types = _type_rule(array_type(a.shape, a.dtype), full=full, pivoting=True)
    outs = tuple([np.zeros(t.shape, t.dtype) for t in out_types])
    for x, q, r, p in items(a, *outs, cores=(2, 2, 2, 1)):
        (m, n), k = x.shape, q.shape[1]
        q[...] = np.eye(m, k)
        p[...] = np.arange(n)
        if not x.size:
            continue
        geqp3, orgqr = get_lapack_funcs(("geqp3", "ungqr" if a.dtype.kind == "c" else "orgqr"), (x,))
        found, order, tau = geqp3(x)[:3]
        r[...], p[...] = np.triu(found)[:k], order - 1
        reflectors = np.zeros((m, k), a.dtype)
        reflectors[:, : min(n, k)] = found[:, : min(n, k)]
        q[...] = orgqr(reflectors, tau)[0]
    return outs


def _jvp(ts: Sequence[Any], xs: Sequence[Any], outs: Sequence[Any], *, full: bool, pivoting: bool) -> tuple[Any, ...]:
    (t,), (q_all, r_all) = ts, outs[:2]
    if pivoting:
        order = convert(outs[2], np.dtype(np.int64))
        t = turned(permuted(turned(t), order))
    *lead, m, n = type_of(t).shape
    k = min(m, n)
    start = [0] * (len(lead) + 2)
    q, r = columns(q_all, 0, k), slice_(r_all, start, (*lead, k, n))
    x = turned(triangular_solve(columns(r, 0, k), turned(columns(t, 0, k)), lower=False, trans=True))
    p = matmul(adjoint(q), x)
    low = lower_part(p, diagonal=False)
    turning = sub(low, adjoint(low))
    if p.dtype.kind == "c":
        turning = on_diagonal(mul(sub(p, adjoint(p)), 0.5), turning)
    dq = add(matmul(q, sub(turning, p)), x)
    dr = matmul(sub(p, turning), columns(r, 0, k))
    if n > k:
        others = sub(matmul(adjoint(q), columns(t, k, n)), matmul(turning, columns(r, k, n)))
        dr = concatenate([dr, others], len(lead) + 1)
    rows = type_of(r_all).shape[-2]
    if rows > k:
        dr = pad(dr, r.dtype.type(0), [(0, 0, 0)] * len(lead) + [(0, rows - k, 0), (0, 0, 0)])
    return (completed(dq, q_all, k), dr, None)[: len(outs)]


@family
def geqrf(dtype: np.dtype, lead: int, pivoting: bool) -> NativeFunction:
    """In place, in columns: r, and reflections below it; the order of columns counts from 1."""

    def write(call: Call) -> None:
        n, m = call.length(0, 0), call.length(0, 1)
        sizes, leading = [call.count(m), call.count(n)], call.leading(m)
        none = call.anything
        if not pivoting:
            work = call.work("geqrf", *sizes, none, leading, none, call.info, at=5)
            call.call("geqrf", *sizes, call.item(0), leading, call.item(1), *work, call.info)
            return
        after = [call.room(call.times(n, "2"), call.real_size), call.info] if call.complex else [call.info]
        work = call.work("geqp3", *sizes, none, leading, none, none, *after, at=6)
        call.call("geqp3", *sizes, call.item(0), leading, call.item(2), call.item(1), *work, *after)

    def evaluate(a: Any, tau: Any, order: Any = None) -> None:
        if a.size:
            found = get_lapack_funcs(("geqp3" if pivoting else "geqrf",), (a,))[0](a.T)
            a[...] = found[0].T
            tau[: min(a.shape)] = found[2 if pivoting else 1]
            if pivoting:
                order[...] = found[1]

    operands = updates(dtype, 2), writes(dtype, 1), *((updates(np.int32, 1),) if pivoting else ())
    return lapack_function("geqp3" if pivoting else "geqrf", dtype, lead, operands, write, evaluate)


@family
def orgqr(dtype: np.dtype, lead: int) -> NativeFunction:
    """q in place of reflections, in columns."""
    name = "ungqr" if dtype.kind == "c" else "orgqr"

    def write(call: Call) -> None:
        n, m = call.length(0, 0), call.length(0, 1)
        k = call.least(n, call.least(m, call.length(1, 0)))
        sizes, leading = [call.count(m), call.count(n), call.count(k)], call.leading(m)
        none = call.anything
        work = call.work(name, *sizes, none, leading, none, call.info, at=6)
        call.call(name, *sizes, call.item(0), leading, call.item(1), *work, call.info)

    def evaluate(a: Any, tau: Any) -> None:
        k = min(*a.shape, tau.size)
        if a.size:
            a[...] = get_lapack_funcs((name,), (a,))[0](a.T, tau[:k])[0].T if k else np.eye(*a.shape)

    return lapack_function("orgqr", dtype, lead, (updates(dtype, 2), reads(dtype, 1)), write, evaluate)


def _kernel(ctx: Any, in_types: Any, out_types: Any, *, full: bool, pivoting: bool) -> None:
    (a,), (q, r) = in_types, out_types[:2]
    *lead, m, n = a.shape
    tau = ctx.temp((*lead, n), a.dtype)  # more than there are reflections, if a has fewer rows
    matrix = in_columns(ctx, 0, a)
    if pivoting:
        ctx.kernel(out_types[2].shape, lambda b, i: b.store(ctx.output(2), i, b.const(0, np.int32)), "free")
    ctx.call(geqrf(a.dtype, len(lead), pivoting), matrix, tau, *([ctx.output(2)] if pivoting else []))

    def triangle(b: Any, index: Any) -> None:
        above = b.le(b.axis(index[-2]), b.axis(index[-1]))
        value = b.load(matrix, (*index[:-2], index[-1], index[-2]))
        b.store(ctx.output(1), index, b.select(above, value, b.const(0, a.dtype)))

    ctx.kernel(r.shape, triangle, "r")
    reflections = ctx.temp((*lead, q.shape[-1], m), a.dtype)

    def below(b: Any, index: Any) -> None:
        there = b.lt(b.axis(index[-2]), b.size(poly(n))) if full else None
        b.store(reflections, index, b.load(matrix, index, there))

    ctx.kernel(reflections.shape[: len(lead) + 2], below, "reflections")
    ctx.call(orgqr(a.dtype, len(lead)), reflections, tau)
    in_rows(ctx, reflections, 0, q)

    def from_zero(b: Any, index: Any) -> None:
        found = b.load(ctx.output(2), index)  # 0 where there was nothing to do
        b.store(ctx.output(2), index, b.select(b.eq(found, 0), b.cast(b.axis(index[-1]), np.int32), b.sub(found, 1)))

    if pivoting:
        ctx.kernel(out_types[2].shape, from_zero, "from 0")


SHAPES: list[tuple[tuple[int, ...], str]] = [
    ((3, 3), "d"), ((2, 4, 3), "d"), ((0, 0), "d"), ((3, 2), "D"), ((2, 4), "d"), ((2, 4), "F"), ((20, 18), "f"),
]  # fmt: skip


def _samples() -> list[Sample]:
    made = random_matrices(SHAPES, {"full": False, "pivoting": False})
    tall: list[Any] = [((2, 4, 2), "D"), ((4, 2), "d"), ((3, 0), "d"), ((0, 2), "f")]
    made += random_matrices(tall, {"full": True, "pivoting": False})
    made += random_matrices(
        [((3, 3), "d"), ((2, 4), "D"), ((2, 4, 3), "f"), ((0, 3), "d")], {"full": False, "pivoting": True}
    )
    return [Sample(s.operands, s.params, smooth=s.smooth and not s.params["full"]) for s in made]


qr_p: Primitive = Primitive(
    "qr",
    type_rule=_type_rule,
    evaluate=_evaluate,
    multiple_results=True,
    jvp=_jvp,
    batch=lambda size, batched, a, *, full, pivoting: (
        tuple(qr_p.bind(a, full=full, pivoting=pivoting)),
        (True,) * (2 + pivoting),
    ),
    kernel=Statements(_kernel, static=("full", "pivoting")),
    samples=_samples,
)
