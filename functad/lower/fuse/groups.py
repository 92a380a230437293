"""Grouping: which computations share a kernel, and the order of kernels.

Every stored variable, reduction and output is a *root*, evaluated over an iteration space. Roots are taken in program
order; each joins the first group of its space whose position lets it. A variable can be evaluated at the group's own
point in the group at position p if everything that it reads is complete before p, or is itself a root of that group,
stored (not reduced) and read at the group's own point: then its value is in a register. So two numbers for each
variable suffice: the first position at which it can be evaluated at its own point, and that at which it can be at any.
New groups come last, so positions are a valid order of execution, and no cycle can arise.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from functad.ir.program import Atom, Literal, Var
from functad.lower.fuse.forms import Folding, View
from functad.lower.fuse.graph import Graph, Node
from functad.lower.fuse.spaces import Space
from functad.lower.fuse.storage import CHEAP, Storage

__all__ = ["Group", "Grouping", "Root"]

MAX_ROOTS = 16
"""Roots of one loop nest: each is a stream of memory and takes registers."""


@dataclass(slots=True)
class Root:
    """What a group evaluates: a variable to be stored, or copied to the output number ``output``, or only to be known;
    or a reduction.
    """

    atom: Atom
    kind: str  # "store", "copy", "evaluate" or "reduce"
    node: Node | None
    output: int = -1


@dataclass(slots=True)
class Group:
    """Roots of one kernel; or a node that runs on its own."""

    space: Space
    roots: list[Root] = field(default_factory=list)
    node: Node | None = None


class Grouping:
    """The groups of a graph in order of execution; ``home`` is the position after which a variable in memory is
    complete, ``checked`` that at which one that may raise is evaluated in full.
    """

    def __init__(self, graph: Graph, storage: Storage, copies: list[tuple[int, Atom]]) -> None:
        self.graph = graph
        self.storage = storage
        self.groups: list[Group] = []
        self.home: dict[Var, int] = {}
        self.checked: dict[Var, int] = {}
        self._open: dict[Space, list[int]] = {}
        # The first positions for evaluation at the own point, and at any index. All variables have them: a view that
        # nothing evaluates, because it is read from memory, is complete when what it looks at is.
        self._own: dict[Var, int] = dict.fromkeys(graph.program.inputs, 0)
        self._any: dict[Var, int] = dict.fromkeys(graph.program.inputs, 0)
        for node in graph.nodes:
            self._place(node)
        for output, atom in copies:
            self._place_copy(output, atom)
        self._share()

    def _earliest(self, node: Node) -> tuple[int, int]:
        """The first positions at which what a node reads can be read, at its own point and at any index."""
        own = free = 0
        for k in node.profile.memory:
            own = max(own, self._any[node.inputs[k]])  # type: ignore[index]
        for access in node.accesses:
            anywhere = self._any[access.var]
            own = max(own, self._own[access.var] if access.same else anywhere)
            free = max(free, anywhere)
        return own, max(own, free)

    def _place(self, node: Node) -> None:
        storage = self.storage
        if not node.inline:
            own, free = self._earliest(node)
            if type(node.form) is not Folding:
                self.groups.append(Group((), node=node))
                position = len(self.groups) - 1
            else:
                position = self._join(Root(node.outputs[0], "reduce", node), node.space, own)
            for v in node.outputs:
                self.home[v] = position
                self._own[v] = self._any[v] = position + 1
            return
        v = node.outputs[0]
        own, free = self._earliest(node)
        if v in storage.stored or v in storage.effects:
            root = Root(v, "store" if v in storage.stored else "evaluate", node)
            position = self.checked[v] = self._join(root, node.space, own)
            if v in storage.stored:
                self.home[v] = position
                own, free = position, position + 1
        self._own[v], self._any[v] = own, free

    def _place_copy(self, output: int, atom: Atom) -> None:
        own = 0 if isinstance(atom, Literal) else self._own[atom]
        node = None if isinstance(atom, Literal) else self.graph.node_of.get(atom)
        self._join(Root(atom, "copy", node, output), self.graph.spaces.layout(atom.type.shape).space, own)

    def _join(self, root: Root, space: Space, earliest: int) -> int:
        """The position of the group that a root joins."""
        positions = self._open.setdefault(space, [])
        at = bisect_left(positions, earliest)
        if at == len(positions):
            positions.append(len(self.groups))
            self.groups.append(Group(space))
        position = positions[at]
        group = self.groups[position]
        group.roots.append(root)
        if space and len(group.roots) == MAX_ROOTS:
            del positions[at]
        return position

    # -- what several groups compute -----------------------------------------------------------------------------------

    def _share(self) -> None:
        """Store, in the first group that computes it, what a later group would compute again at a cost."""
        first: dict[Var, int] = {}
        for position, group in enumerate(self.groups):
            pending = [v for root in group.roots for v in self._evaluated(root)]
            seen: set[Var] = set()
            while pending:
                v = pending.pop()
                node = self.graph.node_of.get(v)
                if v in seen or node is None or not node.inline or self.home.get(v, position) < position:
                    continue
                seen.add(v)
                if first.setdefault(v, position) < position and self._worth_storing(node):
                    self._store_in(first[v], v, node)
                    continue
                pending += self._at_own_point(node)
            group.roots += [Root(v, "evaluate", self.graph.node_of[v]) for v in seen & self.storage.anchors]

    def _worth_storing(self, node: Node) -> bool:
        return type(node.form) is not View and (not node.space or self.storage.cost[node.outputs[0]] > CHEAP)

    def _store_in(self, position: int, v: Var, node: Node) -> None:
        self.storage.stored.add(v)
        self.home[v] = position
        self.groups[position].roots.append(Root(v, "store", node))

    def _evaluated(self, root: Root) -> list[Var]:
        """The variables that a root is computed from, at its own point."""
        if root.kind == "reduce":
            return self._at_own_point(root.node) if root.node is not None else []
        return [root.atom] if isinstance(root.atom, Var) else []

    def _at_own_point(self, node: Node) -> list[Var]:
        """The variables that a node reads at its own point."""
        return [access.var for access in node.accesses if access.same]
