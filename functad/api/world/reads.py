"""Which names a function's code reads: from its bytecode, for what only running it would tell costs as much as tracing
it.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

from functad.caches import on_clearing, remember

__all__ = ["Path", "Reads", "reads_of"]

Path = tuple[str, ...]
"""A name, and attributes that are read from it one after the other: ``("config", "rate")``."""


class Reads(NamedTuple):
    """The names that a code object reads from outside, those of the functions within it included, and those that it
    writes; each once.
    """

    globals: tuple[Path, ...]
    attributes: tuple[Path, ...]  # of free variables; that the variables themselves are read goes without saying
    written: frozenset[str]  # globals and free variables
    names: frozenset[str]  # all that are read from outside or from an object
    stored: frozenset[str]  # attributes that are assigned to
    changed: frozenset[str]  # those that are, otherwise than by what makes an object, of the new object
    stores_items: bool  # whether it assigns to items, or calls what changes a container


_OPCODES = {op: name for name, op in dis.opmap.items()}
_GLOBALS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_FREE = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_WRITES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_WRITES_FREE = frozenset({"STORE_DEREF", "DELETE_DEREF"})
_STORES = frozenset({"STORE_ATTR", "DELETE_ATTR"})
_STORES_ITEMS = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"})
_CHANGING = frozenset({
    *("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "reverse"),
    *("setdefault", "sort", "update", "setattr", "delattr", "__dict__", "vars", "exec", "eval"),
})  # fmt: skip
"""Names of what changes containers and objects."""

_MAKING = frozenset({"__init__", "__new__", "__post_init__", "__setstate__"})
_SILENT = frozenset({"CACHE", "PUSH_NULL", "NOP", "NOT_TAKEN"})  # do not come between a name and its attribute
_SHIFTED = frozenset(
    {"LOAD_GLOBAL"} | ({"LOAD_ATTR"} if sys.version_info >= (3, 12) else set())
)  # the lowest bit says something else

_found: dict[CodeType, Reads] = {}
on_clearing(_found.clear)


def reads_of(code: CodeType) -> Reads:
    """What a code object reads; worked out once."""
    found = _found.get(code)
    if found is None:
        found = remember(_found, code, _scan(code), times=4)  # a notebook makes new ones for ever
    return found


def _scan(code: CodeType) -> Reads:
    free = frozenset(code.co_freevars)
    globals_read: dict[Path, None] = {}  # in order, so that all that follows from it is the same in each process
    attributes: dict[Path, None] = {}
    written: set[str] = set()
    names = set(code.co_names)
    stored: set[str] = set()
    changed: set[str] = set()
    stores_items = not _CHANGING.isdisjoint(code.co_names)
    path: Path = ()
    into = globals_read
    for name, argument in _instructions(code):
        if name in _SILENT:
            continue
        if path and name in _ATTRIBUTES:
            path = (*path, argument)
            continue
        if path:
            into[path] = None
            path = ()
        if name in _GLOBALS:
            path, into = (argument,), globals_read
        elif name in _FREE and argument in free:
            path, into = (argument,), attributes
        elif name in _WRITES or (name in _WRITES_FREE and argument in free):
            written.add(argument)
        elif name in _STORES:
            stored.add(argument)
        elif name in _STORES_ITEMS:
            stores_items = True
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = reads_of(constant)
            globals_read |= dict.fromkeys(inner.globals)
            attributes |= dict.fromkeys([p for p in inner.attributes if p[0] in free])
            names |= inner.names
            written |= {n for n in inner.written if n in free or n not in constant.co_freevars}
            stored |= inner.stored
            changed |= inner.changed
            stores_items = stores_items or inner.stores_items
    of_free = tuple([p for p in attributes if len(p) > 1])
    changed = set() if code.co_name in _MAKING else stored | changed
    return Reads(
        tuple(globals_read),
        of_free,
        frozenset(written),
        frozenset(names),
        frozenset(stored),
        frozenset(changed),
        stores_items,
    )


def _instructions(code: CodeType) -> Iterator[tuple[str, str]]:
    """The instructions as (name, the name that is the argument, if it is one)."""
    extended = 0
    raw = code.co_code
    for op, low in zip(raw[::2], raw[1::2], strict=True):
        argument = extended | low
        name = _OPCODES.get(op, "")
        if name == "EXTENDED_ARG":
            extended = argument << 8
            continue
        extended = 0
        if name in _FREE or name in _WRITES_FREE:
            yield name, code._varname_from_oparg(argument)  # type: ignore[attr-defined]
        elif name in _GLOBALS or name in _ATTRIBUTES or name in _WRITES or name in _STORES:
            yield name, code.co_names[argument >> 1 if name in _SHIFTED else argument]
        else:
            yield name, ""
