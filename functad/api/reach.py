"""Which arrays a function can read without being given them: in closure cells, globals that it names, defaults, the object of a bound method.

Functions that it reaches in this way are followed, and so are lists, tuples and dicts of no more than ``MOST_ITEMS``. What cannot be seen:
attributes of other objects, and what a function reaches by name only while it runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

__all__ = ["reachable_arrays"]

MOST_ITEMS = 1000
MOST_OBJECTS = 20_000

LIBRARIES = frozenset({"functad", "numpy", "scipy"})
"""The globals of their functions are theirs alone; what their functions close over may be the user's."""


def reachable_arrays(*roots: Any) -> list[np.ndarray]:
    """The arrays, each once, that functions (or objects) can read.

    Examples
    --------
    >>> weights = {"hidden": np.ones(3), "out": np.zeros(2)}
    >>> [a.shape for a in reachable_arrays(lambda x, w=weights: x @ w["hidden"])]
    [(3,), (2,)]
    """
    found: dict[int, np.ndarray] = {}
    seen: set[int] = set()
    waiting = list(reversed(roots))
    while waiting and len(seen) < MOST_OBJECTS:
        value = waiting.pop()
        if isinstance(value, np.ndarray):
            found.setdefault(id(value), value)
        elif type(value) not in _PLAIN and id(value) not in seen:
            seen.add(id(value))
            waiting += reversed(list(neighbours(value)))
    return list(found.values())


_PLAIN = frozenset({int, float, complex, bool, str, bytes, type(None)})


def neighbours(value: Any) -> Iterator[Any]:
    """What can be reached from an object in one step."""
    if isinstance(value, FunctionType):
        yield from of_function(value)
    elif isinstance(value, MethodType):
        yield value.__func__
        yield from items(vars_of(value.__self__))
    elif isinstance(value, functools.partial):
        yield value.func
        yield from value.args
        yield from value.keywords.values()
    elif isinstance(value, list | tuple | dict):
        yield from items(value)
    elif callable(value) and not isinstance(value, type | ModuleType):
        yield from items(vars_of(value))  # a jitted function, a custom rule, an object with __call__
        yield vars(type(value)).get("__call__")


def items(container: Any) -> Iterator[Any]:
    """The values of a small container."""
    if len(container) <= MOST_ITEMS:
        yield from list(container.values()) if isinstance(container, dict) else container


def vars_of(instance: Any) -> dict[str, Any]:
    """The attributes of an object; none of what has no dict."""
    found = getattr(instance, "__dict__", None)
    return found if isinstance(found, dict) and not isinstance(instance, ModuleType | type) else {}


def of_function(f: Callable[..., Any]) -> Iterator[Any]:
    """Cells, defaults, and globals that the code names."""
    for cell in f.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue
    yield from f.__defaults__ or ()
    yield from (f.__kwdefaults__ or {}).values()
    names = f.__globals__
    if str(names.get("__name__", "")).partition(".")[0] not in LIBRARIES:
        for name in names_in(f.__code__):
            if name in names:
                yield names[name]


def names_in(code: CodeType) -> Iterator[str]:
    """The names that code, and the code inside it, looks up in globals (and the names of attributes, which look the same)."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)
