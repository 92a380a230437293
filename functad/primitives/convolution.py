"""Correlation along one axis: sums of products of a short array with each part of its length of a long one.

    y[b, i] = sum_k x[b, i + k] w[b, k],        i = 0, ..., n - m        (n and m: lengths of x and w)

It is linear in x and in w, and closed under transposition: the cotangent of w is the correlation of x with that of y,
and the cotangent of x is that of y, with m - 1 zeros at both ends, correlated with w back to front.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.core.zeros import add
from functad.errors import DtypeError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.nodes import Affine
from functad.kernel_ir.rules import Statements
from functad.primitives.broadcasting import lead_axes
from functad.primitives.shapes import flip
from functad.primitives.slicing import pad

__all__ = ["correlate"]


def correlate(x: Any, w: Any) -> Any:
    """The sums of products of w with each part of x of its length, along the last axis; the other axes are equal."""
    return correlate_p.bind(x, w, blocks=-(-type_of(w).shape[-1] // BLOCK))


def _type_rule(x: ArrayType, w: ArrayType, *, blocks: int) -> ArrayType:
    if x.dtype != w.dtype or x.dtype.kind == "b":
        raise DtypeError(f"correlate takes operands of one numeric dtype, got {x} and {w}; convert with .astype")
    if not x.ndim or x.shape[:-1] != w.shape[:-1] or not 1 <= w.shape[-1] <= x.shape[-1]:
        raise ShapeError(
            f"correlate takes operands of equal shapes but for the last axis, the first not shorter than the second "
            f"there, and neither empty; got {x} and {w}"
        )
    if blocks != -(-w.shape[-1] // BLOCK):
        raise ShapeError(f"correlate with {w} is computed in {-(-w.shape[-1] // BLOCK)} blocks, not in {blocks}")
    return x.with_shape((*x.shape[:-1], x.shape[-1] - w.shape[-1] + 1))


def _evaluate(x: Any, w: Any, *, blocks: int) -> Any:
    if x.ndim == 1:
        return np.convolve(x, w[::-1], "valid")
    out = np.empty((*x.shape[:-1], x.shape[-1] - w.shape[-1] + 1), x.dtype)
    for lane in np.ndindex(*x.shape[:-1]):
        out[lane] = np.convolve(x[lane], w[lane][::-1], "valid")
    return out


def _jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any, *, blocks: int) -> Any:
    (tx, tw), (x, w) = ts, xs
    return add(None if tx is None else correlate(tx, w), None if tw is None else correlate(x, tw))


def _transpose(ct: Any, x: Any, w: Any, *, blocks: int) -> tuple[Any, Any]:
    if type(w) is Linear:
        return None, correlate(x, ct)
    m, last = type_of(w).shape[-1], type_of(w).ndim - 1
    widths = [(0, 0, 0)] * last + [(m - 1, m - 1, 0)]
    return correlate(pad(ct, type_of(ct).dtype.type(0), widths), flip(w, (last,))), None


def _statements(ctx: Any, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType], *, blocks: int) -> None:
    (_, w), (out,) = in_types, out_types
    m, last = w.shape[-1], w.ndim - 1

    def written_out(b: Any, index: Any) -> None:
        total: Any = None
        for k in range(m):
            x_k = ctx.read(0)((*index[:-1], index[-1] + k))
            term = b.mul(x_k, ctx.read(1)((*index[:-1], Affine(k))))
            total = term if total is None else b.add(total, term)
        b.store(ctx.output(), index, total)

    def block(b: Any, index: Any) -> None:
        """The terms of a block of weights, for adjacent results."""
        total: Any = None
        for j in range(BLOCK):
            k = index[last] * BLOCK + j
            there = b.lt(b.axis(k), b.size(m))
            x_k = ctx.read(0)((*index[:last], index[-1] + k), mask=there)
            term = b.mul(x_k, ctx.read(1)((*index[:last], k), mask=there))
            total = term if total is None else b.add(total, term)
        b.reduce(ctx.output(), (*index[:last], index[-1]), "sum", total)

    if isinstance(m, int):
        ctx.kernel(out.shape, written_out, "correlate")
    else:
        ctx.kernel((*out.shape[:-1], blocks, out.shape[-1]), block, "correlate")


BLOCK = 8
"""So many weights at a time, where their number is not known in compiled code: results are read and written once for
each block.
"""


def _samples() -> list[Sample]:
    cases: list[tuple[Any, tuple[int, ...], tuple[int, ...]]] = [
        *[(np.float64, (5,), (2,)), (np.float64, (50,), (20,)), (np.float64, (2, 7), (2, 7)), (np.float64, (3,), (1,))],
        *[(t, (7,), (3,)) for t in (np.float32, np.complex128, np.int64)],
        *[(np.complex128, (2, 30), (2, 20)), (np.float64, (0, 3), (0, 2))],
    ]
    return [Sample((array_type(x, t), array_type(w, t)), {"blocks": -(-w[-1] // BLOCK)}) for t, x, w in cases]


def _batch(size: int, batched: Sequence[bool], x: Any, w: Any, *, blocks: int) -> tuple[Any, bool]:
    return correlate(*lead_axes(size, batched, (x, w))), True


correlate_p = Primitive(
    "correlate",
    type_rule=_type_rule,
    evaluate=_evaluate,
    copies=True,
    jvp=_jvp,
    linear="each",
    transpose=_transpose,
    batch=_batch,
    kernel=Statements(_statements),
    samples=_samples,
)
