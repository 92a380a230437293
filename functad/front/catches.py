"""``try`` with handlers as flags and branches: a ``raise`` in its block becomes a jump behind it.

    try:                     failed, error, which = False, None, -1
        A                    try:
        if t: raise X   ->       A
        B                        if t: failed = True
    except E as e: H             else: B
    else: C                  except E as caught: failed, error, which = True, caught, 0
                             if failed:
                                 if error is None:
                                     try: raise X
                                     except E as caught: error, which = caught, 0
                                 e = error
                                 H
                             else: C

So what a traced condition raises and the function itself catches is a branch, and a handler that jumps is no obstacle
to ``jumps.py``. Of what class an exception is, and so which handler takes it, is known while the function is traced;
one that none takes leaves the branch. X is evaluated behind the block, of the values that its variables had in front of
the jump. Exceptions that Python raises by itself in the block are caught as ever.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence

from functad.front.attempts import names_failures, tried
from functad.front.names import assigned, ends, own_nodes
from functad.front.syntax import flag, if_, name, placed, read_names, set_to
from functad.front.vocabulary import ERROR, FAILED, RAISED, RESULT, UNBOUND, WHICH

__all__ = ["AGAIN", "BLOCK", "Leave", "catching"]

BLOCK = "functad_block"
"""The attribute of a ``try`` that stays of one that became flags: the name of the flag that ends its block."""

AGAIN = "functad_again"
"""The attribute of a ``try`` that raises what the block had raised."""

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_ENDS = (ast.Raise, ast.Assert, ast.Return, ast.Break, ast.Continue)


class Leave(ast.Return):
    """A jump to the end of the block of a ``try``, which ``flag`` says has been made, after ``sets``."""

    def __init__(self, flag: str, sets: list[ast.stmt]) -> None:
        super().__init__(None)
        self.flag, self.sets = flag, sets


def catching(function: ast.FunctionDef) -> list[ast.stmt]:
    """The body of a function whose ``try`` statements with handlers are flags and branches, where that matters."""
    arguments = [n.arg for n in ast.walk(function.args) if isinstance(n, ast.arg)]
    return _Catches({*arguments, *assigned(function.body)}).block(function.body, inside=False)


class _Catches:
    """The rewriting of one function with these variables."""

    def __init__(self, variables: set[str]) -> None:
        self._variables = variables
        self._count = 0
        self._around = 0  # blocks with handlers

    def block(self, block: Sequence[ast.stmt], inside: bool) -> list[ast.stmt]:
        """A block; whether it is ``inside`` a branch or a loop."""
        return [made for s in block for made in self._statement(s, inside)]

    def _statement(self, node: ast.stmt, inside: bool) -> list[ast.stmt]:
        if isinstance(node, _SCOPES):
            return [node]
        deeper = inside or isinstance(node, ast.If | ast.For | ast.While)
        for field in ("body", "orelse", "finalbody"):
            if isinstance(getattr(node, field, None), list):
                caught = field == "body" and bool(getattr(node, "handlers", ()))
                self._around += caught
                setattr(node, field, self.block(getattr(node, field), deeper))
                self._around -= caught
        for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            part.body = self.block(part.body, deeper)
        if not isinstance(node, ast.Try) or not node.handlers or hasattr(node, AGAIN):
            return [node]
        if names_failures(node):
            node.body = tried(node.body)
        jumps = any([isinstance(n, _ENDS) for s in (*node.body, *node.handlers) for n in own_nodes(s)])
        return self._converted(node) if jumps or inside else [node]

    def _converted(self, node: ast.Try) -> list[ast.stmt]:
        self._count += 1
        number = str(self._count)
        failed, error, which = FAILED + number, ERROR + number, WHICH + number
        self._variables.add(error)
        raises = _Raises(failed, number, self._variables)
        body = [made for s in node.body for made in raises.statement(s)]
        block = ast.copy_location(ast.Try(body, _noting(node, error, which, failed), [], []), node)
        for part in (block, *block.handlers):
            setattr(part, BLOCK, failed)
        taken = _taken(node, raises, error, which, self._around > 0)
        found: list[ast.stmt] = [
            flag(failed, False, node),
            set_to(error, ast.Constant(None), node),
            set_to(which, ast.Constant(-1), node),
            *[flag(raised, False, node) for raised in raises.flags],
            *[set_to(n, ast.Name(UNBOUND, ast.Load()), node) for n in raises.kept],
            block,
        ]
        if ends(body) and not node.orelse:  # what comes behind it is the handlers
            found += taken
        else:
            found.append(placed(ast.If(ast.Name(failed, ast.Load()), taken, node.orelse), node))
        if node.finalbody:
            return [ast.copy_location(ast.Try(found, [], [], node.finalbody), node)]
        return found


class _Raises:
    """The ``raise`` statements of the block of a ``try``, which become jumps."""

    def __init__(self, failed: str, number: str, variables: set[str]) -> None:
        self._failed, self._number, self._variables = failed, number, variables
        self.flags: list[str] = []  # that say which of them it was
        self.again: list[ast.Raise] = []  # what raises the same behind the block
        self.kept: list[str] = []  # the variables that it reads

    def statement(self, node: ast.stmt) -> list[ast.stmt]:
        """A statement of the block."""
        if isinstance(node, ast.Assert) and __debug__:
            said = [] if node.msg is None else [node.msg]
            error = ast.Raise(ast.Call(ast.Name("AssertionError", ast.Load()), said, []), None)
            test = ast.UnaryOp(ast.Not(), node.test)
            return [placed(ast.If(test, self.statement(placed(error, node)), []), node)]
        if isinstance(node, ast.Raise):
            return self._jump(node)
        if not isinstance(node, (*_SCOPES, ast.TryStar)) and not hasattr(node, AGAIN):
            for field in ("body", "orelse", "finalbody"):
                if isinstance(getattr(node, field, None), list):
                    setattr(node, field, [made for s in getattr(node, field) for made in self.statement(s)])
            for part in getattr(node, "cases", ()):
                part.body = [made for s in part.body for made in self.statement(s)]
        return [node]

    def _jump(self, node: ast.Raise) -> list[ast.stmt]:
        read = [read_names(part) for part in (node.exc, node.cause) if part is not None]
        if not read or None in read:
            return [node]
        k = len(self.flags)
        raised = f"{RAISED}{self._number}_{k}"
        names = sorted({n for names in read for n in names or ()}.intersection(self._variables))
        kept = {n: f"{RESULT}_{self._number}_{k}_{n}" for n in names}
        self.flags.append(raised)
        self.kept += kept.values()
        self.again.append(_renamed(node, kept))
        sets = [set_to(kept[n], ast.Name(n, ast.Load()), node) for n in names]
        return [ast.copy_location(Leave(self._failed, [*sets, flag(raised, True, node)]), node)]


def _renamed(node: ast.Raise, names: dict[str, str]) -> ast.Raise:
    made = copy.deepcopy(node)
    for n in ast.walk(made):
        if isinstance(n, ast.Name):
            n.id = names.get(n.id, n.id)
    return made


def _noting(node: ast.Try, error: str, which: str, failed: str | None = None) -> list[ast.ExceptHandler]:
    """The handlers of a ``try`` as such that only note what they have caught."""
    made = []
    for k, h in enumerate(node.handlers):
        caught = f"{error}_caught"
        noted = [set_to(error, ast.Name(caught, ast.Load()), h), set_to(which, ast.Constant(k), h)]
        if failed is not None:
            noted.append(flag(failed, True, h))
        kind = name("BaseException", h) if h.type is None else copy.deepcopy(h.type)
        made.append(ast.copy_location(ast.ExceptHandler(kind, caught, noted), h))
    return made


def _taken(node: ast.Try, raises: _Raises, error: str, which: str, goes_on: bool) -> list[ast.stmt]:
    """What the handlers do: what the block has raised by a jump is raised again, where it is known which handler takes
    it. If none does, and it ``goes_on`` to those of another block around, that is a ``raise`` of that block.
    """
    again: list[list[ast.stmt]] = []
    for statement in raises.again:
        noted = ast.copy_location(ast.Try([statement], _noting(node, error, which), [], []), statement)
        setattr(noted, AGAIN, True)
        again.append([noted])
        if goes_on:
            caught = f"{error}_caught"
            kept = set_to(error, ast.Name(caught, ast.Load()), statement)
            every = ast.ExceptHandler(ast.Name("BaseException", ast.Load()), caught, [kept])
            noted.handlers.append(ast.copy_location(every, statement))
            unmatched = ast.Compare(ast.Name(which, ast.Load()), [ast.Eq()], [ast.Constant(-1)])
            again[-1].append(if_(unmatched, [ast.Raise(ast.Name(error, ast.Load()), None)], statement))
    chosen = _chosen(node.handlers, error, which)
    if not again:
        return chosen
    apart = len(again) > 1 and any([n.id == error for s in chosen for n in ast.walk(s) if isinstance(n, ast.Name)])
    if apart:  # a handler looks at the exception, which is another one from each place
        again = [[*block, *copy.deepcopy(chosen)] for block in again]
    found = again[-1]
    for raised, block in reversed(list(zip(raises.flags[:-1], again[:-1], strict=True))):
        found = [placed(ast.If(ast.Name(raised, ast.Load()), block, found), node)]
    unknown = ast.Compare(ast.Name(error, ast.Load()), [ast.Is()], [ast.Constant(None)])
    if apart:
        return [placed(ast.If(unknown, found, chosen), node)]
    return [if_(unknown, found, node), *chosen]


def _chosen(handlers: Sequence[ast.ExceptHandler], error: str, which: str) -> list[ast.stmt]:
    """The handler of that number."""
    found: list[ast.stmt] = []
    for k, h in reversed(list(enumerate(handlers))):
        body = [made for s in h.body for made in _raised_again(s, error)]
        reads = any([isinstance(n, ast.Name) and n.id == h.name for s in body for n in ast.walk(s)])
        if h.name is not None and reads:
            body = [set_to(h.name, ast.Name(error, ast.Load()), h), *body]
        if found:
            test = ast.Compare(ast.Name(which, ast.Load()), [ast.Eq()], [ast.Constant(k)])
            found = [placed(ast.If(test, body, found), h)]
        else:
            found = body
    return found


def _raised_again(node: ast.stmt, error: str) -> list[ast.stmt]:
    """A statement of a handler: ``raise`` alone raises what was caught."""
    for n in own_nodes(node):
        if isinstance(n, ast.Raise) and n.exc is None:
            n.exc = ast.copy_location(ast.Name(error, ast.Load()), n)
    return [node]
