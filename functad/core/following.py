"""What a trace takes over from the one before it, of the same function.

Without ``jit`` a function is traced at each call of its derivative, and mostly emits the equations that it emitted the
last time, with other values. A trace that *follows* a script compares each equation with the one that the script has in
its place; where they are the same it takes that very equation, or its variables and signature. So it costs less, and
what has been found out about the equations (``transforms/plans.py``) is kept with the script.

A script says nothing about values: neither constants nor what belongs to one call (sub-Programs, the user's own rules)
are in it. One trace at a time follows a script.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

from functad.caches import on_clearing
from functad.ir.program import Atom, Eqn, Literal, Var
from functad.ir.types import ArrayType

__all__ = ["SCRIPTS", "Script", "Scripts", "Unbound", "name_of_trace"]

MOST = 100_000
"""Equations of all scripts together; beyond, those that have not been followed for longest are forgotten."""

FUNCTIONS = 8
"""How many functions, called by one another, tell traces apart."""


class Script:
    """The equations of a trace."""

    __slots__ = ("bound", "captures", "derived", "has_matrices", "inputs", "outputs", "steps")

    def __init__(
        self,
        inputs: Sequence[Var],
        captures: Sequence[Var],
        eqns: Sequence[Eqn],
        bound: Sequence[int],
        outputs: Sequence[Atom],
    ) -> None:
        self.inputs = tuple(inputs)
        self.captures = tuple(captures)
        self.steps = list(eqns)
        for i in bound:
            self.steps[i] = unbound(eqns[i])
        self.bound = tuple(bound)  # equations that hold constants, or what belongs to one call
        self.outputs = tuple([hole(a) for a in outputs])
        self.derived: dict[Any, Any] = {}  # what transforms made of it
        self.has_matrices = any([a.type.ndim > 1 for e in self.steps for a in (*e.inputs, *e.outputs)])

    @property
    def size(self) -> int:
        """Equations, and some for what else there is."""
        return len(self.steps) + 8

    def ends_with(self, outputs: Sequence[Atom]) -> bool:
        """Whether a trace that has these outputs has those of the script."""
        return self.outputs == tuple(outputs)


class Hole(Literal):
    """What stands for a constant in a script: it equals all of its type."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, type: ArrayType) -> None:
        super().__init__(None, type)

    def __eq__(self, other: object) -> bool:
        return type(other) is Literal and other.type is self.type


class Unbound(Eqn):
    """An equation of a script without what belongs to one call: with holes, and without sub-Programs and rules."""

    __slots__ = ()


def unbound(eqn: Eqn) -> Eqn:
    """A script's form of an equation."""
    params: Any = None if eqn.primitive.owned else eqn.params
    return Unbound(eqn.primitive, tuple([hole(a) for a in eqn.inputs]), params, eqn.outputs, eqn.loc, eqn.signature)


def hole(atom: Atom) -> Atom:
    """A script's form of an atom."""
    return Hole(atom.type) if type(atom) is Literal else atom


# -- all scripts -------------------------------------------------------------------------------------------------------

Name = tuple[Any, ...]


def name_of_trace(f: Callable[..., Any], kind: str, types: Sequence[ArrayType]) -> tuple[Name, Sequence[CodeType]]:
    """What tells which traces are likely to be the same: the code of a function, and of what it closes over."""
    codes: list[CodeType] = []
    found: list[Any] = [f]
    while found and len(codes) < FUNCTIONS:
        g = found.pop()
        if type(g) is partial:
            found.append(g.func)
        elif type(g) is FunctionType:
            codes.append(g.__code__)
            if g.__defaults__:
                found += [x for x in g.__defaults__ if type(x) is FunctionType]
            for cell in g.__closure__ or ():
                try:
                    x = cell.cell_contents
                except ValueError:  # it is not bound yet
                    continue
                if type(x) is FunctionType:
                    found.append(x)
        elif type(g) is MethodType:
            found.append(g.__func__)
        elif hasattr(g, "__wrapped__"):
            found.append(g.__wrapped__)
        elif type(type(g).__call__) is FunctionType:  # type: ignore[comparison-overlap]
            found.append(type(g).__call__)
    return (kind, *types, *map(id, codes)), codes


class Scripts:
    """Scripts by the names of their traces; those that have not been followed for longest are forgotten."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Name, tuple[Script, Sequence[CodeType]]] = OrderedDict()
        self._equations = 0
        self._lock = threading.RLock()  # the collector may run while it is held, and what it collects may want it

    def __iter__(self) -> Iterator[Script]:
        return iter([script for script, _ in list(self._kept.values())])

    def take(self, name: Name) -> Script | None:
        """The script of a trace, which nobody else follows until it is given back."""
        with self._lock:
            found = self._kept.pop(name, None)
            if found is None:
                return None
            self._equations -= found[0].size
        return found[0]

    def give_back(self, name: Name, codes: Sequence[CodeType], script: Script) -> None:
        """Keep a script for the next trace; the codes live as long, since their identities are in the name."""
        with self._lock:
            other = self._kept.pop(name, None)
            if other is not None:
                self._equations -= other[0].size
            self._kept[name] = script, codes
            self._equations += script.size
            while self._equations > MOST and len(self._kept) > 1:
                _, (oldest, _) = self._kept.popitem(last=False)
                self._equations -= oldest.size

    def clear(self) -> None:
        """Let go of all, and of what was made of them."""
        with self._lock:
            forgotten, self._kept, self._equations = self._kept, OrderedDict(), 0
        del forgotten  # what dies with it may want the lock


SCRIPTS = Scripts()
on_clearing(SCRIPTS.clear)
