"""A kernel program under construction: the graph it comes from, where variables live, and the statements so far."""

from __future__ import annotations

from collections.abc import Iterable

from functad.ir.program import Program
from functad.kernel_ir.nodes import Statement
from functad.lower.fuse.body import Body, Checks
from functad.lower.fuse.elements import Elements
from functad.lower.fuse.graph import Graph, Node
from functad.lower.fuse.groups import Grouping
from functad.lower.fuse.places import Places
from functad.lower.fuse.storage import Storage

__all__ = ["Draft"]


class Draft:
    """What those who write statements share; ``symbols`` is the number of size symbols."""

    def __init__(self, program: Program, checks: Checks, symbols: int) -> None:
        self.checks = checks
        self.symbols = symbols
        self.graph = Graph(program)
        storage = Storage(self.graph)
        if written := storage.written():
            self.graph = Graph(program, written)
            storage = Storage(self.graph)
        self.places = Places(self.graph)
        self.grouping = Grouping(self.graph, storage, self.places.copies)
        self.statements: list[Statement] = []

    def append(self, statement: Statement, origins: Iterable[int]) -> None:
        """Add a statement, which stems from equations with these numbers."""
        statement.paths = tuple([self.checks.path(origin) for origin in dict.fromkeys(origins)])
        self.statements.append(statement)

    def open(self, position: int, origin: int) -> tuple[Body, Elements]:
        """A new kernel body, and the elements that it can read."""
        body = Body(self.checks)
        body.origin = origin
        return body, Elements(body, self.graph, self.places, self.grouping, position)

    def name_of(self, node: Node | None) -> str:
        """The name of the primitive that a node stems from."""
        return "copy" if node is None else self.graph.program.eqns[node.origin].primitive.name
