"""Traced values that outlive the function that they belong to, and where they were left: what the flag ``check_leaks``
tells.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from types import CellType, FrameType, FunctionType
from typing import Any

from functad.core.location import is_internal
from functad.core.trace import described
from functad.core.tracer import Tracer
from functad.errors import EscapedTracerError

__all__ = ["LeakCheck"]

DEPTH = 8
"""Containers in one another that are searched for one that has a name."""


class LeakCheck:
    """Knows the traced values that there are before a call."""

    def __init__(self) -> None:
        self._before = tracers()

    def check(self, name: str) -> None:
        """Raise where a traced value of the call is left, and say where."""
        before = {id(t) for t in self._before}
        if not left(before):
            return
        gc.collect()  # what only the collector finds, nobody can use
        for tracer in left(before):
            place = holder(tracer)
            if place is not None:
                raise EscapedTracerError(
                    f"{described(tracer)} is left in {place}, where {name} has returned; it has no value any more: "
                    "return it from the function, and store what the call gives"
                )


def tracers() -> list[Tracer]:
    """All that there are."""
    return [x for x in gc.get_objects() if type(x) is Tracer]


def left(before: set[int]) -> list[Tracer]:
    """Those of functions that have returned, and that were not there before."""
    return [t for t in tracers() if id(t) not in before and not t._owner.open]


def holder(x: Any) -> str | None:
    """Where the user's data hold an object: a variable or an attribute, and the way from there; None if they do not."""
    waiting: deque[tuple[Any, str, int]] = deque([(x, "", 0)])
    seen = {id(x), id(waiting)}
    while waiting:
        held, path, depth = waiting.popleft()
        if (found := in_frames(held, path)) is not None:
            return found
        for by in gc.get_referrers(held):
            if id(by) in seen or type(by) is Tracer:
                continue
            seen.add(id(by))
            found = root(by, held, path)
            if found is not None:
                return found
            step = step_to(by, held)
            if step is not None and depth < DEPTH:
                waiting.append((by, step + path, depth + 1))
    return None


def in_frames(held: Any, path: str) -> str | None:
    """What is said of a variable of a function of the user's that is running, which the collector does not see."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not is_internal(code.co_filename) and (name := key_of(frame.f_locals, held)) is not None:
            return f"{name}{path}, a variable of {code.co_name} ({code.co_filename}:{frame.f_lineno})"
        frame = frame.f_back
    return None


def root(by: Any, held: Any, path: str) -> str | None:
    """What is said of a place that has a name; None for others, and those that are not the user's."""
    match by:
        case dict() if "__name__" in by and "__builtins__" in by and not is_own(by["__name__"]):
            name = key_of(by, held)
            return name and f"{name}{path}, a global variable of the module {by['__name__']}"
        case CellType():
            functions = [f for t in gc.get_referrers(by) if type(t) is tuple for f in gc.get_referrers(t)]
            found = [closed_over(f, by, path) for f in functions if type(f) is FunctionType]
            return next(filter(None, found), None)
    owners = [by]
    if isinstance(by, dict):  # it may be an object's
        owners += [o for o in gc.get_referrers(by) if getattr(o, "__dict__", None) is by]
    return next(filter(None, [attribute(o, held, path) for o in owners if not is_own(type(o).__module__)]), None)


def closed_over(f: FunctionType, cell: CellType, path: str) -> str | None:
    """What is said of a variable that a function of the user's closes over."""
    name = next((k for k, c in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True) if c is cell), None)
    return name and (None if is_own(f.__module__) else f"{name}{path}, which {f.__qualname__} closes over")


def attribute(owner: Any, held: Any, path: str) -> str | None:
    """What is said of an attribute that holds an object."""
    slots = [k for cls in type(owner).__mro__ for k in getattr(cls, "__slots__", ())]
    attributes = {**{k: getattr(owner, k, None) for k in slots}, **getattr(owner, "__dict__", {})}
    name = key_of(attributes, held)
    return name and f"the attribute {name}{path} of a {type(owner).__qualname__}"


def step_to(by: Any, held: Any) -> str | None:
    """How an object is found in a container that holds it; None where that is no container."""
    if isinstance(by, dict):
        key = next((k for k, v in by.items() if v is held), None)
        return None if key is None else f"[{key!r}]"
    if isinstance(by, list | tuple | deque):
        return f"[{next((k for k, v in enumerate(by) if v is held), '?')}]"
    return None


def key_of(names: dict[str, Any], held: Any) -> str | None:
    """The name that an object has."""
    return next((str(k) for k, v in names.items() if v is held), None)


def is_own(module: Any) -> bool:
    """Whether a module is functad's."""
    return str(module).partition(".")[0] == "functad"
