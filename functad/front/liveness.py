"""Which variables of a loop are of one step only: each step assigns to them before it reads them, and nobody else does.

They need not go round, nor have a value afterwards: ``t`` and ``v`` in

    for v in x:
        t = f(v)
        s += t * t
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from functad.front.names import assigned

__all__ = ["Reads", "reads_of"]

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_READERS = frozenset({"locals", "vars", "dir", "eval", "exec", "breakpoint"})


class Reads:
    """Where a function reads its variables; all that is asked is found out at once, for its tree is rewritten later."""

    def __init__(self, body: Sequence[ast.stmt]) -> None:
        nodes = [n for s in body for n in ast.walk(s)]
        self._facts = facts = _Facts()
        self._unknown = any([isinstance(n, ast.Name) and n.id in _READERS for n in nodes])
        # read by functions that are defined here, at any time
        self._inner = facts.names([n for n in nodes if isinstance(n, _SCOPES)])
        self._inner |= {n for d in nodes if isinstance(d, ast.Global | ast.Nonlocal) for n in d.names}
        self._places: dict[int, Place] = {}
        self._note(body, None)
        loops = [s for s, *_ in self._places.values() if isinstance(s, ast.For | ast.While)]
        self._carried = {id(s): self._of_loop(s) for s in loops}

    def _note(self, block: Sequence[ast.stmt], around: ast.stmt | None) -> None:
        for number, s in enumerate(block):
            self._places[id(s)] = s, block, number, around
            if not isinstance(s, _SCOPES):
                for part in _blocks(s):
                    self._note(part, s)

    def carried(self, node: ast.For | ast.While) -> tuple[list[str], list[str]]:
        """The names that a loop binds: those that go round, and those that are of one step only."""
        found = self._carried.get(id(node))
        return (assigned([node]), []) if found is None else found

    def _of_loop(self, node: ast.For | ast.While) -> tuple[list[str], list[str]]:
        names = assigned([node])
        if self._unknown:
            return names, []
        starts, after = self._facts.starts_with_read, self._is_read_after
        rounds = {n for n in names if n in self._inner or starts(node, n) or after(node, n)}
        return [n for n in names if n in rounds], [n for n in names if n not in rounds]

    def _is_read_after(self, statement: ast.stmt, name: str) -> bool:
        """Whether a variable may be read after a statement before it is assigned to."""
        _, block, number, around = self._places[id(statement)]
        first = self._facts.first(block[number + 1 :], name)
        if first or around is None:
            return first == "read"
        if isinstance(around, ast.For | ast.While):
            if self._facts.starts_with_read(around, name) or name in self._facts.names(around.orelse):
                return True
        elif not isinstance(around, ast.If):
            return True
        return self._is_read_after(around, name)


Place = tuple[ast.stmt, Sequence[ast.stmt], int, ast.stmt | None]
"""A statement, kept alive; its block and its number there; the statement that it is in."""


def _blocks(statement: ast.stmt) -> Iterator[Sequence[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        yield getattr(statement, field, [])
    for handler in getattr(statement, "handlers", []):
        yield handler.body
    for case in getattr(statement, "cases", []):
        yield case.body


def reads_of(function: ast.FunctionDef) -> Reads:
    """Where a function reads its variables."""
    return Reads(function.body)


class _Mentions(NamedTuple):
    """What occurs in a part of a function: names, those that are read, those that are defined; and whether it jumps."""

    names: frozenset[str]
    read: frozenset[str]
    defined: frozenset[str]
    jumps: bool


class _Facts:
    """What the statements of a function do with its variables; each is looked at once."""

    def __init__(self) -> None:
        self._mentions: dict[ast.AST, _Mentions] = {}
        self._firsts: dict[tuple[ast.stmt, str], str] = {}

    def mentions(self, node: ast.AST) -> _Mentions:
        """What occurs in a part."""
        if node not in self._mentions:
            for n in reversed(list(ast.walk(node))):  # what is in it comes first
                if n not in self._mentions:
                    self._mentions[n] = self._of(n, [self._mentions[c] for c in ast.iter_child_nodes(n)])
        return self._mentions[node]

    def _of(self, node: ast.AST, parts: Sequence[_Mentions]) -> _Mentions:
        names = {node.id} if isinstance(node, ast.Name) else ()
        defined = {node.name} if isinstance(node, _DEFINITIONS) else ()
        return _Mentions(
            frozenset(names).union(*[p.names for p in parts]),
            frozenset(_read_by(node)).union(*[p.read for p in parts]),
            frozenset(defined).union(*[p.defined for p in parts]),
            isinstance(node, ast.Break | ast.Continue) or any([p.jumps for p in parts]),
        )

    def names(self, nodes: Iterable[ast.AST]) -> set[str]:
        """The names that occur in parts."""
        return set().union(*[self.mentions(n).names for n in nodes])

    def starts_with_read(self, node: ast.For | ast.While, name: str) -> bool:
        """Whether a step of a loop may read a variable before it assigns to it."""
        if isinstance(node, ast.While):
            return name in self.names([node.test]) or self.first(node.body, name) == "read"
        return name not in assigned([node.target]) and self.first(node.body, name) == "read"

    def first(self, block: Sequence[ast.stmt], name: str) -> str:
        """What a block does first with a variable: "write" on all ways through it; "read" on some, or that is not
        known; "" where neither is so, since some ways lead past what assigns to it.
        """
        for s in block:
            found = self.mentions(s)
            if found.jumps:
                return "read"  # elsewhere, maybe
            if name not in found.names and name not in found.defined:
                continue
            if (s, name) not in self._firsts:
                self._firsts[s, name] = self._first_in(s, name)
            first = self._firsts[s, name]
            if first:
                return first
        return ""

    def _first_in(self, s: ast.stmt, name: str) -> str:
        if isinstance(s, _DEFINITIONS):
            return "write" if name not in self.names([s]) else "read"
        if isinstance(s, ast.AnnAssign) and s.value is not None:
            return "read" if name in self.names([s.value, s.annotation]) else "write"
        if isinstance(s, ast.Assign):
            return "read" if name in self.mentions(s).read else "write"
        if isinstance(s, ast.For) and not s.orelse and name not in self.names([s.iter]):
            return "read" if self.starts_with_read(s, name) else ""  # it may make no step
        if isinstance(s, ast.If) and name not in self.names([s.test]):
            ways = {self.first(s.body, name), self.first(s.orelse, name)}
            return "read" if "read" in ways else "write" if ways == {"write"} else ""
        return "read"


def _read_by(node: ast.AST) -> Iterator[str]:
    """The name that a node reads, if it is one that does; ``x += y`` reads x."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names
