"""Numbers as they are stored, and what is peculiar to integers: neighbours of floats, greatest common divisors."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import DtypeError
from functad.ir.types import ArrayType
from functad.kernel_ir.native import NativeFunction, Python, family, reads, writes
from functad.kernel_ir.rules import Statements
from functad.primitives.broadcasting import lead_axes
from functad.primitives.elementwise import Op, elementwise
from functad.primitives.shapes import reshape

__all__ = ["gcd", "nextafter"]

# the neighbour of x moves with it
nextafter: Op = elementwise(
    "nextafter", np.nextafter, kinds="f", operands=2, jvp=(lambda t, y, x, towards: t, None), smooth=False,
    doc="The next number after x in the direction of another.",
)  # fmt: skip


# -- greatest common divisor, by Euclid's algorithm --------------------------------------------------------------------


def _euclid(x: Any, y: Any, out: Any) -> int:
    for i in range(out.size):
        a, b = x[i], y[i]
        while b != 0:
            a, b = b, a % b
        out[i] = -a if a < 0 else a
    return 0


@family
def native_gcd(dtype: np.dtype) -> NativeFunction:
    """What native code calls for integers of a dtype."""
    kinds = (reads(dtype, 1), reads(dtype, 1), writes(dtype, 1))
    return NativeFunction(f"functad_gcd_{dtype.name}", Python(_euclid), kinds)


def _kernel(ctx: Any, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType]) -> None:
    ctx.call(native_gcd(out_types[0].dtype), ctx.input(0), ctx.input(1), ctx.output())


def gcd(x: Any, y: Any) -> Any:
    """The greatest common divisors of integers along one axis."""
    return gcd_p.bind(x, y)


def _type_rule(x: ArrayType, y: ArrayType) -> ArrayType:
    if x is not y or x.ndim != 1 or x.dtype.kind not in "iu":
        raise DtypeError(f"gcd takes integers of one dtype along one axis, got {x} and {y}")
    return x


def _batch(size: int, batched: Sequence[bool], *operands: Any) -> tuple[Any, bool]:
    x, y = lead_axes(size, batched, operands)
    shape = type_of(x).shape
    return reshape(gcd(*[reshape(v, (prod(shape),)) for v in (x, y)]), shape), True


gcd_p = Primitive(
    "gcd",
    type_rule=_type_rule,
    evaluate=np.gcd,
    batch=_batch,
    kernel=Statements(_kernel),
    samples=lambda: (
        [Sample((np.array([0, 12, -18, 7, 35], t), np.array([0, 18, 12, 0, -21], t)), {}) for t in (np.int64, np.int8)]
        + [Sample((np.array([12, 255], np.uint8), np.array([18, 34], np.uint8)), {})]
    ),
)
