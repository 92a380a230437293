"""Which variables of a loop are of one step only: each step assigns to them before it reads them, and nobody else does.

They need not go round, nor have a value afterwards: ``t`` and ``v`` in

    for v in x:
        t = f(v)
        s += t * t
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from functad.front.names import assigned

__all__ = ["Reads", "reads_of"]

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_READERS = frozenset({"locals", "vars", "dir", "eval", "exec", "breakpoint"})


class Reads:
    """Where a function reads its variables."""

    def __init__(self, body: Sequence[ast.stmt]) -> None:
        nodes = [n for s in body for n in ast.walk(s)]
        self._unknown = any([isinstance(n, ast.Name) and n.id in _READERS for n in nodes])
        # read by functions that are defined here, at any time
        self._inner = _names_in([n for n in nodes if isinstance(n, _SCOPES)])
        self._inner |= {n for d in nodes if isinstance(d, ast.Global | ast.Nonlocal) for n in d.names}
        self._places: dict[int, Place] = {}
        self._note(body, None)

    def _note(self, block: Sequence[ast.stmt], around: ast.stmt | None) -> None:
        for number, s in enumerate(block):
            self._places[id(s)] = s, block, number, around
            if not isinstance(s, _SCOPES):
                for part in _blocks(s):
                    self._note(part, s)

    def carried(self, node: ast.For | ast.While) -> tuple[list[str], list[str]]:
        """The names that a loop binds: those that go round, and those that are of one step only."""
        names = assigned([node])
        if self._unknown or id(node) not in self._places:
            return names, []
        rounds = {n for n in names if n in self._inner or _starts_with_read(node, n) or self._is_read_after(node, n)}
        return [n for n in names if n in rounds], [n for n in names if n not in rounds]

    def _is_read_after(self, statement: ast.stmt, name: str) -> bool:
        """Whether a variable may be read after a statement before it is assigned to."""
        _, block, number, around = self._places[id(statement)]
        first = _first(block[number + 1 :], name)
        if first or around is None:
            return first == "read"
        if isinstance(around, ast.For | ast.While):
            if _starts_with_read(around, name) or name in _names_in(around.orelse):
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


def _starts_with_read(node: ast.For | ast.While, name: str) -> bool:
    """Whether a step of a loop may read a variable before it assigns to it."""
    if isinstance(node, ast.While):
        return name in _names_in([node.test]) or _first(node.body, name) == "read"
    return name not in assigned([node.target]) and _first(node.body, name) == "read"


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
    """What a block does first with a variable: "write" on all ways through it; "read" on some, or that is not known;
    "" where neither is so, since some ways lead past what assigns to it.
    """
    for s in block:
        if any([isinstance(n, ast.Break | ast.Continue) for n in ast.walk(s)]):
            return "read"  # elsewhere, maybe
        if name not in _names_in([s]) and not _defines(s, name):
            continue
        first = _first_in(s, name)
        if first:
            return first
    return ""


def _defines(s: ast.stmt, name: str) -> bool:
    """Whether a statement defines a function or class, or has one in it, of that name."""
    return any([isinstance(n, _DEFINITIONS) and n.name == name for n in ast.walk(s)])


def _first_in(s: ast.stmt, name: str) -> str:
    if isinstance(s, _DEFINITIONS):
        return "write" if name not in _names_in([s]) else "read"
    if isinstance(s, ast.AnnAssign) and s.value is not None:
        return "read" if name in _names_in([s.value, s.annotation]) else "write"
    if isinstance(s, ast.Assign):
        return "read" if name in {n for part in ast.walk(s) for n in _read_by(part)} else "write"
    if isinstance(s, ast.For) and not s.orelse and name not in _names_in([s.iter]):
        return "read" if _starts_with_read(s, name) else ""  # it may make no step
    if isinstance(s, ast.If) and name not in _names_in([s.test]):
        ways = {_first(s.body, name), _first(s.orelse, name)}
        return "read" if "read" in ways else "write" if ways == {"write"} else ""
    return "read"
