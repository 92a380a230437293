"""Containers as text: what a stored function takes and gives.

    structure = "*" | "None" | number | string                            a leaf; what is the same in all calls
              | "(" structure* ")" | "[" structure* "]" | "{" (key ": " structure)* "}"
              | name "(" (field "=" structure)* ")"                       a namedtuple
              | "dataclass " name "(" (field "=" structure)* ")"

All but the words stand between commas. A container is read as one whose leaves are ``...``. Classes are never looked up
by what a text says: a namedtuple is made of the names of its fields, a dataclass is one of those that the caller gives.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections import namedtuple
from collections.abc import Iterator, Mapping
from keyword import iskeyword
from typing import Any

import numpy as np

from functad.caches import cached
from functad.errors import StructureError, UnsupportedError
from functad.ir.occurrences import MOST_NESTED
from functad.ir.scalars import format_scalar, python_number
from functad.ir.scanner import Scanner
from functad.tree.containers import TreeDef, dataclass_fields, flatten, key_order

__all__ = ["LEAF", "classes_in", "read_structure", "structure_text"]

LEAF = ...
"""Stands for a leaf in a container."""

_PLAIN = (str, int, float, bool, type(None))


def structure_text(structure: TreeDef, static: Mapping[int, Any] | None = None, *, ordered: bool = False) -> str:
    """The text of a structure; ``static`` are the leaves that are the same in all calls, by their numbers. Keys of
    dicts are sorted, unless their order is asked for.

    Raises
    ------
    UnsupportedError
        Where it has containers of other kinds, or keys and constants that are no strings or numbers.
    """
    known = static or {}
    leaves = iter([known.get(i, LEAF) for i in range(structure.num_leaves)])
    return _text(structure, leaves, ordered)


def _text(structure: TreeDef, leaves: Any, ordered: bool) -> str:
    if structure.is_leaf():
        value = next(leaves)
        return "*" if value is LEAF else _constant(value)
    cls = structure.type
    parts = [_text(child, leaves, ordered) for child in structure.children()]
    if cls is type(None):
        return "None"
    if cls is dict:
        texts = dict(zip(structure.entries(), parts, strict=True))
        keys = key_order(structure) if ordered else structure.entries()
        return f"{{{', '.join([f'{_constant(k)}: {texts[k]}' for k in keys])}}}"
    if cls is tuple:
        return f"({', '.join(parts)})"
    if cls is list:
        return f"[{', '.join(parts)}]"
    if cls is not None and issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _named(cls.__name__, zip(cls._fields, parts, strict=True))
    fields = dataclass_fields(structure)
    if fields is None or not dataclasses.is_dataclass(cls):
        name = getattr(cls, "__name__", cls)
        raise UnsupportedError(
            f"export.serialize: there is a {name} among the arguments or results; of containers, dicts, lists, tuples, "
            "namedtuples, dataclasses and None can be stored: convert it"
        )
    children, others = fields
    constants = [(k, _constant(v)) for k, v in others.items()]
    return f"dataclass {_named(cls.__name__, [*zip(children, parts, strict=True), *constants])}"


def classes_in(structure: TreeDef) -> Iterator[type]:
    """The dataclasses and namedtuples in a structure."""
    if structure.is_leaf():
        return
    if structure.type not in (dict, list, tuple, type(None)):
        yield structure.type  # type: ignore[misc]
    for child in structure.children():
        yield from classes_in(child)


def _named(name: str, fields: Any) -> str:
    return f"{_word(name)}({', '.join([f'{_word(f)}={text}' for f, text in fields])})"


def _word(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else ascii(name)


def _constant(value: Any) -> str:
    """What is no leaf: a key, a constant."""
    if type(value) not in _PLAIN:
        raise UnsupportedError(
            f"export.serialize: {value!r} is a key of a dict, or constant, among the arguments or results; "
            "strings and numbers can be stored"
        )
    return format_scalar(np.float64(value)) if type(value) is float else ascii(value)


def read_structure(scanner: Scanner, classes: Mapping[str, type], depth: int = 0) -> Any:
    """The container that a text goes on with, its leaves ``...``."""
    if depth > MOST_NESTED:
        raise scanner.error(f"more than {MOST_NESTED} containers in one another")
    if scanner.at("*"):
        scanner.expect("*")
        return LEAF
    if scanner.at("(") or scanner.at("["):
        closing = ")" if scanner.at("(") else "]"
        parts = _parts(scanner, closing, lambda: read_structure(scanner, classes, depth + 1))
        return tuple(parts) if closing == ")" else parts
    if scanner.at("{"):
        items = _parts(scanner, "}", lambda: _pair(scanner, ":", _key(scanner), classes, depth))
        return _distinct(scanner, items)
    if scanner.at("dataclass"):
        scanner.expect("dataclass")
        name, fields = _fields(scanner, classes, depth)
        if name not in classes:
            raise scanner.error(f"the dataclass {name} is not among the classes that deserialize is given: classes=")
        return scanner.made(_instance, classes[name], fields)
    if scanner.kind in ("number", "string") or scanner.at("None"):
        return _key(scanner)
    name, fields = _fields(scanner, classes, depth)
    cls = classes.get(name)
    if cls is None or getattr(cls, "_fields", None) != tuple(fields):
        cls = scanner.made(_namedtuple, name, tuple(fields))
    return cls(*fields.values())


def _parts(scanner: Scanner, closing: str, read: Any) -> list[Any]:
    """What stands between commas, up to the sign that closes it."""
    scanner.advance()
    found = []
    while not scanner.at(closing):
        found.append(read())
        if not scanner.at(closing):
            scanner.expect(",")
    scanner.expect(closing)
    return found


def _key(scanner: Scanner) -> Any:
    if scanner.kind == "string":
        return scanner.string()
    if scanner.at("None"):
        scanner.expect("None")
        return None
    return scanner.made(python_number, scanner.take("number"))


def _pair(scanner: Scanner, sign: str, key: Any, classes: Mapping[str, type], depth: int) -> tuple[Any, Any]:
    scanner.expect(sign)
    return key, read_structure(scanner, classes, depth + 1)


def _distinct(scanner: Scanner, items: list[tuple[Any, Any]]) -> dict[Any, Any]:
    found = dict(items)
    if len(found) != len(items):
        raise scanner.error("a name or key is given twice")
    return found


def _fields(scanner: Scanner, classes: Mapping[str, type], depth: int) -> tuple[str, dict[str, Any]]:
    """A name, and fields by their names."""
    name = _name(scanner)
    if not scanner.at("("):
        raise scanner.error("expected a container")
    items = _parts(scanner, ")", lambda: _pair(scanner, "=", _name(scanner), classes, depth))
    return name, _distinct(scanner, items)


def _name(scanner: Scanner) -> str:
    name = scanner.string() if scanner.kind == "string" else scanner.take("word")
    if not name.isidentifier() or iskeyword(name) or unicodedata.normalize("NFKC", name) != name:
        raise scanner.error(f"{name!r} is no name of Python's")
    return name


@cached(256)
def _namedtuple(name: str, fields: tuple[str, ...]) -> type:
    return namedtuple(name, fields)  # type: ignore[return-value]


def _instance(cls: type, fields: Mapping[str, Any]) -> Any:
    """An object of a dataclass, by its fields, which its structure must have."""
    if {f.name for f in dataclasses.fields(cls)} != set(fields):
        raise StructureError(f"the dataclass {cls.__name__} has other fields than {', '.join(fields)}")
    made: Any = object.__new__(cls)
    for field, value in fields.items():
        object.__setattr__(made, field, value)
    if flatten(made)[1].type is not cls:
        raise StructureError(f"the dataclass {cls.__name__} is no container")
    return made
