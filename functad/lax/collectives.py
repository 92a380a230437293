"""Collectives over mapped axes with a name: ``psum``, ``pmean``, ``all_gather`` and their like, inside of
``vmap(f, axis_name=...)``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Sequence
from math import prod
from typing import Any

import numpy as np

from functad.core.named_axes import NamedAxis, named_axis
from functad.core.tracer import SCALAR, Tracer
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.lax.bodies import leaves_and_tree, wrap
from functad.numpy.axes import normal_axis
from functad.numpy.shapes import moveaxis, reshape
from functad.numpy.traced import here
from functad.primitives import collectives
from functad.primitives.arithmetic import add, div, mul
from functad.primitives.convert import convert
from functad.primitives.gather import gather
from functad.tree.mapping import map as tree_map

__all__ = [
    "all_gather", "all_to_all", "axis_index", "axis_size", "pmax", "pmean", "pmin", "ppermute", "pshuffle", "psum",
    "psum_scatter", "pswapaxes",
]  # fmt: skip

Names = Hashable | tuple[Hashable, ...]
"""The name of an axis, or of several."""


def axes_named(names: Names, what: str) -> list[NamedAxis]:
    """The axes of a name, or of several, outermost first."""
    return [named_axis(name, what) for name in (names if isinstance(names, tuple) else (names,))]


def each(x: Any, what: str, f: Callable[[Any], Any]) -> Any:
    """A function of each leaf of a container."""
    leaves, tree = leaves_and_tree(x, f"the argument of {what}: ")
    return wrap([f(leaf.value) for leaf in leaves], tree)


def over(primitive: collectives.Collective, x: Any, axis: NamedAxis, **params: Any) -> Any:
    """A collective over one axis."""
    return primitive(x, axis.lane, axis=axis.name, size=axis.size, **params)


# -- which element, of how many ----------------------------------------------------------------------------------------


def axis_size(axis_name: Names) -> int:
    """How many elements a mapped axis has (several axes: their product); a Python integer.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.vmap(lambda x: x / fd.lax.axis_size("i"), axis_name="i")(np.array([2.0, 4.0]))
    array([1., 2.])
    """
    return prod([axis.size for axis in axes_named(axis_name, "axis_size")])


def axis_index(axis_name: Names) -> Any:
    """The number of the element along a mapped axis (several axes: counted in the order of an array of them).

    Raises
    ------
    UnboundAxisError
        If no mapped axis around has the name, here as in all collectives. It is a ``NameError``, too.
    CollectiveError
        If a collective stands in a loop or a branch whose condition differs between the elements of the axis.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.vmap(lambda x: x + fd.lax.axis_index("i"), axis_name="i")(np.zeros(3))
    array([0., 1., 2.])
    """
    first, *others = axes_named(axis_name, "axis_index")
    index: Any = Tracer(first.lane._variable, first.lane._owner, SCALAR)
    for axis in others:
        index = add(mul(index, np.int64(axis.size)), axis.lane)
    return index


# -- sums, means, extrema ----------------------------------------------------------------------------------------------


def psum(x: Any, axis_name: Names) -> Any:
    """The sum over a mapped axis, or several: the same for all its elements.

    The sum of a Python number is a Python number: ``psum(1, name)`` is the size of the axis.

    Parameters
    ----------
    x
        A container of arrays or numbers.
    axis_name
        The name that ``vmap`` gives the axis, or a tuple of names.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> weights = fd.vmap(lambda x: x / fd.lax.psum(x, "i"), axis_name="i")
    >>> weights(np.array([1.0, 3.0]))
    array([0.25, 0.75])

    Derivatives may be taken inside, of all sums in what the element gives, and outside:

    >>> fd.vmap(fd.grad(lambda x: fd.lax.psum(x**2, "i")), axis_name="i")(np.array([1.0, 3.0]))
    array([ 4., 12.])
    >>> fd.grad(lambda x: np.sum(weights(x) ** 2))(np.array([1.0, 3.0]))
    array([-0.1875,  0.0625])
    """
    axes = axes_named(axis_name, "psum")
    size = prod([axis.size for axis in axes])

    def leaf(y: Any) -> Any:
        y = convert(y, np.dtype(np.int64)) if y.dtype.kind == "b" else y
        for axis in reversed(axes):
            y = over(collectives.psum, y, axis)
        return y

    def summed(y: Any) -> Any:
        return y * size if type(y) in (int, float, complex) else each(y, "psum", leaf)

    return tree_map(summed, x)


def pmean(x: Any, axis_name: Names) -> Any:
    """The mean over a mapped axis, or several; parameters as of `psum`.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.vmap(lambda x: x - fd.lax.pmean(x, "i"), axis_name="i")(np.array([1.0, 3.0]))
    array([-1.,  1.])
    """
    axes = axes_named(axis_name, "pmean")
    size = prod([axis.size for axis in axes])

    def leaf(y: Any) -> Any:
        y = y if y.dtype.kind in "fc" else convert(y, np.dtype(np.float64))
        for axis in reversed(axes):
            y = over(collectives.psum, y, axis)
        return div(y, y.dtype.type(size))

    return each(x, "pmean", leaf)


def _extremum(what: str, primitive: collectives.Collective, x: Any, axis_name: Names) -> Any:
    axes = axes_named(axis_name, what)

    def leaf(y: Any) -> Any:
        if y.dtype.kind == "c":
            raise DtypeError(f"{what}{here()} is of real numbers, got {y.dtype}; take .real or np.abs of it first")
        for axis in reversed(axes):
            y = over(primitive, y, axis)
        return y

    return each(x, what, leaf)


def pmax(x: Any, axis_name: Names) -> Any:
    """The largest value over a mapped axis, or several; parameters as of `psum`. Where several elements attain it, the
    derivative is shared.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.vmap(lambda x: x == fd.lax.pmax(x, "i"), axis_name="i")(np.array([1.0, 3.0]))
    array([False,  True])
    """
    return _extremum("pmax", collectives.pmax, x, axis_name)


def pmin(x: Any, axis_name: Names) -> Any:
    """The smallest value over a mapped axis, or several; see `pmax`.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.vmap(lambda x: fd.lax.pmin(x, "i"), axis_name="i")(np.array([3.0, 1.0, 2.0]))
    array([1., 1., 1.])
    """
    return _extremum("pmin", collectives.pmin, x, axis_name)


# -- all elements ------------------------------------------------------------------------------------------------------


def all_gather(x: Any, axis_name: Names, *, axis: int = 0, tiled: bool = False) -> Any:
    """The values of all elements of a mapped axis, along a new axis; the same for all its elements.

    Parameters
    ----------
    x
        A container of arrays or numbers.
    axis_name
        The name of the axis, or a tuple of names, whose elements are counted as in an array of these axes.
    axis
        Where the new axis is put.
    tiled
        Whether the values are concatenated along ``axis`` in place of a new axis.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> ranks = fd.vmap(lambda x: np.sum(fd.lax.all_gather(x, "i") < x), axis_name="i")
    >>> ranks(np.array([2.0, 5.0, 1.0]))
    array([1, 2, 0])
    """
    axes = axes_named(axis_name, "all_gather")
    size = prod([a.size for a in axes])

    def leaf(y: Any) -> Any:
        shape = y.shape
        place = normal_axis(axis, len(shape) + (not tiled), "all_gather")
        for a in reversed(axes):
            y = over(collectives.all_gather, y, a)
        y = moveaxis(reshape(y, (size, *shape)), 0, place)
        return reshape(y, (*shape[:place], size * shape[place], *shape[place + 1 :])) if tiled else y

    return each(x, "all_gather", leaf)


def psum_scatter(x: Any, axis_name: Hashable, *, scatter_dimension: int = 0, tiled: bool = False) -> Any:
    """The sum over a mapped axis, of which each element gets its own part along an axis of the values.

    Parameters
    ----------
    x
        A container of arrays, whose axis ``scatter_dimension`` has an entry for each element of the mapped axis.
    axis_name
        The name of the axis.
    scatter_dimension
        The axis of the values.
    tiled
        Whether the axis stays, with an equal share of its entries, where it has a multiple of them.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.vmap(lambda x: fd.lax.psum_scatter(x, "i"), axis_name="i")(np.array([[1.0, 2.0], [10.0, 20.0]]))
    array([11., 22.])
    """
    (a,) = axes_named((axis_name,), "psum_scatter")

    def leaf(y: Any) -> Any:
        place = normal_axis(scatter_dimension, len(y.shape), "psum_scatter")
        y = moveaxis(y, place, 0)
        if tiled:
            y = reshape(y, (a.size, _share(y.shape[0], a, "psum_scatter"), *y.shape[1:]))
        y = over(collectives.psum_scatter, y, a)
        return moveaxis(y, 0, place) if tiled else y

    return each(x, "psum_scatter", leaf)


def _share(length: int, a: NamedAxis, what: str) -> int:
    """An equal part of an axis for each element."""
    if length % a.size:
        raise ShapeError(
            f"{what}{here()}: an axis of length {length} cannot be divided among the {a.size} elements of {a.name!r}"
        )
    return length // a.size


def all_to_all(x: Any, axis_name: Hashable, split_axis: int, concat_axis: int, *, tiled: bool = False) -> Any:
    """Each element of a mapped axis gives one part of its value to each, and gets one from each.

    Parameters
    ----------
    x
        A container of arrays.
    axis_name
        The name of the axis.
    split_axis
        The axis of the values that is divided, one entry for each element of the mapped axis.
    concat_axis
        Where the axis of what comes from the elements is put.
    tiled
        Whether equal parts of ``split_axis`` are sent, and concatenated along ``concat_axis``, in place of entries.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.vmap(lambda x: fd.lax.all_to_all(x, "i", 0, 0), axis_name="i")(np.array([[1, 2], [3, 4]]))
    array([[1, 3],
           [2, 4]])
    """
    (a,) = axes_named((axis_name,), "all_to_all")

    def leaf(y: Any) -> Any:
        split = normal_axis(split_axis, len(y.shape), "all_to_all")
        y = moveaxis(y, split, 0)
        share = _share(y.shape[0], a, "all_to_all")
        if not tiled and share != 1:
            raise ShapeError(
                f"all_to_all{here()}: the axis {split} to divide has length {y.shape[0]}, but {a.name!r} has {a.size} "
                "elements; tiled=True sends equal parts"
            )
        y = moveaxis(reshape(y, (a.size, share, *y.shape[1:])), 1, 1 + split)  # the parts, and in each its axes
        y = over(collectives.all_gather, y, a)  # from whom, to whom
        y = gather(moveaxis(y, 1, 0), a.lane)
        place = normal_axis(concat_axis, len(y.shape) - 1, "all_to_all")
        if tiled:
            y = moveaxis(y, 0, place)
            return reshape(y, (*y.shape[:place], y.shape[place] * y.shape[place + 1], *y.shape[place + 2 :]))
        y = reshape(y, [n for k, n in enumerate(y.shape) if k != split + 1])
        return moveaxis(y, 0, place)

    return each(x, "all_to_all", leaf)


def pswapaxes(x: Any, axis_name: Hashable, axis: int) -> Any:
    """Swap a mapped axis with an axis of the values, which must be as long.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.vmap(lambda x: fd.lax.pswapaxes(x, "i", 0), axis_name="i")(np.array([[1, 2], [3, 4]]))
    array([[1, 3],
           [2, 4]])
    """
    return all_to_all(x, axis_name, axis, axis)


# -- permutations ------------------------------------------------------------------------------------------------------


def ppermute(x: Any, axis_name: Hashable, perm: Sequence[tuple[int, int]]) -> Any:
    """What other elements of a mapped axis send; zeros for those that nothing is sent to.

    Parameters
    ----------
    x
        A container of arrays or numbers.
    axis_name
        The name of the axis.
    perm
        Pairs (source, target) of numbers of elements; no number is twice a source, or twice a target.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.vmap(lambda x: fd.lax.ppermute(x, "i", [(0, 1), (1, 2)]), axis_name="i")(np.array([1.0, 2.0, 3.0]))
    array([0., 1., 2.])
    """
    (a,) = axes_named((axis_name,), "ppermute")
    pairs = tuple([(operator.index(source), operator.index(target)) for source, target in perm])
    for numbers in zip(*pairs, strict=True):
        if len(set(numbers)) != len(numbers) or not all([0 <= k < a.size for k in numbers]):
            raise ArgumentError(
                f"ppermute{here()}: perm={list(pairs)} must be pairs (source, target) of numbers below {a.size}, each "
                "at most once a source and once a target"
            )
    if not pairs:
        return each(x, "ppermute", np.zeros_like)
    return each(x, "ppermute", lambda y: over(collectives.ppermute, y, a, perm=pairs))


def pshuffle(x: Any, axis_name: Hashable, perm: Sequence[int]) -> Any:
    """The elements of a mapped axis in another order: element ``i`` is element ``perm[i]``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.vmap(lambda x: fd.lax.pshuffle(x, "i", [1, 2, 0]), axis_name="i")(np.array([1.0, 2.0, 3.0]))
    array([2., 3., 1.])
    """
    (a,) = axes_named((axis_name,), "pshuffle")
    if sorted(perm) != list(range(a.size)):
        raise ArgumentError(f"pshuffle{here()}: perm={list(perm)} must be a permutation of 0 to {a.size - 1}")
    return ppermute(x, axis_name, [(source, target) for target, source in enumerate(perm)])
