"""The rewriting for ``exact.py``: checks of divisions and functions of ``math`` in front of the statements of a ``try``
block.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence

from functad.front.syntax import call, if_, text
from functad.front.vocabulary import DIVIDED, DOMAIN, EXACTLY, OVERFLOW, ZERO

__all__ = ["Numbers"]

DIVISIONS = {ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod"}

FUNCTIONS = frozenset({
    *("acos", "acosh", "asin", "atanh", "cosh", "exp", "exp2", "expm1", "fmod", "gamma", "lgamma", "log", "log10"),
    *("log1p", "log2", "pow", "sinh", "sqrt"),
})  # fmt: skip
"""Those of ``math`` that raise, by name."""

RAISED = {
    ZERO: ("ZeroDivisionError", "float division by zero", {"ZeroDivisionError", "ArithmeticError"}),
    DOMAIN: ("ValueError", "math domain error", {"ValueError"}),
    OVERFLOW: ("OverflowError", "math range error", {"OverflowError", "ArithmeticError"}),
}
"""For each check what it raises, and by which names handlers catch that."""

ANY = frozenset({"Exception", "BaseException"})

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_MAYBE = (ast.IfExp, ast.BoolOp, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, *_SCOPES)
"""Expressions of which not all parts are evaluated, or not once."""

_DONE = "functad_exact"


class Numbers(ast.NodeTransformer):
    """The rewriting."""

    def visit_Try(self, node: ast.Try) -> ast.AST:
        self.generic_visit(node)
        names = {n for h in node.handlers for n in _names(h.type)}
        checks = [c for c, (_, _, caught) in RAISED.items() if caught & names or ANY & names]
        named = [c for c in checks if RAISED[c][2] & names]
        if checks:
            node.body = _Block(checks, named).block(node.body)
        return node


def _names(kind: ast.expr | None) -> Iterator[str]:
    """The last names of the classes that a handler names."""
    if kind is None:
        yield "BaseException"
    for part in kind.elts if isinstance(kind, ast.Tuple) else [kind]:
        if isinstance(part, ast.Name | ast.Attribute):
            yield part.id if isinstance(part, ast.Name) else part.attr


class _Block:
    """The block of a ``try`` that catches what these ``checks`` raise, some of it by name."""

    def __init__(self, checks: Sequence[str], named: Sequence[str]) -> None:
        self._checks, self._named = checks, named

    def block(self, block: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The statements, with what is to be checked in front of them."""
        return [made for s in block for made in self._statement(s)]

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        if isinstance(node, _SCOPES):
            return [node]
        found: list[ast.stmt] = []
        once = not isinstance(node, ast.While)
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, field, self.block(value))
            elif isinstance(value, ast.expr):
                setattr(node, field, self._expression(value, found if once else None))
        if isinstance(node, ast.AugAssign) and type(node.op) in DIVISIONS and isinstance(node.target, ast.Name):
            read = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
            found += self._of_division(read, node.value, node)
        return [*found, node]

    def _expression(self, node: ast.expr, front: list[ast.stmt] | None) -> ast.expr:
        """An expression, with checks in ``front`` of its statement; None where it is evaluated at another time."""
        inner = None if isinstance(node, _MAYBE) else front
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, field, self._expression(value, inner))
            elif isinstance(value, list):
                setattr(node, field, [self._expression(v, inner) if isinstance(v, ast.expr) else v for v in value])
        if hasattr(node, _DONE):
            return node
        if isinstance(node, ast.BinOp) and type(node.op) in DIVISIONS:
            return self._division(node, front)
        if isinstance(node, ast.Call) and _is_function(node.func) and not node.keywords:
            return self._call(node, front)
        return node

    def _division(self, node: ast.BinOp, front: list[ast.stmt] | None) -> ast.expr:
        if ZERO not in self._checks:
            return node
        setattr(node, _DONE, True)
        if front is not None and _is_simple(node.left) and _is_simple(node.right):
            front += self._of_division(node.left, node.right, node)
        elif ZERO in self._named:
            return call(DIVIDED, [text(DIVISIONS[type(node.op)], node), node.left, node.right], node)
        return node

    def _of_division(self, x: ast.expr, y: ast.expr, place: ast.AST) -> list[ast.stmt]:
        if ZERO not in self._checks or not _is_simple(y):
            return []
        return [_raised(ZERO, [x, y], place)]

    def _call(self, node: ast.Call, front: list[ast.stmt] | None) -> ast.expr:
        checks = [c for c in self._checks if c != ZERO]
        setattr(node, _DONE, True)
        if front is not None and all(map(_is_simple, node.args)):
            front += [_raised(c, [node.func, *node.args], node) for c in checks]
        elif any([c in self._named for c in checks]):
            node.func = call(EXACTLY, [node.func], node.func)
        return node


def _raised(check: str, operands: Sequence[ast.expr], place: ast.AST) -> ast.stmt:
    name, said, _ = RAISED[check]
    error = ast.Call(ast.Name(name, ast.Load()), [ast.Constant(said)], [])
    return if_(call(check, [copy.deepcopy(x) for x in operands], place), [ast.Raise(error, None)], place)


def _is_function(f: ast.expr) -> bool:
    return (f.attr if isinstance(f, ast.Attribute) else f.id if isinstance(f, ast.Name) else "") in FUNCTIONS


def _is_simple(node: ast.expr) -> bool:
    """Whether an expression may be evaluated twice: it is made of variables and constants."""
    kinds = (ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.Tuple, ast.Slice)
    if isinstance(node, ast.Call):
        return _is_function(node.func) and not node.keywords and all(map(_is_simple, node.args))
    return isinstance(node, kinds) and all(
        [_is_simple(x) for x in ast.iter_child_nodes(node) if isinstance(x, ast.expr)]
    )
