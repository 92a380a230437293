"""Sums of products over windows: convolution layers of any rank and layout, with strides, dilation and groups.

Each axis of the operands and of the result has a label, as in ``einsum``. Most are as there: an axis of x alone, or of
w alone, goes into the result (a batch, features of the result); one of x and w goes into it if it is named there
(groups), else products are summed over it (features of x). Axes that all three have and that are named as *windows* are
moved over one another,

    y[q] = sum_k x[q s + k d] w[k]        with stride s, dilation d,

exactly: x has (Q - 1) s + (K - 1) d + 1 elements there. Where a convolution is padded, cut or dilated otherwise, so is
x before. So it is linear in x and in w, and closed under transposition and batching:

    the cotangent of w   is the sum over windows of x and that of y, with s and d exchanged,
    the cotangent of x   that of y, with s - 1 zeros between its elements and (K - 1) d around them, and w back to
                         front; the zeros between elements are left out where d is 1.

A mapped axis is one more label. Natively, everything is a product of matrices whose elements are found by tables of
offsets (``kernel_ir/gathered.py``), so that no layout has to be turned into another one.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.core.zeros import add
from functad.errors import DtypeError, ShapeError
from functad.ir.types import ArrayType, Size, array_type
from functad.kernel_ir.gathered import gathered_product
from functad.kernel_ir.nodes import Affine, Buffer
from functad.kernel_ir.rules import Statements
from functad.kernel_ir.sizes import Poly, product
from functad.primitives.shapes import flip
from functad.primitives.slicing import pad, slice_

__all__ = ["conv"]

Labels = tuple[int, ...]
Windows = tuple[tuple[int, int, int], ...]


def conv(x: Any, w: Any, x_axes: Sequence[int], w_axes: Sequence[int], out_axes: Sequence[int], windows: Any) -> Any:
    """Sums of products; ``windows`` holds a label, a stride and a dilation for each axis along which windows move."""
    moved = tuple(sorted([tuple(each) for each in windows]))
    return conv_p.bind(x, w, x_axes=tuple(x_axes), w_axes=tuple(w_axes), out_axes=tuple(out_axes), windows=moved)


@dataclass(frozen=True)
class Parts:
    """The labels of an equation by what becomes of their axes."""

    groups: Labels
    summed: Labels
    own_x: Labels
    own_w: Labels
    moved: Labels

    @staticmethod
    def of(x_axes: Labels, w_axes: Labels, out_axes: Labels, windows: Windows) -> Parts:
        """In the order of x, or of w where x has not got them."""
        moved = [label for label, _, _ in windows]
        shared = [a for a in x_axes if a in w_axes and a not in moved]
        return Parts(
            groups=tuple([a for a in shared if a in out_axes]),
            summed=tuple([a for a in shared if a not in out_axes]),
            own_x=tuple([a for a in x_axes if a not in w_axes]),
            own_w=tuple([a for a in w_axes if a not in x_axes]),
            moved=tuple([a for a in x_axes if a in moved]),
        )


def _type_rule(
    x: ArrayType, w: ArrayType, *, x_axes: Labels, w_axes: Labels, out_axes: Labels, windows: Windows
) -> ArrayType:
    if x.dtype != w.dtype or x.dtype.kind not in "fiu" or x.dtype == np.float16:
        raise DtypeError(
            f"conv takes real operands of one dtype, of 32 bits at least where they are floating-point, got {x} and "
            f"{w}; convert with .astype"
        )
    p = Parts.of(x_axes, w_axes, out_axes, windows)
    labels = [(*p.groups, *p.summed, *p.own_x, *p.moved), (*p.groups, *p.summed, *p.own_w, *p.moved)]
    labels.append((*p.groups, *p.own_x, *p.own_w, *p.moved))
    given = f"conv of {x} with axes {x_axes} and {w} with axes {w_axes} to axes {out_axes}, windows {windows}"
    for axes, wanted in zip((x_axes, w_axes, out_axes), labels, strict=True):
        if sorted(axes) != sorted(wanted):
            raise ShapeError(f"{given}: the labels do not fit")
    if len(x_axes) != x.ndim or len(w_axes) != w.ndim:
        raise ShapeError(f"{given}: each axis needs one label")
    sizes, kernel = dict(zip(x_axes, x.shape, strict=True)), dict(zip(w_axes, w.shape, strict=True))
    for a in (*p.groups, *p.summed):
        if sizes[a] != kernel[a]:
            raise ShapeError(f"{given}: axes {a} have lengths {sizes[a]} and {kernel[a]}")
    out = {**kernel, **sizes}
    for a, stride, dilation in windows:
        steps = sizes[a] - (kernel[a] - 1) * dilation - 1
        if min(stride, dilation) < 1 or kernel[a] < 1 or steps < 0 or steps % stride:
            raise ShapeError(f"{given}: windows of {kernel[a]} elements do not fit axis {a} of length {sizes[a]}")
        out[a] = steps // stride + 1
    return x.with_shape(tuple([out[a] for a in out_axes]))


def _evaluate(x: Any, w: Any, *, x_axes: Labels, w_axes: Labels, out_axes: Labels, windows: Windows) -> Any:
    """One product of matrices a group, of all windows."""
    p = Parts.of(x_axes, w_axes, out_axes, windows)
    step, size = dict(zip(x_axes, x.strides, strict=True)), dict(zip(x_axes, x.shape, strict=True))
    taps = dict(zip(w_axes, w.shape, strict=True))
    moves = {a: (stride, dilation) for a, stride, dilation in windows}
    counts = [(size[a] - (taps[a] - 1) * moves[a][1] - 1) // moves[a][0] + 1 for a in p.moved]
    plain = [(*p.groups, *p.own_x), p.summed]
    before, between = ([size[a] for a in part] for part in plain)
    shape = (*before, *counts, *between, *[taps[a] for a in p.moved])
    strides = (
        *[step[a] for a in plain[0]],
        *[step[a] * moves[a][0] for a in p.moved],
        *[step[a] for a in plain[1]],
        *[step[a] * moves[a][1] for a in p.moved],
    )
    seen = np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)
    groups, inner = [size[a] for a in p.groups], [*between, *[taps[a] for a in p.moved]]
    rows = [*[size[a] for a in p.own_x], *counts]
    right = w.transpose([w_axes.index(a) for a in (*p.groups, *p.summed, *p.moved, *p.own_w)])
    columns = [taps[a] for a in p.own_w]
    left = seen.reshape(prod(groups), prod(rows), prod(inner))
    out = left @ right.reshape(prod(groups), prod(inner), prod(columns))
    order = (*p.groups, *p.own_x, *p.moved, *p.own_w)
    return np.ascontiguousarray(out.reshape(*groups, *rows, *columns).transpose([order.index(a) for a in out_axes]))


def _jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any, **params: Any) -> Any:
    (tx, tw), (x, w) = ts, xs
    return add(
        None if tx is None else conv_p.bind(tx, w, **params), None if tw is None else conv_p.bind(x, tw, **params)
    )


def _transpose(
    ct: Any, x: Any, w: Any, *, x_axes: Labels, w_axes: Labels, out_axes: Labels, windows: Windows
) -> tuple[Any, Any]:
    if type(w) is Linear:
        return None, conv(x, ct, x_axes, out_axes, w_axes, [(a, dilation, stride) for a, stride, dilation in windows])
    return _of_x(ct, w, x_axes, w_axes, out_axes, windows), None


def _of_x(ct: Any, w: Any, x_axes: Labels, w_axes: Labels, out_axes: Labels, windows: Windows) -> Any:
    """The cotangent of x. A stride s divides it into s parts, each s-th element: of these each sees every s-th element
    of w, and no zero that a stride would put between elements. (Where windows are dilated, too, there are such zeros.)
    """
    phases = [range(stride if dilation == 1 else 1) for _, stride, dilation in windows]
    taps: dict[int, int] = dict(zip(w_axes, type_of(w).shape, strict=True))
    counts: dict[int, int] = dict(zip(out_axes, type_of(ct).shape, strict=True))
    total: Any = None
    for phase in itertools.product(*phases):
        starts, steps = [0] * len(w_axes), [1] * len(w_axes)
        around, back = [(0, 0, 0)] * len(out_axes), [(0, 0, 0)] * len(x_axes)
        for first, (a, stride, dilation), parts in zip(phase, windows, phases, strict=True):
            step = len(parts)
            starts[w_axes.index(a)], steps[w_axes.index(a)] = first, step
            seen = max(0, -(-(taps[a] - first) // step))
            reach = (seen - 1) * dilation
            around[out_axes.index(a)] = (reach, reach, stride // step - 1)
            length = (counts[a] - 1) * stride + (taps[a] - 1) * dilation + 1
            found = (counts[a] - 1) * (stride // step) + reach + 1
            back[x_axes.index(a)] = (first, length - first - (found - 1) * step - 1, step - 1)
        part = slice_(w, starts, type_of(w).shape, steps) if max(steps) > 1 else w
        if 0 in type_of(part).shape and 0 not in type_of(w).shape:
            continue  # a stride that is longer than the windows
        zero = type_of(ct).dtype.type(0)
        turned = flip(part, [w_axes.index(a) for a, _, _ in windows])
        moved = [(a, 1, dilation) for a, _, dilation in windows]
        y = pad(conv(pad(ct, zero, around), turned, out_axes, w_axes, x_axes, moved), zero, back)
        total = y if total is None else add(total, y)
    return total


def _batch(
    size: int, batched: Sequence[bool], x: Any, w: Any, *, x_axes: Labels, w_axes: Labels, out_axes: Labels,
    windows: Windows,
) -> tuple[Any, bool]:  # fmt: skip
    new = max((*x_axes, *w_axes), default=0) + 1
    x_axes, w_axes = (((new, *axes) if flag else axes) for flag, axes in zip(batched, (x_axes, w_axes), strict=True))
    return conv(x, w, x_axes, w_axes, (new, *out_axes), windows), True


# -- natively ----------------------------------------------------------------------------------------------------------

Steps = dict[int, Poly]


def _statements(
    ctx: Any, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType], *, x_axes: Labels, w_axes: Labels,
    out_axes: Labels, windows: Windows,
) -> None:  # fmt: skip
    """A product of matrices: the columns are those axes of the result among which is its last one."""
    (x, w), (out,) = in_types, out_types
    p = Parts.of(x_axes, w_axes, out_axes, windows)
    in_x, in_w, in_out = _steps(x_axes, x), _steps(w_axes, w), _steps(out_axes, out)
    moving = {**in_x, **{a: in_x[a] * stride for a, stride, _ in windows}}
    reaching = {**in_x, **{a: in_x[a] * dilation for a, _, dilation in windows}}
    counts, taps = _lengths(out_axes, out), {**_lengths(x_axes, x), **_lengths(w_axes, w)}
    positions = [a for a in out_axes if a in p.own_x or a in p.moved]
    features = [a for a in out_axes if a in p.own_w]
    summed = [a for a in x_axes if a in p.summed or a in p.moved]

    def tables(first: Steps, second: Steps, first_sum: Steps, second_sum: Steps) -> tuple[Buffer, Buffer]:
        return _table(ctx, p.groups, counts, first, second, in_out), _table(ctx, summed, taps, first_sum, second_sum)

    of_positions = _table(ctx, positions, counts, moving, in_out)
    of_features = _table(ctx, features, counts, in_w, in_out)
    if features and out_axes[-1] == features[-1]:
        groups, inner = tables(in_x, in_w, reaching, in_w)
        function = gathered_product(out.dtype, out.ndim, x.ndim, w.ndim)
        ctx.call(function, ctx.output(), ctx.input(0), ctx.input(1), groups, of_positions, inner, of_features)
    else:
        groups, inner = tables(in_w, in_x, in_w, reaching)
        function = gathered_product(out.dtype, out.ndim, w.ndim, x.ndim)
        ctx.call(function, ctx.output(), ctx.input(1), ctx.input(0), groups, of_features, inner, of_positions)


def _lengths(axes: Labels, t: ArrayType) -> dict[int, Size]:
    return dict(zip(axes, t.shape, strict=True))


def _steps(axes: Labels, t: ArrayType) -> Steps:
    """From one element to the next along each axis."""
    return {a: product(t.shape[k + 1 :]) for k, a in enumerate(axes)}


def _table(ctx: Any, labels: Sequence[int], lengths: dict[int, Size], *steps: Steps) -> Buffer:
    """The offsets of all elements along some axes, in one row for each array."""
    shape = [lengths[a] for a in labels]
    table = ctx.temp((len(steps), *shape), np.dtype(np.int64))

    def fill(b: Any, index: Any) -> None:
        for row, step in enumerate(steps):
            offset = sum([i * step[a] for i, a in zip(index, labels, strict=True)], Affine())
            b.store(table, (Affine(row), *index), b.axis(offset))

    ctx.kernel(shape, fill, "offsets")
    return Buffer((len(steps), product(shape)), table.dtype, "temp", table)


def _samples() -> list[Sample]:
    def sample(x: Labels, w: Labels, axes: tuple[str, str, str], *windows: tuple[str, int, int], dtype: Any = float,
               ) -> Sample:  # fmt: skip
        number = {letter: k for k, letter in enumerate(sorted(set("".join(axes))))}
        params = dict(
            zip(("x_axes", "w_axes", "out_axes"), [tuple([number[a] for a in part]) for part in axes], strict=True)
        )
        moved = tuple(sorted([(number[a], *steps) for a, *steps in windows]))
        return Sample((array_type(x, dtype), array_type(w, dtype)), {**params, "windows": moved})

    images, last = ("bihw", "oihw", "bohw"), ("bhwi", "hwio", "bhwo")
    return [
        sample((2, 3, 6, 7), (4, 3, 3, 2), images, ("h", 1, 1), ("w", 1, 1)),
        sample((2, 3, 7, 9), (2, 3, 3, 2), images, ("h", 2, 1), ("w", 3, 2)),
        sample((2, 7, 6, 3), (3, 2, 3, 5), last, ("h", 2, 2), ("w", 1, 1), dtype=np.float32),
        sample((1, 2, 5, 20), (7, 2, 2, 3), images, ("h", 1, 1), ("w", 1, 1), dtype=np.float32),
        sample((2, 3, 2, 9), (3, 4, 2, 3), ("bgit", "goit", "bgot"), ("t", 2, 1)),
        sample((30, 3), (3, 2), ("bi", "io", "bo")),
        sample((20,), (5,), ("t", "t", "t"), ("t", 1, 1)),
        sample((2, 4, 3), (4, 3, 2), ("bti", "tio", "bto"), ("t", 1, 1), dtype=np.int64),
        sample((0, 3, 4), (2, 3, 2), ("bit", "oit", "bot"), ("t", 1, 1)),
        sample((2, 0, 4), (2, 0, 2), ("bit", "oit", "bot"), ("t", 1, 1)),
    ]


conv_p = Primitive(
    "conv",
    type_rule=_type_rule,
    evaluate=_evaluate,
    copies=True,
    jvp=_jvp,
    linear="each",
    transpose=_transpose,
    batch=_batch,
    kernel=Statements(_statements, static=("x_axes", "w_axes", "out_axes")),
    samples=_samples,
)
