"""Collectives: what the elements of a mapped axis with a name learn of each other.

Each takes a value and the *lane* of an axis, the number of the element (``core/named_axes.py``). Where that axis is
mapped, and nowhere else, the lane has the mapped axis; so the batching rule knows which of the axes around is meant:

    vmap of psum[size=n] x lane      =      sum[axes=(0,)] x             the same for all elements

Under any other mapped axis a collective is an operation like others. Where a lane is by itself, an axis has one
element; a collective of more is then in a loop or a branch that takes its own course for each element, and has no
meaning: there the elements never meet.

Transposes are those of the elements together, as in JAX: what each element gives to ``psum`` goes into the sum that
each element gets, so its cotangent is the sum of all their cotangents.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.core.zeros import repeated
from functad.errors import CollectiveError, DtypeError, ShapeError
from functad.ir.types import ArrayType, array_type, scalar_type
from functad.kernel_ir.nodes import Affine
from functad.kernel_ir.rules import KernelRule, Pull
from functad.primitives.arithmetic import div
from functad.primitives.bitwise import bit_or
from functad.primitives.broadcasting import reduce_sum
from functad.primitives.comparison import eq, isnan
from functad.primitives.convert import convert
from functad.primitives.gather import gather
from functad.primitives.lanes import COLLECTIVES
from functad.primitives.reductions import reduce_max, reduce_min
from functad.primitives.selection import select
from functad.primitives.shapes import transpose

__all__ = ["all_gather", "pmax", "pmin", "ppermute", "psum", "psum_scatter"]

LANE = scalar_type(np.int64)

Collective = Callable[..., Any]
"""A strict function of (x, lane), with the params ``axis`` (the name, for messages) and ``size``."""


def collective(
    name: str,
    of_all: Callable[..., tuple[Any, bool]],
    *,
    alone: Callable[..., Any] = lambda x, **params: x,
    pull: Callable[..., Any] = lambda index, **params: index,
    type_rule: Callable[..., ArrayType] = lambda x, size, **params: x,
    axes: tuple[int, int] = (0, 0),
    sample: tuple[tuple[int, ...], dict[str, Any]] = ((3,), {}),
    **rules: Any,
) -> Collective:
    """Declare one.

    ``of_all(x, size, **params)`` is the result for a value with the mapped axis in front, and whether it has that axis;
    ``alone`` what it is on an axis of one element, and ``pull(index)`` where native code finds that. ``axes`` are how
    many axes of its own a collective has in front of its operand and of its result: another mapped axis comes behind.
    """

    def check(x: ArrayType, lane: ArrayType, *, axis: Hashable, size: int, **params: Any) -> ArrayType:
        if lane is not LANE:
            raise DtypeError(f"{name} takes the number of an element of the mapped axis, got {lane}")
        return type_rule(x, size, **params)

    def evaluate(x: Any, lane: Any, *, axis: Hashable, size: int, **params: Any) -> Any:
        if size != 1:
            raise never_meet(name, axis)
        return alone(x, **params)

    def batch(
        length: int, batched: Sequence[bool], x: Any, lane: Any, *, axis: Hashable, size: int, **params: Any
    ) -> tuple[Any, bool]:
        if not batched[1]:
            inside = transpose(x, behind(type_of(x).ndim, axes[0]))
            out = run(inside, lane, axis=axis, size=size, **params)
            ndim, own = type_of(out).ndim, axes[1]
            return transpose(out, (own, *range(own), *range(own + 1, ndim))), True
        if length != size:
            raise CollectiveError(
                f"{name} over the axis {axis!r} of {size} elements needs them all, but vmap has chunk_size={length}; "
                "leave chunk_size out"
            )
        return of_all(x if batched[0] else repeated(x, size), size, **params)

    def kernel(in_types: Sequence[ArrayType], params: Any) -> KernelRule:
        own = {k: v for k, v in params.items() if k not in ("axis", "size")}
        if params["size"] != 1:
            raise never_meet(name, params["axis"])
        return Pull(lambda b, index, reads, types, out, **_: reads[0](pull(index, **own)))

    def samples() -> list[Sample]:
        shape, params = sample
        operands = array_type(shape, np.float64), np.int64(0)
        return [Sample(operands, {"axis": "i", "size": 1, **params}, unmapped=(1,))]

    def run(x: Any, lane: Any, *, axis: Hashable, size: int, **params: Any) -> Any:
        return primitive.bind(x, lane, axis=axis, size=size, **params)

    primitive = Primitive(
        name, type_rule=check, evaluate=evaluate, batch=batch, kernel=kernel, samples=samples, **rules
    )
    COLLECTIVES[primitive] = lambda *, axis, **params: never_meet(name, axis)
    return run


def behind(ndim: int, own: int) -> tuple[int, ...]:
    """The order of axes that puts the first behind the next ``own`` ones."""
    return (*range(1, own + 1), 0, *range(own + 1, ndim))


def never_meet(name: str, axis: Hashable) -> CollectiveError:
    """The error for a collective where each element of its axis goes its own way."""
    return CollectiveError(
        f"{name} over the axis {axis!r} is in a loop or a branch whose condition differs between the elements of that "
        "axis, so not all of them come there; take it out, or decide by what is the same for all (fd.lax.pmax of the "
        "condition)"
    )


# -- sums and extrema: the same for all elements -----------------------------------------------------------------------

psum: Collective = collective(
    "psum",
    lambda x, size: (reduce_sum(x, (0,)), False),
    jvp=lambda ts, xs, y, **params: psum(ts[0], xs[1], **params),
    linear=(0,),
    transpose=lambda ct, x, lane, **params: (psum(ct, lane, **params), None),
)


def _extremum_jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any, **params: Any) -> Any:
    """The mean of the tangents of all elements that equal the extremum; zero wins in the sum."""
    x, lane = xs
    attained = bit_or(eq(x, y), isnan(x))
    total = psum(select(attained, ts[0], 0), lane, **params)
    return div(total, psum(convert(attained, type_of(x).dtype), lane, **params))


pmax: Collective = collective("pmax", lambda x, size: (reduce_max(x, (0,)), False), jvp=_extremum_jvp)
pmin: Collective = collective("pmin", lambda x, size: (reduce_min(x, (0,)), False), jvp=_extremum_jvp)


# -- all elements, along a new first axis; and the sum of what all elements have for each ------------------------------


def _scatter_type(x: ArrayType, size: int) -> ArrayType:
    if x.ndim == 0 or x.shape[0] != size:
        raise ShapeError(f"psum_scatter over {size} elements takes as many values along the axis that it adds, got {x}")
    return x.with_shape(x.shape[1:])


all_gather: Collective = collective(
    "all_gather",
    lambda x, size: (x, False),
    alone=lambda x: np.asarray(x)[None],
    pull=lambda index: index[1:],
    type_rule=lambda x, size: x.with_shape((size, *x.shape)),
    axes=(0, 1),
    jvp=lambda ts, xs, y, **params: all_gather(ts[0], xs[1], **params),
    linear=(0,),
    transpose=lambda ct, x, lane, **params: (psum_scatter(ct, lane, **params), None),
)

psum_scatter: Collective = collective(
    "psum_scatter",
    lambda x, size: (reduce_sum(x, (0,)), True),
    alone=lambda x: x[0],
    pull=lambda index: (Affine(), *index),
    type_rule=_scatter_type,
    axes=(1, 0),
    sample=((1, 3), {}),
    jvp=lambda ts, xs, y, **params: psum_scatter(ts[0], xs[1], **params),
    linear=(0,),
    transpose=lambda ct, x, lane, **params: (all_gather(ct, lane, **params), None),
)


# -- permutations ------------------------------------------------------------------------------------------------------

Pairs = tuple[tuple[int, int], ...]


def _permuted(x: Any, size: int, *, perm: Pairs) -> tuple[Any, bool]:
    """Element ``target`` is the element ``source`` of each pair, of which there is one; 0 where nothing is sent."""
    sources = np.zeros(size, np.int64)
    for source, target in perm:
        sources[target] = source
    found = gather(x, sources)
    if len(perm) == size:
        return found, True
    sent = np.zeros(size, np.bool_)
    sent[[target for _, target in perm]] = True
    shape = type_of(x).shape
    return select(np.broadcast_to(sent.reshape(-1, *[1] * (len(shape) - 1)), shape), found, 0), True


ppermute: Collective = collective(
    "ppermute",
    _permuted,
    alone=lambda x, perm: x,
    pull=lambda index, perm: index,
    sample=((3,), {"perm": ((0, 0),)}),
    jvp=lambda ts, xs, y, **params: ppermute(ts[0], xs[1], **params),
    linear=(0,),
    transpose=lambda ct, x, lane, *, perm, **params: (
        ppermute(ct, lane, perm=tuple([(target, source) for source, target in perm]), **params),
        None,
    ),
)
