"""Functions of the leaves of containers, under JAX's names."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from typing import Any

import optree

from functad.errors import StructureError
from functad.tree.containers import TreeDef, flatten
from functad.tree.registration import NAMESPACE

__all__ = [
    "all",
    "broadcast",
    "flatten_with_path",
    "keystr",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "reduce",
    "structure",
    "transpose",
]

IsLeaf = Callable[[Any], bool] | None

_MISSING = object()


def leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves of a container; dicts in the order of their keys.

    Examples
    --------
    >>> import functad as fd
    >>> fd.tree.leaves({"b": [1, None], "a": (2, 3)})
    [2, 3, 1]
    """
    return flatten(tree, is_leaf)[0]


def structure(tree: Any, is_leaf: IsLeaf = None) -> TreeDef:
    """The structure of a container, which can be compared and hashed.

    Examples
    --------
    >>> import functad as fd
    >>> fd.tree.structure([1, (2, 3)]) == fd.tree.structure([0.0, ("x", None)])
    False
    """
    return flatten(tree, is_leaf)[1]


def map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Apply a function to each leaf of a container.

    Parameters
    ----------
    f
        The function.
    tree
        The container, whose structure the result has.
    rest
        More containers: ``f`` takes what is in each at the place of the leaf, be that a leaf or not.
    is_leaf
        Says of what is met in ``tree`` whether it is a leaf.

    Raises
    ------
    StructureError
        If a container does not have the structure of the first.

    Examples
    --------
    >>> import functad as fd
    >>> fd.tree.map(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
    {'a': 11, 'b': (22, 33)}
    """
    found, treedef = flatten(tree, is_leaf)
    others = _others(treedef, rest, "map")
    return treedef.unflatten([f(*xs) for xs in zip(found, *others, strict=True)])


def _others(treedef: TreeDef, rest: tuple[Any, ...], name: str) -> list[list[Any]]:
    """What other containers have in the places of the leaves of the first."""
    others = []
    for number, tree in enumerate(rest, 2):
        flatten(tree)  # which registers dataclasses
        try:
            others.append(treedef.flatten_up_to(tree))
        except (TypeError, ValueError) as error:
            raise StructureError(
                f"tree.{name}: container {number} does not have the structure of the first: {error}"
            ) from None
    return others


def reduce(function: Callable[[Any, Any], Any], tree: Any, initializer: Any = _MISSING, is_leaf: IsLeaf = None) -> Any:
    """The leaves of a container combined in turn: ``function(function(first, second), third)`` ...

    Examples
    --------
    >>> import functad as fd, operator
    >>> fd.tree.reduce(operator.add, {"a": 1, "b": (2, 3)})
    6
    """
    found = leaves(tree, is_leaf)
    if initializer is not _MISSING:
        return functools.reduce(function, found, initializer)
    if not found:
        raise StructureError("tree.reduce: the container has no leaves; give an initializer")
    return functools.reduce(function, found)


def all(tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether all leaves of a container are true.

    Examples
    --------
    >>> import functad as fd
    >>> fd.tree.all({"a": True, "b": [1, 0]})
    False
    """
    return builtins.all(leaves(tree, is_leaf))


def transpose(outer_treedef: TreeDef, inner_treedef: TreeDef | None, pytree_to_transpose: Any) -> Any:
    """A container of containers turned inside out: of lists in a dict, a list of dicts.

    Parameters
    ----------
    outer_treedef
        The structure of the outer container.
    inner_treedef
        The structure of each container in it; None: that of the first.
    pytree_to_transpose
        The container.

    Raises
    ------
    StructureError
        If the container does not consist of these structures.

    Examples
    --------
    >>> import functad as fd
    >>> fd.tree.transpose(fd.tree.structure({"a": 0, "b": 0}), None, {"a": [1, 2], "b": [3, 4]})
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 4}]
    """
    found, treedef = flatten(pytree_to_transpose)
    if inner_treedef is None:
        parts = _others(outer_treedef, (pytree_to_transpose,), "transpose")[0]
        inner_treedef = structure(parts[0]) if parts else structure(None)
    expected = outer_treedef.compose(inner_treedef)
    if treedef != expected:
        raise StructureError(f"tree.transpose: the container must have the structure {expected}, got {treedef}")
    count = inner_treedef.num_leaves
    return inner_treedef.unflatten([outer_treedef.unflatten(found[i::count]) for i in range(count)])


def broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf = None) -> Any:
    """A container of the structure of another, which has a leaf of the first wherever that has a container instead.

    Examples
    --------
    >>> import functad as fd
    >>> fd.tree.broadcast({"a": 1, "b": 2}, {"a": [0, 0], "b": (0, {"c": 0})})
    {'a': [1, 1], 'b': (2, {'c': 2})}
    """
    flatten(full_tree, is_leaf), flatten(prefix_tree, is_leaf)
    try:
        return optree.tree_broadcast_prefix(prefix_tree, full_tree, is_leaf, namespace=NAMESPACE)
    except (TypeError, ValueError) as error:
        raise StructureError(f"tree.broadcast: the first container is no prefix of the second: {error}") from None


# -- paths -------------------------------------------------------------------------------------------------------------


def flatten_with_path(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[tuple[Any, Any]], TreeDef]:
    """The leaves of a container, each with its path, and the structure.

    A path is a tuple with an entry for each container around the leaf. ``entry.entry`` is a key, an index, or the name
    of a field, ``path(tree)`` is the leaf, and `keystr` writes a path as Python does.

    Examples
    --------
    >>> import functad as fd
    >>> pairs, structure = fd.tree.flatten_with_path({"layers": [1.0, 2.0]})
    >>> [(fd.tree.keystr(path), x) for path, x in pairs]
    [("['layers'][0]", 1.0), ("['layers'][1]", 2.0)]
    """
    found, treedef = flatten(tree, is_leaf)
    return list(zip(treedef.accessors(), found, strict=True)), treedef


def leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[Any, Any]]:
    """The leaves of a container, each with its path: see `flatten_with_path`.

    Examples
    --------
    >>> import functad as fd
    >>> [(fd.tree.keystr(path), leaf) for path, leaf in fd.tree.leaves_with_path({"w": [1.0, 2.0]})]
    [("['w'][0]", 1.0), ("['w'][1]", 2.0)]
    """
    return flatten_with_path(tree, is_leaf)[0]


def map_with_path(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """`map` for a function that takes the path of the leaf first: see `flatten_with_path`.

    Examples
    --------
    >>> import functad as fd
    >>> fd.tree.map_with_path(lambda path, x: x if path[0].entry == "w" else 0.0, {"b": 1.0, "w": 2.0})
    {'b': 0.0, 'w': 2.0}
    """
    found, treedef = flatten(tree, is_leaf)
    others = _others(treedef, rest, "map_with_path")
    return treedef.unflatten([f(*xs) for xs in zip(treedef.accessors(), found, *others, strict=True)])


def keystr(keys: Any, *, simple: bool = False, separator: str = "") -> str:
    """A path as text: ``['a'][0].field``, or if it shall be ``simple`` its entries with a separator between them.

    Examples
    --------
    >>> import functad as fd
    >>> ((path, _),) = fd.tree.leaves_with_path({"a": [1.0]})
    >>> fd.tree.keystr(path), fd.tree.keystr(path, simple=True, separator="/")
    ("['a'][0]", 'a/0')
    """
    texts = [str(key.entry) if simple else key.codify("") for key in keys]
    return separator.join(texts)
