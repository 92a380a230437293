"""Staged twins: Python's branches and loops on traced conditions.

They are used where a trace has no values (``jit``, bodies of loops) or has one for each element (``vmap``). Statements
become what their driver says (``branches.py``, ``loops.py``); expressions become calls:

    a if t else b         choose(t, lambda: a, lambda: b)
    p and q, not p        and_(p, lambda: q), not_(p)
    a < b < c             compare(a, (lt, lambda: b), (lt, lambda: c))

Jumps have become flags before (``jumps.py``); ``assert`` is an ``if`` that raises. What a driver cannot take (a
jump out of a ``try`` with handlers, ``del``) stays Python's.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from typing import Any

from functad.front.bindings import bound
from functad.front.catches import AGAIN, BLOCK
from functad.front.guarded import Guarded
from functad.front.jumps import STOP, structured
from functad.front.liveness import Reads, reads_of
from functad.front.names import assigned, own_nodes
from functad.front.operating import OPERATIONS
from functad.front.syntax import attribute, call, if_, is_lazy, later, name, parameters, placed, scope, set_to, text
from functad.front.vocabulary import (
    AND,
    BRANCH,
    BY_PYTHON,
    CHOOSE,
    COMPARE,
    DECIDED,
    EAGERLY,
    FAILED,
    IDENTIFIED,
    KNOWN,
    LISTED,
    LOOP,
    NOT,
    OR,
    OVER,
    RESULT,
    RETURNED,
    STEPS,
    UNBOUND,
    is_flag,
    is_result,
)

__all__ = ["Staged", "can_be_staged"]

DEEPEST = 20
"""So many blocks (loops, ``try``, ``with``) Python allows in one another."""

DRIVER = 2
"""The blocks that a driver is made of: a loop, and a ``try`` in it."""

HANDLER = 3
"""The blocks that the compiler makes of the handler of the innermost one."""

ITEM_OF_LIST = "_functad_item_of_list"

EAGER = frozenset({"sum", "list", "tuple", "sorted", "max", "min"})
"""Builtins that take all items of what they are given before they do anything that could be seen."""


def can_be_staged(node: ast.AST) -> bool:
    """Whether a function's control flow can be taken over: not that of generators and coroutines."""
    if isinstance(node, ast.AsyncFunctionDef):
        return False
    body = [node.body] if isinstance(node, ast.Lambda) else getattr(node, "body", [])
    kinds = (ast.Yield, ast.YieldFrom, ast.Await)
    return not any([isinstance(n, kinds) for part in body for n in own_nodes(part)])


class _Made(ast.Call):
    """A call that was made here."""


class Staged(Guarded):
    """The rewriting of a function."""

    def __init__(self) -> None:
        self._count = 0
        self._depth = 0  # blocks around
        self._outer: set[str] = set()  # names that are global or nonlocal
        self._reads = Reads([])
        self._at_risk: set[str] = set()  # names that a statement may leave without a value
        self._variables: set[str] = set()  # what the function assigns to

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        if not can_be_staged(node):
            return Guarded().visit(node)
        before = self._outer, self._at_risk, self._reads, self._depth, self._variables
        self._depth = 0
        node.body = bound(node)
        node.body = structured(node)
        nodes = [n for s in node.body for n in own_nodes(s)]
        self._outer = {n for d in nodes if isinstance(d, ast.Global | ast.Nonlocal) for n in d.names}
        self._variables = set(assigned(node.body))
        self._reads = reads_of(node)
        self._at_risk = self._at_risk | set(assigned([n for n in nodes if isinstance(n, ast.If | ast.For | ast.While)]))
        self._at_risk.add(RESULT)
        self.generic_visit(node)
        self._outer, self._at_risk, self._reads, self._depth, self._variables = before
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
        flag, unset = _flag_of(node.test)
        names = self._variables_of(node, flag)
        reason = self._reason([*node.body, *node.orelse], names)
        if reason is None and self._is_too_deep():
            return self._apart(node)
        mine = reason is None
        if mine and _raises(node.orelse) and not _raises(node.body):  # the branch that goes on is traced last
            test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)
            node = ast.copy_location(ast.If(test, node.orelse, node.body), node)
            unset = not unset
        self._inside(node, DRIVER if mine else 0)
        if reason is not None:
            node.test = call(KNOWN, [node.test, text(reason, node)], node.test)
            return node
        c = self._driver()
        side = ast.If(attribute(c, "side", node), node.body, node.orelse or [ast.Pass()])
        body = [*_restored_if(c, names, node), side, _expression(c, "leave", node)]
        loop = ast.While(_method(c, "more", node), [_tried(c, body, node)], [])
        after = ast.If(attribute(c, "staged", node), _restored(c, "result", names, node), [])
        given = [node.test, _names(names, node)]
        if is_flag(flag):
            given += [text(flag, node), ast.Constant(unset)]
        start = ast.Assign([name(c, node, ast.Store())], call(BRANCH, given, node))
        return [placed(s, node) for s in (start, loop, after)]

    def _variables_of(self, node: ast.If, flag: str | None) -> list[str]:
        """The variables that an ``if`` restores: what a jump may have led past has a value where its flag is not set.

        Behind the block of a ``try`` it may be read wherever the handlers do not jump or raise.
        """
        names = assigned([node])
        if not is_flag(flag):
            return names
        read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        more = self._variables if flag is not None and flag.startswith(FAILED) else self._variables & read
        return sorted({*names, *(more - self._outer)})

    def visit_Assert(self, node: ast.Assert) -> Any:
        if not __debug__:
            return self.generic_visit(node)
        said = [] if node.msg is None else [node.msg]
        error = ast.Call(ast.Name("AssertionError", ast.Load()), said, [])
        test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)
        raised = placed(ast.Raise(error, None), node)
        return self.visit(ast.copy_location(ast.If(test, [raised], []), node))

    def visit_While(self, node: ast.While) -> Any:
        names, own, stop = self._names_of(node)
        both = [*names, *own]
        reason = self._reason([*node.body, *node.orelse], both) or ("it has an else" if node.orelse else None)
        if reason is None and self._is_too_deep():
            return self._apart(node)
        self._inside(node, DRIVER if reason is None else 1)
        if stop is not None:
            node.test = self._and_not(stop, node.test)
        if reason is not None:
            node.test = call(KNOWN, [node.test, text(reason, node)], node.test)
            return node
        c = self._driver()
        test = ast.Call(attribute(c, "test", node), [node.test, scope(node)], [])
        step = [*_restored_if(c, both, node), *node.body, _expression(c, "leave", node)]
        body: list[ast.stmt] = [*_restored_if(c, both, node), ast.If(test, step, [])]
        loop = ast.While(_method(c, "more", node), [_tried(c, body, node)], [])
        after = ast.If(attribute(c, "staged", node), _restored(c, "result", both, node), [])
        given = [_names(names, node), _names(own, node), text(stop, node)]
        start = ast.Assign([name(c, node, ast.Store())], call(LOOP, given, node))
        return [placed(s, node) for s in (start, loop, after)]

    def _and_not(self, stop: str, test: ast.expr) -> ast.expr:
        """The condition of a loop that a jump may have ended."""
        on = self.visit(ast.UnaryOp(ast.Not(), name(stop, test)))
        if isinstance(test, ast.Constant) and test.value:
            return on  # type: ignore[no-any-return]
        return call(AND, [on, later(test)], test)

    def visit_For(self, node: ast.For) -> Any:
        names, own, stop = self._names_of(node)
        both = [*names, *own]
        reason = self._reason(node.body, both)
        if reason is not None or node.orelse:
            self._inside(node, 1)
            node.iter = call(BY_PYTHON, [call(OVER, [node.iter], node.iter)], node.iter)
            if stop is not None:
                known = call(KNOWN, [name(stop, node), text(reason, node)], node)
                node.body.append(placed(ast.If(known, [ast.Break()], []), node))
            return node
        if self._is_too_deep():
            return self._apart(node)
        c = self._driver()
        item = ast.copy_location(_Made(attribute(c, "item", node), [], []), node)
        block: list[ast.stmt] = [ast.copy_location(ast.Assign([node.target], item), node), *node.body]
        if stop is not None:  # steps that are made one by one are made where none before has ended the loop
            test = ast.copy_location(ast.UnaryOp(ast.Not(), name(stop, node)), node)
            block = [ast.copy_location(ast.If(test, block, []), node)]
        over = call(OVER, [self.visit(node.iter)], node.iter)
        step = self._inside(ast.Module(block, []), DRIVER).body  # type: ignore[attr-defined]
        body: list[ast.stmt] = [*_restored_if(c, both, node), *step, _expression(c, "leave", node)]
        loop = ast.While(_method(c, "more", node), [_tried(c, body, node)], [])
        after = ast.If(attribute(c, "restore", node), _restored(c, "result", both, node), [])
        start = ast.Assign(
            [name(c, node, ast.Store())],
            call(STEPS, [over, _names(names, node), _names(own, node), text(stop, node)], node),
        )
        return [placed(s, node) for s in (start, loop, after)]

    def visit__Made(self, node: ast.Call) -> ast.AST:
        return ast.copy_location(ast.Call(node.func, node.args, node.keywords), node)  # `ast.unparse` knows no others

    def _names_of(self, node: ast.For | ast.While) -> tuple[list[str], list[str], str | None]:
        """The names that a loop binds, those that go round and those of one step; and the flag that ends it."""
        names, own = self._reads.carried(node)
        stop = getattr(node, STOP, None)
        if stop in own:  # its driver reads it
            names, own = [*names, stop], [n for n in own if n != stop]
        return names, own, stop

    def _driver(self) -> str:
        self._count += 1
        return f"_functad_c{self._count}"

    def _reason(self, block: Sequence[ast.stmt], names: Sequence[str]) -> str | None:
        """Why a statement stays Python's, in words: its block may end otherwise than at its end; None: it does not."""
        outer = sorted(self._outer.intersection(names))
        if outer:
            return (
                f"it assigns to {', '.join(outer)}, which is global or nonlocal; assign to a variable of the function"
            )
        nodes = [n for s in block for n in own_nodes(s)]
        if any([getattr(n, "handlers", None) and not (hasattr(n, BLOCK) or hasattr(n, AGAIN)) for n in nodes]):
            return "it holds a try with handlers, and what raises is known at run time; test for it with an if"
        if any([isinstance(n, ast.Delete) for n in nodes]):
            return "it holds a del; leave that out"
        return "it jumps out of a try" if any([_jumps(s, False) for s in block]) else None

    def _is_too_deep(self) -> bool:
        return self._depth + DRIVER + HANDLER > DEEPEST

    def _apart(self, node: ast.If | ast.For | ast.While) -> list[ast.stmt]:
        """A statement as a function of its own, which may have as many blocks again; its variables are those of the
        function around.
        """
        self._count += 1
        function = f"_functad_deep{self._count}"
        before, self._depth = self._depth, 0
        made = self.visit(node)
        self._depth = before
        names = sorted(self._variables.intersection(assigned(made)))
        body: list[ast.stmt] = [ast.Nonlocal(names)] if names else []
        apart = ast.FunctionDef(function, parameters(()), [*body, *made], [])
        apart.type_params = []  # type: ignore[attr-defined]
        bound = [if_(ast.Constant(False), [set_to(n, ast.Constant(None), node) for n in names], node)] if names else []
        run = ast.Expr(ast.Call(ast.Name(function, ast.Load()), [], []))
        return [*bound, placed(apart, node), placed(run, node)]

    def _inside(self, node: ast.AST, blocks: int) -> ast.AST:
        """What is in a statement, rewritten."""
        self._depth += blocks
        try:
            return self.generic_visit(node)
        finally:
            self._depth -= blocks

    def visit_Try(self, node: ast.Try | ast.TryStar) -> ast.AST:
        self._depth += 2
        made = super().visit_Try(node)
        self._depth -= 2
        return made

    visit_TryStar = visit_Try

    def visit_With(self, node: ast.With) -> ast.AST:
        return self._inside(node, len(node.items))

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        super().visit_comprehension(node)
        reason = (
            "a comprehension takes items by it, and how many is known at run time; write sum([v if t else 0.0 for v in "
            "x]) or np.where"
        )
        node.ifs = [call(KNOWN, [t, text(reason, t)], t) for t in node.ifs]
        return node

    # -- expressions ---------------------------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == EAGERLY:
            return self.generic_visit(node)
        f, args = node.func, node.args
        if isinstance(f, ast.Name) and f.id in EAGER and args and isinstance(args[0], ast.GeneratorExp):
            inner = args[0]
            if _is_plain_comprehension(inner):
                parts = copy.deepcopy((inner.elt, inner.generators))
                at_once = ast.copy_location(ast.ListComp(*parts), inner)
                args[0] = call(EAGERLY, [copy.deepcopy(f), later(at_once), later(inner)], inner)
        chosen = [isinstance(x, ast.IfExp | ast.BoolOp) for x in node.args]
        super().visit_Call(node)
        node.args = [call(DECIDED, [x], x) if c else x for x, c in zip(node.args, chosen, strict=True)]
        return node

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        if not _is_plain_comprehension(node):
            return self._fresh(node)
        self.generic_visit(node)
        (only,) = node.generators
        item = name(ITEM_OF_LIST, node)
        only.iter, over = ast.copy_location(ast.Tuple([item], ast.Load()), node), only.iter
        parameter = ast.arguments([], [ast.arg(ITEM_OF_LIST)], None, [], [], None, [])
        value = ast.Subscript(node, ast.Constant(0), ast.Load())
        return call(LISTED, [over, ast.copy_location(ast.Lambda(parameter, value), node)], node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and node.id in self._at_risk:
            return call(RETURNED if is_result(node.id) else DECIDED, [node], node)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        if not is_lazy(node.body, node.orelse):
            return node
        return call(CHOOSE, [node.test, later(node.body), later(node.orelse)], node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        if not is_lazy(*node.values[1:]):
            return node
        first, *rest = node.values
        return call(AND if isinstance(node.op, ast.And) else OR, [first, *[later(v) for v in rest]], node)

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
            operands = node.left, *node.comparators
            seen = DECIDED if any([isinstance(x, ast.Constant) for x in operands]) else IDENTIFIED
            node.left, *node.comparators = [call(seen, [x], x) for x in operands]
        if not all([type(op) in OPERATIONS for op in node.ops]) or not is_lazy(*node.comparators):
            return node
        pairs = [
            ast.copy_location(ast.Tuple([ast.Constant(OPERATIONS[type(op)]), later(x)], ast.Load()), x)
            for op, x in zip(node.ops, node.comparators, strict=True)
        ]
        return call(COMPARE, [node.left, *pairs], node)


def _flag_of(test: ast.expr) -> tuple[str | None, bool]:
    """The variable that a condition is, and on which side it is not set."""
    unset = False
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, unset = test.operand, not unset
    return (test.id if isinstance(test, ast.Name) else None), unset


def _jumps(node: ast.AST, in_loop: bool) -> bool:
    """Whether a statement holds a way out: ``return``, a jump of a loop around it."""
    if isinstance(node, ast.Return):
        return True
    if isinstance(node, ast.Break | ast.Continue):
        return not in_loop
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return False
    if isinstance(node, ast.For | ast.While):
        return any([_jumps(s, True) for s in node.body]) or any([_jumps(s, in_loop) for s in node.orelse])
    return any([_jumps(child, in_loop) for child in ast.iter_child_nodes(node)])


def _raises(block: Sequence[ast.stmt]) -> bool:
    return bool(block) and isinstance(block[-1], ast.Raise)


def _is_plain_comprehension(node: ast.ListComp | ast.GeneratorExp) -> bool:
    """Whether a comprehension is a function of the items of one iterable, one after the other."""
    (first, *more) = node.generators
    return not more and not first.ifs and not first.is_async and is_lazy(node.elt, first.iter)


def _restored(driver: str, what: str, names: Sequence[str], place: ast.AST) -> list[ast.stmt]:
    """Assignments of variables from a driver; what it says is unbound is."""
    if not names:
        return [ast.Expr(ast.Call(attribute(driver, what, place), [], []))]
    targets = ast.Tuple([ast.Name(n, ast.Store()) for n in names], ast.Store())
    found: list[ast.stmt] = [ast.Assign([targets], ast.Call(attribute(driver, what, place), [], []))]
    for n in names:
        test = ast.Compare(ast.Name(n, ast.Load()), [ast.Is()], [ast.Name(UNBOUND, ast.Load())])
        found.append(ast.If(test, [ast.Delete([ast.Name(n, ast.Del())])], []))
    return found


def _restored_if(driver: str, names: Sequence[str], place: ast.AST) -> list[ast.stmt]:
    return [ast.If(attribute(driver, "restore", place), _restored(driver, "state", names, place), [])]


def _tried(driver: str, block: list[ast.stmt], place: ast.AST) -> ast.stmt:
    """A block whose driver is told when an exception leaves it, and says whether it has taken that."""
    taken = ast.Call(attribute(driver, "takes", place), [name("_functad_error", place)], [])
    again = ast.If(ast.UnaryOp(ast.Not(), taken), [ast.Raise(None, None)], [])
    return ast.Try(block, [ast.ExceptHandler(name("BaseException", place), "_functad_error", [again])], [], [])


def _method(driver: str, method: str, place: ast.AST) -> ast.expr:
    return ast.Call(attribute(driver, method, place), [scope(place)], [])


def _expression(driver: str, method: str, place: ast.AST) -> ast.stmt:
    return ast.Expr(_method(driver, method, place))


def _names(names: Sequence[str], place: ast.AST) -> ast.expr:
    return ast.Tuple([ast.Constant(n) for n in names], ast.Load())
