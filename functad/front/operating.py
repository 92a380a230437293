"""The rewriting of operators, attributes and loops over objects, whose classes may be the user's own.

    a + b       operate("add", a, b)         a.b          read(a, "b").b
    a += b      a = operate("iadd", a, b)    for x in a   for x in over(a)

Traces without values need it everywhere. Where values are known, functions are rewritten so only if they may meet such
classes, since a call for each operator takes time (``classes.py``).
"""

from __future__ import annotations

import ast
from typing import Any

from functad.front.routed import Routed
from functad.front.syntax import call, name
from functad.front.vocabulary import OPERATE, OVER, READ

__all__ = ["BINARY", "OPERATIONS", "Operating"]

OPERATIONS = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip


BINARY = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.Mod: "mod", ast.FloorDiv: "floordiv",
    ast.Pow: "pow", ast.MatMult: "matmul", ast.BitAnd: "and_", ast.BitOr: "or_", ast.BitXor: "xor",
    ast.LShift: "lshift", ast.RShift: "rshift",
}  # fmt: skip
UNARY = {ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert"}


class Operating(Routed):
    """The rewriting."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load) and not node.attr.startswith("__"):
            node.value = call(READ, [node.value, ast.copy_location(ast.Constant(node.attr), node)], node.value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        self.generic_visit(node)
        if not isinstance(node.target, ast.Name):
            return node
        operator = "i" + BINARY[type(node.op)].strip("_")
        changed = _operation(operator, [name(node.target.id, node.target), node.value], node)
        return ast.copy_location(ast.Assign([node.target], changed), node)

    def visit_For(self, node: ast.For) -> Any:
        self.generic_visit(node)
        node.iter = call(OVER, [node.iter], node.iter)
        return node

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
