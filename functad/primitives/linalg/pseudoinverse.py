r"""``pinv_of``: the derivative of the pseudoinverse x of a, where its rank does not change.

    dx = -x da x + x x^H da^H (1 - a x) + (1 - x a) da^H x^H x

No difference of singular values divides here, so equal ones do no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import ShapeError
from functad.ir.types import ArrayType
from functad.kernel_ir.rules import Pull
from functad.primitives.arithmetic import add, neg, sub
from functad.primitives.broadcasting import lead_axes
from functad.primitives.linalg.lu import random_matrices
from functad.primitives.linalg.matrices import adjoint, check_matrices, matmul

__all__ = ["pinv_of"]


def pinv_of(x: Any, a: Any) -> Any:
    """x, as the pseudoinverse of a."""
    return pinv_p.bind(x, a)


def _type_rule(x: ArrayType, a: ArrayType) -> ArrayType:
    check_matrices("pinv_of", x)
    if a.dtype != x.dtype or a.shape != (*x.shape[:-2], x.shape[-1], x.shape[-2]):
        raise ShapeError(f"pinv_of takes the pseudoinverse of a matrix and the matrix, got {x} and {a}")
    return x


def _jvp(ts: Sequence[Any], xs: Sequence[Any], x: Any) -> Any:
    _, t = ts
    _, a = xs
    if t is None:
        return None
    back, of_x = adjoint(t), adjoint(x)
    left, right = sub(back, matmul(matmul(back, a), x)), sub(back, matmul(x, matmul(a, back)))
    if type_of(a).shape[-2] >= type_of(a).shape[-1]:
        both = add(matmul(matmul(x, of_x), left), matmul(matmul(right, of_x), x))
    else:
        both = add(matmul(x, matmul(of_x, left)), matmul(right, matmul(of_x, x)))
    return add(both, neg(matmul(matmul(x, t), x)))


def _samples() -> list[Sample]:
    shapes: list[Any] = [((3, 2), "d"), ((2, 3), "D"), ((2, 3, 3), "f"), ((0, 2), "d")]
    return [Sample((np.linalg.pinv(s.operands[0]), *s.operands), {}) for s in random_matrices(shapes, {})]


pinv_p: Primitive = Primitive(
    "pinv_of",
    type_rule=_type_rule,
    evaluate=lambda x, a: np.array(x),
    jvp=_jvp,
    batch=lambda size, batched, x, a: (pinv_of(*lead_axes(size, batched, (x, a))), True),
    kernel=Pull(lambda b, index, reads, in_types, out_type: reads[0](index)),
    samples=_samples,
)
