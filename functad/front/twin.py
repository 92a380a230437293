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
import enum
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from functad.errors import StructureError
from functad.front.classes import may_meet_special_methods

if TYPE_CHECKING:
    from functad.front.definitions import Definition

__all__ = ["Kind", "Twin", "is_twin_code", "source", "twin_of"]


class Kind(enum.IntEnum):
    """How much of a function a twin rewrites: calls and elements; operators and attributes, too; control flow, too."""

    PLAIN, OPERATING, STAGED = range(3)


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
_made: dict[int, tuple[weakref.ref[CodeType], Kind]] = {}  # the code of twins

Cells = Callable[[Kind], dict[str, CellType]]


def is_twin_code(code: CodeType) -> bool:
    """Whether code is that of a twin, or of a function that was defined in one."""
    return id(code) in _made


def twin_of(f: FunctionType, cells: Cells, staged: bool = False) -> Twin | None:
    """The twin of a function; None where there is no source, or where it is one already.

    ``cells`` gives those of the names that a twin of some kind closes over besides; a ``staged`` one has Python's
    control flow rewritten, too.
    """
    code = f.__code__
    key = id(code), staged
    known = _twins.get(key)
    if known is None:
        # the table by a default: globals go first at exit
        gone = weakref.ref(code, lambda _, twins=_twins: twins.pop(key, None))  # type: ignore[misc]
        known = _twins[key] = gone, _find(code, f, cells, staged)
    return known[1]


def _find(code: CodeType, f: FunctionType, cells: Cells, staged: bool) -> Twin | None:
    before = _made.get(id(code))
    if before is not None and (before[1] is Kind.STAGED or not staged):
        return None
    from functad.front.definitions import definition  # what rewrites functions is imported with the first one

    # a function that was defined in a plain twin has the place of its definition, but not the code
    found = definition(code, f.__globals__, trusted=before is not None)
    if found is None:
        return None
    kind = _kind(f, staged)
    return _make(found, code, cells(kind), kind)


def _kind(f: FunctionType, staged: bool) -> Kind:
    return Kind.STAGED if staged else Kind.OPERATING if may_meet_special_methods(f) else Kind.PLAIN


def _make(found: Definition, code: CodeType, own: dict[str, CellType], kind: Kind) -> Twin | None:
    try:
        made = replace(found, node=_rewritten(found, kind)).compile(code, tuple(own))
    except RecursionError:  # an expression as deep as no one writes by hand: it runs as it is
        return None
    if made is None:
        return None
    made = _named(made, made.co_qualname, code.co_qualname)
    _note(made, kind)
    number = {name: i for i, name in enumerate(code.co_freevars)}
    return Twin(made, tuple([own.get(name) or number[name] for name in made.co_freevars]))


def _rewritten(found: Definition, kind: Kind) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda:
    """The tree of the twin."""
    from functad.front.number_checks import Numbers
    from functad.front.staged import Staged
    from functad.front.valued import Valued, ValuedOperating

    rewriting = {Kind.PLAIN: Valued, Kind.OPERATING: ValuedOperating, Kind.STAGED: Staged}[kind]
    tree = rewriting().visit(Numbers().visit(copy.deepcopy(found.node)))
    return ast.fix_missing_locations(tree)  # type: ignore[no-any-return]


def source(f: Callable[..., Any], staged: bool = True) -> str:
    """The twin of a function as text: what runs in its place while it is traced.

    Parameters
    ----------
    f
        A Python function.
    staged
        The twin for traces without values, of ``jit`` and ``vmap``, in which control flow is rewritten, too; else that
        for derivatives without ``jit``.

    Raises
    ------
    StructureError
        Where the function has no source that is its own.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> def f(n):
    ...     y = np.zeros(n)
    ...     return y if n else n
    >>> print(fd.front.source(f, staged=False))
    def f(n):
        y = _functad_route(np.zeros)(n)
        return y if n else n
    >>> print(fd.front.source(f).splitlines()[-1])
        return _functad_choose(n, lambda: y, lambda: n)
    """
    from functad.front.definitions import definition

    found = definition(f.__code__, f.__globals__) if isinstance(f, FunctionType) else None
    if found is None:
        raise StructureError(
            f"there is no source of {f!r}: it is no Python function, or its file is not the one that runs"
        )
    assert isinstance(f, FunctionType)
    return ast.unparse(_rewritten(found, _kind(f, staged)))


def _note(code: CodeType, kind: Kind) -> None:
    number = id(code)
    _made[number] = weakref.ref(code, lambda _, made=_made: made.pop(number, None)), kind  # type: ignore[misc]
    for c in code.co_consts:
        if isinstance(c, CodeType):
            _note(c, kind)


def _named(code: CodeType, old: str, new: str) -> CodeType:
    """The code, and the functions in it, named as those of the original are."""
    consts = tuple([_named(c, old, new) if isinstance(c, CodeType) else c for c in code.co_consts])
    name = new + code.co_qualname[len(old) :] if code.co_qualname.startswith(old) else code.co_qualname
    return code.replace(co_qualname=name, co_consts=consts)
