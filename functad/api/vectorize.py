"""``vmap``: map a function over an axis of its arguments without a loop."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from functad.api.arguments import fresh_all, leaf_of, name_of
from functad.core.capture import Leaf, capture, own
from functad.core.named_axes import bind_axis
from functad.core.primitive import type_of
from functad.core.statics import merged, static_leaves
from functad.core.tracer import ARRAY, SCALAR
from functad.core.typed import P, R
from functad.core.wrapping import Transformed
from functad.errors import ShapeError, StructureError
from functad.front.calls import twin
from functad.ir.types import scalar_type
from functad.lax.chunks import chunk_of, map_in_chunks
from functad.primitives.broadcasting import broadcast
from functad.primitives.generate import iota
from functad.primitives.shapes import transpose
from functad.tree.containers import TreeDef, flatten, leaf_paths, unflatten

__all__ = ["vmap"]


def vmap(
    f: Callable[P, R],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: Hashable = None,
    axis_size: int | None = None,
    spmd_axis_name: None = None,
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that maps ``f`` over an axis of its arguments.

    Parameters
    ----------
    in_axes
        Which axis of each argument is mapped: an int, None (not mapped), or a tuple with an entry an argument, each of
        which may be a container that matches (the upper part of) the argument. Keyword arguments are mapped over axis
        0.
    out_axes
        Where the mapped axis is put in the results: an int, None (for results that do not depend on it), or a
        container.
    axis_name
        A name for the mapped axis, by which ``f``, and whatever it calls, may use the collectives of `functad.lax`:
        ``psum``, ``pmean``, ``pmax``, ``pmin``, ``all_gather``, ``ppermute``, ``axis_index``. Names nest.
    axis_size
        The size of the mapped axis, where no argument tells it.
    spmd_axis_name
        Taken for the sake of JAX's signature: there is one device, so only None means anything.
    chunk_size
        So many elements at a time, one chunk after the other and what remains in the last: temporary arrays are as
        large as one chunk needs. None: all at once. Results are the same (products of matrices may be summed in
        another order). A gradient through it keeps what it needs of all chunks; wrap ``f`` in `checkpoint` if that is
        too much.

    Raises
    ------
    ShapeError
        If mapped axes have different sizes, or an argument lacks the axis.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.vmap(np.dot, in_axes=(0, None))(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])

    Each row less the mean of all rows:

    >>> centred = fd.vmap(lambda row: row - fd.lax.pmean(row, "rows"), axis_name="rows")
    >>> centred(np.array([[1.0, 2.0], [3.0, 6.0]]))
    array([[-1., -2.],
           [ 1.,  2.]])

    The distances of 5000 points, 100 rows of the table at a time:

    >>> x = np.linspace(0.0, 1.0, 5000)
    >>> nearest = fd.vmap(lambda a: np.min(np.where(x == a, 1.0, np.abs(x - a))), chunk_size=100)
    >>> nearest(x).shape
    (5000,)
    """

    if spmd_axis_name is not None:
        raise StructureError(
            f"vmap: spmd_axis_name={spmd_axis_name!r} names axes of devices, of which there is one here; leave it out. "
            "axis_name names the mapped axis"
        )
    return Transformed(run_vmap, f, in_axes, out_axes, axis_name, axis_size, chunk_of("vmap", chunk_size))


def run_vmap(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    in_axes: Any,
    out_axes: Any,
    axis_name: Hashable,
    axis_size: int | None,
    chunk: int | None,
) -> Any:
    """What a call of ``vmap(f)`` does."""
    found, structure = flatten((args, kwargs))
    fixed = static_leaves(found)  # for all elements the same
    paths, wanted = leaf_paths(structure), argument_axes(f, in_axes, args, structure)
    paths, wanted, dynamic = [[x for i, x in enumerate(xs) if i not in fixed] for xs in (paths, wanted, found)]
    leaves = [own(leaf_of(x, lambda p=p: f"arguments{p}")) for x, p in zip(dynamic, paths, strict=True)]  # type: ignore[misc]
    axes = [None if a is None else normal_axis(a, leaf, p) for a, leaf, p in zip(wanted, leaves, paths, strict=True)]
    size = mapped_size(f, leaves, axes, paths, axis_size)
    batched = [a is not None for a in axes]
    moved = [leaf.value if a is None else move_axis(leaf.value, a, 0) for leaf, a in zip(leaves, axes, strict=True)]
    kinds = [leaf.kind if a is None else element_kind(leaf) for leaf, a in zip(leaves, axes, strict=True)]
    types = [element_type(leaf, a) for leaf, a in zip(leaves, axes, strict=True)]
    inner = [Leaf(x, t, k) for x, t, k in zip(moved, types, kinds, strict=True)]
    if axis_name is not None:
        lanes = iota((size,), np.int64, 0)
        inner, moved, batched = [Leaf(lanes, scalar_type(np.int64), SCALAR), *inner], [lanes, *moved], [True, *batched]

    def call(xs: Sequence[Any]) -> Any:
        if axis_name is not None:
            bind_axis(axis_name, size, xs[0])
            xs = xs[1:]
        new_args, new_kwargs = unflatten(structure, merged(fixed, xs))
        return twin(f)(*new_args, **new_kwargs)

    captured = capture(call, inner, "vmap", concrete=True, valued=[not flag for flag in batched])
    n = len(captured.captures)
    outs, flags = map_in_chunks(captured.program, size, chunk, [*captured.captures, *moved], [False] * n + batched)
    placed = place_results(f, outs, flags, size, out_axes, captured.out_tree)
    return captured.out_tree.unflatten(fresh_all(placed, [leaf.value for leaf in leaves]))


def element_type(leaf: Leaf, axis: int | None) -> Any:
    """The type of one element of a mapped argument."""
    if axis is None:
        return leaf.type
    return leaf.type.with_shape(leaf.type.shape[:axis] + leaf.type.shape[axis + 1 :])


def element_kind(leaf: Leaf) -> int:
    """What one element of a mapped argument is in plain NumPy."""
    return ARRAY if leaf.type.ndim > 1 else SCALAR


def spread(prefix: Any, structure: TreeDef, what: str) -> list[Any]:
    """An axis for each leaf of a structure, from a container that matches its upper part; None and ints are leaves."""
    if prefix is None or not isinstance(prefix, tuple | list | dict):
        return [prefix] * structure.num_leaves
    children = structure.children()
    if isinstance(prefix, dict):
        keys = list(structure.entries())
        entries = [prefix[k] for k in keys] if set(keys) == set(prefix) else []
    else:
        entries = list(prefix)
    if len(entries) != len(children):
        raise StructureError(f"vmap: {what}={prefix} does not match the structure {structure}")
    return [axis for entry, child in zip(entries, children, strict=True) for axis in spread(entry, child, what)]


def argument_axes(f: Callable[..., Any], in_axes: Any, args: Sequence[Any], structure: TreeDef) -> list[Any]:
    """The mapped axis of each leaf (None: not mapped)."""
    positional, keyword = structure.children()
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if isinstance(in_axes, tuple) and len(in_axes) != len(args):
        raise StructureError(
            f"vmap: in_axes={in_axes} has {len(in_axes)} entries, but {name_of(f)} was called with {len(args)} "
            "positional arguments"
        )
    return spread(in_axes, positional, "in_axes") + [0] * keyword.num_leaves


def normal_axis(axis: Any, leaf: Leaf, path: str) -> int:
    """A mapped axis counted from the front."""
    number = operator.index(axis)
    if not -leaf.type.ndim <= number < leaf.type.ndim:
        raise ShapeError(
            f"vmap: arguments{path} is {leaf.type}, which has no axis {number} to map over; use in_axes=None for it"
        )
    return number % leaf.type.ndim


def mapped_size(
    f: Callable[..., Any], leaves: Sequence[Leaf], axes: Sequence[int | None], paths: Sequence[str], given: int | None
) -> int:
    """The one size of all mapped axes."""
    sizes = {p: leaf.type.shape[a] for leaf, a, p in zip(leaves, axes, paths, strict=True) if a is not None}
    found = set(sizes.values()) | (set() if given is None else {given})
    if not found:
        raise StructureError(
            f"vmap: no argument of {name_of(f)} is mapped (in_axes is None throughout); map one, or pass axis_size"
        )
    if len(found) > 1:
        listed = ", ".join(f"arguments{p}: {n}" for p, n in sizes.items())
        wanted = "" if given is None else f", axis_size: {given}"
        raise ShapeError(f"vmap: the mapped axes of {name_of(f)} have different sizes ({listed}{wanted})")
    return found.pop()


def move_axis(x: Any, source: int, target: int) -> Any:
    """The array with one axis moved."""
    order = [i for i in range(type_of(x).ndim) if i != source]
    order.insert(target, source)
    return transpose(x, order)


def place_results(
    f: Callable[..., Any], outs: Sequence[Any], flags: Sequence[bool], size: int, out_axes: Any, tree: TreeDef
) -> list[Any]:
    """Results with the mapped axis where ``out_axes`` wants it."""
    placed = []
    for out, batched, axis, path in zip(outs, flags, spread(out_axes, tree, "out_axes"), leaf_paths(tree), strict=True):
        if axis is None:
            if batched:
                raise StructureError(
                    f"vmap: out_axes is None for the result{path} of {name_of(f)}, but it depends on the mapped axis"
                )
            placed.append(out)
            continue
        full = out if batched else broadcast(out, (size, *type_of(out).shape), range(1, type_of(out).ndim + 1))
        ndim = type_of(full).ndim
        number = operator.index(axis)
        if not -ndim <= number < ndim:
            raise ShapeError(
                f"vmap: out_axes={number} for the result{path} of {name_of(f)}, which has {ndim} axes with the mapped "
                "one"
            )
        placed.append(move_axis(full, 0, number % ndim))
    return placed
