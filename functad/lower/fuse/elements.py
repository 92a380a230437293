"""Evaluating variables element by element into the body of a kernel: loads of what is in memory, rules inlined for the
rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functad.errors import InternalError
from functad.ir.program import Atom, Literal, Var
from functad.kernel_ir.nodes import Affine, Index, Value
from functad.kernel_ir.rules import Pointwise, Pull
from functad.lower.fuse.body import Body, Element
from functad.lower.fuse.forms import Reads, View
from functad.lower.fuse.graph import Graph, Node
from functad.lower.fuse.groups import Grouping
from functad.lower.fuse.places import Places

__all__ = ["Elements"]


class Elements:
    """The elements of variables within one kernel, each computed once for each index.

    A variable is loaded where it is complete before this kernel: its ``home`` is below ``position``. Otherwise its rule
    is inlined.
    """

    def __init__(self, body: Body, graph: Graph, places: Places, grouping: Grouping, position: int) -> None:
        self._body = body
        self._graph = graph
        self._places = places
        self._home = grouping.home
        self._checked = grouping.checked
        self._position = position
        self._known: dict[tuple[Index, Value | None], dict[Var, Element]] = {}

    def __call__(self, atom: Atom, index: Index, mask: Value | None = None, fill: Any = 0) -> Element:
        """The element at an index; ``fill`` where ``mask`` is false, and anything where the element under construction
        is not wanted.
        """
        b = self._body
        known = None if mask is None else b.constant(mask)
        if known is not None:
            if not known:
                return b.const(fill, atom.type.dtype)  # type: ignore[no-any-return]
            mask = None
        if isinstance(atom, Literal):
            value = b.const(atom.value, atom.type.dtype)
        elif not self._in_memory(atom):
            value = self._computed(atom, index, mask)
        elif index:
            return b.load(self._places[atom], index, b.both(mask), fill)  # type: ignore[no-any-return]
        else:
            value = b.load(self._places[atom], ())
        return value if mask is None else b.select(mask, value, fill)  # type: ignore[no-any-return]

    def reads(self, node: Node) -> Reads:
        """The operands of a node as its rule reads them."""
        return [self._reader(atom) for atom in node.inputs]

    def _reader(self, atom: Atom) -> Callable[..., Element]:
        return lambda index, mask=None, fill=0: self(atom, self._settled(index), mask, fill)

    def _settled(self, index: Index) -> Index:
        """The index with constants in place of values that are known."""
        if all(type(atom) is int for affine in index for atom, _ in affine.terms):
            return index
        return tuple([self._settled_affine(affine) for affine in index])

    def _settled_affine(self, affine: Affine) -> Affine:
        constant = self._body.constant
        offset, terms = affine.offset, []
        for atom, scale in affine.terms:
            known = None if isinstance(atom, int) else constant(atom)
            if known is None:
                terms.append((atom, scale))
            else:
                offset = offset + scale * int(known)
        return Affine(offset, terms)

    def _in_memory(self, var: Var) -> bool:
        source = self._graph.source(var)
        return source not in self._graph.node_of or self._home.get(source, self._position) < self._position

    def _computed(self, var: Var, index: Index, mask: Value | None) -> Element:
        """The element of an inline variable, wanted where ``mask`` holds; chains of pointwise operations take no
        recursion.
        """
        b = self._body
        outer = b.mask, b.origin, b.checked
        b.mask = b.both(mask) if index else None
        known = self._known.setdefault((index, b.mask), {})
        pending = [var]
        while pending:
            v = pending[-1]
            if v not in known:
                node = self._graph.node_of[v]
                if type(node.form) is Pointwise:
                    missing = [
                        a for a in node.inputs if type(a) is Var and a not in known and len(a.type.shape) == len(index)
                    ]
                    missing = [a for a in missing if not self._leaf(a, index, known)]
                    if missing:
                        pending += missing
                        continue
                b.origin, b.checked = node.origin, self._checked.get(v, self._position) != self._position
                b.origins[node.origin] = None
                known[v] = self._inline(node, index, known)
            pending.pop()
        b.mask, b.origin, b.checked = outer
        return known[var]

    def _leaf(self, atom: Any, index: Index, known: dict[Var, Element]) -> bool:
        """Load an operand, if it is in memory."""
        if not self._in_memory(atom):
            return False
        known[atom] = self(atom, index)
        return True

    def _inline(self, node: Node, index: Index, known: dict[Var, Element]) -> Element:
        """One application of a rule; the operands of a pointwise one are known, but for those of rank 0."""
        b, form = self._body, node.form
        if type(form) is Pointwise:
            values = [
                known[a] if type(a) is Var and a in known else self(a, index if a.type.shape else ())
                for a in node.inputs
            ]
            return form.fn(b, *values, **node.params)  # type: ignore[no-any-return]
        if type(form) is Pull:
            return form.fn(b, index, self.reads(node), node.in_types, node.outputs[0].type, **node.params)  # type: ignore[no-any-return]
        if type(form) is View:
            return self(node.inputs[0], form.map(index))
        raise InternalError(f"the element of a {node.outputs[0].type} is read before it is computed")
