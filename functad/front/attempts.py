"""Statements in a ``try`` whose handler names ``LinAlgError``: what fails in them at run time is a ``raise``.

    try:                                  try:
        L = np.linalg.cholesky(a)    ->       attempt()
    except LinAlgError: H                     made = np.linalg.cholesky(a)
                                              if fails(): raise failure()
                                              L = made
                                          except LinAlgError: H

which ``catches.py`` turns into a branch. While ``made`` is computed, what has no factor says so, and does not raise
(``core.attempts``). The target is assigned behind the test, as Python assigns it where nothing was raised. What fails
in a loop, a branch or a derivative that the statement's expression runs is none of these: it is refused where it would
be caught, as all is that a handler cannot get (``failures.py``).
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from typing import Any

from functad.core.attempts import attempts
from functad.core.trace import current_trace
from functad.errors import LinAlgError
from functad.front.failures import trying
from functad.front.names import own_nodes
from functad.front.syntax import call, if_, name, placed, set_to
from functad.front.vocabulary import ATTEMPT, FAILS, FAILURE, TRIED
from functad.numpy.reductions import any as any_of
from functad.numpy.traced import is_staging
from functad.primitives.bitwise import bit_or

__all__ = ["attempt", "failed", "failure", "names_failures", "tried"]


# -- the rewriting -----------------------------------------------------------------------------------------------------


def names_failures(node: ast.Try) -> bool:
    """Whether a handler is one for matrices that have no factor."""
    nodes = [n for h in node.handlers if h.type is not None for n in ast.walk(h.type)]
    return any([getattr(n, "attr", getattr(n, "id", None)) == "LinAlgError" for n in nodes])


def tried(block: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The block of a ``try``, in which statements ask whether they have failed."""
    return [made for s in block for made in _statement(s)]


_WHERE = {
    ast.Assign: "value", ast.AnnAssign: "value", ast.AugAssign: "value", ast.Return: "value", ast.If: "test",
    ast.For: "iter", ast.Expr: "value",
}  # fmt: skip
"""Of statements, the expression that is evaluated first, and once."""


def _statement(node: ast.stmt) -> list[ast.stmt]:
    if isinstance(node, ast.If | ast.For | ast.While | ast.With):
        node.body = tried(node.body)
        if not isinstance(node, ast.With):
            node.orelse = tried(node.orelse)
    field = _WHERE.get(type(node))
    value = None if field is None else getattr(node, field)
    if field is None or value is None or not any([isinstance(n, ast.Call) for n in own_nodes(value)]):
        return [node]
    begin = placed(ast.Expr(call(ATTEMPT, [], node)), node)
    raised = placed(ast.Raise(call(FAILURE, [], node), None), node)
    test = if_(call(FAILS, [], node), [raised], node)
    if isinstance(node, ast.Expr):
        return [begin, node, test]
    setattr(node, field, name(TRIED, node))
    return [begin, set_to(TRIED, copy.copy(value), node), test, node]


# -- what it calls -----------------------------------------------------------------------------------------------------


def attempt() -> None:
    """Begin to try a statement."""
    trace = current_trace()
    attempts.set(trying(trace) if trace is not None and is_staging() else None)


def failed() -> Any:
    """Whether an operation of the statement has failed: False, or a traced value."""
    made = attempts.get()
    attempts.set(None)
    found: Any = False
    for condition in made.failures if made is not None else ():
        one = any_of(condition)
        found = one if found is False else bit_or(found, one)
    return found


def failure() -> LinAlgError:
    """The exception that is caught."""
    return LinAlgError("the matrix is singular, or not positive definite")
