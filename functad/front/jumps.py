"""Early returns as branches: what follows an ``if`` that returns belongs to its other branch.

    if t: return a            if t: r = a
    y = f(x)           ->     else:
    return y                      y = f(x)
                                  r = y
                              return r

Afterwards each ``return`` stands at the end of a path, so that both branches of an ``if`` end alike.
"""

from __future__ import annotations

import ast

from functad.front.names import own_nodes

__all__ = ["RESULT", "absorbed"]

RESULT = "_functad_result"


def absorbed(block: list[ast.stmt]) -> list[ast.stmt]:
    """The body of a function whose early returns are branches, as far as they can be."""
    for number, statement in enumerate(block):
        if isinstance(statement, ast.If) and _returns(statement):
            made = _branches(statement, block[number + 1 :])
            if made is None:
                return block
            result = ast.copy_location(ast.Return(_at(ast.Name(RESULT, ast.Load()), statement)), statement)
            return [*block[:number], made, result]
    return block


def _branches(statement: ast.If, rest: list[ast.stmt]) -> ast.If | None:
    """An ``if`` with what follows it, each of whose paths assigns the result; None if there is another way out."""
    one, other = statement.body, statement.orelse
    if _ends(one):
        other = [*other, *([] if _ends(other) else rest)]
    elif _ends(other):
        one = [*one, *rest]
    elif rest:
        return None  # it returns somewhere deeper: both branches would have to hold what follows
    paths = _assigning(one, statement), _assigning(other, statement)
    if paths[0] is None or paths[1] is None:
        return None
    return ast.copy_location(ast.If(statement.test, paths[0], paths[1]), statement)


def _assigning(block: list[ast.stmt], place: ast.stmt) -> list[ast.stmt] | None:
    """A path with an assignment of the result in place of its return."""
    for number, statement in enumerate(block):
        if isinstance(statement, ast.Return):
            return [*block[:number], _result(statement.value, statement)]
        if isinstance(statement, ast.Raise):
            return block[: number + 1]
        if _returns(statement):
            made = _branches(statement, block[number + 1 :]) if isinstance(statement, ast.If) else None
            return None if made is None else [*block[:number], made]
    return [*block, _result(None, block[-1] if block else place)]


def _result(value: ast.expr | None, place: ast.stmt) -> ast.stmt:
    target = _at(ast.Name(RESULT, ast.Store()), place)
    return ast.copy_location(ast.Assign([target], value or _at(ast.Constant(None), place)), place)


def _at(node: ast.expr, place: ast.stmt) -> ast.expr:
    return ast.copy_location(node, place)


def _returns(statement: ast.stmt) -> bool:
    return any([isinstance(n, ast.Return) for n in own_nodes(statement)])


def _ends(block: list[ast.stmt]) -> bool:
    """Whether nothing comes after a block."""
    last = block[-1] if block else None
    if isinstance(last, ast.If):
        return _ends(last.body) and _ends(last.orelse)
    return isinstance(last, ast.Return | ast.Raise)
