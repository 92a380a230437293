"""Variables that one way through a statement assigns to and another does not.

    while True:                        known_r = False
        if f(x) < 0:                   while True:
            r = x                          if f(x) < 0:
            break                 ->           r = x; known_r = True
        x = g(x)                               break
    return r                               x = g(x)
                                       if not known_r: raise UnboundLocalError("cannot access ...")
                                       return r

Where the condition is traced, both ways are, and r has to be something on the other, too: there it is zeros, which
nobody reads (``is_maybe``: ``branches.py``, ``carried.py``). Whether it may be read is a variable like any other, and
known where Python knows the way: then nothing of it is left. Else the check is Python's own, made at run time.

Only variables of one function count: those that an inner function reads, that are deleted, or bound otherwise than by
an assignment stay as they are, and so do those that the condition of a ``while`` reads, or a part of an expression that
may not be evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from functad.front.names import bound_by_name, own_nodes
from functad.front.syntax import flag, if_, placed
from functad.front.vocabulary import KNOWN_TO_BE, MAYBE

__all__ = ["bound"]

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_INNER = (*_SCOPES, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_READERS = frozenset({"locals", "vars", "dir", "eval", "exec", "breakpoint"})
EVERYTHING = None
"""What is assigned where control does not come."""

Names = frozenset[str] | None


def bound(function: ast.FunctionDef) -> list[ast.stmt]:
    """The body of a function in which all such variables have a value, and are asked for it where they are read."""
    candidates = _assignable(function)
    if not candidates:
        return function.body
    ways = _Ways(candidates)
    ways.block(function.body, frozenset())
    found = {n for n, s in ways.partly.items() if n in ways.early or _is_read_outside(function.body, n, s)}
    if not found:
        return function.body
    body = _Bound(found).block(function.body)
    return [*[flag(KNOWN_TO_BE + n, False, function.body[0]) for n in sorted(found)], *body]


# -- which variables they are ------------------------------------------------------------------------------------------


def _assignable(function: ast.FunctionDef) -> set[str]:
    """The variables that only assignments bind, and that are the function's alone."""
    nodes = [n for s in function.body for n in own_nodes(s)]
    if any([isinstance(n, ast.Name) and n.id in _READERS for n in nodes]):
        return set()
    targets = [
        t
        for s in nodes
        if isinstance(s, ast.Assign | ast.AugAssign) or (isinstance(s, ast.AnnAssign) and s.value is not None)
        for target in (s.targets if isinstance(s, ast.Assign) else [s.target])
        for t in _names_of(target)
    ]
    plain = {id(t) for t in targets}
    excluded = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
    for n in nodes:
        if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load) and id(n) not in plain:
            excluded.add(n.id)
        elif isinstance(n, _INNER):
            excluded |= {x.id for x in ast.walk(n) if isinstance(x, ast.Name)}
        else:
            excluded |= {x.id for part in _lazy(n) for x in ast.walk(part) if isinstance(x, ast.Name)}
            excluded |= set(n.names if isinstance(n, ast.Global | ast.Nonlocal) else bound_by_name(n))
    return {t.id for t in targets} - excluded


def _names_of(target: ast.expr) -> Iterator[ast.Name]:
    if isinstance(target, ast.Name):
        yield target
    elif isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            yield from _names_of(part)


def _lazy(node: ast.AST) -> list[ast.expr]:
    """The parts of a node that it evaluates several times, or maybe not."""
    match node:
        case ast.While(test=test):
            return [test]
        case ast.IfExp(body=one, orelse=other):
            return [one, other]
        case ast.BoolOp(values=[_, *rest]) | ast.Compare(comparators=[_, *rest]):
            return rest
        case ast.Assert(msg=ast.expr() as said):
            return [said]
    return []


class _Ways:
    """What is assigned on all ways through statements.

    In ``partly`` are the variables that some ways through a statement assign to and others, which go on or jump out of
    a loop, do not, with the first such statement; in ``early`` those that are read where they may not have a value.
    """

    def __init__(self, candidates: set[str]) -> None:
        self._candidates = candidates
        self.partly: dict[str, ast.stmt] = {}
        self.early: set[str] = set()
        self._jumps: list[list[Names]] = []  # what is assigned where control leaves the loops around

    def block(self, statements: Sequence[ast.stmt], before: Names) -> Names:
        """What is assigned behind a block."""
        for s in statements:
            before = self._statement(s, before)
        return before

    def _statement(self, node: ast.stmt, before: Names) -> Names:
        if before is EVERYTHING or isinstance(node, _SCOPES):
            return before
        first = _first(node)
        if first is not None:
            self.early |= {n.id for n in _reads(first)} - before
        if isinstance(node, ast.Return | ast.Raise):
            return EVERYTHING
        if isinstance(node, ast.Break | ast.Continue):
            if self._jumps:
                self._jumps[-1].append(before)
            return EVERYTHING
        if isinstance(node, ast.If):
            return self._joined(node, before, [node.body, node.orelse])
        if isinstance(node, ast.Match):
            return self._joined(node, before, [*[c.body for c in node.cases], []])
        if isinstance(node, ast.For | ast.While):
            return self._loop(node, before)
        if isinstance(node, ast.Try | ast.TryStar):
            blocks = [[*node.body, *node.orelse], *[h.body for h in node.handlers]]
            return self.block(node.finalbody, self._joined(node, before, blocks))
        if isinstance(node, ast.With | ast.AsyncWith):
            return self.block(node.body, before)
        return before | {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}

    def _joined(self, node: ast.stmt, before: Names, blocks: Sequence[Sequence[ast.stmt]]) -> Names:
        """Behind branches; one that jumps out of the loop leaves the variables to what comes behind that."""
        ways, behind = [], []
        for block in blocks:
            known = len(self._jumps[-1]) if self._jumps else 0
            behind.append(self.block(block, before))
            ways += [behind[-1], *(self._jumps[-1][known:] if self._jumps else ())]
        self._note(node, before, ways)
        return _common(behind)

    def _loop(self, node: ast.For | ast.While, before: Names) -> Names:
        self._jumps.append([])
        end = self.block(node.body, before)
        left = [end, *self._jumps.pop()]
        if isinstance(node, ast.While) and not (isinstance(node.test, ast.Constant) and node.test.value):
            self._note(node, before, [before, *left])
            left.append(before)
        return self.block(node.orelse, _common(left))

    def _note(self, node: ast.stmt, before: Names, ways: Sequence[Names]) -> None:
        ends = [way for way in ways if way is not EVERYTHING]
        some = frozenset().union(*ends) & self._candidates
        for n in some - frozenset(before or ()):
            if any([n not in way for way in ends]):
                self.partly.setdefault(n, node)


def _common(ways: Sequence[Names]) -> Names:
    found: Names = EVERYTHING
    for way in ways:
        if way is not EVERYTHING:
            found = way if found is EVERYTHING else found & way
    return found


def _is_read_outside(body: Sequence[ast.stmt], name: str, statement: ast.stmt) -> bool:
    """Whether a variable is read anywhere but in one statement."""
    inside = {id(n) for n in ast.walk(statement)}
    return any([n.id == name and id(n) not in inside for s in body for n in _reads(s)])


def _first(node: ast.stmt) -> ast.AST | None:
    """What a statement evaluates before the statements in it; all of one that has none."""
    match node:
        case ast.If(test=first) | ast.For(iter=first) | ast.Match(subject=first):
            return first
        case ast.With(items=items):
            return ast.Tuple([i.context_expr for i in items], ast.Load())
    return None if hasattr(node, "body") else node


def _reads(node: ast.AST) -> Iterator[ast.Name]:
    for n in ast.walk(node):
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load):
            yield n
        elif isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name):
            yield n.target


# -- what becomes of them ----------------------------------------------------------------------------------------------


class _Bound:
    """The rewriting for some variables."""

    def __init__(self, variables: set[str]) -> None:
        self._variables = variables

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        """A block."""
        return [made for s in statements for made in self._statement(s)]

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        blocks = [f for f in ("body", "orelse", "finalbody") if isinstance(getattr(node, f, None), list)]
        if isinstance(node, _SCOPES):
            return [node]
        first = _first(node)
        checks = [] if first is None else self._checks(first, node)
        for field in blocks:
            setattr(node, field, self.block(getattr(node, field)))
        for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            part.body = self.block(part.body)
        stored = [] if blocks else sorted(self._variables.intersection(_stored_in(node)))
        for n in own_nodes(node):
            if isinstance(n, ast.Name) and n.id in self._variables:
                n.id = MAYBE + n.id
        return [*checks, node, *[flag(KNOWN_TO_BE + n, True, node) for n in stored]]

    def _checks(self, read: ast.AST, place: ast.stmt) -> list[ast.stmt]:
        """What raises where a variable that is read has no value."""
        return [_check(n, place) for n in sorted({x.id for x in _reads(read)} & self._variables)]


def _stored_in(node: ast.AST) -> Iterator[str]:
    for n in ast.walk(node):
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store):
            yield n.id


def _check(variable: str, place: ast.stmt) -> ast.stmt:
    said = f"cannot access local variable {variable!r} where it is not associated with a value"
    error = ast.Call(ast.Name("UnboundLocalError", ast.Load()), [ast.Constant(said)], [])
    unknown = ast.UnaryOp(ast.Not(), ast.Name(KNOWN_TO_BE + variable, ast.Load()))
    return if_(unknown, [placed(ast.Raise(error, None), place)], place)
