"""Functions that read other values where the user's read closure cells and globals: what makes a number an operand of a
Program.

The user's cells and modules stay as they are, since other threads read them. Every function on the way from the one
that is traced to one that reads the place is made anew, with cells of its own and a copy of its module's names.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

from functad.api.rebuild import Rebuilder
from functad.api.world.reach import Node, Reach
from functad.core.trace import type_name
from functad.core.wrapping import Wrapper
from functad.lower.entry.places import DictItem, Fixed, Place

__all__ = ["Substitution"]


New = Callable[["_Substituting"], Any]
"""What a place holds: found when functions are made again."""


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

    def of(self, *roots: Any) -> list[Any]:
        """Functions, or what holds functions, with the other values."""
        modules = {number: ModuleType(names.get("__name__", "")) for number, names in self._spaces.items()}
        for number, module in modules.items():
            vars(module).update(self._spaces[number])
        rebuild = _Substituting(self._affected, self._changes, modules)
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
    if type(value) is MethodType:
        return id(value.__self__) not in affected
    if isinstance(value, Wrapper):
        return not value.runs_later  # then what it reads would be another trace's
    return type(value) in (FunctionType, partial, tuple, list, dict)


def _described(value: Any) -> str:
    if type(value) is MethodType:
        return f"the method {value.__func__.__qualname__}"
    return f"the class {value.__qualname__}" if issubclass(type(value), type) else f"a {type_name(value)}"


class _Substituting(Rebuilder):
    """Makes again what is affected, around what the changed places hold now."""

    def __init__(
        self,
        affected: Mapping[int, Node],
        changes: Mapping[Hashable, tuple[Place, New]],
        modules: Mapping[int, ModuleType],
    ) -> None:
        super().__init__()
        self.affected = affected
        self.changes = changes
        self.modules = modules

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
        return {k: self(v) for k, v in x.items()} if isinstance(x, dict) else type(x)(self.all(x))
