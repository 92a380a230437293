r"""``triangular_solve``: x of ``op(a) x = b``, where only one triangle of a is read, and op transposes it or not.

    d(op(a)) x + op(a) dx = db,   so   dx = op(a)^-1 (db - d(op(a)) x)

In memory a row-major matrix is, to BLAS, its transpose. So x is found from the right, ``x^T op(a)^T = b^T``, and
nothing is turned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg.blas import get_blas_funcs

from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.core.zeros import add
from functad.errors import DtypeError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.lapack import Call, lapack_function
from functad.kernel_ir.native import NativeFunction, family, reads, updates
from functad.kernel_ir.rules import Statements
from functad.primitives.arithmetic import neg
from functad.primitives.broadcasting import lead_axes
from functad.primitives.linalg.matrices import (
    check_matrices,
    diagonal,
    items,
    lower_part,
    matmul,
    turned,
    upper_part,
)
from functad.primitives.linalg.nonzero import require_nonzero
from functad.primitives.linalg.small import is_small, solve_in_registers
from functad.primitives.shapes import reshape, transpose

__all__ = [
    "as_columns",
    "check_systems",
    "require_pivots",
    "samples_of_systems",
    "triangular_solve",
    "trsm",
    "trsm_function",
]

SINGULAR = "the matrix is singular: there is a 0 on the diagonal of its triangular factor"


def triangular_solve(a: Any, b: Any, *, lower: bool, trans: bool = False, unit: bool = False) -> Any:
    """``op(a)^-1 b``; infinite where a is singular. ``unit`` takes the diagonal as 1."""
    return triangular_p.bind(a, b, lower=lower, trans=trans, unit=unit)


def require_pivots(a: Any) -> None:
    """Raise LinAlgError where there is a 0 on the diagonal."""
    require_nonzero(diagonal(a), SINGULAR)


# -- what solvers of linear systems share ------------------------------------------------------------------------------


def check_systems(name: str, a: ArrayType, b: ArrayType) -> None:
    """Refuse what is no batch of systems of one dtype: square matrices, and as many matrices of right-hand sides."""
    check_matrices(name, a, square=True)
    if a.dtype != b.dtype:
        raise DtypeError(f"{name} takes a matrix and right-hand sides of one dtype, got {a} and {b}")
    if a.ndim != b.ndim or a.shape[:-1] != b.shape[:-1]:
        raise ShapeError(f"{name} takes matrices of right-hand sides with the rows of its matrices, got {a} and {b}")


def as_columns(size: int, b: Any) -> tuple[Any, Any]:
    """The right-hand sides of a mapped system whose matrix is not mapped, side by side; and what undoes that."""
    *lead, n, k = type_of(b).shape[1:]
    nd = len(lead)
    side = reshape(transpose(b, (*range(1, nd + 2), 0, nd + 2)), (*lead, n, size * k))
    return side, lambda x: transpose(reshape(x, (*lead, n, size, k)), (nd + 1, *range(nd + 1), nd + 2))


def samples_of_systems(params: Sequence[dict[str, Any]]) -> list[Sample]:
    """Well-conditioned systems of all dtypes and shapes, under params in turn."""
    rng = np.random.default_rng(0)
    made = []
    cases = [
        ((3, 3), 2, "d"), ((1, 1), 1, "d"), ((2, 4, 4), 2, "d"), ((0, 0), 2, "d"), ((2, 2), 0, "d"),
        ((0, 2, 2), 1, "d"), ((3, 3), 1, "f"), ((3, 3), 2, "D"),
        ((2, 2, 2), 1, "F"), ((5, 5), 2, "d"), ((20, 20), 3, "d"),
    ]  # fmt: skip
    for number, (shape, k, letter) in enumerate(cases):
        dtype = np.dtype(letter)
        a = rng.uniform(-1, 1, shape) + (1j * rng.uniform(-1, 1, shape) if letter in "DF" else 0)
        a = (a + (shape[-1] + 1) * np.eye(shape[-1])).astype(dtype)
        made.append(Sample((a, array_type((*shape[:-1], k), dtype)), params[number % len(params)]))
    return made


# -- the primitive -----------------------------------------------------------------------------------------------------


def _type_rule(a: ArrayType, b: ArrayType, *, lower: bool, trans: bool, unit: bool) -> ArrayType:
    check_systems("triangular_solve", a, b)
    return b


def _evaluate(a: Any, b: Any, *, lower: bool, trans: bool, unit: bool) -> Any:
    out = np.array(b, order="C")
    if out.size:
        for matrix, x in items(a, out, cores=(2, 2)):
            x[...] = trsm(matrix, x, lower, "T" if trans else "N", unit)
    return out


def trsm(a: Any, b: Any, lower: bool, op: str, unit: bool) -> Any:
    """As native code does it: a is its transpose to BLAS."""
    (routine,) = get_blas_funcs(("trsm",), (b,))
    return routine(1.0, a.T, b.T, side=1, lower=not lower, trans_a="NTC".index(op), diag=unit).T


def _jvp(ts: Sequence[Any], xs: Sequence[Any], x: Any, *, lower: bool, trans: bool, unit: bool) -> Any:
    (ta, tb), (a, _) = ts, xs
    if ta is not None:
        ta = (lower_part if lower else upper_part)(ta, diagonal=not unit)
        tb = add(tb, neg(matmul(turned(ta) if trans else ta, x)))
    return triangular_solve(a, tb, lower=lower, trans=trans, unit=unit)


def _transpose(ct: Any, a: Any, b: Linear, *, lower: bool, trans: bool, unit: bool) -> tuple[None, Any]:
    return None, triangular_solve(a, ct, lower=lower, trans=not trans, unit=unit)


def _batch(size: int, batched: Sequence[bool], a: Any, b: Any, **params: Any) -> tuple[Any, bool]:
    if not batched[0]:
        side, undo = as_columns(size, b)
        return undo(triangular_p.bind(a, side, **params)), True
    return triangular_p.bind(*lead_axes(size, batched, (a, b)), **params), True


@family
def trsm_function(dtype: np.dtype, lead: int, lower: bool, op: str, unit: bool) -> NativeFunction:
    """Solves in place of the right-hand sides; ``op`` is "N", "T" or "C"."""

    def write(call: Call) -> None:
        n, k = call.length(1, 0), call.length(1, 1)
        call.call(
            "trsm", call.char("R"), call.char("U" if lower else "L"), call.char(op),
            call.char("U" if unit else "N"), call.count(k), call.count(n), call.one(), call.item(0), call.leading(n),
            call.item(1), call.leading(k), library="blas",
        )  # fmt: skip

    def evaluate(a: Any, x: Any) -> None:
        if x.size:
            x[...] = trsm(a, x, lower, op, unit)

    symbol = f"trsm{'l' if lower else 'u'}{op.lower()}{'u' if unit else 'n'}"
    return lapack_function(symbol, dtype, lead, (reads(dtype, 2), updates(dtype, 2)), write, evaluate)


def _kernel(ctx: Any, in_types: Any, out_types: Any, *, lower: bool, trans: bool, unit: bool) -> None:
    (out,) = out_types
    if is_small(out.shape[-2]):
        solve_in_registers(ctx, out, [(lower, unit)], trans, 1)
        return
    right = ctx.read(1)
    ctx.kernel(out.shape, lambda b, index: b.store(ctx.output(), index, right(index)), "right-hand sides")
    ctx.call(trsm_function(out.dtype, out.ndim - 2, lower, "T" if trans else "N", unit), ctx.input(0), ctx.output())


triangular_p: Primitive = Primitive(
    "triangular_solve",
    type_rule=_type_rule,
    evaluate=_evaluate,
    jvp=_jvp,
    linear=(1,),
    transpose=_transpose,
    batch=_batch,
    kernel=Statements(_kernel, static=("lower", "trans", "unit")),
    samples=lambda: samples_of_systems(
        [{"lower": k % 2 == 0, "trans": k // 2 % 2 == 1, "unit": k == 4} for k in range(5)]
    ),
)
