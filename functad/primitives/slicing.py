"""Slices with static bounds, and padding: each is the transpose of the other; and addition to a slice.

``slice`` takes every step-th element of each axis, forwards (backwards is ``flip`` of that). ``pad`` puts ``low``
copies of a value before each axis, ``high`` after it and ``interior`` between any two of its elements, so it undoes a
slice with step ``interior + 1``. ``slice_add`` adds to a slice of an array, which may be done in place, where adding a
padded array touches every element.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.caches import cached
from functad.core.cotangents import Sum, Update
from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.core.zeros import instantiate
from functad.errors import DtypeError, ShapeError
from functad.ir.types import ArrayType, array_type, scalar_type
from functad.kernel_ir.nodes import Affine
from functad.kernel_ir.rules import Pull, Statements
from functad.kernel_ir.sizes import poly
from functad.primitives.broadcasting import broadcast, lead_axes, sum_all
from functad.primitives.elementwise import PYTHON_NUMBERS
from functad.primitives.ordered import copy, over
from functad.primitives.selection import select

__all__ = ["is_part", "pad", "slice_", "slice_add_p", "slice_padding"]

Ints = tuple[int, ...]
Widths = tuple[tuple[int, int, int], ...]


# -- slice -------------------------------------------------------------------------------------------------------------


def slice_(x: Any, starts: Sequence[int], stops: Sequence[int], steps: Sequence[int] | None = None) -> Any:
    """The elements ``starts[i]``, ``starts[i] + steps[i]``, ... before ``stops[i]`` of each axis i; none is negative,
    and no step 0.
    """
    shape = type_of(x).shape
    steps = (1,) * len(shape) if steps is None else tuple(steps)
    spans = [_span(*span) for span in zip(starts, stops, steps, strict=False)]
    if spans == [(0, n, 1) for n in shape]:
        return x
    return slice_p.bind(
        x, starts=tuple([s[0] for s in spans]), stops=tuple([s[1] for s in spans]), steps=tuple([s[2] for s in spans])
    )


def _span(start: int, stop: int, step: int) -> tuple[int, int, int]:
    """The one (start, stop, step) among those that take the same elements, so that equal slices have equal params."""
    if step < 1:
        return start, stop, step
    count = _count(start, stop, step)
    return (start, start + (count - 1) * step + 1, step if count > 1 else 1) if count else (0, 0, 1)


def _count(start: int, stop: int, step: int) -> int:
    return max(0, -((start - stop) // step))


def _slice_type(x: ArrayType, *, starts: Ints, stops: Ints, steps: Ints) -> ArrayType:
    spans = list(zip(starts, stops, steps, strict=True))
    if len(spans) != x.ndim or not all(
        0 <= a <= z <= n and s >= 1 for (a, z, s), n in zip(spans, x.shape, strict=True)
    ):
        text = ", ".join(f"{a}:{z}:{s}" for a, z, s in spans)
        raise ShapeError(
            f"cannot slice {x} as [{text}]: each axis of length n needs 0 <= start <= stop <= n and step >= 1; flip it "
            "to go backwards"
        )
    return x.with_shape(tuple([_count(*span) for span in spans]))


@cached(4096)
def _index(starts: Ints, stops: Ints, steps: Ints) -> tuple[slice, ...]:
    return tuple([slice(a, z, s) for a, z, s in zip(starts, stops, steps, strict=True)])


def _slice_transpose(ct: Any, x: Linear, *, starts: Ints, stops: Ints, steps: Ints) -> tuple[Any]:
    update = SliceUpdate(x.type, (ct,), {"starts": starts, "stops": stops, "steps": steps})
    return (Sum([update]) if is_part(type_of(ct).size, x.type.size) else update.alone(),)


def slice_padding(shape: Ints, starts: Ints, stops: Ints, steps: Ints) -> Widths:
    """How ``pad`` gives a slice the shape of the array that it was taken from."""

    def around(n: int, start: int, stop: int, step: int) -> tuple[int, int, int]:
        count = _count(start, stop, step)
        return (start, n - start - (count - 1) * step - 1, step - 1) if count else (n, 0, 0)

    return tuple([around(*axis) for axis in zip(shape, starts, stops, steps, strict=True)])


def _slice_pull(b: Any, index: Any, reads: Any, types: Any, out: Any, *, starts: Ints, stops: Ints, steps: Ints) -> Any:
    return reads[0](tuple(i * step + start for i, start, step in zip(index, starts, steps, strict=True)))


slice_p: Primitive = Primitive(
    "slice",
    type_rule=_slice_type,
    evaluate=lambda x, *, starts, stops, steps: x[_index(starts, stops, steps)],
    jvp=lambda ts, xs, y, **params: slice_p.bind(ts[0], **params),
    linear="jointly",
    transpose=_slice_transpose,
    batch=lambda size, batched, x, *, starts, stops, steps: (
        slice_(x, (0, *starts), (size, *stops), (1, *steps)),
        True,
    ),
    kernel=Pull(_slice_pull),
    samples=lambda: [
        Sample((array_type((5,), np.float64),), {"starts": (1,), "stops": (4,), "steps": (1,)}),
        Sample((array_type((5, 4), np.float32),), {"starts": (0, 1), "stops": (5, 4), "steps": (2, 1)}),
        Sample((array_type((40, 3), np.float64),), {"starts": (19, 0), "stops": (40, 3), "steps": (20, 2)}),
        Sample((array_type((4, 3), np.complex128),), {"starts": (3, 0), "stops": (4, 3), "steps": (1, 1)}),
        Sample((array_type((4, 3), np.int64),), {"starts": (0, 0), "stops": (0, 3), "steps": (1, 1)}),
        Sample((array_type((0,), np.bool_),), {"starts": (0,), "stops": (0,), "steps": (1,)}),
        Sample((array_type((), np.float64),), {"starts": (), "stops": (), "steps": ()}),
    ],
)


# -- slice_add ---------------------------------------------------------------------------------------------------------


def is_part(part: int, whole: int) -> bool:
    """Whether so few elements of an array are better added to by themselves than all, under a mask, in the loop that
    computes them.
    """
    return part * 16 < whole


class SliceUpdate(Update):
    """What a slice adds to a cotangent: the operand is the slice, the params are those of ``slice``."""

    __slots__ = ()

    def alone(self) -> Any:
        return pad(self.operands[0], 0, slice_padding(self.type.shape, **self.params))

    def onto(self, x: Any) -> Any:
        return slice_add_p.bind(x, *self.operands, **self.params)

    def into(self, out: np.ndarray) -> None:
        out[_index(**self.params)] += self.operands[0]


def _slice_add_type(x: ArrayType, y: ArrayType, *, starts: Ints, stops: Ints, steps: Ints) -> ArrayType:
    part = _slice_type(x, starts=starts, stops=stops, steps=steps)
    if y is not part:
        error = DtypeError if y.dtype != x.dtype else ShapeError
        raise error(f"slice_add to a slice of {x} of type {part} takes that type, got {y}; broadcast or convert it")
    return x


def _slice_add_evaluate(x: Any, y: Any, *, starts: Ints, stops: Ints, steps: Ints) -> Any:
    out = np.array(x, order="C")
    out[_index(starts, stops, steps)] += y
    return out


def _slice_add_jvp(ts: Sequence[Any], xs: Sequence[Any], out: Any, *, starts: Ints, stops: Ints, steps: Ints) -> Any:
    (tx, ty), params = ts, {"starts": starts, "stops": stops, "steps": steps}
    return tx if ty is None else slice_add_p.bind(instantiate(tx, type_of(out)), ty, **params)


def _slice_add_transpose(ct: Any, x: Any, y: Any, *, starts: Ints, stops: Ints, steps: Ints) -> tuple[Any, Any]:
    return ct if type(x) is Linear else None, slice_(ct, starts, stops, steps) if type(y) is Linear else None


def _slice_add_batch(
    size: int, batched: Sequence[bool], x: Any, y: Any, *, starts: Ints, stops: Ints, steps: Ints
) -> tuple[Any, bool]:
    return slice_add_p.bind(
        *lead_axes(size, batched, (x, y)), starts=(0, *starts), stops=(size, *stops), steps=(1, *steps)
    ), True


def _slice_add_statements(
    ctx: Any, in_types: Sequence[ArrayType], out_types: Any, *, starts: Ints, stops: Ints, steps: Ints
) -> None:
    def part(b: Any, index: Any) -> None:
        place = tuple(i * step + start for i, start, step in zip(index, starts, steps, strict=True))
        b.store(ctx.output(), place, b.add(b.load(ctx.output(), place), ctx.read(1)(index)))

    copy(ctx, in_types[0].shape)
    over(ctx, in_types[1].shape, part, "slice_add")


def _slice_add_samples() -> list[Sample]:
    def sample(dtype: type, shape: Ints, starts: Ints, stops: Ints, steps: Ints | None = None) -> Sample:
        params = {"starts": starts, "stops": stops, "steps": steps or (1,) * len(shape)}
        return Sample((array_type(shape, dtype), _slice_type(array_type(shape, dtype), **params)), params)

    return [
        sample(np.float64, (5,), (1,), (4,)),
        sample(np.float64, (40,), (7,), (8,)),
        sample(np.float32, (5, 4), (0, 1), (5, 4), (2, 1)),
        sample(np.float64, (40, 3), (19, 0), (40, 3), (20, 2)),
        sample(np.complex128, (4, 30), (3, 0), (4, 30)),
        sample(np.int64, (4, 3), (0, 0), (0, 3)),
        sample(np.float64, (0,), (0,), (0,)),
    ]


slice_add_p: Primitive = Primitive(
    "slice_add",
    type_rule=_slice_add_type,
    evaluate=_slice_add_evaluate,
    jvp=_slice_add_jvp,
    linear="jointly",
    transpose=_slice_add_transpose,
    batch=_slice_add_batch,
    kernel=Statements(_slice_add_statements, updates=True),
    samples=_slice_add_samples,
)


# -- pad ---------------------------------------------------------------------------------------------------------------


def pad(x: Any, value: Any, widths: Sequence[Sequence[int]]) -> Any:
    """Surround x with ``value`` (rank 0): ``widths[i]`` is (before, after, between the elements of) axis i, all at
    least 0.
    """
    shape = type_of(x).shape
    if type(value) in PYTHON_NUMBERS:
        value = type_of(x).dtype.type(value)
    exact: Widths = tuple(
        [(low, high, interior if n > 1 else 0) for (low, high, interior), n in zip(widths, shape, strict=False)]
    )
    return x if exact == ((0, 0, 0),) * len(shape) else pad_p.bind(x, value, widths=exact)


def _pad_type(x: ArrayType, value: ArrayType, *, widths: Widths) -> ArrayType:
    if value is not scalar_type(x.dtype):
        error = DtypeError if value.dtype != x.dtype else ShapeError
        raise error(f"pad of {x} takes a value of type {scalar_type(x.dtype)}, got {value}; convert or index it")
    if len(widths) != x.ndim or any(w < 0 for axis in widths for w in axis):
        raise ShapeError(
            f"cannot pad {x} by {widths}: each axis needs one (low, high, interior), none negative; slice_ cuts "
            "elements off"
        )
    return x.with_shape(
        tuple([stop + high for (_, stop, _), (_, high, _) in zip(_spans(x.shape, widths), widths, strict=True)])
    )


def _spans(shape: Ints, widths: Widths) -> list[Ints]:
    """The (start, stop, step) along each axis of the result at which the elements of an operand of this shape are."""
    return [
        (low, low + n + max(n - 1, 0) * interior, interior + 1)
        for n, (low, _, interior) in zip(shape, widths, strict=True)
    ]


def _pad_evaluate(x: Any, value: Any, *, widths: Widths) -> Any:
    shape, index = _pad_places(x.shape, widths)
    out = np.empty(shape, x.dtype)
    out.fill(value)
    out[index] = x
    return out


@cached(1024)
def _pad_places(shape: Ints, widths: Widths) -> tuple[Ints, tuple[slice, ...]]:
    """The shape of the result, and where in it the operand goes."""
    spans = _spans(shape, widths)
    padded = tuple([stop + high for (_, stop, _), (_, high, _) in zip(spans, widths, strict=True)])
    return padded, tuple([slice(*span) for span in spans])


def _pad_jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any, *, widths: Widths) -> Any:
    tx, tvalue = [instantiate(t, type_of(x)) for t, x in zip(ts, xs, strict=True)]
    return pad(tx, tvalue, widths)


def _pad_transpose(ct: Any, x: Any, value: Any, *, widths: Widths) -> tuple[Any, Any]:
    shape = x.type.shape if type(x) is Linear else type_of(x).shape
    ct_x = ct_value = None
    if type(x) is Linear:
        starts, stops, steps = zip(*_spans(shape, widths), strict=True) if shape else ((), (), ())
        ct_x = slice_(ct, starts, stops, steps)
    if type(value) is Linear:  # not sum(ct) - sum(ct_x), which cancels, and is NaN where ct_x holds an inf
        ct_value = sum_all(select(_inside(shape, widths), 0, ct))
    return ct_x, ct_value


def _inside(shape: Ints, widths: Widths) -> Any:
    """Where the result of ``pad`` holds the operand's elements."""
    return pad(broadcast(np.True_, shape, ()), np.False_, widths)


def _pad_batch(size: int, batched: Sequence[bool], x: Any, value: Any, *, widths: Widths) -> tuple[Any, bool]:
    wide = ((0, 0, 0), *widths)
    if not batched[1]:
        return pad(x, value, wide), True
    shape = type_of(x).shape[1:] if batched[0] else type_of(x).shape
    padded = pad(x, 0, wide if batched[0] else widths)
    padded = padded if batched[0] else broadcast(padded, (size, *type_of(padded).shape), range(1, 1 + len(shape)))
    full = type_of(padded).shape
    inside = broadcast(_inside(shape, widths), full, range(1, len(full)))
    return select(inside, padded, broadcast(value, full, (0,))), True


def _pad_pull(b: Any, index: Any, reads: Any, types: Any, out: Any, *, widths: Widths) -> Any:
    """The value, or the element at ``(index - low) / (interior + 1)`` where that is an integer within the operand."""
    where, inside = [], b.const(True, np.bool_)
    for i, n, (low, high, interior) in zip(index, types[0].shape, widths, strict=True):
        at = i + -poly(low)
        if low != 0:
            inside = b.bit_and(inside, b.ge(b.axis(at), 0))
        if interior != 0:
            step = b.size(poly(interior) + 1)
            inside = b.bit_and(inside, b.eq(b.remainder(b.axis(at), step), 0))
            at = Affine.value(b.floor_divide(b.axis(at), step))
        if high != 0 or (low != 0 and isinstance(n, int)):  # a few elements: it helps loops to know that they are
            inside = b.bit_and(inside, b.lt(b.axis(at), b.size(n)))
        where.append(at)
    return b.select(inside, reads[0](tuple(where), mask=inside), reads[1](()))


pad_p = Primitive(
    "pad",
    type_rule=_pad_type,
    evaluate=_pad_evaluate,
    jvp=_pad_jvp,
    linear="jointly",
    transpose=_pad_transpose,
    batch=_pad_batch,
    kernel=Pull(_pad_pull),
    samples=lambda: [
        Sample((array_type((3,), np.float64), scalar_type(np.float64)), {"widths": ((1, 2, 0),)}),
        Sample((array_type((3, 2), np.float32), scalar_type(np.float32)), {"widths": ((0, 0, 2), (1, 0, 1))}),
        Sample((array_type((2, 3), np.complex128), scalar_type(np.complex128)), {"widths": ((0, 1, 0), (2, 0, 0))}),
        Sample((array_type((20,), np.float64), scalar_type(np.float64)), {"widths": ((17, 18, 19),)}),
        Sample((array_type((0, 2), np.float64), scalar_type(np.float64)), {"widths": ((1, 1, 0), (0, 0, 1))}),
        Sample((array_type((1,), np.int64), scalar_type(np.int64)), {"widths": ((0, 3, 0),)}),
        Sample((array_type((2,), np.bool_), scalar_type(np.bool_)), {"widths": ((1, 1, 1),)}),
    ],
)
