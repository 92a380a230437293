"""What the body of a staged statement may do: assign to variables and traced arrays, and nothing else that outlives it.

A branch on a traced condition runs while it is traced, whether or not it will be taken, and the body of a loop once for
all of its steps. So what else it would change (an item of a list, an attribute, a file) is refused before it happens,
and a call is made only if it is known to change nothing. An iterator that was made before is not advanced: how far it
is would depend on how often the body runs while it is traced.
"""

from __future__ import annotations

import builtins
import cmath
import contextlib
import functools
import inspect
import itertools
import math
import operator
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np

from functad.core.handles import BodyTrace
from functad.core.location import is_internal
from functad.core.trace import current_trace
from functad.core.tracer import Tracer
from functad.front.failures import refused
from functad.front.origin import own_method
from functad.front.twin import is_twin_code
from functad.front.unread import check_read
from functad.numpy.traced import here

__all__ = [
    "check_call",
    "check_changed",
    "check_outside",
    "check_target",
    "check_truth",
    "guarded",
    "in_body",
    "made",
    "over",
]

_PURE = frozenset({
    *(abs, all, any, bin, callable, chr, divmod, format, getattr, hasattr, hash, id, isinstance, issubclass, iter, len),
    *(max, min, next, oct, ord, pow, repr, round, sorted, sum, builtins.__build_class__),
    *(bool, bytes, complex, dict, enumerate, filter, float, frozenset, int, list, map, object, property, range),
    *(reversed, set, slice, str, tuple, type, zip, functools.partial, functools.reduce, np.ndarray, np.dtype),
    *(itertools.accumulate, itertools.chain, itertools.combinations, itertools.count, itertools.cycle),
    *(itertools.islice, itertools.pairwise, itertools.permutations, itertools.product, itertools.repeat),
    *(itertools.starmap, itertools.zip_longest, np.errstate, contextlib.nullcontext),
})  # fmt: skip
_MODULES = (math, cmath, operator)
_CALLING = frozenset({
    *(filter, map, max, min, sorted, functools.reduce, itertools.accumulate, itertools.starmap),
})  # fmt: skip
"""What calls functions that it is given."""

_ITERATING = frozenset({
    *(all, any, dict, enumerate, filter, frozenset, list, map, max, min, set, sorted, sum, tuple, zip),
})  # fmt: skip
"""What goes over its arguments."""

_FRESH = (Iterator, list, dict, set)
"""What functions that are known to change nothing make anew."""

_WRITING = frozenset({np.copyto, np.fill_diagonal, np.place, np.put, np.putmask, np.put_along_axis})
"""NumPy's functions that write to their first argument."""

_VALUES = (str, bytes, int, float, complex, tuple, frozenset, range, np.generic, type(None), slice)
_READS = frozenset({
    *("get", "keys", "values", "items", "index", "count", "copy", "union", "intersection", "difference", "issubset"),
    *("issuperset", "isdisjoint", "symmetric_difference"),
})  # fmt: skip
_WRITES = frozenset(
    {"sort", "fill", "put", "partition", "resize", "setfield", "setflags", "byteswap", "tofile", "dump"}
)


_CHANGING = frozenset({
    *("setitem", "delitem", "setattr"),
    *("iadd", "iand", "iconcat", "ifloordiv", "ilshift", "imatmul", "imod", "imul", "ior", "ipow", "irshift", "isub"),
    *("itruediv", "ixor", "call"),
})  # fmt: skip
"""Functions of ``operator`` that change their first argument, or call it."""


def in_body() -> bool:
    """Whether the body of a staged statement is traced now."""
    return type(current_trace()) is BodyTrace


def check_call(f: Any) -> None:
    """Refuse a call that is not known to change nothing."""
    if not _is_pure(f):
        name = getattr(f, "__qualname__", None) or type(f).__name__
        raise refused(
            f"{name} is called{here()} in a branch or a loop on a traced condition, which runs while it is traced: it "
            "is not known to change nothing but variables and traced arrays; call it before or after, or leave jit out"
        )


def check_target(x: Any) -> Any:
    """What an assignment to an item or an attribute changes: in a body a traced array."""
    if type(x) is not Tracer and in_body() and not is_own(x):
        raise refused(
            f"an item or an attribute of a {type(x).__name__} is assigned to{here()} in a branch or a loop on a traced "
            "condition, which runs while it is traced, whether or not it is taken; assign to variables, or to elements "
            "of traced arrays, and to the object afterwards"
        )
    return x


def check_changed(x: Any, operation: str) -> None:
    """What ``x += y`` changes in place, if it does: in a body a traced array."""
    if hasattr(type(x), f"__i{operation}__") or own_method(type(x), f"__{operation}__") is not None:
        check_target(x)


def check_truth(x: Any) -> None:
    """What a condition asks: in a body no method of the user's, which may change anything."""
    check_read(x)
    if in_body() and (own_method(type(x), "__bool__") or own_method(type(x), "__len__")):
        check_target(x)


def check_outside(*names: str) -> None:
    """Refuse a function that assigns to variables of the functions around it, or to global ones."""
    if in_body():
        raise refused(
            f"a function that assigns to {', '.join(names)}, which {'is' if len(names) == 1 else 'are'} nonlocal or "
            f"global, is called{here()} in a branch or a loop on a traced condition, which runs while it is traced, "
            "whether or not it is taken; return the new value, and assign it where it is called"
        )


def made(x: Any) -> Any:
    """Note what is made in a body: it may be changed there."""
    trace = current_trace()
    if type(trace) is BodyTrace and type(x) is not Tracer:
        trace.own[id(x)] = x
    return x


def is_own(x: Any) -> bool:
    """Whether an object was made in the body that is traced now."""
    trace = current_trace()
    return type(trace) is BodyTrace and trace.own.get(id(x)) is x


def over(x: Any) -> Any:
    """Refuse to advance, in a body, an iterator that was made before, and to read a list to which a loop appends."""
    check_read(x)
    if isinstance(x, Iterator) and in_body() and not is_own(x):
        raise refused(
            f"a {type(x).__name__} that was made before would be advanced{here()} in a branch or a loop on a traced "
            "condition, which runs while it is traced, not as often as it is taken; go over a list, or make the "
            "iterator in the body"
        )
    return x


def guarded(f: Any, found: Any, twin: Callable[[Any], Any]) -> Any:
    """What is called for ``f`` in a body: ``found``, where its arguments may be changed by that, with a look at them.

    ``twin`` gives what is called for a function that ``f`` calls.
    """
    if isinstance(found, FunctionType | MethodType) and is_twin_code(found.__code__):
        if not found.__code__.co_flags & inspect.CO_GENERATOR:
            return found
    elif isinstance(f, type) and not _listed(f):
        return found
    calling, iterating = _listed(f, _CALLING), _listed(f, _ITERATING)

    @functools.wraps(found, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        for x in (*args, *kwargs.values()):
            over(x)
        if iterating:
            args = tuple([_gone_over(twin, x) for x in args])
        for x in _written(f, args, kwargs):
            check_target(x)
        if calling:
            args = tuple([twin(x) if callable(x) else x for x in args])
            kwargs = {k: twin(x) if callable(x) else x for k, x in kwargs.items()}
        result = found(*args, **kwargs)
        return made(result) if isinstance(result, _FRESH) else result

    return call


def _gone_over(twin: Callable[[Any], Any], x: Any) -> Any:
    f = own_method(type(x), "__iter__")
    return x if f is None else twin(f)(x)


def _written(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The arguments that a call writes to, in so far as NumPy's functions do."""
    out = kwargs.get("out")
    found = list(out) if isinstance(out, tuple) else [out]
    if isinstance(f, np.ufunc):
        found += args[f.nin :]
    elif _listed(f, _WRITING) or _is_at(f):
        found += args[:1]
    return [x for x in found if x is not None]


def _is_at(f: Any) -> bool:
    return type(f) is BuiltinFunctionType and isinstance(f.__self__, np.ufunc) and f.__name__ == "at"


def _is_record(cls: type) -> bool:
    """Whether a class is a dataclass or a named tuple that only keeps what it is given."""
    init, new = cls.__init__, cls.__new__  # type: ignore[misc]
    if hasattr(cls, "__dataclass_fields__"):
        made = getattr(init, "__code__", None)
        return made is not None and made.co_filename == "<string>" and not hasattr(cls, "__post_init__")
    return issubclass(cls, tuple) and hasattr(cls, "_fields") and getattr(new, "__code__", None) is not None


def _is_pure(f: Any) -> bool:
    cls = type(f)
    if cls is BuiltinFunctionType:
        owner = f.__self__
        if any([owner is m for m in _MODULES]) or (getattr(f, "__module__", None) or "").startswith("numpy"):
            return f.__name__ not in _CHANGING
        if isinstance(owner, _VALUES):
            return True
        if isinstance(owner, list | dict | set):
            return f.__name__ in _READS or is_own(owner)
        if isinstance(owner, np.ufunc):
            return True
        return f.__name__ not in _WRITES if isinstance(owner, np.ndarray) else _listed(f)
    if issubclass(cls, np.ufunc) or cls is type(np.sum) or cls.__module__.startswith("functad."):
        return True  # NumPy's write to no plain array that is not given as out=
    if cls is FunctionType or cls is MethodType:
        code = (f if cls is FunctionType else f.__func__).__code__
        if cls is MethodType and f.__name__ == "_replace":
            return isinstance(f.__self__, tuple)
        return is_internal(code.co_filename) or is_twin_code(code)
    if issubclass(cls, type):
        return issubclass(f, BaseException | np.generic) or _listed(f) or _is_record(f)
    return _is_pure(f.func) if cls is functools.partial else _listed(f)


def _listed(f: Any, among: frozenset[Any] = _PURE) -> bool:
    try:
        return f in among
    except TypeError:
        return False
