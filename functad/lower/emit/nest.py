"""The shape of a loop nest, decided before a line of it is written: a rewrite of a ``Kernel`` into a ``Kernel``, and
where it is vectorised.

In order: axes of length 1 are dropped; a tiny innermost axis that cannot merge with the next is unrolled into the body;
the axis with the best memory accesses becomes the innermost; indices become linear offsets; adjacent axes that every
access runs through as through one are merged. A kernel with a scan or a scatter keeps its order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from functad.kernel_ir.assume import assume
from functad.kernel_ir.conditions import Box, conditions
from functad.kernel_ir.nodes import (
    Affine,
    AxisIndex,
    Buffer,
    Check,
    Compute,
    Const,
    Index,
    Instr,
    Kernel,
    Load,
    Reduce,
    Scan,
    Scatter,
    Store,
    Value,
)
from functad.kernel_ir.ops import ACCUMULATE
from functad.kernel_ir.rewrite import operands, with_operands
from functad.kernel_ir.sizes import Poly, poly, product

__all__ = ["Linear", "Nest", "linear", "shape_nest"]

Access = Load | Store | Reduce | Scatter

TINY = 4
"""Innermost axes of at most this length are unrolled: they would leave a vector mostly empty."""

UNROLLED_BODY = 256
"""But not into more instructions than this."""


@dataclass(frozen=True, slots=True)
class Linear:
    """An element's place in a buffer, in row-major order: ``offset + sum(scale * atom)``."""

    offset: Poly
    terms: tuple[tuple[int | Value, Poly], ...]

    def scale(self, atom: int | Value) -> Poly:
        """How far the place moves when an atom moves by one."""
        return next((s for a, s in self.terms if a == atom), poly(0))


def linear(buffer: Buffer, index: Index) -> Linear:
    """The place of ``buffer[index]``."""
    if len(index) == 1:
        return Linear(index[0].offset, index[0].terms)
    total, stride = Affine(0), poly(1)
    for affine, extent in zip(reversed(index), reversed(buffer.shape), strict=True):
        total = total + affine * stride
        stride = stride * extent
    return Linear(total.offset, total.terms)


@dataclass(frozen=True, slots=True)
class Nest:
    """A kernel ready to be written: ``vector`` is the axis whose points become lanes (None: one point at a time)."""

    kernel: Kernel
    vector: int | None
    depth: Mapping[Value, int]

    @property
    def axes(self) -> tuple[Poly, ...]:
        """The extents of the loops, outermost first."""
        return self.kernel.axes


def shape_nest(kernel: Kernel) -> Nest:
    """The loop nest that computes a kernel fastest."""
    if not kernel.axes:
        return Nest(kernel, None, defaultdict(lambda: -1))
    indexed = any(isinstance(i, AxisIndex) for i in kernel.body)
    kernel = _drop_unit_axes(kernel)
    ordered = any(isinstance(i, Scan | Scatter) for i in kernel.body)
    if not ordered:
        kernel = _unroll_tiny(kernel)
        kernel = _reorder(kernel)
    if indexed:
        kernel = _settle(kernel)
    kernel = _collapse(_linearise(kernel), ordered)
    depth = _depths(kernel)
    return Nest(kernel, _vector_axis(kernel, depth), depth)


# ---- axes of length 1


def _drop_unit_axes(kernel: Kernel) -> Kernel:
    last = len(kernel.axes) - 1
    scanned = {last} if any(isinstance(i, Scan) for i in kernel.body) else set()
    unit = {k for k, n in enumerate(kernel.axes) if n == 1 and k not in scanned}
    if not unit:
        return kernel
    kept = [k for k in range(len(kernel.axes)) if k not in unit]
    numbers = {k: Affine.axis(kept.index(k)) if k in kept else Affine(0) for k in range(len(kernel.axes))}
    return replace(kernel, axes=tuple(kernel.axes[k] for k in kept), body=_renumber(kernel.body, numbers))


def _renumber(
    body: Iterable[Instr], axes: Mapping[int, Affine], values: dict[Value, Value] | None = None
) -> tuple[Instr, ...]:
    """The body with other loop axes (or constants) in place of its own; with ``values``, under fresh values, which are
    added to it.
    """

    def affine(index: Affine) -> Affine:
        total = Affine(index.offset)
        for atom, scale in index.terms:
            total = total + (axes[atom] if isinstance(atom, int) else Affine.value(atom)) * scale
        return total

    result: list[Instr] = []
    for instr in body:
        out: Value | None = getattr(instr, "out", None)
        if isinstance(instr, Load | Store | Reduce | Scatter):
            instr = replace(instr, index=tuple(affine(a) for a in instr.index))
        elif isinstance(instr, AxisIndex):
            (term,) = axes[instr.axis].terms or ((None, poly(1)),)
            axis = term[0]
            instr = (
                Const(instr.out, axes[instr.axis].offset.constant) if axis is None else AxisIndex(instr.out, axis)  # type: ignore[arg-type]
            )
        if values is not None:
            instr = with_operands(instr, lambda v: values.get(v, v))
            if out is not None:
                values[out] = instr.out = Value(out.dtype)  # type: ignore[attr-defined]
        result.append(instr)
    return tuple(result)


# ---- unrolling a tiny innermost axis


def _unroll_tiny(kernel: Kernel) -> Kernel:
    """Row-wise work on points of two or three coordinates then has whole vectors of points, and sums over the
    coordinates are plain additions.
    """
    while len(kernel.axes) > 1:
        last = len(kernel.axes) - 1
        length = kernel.axes[last].constant
        if (
            length is None
            or not 2 <= length <= TINY
            or length * len(kernel.body) > UNROLLED_BODY
            or _mergeable(kernel, last - 1)
        ):
            break
        kernel = _unroll_last(kernel, length)
    return kernel


def _unroll_last(kernel: Kernel, length: int) -> Kernel:
    last = len(kernel.axes) - 1
    uniform = _depths(kernel)
    once = [i for i in kernel.body if _is_pure(i) and uniform[i.out] < last]  # type: ignore[attr-defined]
    hoisted = set(map(id, once))
    repeated = [i for i in kernel.body if id(i) not in hoisted]
    body: list[Instr] = list(once)
    combined: dict[int, Reduce] = {}
    for point in range(length):
        axes = {k: Affine.axis(k) if k < last else Affine(point) for k in range(last + 1)}
        for number, instr in enumerate(_renumber(repeated, axes, {})):
            original = repeated[number]
            if (
                not isinstance(instr, Reduce) or linear(original.buffer, original.index).scale(last) != 0  # type: ignore[attr-defined]
            ):
                body.append(instr)
            elif number not in combined:
                combined[number] = instr
            else:
                total = Value(instr.value.dtype)
                body.append(Compute(total, ACCUMULATE[instr.op], (combined[number].value, instr.value)))
                combined[number] = replace(instr, value=total)
    return replace(kernel, axes=kernel.axes[:last], body=(*body, *combined.values()))


def _is_pure(instr: Instr) -> bool:
    return not isinstance(instr, Store | Reduce | Scatter | Scan | Check)


# ---- comparisons that hold everywhere


def _settle(kernel: Kernel) -> Kernel:
    """Masks and choices that are the same at every point of the loops go."""
    found = Box.of(kernel.axes).facts(conditions(kernel.body))
    return replace(kernel, body=tuple([instr for instr, _ in assume(kernel.body, found)])) if found else kernel


# ---- the innermost axis


def _reorder(kernel: Kernel) -> Kernel:
    """Moves the axis with the cheapest accesses innermost; the others keep their order."""
    count = len(kernel.axes)
    if count < 2:
        return kernel
    dependent = _dependences(kernel)
    accesses = [(i, linear(i.buffer, i.index)) for i in kernel.body if isinstance(i, Load | Store | Reduce)]

    def cost(axis: int) -> float:
        total = 0.0
        for instr, place in accesses:
            scale = place.scale(axis).constant
            if any(isinstance(a, Value) and axis in dependent[a] for a, _ in place.terms):
                total += 8
            elif scale != 0:
                total += 1 if scale in (1, -1) else 3 if scale is not None and 2 <= scale <= TINY else 8
                total += isinstance(instr, Reduce)
        length = kernel.axes[axis].constant
        return total * (8 / length if length is not None and 0 < length < 8 else 1)

    costs = [cost(axis) for axis in range(count)]
    best = min(range(count), key=lambda axis: (costs[axis], -axis))
    if costs[best] >= costs[-1]:
        return kernel
    order = [k for k in range(count) if k != best] + [best]
    numbers = {old: Affine.axis(new) for new, old in enumerate(order)}
    return replace(kernel, axes=tuple(kernel.axes[k] for k in order), body=_renumber(kernel.body, numbers))


def _dependences(kernel: Kernel) -> dict[Value, frozenset[int]]:
    """The loop axes that each value depends on."""
    found: dict[Value, frozenset[int]] = {}
    for instr in kernel.body:
        out: Value | None = getattr(instr, "out", None)
        if out is None:
            continue
        axes = set().union(*(found[v] for v in operands(instr)))
        if isinstance(instr, AxisIndex):
            axes.add(instr.axis)
        elif isinstance(instr, Load):
            axes.update(atom for a in instr.index for atom, _ in a.terms if isinstance(atom, int))
        elif isinstance(instr, Scan):
            axes.add(len(kernel.axes) - 1)
        found[out] = frozenset(axes)
    return found


# ---- linear indices and merged axes


def _linearise(kernel: Kernel) -> Kernel:
    """Every access as an offset into a flat view of its buffer, or into pairs (or up to four) of adjacent elements that
    belong together.
    """
    views: dict[tuple[Buffer, int], Buffer] = {}

    def flat(instr: Access) -> Instr:
        buffer, index = instr.buffer, instr.index
        if not buffer.shape:
            return instr
        group, part = buffer.shape[-1].constant, index[-1].offset.constant
        shape: tuple[Poly, ...]
        if (
            len(index) > 1
            and group is not None
            and part is not None
            and 2 <= group <= TINY
            and not index[-1].terms
            and 0 <= part < group
        ):
            place, shape = linear_rows(buffer, index), (product(buffer.shape[:-1]), poly(group))
            new: Index = (Affine(place.offset, place.terms), index[-1])
        else:
            group, place, shape = 1, linear(buffer, index), (product(buffer.shape),)
            new = (Affine(place.offset, place.terms),)
        view = views.get((buffer.root, group))
        if view is None:
            view = views[buffer.root, group] = Buffer(shape, buffer.dtype, buffer.role, buffer.root)
        return replace(instr, buffer=view, index=new)

    def linear_rows(buffer: Buffer, index: Index) -> Linear:
        rows = Buffer(buffer.shape[:-1], buffer.dtype, buffer.role)
        return linear(rows, index[:-1])

    return replace(
        kernel, body=tuple(flat(i) if isinstance(i, Load | Store | Reduce | Scatter) else i for i in kernel.body)
    )


def _mergeable(kernel: Kernel, axis: int) -> bool:
    """Whether every access runs through ``axis`` and the next one as through one axis."""
    inner = kernel.axes[axis + 1]
    for instr in kernel.body:
        if isinstance(instr, AxisIndex) and instr.axis in (axis, axis + 1):
            return False
        if isinstance(instr, Load | Store | Reduce | Scatter) and instr.buffer.shape:
            place = linear(instr.buffer, instr.index)
            if place.scale(axis) != place.scale(axis + 1) * inner:
                return False
    return True


def _collapse(kernel: Kernel, ordered: bool) -> Kernel:
    axis = len(kernel.axes) - 2
    if any(isinstance(i, Scan) for i in kernel.body):
        axis -= 1  # a scan starts anew with each run along the innermost axis
    while axis >= 0:
        if _mergeable(kernel, axis):
            merged = kernel.axes[axis] * kernel.axes[axis + 1]
            numbers = {k: Affine.axis(k if k <= axis else k - 1) for k in range(len(kernel.axes))}
            numbers[axis] = Affine(0)  # the next axis stands for both
            numbers[axis + 1] = Affine.axis(axis)
            axes = (*kernel.axes[:axis], merged, *kernel.axes[axis + 2 :])
            kernel = replace(kernel, axes=axes, body=_renumber(kernel.body, numbers))
        axis -= 1
    return kernel


# ---- depths and the vector axis


def _depths(kernel: Kernel) -> dict[Value, int]:
    """The innermost loop that each value depends on: -1 for what is known before the loops. What is read after a store
    is not hoisted.
    """
    last = len(kernel.axes) - 1
    depth: dict[Value, int] = {}
    written = {i.buffer.root for i in kernel.body if isinstance(i, Store | Reduce | Scatter)}
    for instr in kernel.body:
        out: Value | None = getattr(instr, "out", None)
        if out is None:
            continue
        level = max((depth[v] for v in operands(instr)), default=-1)
        if isinstance(instr, AxisIndex):
            level = instr.axis
        elif isinstance(instr, Load):
            axes = [atom for a in instr.index for atom, _ in a.terms if isinstance(atom, int)]
            level = last if instr.buffer.root in written else max([level, *axes])
        elif isinstance(instr, Scan):
            level = last
        depth[out] = level
    return depth


def _vector_axis(kernel: Kernel, depth: Mapping[Value, int]) -> int | None:
    """The innermost axis; in a scan the one around it, if memory runs along it; none where two lanes might scatter to
    one element.
    """
    last = len(kernel.axes) - 1
    accesses = [i for i in kernel.body if isinstance(i, Load | Store | Reduce | Scatter)]
    if any(isinstance(i, Scan) for i in kernel.body):
        scattered = any(isinstance(i, Scatter) for i in accesses)
        return last - 1 if last > 0 and not scattered and all(_runs_along(i, last - 1) for i in accesses) else None
    for instr in accesses:
        if isinstance(instr, Scatter):
            place = linear(instr.buffer, instr.index)
            if not place.scale(last).constant or any(isinstance(a, Value) and depth[a] == last for a, _ in place.terms):
                return None
    return last if last >= 0 else None


def _runs_along(instr: Access, axis: int) -> bool:
    """Whether neighbours along an axis are neighbours in memory, or the same element."""
    place = linear(instr.buffer, instr.index)
    group = instr.buffer.shape[-1].constant if len(instr.buffer.shape) == 2 else 1
    return place.scale(axis).constant in (0, 1, -1, group)
