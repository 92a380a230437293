"""The rewriting of all that is used under traces without values: what it changes, what its operators do, and what it
raises and catches goes by way of functad.
"""

from __future__ import annotations

import ast
import copy
from typing import Any

from functad.front.catches import AGAIN, BLOCK
from functad.front.routed import Routed, leaves_finally
from functad.front.syntax import call, later, name, parameters, placed, read_names, scope
from functad.front.vocabulary import CAUGHT_INSIDE, CHANGED, FAILING, GUARD, MADE, OPERATE, OVER, READ, TRYING

__all__ = ["OPERATIONS", "Guarded"]

OPERATIONS = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip


BINARY = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.Mod: "mod", ast.FloorDiv: "floordiv",
    ast.Pow: "pow", ast.MatMult: "matmul", ast.BitAnd: "and_", ast.BitOr: "or_", ast.BitXor: "xor",
    ast.LShift: "lshift", ast.RShift: "rshift",
}  # fmt: skip
UNARY = {ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert"}


class Guarded(Routed):
    """The rewriting of all that is used under traces without values: what it changes, and what its operators do, goes
    by way of functad.
    """

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            node.value = call(GUARD, [node.value], node.value)
        elif not node.attr.startswith("__"):
            node.value = call(READ, [node.value, ast.copy_location(ast.Constant(node.attr), node)], node.value)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        made = super().visit_Subscript(node)
        if isinstance(made, ast.Subscript) and not isinstance(made.ctx, ast.Load):
            made.value = call(GUARD, [made.value], made.value)
        return made

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        self.generic_visit(node)
        if not isinstance(node.target, ast.Name):
            return node
        operation = ast.copy_location(ast.Constant(BINARY[type(node.op)].strip("_")), node)
        changed = call(CHANGED, [name(node.target.id, node.target), operation], node)
        return [ast.copy_location(ast.Expr(changed), node), node]

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

    def visit_Starred(self, node: ast.Starred) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = call(OVER, [node.value], node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        unpacked = any([isinstance(t, ast.Tuple | ast.List) for t in node.targets])
        made = super().visit_Assign(node)
        if unpacked and isinstance(made, ast.Assign) and not isinstance(made.value, ast.Tuple):
            made.value = call(OVER, [made.value], made.value)
        return made

    visit_List = visit_Dict = visit_Set = visit_ListComp = visit_DictComp = visit_SetComp = _fresh

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        chain = [node]  # a sum of many terms is as deep as it is long
        while isinstance(chain[-1].left, ast.BinOp):
            chain.append(chain[-1].left)
        made = self.visit(chain[-1].left)
        for n in reversed(chain):
            made = _operation(BINARY[type(n.op)], [made, self.visit(n.right)], n)
        return made  # type: ignore[no-any-return]

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        kind = type(node.op)
        if kind not in UNARY or isinstance(node.operand, ast.Constant):
            return node
        return _operation(UNARY[kind], [node.operand], node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        kind, right = type(node.ops[0]), node.comparators[0]
        if len(node.ops) > 1:
            return node
        if kind in OPERATIONS:
            return _operation(OPERATIONS[kind], [node.left, right], node)
        return _operation("contains", [right, node.left], node) if kind is ast.In else node


def _operation(operator: str, operands: list[ast.expr], place: ast.AST) -> ast.expr:
    return call(OPERATE, [ast.copy_location(ast.Constant(operator), place), *operands], place)
