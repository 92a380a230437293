"""The rewriting that all twins share: calls, reads of elements and stores go by way of functad."""

from __future__ import annotations

import ast
import copy
from typing import Any

from functad.front.names import bound_outside, own_nodes
from functad.front.syntax import call
from functad.front.vocabulary import (
    CAUGHT,
    CHECKING,
    ENTERED,
    EXACTLY,
    ITEM,
    MADE,
    MATCHED,
    OUTSIDE,
    OVER,
    ROUTE,
    SLICE,
    STORE,
)

__all__ = ["Routed", "leaves_finally"]

FRAME_READERS = frozenset({"super", "locals", "globals", "vars", "dir", "eval", "exec", "breakpoint"})
"""Builtins that look at the frame that calls them, by the name by which the compiler, too, knows ``super``."""


class Routed(ast.NodeTransformer):
    """The rewriting; what it makes has the position of what it stands for, for tracebacks and locations."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in FRAME_READERS | CHECKING:
            return node
        if isinstance(node.func, ast.Call) and isinstance(node.func.func, ast.Name) and node.func.func.id == EXACTLY:
            return node
        node.func = call(ROUTE, [node.func], node.func)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        return call(ITEM, [node.value, _index(node.slice)], node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Subscript):
            return node
        stored = call(STORE, [node.value, target.value, _index(target.slice)], target)
        return ast.copy_location(ast.Expr(stored), node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        self.generic_visit(node)
        return self.declared(node)

    def declared(self, node: Any) -> Any:
        """A function whose body begins, if it binds variables of others, by saying so."""
        names = bound_outside(node)
        if names:
            first = node.body[0]
            what: list[ast.expr] = [ast.copy_location(ast.Constant(n), first) for n in names]
            node.body = [ast.copy_location(ast.Expr(call(OUTSIDE, what, first)), first), *node.body]
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        self.generic_visit(node)
        return self.declared(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self.generic_visit(node)
        kinds = [] if node.type is None else [copy.deepcopy(node.type)]
        seen = ast.copy_location(ast.Expr(call(CAUGHT, kinds, node)), node)
        node.body = [seen, *node.body]
        return node

    def visit_Try(self, node: ast.Try | ast.TryStar) -> ast.AST:
        self.generic_visit(node)
        if leaves_finally(node):  # which would swallow what is none of its business
            seen = ast.copy_location(ast.Expr(call(CAUGHT, [], node)), node.finalbody[0])
            node.finalbody = [seen, *node.finalbody]
        return node

    visit_TryStar = visit_Try

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        self.generic_visit(node)
        return call(MADE, [node], node)

    def visit_For(self, node: ast.For) -> Any:
        self.generic_visit(node)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.iter = call(OVER, [node.iter], node.iter)
        return node

    def visit_withitem(self, node: ast.withitem) -> ast.AST:
        self.generic_visit(node)
        node.context_expr = call(ENTERED, [node.context_expr], node.context_expr)
        return node

    def visit_Match(self, node: ast.Match) -> ast.AST:
        self.generic_visit(node)
        patterns = [p for c in node.cases for p in ast.walk(c.pattern)]
        if any([isinstance(p, ast.MatchClass) or _is_truth(p) for p in patterns]):
            node.subject = call(MATCHED, [node.subject], node.subject)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node  # its annotation is for readers


def leaves_finally(node: ast.Try | ast.TryStar) -> bool:
    """Whether a ``finally`` jumps, so that it swallows exceptions."""
    kinds = (ast.Return, ast.Break, ast.Continue)
    return any([isinstance(n, kinds) for s in node.finalbody for n in own_nodes(s)])


def _is_truth(pattern: ast.AST) -> bool:
    return isinstance(pattern, ast.MatchSingleton) and pattern.value is not None


def _index(node: ast.expr) -> ast.expr:
    """What stands between brackets, as an expression that can stand anywhere."""
    if isinstance(node, ast.Tuple):
        node.elts = [_index(e) for e in node.elts]
    if isinstance(node, ast.Slice):
        parts = [p or ast.copy_location(ast.Constant(None), node) for p in (node.lower, node.upper, node.step)]
        return call(SLICE, parts, node)
    return node
