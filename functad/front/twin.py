"""Twins: a user's function compiled once more, with each call and each read of an element going by way of functad.

    y = np.zeros(n)          y = route(np.zeros)(n)
    y[i] = table[k]          store(item(table, k), y, i)

A twin has the original's file, lines, globals, defaults and closed-over variables; only the names ``route``, ``item``
and ``store`` are closed over besides, under names that no user writes. The function called is replaced before its
arguments are evaluated, so that no frame of functad's stands between the user's functions.

Twins are kept by code object: a function that is made anew at each call of another has one.
"""

from __future__ import annotations

import ast
import copy
import weakref
from dataclasses import dataclass, replace
from types import CellType, CodeType, FunctionType
from typing import Any

from functad.front.source import definition

__all__ = ["Twin", "is_twin", "twin_of"]

ROUTE, ITEM, STORE, SLICE = "_functad_route", "_functad_item", "_functad_store", "_functad_slice"

FRAME_READERS = frozenset({"super", "locals", "globals", "vars", "dir", "eval", "exec", "breakpoint"})
"""Builtins that look at the frame that calls them, by the name by which the compiler, too, knows ``super``."""


@dataclass(frozen=True)
class Twin:
    """The twin's code, and for each variable that it closes over the number of the original's cell, or one of ours."""

    code: CodeType
    cells: tuple[int | CellType, ...]

    def function(self, f: FunctionType) -> FunctionType:
        """The twin of a function: as it is now, since its defaults may have been assigned to."""
        closure = f.__closure__ or ()
        cells = tuple([closure[c] if type(c) is int else c for c in self.cells])
        twin = FunctionType(self.code, f.__globals__, f.__name__, f.__defaults__, cells)  # type: ignore[arg-type]
        twin.__kwdefaults__ = f.__kwdefaults__
        return twin


def is_twin(f: FunctionType) -> bool:
    """Whether a function is a twin, or was defined in one."""
    return ROUTE in f.__code__.co_freevars


_twins: dict[int, tuple[weakref.ref[CodeType], Twin | None]] = {}


def twin_of(f: FunctionType, own: dict[str, CellType]) -> Twin | None:
    """The twin of a function; None where there is no source, or where it is one already.

    ``own`` are the cells of the names that the twin closes over besides.
    """
    code = f.__code__
    known = _twins.get(id(code))
    if known is None:
        made = None if is_twin(f) else _make(code, f.__globals__, own)
        number = id(code)
        known = _twins[number] = weakref.ref(code, lambda _: _twins.pop(number, None)), made  # type: ignore[misc]
    return known[1]


def _make(code: CodeType, names: dict[str, Any], own: dict[str, CellType]) -> Twin | None:
    found = definition(code, names)
    if found is None:
        return None
    tree = _Routed().visit(copy.deepcopy(found.node))
    made = replace(found, node=ast.fix_missing_locations(tree)).compile(code, tuple(own))
    if made is None:
        return None
    made = _named(made, made.co_qualname, code.co_qualname)
    number = {name: i for i, name in enumerate(code.co_freevars)}
    return Twin(made, tuple([own.get(name) or number[name] for name in made.co_freevars]))


def _named(code: CodeType, old: str, new: str) -> CodeType:
    """The code, and the functions in it, named as those of the original are."""
    consts = tuple([_named(c, old, new) if isinstance(c, CodeType) else c for c in code.co_consts])
    name = new + code.co_qualname[len(old) :] if code.co_qualname.startswith(old) else code.co_qualname
    return code.replace(co_qualname=name, co_consts=consts)


class _Routed(ast.NodeTransformer):
    """The rewriting; what it makes has the position of what it stands for, for tracebacks and locations."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in FRAME_READERS:
            return node
        node.func = _call(ROUTE, [node.func], node.func)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        return _call(ITEM, [node.value, _index(node.slice)], node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Subscript):
            return node
        stored = _call(STORE, [node.value, target.value, _index(target.slice)], target)
        return ast.copy_location(ast.Expr(stored), node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node  # its annotation is for readers


def _call(name: str, args: list[ast.expr], place: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Call(ast.copy_location(ast.Name(name, ast.Load()), place), args, []), place)


def _index(node: ast.expr) -> ast.expr:
    """What stands between brackets, as an expression that can stand anywhere."""
    if isinstance(node, ast.Tuple):
        node.elts = [_index(e) for e in node.elts]
    if isinstance(node, ast.Slice):
        parts = [p or ast.copy_location(ast.Constant(None), node) for p in (node.lower, node.upper, node.step)]
        return _call(SLICE, parts, node)
    return node
