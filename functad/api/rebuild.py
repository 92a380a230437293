"""Functions made again around other things: closure cells, default arguments, and what holds functions.

Python's functions are made of parts: code, names, cells, defaults. Made again from the same code with other parts, they
compute with these, while the user's functions stay as they are. ``frozen`` says by its type what takes the place of
something, ``world.substitute`` by the place where it is.
"""

from __future__ import annotations

import functools
import types
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.wrapping import Wrapper
from functad.tree.containers import flatten

__all__ = ["ATOMS", "Rebuilder"]

ATOMS = frozenset({
    *(int, float, complex, bool, str, bytes, type(None), type, types.ModuleType, types.BuiltinFunctionType),
    *(np.ufunc, np.float64, np.int64, np.bool_),
})  # fmt: skip
"""Types of what closes over nothing."""


class Rebuilder(ABC):
    """Makes functions, and what holds functions, again; its subclasses say around what.

    Whatever is reached twice, as functions that hold themselves are, is made once.
    """

    def __init__(self) -> None:
        self.made: dict[int, Any] = {}  # by identity
        self.cells: dict[int, types.CellType] = {}
        self.met: list[Any] = []  # lives as long as what is known by its identity

    @abstractmethod
    def stays(self, x: Any) -> bool:
        """Whether an object surely stands for itself."""

    @abstractmethod
    def renewed(self, f: types.FunctionType) -> Sequence[bool]:
        """Which cells of a function another takes the place of."""

    def content(self, cell: types.CellType) -> Any:
        """What a cell's new one holds."""
        return self(cell.cell_contents)

    def names(self, f: types.FunctionType) -> dict[str, Any]:
        """The globals of a function made again."""
        return f.__globals__

    def __call__(self, x: Any) -> Any:
        """What stands for an object: itself, if nothing in it is replaced."""
        if self.stays(x):
            return x
        found = self.made.get(id(x))
        if found is None:
            self.met.append(x)
            found = self.made.setdefault(id(x), self.make(x))  # it may have been needed, and made, on the way
        return found

    def all(self, xs: Sequence[Any]) -> Sequence[Any]:
        """What stands for each: the same sequence, if nothing in it is replaced."""
        new = [self(x) for x in xs]
        return xs if all([a is b for a, b in zip(new, xs, strict=True)]) else new

    def make(self, x: Any) -> Any:
        """What stands for an object that has not been met before."""
        cls = type(x)
        if cls is types.FunctionType:
            return self.function(x)
        if cls is functools.partial:
            return self.partial(x)
        if cls is types.MethodType:
            return self.method(x)
        return self.wrapper(x) if isinstance(x, Wrapper) else self.container(x)

    def function(self, f: types.FunctionType) -> types.FunctionType:
        """A function of the same code; its cells are filled last, since what they hold may hold the function."""
        closure, fresh = f.__closure__ or (), []
        cells = list(closure)
        for i, (cell, flag) in enumerate(zip(closure, self.renewed(f), strict=True)):
            if flag:
                if id(cell) not in self.cells:
                    self.cells[id(cell)] = types.CellType()
                    fresh.append(cell)
                cells[i] = self.cells[id(cell)]
        names = self.names(f)
        made = self.made[id(f)] = types.FunctionType(f.__code__, names, f.__name__, None, tuple(cells))
        given = (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values())
        defaults = self.all(given)
        if defaults is given and names is f.__globals__ and all([a is b for a, b in zip(cells, closure, strict=True)]):
            self.made[id(f)] = f
            return f
        n = len(f.__defaults__ or ())
        made.__defaults__ = f.__defaults__ and tuple(defaults[:n])
        if f.__kwdefaults__:
            made.__kwdefaults__ = dict(zip(f.__kwdefaults__, defaults[n:], strict=True))
        made.__qualname__, made.__module__, made.__doc__ = f.__qualname__, f.__module__, f.__doc__
        made.__dict__.update(f.__dict__)
        for cell in fresh:
            self.cells[id(cell)].cell_contents = self.content(cell)
        return made

    def partial(self, p: functools.partial[Any]) -> functools.partial[Any]:
        """A partial function of what stands for its parts."""
        f, args, values = self(p.func), self.all(p.args), list(p.keywords.values())
        keywords = self.all(values)
        if f is p.func and args is p.args and keywords is values:
            return p
        return functools.partial(f, *args, **dict(zip(p.keywords, keywords, strict=True)))

    def method(self, m: types.MethodType) -> types.MethodType:
        """A bound method of what stands for its parts."""
        f, instance = self(m.__func__), self(m.__self__)
        return m if f is m.__func__ and instance is m.__self__ else types.MethodType(f, instance)

    def wrapper(self, x: Wrapper) -> Any:
        """One of functad's callables around what stands for what it calls."""
        held = [getattr(x, name) for name in x.closes_over]
        new = self.all(held)
        return x if new is held else x.around(*new)

    def container(self, x: Any) -> Any:
        """A container of what stands for its leaves; anything else, and what holds itself, stays."""
        try:
            leaves, structure = flatten(x)
        except RecursionError:
            return x
        if (len(leaves) == 1 and leaves[0] is x) or ATOMS.issuperset(map(type, leaves)):
            return x
        new = self.all(leaves)
        return x if new is leaves else structure.unflatten(new)
