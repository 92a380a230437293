"""Containers cut in two: the leaves that are wanted, and the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.errors import StructureError, message_of
from functad.tree.containers import flatten, leaf_paths
from functad.tree.mapping import IsLeaf, broadcast

__all__ = ["choices", "combine", "is_inexact", "partition"]

Predicate = Callable[[Any], bool] | Any
"""A function of a leaf, or a container of booleans that is a prefix of what is cut."""


def is_inexact(x: Any) -> bool:
    """Whether something is a number, or an array of numbers, that can be differentiated: real or complex ones in
    floating point. Traced values, and arrays of other libraries, are arrays here.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> [fd.tree.is_inexact(x) for x in (1.0, np.ones(2), 1, np.arange(2), True, "relu", None)]
    [True, True, False, False, False, False, False]
    """
    if isinstance(x, float | complex):
        return True
    dtype = getattr(x, "dtype", None)
    kind = getattr(dtype, "kind", None)
    if kind is None:  # the dtype of another library, which has a name
        return str(dtype).lower().rpartition(".")[2].startswith(("float", "complex", "bfloat"))
    return kind in "fc"


def partition(predicate: Predicate, tree: Any, is_leaf: IsLeaf = None) -> tuple[Any, Any]:
    """A container as two of its structure: with the leaves for which a predicate holds, and with the others. In the
    place of each leaf that is in the other one is None.

    Parameters
    ----------
    predicate
        A function of a leaf, such as `is_inexact`; or a container of booleans, each of which decides for the leaf, or
        for all of the container, in its place.
    tree
        The container.
    is_leaf
        Says of what is met in ``tree`` whether it is a leaf.

    Returns
    -------
    wanted, others
        `combine` makes one container of them again.

    Raises
    ------
    StructureError
        If the predicate gives something that is not true or false, or its container is no prefix of ``tree``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> model = {"w": np.ones(2), "name": "first", "steps": 3}
    >>> weights, rest = fd.tree.partition(fd.tree.is_inexact, model)
    >>> weights, rest
    ({'w': array([1., 1.]), 'name': None, 'steps': None}, {'w': None, 'name': 'first', 'steps': 3})
    >>> fd.tree.combine(weights, rest) == model
    True
    """
    found, treedef = flatten(tree, is_leaf)
    flags = choices(predicate, tree, "tree.partition", is_leaf)
    wanted = treedef.unflatten([x if flag else None for x, flag in zip(found, flags, strict=True)])
    return wanted, treedef.unflatten([None if flag else x for x, flag in zip(found, flags, strict=True)])


def choices(predicate: Predicate, tree: Any, what: str, is_leaf: IsLeaf = None) -> list[bool]:
    """Whether each leaf of a container is wanted; ``what`` names who asks in an error."""
    found, treedef = flatten(tree, is_leaf)
    if callable(predicate):
        flags = [predicate(x) for x in found]
    else:
        try:
            flags = flatten(broadcast(predicate, tree, is_leaf))[0]
        except StructureError as error:
            raise StructureError(
                f"{what}: a container of booleans must be a prefix of the one that it chooses from. {message_of(error)}"
            ) from None
    for flag, path in zip(flags, leaf_paths(treedef), strict=True):
        if not isinstance(flag, bool | np.bool_):
            raise StructureError(
                f"{what}: a predicate says True or False of each leaf, got {type(flag).__name__} for the leaf "
                f"{path or 'itself'}"
            )
    return [bool(flag) for flag in flags]


def combine(*trees: Any) -> Any:
    """One container of several of the same structure, with the first leaf in each place that is not None.

    Raises
    ------
    StructureError
        If there is no container, or they have different structures.

    Examples
    --------
    >>> import functad as fd
    >>> fd.tree.combine({"a": 1, "b": None}, {"a": None, "b": [2, 3]})
    {'a': 1, 'b': [2, 3]}
    """
    if not trees:
        raise StructureError("tree.combine: at least one container is needed")
    return _first(trees, "")


def _first(trees: tuple[Any, ...], path: str) -> Any:
    """What is not None; containers one level at a time, since one of them may have None for all of a part."""
    present = [t for t in trees if t is not None]
    if len(present) < 2:
        return present[0] if present else None
    taken = [flatten(t, lambda x, t=t: x is not t) for t in present]  # type: ignore[misc]
    treedef = taken[0][1]
    if treedef.is_leaf():
        return present[0]
    for (_, other), tree in zip(taken[1:], present[1:], strict=True):
        if other != treedef:
            raise StructureError(
                f"tree.combine: the containers{f' at {path}' if path else ''} have different structures: "
                f"{type(present[0]).__name__} {treedef}, and {type(tree).__name__} {other}"
            )
    names = leaf_paths(treedef)
    return treedef.unflatten(
        [_first(tuple(xs), path + n) for n, *xs in zip(names, *[p for p, _ in taken], strict=True)]
    )
