"""Containers taken apart into leaves and structure, and put together again: dict, list, tuple, namedtuple, dataclass,
None (empty), and registered classes (`registration`). It is optree that does it.

Dict keys are sorted, as in JAX. Dataclasses are registered when first met.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import optree

from functad.caches import cached
from functad.errors import StructureError
from functad.identity import identity_key
from functad.tree.registration import NAMESPACE, Statics, data_and_meta, knows, register_dataclass

__all__ = [
    "TreeDef",
    "container_functions",
    "dataclass_fields",
    "flatten",
    "flatten_with_paths",
    "key_order",
    "leaf_paths",
    "stored",
    "structure_key",
    "tuple_of_leaves",
    "unflatten",
]

TreeDef = optree.PyTreeSpec

LEAVES: set[type] = {float, int, bool, complex, np.ndarray, np.float64, np.float32, np.int64, np.bool_}
"""Types that are leaves, by far the most frequent ones: what is made of these is taken apart without a search."""

_tree_flatten = optree.tree_flatten
LEAF: TreeDef = _tree_flatten(0.0, namespace=NAMESPACE)[1]  # type: ignore[arg-type]


@cached(256)
def tuple_of_leaves(count: int) -> TreeDef:
    """The structure of a tuple that holds no containers: ``flatten`` gives this very object."""
    return _tree_flatten((0.0,) * count, namespace=NAMESPACE)[1]  # type: ignore[arg-type]


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeDef]:
    """The leaves of a container, and its structure.

    Parameters
    ----------
    tree
        A container of containers; anything else is a leaf.
    is_leaf
        Says of what is met on the way whether it is a leaf, whatever it is.

    Examples
    --------
    >>> leaves, structure = flatten({"b": (1, None), "a": 2})
    >>> leaves
    [2, 1]
    """
    if is_leaf is None:
        cls = type(tree)
        if cls in LEAVES:
            return [tree], LEAF
        if cls is tuple and LEAVES.issuperset(map(type, tree)):
            return list(tree), tuple_of_leaves(len(tree))
    leaves, structure = _tree_flatten(tree, is_leaf, namespace=NAMESPACE)
    if LEAVES.issuperset(map(type, leaves)):
        return leaves, structure
    unknown = {type(x) for x in leaves if dataclasses.is_dataclass(x) and not isinstance(x, type)}
    unknown = {cls for cls in unknown if not knows(cls)}
    for cls in unknown:
        register_dataclass(cls)
    return flatten(tree, is_leaf) if unknown else (leaves, structure)


def unflatten(treedef: TreeDef, leaves: Iterable[Any]) -> Any:
    """The container of a structure with these leaves.

    Raises
    ------
    StructureError
        If there are more leaves or fewer than the structure has.

    Examples
    --------
    >>> unflatten(flatten({"a": 1, "b": (2, 3)})[1], [10, 20, 30])
    {'a': 10, 'b': (20, 30)}
    """
    found = leaves if isinstance(leaves, list | tuple) else list(leaves)
    if len(found) != treedef.num_leaves:
        raise StructureError(f"tree.unflatten: the structure has {treedef.num_leaves} leaves, got {len(found)}")
    return treedef.unflatten(found)


def leaf_paths(structure: TreeDef) -> list[str]:
    """How to reach each leaf, as Python would write it: ``['a'][0]``, ``.field``; empty for a lone leaf."""
    return [accessor.codify("") for accessor in structure.accessors()]


def flatten_with_paths(tree: Any) -> tuple[list[tuple[str, Any]], TreeDef]:
    """The leaves with their paths, and the structure."""
    leaves, structure = flatten(tree)
    return list(zip(leaf_paths(structure), leaves, strict=True)), structure


def structure_key(structure: TreeDef) -> Hashable:
    """What two structures share exactly if their containers and keys have the same types and values: a dict's key 1 is
    not its key True.

    Examples
    --------
    >>> one, true = (flatten({key: 0.0})[1] for key in (1, True))
    >>> one == true, structure_key(one) == structure_key(true)
    (True, False)
    """
    return structure, *_unusual_keys(structure)


def stored(structure: TreeDef) -> Any:
    """A structure as it can be pickled: a container that has it. ``flatten`` of that knows dataclasses, which another
    process has not met.
    """
    return structure.unflatten([0] * structure.num_leaves)


def _unusual_keys(structure: TreeDef) -> Iterator[Hashable]:
    """The keys of dicts in a structure that are not strings."""
    if structure.type in _DICTS:
        yield from [identity_key(k) for k in structure.entries() if type(k) is not str]
    if structure.num_nodes > structure.num_leaves + 1:
        for child in structure.children():
            if not child.is_leaf():
                yield from _unusual_keys(child)


_DICTS = frozenset({dict, OrderedDict, defaultdict})


def container_functions(structure: TreeDef) -> tuple[Callable[..., Any], Callable[..., Any], Any] | None:
    """How a registered container of this structure is taken apart (into children and rest) and put together (of rest
    and children), and its rest; None where optree does not say. The rest of dicts says the types of their keys, too.

    Examples
    --------
    >>> from collections import OrderedDict
    >>> take_apart, put_together, rest = container_functions(flatten(OrderedDict(a=1, b=2))[1])
    >>> list(put_together(rest, (3, 4)).items())
    [('a', 3), ('b', 4)]
    """
    entry = optree.register_pytree_node.get(structure.type, namespace=NAMESPACE)  # type: ignore[arg-type]
    if entry is None or entry.kind != structure.kind:
        return None
    rest = _root_state(structure)[2]
    if structure.type not in _DICTS:
        return entry.flatten_func, entry.unflatten_func, rest  # type: ignore[return-value]

    node = structure.one_level()

    def take_apart(mapping: Any) -> tuple[Any, Any]:
        children, rest, keys = entry.flatten_func(mapping)  # type: ignore[misc]
        return children, (rest, identity_key(tuple(keys)))  # type: ignore[arg-type]

    def put_together(rest: Any, children: Sequence[Any]) -> Any:
        return node.unflatten(children)  # type: ignore[union-attr]

    return take_apart, put_together, (rest, identity_key(tuple(structure.entries())))


def key_order(structure: TreeDef) -> list[Any]:
    """The keys of a dict in the order in which they were put in; those of a structure are sorted."""
    return list(_root_state(structure)[7] or structure.entries())


def _root_state(structure: TreeDef) -> tuple[Any, ...]:
    """What pickle keeps of a structure's outermost node: kind, number of children, rest, ..., keys of a dict."""
    nodes: Any = structure.__getstate__()
    return nodes[0][-1]  # type: ignore[no-any-return]


def dataclass_fields(structure: TreeDef) -> tuple[tuple[str, ...], dict[str, Any]] | None:
    """The names of the fields that are children, and the static fields, of what is taken apart by its attributes."""
    names = data_and_meta(structure.type)
    found = None if names is None else container_functions(structure)
    if names is None or found is None or not isinstance(found[2], Statics):
        return None
    return names[0], dict(zip(names[1], found[2].values, strict=True))
