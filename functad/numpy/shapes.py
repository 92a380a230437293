"""The same elements under another shape or in another order: reshaping, transposing, broadcasting, flipping."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.tracer import SCALAR, Tracer
from functad.errors import ArgumentError, AxisError, ShapeError
from functad.numpy.axes import as_shape, fill_in, normal_axes, normal_axis
from functad.numpy.dispatch import implements
from functad.numpy.indexing import take
from functad.numpy.memory import is_view, reshaped_view, same_memory, view
from functad.numpy.operands import as_array, common_shape, depends_on, fresh, fresh_array, shape_of
from functad.numpy.traced import here
from functad.primitives import shapes as strict
from functad.primitives.arithmetic import sub
from functad.primitives.broadcasting import broadcast
from functad.primitives.convert import convert
from functad.primitives.gather import gather_p
from functad.primitives.generate import iota
from functad.primitives.joining import concatenate
from functad.primitives.rounding import remainder
from functad.primitives.slicing import slice_

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_to", "copy", "expand_dims", "flip",
    "fliplr", "flipud", "matrix_transpose", "moveaxis", "ndim", "permute_dims", "ravel", "repeat", "reshape", "roll",
    "rollaxis", "rot90", "shape", "size", "squeeze", "swapaxes", "tile", "transpose",
]  # fmt: skip

# -- reshaping ---------------------------------------------------------------------------------------------------------


@implements(np.reshape)
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """``numpy.reshape``; order "C" or "F"."""
    x = as_array(a, "reshape")
    old = shape_of(x)
    new = fill_in(as_shape(shape, "reshape"), old, "reshape")
    if order == "F":
        return _reshaped(x, new, order, lambda x, new: turned(strict.reshape(turned(x), new[::-1])), copy)
    if order == "C" or (order in ("A", "K") and len(old) <= 1):
        return _reshaped(x, new, "C", strict.reshape, copy)
    if order in ("A", "K"):
        raise ArgumentError(
            f"np.reshape{here()}: order={order!r} goes by how an array lies in memory, which traced values do not "
            "know; use 'C' or 'F'"
        )
    raise ArgumentError(f"np.reshape{here()}: order must be 'C' or 'F', got {order!r}")


def turned(x: Any) -> Any:
    """The axes in reverse order."""
    return strict.transpose(x, range(len(shape_of(x)))[::-1])


def _reshaped(x: Any, new: tuple[int, ...], order: Any, f: Any, copy: bool | None) -> Any:
    """``f(x, new)``: a view of x where NumPy's is one."""
    old, y = shape_of(x), f(x, new)

    def layout(a: np.ndarray) -> np.ndarray:
        return np.reshape(a, new, order=order, copy=False)

    if copy or not (type(x) is Tracer and is_view(x, layout)):
        return fresh_array(y, x)
    return reshaped_view(view(y, x, lambda p: f(p, new), lambda p, v: f(v, old), layout))


def _with_axes(x: Any, new: Sequence[int]) -> Any:
    """A view with other axes of length 1: whatever the layout, it is one."""
    old, shape = shape_of(x), tuple(new)
    get, put = (lambda p: strict.reshape(p, shape)), (lambda p, v: strict.reshape(v, old))
    return view(strict.reshape(x, shape), x, get, put, lambda a: np.reshape(a, shape))


def _permuted(x: Any, order: Sequence[int]) -> Any:
    """The view with axes in another order."""
    order = tuple(order)
    back = strict.inverse_permutation(order)
    get, put = (lambda p: strict.transpose(p, order)), (lambda p, v: strict.transpose(v, back))
    return view(strict.transpose(x, order), x, get, put, lambda a: a.transpose(order))


@implements(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """``numpy.ravel``: one axis; a view only of what lies without gaps, in order."""
    x = as_array(a, "ravel")

    def layout(m: np.ndarray) -> np.ndarray:
        if not (m.flags.f_contiguous if order == "F" else m.flags.c_contiguous):
            raise ValueError("a copy")
        return np.reshape(m, (-1,), order=order, copy=False)  # type: ignore[call-overload, no-any-return]

    return reshape(x, (-1,), order, copy=type(x) is Tracer and not is_view(x, layout))


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    """``numpy.expand_dims``: new axes of length 1."""
    x = as_array(a, "expand_dims")
    old = shape_of(x)
    new_ndim = len(old) + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    axes = normal_axes(axis, new_ndim, "expand_dims")
    lengths = iter(old)
    return _with_axes(x, [1 if i in axes else next(lengths) for i in range(new_ndim)])


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    """``numpy.squeeze``: without axes of length 1."""
    x = as_array(a, "squeeze")
    old = shape_of(x)
    if type(x) is Tracer and x._kind == SCALAR:
        return fresh(x, x)
    axes = [i for i, n in enumerate(old) if n == 1] if axis is None else normal_axes(axis, len(old), "squeeze")
    for i in axes:
        if old[i] != 1:
            raise ShapeError(
                f"np.squeeze{here()}: cannot squeeze axis {i} of length {old[i]} of shape {old}; only axes of length 1"
            )
    return _with_axes(x, [n for i, n in enumerate(old) if i not in axes])


def _at_least(name: str, ndim: int, place: Any) -> Any:
    def f(*arys: Any) -> Any:
        results = []
        for a in arys:
            x = as_array(a, name)
            old = shape_of(x)
            results.append(_with_axes(x, old if len(old) >= ndim else place(old)))
        return results[0] if len(results) == 1 else tuple(results)

    f.__name__ = name
    f.__doc__ = f"``numpy.{name}``."
    return implements(getattr(np, name))(f)


atleast_1d = _at_least("atleast_1d", 1, lambda s: (1,))
atleast_2d = _at_least("atleast_2d", 2, lambda s: (1, *(s or (1,))))
atleast_3d = _at_least("atleast_3d", 3, lambda s: (*(s if len(s) == 2 else (1, *(s or (1,)))), 1))

# -- axes in another order ---------------------------------------------------------------------------------------------


@implements(np.transpose, np.permute_dims)
def transpose(a: Any, axes: Any = None) -> Any:
    """``numpy.transpose``: axes in another order, reversed by default."""
    x = as_array(a, "transpose")
    ndim = len(shape_of(x))
    order = range(ndim)[::-1] if axes is None else normal_axes(axes, ndim, "transpose")
    if len(order) != ndim:
        raise AxisError(f"np.transpose{here()}: axes {tuple(axes)} do not match an array of shape {shape_of(x)}")
    return _permuted(x, order)


permute_dims = transpose


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """``numpy.matrix_transpose``: the last two axes exchanged."""
    n = len(shape_of(x))
    if n < 2:
        raise ShapeError(
            f"np.matrix_transpose{here()} of an array of shape {shape_of(x)}: it must have at least two axes"
        )
    return swapaxes(x, n - 2, n - 1)


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """``numpy.swapaxes``: two axes exchanged."""
    x = as_array(a, "swapaxes")
    order = list(range(len(shape_of(x))))
    i, j = (normal_axis(axis, len(order), "swapaxes") for axis in (axis1, axis2))
    order[i], order[j] = j, i
    return _permuted(x, order)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """``numpy.moveaxis``: some axes in other places, the rest in their order."""
    x = as_array(a, "moveaxis")
    ndim = len(shape_of(x))
    sources, targets = normal_axes(source, ndim, "moveaxis"), normal_axes(destination, ndim, "moveaxis")
    if len(sources) != len(targets):
        raise AxisError(
            f"np.moveaxis{here()}: source {source} and destination {destination} must have the same number of axes"
        )
    order = [i for i in range(ndim) if i not in sources]
    for target, i in sorted(zip(targets, sources, strict=True)):
        order.insert(target, i)
    return _permuted(x, order)


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """``numpy.rollaxis``: an axis moved back until it lies before another."""
    ndim = len(shape_of(a))
    i = normal_axis(axis, ndim, "rollaxis")
    target = normal_axis(start, ndim + 1, "rollaxis") if start >= 0 else normal_axis(start, ndim, "rollaxis")
    return moveaxis(a, i, target - 1 if i < target else target)


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    """``numpy.flip``: the order along axes reversed."""
    x = as_array(m, "flip")
    axes = normal_axes(axis, len(shape_of(x)), "flip")
    get, put = (lambda p: strict.flip(p, axes)), (lambda p, v: strict.flip(v, axes))
    return view(strict.flip(x, axes), x, get, put, lambda a: np.flip(a, axes))


@implements(np.flipud)
def flipud(m: Any) -> Any:
    """``numpy.flipud``: the order along axis 0 reversed."""
    return flip(m, 0)


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    """``numpy.fliplr``: the order along axis 1 reversed."""
    return flip(m, 1)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """``numpy.rot90``: rotated by quarter turns in the plane of two axes."""
    first, second = normal_axes(tuple(axes), len(shape_of(m)), "rot90")
    turns = k % 4
    if turns == 0:
        return same_memory(as_array(m, "rot90"))
    if turns == 2:
        return flip(m, (first, second))
    return swapaxes(flip(m, second), first, second) if turns == 1 else flip(swapaxes(m, first, second), second)


# -- repetition --------------------------------------------------------------------------------------------------------


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any) -> Any:
    """``numpy.broadcast_to``."""
    x = as_array(array, "broadcast_to")
    old, new = shape_of(x), as_shape(shape, "broadcast_to")
    lead = len(new) - len(old)
    if lead < 0 or any(m not in (1, n) for m, n in zip(old, new[lead:], strict=True)):
        raise ShapeError(f"np.broadcast_to{here()}: an array of shape {old} cannot be broadcast to shape {new}")
    axes = range(lead, len(new))
    y = broadcast(x, new, axes)
    return view(y, x, lambda p: broadcast(p, new, axes), None, lambda a: np.broadcast_to(a, new))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """``numpy.broadcast_arrays``."""
    xs = [as_array(a, "broadcast_arrays") for a in args]
    shape = common_shape([shape_of(x) for x in xs], "broadcast_arrays")
    return tuple([broadcast_to(x, shape) for x in xs])


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """``numpy.tile``: the whole array repeated along each axis."""
    x = as_array(A, "tile")
    counts = as_shape(reps, "tile")
    old = shape_of(x)
    ndim = max(len(counts), len(old))
    counts, old = (1,) * (ndim - len(counts)) + counts, (1,) * (ndim - len(old)) + old
    pairs = [n for pair in zip(counts, old, strict=True) for n in pair]
    spread = broadcast(strict.reshape(x, old), pairs, range(1, 2 * ndim, 2))
    return fresh_array(strict.reshape(spread, [c * n for c, n in zip(counts, old, strict=True)]), x)


@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """``numpy.repeat``: each element repeated along an axis; the counts must be plain integers."""
    x = as_array(a, "repeat")
    if axis is None:
        x, axis = strict.reshape(x, (prod(shape_of(x)),)), 0
    shape = shape_of(x)
    axis = normal_axis(axis, len(shape), "repeat")
    depends_on(repeats)
    counts = np.asarray(repeats)
    if counts.size != 1:
        if counts.shape != (shape[axis],):
            raise ShapeError(f"np.repeat{here()}: {counts.shape} repeats do not fit an axis of length {shape[axis]}")
        return take(x, np.repeat(np.arange(shape[axis]), counts), axis)
    count = operator.index(counts.item())
    wide = broadcast(x, (*shape[: axis + 1], count, *shape[axis + 1 :]), [i + (i > axis) for i in range(len(shape))])
    return fresh(strict.reshape(wide, (*shape[:axis], shape[axis] * count, *shape[axis + 1 :])), x)


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """``numpy.roll``: elements shifted along axes, those that leave at one end entering at the other."""
    x = as_array(a, "roll")
    old = shape_of(x)
    if axis is None:
        y = _rolled(strict.reshape(x, (prod(old),)), shift, 0)
        return fresh(strict.reshape(y, old), x)
    axes = [normal_axis(i, len(old), "roll") for i in (axis if isinstance(axis, (tuple, list)) else (axis,))]
    shifts = list(shift) if isinstance(shift, (tuple, list)) or np.ndim(shift) else [shift]
    if len(axes) != len(shifts):
        axes, shifts = (axes * len(shifts), shifts) if len(axes) == 1 else (axes, shifts * len(axes))
    y = x
    for i, s in zip(axes, shifts, strict=True):
        y = _rolled(y, s, i)
    return fresh(y, x)


def _rolled(x: Any, shift: Any, axis: int) -> Any:
    n = shape_of(x)[axis]
    if type(shift) is Tracer:
        return _rolled_by_unknown(x, shift, axis) if n else x
    shift = operator.index(shift)
    k = shift % n if n else 0
    return concatenate([part(x, axis, n - k, n), part(x, axis, 0, n - k)], axis) if k else x


def _rolled_by_unknown(x: Any, shift: Any, axis: int) -> Any:
    """Each element from the place that the shift says."""
    if shift.ndim or shift.dtype.kind not in "iu":
        raise ShapeError(f"np.roll{here()}: a shift is an integer, got {shift._variable.type}")
    n, ndim = shape_of(x)[axis], len(shape_of(x))
    place = remainder(sub(iota((n,), np.int64, 0), convert(shift, np.dtype(np.int64))), np.int64(n))
    front = (axis, *[a for a in range(ndim) if a != axis])
    return strict.transpose(
        gather_p.bind(strict.transpose(x, front), place, batch=0), strict.inverse_permutation(front)
    )


def part(x: Any, axis: int, start: int, stop: int) -> Any:
    """A slice along one axis."""
    shape = shape_of(x)
    starts = [start if i == axis else 0 for i in range(len(shape))]
    return slice_(x, starts, [stop if i == axis else n for i, n in enumerate(shape)])


# -- questions ---------------------------------------------------------------------------------------------------------


@implements(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    """``numpy.shape``."""
    return shape_of(as_array(a, "shape"))


@implements(np.ndim)
def ndim(a: Any) -> int:
    """``numpy.ndim``."""
    return len(shape_of(as_array(a, "ndim")))


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    """``numpy.size``."""
    lengths = shape_of(as_array(a, "size"))
    return prod(lengths[i] for i in normal_axes(axis, len(lengths), "size"))


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """``numpy.copy``."""
    x = as_array(a, "copy")
    return fresh_array(x, x)
