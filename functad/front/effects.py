"""What the body of a staged statement may do: assign to variables and traced arrays, and nothing else that outlives it.

A branch on a traced condition runs while it is traced, whether or not it will be taken, and the body of a loop once for
all of its steps. So what else it would change (an item of a list, an attribute, a file) is refused before it happens,
and a call is made only if it is known to change nothing.
"""

from __future__ import annotations

import builtins
import cmath
import functools
import itertools
import math
import operator
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np

from functad.core.handles import BodyTrace
from functad.core.location import is_internal
from functad.core.trace import current_trace
from functad.core.tracer import Tracer
from functad.errors import UnsupportedError
from functad.front.twin import is_twin_code
from functad.numpy.traced import here

__all__ = ["check_call", "check_target", "in_body"]

_PURE = frozenset({
    *(abs, all, any, bin, callable, chr, divmod, format, getattr, hasattr, hash, id, isinstance, issubclass, iter, len),
    *(max, min, next, oct, ord, pow, repr, round, sorted, sum, builtins.__build_class__),
    *(bool, bytes, complex, dict, enumerate, filter, float, frozenset, int, list, map, object, property, range),
    *(reversed, set, slice, str, tuple, type, zip, functools.partial, functools.reduce, np.ndarray, np.dtype),
    *(itertools.accumulate, itertools.chain, itertools.combinations, itertools.count, itertools.cycle),
    *(itertools.islice, itertools.pairwise, itertools.permutations, itertools.product, itertools.repeat),
    *(itertools.starmap, itertools.zip_longest),
})  # fmt: skip
_MODULES = (math, cmath, operator)
_VALUES = (str, bytes, int, float, complex, tuple, frozenset, range, np.generic, type(None), slice)
_READS = frozenset({
    *("get", "keys", "values", "items", "index", "count", "copy", "union", "intersection", "difference", "issubset"),
    *("issuperset", "isdisjoint", "symmetric_difference"),
})  # fmt: skip
_WRITES = frozenset(
    {"sort", "fill", "put", "partition", "resize", "setfield", "setflags", "byteswap", "tofile", "dump"}
)


def in_body() -> bool:
    """Whether the body of a staged statement is traced now."""
    return type(current_trace()) is BodyTrace


def refused(message: str) -> BaseException:
    """The error for what a body must not do."""
    trace, error = current_trace(), UnsupportedError(message)
    return error if trace is None else trace.refused(error)


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
    if type(x) is not Tracer and in_body():
        raise refused(
            f"an item or an attribute of a {type(x).__name__} is assigned to{here()} in a branch or a loop on a traced "
            "condition, which runs while it is traced, whether or not it is taken; assign to variables, or to elements "
            "of traced arrays, and to the object afterwards"
        )
    return x


def _is_pure(f: Any) -> bool:
    cls = type(f)
    if cls is BuiltinFunctionType:
        owner = f.__self__
        if owner in _MODULES or (getattr(f, "__module__", None) or "").startswith("numpy"):
            return f.__name__ not in ("setitem", "delitem", "setattr", "copyto", "putmask")
        if isinstance(owner, _VALUES):
            return True
        if isinstance(owner, list | dict | set):
            return f.__name__ in _READS
        return f.__name__ not in _WRITES if isinstance(owner, np.ndarray) else _listed(f)
    if issubclass(cls, np.ufunc) or cls is type(np.sum) or cls.__module__.startswith("functad."):
        return True  # NumPy's write to no plain array that is not given as out=
    if cls is FunctionType or cls is MethodType:
        code = (f if cls is FunctionType else f.__func__).__code__
        return is_internal(code.co_filename) or is_twin_code(code)
    if issubclass(cls, type):
        return issubclass(f, BaseException | np.generic) or _listed(f)
    return cls is functools.partial or _listed(f)


def _listed(f: Any) -> bool:
    try:
        return f in _PURE
    except TypeError:
        return False
