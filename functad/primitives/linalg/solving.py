r"""``lu_solve`` and ``cholesky_solve``: x of ``op(a) x = b``, from factors of a that are given.

The factors are no more to it than how the value is found. It is a function of a and b,

    dx = op(a)^-1 (db - op(da) x)

which are solved by the same factors, and so are the transposed systems of reverse mode: a gradient costs two triangular
solves and a product, no second factorisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.attempts import attempted
from functad.core.primitive import Primitive, Sample, type_of
from functad.core.zeros import add
from functad.ir.types import ArrayType
from functad.kernel_ir.rules import Statements
from functad.primitives.arithmetic import neg
from functad.primitives.broadcasting import lead_axes
from functad.primitives.comparison import eq
from functad.primitives.indexing import clamped
from functad.primitives.linalg.lu import lu, lu_p
from functad.primitives.linalg.matrices import diagonal, instead, items, matmul, turned
from functad.primitives.linalg.small import is_small, solve_in_registers
from functad.primitives.linalg.triangular import (
    as_columns,
    check_systems,
    require_pivots,
    samples_of_systems,
    triangular_p,
    trsm,
    trsm_function,
)
from functad.primitives.reductions import reduce_any
from functad.primitives.stops import stop_gradient

__all__ = ["Factors", "cholesky_solve", "factors_of", "lu_solve", "nonsingular_factors"]

Factors = tuple[Any, ...]
"""Of a matrix: its factors, and itself."""


def factors_of(a: Any) -> Factors:
    """What ``lu_solve`` takes: both factors in one matrix, their permutation, and the matrix."""
    factors, _, permutation = lu(stop_gradient(a))
    return factors, permutation, a


def nonsingular_factors(a: Any) -> Factors:
    """The same; raises LinAlgError where a is singular."""
    factors = factors_of(a)
    attempt = attempted()
    if attempt is None:
        require_pivots(factors[0])
        return factors
    zero = eq(diagonal(factors[0]), 0)
    failed = reduce_any(zero, (type_of(zero).ndim - 1,))
    attempt.fails(failed)  # of NaN nothing is said, as LAPACK says nothing
    return factors_of(instead(failed, a))


def lu_solve(factors: Factors, b: Any, *, trans: bool = False) -> Any:
    """``op(a)^-1 b``; infinite where a is singular."""
    return lu_solve_p.bind(*factors, b, trans=trans)


def cholesky_solve(factors: Factors, b: Any, *, trans: bool = False) -> Any:
    """``op(a)^-1 b`` by the lower Cholesky factor of a Hermitian matrix; both triangles of a have a derivative."""
    return cholesky_solve_p.bind(*factors, b, trans=trans)


def _solver(name: str, evaluate: Any, kernel: Any, factored: Any) -> Primitive:
    """Declare a solver; its operands are factors (``factored(a)``, say), the matrix and the right-hand sides."""

    def type_rule(*types: ArrayType, trans: bool) -> ArrayType:
        check_systems(name, types[-2], types[-1])
        return types[-1]

    def jvp(ts: Sequence[Any], xs: Sequence[Any], x: Any, *, trans: bool) -> Any:
        ta, tb = ts[-2:]
        if ta is not None:
            tb = add(tb, neg(matmul(turned(ta) if trans else ta, x)))
        return None if tb is None else primitive.bind(*xs[:-1], tb, trans=trans)

    def transpose(ct: Any, *operands: Any, trans: bool) -> tuple[Any, ...]:
        return *[None] * (len(operands) - 1), primitive.bind(*operands[:-1], ct, trans=not trans)

    def batch(size: int, batched: Sequence[bool], *operands: Any, trans: bool) -> tuple[Any, bool]:
        if not any(batched[:-1]):
            side, undo = as_columns(size, operands[-1])
            return undo(primitive.bind(*operands[:-1], side, trans=trans)), True
        return primitive.bind(*lead_axes(size, batched, operands), trans=trans), True

    def samples() -> list[Sample]:
        made = []
        for sample in samples_of_systems([{"trans": False}, {"trans": True}]):
            a, b = sample.operands
            made.append(Sample((*factored(a), a, b), sample.params))
        return made

    primitive = Primitive(
        name,
        type_rule=type_rule,
        evaluate=evaluate,
        jvp=jvp,
        linear=(len(factored(np.eye(1))) + 1,),
        transpose=transpose,
        batch=batch,
        kernel=Statements(kernel, static=("trans",)),
        samples=samples,
    )
    return primitive


# -- by the factors of lu: a[permutation] = l u, so that rows of b are permuted before, or those of x after ------------


def _lu_evaluate(factors: Any, permutation: Any, a: Any, b: Any, *, trans: bool) -> Any:
    steps = [{"lower": True, "unit": True}, {"lower": False, "unit": False}]
    order = permutation[..., None]
    x = b if trans else np.take_along_axis(b, order, -2)
    for step in steps[::-1] if trans else steps:
        x = triangular_p.evaluate(factors, x, trans=trans, **step)
    return np.take_along_axis(x, np.argsort(order, -2), -2) if trans else x


def _lu_kernel(ctx: Any, in_types: Any, out_types: Any, *, trans: bool) -> None:
    (out,) = out_types
    steps = [(True, True), (False, False)]
    steps = steps[::-1] if trans else steps
    if is_small(out.shape[-2]):
        solve_in_registers(ctx, out, steps, trans, 3, 1)
        return
    factors, permutation, n = ctx.input(0), ctx.input(1), out.shape[-2]
    found = ctx.temp(out.shape, out.dtype) if trans else ctx.output()
    right = ctx.input(3)

    def place(b: Any, index: Any) -> Any:
        return (*index[:-2], clamped(b, b.load(permutation, index[:-1]), n), index[-1])

    def before(b: Any, index: Any) -> None:
        b.store(found, index, b.load(right, index if trans else place(b, index)))

    ctx.kernel(out.shape, before, "right-hand sides")
    for lower, unit in steps:
        ctx.call(trsm_function(out.dtype, out.ndim - 2, lower, "T" if trans else "N", unit), factors, found)
    if trans:
        ctx.kernel(out.shape, lambda b, i: b.store(ctx.output(), i, b.const(0, out.dtype)), "cleared")
        ctx.kernel(
            out.shape, lambda b, i: b.scatter(ctx.output(), place(b, i), "set", b.load(found, i)), "permuted back"
        )


def _lu_factors(a: Any) -> tuple[Any, Any]:
    factors, _, permutation = lu_p.evaluate(a)
    return factors, permutation


lu_solve_p = _solver("lu_solve", _lu_evaluate, _lu_kernel, _lu_factors)


# -- by a Cholesky factor: a = l l^H, and a^T = conj(a) ----------------------------------------------------------------


def _cholesky_evaluate(factor: Any, a: Any, b: Any, *, trans: bool) -> Any:
    x = np.array(b, order="C")
    if x.size:
        for lower, y in items(factor.conj() if trans else factor, x, cores=(2, 2)):
            y[...] = trsm(lower, trsm(lower, y, True, "N", False), True, "C", False)
    return x


def _cholesky_kernel(ctx: Any, in_types: Any, out_types: Any, *, trans: bool) -> None:
    (out,) = out_types
    factor, right, flips = ctx.input(0), ctx.read(2), trans and out.dtype.kind == "c"

    def before(b: Any, index: Any) -> None:
        b.store(ctx.output(), index, b.conj(right(index)) if flips else right(index))

    def after(b: Any, index: Any) -> None:
        b.store(ctx.output(), index, b.conj(b.load(ctx.output(), index)))

    ctx.kernel(out.shape, before, "right-hand sides")
    for op in "NC":
        ctx.call(trsm_function(out.dtype, out.ndim - 2, True, op, False), factor, ctx.output())
    if flips:
        ctx.kernel(out.shape, after, "conjugate")


def _cholesky_factor(a: Any) -> tuple[Any]:
    """Of the Hermitian matrix near a sample: the value that it gives is no solution, which does no harm."""
    n = a.shape[-1]
    return (np.linalg.cholesky(a @ a.conj().swapaxes(-1, -2) + np.eye(n)).astype(a.dtype),)


cholesky_solve_p = _solver("cholesky_solve", _cholesky_evaluate, _cholesky_kernel, _cholesky_factor)
