"""What a trace takes over from the one before it, of the same function.

Without ``jit`` a function is traced at each call of its derivative, and mostly emits the equations that it emitted the
last time, with other values. A trace that *follows* a script compares each equation with the one that the script has in
its place; where they are the same it takes that very equation, or its variables and signature. So it costs less, and
what has been found out about the equations (``transforms/plans.py``) is kept with the script.

A script says nothing about values: neither constants nor what belongs to one call (sub-Programs, the user's own rules)
are in it. One trace at a time follows a script.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from types import CodeType, FunctionType
from typing import Any

from functad.ir.program import Atom, Eqn, Literal, Var
from functad.ir.types import ArrayType

__all__ = ["Script", "Unbound", "forget", "give_back", "name_of_trace", "take"]

MOST = 100_000
"""Equations of all scripts together; beyond, those that have not been followed for longest are forgotten."""

FUNCTIONS = 8
"""How many functions, called by one another, tell traces apart."""


class Script:
    """The equations of a trace."""

    __slots__ = ("bound", "captures", "derived", "inputs", "outputs", "steps")

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
    params: Any = None if eqn.primitive.has_programs else eqn.params
    return Unbound(eqn.primitive, tuple([hole(a) for a in eqn.inputs]), params, eqn.outputs, eqn.loc, eqn.signature)


def hole(atom: Atom) -> Atom:
    """A script's form of an atom."""
    return Hole(atom.type) if type(atom) is Literal else atom


# -- all scripts -------------------------------------------------------------------------------------------------------

Name = tuple[Any, ...]

_scripts: OrderedDict[Name, tuple[Script, Sequence[CodeType]]] = OrderedDict()


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
    return (kind, *types, *map(id, codes)), codes


def take(name: Name) -> Script | None:
    """The script of a trace, which nobody else follows until it is given back."""
    found = _scripts.pop(name, None)
    return None if found is None else found[0]


def give_back(name: Name, codes: Sequence[CodeType], script: Script) -> None:
    """Keep a script for the next trace."""
    _scripts[name] = script, codes  # the codes live as long: their identities are in the name
    total = sum([len(s.steps) for s, _ in list(_scripts.values())])
    while total > MOST and len(_scripts) > 1:
        _, (oldest, _) = _scripts.popitem(last=False)
        total -= len(oldest.steps)


def forget() -> None:
    """Let go of all scripts, and of what was made of them."""
    _scripts.clear()
