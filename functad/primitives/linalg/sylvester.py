r"""``sylvester``: x of ``a x + x b = q``; and the polar factors, whose derivative it gives.

    a dx + dx b = dq - da x - x db,   and transposed, a^T y + y b^T = ct.

For ``a = u p`` with orthonormal columns of u and p positive definite, p^2 = a^H a, so that

    p dp + dp p = da^H a + a^H da,   du = (da - u dp) p^-1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg

from functad.core.primitive import Primitive, Sample
from functad.core.zeros import add
from functad.errors import LinAlgError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Statements
from functad.primitives.arithmetic import neg, sub
from functad.primitives.broadcasting import lead_axes
from functad.primitives.linalg.functions import by_python
from functad.primitives.linalg.lu import random_matrices
from functad.primitives.linalg.matrices import adjoint, check_matrices, items, matmul, turned
from functad.primitives.linalg.solving import factors_of, lu_solve

__all__ = ["polar_of", "sylvester"]


def sylvester(a: Any, b: Any, q: Any) -> Any:
    """x of ``a x + x b = q``."""
    return sylvester_p.bind(a, b, q)


def _type_rule(a: ArrayType, b: ArrayType, q: ArrayType) -> ArrayType:
    check_matrices("sylvester", a, square=True)
    check_matrices("sylvester", b, square=True)
    if (
        a.dtype != q.dtype
        or b.dtype != q.dtype
        or q.shape != (*a.shape[:-1], b.shape[-1])
        or a.shape[:-2] != b.shape[:-2]
    ):
        raise ShapeError(f"a x + x b = q takes matrices of one dtype that fit, got {a}, {b} and {q}")
    return q


def _evaluate(a: Any, b: Any, q: Any) -> Any:
    out = np.array(q)
    if not out.size:
        return out
    for x, y, z in items(a, b, out, cores=(2, 2, 2)):
        try:
            z[...] = scipy.linalg.solve_sylvester(x, y, z)
        except np.linalg.LinAlgError as error:
            raise LinAlgError(f"a x + x b = q: {error}") from None
    return out


def _jvp(ts: Sequence[Any], xs: Sequence[Any], x: Any) -> Any:
    (ta, tb, t), (a, b, _) = ts, xs
    t = add(t, None if ta is None else neg(matmul(ta, x)))
    return sylvester(a, b, add(t, None if tb is None else neg(matmul(x, tb))))


def _samples() -> list[Sample]:
    rng = np.random.default_rng(3)
    made = []
    for lead, m, n, letter in [((), 3, 2, "d"), ((2,), 2, 2, "D"), ((), 1, 1, "f"), ((0,), 2, 3, "d")]:
        a, b = rng.uniform(-0.5, 0.5, (*lead, m, m)) + 2 * np.eye(m), rng.uniform(-0.5, 0.5, (*lead, n, n)) + np.eye(n)
        made.append(Sample((a.astype(letter), b.astype(letter), array_type((*lead, m, n), np.dtype(letter))), {}))
    return made


sylvester_p: Primitive = Primitive(
    "sylvester",
    type_rule=_type_rule,
    evaluate=_evaluate,
    jvp=_jvp,
    linear=(2,),
    transpose=lambda ct, a, b, q: (None, None, sylvester(turned(a), turned(b), ct)),
    batch=lambda size, batched, *xs: (sylvester(*lead_axes(size, batched, xs)), True),
    kernel=Statements(lambda ctx, ins, outs: by_python(ctx, ins, outs, sylvester_p)),
    may_raise=True,
    samples=_samples,
)


# -- polar factors -----------------------------------------------------------------------------------------------------


def polar_of(u: Any, p: Any, a: Any) -> tuple[Any, Any]:
    """u and p, as the polar factors of a."""
    return polar_p.bind(u, p, a)  # type: ignore[no-any-return]


def _polar_jvp(ts: Sequence[Any], xs: Sequence[Any], outs: Sequence[Any]) -> tuple[Any, Any] | None:
    t, a, (u, p) = ts[2], xs[2], outs
    if t is None:
        return None
    half = matmul(adjoint(a), t)
    dp = sylvester(p, p, add(half, adjoint(half)))
    return turned(lu_solve(factors_of(p), turned(sub(t, matmul(u, dp))), trans=True)), dp


def _polar_samples() -> list[Sample]:
    made = []
    for sample in random_matrices([((3, 2), "d"), ((2, 3, 3), "d"), ((2, 2), "D")], {}):
        (a,) = sample.operands
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        made.append(Sample((u @ vh, (vh.conj().swapaxes(-1, -2) * s[..., None, :]) @ vh, a), {}))
    return made


polar_p: Primitive = Primitive(
    "polar_of",
    type_rule=lambda u, p, a: (u, p),
    evaluate=lambda u, p, a: (np.array(u), np.array(p)),
    multiple_results=True,
    jvp=_polar_jvp,
    batch=lambda size, batched, *xs: (polar_of(*lead_axes(size, batched, xs)), (True, True)),
    kernel=Statements(lambda ctx, ins, outs: _copy(ctx, outs)),
    samples=_polar_samples,
)


def _copy(ctx: Any, outs: Sequence[ArrayType]) -> None:
    for k, t in enumerate(outs):
        read = ctx.read(k)
        ctx.kernel(t.shape, lambda b, i, k=k, read=read: b.store(ctx.output(k), i, read(i)), "copy")
