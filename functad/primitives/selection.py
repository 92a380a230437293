"""Choosing elements: by a predicate, or by size.

Rules select tangents rather than multiply them by 0 or 1: what is not taken is exactly zero, also where it is infinite
or NaN.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample
from functad.errors import DtypeError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Pointwise
from functad.primitives.arithmetic import is_linear, mul
from functad.primitives.comparison import eq, gt, isinf, lt
from functad.primitives.elementwise import (
    PYTHON_NUMBERS,
    align_batched,
    broadcast_like,
    broadcast_type,
    elementwise,
    unbroadcast,
)

__all__ = ["clip", "finite", "maximum", "minimum", "select"]


# -- select: x where the predicate holds, else y -----------------------------------------------------------------------


def select(pred: Any, x: Any, y: Any) -> Any:
    """``x`` where ``pred`` holds, else ``y``; a Python number takes the dtype of the other."""
    if type(x) in PYTHON_NUMBERS:
        x = y.dtype.type(x)
    elif type(y) in PYTHON_NUMBERS:
        y = x.dtype.type(y)
    return select_p.bind(pred, x, y)


def _select_type(pred: ArrayType, x: ArrayType, y: ArrayType) -> ArrayType:
    if pred.dtype.kind != "b":
        raise DtypeError(f"select takes a bool predicate, got {pred}; compare, as in x != 0")
    out = broadcast_type("select", (x, y))
    if pred.ndim and out.ndim and pred.shape != out.shape:
        raise ShapeError(f"select takes operands of one shape, got {pred}, {x} and {y}")
    return out if out.ndim else out.with_shape(pred.shape)


def _select_evaluate(pred: Any, x: Any, y: Any) -> Any:
    out: Any = np.where(pred, x, y)
    return out[()]


def _select_jvp(tangents: Sequence[Any], primals: Sequence[Any], out: Any) -> Any:
    _, tx, ty = tangents
    return broadcast_like(select(primals[0], 0 if tx is None else tx, 0 if ty is None else ty), out)


def _select_transpose(ct: Any, pred: Any, x: Any, y: Any) -> tuple[None, Any, Any]:
    ct_x = unbroadcast(select(pred, ct, 0), x) if is_linear(x) else None
    ct_y = unbroadcast(select(pred, 0, ct), y) if is_linear(y) else None
    return None, ct_x, ct_y


def _select_samples() -> list[Sample]:
    def sample(dtype: type, *shapes: tuple[int, ...]) -> Sample:
        return Sample(tuple([array_type(s, np.bool_ if i == 0 else dtype) for i, s in enumerate(shapes)]), {})

    dtypes = (np.float64, np.float32, np.complex128, np.complex64, np.int64, np.int32, np.uint8, np.bool_)
    mixed = list(itertools.product([(), (3,)], repeat=3))
    return [sample(d, (3,), (3,), (3,)) for d in dtypes] + [
        sample(np.float64, *s) for s in [*mixed, ((2, 1, 3),) * 3, ((0,),) * 3]
    ]


select_p = Primitive(
    "select",
    type_rule=_select_type,
    evaluate=_select_evaluate,
    copies=True,
    jvp=_select_jvp,
    linear=(1, 2),
    transpose=_select_transpose,
    batch=lambda size, batched, *xs: (select(*align_batched(size, batched, xs)), True),
    kernel=Pointwise(lambda b, pred, x, y: b.select(pred, x, y)),
    cheap=True,
    samples=_select_samples,
)


def finite(x: Any) -> Any:
    """``x``, but 0 in place of infinities: a factor of products whose limit there is 0, where inf * 0 would be NaN."""
    return select(isinf(x), 0, x)


# -- the larger and the smaller: operands that tie share the tangent equally -------------------------------------------


def _share(t: Any, wins: Any, ties: Any) -> Any:
    return select(wins, t, select(ties, mul(t, 0.5), 0))


maximum = elementwise(
    "maximum", np.maximum, kinds="fciub", operands=2,
    jvp=(lambda t, z, x, y: _share(t, gt(x, y), eq(x, y)), lambda t, z, x, y: _share(t, gt(y, x), eq(x, y))),
    doc="The larger operand; NaN if one is.",
)  # fmt: skip

minimum = elementwise(
    "minimum", np.minimum, kinds="fciub", operands=2,
    jvp=(lambda t, z, x, y: _share(t, lt(x, y), eq(x, y)), lambda t, z, x, y: _share(t, lt(y, x), eq(x, y))),
    doc="The smaller operand; NaN if one is.",
)  # fmt: skip


def clip(x: Any, low: Any, high: Any) -> Any:
    """``x`` between bounds; ``high`` where ``low`` exceeds it; on a bound, x and the bound share the tangent
    equally.
    """
    return minimum(maximum(x, low), high)
