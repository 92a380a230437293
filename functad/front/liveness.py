"""Which variables of a loop are of one step only: each step assigns to them before it reads them, and nobody else does.

They need not go round, nor have a value afterwards: ``t`` and ``v`` in

    for v in x:
        t = f(v)
        s += t * t
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from functad.front.names import assigned

__all__ = ["Reads", "reads_of"]

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_READERS = frozenset({"locals", "vars", "dir", "eval", "exec", "breakpoint"})


class Reads:
    """Where a function reads its variables."""

    def __init__(self, body: Iterable[ast.AST]) -> None:
        nodes = [n for s in body for n in ast.walk(s)]
        self.count = Counter([n for node in nodes for n in _read_by(node)])
        self.anywhere = any([isinstance(n, ast.Name) and n.id in _READERS for n in nodes])

    def carried(self, node: ast.For | ast.While) -> list[str]:
        """The names that a loop binds, but for those that are of one step only."""
        names = assigned([node])
        if self.anywhere:
            return names
        inside = Counter([n for part in ast.walk(node) for n in _read_by(part)])
        inner = {n for f in ast.walk(node) if isinstance(f, _SCOPES) for part in ast.walk(f) for n in _mentioned(part)}
        targets = set(assigned([node.target])) if isinstance(node, ast.For) else set()
        return [
            n
            for n in names
            if n in inner
            or inside[n] < self.count[n]
            or not (n in targets or _first(node.body, n) in ("write", ""))
            or (isinstance(node, ast.While) and n in _names_in([node.test]))
        ]


def reads_of(function: ast.FunctionDef) -> Reads:
    """Where a function reads its variables."""
    return Reads(function.body)


def _read_by(node: ast.AST) -> Iterator[str]:
    """The name that a node reads, if it is one that does; ``x += y`` reads x."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names


def _mentioned(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id


def _names_in(nodes: Iterable[ast.AST]) -> set[str]:
    return {n for s in nodes for part in ast.walk(s) for n in _mentioned(part)}


def _first(block: Sequence[ast.stmt], name: str) -> str:
    """What a block does first with a variable on all ways through it: "write" or "read", which is also what is not
    known; "" where it is not in it.
    """
    for number, s in enumerate(block):
        if name not in _names_in([s]):
            continue
        if isinstance(s, ast.Assign):
            read = name in {n for part in ast.walk(s) for n in _read_by(part)}
            return "read" if read else "write"
        if isinstance(s, ast.For) and not s.orelse and name not in _names_in([s.iter]):
            later = name in _names_in(block[number + 1 :])
            first = "write" if name in assigned([s.target]) else _first(s.body, name)
            return "write" if first == "write" and not later else "read"
        if isinstance(s, ast.If) and name not in _names_in([s.test]):
            ways = {_first(s.body, name), _first(s.orelse, name)}
            if ways == {"write"}:
                return "write"
            return "write" if ways == {"write", ""} and name not in _names_in(block[number + 1 :]) else "read"
        return "read"
    return ""
