"""How the arguments and results of a call look to the native entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from functad.core.capture import Leaf
from functad.core.tracer import ARRAY, PYTHON
from functad.ir.types import ArrayType, SeqType
from functad.lower.entry.signature import Container, Hidden, Signature, Spec, Static
from functad.lower.entry.signature import Leaf as EntryLeaf

if TYPE_CHECKING:
    from functad.api.jit import Traced
    from functad.api.world.hidden import HiddenOperand
    from functad.lower.entry.places import Check

__all__ = ["entry_signature"]

_PYTHON_KINDS = {"b": "python_bool", "i": "python_int", "f": "python_float", "c": "python_complex"}


class _Unknown(Exception):
    """A container that entries do not take apart themselves."""


def entry_signature(
    args: Sequence[Any], static: dict[int, Any], leaves: Sequence[Leaf], traced: Traced, checks: tuple[Check, ...]
) -> Signature | None:
    """The signature of a positional call; None where it holds something that only Python can take apart.

    ``args`` are the dynamic arguments, whose leaves are ``leaves`` in order; ``static`` maps positions to static
    values.
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
        inputs = iter([of_leaf(leaf) for leaf in leaves])
        dynamic = [_spec(a, inputs) for a in args]
        positions: list[Spec] = []
        rest = iter(dynamic)
        for i in range(len(args) + len(static)):
            positions.append(Static(static[i]) if i in static else next(rest))
        outputs = iter([of_result(t) for t in traced.program.out_types])
        result = _spec(traced.out_tree.unflatten([_LEAF] * traced.out_tree.num_leaves), outputs)
        hidden = tuple([Hidden(h.place, of_leaf(h)) for h in traced.hidden])
    except _Unknown:
        return None
    return Signature(tuple(positions), result, hidden, checks)


_LEAF = object()


def _spec(tree: Any, leaves: Iterator[Spec]) -> Spec:
    """The spec of a container, its leaves taken from an iterator."""
    if tree is None:
        return Static(None)
    if type(tree) in (tuple, list):
        return Container(type(tree).__name__, tuple([_spec(v, leaves) for v in tree]))
    if type(tree) is dict:
        if {type(k) for k in tree} not in ({str}, {int}, set()):  # an entry finds keys by ==
            raise _Unknown
        keys = tuple(sorted(tree))
        return Container("dict", tuple([_spec(tree[k], leaves) for k in keys]), keys)
    if tree is _LEAF or _is_leaf(tree):
        return next(leaves)
    raise _Unknown


def _is_leaf(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | int | float | complex)
