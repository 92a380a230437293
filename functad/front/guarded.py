"""The rewriting of all that is used under traces without values: what it changes, what its operators do, and what it
raises and catches goes by way of functad.
"""

from __future__ import annotations

import ast
import copy
from typing import Any

from functad.front.catches import AGAIN, BLOCK
from functad.front.operating import BINARY, Operating
from functad.front.routed import leaves_finally
from functad.front.syntax import call, later, name, parameters, placed, read_names, scope
from functad.front.vocabulary import CAUGHT_INSIDE, CHANGED, FAILING, GUARD, MADE, TRYING

__all__ = ["Guarded"]


class Guarded(Operating):
    """The rewriting of all that is used under traces without values: what it changes, and what its operators do, goes
    by way of functad.
    """

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        super().visit_Attribute(node)
        if not isinstance(node.ctx, ast.Load):
            node.value = call(GUARD, [node.value], node.value)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        made = super().visit_Subscript(node)
        if isinstance(made, ast.Subscript) and not isinstance(made.ctx, ast.Load):
            made.value = call(GUARD, [made.value], made.value)
        return made

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        operation = ast.copy_location(ast.Constant(BINARY[type(node.op)].strip("_")), node)
        made = super().visit_AugAssign(node)
        if not isinstance(node.target, ast.Name):
            return made
        changed = call(CHANGED, [name(node.target.id, node.target), operation], node)
        return [ast.copy_location(ast.Expr(changed), node), made]

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        names, error = read_names(node.exc), copy.deepcopy(node.exc)
        self.generic_visit(node)
        if node.exc is None or error is None or names is None:
            return node
        again = ast.copy_location(ast.Lambda(parameters(names), error), node)
        read = ast.Tuple([ast.Constant(n) for n in names], ast.Load())
        node.exc = call(FAILING, [later(node.exc), again, read, scope(node)], node)
        return placed(node, node)

    def visit_Try(self, node: ast.Try | ast.TryStar) -> ast.AST:
        if hasattr(node, AGAIN):
            return self.generic_visit(node)
        kinds = [copy.deepcopy(h.type) or name("BaseException", h) for h in node.handlers]
        if leaves_finally(node):
            kinds.append(name("BaseException", node))
        super().visit_Try(node)
        if kinds:
            handling = call(TRYING, [later(k) for k in kinds], node)
            block = ast.With([ast.withitem(handling)], node.body)
            node.body = [placed(block, node)]
        return node

    visit_TryStar = visit_Try

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        made = super().visit_ExceptHandler(node)
        if hasattr(node, BLOCK):
            node.body = [placed(ast.Expr(call(CAUGHT_INSIDE, [], node)), node), *node.body]
        return made

    def _fresh(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        return call(MADE, [node], node) if isinstance(getattr(node, "ctx", ast.Load()), ast.Load) else node

    visit_List = visit_Dict = visit_Set = visit_ListComp = visit_DictComp = visit_SetComp = _fresh
