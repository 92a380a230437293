"""What a function reaches by name: the functions that may run when it is called, the places that they read, arrays.

A function leads to what its closure cells and the globals that it names hold: functions, partial functions, methods,
classes and their instances, tuples, lists and dicts of those, modules by their attributes. functad's own functions
(``grad(f)``) lead to what they close over. What belongs to NumPy, to the standard library or to an installed package
other than the function's own is taken to stay as it is.
"""

from __future__ import annotations

import functools
import re
import sys
import sysconfig
from collections.abc import Callable, Hashable, Iterable
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from functad.api.world.reads import Path, reads_of
from functad.caches import cached
from functad.core.foreign import is_foreign
from functad.core.location import is_internal
from functad.lower.entry.places import ABSENT, CellContent, DictItem, FunctionCode, Place

__all__ = ["Node", "Reach", "Source", "package_of", "package_of_class"]

FEW = 1000
"""Containers and objects of more items are not searched."""

MOST = 20_000
"""So many objects are looked at."""

_END = frozenset({
    *(int, float, complex, bool, str, bytes, type(None), type(ABSENT), range, slice, CodeType),
    *(BuiltinFunctionType, ModuleType, np.dtype, np.ufunc),
})  # fmt: skip
"""Types of what leads nowhere."""

_STANDARD_LIBRARY = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
_INSTALLED = re.compile(r".*[/\\](?:site|dist)-packages[/\\][^/\\]+")


class Source(NamedTuple):
    """A place, and for messages what it is called and a function that reads it."""

    place: Place
    name: str
    reader: str

    def __str__(self) -> str:
        if isinstance(self.place, DictItem):
            return f"the global {self.place.mapping.get('__name__', '?')}.{self.name}"
        if isinstance(self.place, CellContent):
            return f"the closed-over variable {self.name!r}"
        return f"{'the code of' if isinstance(self.place, FunctionCode) else 'the array'} {self.name}"


class Node:
    """Something that leads to functions: through places that are read by name, or by its parts."""

    __slots__ = ("parts", "places", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.places: list[tuple[Place, Node | None]] = []
        self.parts: list[Node] = []


class Reach:
    """All that some functions (or what holds functions) reach, otherwise than by way of others (``without``).

    Examples
    --------
    >>> rate, weights = 2.0, [np.ones(3)]
    >>> found = Reach(lambda x: rate * x @ weights[0])
    >>> [source.name for source in found.sources.values()], [a.shape for a in found.arrays]
    (['<lambda>', 'rate', 'weights'], [(3,)])
    """

    def __init__(self, *roots: Any, without: Iterable[Any] = ()) -> None:
        self._without = {id(part) for f in without for part in _and_function(f)}
        self.nodes: dict[int, Node] = {}
        self.arrays: list[np.ndarray] = []  # each once
        self.foreign: list[Any] = []  # arrays of other libraries
        self.sources: dict[Hashable, Source] = {}  # by the identity of the place
        self.values: dict[Hashable, Any] = {}  # what each of them held then
        self.written: set[Hashable] = set()  # identities of places that the functions themselves write to
        self._mentioned: set[str] = set()  # names that code reads, as globals or as attributes
        self._unmentioned: dict[str, list[tuple[Node, Any]]] = {}  # attributes that nothing has read so far, of what
        self._looked = 0
        self._todo: list[Node] = []
        self._home: str | None = None  # the installed package that the first function is of
        self.roots = [self._node(r) for r in roots]
        for node in self._todo:  # grows
            if self._looked < MOST:
                self._visit(node)

    def _node(self, value: Any) -> Node | None:
        if type(value) in _END or issubclass(type(value), np.generic) or id(value) in self._without:
            return None
        found = self.nodes.get(id(value))
        if found is None:
            found = self.nodes[id(value)] = Node(value)
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
        own = type(value) is not MethodType and not self._foreign(_file_of_class(value))
        for part in _parts(value, own):
            self._part(node, part)
        for name, attribute in _attributes(value, self._foreign) if own else ():
            if name in self._mentioned or name.startswith("__"):
                self._part(node, attribute)
            else:
                self._unmentioned.setdefault(name, []).append((node, attribute))

    def _part(self, node: Node, value: Any) -> None:
        self._looked += 1
        found = self._node(value)
        if found is not None:
            node.parts.append(found)

    def _foreign(self, filename: str) -> bool:
        """Whether code of this file is taken to stay as it is."""
        package = _package(filename)
        return package == "" or (package is not None and package != self._home)

    def _function(self, node: Node, f: FunctionType) -> None:
        code = f.__code__
        if self._home is None and _package(code.co_filename) != "":
            self._home = _package(code.co_filename) or "none"
        own = not self._foreign(code.co_filename)
        for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
            self._cell(node, cell, name, f if own else None)
        for default in (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()):
            self._part(node, default)
        if own:
            code_of = FunctionCode(f)
            self._meet(code_of.identity, Source(code_of, f.__qualname__, f.__qualname__))
            self._names(node, f)

    def _cell(self, node: Node, cell: CellType, name: str, reader: FunctionType | None) -> None:
        """Follow a closed-over variable; that of a function of somebody else's is not expected to change."""
        if reader is None:
            place = CellContent(cell)
            node.places.append((place, self._node(place.get())))
            return
        if id(cell) not in self.sources:
            self._meet(id(cell), Source(CellContent(cell), name, reader.__qualname__))
        node.places.append((self.sources[id(cell)].place, self._node(self.values[id(cell)])))

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
        for name in reads.names - self._mentioned:
            self._mentioned.add(name)
            for owner, attribute in self._unmentioned.pop(name, ()):
                self._part(owner, attribute)
        for name in reads.written:
            self.written.add(id(cells[name]) if name in cells else (id(f.__globals__), name))

    def _attributes(self, node: Node, value: Any, path: Path, f: FunctionType) -> None:
        """Follow attributes as long as they are those of modules."""
        for name in path[1:]:
            if type(value) is not ModuleType or self._foreign(_file_of(value)):
                return
            value = self._global(node, vars(value), name, f)

    def _global(self, node: Node, names: dict[str, Any], name: str, f: FunctionType) -> Any:
        identity = id(names), name
        if identity not in self.sources:
            self._meet(identity, Source(DictItem(names, name), name, f.__qualname__))
        value = self.values[identity]
        node.places.append((self.sources[identity].place, self._node(value)))
        return value

    def _meet(self, identity: Hashable, source: Source) -> None:
        self.sources[identity] = source
        self.values[identity] = source.place.get()


@cached(4096)
def _package(filename: str) -> str | None:
    """The installed package that a file belongs to; None for the user's own files, empty for what is never followed."""
    if not filename or filename.startswith("<frozen") or is_internal(filename):
        return ""
    found = _INSTALLED.match(filename)
    if found:
        return found.group()
    return "" if filename.startswith(_STANDARD_LIBRARY) else None


def package_of(f: Any) -> str | None:
    """The installed package that a function is of, as ``_package`` tells it."""
    while not isinstance(f, FunctionType):
        inner = getattr(f, "func", None) or getattr(f, "__func__", None) or getattr(f, "__wrapped__", None)
        if inner is None:
            return package_of_class(type(f))
        f = inner
    return _package(f.__code__.co_filename)


def package_of_class(cls: type) -> str | None:
    """The installed package that a class is of."""
    return _package(_file_of_class(cls))


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
    if cls in (tuple, list, set, frozenset):
        return list(value) if len(value) <= FEW else ()
    if cls is dict:
        return list(value.values()) if len(value) <= FEW else ()
    if cls in (staticmethod, classmethod):
        return (value.__func__,)
    if cls is property:
        return value.fget, value.fset
    if own or issubclass(cls, type):
        return ()
    # what wraps functions: functad's objects, cached functions
    return [v for v in list(_dict_of(value).values())[:FEW] if callable(v) or issubclass(type(v), tuple | np.ndarray)]


def _attributes(value: Any, foreign: Callable[[str], bool]) -> Iterable[tuple[str, Any]]:
    """The attributes of a class of the user's, or of an instance of one."""
    cls = type(value)
    if not issubclass(cls, type):
        held = [
            (k, v)
            for k, v in list(_dict_of(value).items())[:FEW]
            if callable(v) or issubclass(type(v), tuple | list | dict | np.ndarray)
        ]
        return ("__class__", cls), *held
    own = [base for base in value.__mro__ if not foreign(_file_of(sys.modules.get(base.__module__)))]
    return [pair for base in own for pair in list(vars(base).items())]


def _dict_of(value: Any) -> dict[str, Any]:
    """The dict of an object, as it is without a property of that name."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def _file_of_class(value: Any) -> str:
    """The file of a class, or of an object's class."""
    cls = value if issubclass(type(value), type) else type(value)
    return _file_of(sys.modules.get(cls.__module__))


def _file_of(module: Any) -> str:
    """The file of a module; empty for what Python is made of, and a name that is no file's for what has been typed
    in.
    """
    names = _dict_of(module)
    return names.get("__file__") or (
        "" if str(names.get("__name__", "")).partition(".")[0] in sys.stdlib_module_names else "<no file>"
    )
