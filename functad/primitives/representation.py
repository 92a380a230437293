"""Numbers as they are stored, and what is peculiar to integers: neighbours of floats, greatest common divisors."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import DtypeError
from functad.ir.types import ArrayType
from functad.kernel_ir.native import NativeFunction, Text, family, reads, writes
from functad.kernel_ir.rules import Statements
from functad.primitives.broadcasting import lead_axes
from functad.primitives.elementwise import Op, elementwise
from functad.primitives.shapes import reshape

__all__ = ["gcd", "nextafter"]

# the neighbour of x moves with it
nextafter: Op = elementwise(
    "nextafter", np.nextafter, kinds="f", operands=2, jvp=(lambda t, y, x, towards: t, None),
    doc="The next number after x in the direction of another.",
)  # fmt: skip


# -- greatest common divisor, by Euclid's algorithm --------------------------------------------------------------------


@family
def native_gcd(dtype: np.dtype) -> NativeFunction:
    """What native code calls for integers of a dtype."""
    symbol, word, size = f"functad_gcd_{dtype.name}", f"i{8 * dtype.itemsize}", dtype.itemsize
    rest, negative = ("srem", "slt") if dtype.kind == "i" else ("urem", "ult")
    guard = f"  %divisor = add {word} %b, 0\n"
    if dtype.kind == "i":  # the smallest number divided by -1 would overflow
        guard = f"  %minus = icmp eq {word} %b, -1\n  %divisor = select i1 %minus, {word} 1, {word} %b\n"
    addresses = "".join(
        f"""  %{name}.slot = getelementptr ptr, ptr %buffers, i64 {k}
  %{name}.all = load ptr, ptr %{name}.slot
"""
        for k, name in enumerate("xyz")
    )
    elements = "".join(f"  %{name}.at = getelementptr {word}, ptr %{name}.all, i64 %i\n" for name in "xyz")
    text = f"""define i32 @{symbol}(ptr %buffers, ptr %sizes) {{
entry:
{addresses}  %n = load i64, ptr %sizes
  br label %head

head:
  %i = phi i64 [ 0, %entry ], [ %next, %found ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %pair, label %done

pair:
{elements}  %x = load {word}, ptr %x.at, align {size}
  %y = load {word}, ptr %y.at, align {size}
  br label %step

step:
  %a = phi {word} [ %x, %pair ], [ %b, %divide ]
  %b = phi {word} [ %y, %pair ], [ %rest, %divide ]
  %last = icmp eq {word} %b, 0
  br i1 %last, label %found, label %divide

divide:
{guard}  %rest = {rest} {word} %a, %divisor
  br label %step

found:
  %below = icmp {negative} {word} %a, 0
  %opposite = sub {word} 0, %a
  %size = select i1 %below, {word} %opposite, {word} %a
  store {word} %size, ptr %z.at, align {size}
  %next = add i64 %i, 1
  br label %head

done:
  ret i32 0
}}
"""
    kinds = (reads(dtype, 1), reads(dtype, 1), writes(dtype, 1))
    return NativeFunction(symbol, Text(text), kinds, _evaluate)


def _evaluate(x: Any, y: Any, out: Any) -> None:
    out[...] = np.gcd(x, y)


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
