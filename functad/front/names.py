"""What the parts of a function bind: the names that statements assign to, define, import or catch under."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

__all__ = ["assigned", "bound_by_name", "bound_outside", "ends", "own_nodes"]

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """A node and what is in it, but for the functions and classes that it defines."""
    yield node
    if not isinstance(node, _SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from own_nodes(child)


def assigned(statements: Sequence[ast.AST]) -> list[str]:
    """The names that statements bind, sorted."""
    return sorted({n for s in statements for n in _bound(s) if not n.startswith("_functad_c")})


def bound_outside(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The global and nonlocal names that a function binds."""
    nodes = [n for s in function.body for n in own_nodes(s)]
    declared = {n for d in nodes if isinstance(d, ast.Global | ast.Nonlocal) for n in d.names}
    return sorted(declared.intersection(assigned(function.body)))


def _bound(statement: ast.AST) -> Iterator[str]:
    nodes = list(own_nodes(statement))
    # a comprehension's variables are its own
    inner = {id(n) for c in nodes if isinstance(c, ast.comprehension) for n in ast.walk(c.target)}
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and id(node) not in inner:
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        else:
            yield from bound_by_name(node)


def bound_by_name(node: ast.AST) -> Iterator[str]:
    """The variables that a node binds by a name of its own: imports, handlers, patterns."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from [(a.asname or a.name).partition(".")[0] for a in node.names]
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def ends(block: Sequence[ast.stmt]) -> bool:
    """Whether nothing comes after a block."""
    last = block[-1] if block else None
    if isinstance(last, ast.If):
        return ends(last.body) and ends(last.orelse)
    return isinstance(last, ast.Raise | ast.Return | ast.Break | ast.Continue)
