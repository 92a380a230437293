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
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functad.api.rebuild import ATOMS, Rebuilder
from functad.caches import cached
from functad.core.handles import snapshot
from functad.core.trace import Trace
from functad.core.tracer import Tracer
from functad.core.wrapping import Wrapper
from functad.ir.program import frozen, is_frozen
from functad.numpy.operands import depends_on

__all__ = ["Frozen", "closes_over_nothing", "freeze"]


def closes_over_nothing(f: Any) -> bool:
    """Whether something is a Python function that holds nothing but its code."""
    return (
        type(f) is types.FunctionType and f.__closure__ is None and f.__defaults__ is None and f.__kwdefaults__ is None
    )


class Freezer(Rebuilder):
    """Makes functions again with other things in their cells; ``replace`` says by type what takes their place."""

    def __init__(self, replace: Mapping[type, Callable[[Any], Any]]) -> None:
        super().__init__()
        self.replace = replace

    def stays(self, x: Any) -> bool:
        return type(x) in ATOMS or closes_over_nothing(x)

    def make(self, x: Any) -> Any:
        replace = self.replace.get(type(x))
        return super().make(x) if replace is None else replace(x)

    def renewed(self, f: types.FunctionType) -> Sequence[bool]:
        """All cells but those of variables that are not assigned yet, or that the function itself writes to."""
        live, stores = assigned(f.__code__), filled(f.__code__)
        return [
            is_set(cell) and name not in live and not (name in stores and self.is_store(cell.cell_contents))
            for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True)
        ]

    def is_store(self, x: Any) -> bool:
        """Whether something is a container that can be written to, of nothing that is traced."""
        return isinstance(x, list | dict | set | collections.deque) and not self.finds_traced(x)

    def wrapper(self, x: Wrapper) -> Any:
        return x if x.keeps_its_closure and not self.finds_traced(x) else super().wrapper(x)

    def finds_traced(self, x: Any) -> bool:
        """Whether something traced is in an object, or in what it calls closes over."""
        found: list[Any] = []
        Finder({cls: found.append for cls in self.replace if cls is not np.ndarray})(x)
        return bool(found)


class Finder(Freezer):
    """Looks only."""

    def wrapper(self, x: Wrapper) -> Any:
        self.made[id(x)] = x
        for name in x.closes_over:
            self(getattr(x, name))
        return x


def is_set(cell: types.CellType) -> bool:
    """Whether a variable has been assigned."""
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


@cached(1024)
def assigned(code: types.CodeType) -> frozenset[str]:
    """The variables of enclosing functions that a function, or one inside of it, assigns."""
    stored = {i.argval for i in dis.get_instructions(code) if i.opname in ("STORE_DEREF", "DELETE_DEREF")}
    inside = [assigned(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return frozenset(stored.union(*inside).intersection(code.co_freevars))


WRITES = frozenset(
    ("append", "appendleft", "extend", "insert", "add", "update", "setdefault", "pop", "clear", "remove")
)
"""Methods that write to a container."""


@cached(1024)
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

    __slots__ = ("parts", "rules", "slots")

    def __init__(self, parts: tuple[Any, ...], slots: int) -> None:
        self.parts = parts
        self.slots = slots
        self.rules: dict[Any, Any] = {}  # that have been pickled, by the kind of call

    def with_values(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The functions that close over these in place of the traced values."""
        rebuild = Freezer({Slot: lambda slot: values[slot.number]})
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
        return slots.setdefault((tracer._variable, tracer._kind), (Slot(len(slots)), snapshot(tracer)))[0]

    def own(array: np.ndarray) -> np.ndarray:
        if array.dtype.hasobject or is_frozen(array):
            return array
        if evaluated:  # where Python runs on values, rules may write to a buffer of theirs
            return array.copy()
        depends_on(array)
        return frozen(array)

    rebuild = Freezer({Tracer: slot, np.ndarray: own})
    return Frozen(tuple([rebuild(p) for p in parts]), len(slots)), [tracer for _, tracer in slots.values()]
