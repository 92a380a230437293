"""Twins where values are known (derivatives without ``jit``): Python's control flow stays Python's, but ``for`` loops
of many steps may run as native code (``long_loops.py``).

    for i in r: BODY       items = r
                           if long(items):
                               c = long_steps(items, ("i", "s", "y"), ())
                               ...                     the loop as in a staged twin (``staged.py``)
                               items = c.rest
                           for i in items: BODY

So what a loop costs that is not long, or that cannot be traced for all steps at once, is a call. Loops that jump, or
that catch exceptions, stay as they are.
"""

from __future__ import annotations

import ast
import copy
from typing import Any

from functad.front.liveness import reads_of
from functad.front.names import assigned, own_nodes
from functad.front.operating import Operating
from functad.front.routed import FRAME_READERS, Routed
from functad.front.staged import DRIVER, Staged, can_be_staged
from functad.front.syntax import call, name
from functad.front.vocabulary import (
    DIVIDED,
    ENTERED,
    EXACTLY,
    ITEM,
    LONG,
    LONG_STEPS,
    OPERATE,
    OVER,
    READ,
    ROUTE,
    STEPS,
    STORE,
    in_long_loop,
)

__all__ = ["Valued", "ValuedOperating"]

NUMBER = "functad_number"
"""The attribute of a loop that holds its number in the function."""

_JUMPS = (ast.Break, ast.Continue, ast.Return, ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith)
_OTHERS = (ast.Try, ast.TryStar, ast.With, ast.Delete, ast.Raise, ast.Assert, ast.Import, ast.ImportFrom)


class Valued(Routed):
    """The rewriting of a function."""

    def __init__(self) -> None:
        self._function: ast.FunctionDef | None = None  # as it was written
        self._made = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        around = self._function, self._made
        self._function, self._made = None, 0
        if can_be_staged(node):
            for k, n in enumerate([n for n in ast.walk(node) if isinstance(n, ast.For)]):
                setattr(n, NUMBER, k)
            self._function = copy.deepcopy(node)
        self.generic_visit(node)
        self._function, self._made = around
        return self.declared(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        around, self._function = self._function, None
        made = super().visit_AsyncFunctionDef(node)
        self._function = around
        return made

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        around, self._function = self._function, None
        self.generic_visit(node)
        self._function = around
        return node

    def visit_Try(self, node: ast.Try | ast.TryStar) -> ast.AST:
        # a handler in the function itself sees the steps that were made before an exception
        around, self._function = self._function, None
        made = super().visit_Try(node)
        self._function = around
        return made

    visit_TryStar = visit_Try

    def visit_For(self, node: ast.For) -> Any:
        self._made += 1
        items, staged = f"_functad_items{self._made}", self._staged(node)
        super().visit_For(node)
        if staged is None:
            return node
        first = ast.Assign([name(items, node, ast.Store())], node.iter)
        start, *rest = staged
        driver = start.targets[0].id
        start.value.func.id = LONG_STEPS
        start.value.args[0] = name(items, node)
        others = ast.Assign([name(items, node, ast.Store())], ast.Attribute(name(driver, node), "rest", ast.Load()))
        test = ast.If(call(LONG, [name(items, node)], node), [start, *rest, others], [])
        node.iter = name(items, node)
        for made in (first, test):
            for part in ast.walk(made):
                if "lineno" in part._attributes and not hasattr(part, "lineno"):
                    ast.copy_location(part, node)
        return [first, test, node]

    def _staged(self, node: ast.For) -> list[Any] | None:
        """The statements of the loop in a staged twin; None where it is to stay as it is."""
        nodes = [n for part in node.body for n in own_nodes(part)]
        if self._function is None or node.orelse or any([isinstance(n, (*_JUMPS, *_OTHERS)) for n in nodes]):
            return None
        if any([isinstance(n, ast.Name) and n.id in FRAME_READERS for n in nodes]):
            return None
        function = copy.deepcopy(self._function)
        loops = [n for n in ast.walk(function) if isinstance(n, ast.For)]
        number = getattr(node, NUMBER)
        made = LoopOf(function, self._made).statements(next(n for n in loops if getattr(n, NUMBER) == number))
        return made if is_driven(made[0]) else None


def is_driven(first: ast.stmt) -> bool:
    """Whether a statement is the first one of a ``for`` loop with a driver."""
    value = first.value if isinstance(first, ast.Assign) else None
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == STEPS


class ValuedOperating(Valued, Operating):
    """The rewriting of a function that may meet special methods of the user's classes."""


ANOTHER = frozenset({ROUTE, ITEM, STORE, OVER, ENTERED, OPERATE, READ, DIVIDED, EXACTLY})
"""What a staged form of a loop calls, and is another thing in the twin around it."""


class LoopOf(Staged):
    """The rewriting of one loop of a function for a staged twin."""

    def __init__(self, function: ast.FunctionDef, made: int) -> None:
        super().__init__()
        nodes = [n for s in function.body for n in own_nodes(s)]
        self._outer = {n for d in nodes if isinstance(d, ast.Global | ast.Nonlocal) for n in d.names}
        self._variables = set(assigned(function.body))
        self._reads = reads_of(function)
        self._count = 1000 * made  # drivers have names of their own
        self._depth = DRIVER * sum([isinstance(n, ast.For | ast.While | ast.With | ast.Try) for n in nodes])

    def statements(self, loop: ast.For) -> list[Any]:
        """What becomes of a loop of the function."""
        inner = [n for s in loop.body for n in own_nodes(s) if isinstance(n, ast.If | ast.For | ast.While)]
        self._at_risk = set(assigned(inner))
        found = self.visit(loop)
        made = found if isinstance(found, list) else [found]
        for s in made:
            for n in ast.walk(s):
                if isinstance(n, ast.Name) and n.id in ANOTHER:
                    n.id = in_long_loop(n.id)
        return made
