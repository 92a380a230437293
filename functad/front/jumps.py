"""Jumps as flags: ``break``, ``continue`` and ``return`` anywhere become assignments, and what they would have jumped
over belongs to another branch.

    if t: return a            if t: r = a             while t:             stop = False
    y = f(x)           ->     else:                       A                while not stop and t:
    return y                      y = f(x)                if u: break  ->      A
                                  r = y                   B                    if u: stop = True
                              return r                                         else: B

Afterwards each way through a block ends at its end, so that a driver sees all of them. What follows an ``if`` of which
a branch ends with a jump goes into the other branch; where a jump stands deeper, what follows is under ``if not skip``.
Nothing is there twice. A ``return`` in a loop stops the loop, and returns behind it.

Where Python knows the conditions all of this does what Python does. A jump out of a ``try`` with handlers stays as it
is, and so does the loop around it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

from functad.front.catches import AGAIN, BLOCK, Leave, catching
from functad.front.matches import as_branches
from functad.front.names import ends, own_nodes
from functad.front.syntax import flag, if_, name, set_to
from functad.front.vocabulary import BACK, RESULT, SKIP
from functad.front.vocabulary import STOP as STOPPED

__all__ = ["STOP", "structured"]

STOP = "functad_stop"
"""The attribute of a loop that holds the name of the flag that its jumps set."""

Exit = Callable[[ast.stmt], "list[ast.stmt] | None"]


def structured(function: ast.FunctionDef) -> list[ast.stmt]:
    """The body of a function whose jumps are branches, as far as they can be."""
    return _Jumps().function(catching(function))


class _Jumps:
    """The rewriting of one function; each loop that jumps has flags of its own."""

    def __init__(self) -> None:
        self._loops = self._matches = 0

    def function(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The body of a function."""
        block = self._block(body)
        if all([isinstance(s, ast.Return) or next(_of_loop(s), None) is None for s in block]):
            return block
        if any([_is_stuck(s) for s in block]):
            return block
        if not ends(block):
            block = [*block, ast.copy_location(ast.Return(None), block[-1])]
        skip, place = SKIP, block[0]
        made, guarded = _absorbed(block, lambda s: _result(s) if isinstance(s, ast.Return) else None, skip, False)
        start = [flag(skip, False, place)] if guarded else []
        return [*start, *made, ast.copy_location(ast.Return(name(RESULT, block[-1])), block[-1])]

    def _block(self, block: Sequence[ast.stmt]) -> list[ast.stmt]:
        """A block in which no loop jumps."""
        return [made for s in block for made in self._statement(s)]

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        if isinstance(node, ast.Match):
            self._matches += 1
            made = as_branches(node, f"_functad_subject{self._matches}")
            if made != [node]:
                return self._block(made)
        for field in ("body", "orelse", "finalbody"):
            if isinstance(getattr(node, field, None), list) and not isinstance(node, _SCOPES):
                setattr(node, field, self._block(getattr(node, field)))
        for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            part.body = self._block(part.body)
        block = getattr(node, BLOCK, None)
        if isinstance(node, ast.Try) and block is not None:
            node.body, _ = _absorbed(node.body, lambda s: _leave(s, block), block, True)
        return self._loop(node) if isinstance(node, ast.For | ast.While) else [node]

    def _loop(self, node: ast.For | ast.While) -> list[ast.stmt]:
        jumps = [n for s in node.body for n in _of_loop(s)]
        if any([_is_stuck(s) for s in node.body]):
            return [node]
        orelse, node.orelse = node.orelse, []
        if isinstance(node, ast.While) and any([isinstance(n, ast.NamedExpr) for n in own_nodes(node.test)]):
            return self._tested_inside(node, orelse)
        if not jumps:
            return [node, *orelse]
        self._loops += 1
        stop, skip, back = [f"{what}{self._loops}" for what in (STOPPED, SKIP, BACK)]
        leaves = any([not isinstance(n, ast.Continue) for n in jumps])
        returns = any([isinstance(n, ast.Return) and not isinstance(n, Leave) for n in jumps])
        blocks = sorted({n.flag for n in jumps if isinstance(n, Leave)})
        if all([not isinstance(n, ast.Continue) for n in jumps]):
            skip = stop  # what leaves the loop leaves the step

        def way_out(statement: ast.stmt) -> list[ast.stmt] | None:
            if isinstance(statement, ast.Continue):
                return []
            if isinstance(statement, ast.Break):
                return [flag(stop, True, statement)]
            if isinstance(statement, Leave):
                return [*statement.sets, flag(statement.flag, True, statement), flag(stop, True, statement)]
            if isinstance(statement, ast.Return):
                return [*_result(statement), flag(back, True, statement), flag(stop, True, statement)]
            return None

        node.body, guarded = _absorbed(node.body, way_out, skip, skip == stop)
        if guarded and skip != stop:
            node.body = [flag(skip, False, node), *node.body]
        if not leaves:
            return [node, *orelse]
        setattr(node, STOP, stop)
        found: list[ast.stmt] = [flag(stop, False, node), node]
        if orelse:
            found.append(_unless(stop, orelse, orelse[0]))
        if returns:
            behind: ast.stmt = ast.copy_location(ast.Return(name(RESULT, node)), node)
            if not _is_endless(node) or any([isinstance(n, ast.Break) for n in jumps]):
                behind = if_(name(back, node), [behind], node)
            found = [flag(back, False, node), *found, behind]
        for block in blocks:
            found.append(if_(name(block, node), [ast.copy_location(Leave(block, []), node)], node))
        return found

    def _tested_inside(self, node: ast.While, orelse: list[ast.stmt]) -> list[ast.stmt]:
        """A loop whose condition binds names, which its body reads: the body begins with the condition."""
        place = node.body[0]
        self._loops += 1
        ended = f"_functad_ended{self._loops}"
        way_out = [flag(ended, True, place), ast.copy_location(ast.Break(), place)]
        test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), place)
        always = ast.copy_location(ast.Constant(True), node.test)
        loop = ast.copy_location(ast.While(always, [if_(test, way_out, place), *node.body], []), node)
        after = [if_(name(ended, place), orelse, place)] if orelse else []
        return [flag(ended, False, node), *self._loop(loop), *after]


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_JUMPS = (ast.Break, ast.Continue, ast.Return)


def _absorbed(block: Sequence[ast.stmt], way_out: Exit, skip: str, sets: bool) -> tuple[list[ast.stmt], bool]:
    """A block without ways out, and whether it asks for the flag ``skip``, which is False where it starts.

    ``sets``: whether what ``way_out`` gives sets it.
    """
    absorb = _Absorb(way_out, skip, [])
    made = absorb.block(block)
    if absorb.guarded and not sets:
        made = _Absorb(way_out, skip, [skip]).block(block)
    return made, absorb.guarded


class _Absorb:
    """Ways out of a block, which become what ``way_out`` says, and set further flags."""

    def __init__(self, way_out: Exit, skip: str, flags: Sequence[str]) -> None:
        self._way_out = way_out
        self._skip = skip
        self._flags = flags
        self.guarded = False

    def block(self, block: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The block."""
        for number, statement in enumerate(block):
            before, rest = block[:number], block[number + 1 :]
            way = self._way_out(statement)
            if way is not None:
                return [*before, *way, *[flag(f, True, statement) for f in self._flags]] or [_pass(statement)]
            if any([self._way_out(n) is not None for n in _of_loop(statement)]):
                return [*before, *self._around(statement, rest)]
        return list(block)

    def _around(self, node: ast.stmt, rest: Sequence[ast.stmt]) -> list[ast.stmt]:
        """A statement that holds ways out, and what follows it."""
        if isinstance(node, ast.If):
            one, other = list(node.body), list(node.orelse)
            if ends(one):
                other, rest = [*other, *([] if ends(other) else rest)], ()
            elif ends(other):
                one, rest = [*one, *rest], ()
            made: ast.stmt = ast.If(node.test, self.block(one) or [_pass(node)], self.block(other))
        elif isinstance(node, ast.Try):
            made = ast.Try(self.block(node.body), node.handlers, [], self.block(node.finalbody))
            if hasattr(node, BLOCK):
                setattr(made, BLOCK, getattr(node, BLOCK))
        elif isinstance(node, ast.Match):
            cases = [ast.match_case(c.pattern, c.guard, self.block(c.body)) for c in node.cases]
            made = ast.Match(node.subject, cases)
        else:
            assert isinstance(node, ast.With)
            made = ast.With(node.items, self.block(node.body))
        found = [ast.copy_location(made, node)]
        if rest:
            self.guarded = True
            found.append(_unless(self._skip, self.block(rest), rest[0]))
        return found


def _of_loop(node: ast.AST) -> Iterator[ast.stmt]:
    """The jumps in a statement that end the step of the loop around it, or the function."""
    if isinstance(node, _JUMPS):
        yield node
    elif isinstance(node, ast.For | ast.While | ast.AsyncFor):  # what is left in it belongs to it
        yield from [n for n in own_nodes(node) if isinstance(n, ast.Return)]
        for s in node.orelse:
            yield from [n for n in _of_loop(s) if not isinstance(n, ast.Return)]
    elif not isinstance(node, (*_SCOPES, ast.Lambda)):
        for child in ast.iter_child_nodes(node):
            yield from _of_loop(child)


def _is_stuck(node: ast.stmt) -> bool:
    """Whether a statement holds a jump that stays Python's: out of a ``try`` with handlers, or of such a loop."""
    return any([_keeps(n) and next(_of_loop(n), None) is not None for n in own_nodes(node)])


def _keeps(node: ast.AST) -> bool:
    if isinstance(node, ast.Try):
        mine = hasattr(node, BLOCK) or hasattr(node, AGAIN)
        return (bool(node.handlers) and not mine) or any([next(_of_loop(s), None) is not None for s in node.finalbody])
    return isinstance(node, ast.TryStar | ast.For | ast.While | ast.AsyncFor | ast.AsyncWith)


def _is_endless(node: ast.For | ast.While) -> bool:
    """Whether a loop ends by jumps alone."""
    return isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)


def _leave(statement: ast.stmt, block: str) -> list[ast.stmt] | None:
    """What a jump to the end of a block sets."""
    if not isinstance(statement, Leave) or statement.flag != block:
        return None
    return [*statement.sets, flag(block, True, statement)]


def _result(statement: ast.Return) -> list[ast.stmt]:
    value = statement.value or ast.copy_location(ast.Constant(None), statement)
    if isinstance(value, ast.Name) and value.id == RESULT:
        return []
    return [set_to(RESULT, value, statement)]


def _unless(skip: str, block: Sequence[ast.stmt], place: ast.stmt) -> ast.stmt:
    test = ast.copy_location(ast.UnaryOp(ast.Not(), name(skip, place)), place)
    return if_(test, block, place)


def _pass(place: ast.stmt) -> ast.stmt:
    return ast.copy_location(ast.Pass(), place)
