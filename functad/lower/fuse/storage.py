"""Which variables are stored, before anything is known of kernels.

Some must be: results of reductions and statements, outputs, operands that are needed in memory, scalars that array code
reads (so that no loop computes them again). Others pay: what is costly and would be computed several times an element,
because it is read at several indices, from several iteration spaces, or from a larger one. What is cheap is computed
again wherever it is read.
"""

from __future__ import annotations

from typing import Any

from functad.ir.program import Var
from functad.ir.regions import regions_of
from functad.kernel_ir.rules import Pointwise, Pull, Statements
from functad.lower.fuse.forms import View
from functad.lower.fuse.graph import Graph, Node

__all__ = ["CHEAP", "Storage"]

CHEAP = 10
"""Up to this cost (in additions an element) a value is computed again rather than stored."""

DEPTH = 24
"""How deeply rules may read through one another (a chain of pointwise operations is no depth)."""

MAX_COST = 10**6

SEVERAL: Any = object()


class Storage:
    """The decision for one graph.

    ``stored`` holds the inline variables to be stored, ``effects`` those of them that may raise and so are evaluated in
    full, ``cost`` the cost an element of an inline variable including what it is computed from, ``anchors`` the
    variables that a kernel evaluates before what depends on them, lest rules recurse too deeply.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.stored: set[Var] = set()
        self.effects: set[Var] = set()
        self.anchors: set[Var] = set()
        self.cost: dict[Var, int] = {}
        self._contexts: dict[Var, Any] = {}  # where a variable is read from: None, one token, or SEVERAL
        self._expanded: set[Var] = set()  # read more often than it has elements
        self._measure()
        self._decide()
        if found := self._read_by_updates():
            self._contexts.clear()
            self._expanded.clear()
            for var in found:
                self.require(var)
            self._decide()

    def _decide(self) -> None:
        for atom in self.graph.program.outputs:
            if isinstance(atom, Var):
                self.require(atom)
        for node in reversed(self.graph.nodes):
            self._visit(node)

    def require(self, var: Var) -> None:
        """The variable has to be in memory."""
        source = self.graph.source(var)
        node = self.graph.node_of.get(source)
        if node is not None and node.inline:
            self.stored.add(source)

    def written(self) -> set[int]:
        """The equations whose results are stored, and have a way of their own to be."""
        return {
            n.origin
            for n in self.graph.nodes
            if isinstance(n.form, Pull) and n.form.in_memory is not None and n.outputs[0] in self.stored
        }

    def _live(self, node: Node) -> bool:
        """Whether anything needs an inline node."""
        v = node.outputs[0]
        return v in self._contexts or v in self.stored or v in self.effects

    def _measure(self) -> None:
        """Costs, and how deep rules read through one another, at the own point of a kernel and at other indices."""
        repeated = self._directly_repeated()
        reading: dict[Var, int] = {}  # the cost of reading a variable, where it will be stored if it is costly
        depth: dict[Var, int] = {}
        own_depth: dict[Var, int] = {}
        for node in self.graph.nodes:
            for access in node.accesses:
                if not access.same and depth.get(access.var, 0) > DEPTH:
                    self.require(access.var)
                    reading[access.var], depth[access.var] = 1, 0
            if not node.inline:
                continue
            v = node.outputs[0]
            if self.graph.program.eqns[node.origin].primitive.may_raise:
                self.effects.add(v)
            operands = {a for a in node.inputs if isinstance(a, Var)}
            cost = self.cost[v] = min(MAX_COST, node.profile.cost + sum([reading.get(a, 1) for a in operands]))
            reading[v] = 1 if cost > CHEAP and v in repeated else cost
            deeper = type(node.form) is not Pointwise
            depth[v] = max([depth.get(a, 0) for a in operands], default=0) + deeper
            own_depth[v] = max([own_depth.get(a.var, 0) for a in node.accesses if a.same], default=0) + deeper
            if own_depth[v] > DEPTH:
                self.anchors.add(v)
                own_depth[v] = 0

    def _directly_repeated(self) -> set[Var]:
        """Variables that are read at several indices, or again and again, by those that use them directly."""
        contexts: dict[Var, Any] = {}
        found: set[Var] = set()
        for node in self.graph.nodes:
            for number, access in enumerate(node.accesses):
                token = None if access.same else (node.position, number)
                if access.expands or contexts.setdefault(access.var, token) != token:
                    found.add(access.var)
        return found

    def _visit(self, node: Node) -> None:
        """Note what a node reads; all its readers have been visited."""
        context: Any = node.space
        expanded = False
        if node.inline:
            if not self._live(node):
                return
            v = node.outputs[0]
            if v in self.effects:
                self._read(v, node.space, False)
            if v not in self.stored and (self._contexts[v] is SEVERAL or v in self._expanded) and self.cost[v] > CHEAP:
                self.require(v)
            if v not in self.stored:
                context, expanded = self._contexts[v], v in self._expanded
        for k in node.profile.memory:
            self._require_operand(node, k)
        if type(node.form) is View and (
            not self._passes_through(node) or self.graph.source(node.outputs[0]) in self.stored
        ):
            self._require_operand(node, 0)
            return
        for number, access in enumerate(node.accesses):
            source = self.graph.node_of.get(access.var)
            if source is None or not source.inline:
                continue
            scalar = not source.space and (node.space or not node.inline)
            if scalar:
                self.require(access.var)
            token = context if access.same else SEVERAL if context is SEVERAL else (node.position, number)
            self._read(access.var, token, expanded or access.expands)

    def _read_by_updates(self) -> list[Var]:
        """What is computed, for an update, from the array that is updated, or from what that was before other updates:
        it has to be stored before.
        """
        found: list[Var] = []
        versions: dict[Var, set[Var]] = {}  # of each array, what it was before, and itself
        for node in self.graph.nodes:
            for x, y in self._updated(node):
                before = versions.get(self.graph.source(x), {self.graph.source(x)})
                versions[y] = {*before, y}
                if node.form.updates:  # type: ignore[union-attr]
                    found += [a for a in node.inputs[1:] if isinstance(a, Var) and self._reads(a, before)]
        return found

    def _updated(self, node: Node) -> list[tuple[Var, Var]]:
        """The operands that a node changes in a few places, or in steps, each with the result that it then is."""
        if not isinstance(node.form, Statements):
            return []
        form = regions_of(self.graph.program.eqns[node.origin])
        if form is not None:
            pairs = zip(form.operands(node.inputs).carry, form.results(node.outputs).carry, strict=True)
        else:
            pairs = zip(node.inputs[:1], node.outputs if node.form.updates else (), strict=False)
        return [(x, y) for x, y in pairs if isinstance(x, Var) and y.type.ndim]

    def _reads(self, var: Var, owners: set[Var]) -> bool:
        """Whether a variable is computed where it is read, from the memory of others."""
        pending, seen = [self.graph.source(var)], set[Var]()
        while pending:
            v = pending.pop()
            node = self.graph.node_of.get(v)
            if v in seen or node is None or not node.inline or v in self.stored:
                continue
            seen.add(v)
            read = [self.graph.source(access.var) for access in node.accesses]
            if not owners.isdisjoint(read):
                return True
            pending += read
        return False

    def _passes_through(self, node: Node) -> bool:
        """Whether a view can be read without its operand being in memory."""
        return isinstance(node.form, View) and (node.form.map.affine or node.accesses[0].same)

    def _require_operand(self, node: Node, operand: int) -> None:
        atom = node.inputs[operand]
        assert isinstance(atom, Var)
        self.require(atom)

    def _read(self, var: Var, context: Any, expanded: bool) -> None:
        self._contexts[var] = context if self._contexts.get(var, context) == context else SEVERAL
        if expanded:
            self._expanded.add(var)
