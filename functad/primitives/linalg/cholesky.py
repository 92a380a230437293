r"""``cholesky``: the lower triangular l with a positive diagonal, ``l l^H = a``. Of a, the lower triangle is read.

With P the lower triangle of a matrix, its diagonal halved,

    dl = l P(l^-1 da l^-H)

where da is the Hermitian matrix whose lower triangle is the tangent's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg.lapack import get_lapack_funcs

from functad.core.attempts import attempted
from functad.core.primitive import Primitive
from functad.errors import LinAlgError
from functad.ir.types import ArrayType
from functad.kernel_ir.lapack import Call, lapack_function
from functad.kernel_ir.native import NativeFunction, family, updates
from functad.kernel_ir.rules import Statements
from functad.primitives.arithmetic import mul
from functad.primitives.linalg.definite import indefinite, samples_of_hermitian
from functad.primitives.linalg.matrices import (
    adjoint,
    check_matrices,
    hermitian,
    instead,
    lower_part,
    matmul,
    on_diagonal,
)
from functad.primitives.linalg.small import cholesky_in_registers, is_small
from functad.primitives.linalg.triangular import triangular_solve
from functad.primitives.stops import stop_gradient

__all__ = ["cholesky"]

MESSAGE = "the matrix is not positive definite"


def cholesky(a: Any) -> Any:
    """The factor; raises LinAlgError where a is not positive definite."""
    attempt = attempted()
    if attempt is None:
        return cholesky_p.bind(a)
    failed = indefinite(stop_gradient(a))
    attempt.fails(failed)
    return attempt.sound(cholesky_p.bind(instead(failed, a)))


def _type_rule(a: ArrayType) -> ArrayType:
    check_matrices("cholesky", a, square=True)
    return a


def _evaluate(a: Any) -> Any:
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        raise LinAlgError(MESSAGE) from None


def _jvp(ts: Sequence[Any], xs: Sequence[Any], factor: Any) -> Any:
    (t,) = ts
    half = triangular_solve(factor, hermitian(t, lower=True), lower=True)
    full = triangular_solve(factor, adjoint(half), lower=True)
    return matmul(factor, lower_part(on_diagonal(mul(full, 0.5), full)))


@family
def potrf(dtype: np.dtype, lead: int) -> NativeFunction:
    """In place. The lower triangle in C's order is the upper one in Fortran's, ``a^T = u^H u``, and l is ``u^T``."""

    def write(call: Call) -> None:
        n = call.length(0, 0)
        call.call("potrf", call.char("U"), call.count(n), call.item(0), call.leading(n), call.info)

    def evaluate(a: Any) -> int:
        if not a.size:
            return 0
        found, info = get_lapack_funcs(("potrf",), (a,))[0](a.T, lower=0, clean=0)
        a[...] = found.T
        return int(info)

    return lapack_function("potrf", dtype, lead, (updates(dtype, 2),), write, evaluate, ("LinAlgError", MESSAGE))


def _kernel(ctx: Any, in_types: Any, out_types: Any) -> None:
    (out,) = out_types
    if is_small(out.shape[-1]):
        cholesky_in_registers(ctx, out, MESSAGE)
        return
    read = ctx.read(0)

    def lower(b: Any, index: Any) -> None:
        below = b.ge(b.axis(index[-2]), b.axis(index[-1]))
        b.store(ctx.output(), index, b.select(below, read(index), b.const(0, out.dtype)))

    ctx.kernel(out.shape, lower, "lower triangle")
    ctx.call(potrf(out.dtype, out.ndim - 2), ctx.output())


cholesky_p: Primitive = Primitive(
    "cholesky",
    type_rule=_type_rule,
    evaluate=_evaluate,
    copies=True,
    jvp=_jvp,
    batch=lambda size, batched, a: (cholesky(a), True),
    kernel=Statements(_kernel),
    may_raise=True,
    samples=lambda: samples_of_hermitian({}),
)
