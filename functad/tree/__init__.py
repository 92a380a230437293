"""Containers of arrays: nested dicts, lists, tuples, namedtuples, dataclasses, and classes that are registered here.

Names are those of ``jax.tree``; `partition`, `combine`, `is_inexact` and `ravel` are for containers of which only a
part is numbers.

>>> import functad as fd
>>> fd.tree.map(lambda x: 2 * x, {"w": [1.0, 2.0], "b": None})
{'w': [2.0, 4.0], 'b': None}
"""

from functad.tree.containers import TreeDef, flatten, unflatten
from functad.tree.flat import ravel
from functad.tree.mapping import (
    all,
    broadcast,
    flatten_with_path,
    keystr,
    leaves,
    leaves_with_path,
    map,
    map_with_path,
    reduce,
    structure,
    transpose,
)
from functad.tree.partition import combine, is_inexact, partition
from functad.tree.registration import (
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_static,
)

__all__ = [
    "TreeDef",
    "all",
    "broadcast",
    "combine",
    "flatten",
    "flatten_with_path",
    "is_inexact",
    "keystr",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "partition",
    "ravel",
    "reduce",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_static",
    "structure",
    "transpose",
    "unflatten",
]


def __dir__() -> list[str]:
    return sorted(__all__)
