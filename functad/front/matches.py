"""``match`` on constants as a chain of branches, which may be on traced conditions.

    match e:                 m = e
        case 0 | 1: A        if m == 0 or m == 1: A
        case v if t: B  ->   else:
        case _: C                v = m
                                 if t: B
                                 else: C

Patterns of classes, sequences and mappings ask for what a value is, not for its number: these stay Python's.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence

from functad.front.syntax import name

__all__ = ["as_branches"]


def as_branches(node: ast.Match, subject: str) -> list[ast.stmt]:
    """The statement as branches; as it is, if it asks for more than constants. ``subject`` is a name for its value."""
    if not all([_is_constant(c.pattern) for c in node.cases]):
        return [node]
    value = ast.copy_location(ast.Assign([name(subject, node.subject, ast.Store())], node.subject), node)
    return [value, *_chain(node.cases, subject)]


def _is_constant(pattern: ast.pattern) -> bool:
    if isinstance(pattern, ast.MatchOr):
        return all([isinstance(p, ast.MatchValue) for p in pattern.patterns])
    return isinstance(pattern, ast.MatchValue) or (isinstance(pattern, ast.MatchAs) and pattern.pattern is None)


def _chain(cases: Sequence[ast.match_case], subject: str) -> list[ast.stmt]:
    """The branches of some cases."""
    if not cases:
        return []
    case, pattern = cases[0], cases[0].pattern
    if isinstance(pattern, ast.MatchAs):
        bound: list[ast.stmt] = []
        if pattern.name is not None:
            target = name(pattern.name, pattern, ast.Store())
            bound = [ast.copy_location(ast.Assign([target], name(subject, pattern)), pattern)]
        if case.guard is None:
            return [*bound, *case.body]
        return [*bound, _branch(case.guard, case, cases[1:], subject)]
    values = pattern.patterns if isinstance(pattern, ast.MatchOr) else [pattern]
    tests = [_equal(subject, v) for v in values if isinstance(v, ast.MatchValue)]
    test = tests[0] if len(tests) == 1 else ast.copy_location(ast.BoolOp(ast.Or(), tests), pattern)
    if case.guard is not None:
        test = ast.copy_location(ast.BoolOp(ast.And(), [test, case.guard]), pattern)
    return [_branch(test, case, cases[1:], subject)]


def _branch(test: ast.expr, case: ast.match_case, rest: Sequence[ast.match_case], subject: str) -> ast.stmt:
    return ast.copy_location(ast.If(test, case.body, _chain(rest, subject)), test)


def _equal(subject: str, pattern: ast.MatchValue) -> ast.expr:
    value = copy.deepcopy(pattern.value)
    made = ast.Compare(name(subject, pattern), [ast.Eq()], [value])
    return ast.copy_location(made, pattern)
