"""Functions that read other values where the user's read closure cells and globals: what makes a number an operand of a
Program.

The user's cells and modules stay as they are, since other threads read them. Every function on the way from the one
that is traced to one that reads the place is made anew, with cells of its own and a copy of its module's names.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Mapping
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

from functad.api.world.reach import Node, Reach
from functad.core.trace import type_name
from functad.core.wrapping import Wrapper
from functad.lower.entry.places import CellContent, DictItem, Fixed, Place

__all__ = ["Substitution"]


New = Callable[["_Made"], Any]


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
        self._functions = [node for node in self._affected.values() if type(node.value) is FunctionType]
        self._changes = {id(node.value): list(self._changed(node)) for node in self._functions}
        self._spaces = {
            id(p.mapping): p.mapping
            for changes in self._changes.values()
            for p, _ in changes
            if isinstance(p, DictItem)
        }

    def obstacle(self) -> str | None:
        """Why what reads the places cannot be made anew: classes, their instances and foreign objects cannot; None if
        all can.

        Nor can a function whose writes would go astray: to a cell that is replaced, or to a module whose names are
        copied.
        """
        written = any(place.identity in self._written for changes in self._changes.values() for place, _ in changes)
        if written or any(isinstance(identity, tuple) and identity[0] in self._spaces for identity in self._written):
            return "the function writes to it, or to another name of its module"
        for node in self._affected.values():
            if Fixed(node.value).identity not in self._values and not _can_be_made(node.value, self._affected):
                return f"it is read by way of {_described(node.value)}, which cannot be made anew around an operand"
        return None

    def of(self, *roots: Any) -> list[Any]:
        """Functions, or what holds functions, with the other values."""
        given = {
            id(n.value): self._values[i]
            for n in self._affected.values()
            if (i := Fixed(n.value).identity) in self._values
        }
        made = _Made(self._affected, self._spaces, given)
        for node in self._functions:
            made.begin(
                node.value,
                {id(place.cell) for place, _ in self._changes[id(node.value)] if isinstance(place, CellContent)},
            )
        for node in self._functions:
            for place, new in self._changes[id(node.value)]:
                made.put(node.value, place, new(made))
            made.complete(node.value)
        return [made.of(r) for r in roots]

    def _changed(self, node: Node) -> Iterator[tuple[Place, New]]:
        """The places of a function that hold something else, and what: a value, a function made anew, a module with
        names of its own.
        """
        copied: list[int] = []
        for place, child in node.places:
            if place.identity in self._values:
                yield place, lambda made, identity=place.identity: self._values[identity]  # type: ignore[misc]
            elif child is not None and id(child.value) in self._affected:
                yield place, lambda made, value=child.value: made.of(value)  # type: ignore[misc]
            else:
                continue
            if isinstance(place, DictItem):
                copied.append(id(place.mapping))
        for number in copied:  # grows: a module that is an attribute of another makes that one another, too
            if number != id(node.value.__globals__):
                for place, _ in node.places:
                    found = place.get()
                    if type(found) is ModuleType and id(vars(found)) == number:
                        yield place, lambda made, number=number: made.modules[number]  # type: ignore[misc]
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
    return isinstance(value, Wrapper) or type(value) in (FunctionType, functools.partial, tuple, list, dict)


def _described(value: Any) -> str:
    if type(value) is MethodType:
        return f"the method {value.__func__.__qualname__}"
    return f"the class {value.__qualname__}" if issubclass(type(value), type) else f"a {type_name(value)}"


class _Made:
    """What has been made anew, by the identity of what it stands for."""

    def __init__(
        self, affected: Mapping[int, Node], spaces: Mapping[int, dict[str, Any]], given: dict[int, Any]
    ) -> None:
        self.modules = {number: ModuleType(names.get("__name__", "")) for number, names in spaces.items()}
        for number, module in self.modules.items():
            vars(module).update(spaces[number])
        self._affected = affected
        self._made = given

    def begin(self, f: FunctionType, changed: set[int]) -> None:
        """Make a function anew, with new cells, still empty, for what changes."""
        cells = [CellType() if id(cell) in changed else cell for cell in f.__closure__ or ()]
        module = self.modules.get(id(f.__globals__))
        self._made[id(f)] = FunctionType(
            f.__code__, vars(module) if module else f.__globals__, f.__name__, f.__defaults__, tuple(cells)
        )

    def put(self, f: FunctionType, place: Place, value: Any) -> None:
        """What a place holds now for a function."""
        if isinstance(place, DictItem):
            vars(self.modules[id(place.mapping)])[place.key] = value
        for old, new in zip(f.__closure__ or (), self._made[id(f)].__closure__ or (), strict=True):
            if isinstance(place, CellContent) and old is place.cell:
                new.cell_contents = value

    def complete(self, f: FunctionType) -> None:
        """Give a function made anew what a new function lacks."""
        new = self._made[id(f)]
        new.__defaults__ = f.__defaults__ and tuple([self.of(v) for v in f.__defaults__])
        new.__kwdefaults__ = f.__kwdefaults__ and {k: self.of(v) for k, v in f.__kwdefaults__.items()}
        new.__qualname__, new.__module__, new.__doc__ = f.__qualname__, f.__module__, f.__doc__
        new.__dict__.update(f.__dict__)

    def of(self, value: Any) -> Any:
        """What stands for a value."""
        number = id(value)
        if number not in self._affected:
            return value
        if number not in self._made:
            self._made[number] = self._make(value)
        return self._made[number]

    def _make(self, value: Any) -> Any:
        if isinstance(value, Wrapper):
            return value.wrapping(self.of(value._f))
        if isinstance(value, functools.partial):
            return functools.partial(
                self.of(value.func), *map(self.of, value.args), **{k: self.of(v) for k, v in value.keywords.items()}
            )
        if isinstance(value, MethodType):
            return MethodType(self.of(value.__func__), value.__self__)
        if isinstance(value, dict):
            return {k: self.of(v) for k, v in value.items()}
        return type(value)([self.of(v) for v in value])
