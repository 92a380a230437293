"""Functions that read other values where the user's read closure cells and globals: what makes a number an operand of a
Program.

The user's cells and modules stay as they are, since other threads read them. Every function on the way from the one
that is traced to one that reads the place is made anew, with cells of its own and a copy of its module's names.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from types import CellType, FunctionType, MemberDescriptorType, MethodType, ModuleType, SimpleNamespace
from typing import Any

from functad.api.rebuild import Rebuilder
from functad.api.world.reach import Node, Reach
from functad.core.trace import type_name
from functad.core.wrapping import Wrapper
from functad.errors import FunctadError
from functad.lower.entry.places import ABSENT, DictItem, Fixed, ListItem, Place, Slot

__all__ = ["Astray", "Substitution"]


New = Callable[["_Substituting"], Any]
"""What a place holds: found when functions are made again."""


class Astray(FunctadError):
    """A function has written to what was made in the place of an object of the user's."""


class Substitution:
    """Other values for some places, by their identities, and for objects (that of ``Fixed``) wherever functions come by
    them.

    Examples
    --------
    >>> rate = 2.0
    >>> def f(x):
    ...     return rate * x
    >>> found = Reach(f)
    >>> (identity,) = [identity for identity, source in found.sources.items() if source.name == "rate"]
    >>> (g,) = Substitution(found, {identity: 5.0}).of(f)
    >>> g(1.0), f(1.0)
    (5.0, 2.0)
    """

    def __init__(self, reach: Reach, values: Mapping[Hashable, Any]) -> None:
        self._written = reach.written
        self._values = values
        self._affected = affected(reach, values)
        self._made: _Substituting | None = None
        self._changes: dict[Hashable, tuple[Place, New]] = {}  # by the identity of the place
        for node in self._affected.values():
            if type(node.value) is FunctionType:
                self._changes.update({place.identity: (place, new) for place, new in self._changed(node)})
        self._spaces = {id(p.mapping): p.mapping for p, _ in self._changes.values() if isinstance(p, DictItem)}

    def obstacle(self) -> str | None:
        """Why what reads the places cannot be made anew: classes, their instances and foreign objects cannot; None if
        all can.

        Nor can a function whose writes would go astray: to a cell that is replaced, or to a module whose names are
        copied.
        """
        names = any(isinstance(identity, tuple) and identity[0] in self._spaces for identity in self._written)
        if names or not self._written.isdisjoint(self._changes):
            return "the function writes to it, or to another name of its module"
        for node in self._affected.values():
            if Fixed(node.value).identity not in self._values and not _can_be_made(node.value, self._affected):
                return f"it is read by way of {_described(node.value)}, which cannot be made anew around an operand"
        return None

    def check(self) -> None:
        """Raise if a function has written to what was made in the place of an object or a container of the user's."""
        if self._made is not None and not self._made.unwritten():
            raise Astray("the function writes to what holds it")

    def of(self, *roots: Any) -> list[Any]:
        """Functions, or what holds functions, with the other values."""
        modules = {number: ModuleType(names.get("__name__", "")) for number, names in self._spaces.items()}
        for number, module in modules.items():
            vars(module).update(self._spaces[number])
        rebuild = self._made = _Substituting(self._affected, self._values, self._changes, modules)
        for node in self._affected.values():
            identity = Fixed(node.value).identity
            if identity in self._values:
                rebuild.made[id(node.value)] = self._values[identity]
        for place, new in self._changes.values():
            if isinstance(place, DictItem):
                vars(modules[id(place.mapping)])[place.key] = new(rebuild)
        return [rebuild(r) for r in roots]

    def _changed(self, node: Node) -> Iterator[tuple[Place, New]]:
        """The places of a function that hold something else, and what: a value, a function made anew, a module with
        names of its own.
        """
        copied: list[int] = []
        for place, child in node.places:
            if place.identity in self._values:
                yield place, lambda _, identity=place.identity: self._values[identity]  # type: ignore[misc]
            elif child is not None and id(child.value) in self._affected:
                yield place, lambda rebuild, value=child.value: rebuild(value)  # type: ignore[misc]
            else:
                continue
            if isinstance(place, DictItem):
                copied.append(id(place.mapping))
        for number in copied:  # grows: a module that is an attribute of another makes that one another, too
            if number != id(node.value.__globals__):
                for place, _ in node.places:
                    found = place.get()
                    if type(found) is ModuleType and id(vars(found)) == number:
                        yield place, lambda rebuild, number=number: rebuild.modules[number]  # type: ignore[misc]
                        if isinstance(place, DictItem) and id(place.mapping) not in copied:
                            copied.append(id(place.mapping))


def affected(reach: Reach, keys: Mapping[Hashable, Any]) -> dict[int, Node]:
    """What reads one of the places, or is one of the objects, and what leads there; by identity."""
    above: dict[int, list[Node]] = {}
    waiting = []
    for node in reach.nodes.values():
        if Fixed(node.value).identity in keys or any(place.identity in keys for place, _ in node.places):
            waiting.append(node)
        for child in (*[child for _, child in node.places if child is not None], *node.parts):
            above.setdefault(id(child.value), []).append(node)
    found: dict[int, Node] = {}
    while waiting:
        node = waiting.pop()
        if id(node.value) not in found:
            found[id(node.value)] = node
            waiting += above.get(id(node.value), [])
    return found


def _can_be_made(value: Any, affected: Mapping[int, Node]) -> bool:
    if isinstance(value, Wrapper):
        return not value.runs_later  # then what it reads would be another trace's
    return type(value) in (FunctionType, MethodType, partial, tuple, list, dict) or _is_plain(type(value))


def _is_plain(cls: Any) -> bool:
    """Whether an object of a class is its attributes, and nothing else happens where another is made of these."""
    if cls is SimpleNamespace:
        return True
    if issubclass(cls, type) or cls.__new__ is not object.__new__ or hasattr(cls, "__del__"):
        return False
    return all([base.__flags__ & _HEAP for base in cls.__mro__[:-1]])


_HEAP = 1 << 9
"""The flag of classes that are defined in Python."""


def _described(value: Any) -> str:
    if type(value) is MethodType:
        return f"the method {value.__func__.__qualname__}"
    return f"the class {value.__qualname__}" if issubclass(type(value), type) else f"a {type_name(value)}"


class _Substituting(Rebuilder):
    """Makes again what is affected, around what the changed places hold now."""

    def __init__(
        self,
        affected: Mapping[int, Node],
        values: Mapping[Hashable, Any],
        changes: Mapping[Hashable, tuple[Place, New]],
        modules: Mapping[int, ModuleType],
    ) -> None:
        super().__init__()
        self.affected = affected
        self.values = values
        self.changes = changes
        self.modules = modules
        self.filled: list[tuple[Any, Any]] = []  # containers and objects that were made, and what was put into them

    def unwritten(self) -> bool:
        """Whether containers and objects hold what was put into them."""
        return all([_holds(made, content) for made, content in self.filled])

    def stays(self, x: Any) -> bool:
        return id(x) not in self.affected

    def renewed(self, f: FunctionType) -> Sequence[bool]:
        return [id(cell) in self.changes for cell in f.__closure__ or ()]

    def content(self, cell: CellType) -> Any:
        return self.changes[id(cell)][1](self)

    def names(self, f: FunctionType) -> dict[str, Any]:
        module = self.modules.get(id(f.__globals__))
        return f.__globals__ if module is None else vars(module)

    def container(self, x: Any) -> Any:
        """A container or an object made again; it is known before it is filled, since it may hold itself."""
        if type(x) is tuple:
            return tuple(self.all(x))
        made = self.made[id(x)] = type(x)() if type(x) in (list, dict) else _new(type(x))
        if type(x) is list:
            made.extend(x)
        else:
            _content(made).update(_content(x))
            for slot in _slots(x):
                slot.descriptor.__set__(made, slot.get())
        for place, child in self.affected[id(x)].places:
            if place.identity in self.values:
                value = self.values[place.identity]
            elif child is not None and id(child.value) in self.affected:
                value = self(child.value)
            else:
                continue
            if isinstance(place, ListItem):
                made[place.index] = value
            elif isinstance(place, Slot):
                place.descriptor.__set__(made, value)
            elif isinstance(place, DictItem) and place.mapping is _content(x):
                _content(made)[place.key] = value
        self.filled.append((made, _held(made)))
        return made


def _new(cls: Any) -> Any:
    return cls.__new__(cls)


def _content(x: Any) -> dict[Any, Any]:
    """What a dict, or an object in its attributes, holds."""
    return x if type(x) is dict else getattr(x, "__dict__", {})


def _slots(x: Any) -> list[Slot]:
    """The slots of an object that hold something."""
    descriptors = [d for base in type(x).__mro__ for d in vars(base).values() if type(d) is MemberDescriptorType]
    slots = [Slot(x, d) for d in descriptors if type(x) not in (dict, SimpleNamespace)]
    return [slot for slot in slots if slot.get() is not ABSENT]


def _held(made: Any) -> dict[Any, Any]:
    """All that a container or an object holds."""
    if type(made) is list:
        return dict(enumerate(made))
    return {**_content(made), **{slot.identity: slot.get() for slot in _slots(made)}}


def _holds(made: Any, content: dict[Any, Any]) -> bool:
    """Whether a container or an object holds these very objects."""
    now = _held(made)
    return now.keys() == content.keys() and all([now[k] is v for k, v in content.items()])
