"""Staged twins: Python's branches and loops on traced conditions.

They are used where a trace has no values (``jit``, bodies of loops) or has one for each element (``vmap``). Statements
become what their driver says (``branches.py``, ``loops.py``); expressions become calls:

    a if t else b         choose(t, lambda: a, lambda: b)
    p and q, not p        and_(p, lambda: q), not_(p)
    a < b < c             compare(a, (lt, lambda: b), (lt, lambda: c))

What a driver cannot take (``break``, ``continue`` and ``return`` in the middle, ``raise``) stays Python's.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from typing import Any

from functad.front.jumps import RESULT, absorbed
from functad.front.names import assigned, own_nodes
from functad.front.routed import MADE, OVER, Routed, call, name

__all__ = ["Staged", "can_be_staged"]

BRANCH, LOOP, STEPS, CHOOSE, AND, OR, NOT, COMPARE, UNBOUND, GUARD, CHANGED, DECIDED, OPERATE, READ = [
    f"_functad_{n}"
    for n in (
        *("branch", "loop", "steps", "choose", "and", "or", "not", "compare", "unbound", "guard", "changed", "decided"),
        *("operate", "read"),
    )
]
"""The names that staged twins close over besides those of plain ones."""

OPERATIONS = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip


BINARY = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.Mod: "mod", ast.FloorDiv: "floordiv",
    ast.Pow: "pow", ast.MatMult: "matmul", ast.BitAnd: "and_", ast.BitOr: "or_", ast.BitXor: "xor",
    ast.LShift: "lshift", ast.RShift: "rshift",
}  # fmt: skip
UNARY = {ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert"}


def can_be_staged(node: ast.AST) -> bool:
    """Whether a function's control flow can be taken over: not that of generators and coroutines."""
    if isinstance(node, ast.AsyncFunctionDef):
        return False
    body = [node.body] if isinstance(node, ast.Lambda) else getattr(node, "body", [])
    kinds = (ast.Yield, ast.YieldFrom, ast.Await)
    return not any([isinstance(n, kinds) for part in body for n in own_nodes(part)])


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

    def _fresh(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        return call(MADE, [node], node) if isinstance(getattr(node, "ctx", ast.Load()), ast.Load) else node

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


class Staged(Guarded):
    """The rewriting of a function."""

    def __init__(self) -> None:
        self._count = 0
        self._outer: set[str] = set()  # names that are global or nonlocal
        self._at_risk: set[str] = set()  # names that a statement may leave without a value

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        if not can_be_staged(node):
            return Guarded().visit(node)
        before = self._outer, self._at_risk
        nodes = [n for s in node.body for n in own_nodes(s)]
        self._outer = {n for d in nodes if isinstance(d, ast.Global | ast.Nonlocal) for n in d.names}
        node.body = absorbed(node.body)
        self._at_risk = self._at_risk | set(assigned([n for n in nodes if isinstance(n, ast.If | ast.For | ast.While)]))
        self._at_risk.add(RESULT)
        self.generic_visit(node)
        self._outer, self._at_risk = before
        return self.declared(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return Guarded().visit(node)  # type: ignore[no-any-return]

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self.generic_visit(node) if can_be_staged(node) else Guarded().visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [self.visit(s) if isinstance(s, ast.FunctionDef) else Guarded().visit(s) for s in node.body]
        return node

    # -- statements ----------------------------------------------------------------------------------------------------

    def visit_If(self, node: ast.If) -> Any:
        names = assigned([node])
        mine = not self._leaves([*node.body, *node.orelse]) and self._outer.isdisjoint(names)
        self.generic_visit(node)
        if not mine:
            return node
        c = self._driver()
        side = ast.If(_attribute(c, "side", node), node.body, node.orelse or [ast.Pass()])
        body = [
            ast.If(_attribute(c, "restore", node), _restored(c, "state", names, node), []),
            side,
            _expression(c, "leave", node),
        ]
        loop = ast.While(_method(c, "more", node), body, [])
        after = ast.If(_attribute(c, "staged", node), _restored(c, "result", names, node), [])
        start = ast.Assign([name(c, node, ast.Store())], call(BRANCH, [node.test, _names(names, node)], node))
        return [_placed(s, node) for s in (start, _guarded(c, [loop, after], node))]

    def visit_While(self, node: ast.While) -> Any:
        names = assigned([node])
        mine = not self._leaves(node.body) and self._outer.isdisjoint(names) and not node.orelse
        self.generic_visit(node)
        if not mine:
            return node
        c = self._driver()
        test = ast.Call(_attribute(c, "test", node), [node.test, _scope(node)], [])
        body: list[ast.stmt] = [
            ast.If(_attribute(c, "restore", node), _restored(c, "state", names, node), []),
            ast.If(
                test,
                [
                    ast.If(_attribute(c, "restore", node), _restored(c, "state", names, node), []),
                    *node.body,
                    _expression(c, "leave", node),
                ],
                [],
            ),
        ]
        loop = ast.While(_method(c, "more", node), body, [])
        result = _restored(c, "result", names, node)
        if assigned([node.test]):  # as they are where the condition fails
            result.append(ast.Expr(copy.deepcopy(node.test)))
        after = ast.If(_attribute(c, "staged", node), result, [])
        start = ast.Assign([name(c, node, ast.Store())], call(LOOP, [_names(names, node)], node))
        return [_placed(s, node) for s in (start, _guarded(c, [loop, after], node))]

    def visit_For(self, node: ast.For) -> Any:
        names = assigned([node])
        mine = not self._leaves(node.body) and self._outer.isdisjoint(names) and not node.orelse
        self.generic_visit(node)
        node.iter = call(OVER, [node.iter], node.iter)
        if not mine:
            return node
        c = self._driver()
        body: list[ast.stmt] = [
            ast.If(_attribute(c, "restore", node), _restored(c, "state", names, node), []),
            ast.Assign([node.target], ast.Call(_attribute(c, "item", node), [], [])),
            *node.body,
            _expression(c, "leave", node),
        ]
        retry = ast.Expr(ast.Call(_attribute(c, "retry", node), [name("_functad_error", node)], []))
        attempt = ast.Try(body, [ast.ExceptHandler(name("BaseException", node), "_functad_error", [retry])], [], [])
        loop = ast.While(_method(c, "more", node), [attempt], [])
        after = ast.If(_attribute(c, "restore", node), _restored(c, "result", names, node), [])
        start = ast.Assign([name(c, node, ast.Store())], call(STEPS, [node.iter, _names(names, node)], node))
        return [_placed(s, node) for s in (start, loop, after)]

    def _driver(self) -> str:
        self._count += 1
        return f"_functad_c{self._count}"

    def _leaves(self, block: Sequence[ast.stmt]) -> bool:
        """Whether a block may end otherwise than at its end."""
        return any([_jumps(s, False) for s in block])

    # -- expressions ---------------------------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> ast.AST:
        chosen = [isinstance(x, ast.IfExp | ast.BoolOp) for x in node.args]
        super().visit_Call(node)
        node.args = [call(DECIDED, [x], x) if c else x for x, c in zip(node.args, chosen, strict=True)]
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and node.id in self._at_risk:
            return call(DECIDED, [node], node)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        if not _is_lazy(node.body, node.orelse):
            return node
        return call(CHOOSE, [node.test, _later(node.body), _later(node.orelse)], node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        if not _is_lazy(*node.values[1:]):
            return node
        first, *rest = node.values
        return call(AND if isinstance(node.op, ast.And) else OR, [first, *[_later(v) for v in rest]], node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if not isinstance(node.op, ast.Not):
            return super().visit_UnaryOp(node)
        self.generic_visit(node)
        return call(NOT, [node.operand], node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if len(node.ops) == 1 and not isinstance(node.ops[0], ast.Is | ast.IsNot):
            return super().visit_Compare(node)
        self.generic_visit(node)
        if any([isinstance(op, ast.Is | ast.IsNot) for op in node.ops]):  # no method of an operand's is asked
            node.left, *node.comparators = [call(DECIDED, [x], x) for x in (node.left, *node.comparators)]
        if not all([type(op) in OPERATIONS for op in node.ops]) or not _is_lazy(*node.comparators):
            return node
        pairs = [
            ast.copy_location(ast.Tuple([ast.Constant(OPERATIONS[type(op)]), _later(x)], ast.Load()), x)
            for op, x in zip(node.ops, node.comparators, strict=True)
        ]
        return call(COMPARE, [node.left, *pairs], node)


def _jumps(node: ast.AST, in_loop: bool) -> bool:
    """Whether a statement holds a way out: ``return``, ``raise``, a jump of a loop around it; or an ``except``, which
    would catch what is none of its business.
    """
    if isinstance(node, ast.Return | ast.Raise | ast.Assert | ast.Delete) or getattr(node, "handlers", None):
        return True
    if isinstance(node, ast.Break | ast.Continue):
        return not in_loop
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return False
    if isinstance(node, ast.For | ast.While):
        return any([_jumps(s, True) for s in node.body]) or any([_jumps(s, in_loop) for s in node.orelse])
    return any([_jumps(child, in_loop) for child in ast.iter_child_nodes(node)])


def _is_lazy(*parts: ast.expr) -> bool:
    """Whether expressions can be put into functions: they bind no names and suspend nothing."""
    kinds = (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await)
    return not any([isinstance(n, kinds) for p in parts for n in own_nodes(p)])


def _later(node: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Lambda(ast.arguments([], [], None, [], [], None, []), node), node)


def _attribute(driver: str, attribute: str, place: ast.AST) -> ast.expr:
    return ast.copy_location(ast.Attribute(name(driver, place), attribute, ast.Load()), place)  # type: ignore[type-var]


def _scope(place: ast.AST) -> ast.expr:
    return ast.copy_location(ast.Call(name("locals", place), [], []), place)  # type: ignore[type-var]


def _method(driver: str, method: str, place: ast.AST) -> ast.expr:
    return ast.Call(_attribute(driver, method, place), [_scope(place)], [])


def _expression(driver: str, method: str, place: ast.AST) -> ast.stmt:
    return ast.Expr(_method(driver, method, place))


def _names(names: Sequence[str], place: ast.AST) -> ast.expr:
    return ast.Tuple([ast.Constant(n) for n in names], ast.Load())


def _restored(driver: str, what: str, names: Sequence[str], place: ast.AST) -> list[ast.stmt]:
    """Assignments of variables from a driver; what it says is unbound is."""
    if not names:
        return [ast.Expr(ast.Call(_attribute(driver, what, place), [], []))]
    targets = ast.Tuple([ast.Name(n, ast.Store()) for n in names], ast.Store())
    found: list[ast.stmt] = [ast.Assign([targets], ast.Call(_attribute(driver, what, place), [], []))]
    for n in names:
        test = ast.Compare(ast.Name(n, ast.Load()), [ast.Is()], [ast.Name(UNBOUND, ast.Load())])
        found.append(ast.If(test, [ast.Delete([ast.Name(n, ast.Del())])], []))
    return found


def _guarded(driver: str, block: list[ast.stmt], place: ast.AST) -> ast.stmt:
    """A block that tells its driver when an exception leaves it."""
    abandon = ast.Expr(ast.Call(_attribute(driver, "abandon", place), [name("_functad_error", place)], []))
    handler = ast.ExceptHandler(name("BaseException", place), "_functad_error", [abandon, ast.Raise(None, None)])
    return ast.Try(block, [handler], [], [])


def _placed(statement: ast.stmt, place: ast.AST) -> ast.stmt:
    """A statement that was made, where the one that it stands for was."""
    for node in ast.walk(statement):
        if "lineno" in node._attributes and not hasattr(node, "lineno"):
            ast.copy_location(node, place)
    return statement
