"""``require_nonzero``: what raises where a matrix is singular."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample
from functad.errors import LinAlgError
from functad.ir.types import array_type
from functad.kernel_ir.rules import Pointwise

__all__ = ["require_nonzero"]


def require_nonzero(x: Any, message: str) -> None:
    """Raise LinAlgError where an element is 0; NaN is not."""
    nonzero_p.bind(x, message=message)


def _evaluate(x: Any, *, message: str) -> Any:
    if np.any(np.equal(x, 0)):
        raise LinAlgError(message)
    return np.array(x)[()]


def _kernel(b: Any, x: Any, *, message: str) -> Any:
    b.require(b.ne(x, 0), "LinAlgError", message)
    return x


nonzero_p: Primitive = Primitive(
    "require_nonzero",
    type_rule=lambda x, *, message: x,
    evaluate=_evaluate,
    jvp=lambda ts, xs, y, *, message: ts[0],
    batch=lambda size, batched, x, *, message: (nonzero_p.bind(x, message=message), True),
    kernel=Pointwise(_kernel),
    may_raise=True,
    samples=lambda: [
        Sample((array_type(shape, t),), {"message": "zero"}, 0.5, 2.0)
        for shape, t in [((2, 3), np.float64), ((), np.float32), ((0,), np.float64), ((3,), np.complex128)]
    ],
)
