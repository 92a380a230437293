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

from functad.front.routed import Routed
from functad.front.source import Definition, definition
from functad.front.staged import Staged

__all__ = ["Twin", "is_twin_code", "twin_of"]


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


_twins: dict[tuple[int, bool], tuple[weakref.ref[CodeType], Twin | None]] = {}
_made: dict[int, tuple[weakref.ref[CodeType], bool]] = {}  # the code of twins, and whether it is staged


def is_twin_code(code: CodeType) -> bool:
    """Whether code is that of a twin, or of a function that was defined in one."""
    return id(code) in _made


def twin_of(f: FunctionType, own: dict[str, CellType], staged: bool = False) -> Twin | None:
    """The twin of a function; None where there is no source, or where it is one already.

    ``own`` are the cells of the names that the twin closes over besides; a ``staged`` one has Python's control flow
    rewritten, too.
    """
    code = f.__code__
    key = id(code), staged
    known = _twins.get(key)
    if known is None:
        known = _twins[key] = weakref.ref(code, lambda _, kept=_twins: kept.pop(key, None)), _find(code, f, own, staged)  # type: ignore[misc]
    return known[1]


def _find(code: CodeType, f: FunctionType, own: dict[str, CellType], staged: bool) -> Twin | None:
    before = _made.get(id(code))
    if before is not None and (before[1] or not staged):
        return None
    # a function that was defined in a plain twin has the place of its definition, but not the code
    found = definition(code, f.__globals__, trusted=before is not None)
    return None if found is None else _make(found, code, own, staged)


def _make(found: Definition, code: CodeType, own: dict[str, CellType], staged: bool) -> Twin | None:
    try:
        tree = (Staged() if staged else Routed()).visit(copy.deepcopy(found.node))
        made = replace(found, node=ast.fix_missing_locations(tree)).compile(code, tuple(own))
    except RecursionError:  # an expression as deep as no one writes by hand: it runs as it is
        return None
    if made is None:
        return None
    made = _named(made, made.co_qualname, code.co_qualname)
    _note(made, staged)
    number = {name: i for i, name in enumerate(code.co_freevars)}
    return Twin(made, tuple([own.get(name) or number[name] for name in made.co_freevars]))


def _note(code: CodeType, staged: bool) -> None:
    number = id(code)
    _made[number] = weakref.ref(code, lambda _, kept=_made: kept.pop(number, None)), staged  # type: ignore[misc]
    for c in code.co_consts:
        if isinstance(c, CodeType):
            _note(c, staged)


def _named(code: CodeType, old: str, new: str) -> CodeType:
    """The code, and the functions in it, named as those of the original are."""
    consts = tuple([_named(c, old, new) if isinstance(c, CodeType) else c for c in code.co_consts])
    name = new + code.co_qualname[len(old) :] if code.co_qualname.startswith(old) else code.co_qualname
    return code.replace(co_qualname=name, co_consts=consts)
