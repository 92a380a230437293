"""What a function reaches by name: the functions that may run when it is called, the places that they read, arrays.

A function leads to what its closure cells and the globals that it names hold: functions, partial functions, methods,
classes and their instances, tuples, lists and dicts of those, modules by their attributes. Of an object those
attributes are looked at that some code names, of whatever object; of a list or dict all items. functad's own functions
(``grad(f)``) lead to what they close over. What belongs to NumPy, to the standard library or to an installed package
other than the function's own is taken to stay as it is.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Hashable, Iterable
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any, NamedTuple

import numpy as np

from functad.api.world.reads import Path, reads_of
from functad.api.world.whose import NO_DICT, dict_of, file_of, file_of_class, package_of_file
from functad.core.foreign import is_foreign, is_sparse
from functad.lower.entry.places import ABSENT, CellContent, DictItem, FunctionCode, Length, ListItem, Place, Slot

__all__ = ["Node", "Reach", "Source"]

FEW = 1000
"""Containers and objects of more items are not searched."""

MOST = 20_000
"""So many objects are looked at."""

_END = frozenset({
    *(int, float, complex, bool, str, bytes, type(None), type(ABSENT), range, slice, CodeType),
    *(BuiltinFunctionType, ModuleType, np.dtype, np.ufunc),
})  # fmt: skip
"""Types of what leads nowhere."""

_DYNAMIC = frozenset({
    *("getattr", "hasattr", "vars", "__dict__", "__getattr__", "__getattribute__", "attrgetter", "AttributeError"),
    *("Exception", "suppress"),
})  # fmt: skip
"""Names of what reads attributes whose names cannot be told, or finds that there are none."""


class Source(NamedTuple):
    """A place, and for messages what it is called, a function that reads it, and what it is, with a place for what
    it is called.
    """

    place: Place
    name: str
    reader: str
    kind: str

    def __str__(self) -> str:
        return self.kind.format(self.name)


class Node:
    """Something that leads to functions: through places that are read by name, or by its parts."""

    __slots__ = ("name", "parts", "places", "reader", "value")

    def __init__(self, value: Any, name: str, reader: str) -> None:
        self.value = value
        self.name = name  # by which it was first found
        self.reader = reader
        self.places: list[tuple[Place, Node | None]] = []
        self.parts: list[Node] = []


class Reach:
    """All that some functions (or what holds functions) reach, otherwise than by way of others (``without``).

    Examples
    --------
    >>> rate, weights = 2.0, [np.ones(3)]
    >>> found = Reach(lambda x: rate * x @ weights[0])
    >>> [source.name for source in found.sources.values()], [a.shape for a in found.arrays]
    (['<lambda>', 'rate', 'weights', 'weights', 'weights[0]'], [(3,)])
    """

    def __init__(self, *roots: Any, without: Iterable[Any] = ()) -> None:
        self._without = {id(part) for f in without for part in _and_function(f)}
        self.nodes: dict[int, Node] = {}
        self.arrays: list[np.ndarray] = []  # each once
        self.foreign: list[Any] = []  # arrays of other libraries
        self.sources: dict[Hashable, Source] = {}  # by the identity of the place
        self.values: dict[Hashable, Any] = {}  # what each of them held then
        self.written: set[Hashable] = set()  # identities of places that the functions themselves write to
        self.remade: set[Hashable] = set()  # those of attributes that only what makes an object writes to
        self.items: set[Hashable] = set()  # those of places in lists and dicts
        self.stores_items = False  # whether some function may write to such places
        self._mentioned: dict[str, str] = {}  # names that code reads, as globals or as attributes, and a reader
        self._unmentioned: dict[str, list[Callable[[str], None]]] = {}  # attributes that nothing has read so far
        self._objects: list[tuple[Node, dict[str, Any], set[str]]] = []  # with their names, and those looked for
        self._stored: set[str] = set()  # attributes that are assigned to
        self._changed: set[str] = set()
        self._looked = 0
        self._todo: list[Node] = []
        self._home: str | None = None  # the installed package that the first function is of
        self.roots = [self._node(r, type(r).__name__, "") for r in roots]
        for node in self._todo:  # grows
            if self._looked < MOST:
                self._visit(node)
        self._look_for_absent()
        for identity, source in self.sources.items():
            if source.kind == _ATTRIBUTE:
                name = source.name.rpartition(".")[2]
                self.sources[identity] = source._replace(reader=self._mentioned.get(name, ""))
                if name in self._stored:
                    (self.written if name in self._changed else self.remade).add(identity)

    def _node(self, value: Any, name: str, reader: str) -> Node | None:
        if type(value) in _END or issubclass(type(value), np.generic) or id(value) in self._without:
            return None
        found = self.nodes.get(id(value))
        if found is None:
            found = self.nodes[id(value)] = Node(value, name, reader)
            self._todo.append(found)
        return found

    def _visit(self, node: Node) -> None:
        value = node.value
        if type(value) is FunctionType:
            self._function(node, value)
            return
        if issubclass(type(value), np.ndarray):
            self.arrays.append(value)
            return
        if is_foreign(type(value)):
            self.foreign.append(value)
            return
        if is_sparse(type(value)):
            self._sparse(node, value)
            return
        if issubclass(type(value), list | dict):
            self._items(node, value)
        own = type(value) is not MethodType and not self._foreign(file_of_class(value))
        for part in _parts(value, own):
            self._part(node, part)
        if issubclass(type(value), type):
            if own:
                self._class(node, value)
        elif own or type(value) is SimpleNamespace:
            self._object(node, value)

    def _items(self, node: Node, value: Any) -> None:
        """Follow the items of a list or dict."""
        size = (list if isinstance(value, list) else dict).__len__(value)
        if size > FEW:
            return
        places: list[tuple[Any, Place]]
        if isinstance(value, list):
            places = [(i, ListItem(value, i)) for i in range(size)]
        else:
            places = [(k, DictItem(value, k)) for k in list(dict.keys(value))]
        length = Length(value)
        self.items.add(length.identity)
        self._place(node, length, node.name, node.reader, "the length of {}")
        for key, place in places:
            self.items.add(place.identity)
            self._place(node, place, f"{node.name}[{key!r}]", node.reader, "the item {}")

    def _sparse(self, node: Node, value: Any) -> None:
        """Follow the attributes of a sparse matrix that are its arrays, which SciPy reads."""
        names = dict_of(value)
        for name in list(names):
            if isinstance(names[name], np.ndarray | tuple):
                self._place(node, DictItem(names, name), f"{node.name}.{name}", node.reader, _ATTRIBUTE)

    def _object(self, node: Node, value: Any) -> None:
        """Follow the attributes of an object that code names, by whatever object it reads them of."""
        cls = type(value)
        self._part(node, cls)
        names = dict_of(value)
        looked_for: set[str] = set()
        self._objects.append((node, names, looked_for))

        def read(name: str) -> None:
            if name not in looked_for:
                looked_for.add(name)
                self._place(node, DictItem(names, name), f"{cls.__name__}.{name}", "", _ATTRIBUTE)

        def slot(descriptor: Any) -> Callable[[str], None]:
            return lambda name: self._place(node, Slot(value, descriptor), f"{cls.__name__}.{name}", "", _ATTRIBUTE)

        if len(names) <= FEW:
            for name in list(names):
                self._when_mentioned(name, read)
        for base in cls.__mro__:
            for name, attribute in list(vars(base).items()):
                if type(attribute) is MemberDescriptorType and not self._foreign(file_of_class(base)):
                    self._when_mentioned(name, slot(attribute))
                elif names is not NO_DICT and not name.startswith("__"):
                    self._when_mentioned(name, read)  # which one of the object's own would hide

    def _class(self, node: Node, cls: Any) -> None:
        """Follow the attributes of a class that code names, those that Python itself looks for, and those that hide
        others.
        """
        own = [base for base in cls.__mro__ if not self._foreign(file_of_class(base))]
        spaces = [_names_of_class(base) for base in own]
        for name in dict.fromkeys([n for names in spaces for n in names]):

            def read(name: str) -> None:
                for names in spaces:
                    self._place(node, DictItem(names, name), f"{cls.__name__}.{name}", "", _ATTRIBUTE)

            if name.startswith("__"):
                for names in spaces:
                    if type(names.get(name)) in _METHODS:
                        self._place(node, DictItem(names, name), f"{cls.__name__}.{name}", "", _ATTRIBUTE)
                    elif name in names:
                        self._part(node, names[name])
            else:
                self._when_mentioned(name, read)

    def _when_mentioned(self, name: str, read: Callable[[str], None]) -> None:
        """Follow an attribute now if code names it, or as soon as some does."""
        if name in self._mentioned:
            read(name)
        else:
            self._unmentioned.setdefault(name, []).append(read)

    def may_write(self, identity: Hashable) -> bool:
        """Whether the functions themselves may write to a place."""
        if identity in self.items:
            return self.stores_items
        return identity in self.written or identity in self.remade

    def _look_for_absent(self) -> None:
        """Note that objects lack attributes, where code can tell; and all attributes, where it may read any."""
        if _DYNAMIC.isdisjoint(self._mentioned):
            return
        every = not {"getattr", "vars", "__dict__", "attrgetter"}.isdisjoint(self._mentioned)
        for node, names, looked_for in self._objects:
            wanted = {*self._mentioned, *(names if every and len(names) <= FEW else ())}
            if every and names is not NO_DICT:
                self._place(node, Length(names), f"attributes of a {node.name}", node.reader, "the number of {}")
            for name in sorted(wanted - looked_for) if names is not NO_DICT else ():
                place = DictItem(names, name)
                self._place(node, place, f"{type(node.value).__name__}.{name}", node.reader, _ATTRIBUTE)

    def _part(self, node: Node, value: Any) -> None:
        self._looked += 1
        found = self._node(value, node.name, node.reader)
        if found is not None:
            node.parts.append(found)

    def _place(self, node: Node, place: Place, name: str, reader: str, kind: str) -> Any:
        """Follow a place; returns what it holds."""
        self._looked += 1
        identity = place.identity
        if identity not in self.sources:
            self.sources[identity] = Source(place, name, reader, kind)
            self.values[identity] = place.get()
        value = self.values[identity]
        node.places.append((self.sources[identity].place, self._node(value, name, reader)))
        return value

    def _foreign(self, filename: str) -> bool:
        """Whether code of this file is taken to stay as it is."""
        package = package_of_file(filename)
        return package == "" or (package is not None and package != self._home)

    def _function(self, node: Node, f: FunctionType) -> None:
        code = f.__code__
        if self._home is None and package_of_file(code.co_filename) != "":
            self._home = package_of_file(code.co_filename) or "none"
        own = not self._foreign(code.co_filename)
        for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
            self._cell(node, cell, name, f if own else None)
        for default in (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()):
            self._part(node, default)
        if own:
            self._place(node, FunctionCode(f), f.__qualname__, f.__qualname__, "the code of {}")
            self._names(node, f)

    def _cell(self, node: Node, cell: CellType, name: str, reader: FunctionType | None) -> None:
        """Follow a closed-over variable; that of a function of somebody else's is not expected to change."""
        if reader is None:
            place = CellContent(cell)
            node.places.append((place, self._node(place.get(), name, "")))
            return
        self._place(node, CellContent(cell), name, reader.__qualname__, "the closed-over variable {!r}")

    def _names(self, node: Node, f: FunctionType) -> None:
        """Follow the names that a function's code reads."""
        reads = reads_of(f.__code__)
        cells = dict(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True))
        for path in reads.globals:
            value = self._global(node, f.__globals__, path[0], f)
            if type(value) is ModuleType:
                self._attributes(node, value, path, f)
        for path in reads.attributes:
            self._attributes(node, CellContent(cells[path[0]]).get(), path, f)
        for name in reads.names:
            if self._mentioned.get(name, "__init__").endswith("__init__"):  # which others do is of more interest
                self._mentioned[name] = f.__qualname__
            for read in self._unmentioned.pop(name, ()):
                read(name)
        self._stored |= reads.stored
        self._changed |= reads.changed
        self.stores_items = self.stores_items or reads.stores_items
        for name in reads.written:
            self.written.add(id(cells[name]) if name in cells else (id(f.__globals__), name))

    def _attributes(self, node: Node, value: Any, path: Path, f: FunctionType) -> None:
        """Follow attributes as long as they are those of modules."""
        for name in path[1:]:
            if type(value) is not ModuleType or self._foreign(file_of(value)):
                return
            value = self._global(node, vars(value), name, f)

    def _global(self, node: Node, names: dict[str, Any], name: str, f: FunctionType) -> Any:
        kind = f"the global {names.get('__name__', '?')}.{{}}"
        return self._place(node, DictItem(names, name), name, f.__qualname__, kind)


def _and_function(f: Any) -> Iterable[Any]:
    """A function, and the function in a method or a partial function."""
    yield f
    if type(f) is MethodType:
        yield from _and_function(f.__func__)
    elif type(f) is functools.partial:
        yield from _and_function(f.func)


def _parts(value: Any, own: bool) -> Iterable[Any]:
    """What something that is no function leads to; found without running code of the object's own."""
    cls = type(value)
    if cls is MethodType:
        return value.__func__, value.__self__
    if cls is functools.partial:
        return value.func, *value.args, *value.keywords.values()
    if cls in (tuple, set, frozenset):
        return list(value) if len(value) <= FEW else ()
    if cls in (staticmethod, classmethod):
        return (value.__func__,)
    if cls is property:
        return value.fget, value.fset
    if own or issubclass(cls, type):
        return ()
    # what wraps functions: functad's objects, cached functions
    return [v for v in list(dict_of(value).values())[:FEW] if callable(v) or issubclass(type(v), tuple | np.ndarray)]


_ATTRIBUTE = "the attribute {}"

_METHODS = frozenset({FunctionType, property, staticmethod, classmethod})


def _names_of_class(cls: type) -> dict[str, Any]:
    """The attributes of a class: the dict behind what ``vars`` shows."""
    found = gc.get_referents(vars(cls))[0]
    return found if type(found) is dict else dict(vars(cls))
