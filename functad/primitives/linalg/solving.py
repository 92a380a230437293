r"""``lu_solve``: x of ``op(a) x = b``, from factors of a that are given.

The factors are no more to it than how the value is found. It is a function of a and b,

    dx = op(a)^-1 (db - op(da) x)

which are solved by the same factors, and so are the transposed systems of reverse mode: a gradient costs two triangular
solves and a product, no second factorisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Linear, Primitive, Sample
from functad.core.zeros import add
from functad.ir.types import ArrayType
from functad.kernel_ir.rules import Statements
from functad.primitives.arithmetic import neg
from functad.primitives.broadcasting import lead_axes
from functad.primitives.indexing import clamped
from functad.primitives.linalg.lu import lu, lu_p
from functad.primitives.linalg.matrices import matmul, turned
from functad.primitives.linalg.triangular import (
    as_columns,
    check_systems,
    samples_of_systems,
    triangular_p,
    trsm_function,
)
from functad.primitives.stops import stop_gradient

__all__ = ["Factors", "factors_of", "lu_solve"]

Factors = tuple[Any, Any, Any]


def factors_of(a: Any) -> Factors:
    """What ``lu_solve`` takes: factors, permutation, and the matrix that they are of."""
    factors, _, permutation = lu(stop_gradient(a))
    return factors, permutation, a


def lu_solve(factors: Factors, b: Any, *, trans: bool = False) -> Any:
    """``op(a)^-1 b``; infinite where a is singular."""
    return lu_solve_p.bind(*factors, b, trans=trans)


def _type_rule(factors: ArrayType, permutation: ArrayType, a: ArrayType, b: ArrayType, *, trans: bool) -> ArrayType:
    check_systems("lu_solve", a, b)
    return b


def _evaluate(factors: Any, permutation: Any, a: Any, b: Any, *, trans: bool) -> Any:
    """``a[permutation] = l u``: the rows of b are permuted before, or those of x after."""
    steps = [{"lower": True, "unit": True}, {"lower": False, "unit": False}]
    order = permutation[..., None]
    x = b if trans else np.take_along_axis(b, order, -2)
    for step in steps[::-1] if trans else steps:
        x = triangular_p.evaluate(factors, x, trans=trans, **step)
    return np.take_along_axis(x, np.argsort(order, -2), -2) if trans else x


def _jvp(ts: Sequence[Any], xs: Sequence[Any], x: Any, *, trans: bool) -> Any:
    factors, permutation, a, _ = xs
    _, _, ta, tb = ts
    if ta is not None:
        tb = add(tb, neg(matmul(turned(ta) if trans else ta, x)))
    return None if tb is None else lu_solve_p.bind(factors, permutation, a, tb, trans=trans)


def _transpose(ct: Any, factors: Any, permutation: Any, a: Any, b: Linear, *, trans: bool) -> tuple[Any, ...]:
    return None, None, None, lu_solve_p.bind(factors, permutation, a, ct, trans=not trans)


def _batch(size: int, batched: Sequence[bool], *operands: Any, trans: bool) -> tuple[Any, bool]:
    if not any(batched[:3]):
        side, undo = as_columns(size, operands[3])
        return undo(lu_solve_p.bind(*operands[:3], side, trans=trans)), True
    return lu_solve_p.bind(*lead_axes(size, batched, operands), trans=trans), True


def _kernel(ctx: Any, in_types: Any, out_types: Any, *, trans: bool) -> None:
    (out,) = out_types
    factors, permutation, n = ctx.input(0), ctx.input(1), out.shape[-2]
    found = ctx.temp(out.shape, out.dtype) if trans else ctx.output()
    right = ctx.input(3)

    def place(b: Any, index: Any) -> Any:
        return (*index[:-2], clamped(b, b.load(permutation, index[:-1]), n), index[-1])

    def before(b: Any, index: Any) -> None:
        b.store(found, index, b.load(right, index if trans else place(b, index)))

    ctx.kernel(out.shape, before, "right-hand sides")
    steps = [(True, True), (False, False)]
    for lower, unit in steps[::-1] if trans else steps:
        ctx.call(trsm_function(out.dtype, out.ndim - 2, lower, trans, unit), factors, found)
    if trans:
        ctx.kernel(out.shape, lambda b, i: b.store(ctx.output(), i, b.const(0, out.dtype)), "cleared")
        ctx.kernel(
            out.shape, lambda b, i: b.scatter(ctx.output(), place(b, i), "set", b.load(found, i)), "permuted back"
        )


def _samples() -> list[Sample]:
    made = []
    for sample in samples_of_systems([{"trans": False}, {"trans": True}]):
        a, b = sample.operands
        factors, _, permutation = lu_p.evaluate(a)
        made.append(Sample((factors, permutation, a, b), sample.params))
    return made


lu_solve_p: Primitive = Primitive(
    "lu_solve",
    type_rule=_type_rule,
    evaluate=_evaluate,
    jvp=_jvp,
    linear=(3,),
    transpose=_transpose,
    batch=_batch,
    kernel=Statements(_kernel, static=("trans",)),
    samples=_samples,
)
