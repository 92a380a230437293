"""``indefinite``: whether matrices have no Cholesky factor, as LAPACK finds when it looks for one.

What asks does something else then, in place of a ``cholesky`` that raises.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg.lapack import get_lapack_funcs

from functad.core.primitive import Primitive, Sample
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.lapack import Call, lapack_function
from functad.kernel_ir.native import NativeFunction, family, updates, writes
from functad.kernel_ir.nodes import Affine
from functad.kernel_ir.rules import Statements
from functad.primitives.linalg.matrices import check_matrices

__all__ = ["indefinite", "samples_of_hermitian"]


def indefinite(a: Any) -> Any:
    """Whether each of the Hermitian matrices, whose lower triangle is read, has no Cholesky factor."""
    return indefinite_p.bind(a)


def _type_rule(a: ArrayType) -> ArrayType:
    check_matrices("indefinite", a, square=True)
    return array_type(a.shape[:-2], np.bool_)


def _evaluate(a: Any) -> Any:
    found = np.zeros(a.shape[:-2], np.int32)
    if a.size:
        for index in np.ndindex(found.shape):
            found[index] = _info(a[index])
    return (found != 0)[()]


def _info(a: Any) -> int:
    return int(get_lapack_funcs(("potrf",), (a,))[0](a.T, lower=0, clean=0)[1])


@family
def potrf_info(dtype: np.dtype, lead: int) -> NativeFunction:
    """What ``potrf`` says, which loses the matrix: 0, or the order of a leading part that is not positive definite."""

    def write(call: Call) -> None:
        n = call.length(0, 0)
        call.call("potrf", call.char("U"), call.count(n), call.item(0), call.leading(n), call.info)
        call.note_info(1)

    def evaluate(a: Any, said: Any) -> None:
        said[...] = _info(a) if a.size else 0

    return lapack_function("potrf_info", dtype, lead, (updates(dtype, 2), writes(np.int32, 1)), write, evaluate)


def _kernel(ctx: Any, in_types: Any, out_types: Any) -> None:
    (a,), (out,) = in_types, out_types
    read, work, said = ctx.read(0), ctx.temp(a.shape, a.dtype), ctx.temp((*out.shape, 1), np.dtype(np.int32))
    ctx.kernel(a.shape, lambda b, i: b.store(work, i, read(i)), "copy")
    ctx.call(potrf_info(a.dtype, a.ndim - 2), work, said)

    def test(b: Any, index: Any) -> None:
        b.store(ctx.output(), index, b.ne(b.load(said, (*index, Affine(0))), b.const(0, np.int32)))

    ctx.kernel(out.shape, test, "has no factor")


def samples_of_hermitian(params: dict[str, Any], definite: bool = True, smooth: bool = True) -> list[Sample]:
    """Hermitian matrices of all dtypes and shapes, their eigenvalues apart; ``smooth`` only the real ones."""
    rng = np.random.default_rng(0)
    cases = [
        ((3, 3), "d"),
        ((1, 1), "d"),
        ((2, 4, 4), "d"),
        ((0, 0), "d"),
        ((3, 3), "f"),
        ((3, 3), "D"),
        ((2, 5, 5), "F"),
    ]
    cases += [((18, 18), "d")]
    made = []
    for shape, letter in cases:
        a: Any = rng.uniform(-1, 1, shape) + (1j * rng.uniform(-1, 1, shape) if letter in "DF" else 0)
        a = 0.1 * (a + a.conj().swapaxes(-1, -2)) + np.diag(np.arange(shape[-1]) + (1.0 if definite else -1.5))
        made.append(Sample((a.astype(letter),), params, smooth=smooth or letter in "df"))
    return made


indefinite_p: Primitive = Primitive(
    "indefinite",
    type_rule=_type_rule,
    evaluate=_evaluate,
    batch=lambda size, batched, a: (indefinite(a), True),
    kernel=Statements(_kernel),
    samples=lambda: [*samples_of_hermitian({}), *samples_of_hermitian({}, definite=False)],
)
