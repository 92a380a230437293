"""Functions as they are now: what a rule closes over is fixed when its function is called, though it may run later.

Python's closures hold variables, not values. A frozen function has cells of its own, recursively through functions,
partials, bound methods, default arguments and containers. Traced values that are found there are *slots*: a later run
fills them with what stands for them in the trace that is then open. Arrays that can be written to are copied.
Everything else is kept as it is, and so are containers that hold themselves, and what a function itself writes to: the
variables that it assigns (``nonlocal``), the lists, dicts and sets that it fills with values (``history.append(x)``).
"""

from __future__ import annotations

import collections
import dis
import functools
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from functad.core.trace import Trace
from functad.core.tracer import Tracer
from functad.ir.program import frozen, is_frozen
from functad.numpy.operands import depends_on
from functad.tree import flatten

__all__ = ["ClosesOver", "Frozen", "closes_over_nothing", "freeze"]

ATOMS = frozenset(
    (
        int,
        float,
        complex,
        bool,
        str,
        bytes,
        type(None),
        type,
        types.ModuleType,
        types.BuiltinFunctionType,
        np.ufunc,
        np.float64,
        np.int64,
        np.bool_,
    )
)
"""What closes over nothing."""


class ClosesOver(Protocol):
    """A callable of functad's that calls functions which may close over something."""

    closes_over: tuple[str, ...]
    """The attributes that hold these functions."""

    keeps_its_closure: bool
    """Whether it takes what is not traced as it was when it first ran, whatever becomes of the variables."""

    def another(self) -> Any:
        """One like this, whose attributes can be set."""


def closes_over_nothing(f: Any) -> bool:
    """Whether something is a Python function that holds nothing but its code."""
    return (
        type(f) is types.FunctionType and f.__closure__ is None and f.__defaults__ is None and f.__kwdefaults__ is None
    )


class Rebuilder:
    """Makes functions again with other things in their cells; ``replace`` says by type what takes their place."""

    def __init__(self, replace: Mapping[type, Callable[[Any], Any]]) -> None:
        self.replace = replace
        self.made: dict[int, Any] = {}  # by identity: functions may hold themselves
        self.cells: dict[int, types.CellType] = {}

    def __call__(self, x: Any) -> Any:
        """What stands for an object: itself, if nothing in it can change."""
        cls = type(x)
        if cls in ATOMS:
            return x
        if cls is types.FunctionType:
            if closes_over_nothing(x):
                return x
            make: Callable[[Any], Any] = self._function
        elif cls in self.replace:
            make = self.replace[cls]
        elif cls is functools.partial:
            make = self._partial
        elif cls is types.MethodType:
            make = self._method
        else:
            make = self._object if hasattr(cls, "closes_over") else self._container
        found = self.made.get(id(x))
        if found is None:
            found = self.made[id(x)] = make(x)
        return found

    def _all(self, xs: Sequence[Any]) -> Sequence[Any]:
        """The same sequence if nothing in it is replaced."""
        new = [self(x) for x in xs]
        return xs if all([a is b for a, b in zip(new, xs, strict=True)]) else new

    def _function(self, f: types.FunctionType) -> types.FunctionType:
        given = (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values())
        defaults = self._all(given)
        if f.__closure__ is None and defaults is given:
            return f
        live, stores = assigned(f.__code__), filled(f.__code__)
        fresh: list[tuple[types.CellType, types.CellType]] = []
        cells = [
            c if name in live or (name in stores and self._is_store(c)) else self._cell(c, fresh)
            for name, c in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True)
        ]
        made = self.made[id(f)] = types.FunctionType(f.__code__, f.__globals__, f.__name__, None, tuple(cells))
        n = len(f.__defaults__ or ())
        made.__defaults__ = f.__defaults__ and tuple(defaults[:n])
        if f.__kwdefaults__:
            made.__kwdefaults__ = dict(zip(f.__kwdefaults__, defaults[n:], strict=True))
        made.__dict__.update(f.__dict__)
        for old, new in fresh:
            new.cell_contents = self(old.cell_contents)
        return made

    def _is_store(self, cell: types.CellType) -> bool:
        """Whether a variable holds a container that can be written to, of nothing that is traced."""
        try:
            x = cell.cell_contents
        except ValueError:
            return False
        return isinstance(x, list | dict | set | collections.deque) and not self._finds_traced(x)

    def _cell(self, cell: types.CellType, fresh: list[tuple[types.CellType, types.CellType]]) -> types.CellType:
        """The cell in place of another, shared as that is; it is filled once the function exists, which it may hold."""
        found = self.cells.get(id(cell))
        if found is None:
            try:
                cell.cell_contents  # noqa: B018  raises where the variable is not assigned yet
            except ValueError:
                return cell
            found = self.cells[id(cell)] = types.CellType()
            fresh.append((cell, found))
        return found

    def _partial(self, p: functools.partial[Any]) -> functools.partial[Any]:
        f, args, values = self(p.func), self._all(p.args), list(p.keywords.values())
        keywords = self._all(values)
        if f is p.func and args is p.args and keywords is values:
            return p
        return functools.partial(f, *args, **dict(zip(p.keywords, keywords, strict=True)))

    def _method(self, m: types.MethodType) -> types.MethodType:
        f, instance = self(m.__func__), self(m.__self__)
        return m if f is m.__func__ and instance is m.__self__ else types.MethodType(f, instance)

    def _container(self, x: Any) -> Any:
        try:
            leaves, structure = flatten(x)
        except RecursionError:  # it holds itself
            return x
        if (len(leaves) == 1 and leaves[0] is x) or ATOMS.issuperset(map(type, leaves)):
            return x
        new = self._all(leaves)
        return x if new is leaves else structure.unflatten(new)

    def _object(self, x: ClosesOver) -> ClosesOver:
        if x.keeps_its_closure and not self._finds_traced(x):
            return x
        made = self.made[id(x)] = x.another()
        for name in x.closes_over:
            setattr(made, name, self(getattr(x, name)))
        return made  # type: ignore[no-any-return]

    def _finds_traced(self, x: Any) -> bool:
        """Whether something traced is in an object, or in what it calls closes over."""
        found: list[Any] = []
        Finder({cls: found.append for cls in self.replace if cls is not np.ndarray})(x)
        return bool(found)


class Finder(Rebuilder):
    """Looks only."""

    def _object(self, x: ClosesOver) -> ClosesOver:
        self.made[id(x)] = x
        for name in x.closes_over:
            self(getattr(x, name))
        return x


@functools.lru_cache(maxsize=1024)
def assigned(code: types.CodeType) -> frozenset[str]:
    """The variables of enclosing functions that a function, or one inside of it, assigns."""
    stored = {i.argval for i in dis.get_instructions(code) if i.opname in ("STORE_DEREF", "DELETE_DEREF")}
    inside = [assigned(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return frozenset(stored.union(*inside).intersection(code.co_freevars))


WRITES = frozenset(
    ("append", "appendleft", "extend", "insert", "add", "update", "setdefault", "pop", "clear", "remove")
)
"""Methods that write to a container."""


@functools.lru_cache(maxsize=1024)
def filled(code: types.CodeType) -> frozenset[str]:
    """The variables of enclosing functions that hold a container to which a function, or one inside of it, writes."""
    found: set[str | None] = set()
    stack: list[str | None] = []  # the variables that stand there; an approximation behind branches
    for i in dis.get_instructions(code):
        effect = dis.stack_effect(i.opcode, i.arg, jump=False)
        if i.opname in ("LOAD_METHOD", "LOAD_ATTR") and i.argval in WRITES:
            found.update(stack[-1:])
        elif i.opname in ("STORE_SUBSCR", "DELETE_SUBSCR"):
            found.update(stack[-2:-1])
        if i.opname == "LOAD_DEREF":
            stack.append(i.argval)
        elif i.opname == "COPY":
            stack.append(stack[-i.arg] if i.arg and i.arg <= len(stack) else None)
        elif i.opname == "SWAP":
            if i.arg and i.arg <= len(stack):
                stack[-1], stack[-i.arg] = stack[-i.arg], stack[-1]
        elif effect <= 0:
            del stack[len(stack) + effect if len(stack) + effect > 0 else 0 :]
            if stack and effect and not i.opname.startswith(("STORE", "POP", "DELETE")):
                stack[-1] = None
        else:
            stack += [None] * effect
    inside = [filled(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return frozenset(code.co_freevars).intersection(found.union(*inside))  # type: ignore[arg-type]


class Slot:
    """Stands for a traced value in what is frozen."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class Frozen:
    """Functions (and other things) as they were, with slots for the traced values that they close over."""

    __slots__ = ("parts", "slots")

    def __init__(self, parts: tuple[Any, ...], slots: int) -> None:
        self.parts = parts
        self.slots = slots

    def with_values(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The functions that close over these in place of the traced values."""
        rebuild = Rebuilder({Slot: lambda slot: values[slot.number]})
        return tuple([rebuild(p) for p in self.parts])


def freeze(parts: Sequence[Any], trace: Trace) -> tuple[Frozen, list[Tracer]]:
    """Functions, and other things, as they are now in the trace that is open; and the traced values in them."""
    around: set[Trace] = set()
    t: Trace | None = trace
    while t is not None:
        around.add(t)
        t = t.parent
    evaluated = all([t.concrete for t in around])
    slots: dict[Any, tuple[Slot, Tracer]] = {}

    def slot(tracer: Tracer) -> Any:
        if tracer._owner not in around:
            return tracer  # it cannot be used any more
        return slots.setdefault((tracer._variable, tracer._kind), (Slot(len(slots)), tracer))[0]

    def own(array: np.ndarray) -> np.ndarray:
        if array.dtype.hasobject or is_frozen(array):
            return array
        if evaluated:  # where Python runs on values, rules may write to a buffer of theirs
            return array.copy()
        depends_on(array)
        return frozen(array)

    rebuild = Rebuilder({Tracer: slot, np.ndarray: own})
    return Frozen(tuple([rebuild(p) for p in parts]), len(slots)), [tracer for _, tracer in slots.values()]
