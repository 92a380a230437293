"""What Python calls by itself: the operators, properties and other special methods of the user's classes.

Under ``jit`` they run as twins, as functions that are called by name do, so that they take traced values and their
conditions, and so that what they change besides is refused in the body of a branch or a loop.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from functad.caches import cached
from functad.core.tracer import Tracer
from functad.front.effects import check_target, in_body, over
from functad.front.failures import managed
from functad.front.origin import OWN, origin, own_method
from functad.front.unread import check_read

__all__ = ["SPECIAL", "entered", "go_over", "operate", "operate_now", "read", "specially"]

Twin = Callable[[Any], Any]

_PLAIN = frozenset({Tracer, np.ndarray, np.float64, np.int64, np.bool_, float, int, bool, complex, str, tuple, list})

SPECIAL: dict[Any, str] = {
    abs: "__abs__", bool: "__bool__", float: "__float__", format: "__format__", hash: "__hash__", int: "__int__",
    iter: "__iter__", len: "__len__", next: "__next__", repr: "__repr__", round: "__round__", str: "__str__",
}  # fmt: skip
"""Builtins, and the method of their first argument that they call."""

_IN_PLACE = {
    "iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "truediv", "imod": "mod", "ifloordiv": "floordiv",
    "ipow": "pow", "imatmul": "matmul", "iand": "and_", "ior": "or_", "ixor": "xor", "ilshift": "lshift",
    "irshift": "rshift",
}  # fmt: skip
"""Operators that may change their first operand, and those that stand for them where it has none."""

_REFLECTED = {"lt": "__gt__", "le": "__ge__", "gt": "__lt__", "ge": "__le__", "eq": "__eq__", "ne": "__ne__"}


def operate(twin: Twin, name: str, *operands: Any) -> Any:
    """An operator, by its name in ``operator``."""
    for x in operands:
        check_read(x)
    return operate_now(twin, name, *operands)


def operate_now(twin: Twin, name: str, *operands: Any) -> Any:
    """``operate`` where nothing differs from step to step."""
    if _PLAIN.issuperset(map(type, operands)):
        return getattr(operator, name)(*operands)
    x, method = operands[0], f"__{name.strip('_')}__"
    if name in _IN_PLACE:
        f = own_method(type(x), method)
        if f is None and hasattr(type(x), method):
            return getattr(operator, name)(*operands)
        result = NotImplemented if f is None else twin(f)(*operands)
        return result if result is not NotImplemented else operate_now(twin, _IN_PLACE[name], *operands)
    if len(operands) == 1 or name == "contains":
        f = own_method(type(x), method)
        return getattr(operator, name)(*operands) if f is None else twin(f)(*operands)
    y = operands[1]
    reflected = _REFLECTED.get(name) or f"__r{name.strip('_')}__"
    tries = [(x, y, own_method(type(x), method), method), (y, x, own_method(type(y), reflected), reflected)]
    if tries[0][2] is None and tries[1][2] is None:
        return getattr(operator, name)(x, y)
    if type(x) is not type(y) and issubclass(type(y), type(x)):
        tries.reverse()
    for a, b, f, special in tries:
        other = getattr(type(a), special, None)
        result = twin(f)(a, b) if f is not None else NotImplemented if other is None else other(a, b)
        if result is not NotImplemented:
            return result
    return getattr(operator, name)(x, y)  # what Python says where there is none


def read(twin: Twin, x: Any, name: str) -> Any:
    """What has the attribute of this name that x has."""
    cls = type(x)
    if cls in _PLAIN or cls.__flags__ & _HEAP == 0:
        return x
    kind = _kind_of_attribute(cls, name)
    if kind is None:
        return x
    if isinstance(kind, property):
        return _Read(twin(kind.fget)(x))
    if name in getattr(x, "__dict__", ()):
        return x
    if isinstance(kind, functools.cached_property):
        check_target(x)
        return x
    return _Read(twin(kind)(x, name))


_HEAP = 1 << 9
"""The flag of classes that are defined in Python."""


class _Read:
    """An object whose every attribute is the one that was read."""

    __slots__ = ("_read",)

    def __init__(self, value: Any) -> None:
        self._read = value

    def __getattr__(self, name: str) -> Any:
        return self._read


@cached(4096)
def _kind_of_attribute(cls: type, name: str) -> Any:
    """The property that a class has under a name, or its ``__getattr__`` where it has none; None: nothing of the
    user's.
    """
    found = next((c.__dict__[name] for c in cls.__mro__ if name in c.__dict__), None)
    if isinstance(found, property | functools.cached_property):
        f = found.fget if isinstance(found, property) else found.func
        return found if type(f) is FunctionType and origin(f.__code__.co_filename) == OWN else None
    return own_method(cls, "__getattr__") if found is None and not issubclass(cls, type) else None


def go_over(twin: Twin, x: Any) -> Any:
    """What a loop goes over."""
    f = None if type(x) in _PLAIN else own_method(type(x), "__iter__")
    over(x)
    return x if f is None else twin(f)(x)


def specially(twin: Twin, f: Any, otherwise: Any) -> Any:
    """A builtin that calls a special method of its first argument, by the twin of that; ``otherwise`` is what is called
    where it is none of the user's.
    """
    name = SPECIAL[f]

    @functools.wraps(f, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        method = own_method(type(args[0]), name) if args else None
        return otherwise(*args, **kwargs) if method is None else twin(method)(*args)

    return call


def entered(x: Any) -> Any:
    """A context manager: in a body none of the user's, which may change anything."""
    if in_body() and own_method(type(x), "__enter__") is not None:
        check_target(x)
    return managed(x)
