"""How the arguments and results of a call look to the native entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from optree import PyTreeKind

from functad.core.capture import Leaf
from functad.core.statics import merged
from functad.core.tracer import ARRAY, PYTHON
from functad.ir.types import ArrayType, SeqType
from functad.lower.entry.signature import Container, Hidden, Signature, Spec, Static
from functad.lower.entry.signature import Leaf as EntryLeaf
from functad.tree.containers import TreeDef, container_functions, dataclass_fields, key_order

if TYPE_CHECKING:
    from functad.api.static import Call
    from functad.api.traced import Traced
    from functad.api.world.hidden import HiddenOperand
    from functad.lower.entry.places import Check

__all__ = ["entry_signature"]

_PYTHON_KINDS = {"b": "python_bool", "i": "python_int", "f": "python_float", "c": "python_complex"}


class _Unknown(Exception):
    """Something that entries do not take apart themselves."""


def entry_signature(call: Call, traced: Traced, checks: tuple[Check, ...], gives_out: bool) -> Signature | None:
    """The signature of a kind of call; None where it holds something that only Python can take apart.

    The call gives arrays for the results if ``gives_out``.
    """

    def of_leaf(leaf: Leaf | HiddenOperand) -> EntryLeaf:
        if isinstance(leaf.type, SeqType):
            raise _Unknown
        kind = (
            "array"
            if leaf.kind == ARRAY
            else _PYTHON_KINDS[leaf.type.dtype.kind]
            if leaf.kind == PYTHON
            else "numpy_scalar"
        )
        return EntryLeaf(kind, leaf.type.dtype, leaf.type.shape)

    def of_result(type: ArrayType) -> Spec:
        if isinstance(type, SeqType):
            raise _Unknown
        return EntryLeaf("array" if type.ndim else "numpy_scalar", type.dtype, type.shape)

    try:
        inputs: Iterator[Spec] = iter(call.all_leaves(map(of_leaf, call.leaves), map(Static, call.compared)))
        positional, named = call.structure.children()
        dynamic = iter([_spec(child, inputs) for child in positional.children()])
        static_positions = {where: Static(value) for where, value in call.positions}
        args = [
            static_positions[i] if i in static_positions else next(dynamic)
            for i in range(positional.num_children + len(static_positions))
        ]
        keywords = [(name, _spec(child, inputs)) for name, child in _items(named)]
        keywords += [(name, Static(value)) for name, value in call.names]
        results = [of_result(t) for t in traced.program.out_types]
        outputs = iter(merged({i: Static(value) for i, value in traced.out_static.items()}, results))
        result = _spec(traced.out_tree, outputs)
        hidden = tuple([Hidden(h.place, of_leaf(h)) for h in traced.hidden])
    except _Unknown:
        return None
    return Signature(tuple(args), result, hidden, checks, tuple(keywords), gives_out)


def _spec(structure: TreeDef, leaves: Iterator[Spec]) -> Spec:
    """The spec of a structure, its leaves taken from an iterator."""
    kind, cls = structure.kind, structure.type
    if kind == PyTreeKind.LEAF:
        return next(leaves)
    if kind == PyTreeKind.NONE:
        return Static(None)
    children = tuple([_spec(child, leaves) for child in structure.children()])
    if kind in (PyTreeKind.TUPLE, PyTreeKind.LIST):
        return Container("tuple" if kind == PyTreeKind.TUPLE else "list", children)
    if kind == PyTreeKind.DICT:
        keys = tuple(structure.entries())
        if {type(k) for k in keys} in ({str}, {int}, set()):  # an entry finds keys by ==
            return Container("dict", children, keys, tuple([keys.index(k) for k in key_order(structure)]))
    if kind == PyTreeKind.NAMEDTUPLE:
        return Container("namedtuple", children, (cls,))
    fields = dataclass_fields(structure)
    if fields is not None:
        names, statics = fields
        return Container("fields", (*children, *[Static(value) for value in statics.values()]), (cls, *names, *statics))
    functions = container_functions(structure)
    if functions is None:
        raise _Unknown
    return Container("custom", children, (cls, *functions))


def _items(structure: TreeDef) -> Iterator[tuple[str, TreeDef]]:
    """The keys and children of a dict's structure."""
    return zip(structure.entries(), structure.children(), strict=True)
