"""What the rewritings make syntax trees of; each part has the position of what it stands for, for tracebacks."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from functad.front.names import own_nodes

__all__ = [
    "attribute", "call", "flag", "if_", "is_lazy", "later", "name", "parameters", "placed", "read_names", "scope",
    "set_to", "text",
]  # fmt: skip


def name(identifier: str, place: ast.AST, ctx: ast.expr_context | None = None) -> ast.expr:
    """A variable."""
    return ast.copy_location(ast.Name(identifier, ctx or ast.Load()), place)  # type: ignore[type-var]


def text(value: str | None, place: ast.AST) -> ast.expr:
    """A constant."""
    return ast.copy_location(ast.Constant(value), place)  # type: ignore[type-var]


def call(f: str, args: list[ast.expr], place: ast.AST) -> ast.expr:
    """A call of one of functad's functions."""
    return ast.copy_location(ast.Call(name(f, place), args, []), place)  # type: ignore[type-var]


def attribute(of: str, what: str, place: ast.AST) -> ast.expr:
    """An attribute of a variable."""
    return ast.copy_location(ast.Attribute(name(of, place), what, ast.Load()), place)  # type: ignore[type-var]


def scope(place: ast.AST) -> ast.expr:
    """``locals()``."""
    return call("locals", [], place)


# -- statements --------------------------------------------------------------------------------------------------------


def placed(statement: ast.stmt, place: ast.AST) -> ast.stmt:
    """A statement of parts that have no positions yet."""
    todo: list[ast.AST] = [statement]
    for node in todo:  # grows; what has a position has parts that have theirs
        if not hasattr(node, "lineno"):
            todo += ast.iter_child_nodes(node)
            if "lineno" in node._attributes:
                ast.copy_location(node, place)
    return statement


def set_to(variable: str, value: ast.expr, place: ast.AST) -> ast.stmt:
    """An assignment to a variable."""
    return placed(ast.Assign([ast.Name(variable, ast.Store())], value), place)


def flag(variable: str, value: bool, place: ast.AST) -> ast.stmt:
    """An assignment of a truth value to a variable."""
    return set_to(variable, ast.Constant(value), place)


def if_(test: ast.expr, block: Sequence[ast.stmt], place: ast.AST) -> ast.stmt:
    """A block under a condition."""
    return placed(ast.If(test, list(block), []), place)


# -- expressions that are evaluated later ------------------------------------------------------------------------------


def is_lazy(*parts: ast.expr) -> bool:
    """Whether expressions can be put into functions: they bind no names and suspend nothing."""
    kinds = (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await)
    return not any([isinstance(n, kinds) for p in parts for n in own_nodes(p)])


def later(node: ast.expr) -> ast.expr:
    """A function that evaluates an expression."""
    return ast.copy_location(ast.Lambda(parameters(()), node), node)


def parameters(names: Sequence[str]) -> ast.arguments:
    """Parameters of these names."""
    return ast.arguments([], [ast.arg(n) for n in names], None, [], [], None, [])


def read_names(node: ast.expr | None) -> list[str] | None:
    """The variables that an expression reads; None if it cannot be put into a function."""
    if node is None or not is_lazy(node):
        return None
    names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    bound = {n.id for n in names if not isinstance(n.ctx, ast.Load)}
    return None if any([isinstance(n, ast.Lambda) for n in ast.walk(node)]) else sorted({n.id for n in names} - bound)
