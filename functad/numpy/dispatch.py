"""Which functad function stands for which NumPy function: one table, filled by the decorator on each function.

``np.sum(x)`` of a tracer arrives through NumPy's protocols (``protocols.py``) and finds its function in ``TABLE``;
``functad.numpy.sum(x)`` is that same function, and NumPy's own where nothing is traced.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from functad.errors import UnsupportedError
from functad.numpy.memory import into
from functad.numpy.traced import here, is_traced

__all__ = ["CALLS", "TABLE", "call_declared", "implements", "named_after", "register", "stands_for"]

F = TypeVar("F", bound=Callable[..., Any])

TABLE: dict[Any, Callable[..., Any]] = {}
"""The function of traced values for each NumPy function, ufuncs included."""

CALLS: dict[Any, Callable[..., Any]] = {}
"""What traced functions call in place of functions that know no tracers: those that make arrays, builtins, ``math``."""


def register(numpy_function: Any, f: Callable[..., Any]) -> None:
    """Make ``f`` what a NumPy function does on traced values."""
    TABLE[numpy_function] = f


def stands_for(*functions: Any) -> Callable[[F], F]:
    """Declare what a user's function calls, while it is traced, in place of functions that know no tracers."""

    def declare(f: F) -> F:
        CALLS.update(dict.fromkeys(functions, f))
        return f

    return declare


def implements(*numpy_functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare what NumPy functions (aliases of one another) do on traced values.

    The result is the function for ``functad.numpy``: the declared one if an argument is traced, NumPy's if none is.
    """
    plain = numpy_functions[0]

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        for each in numpy_functions:
            register(each, f)

        @functools.wraps(f)
        def public(*args: Any, **kwargs: Any) -> Any:
            if is_traced(args) or (kwargs and is_traced(kwargs.values())):
                return call_declared(f, args, kwargs, f.__name__)
            return plain(*args, **kwargs)

        return public

    return declare


def named_after(module: dict[str, Any]) -> None:
    """Make the functions of a public module, given by its names, say that they are found there, under one of these: so
    they can be pickled.
    """
    for name, f in module.items():
        if not name.startswith("_") and isinstance(f, FunctionType):
            if module.get(f.__qualname__) is not f:
                f.__name__ = f.__qualname__ = name
            f.__module__ = module["__name__"]


def call_declared(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> Any:
    """``f(*args, **kwargs)`` without keyword arguments that are at NumPy's neutral defaults; an error for those that f
    does not have. A result goes into ``out=`` where one is given.
    """
    if kwargs.get("out") is not None:
        out = kwargs["out"]
        rest = {k: v for k, v in kwargs.items() if k != "out"}
        return into(out, call_declared(f, args, rest, name), f"np.{name}")
    if kwargs:
        code = f.__code__
        accepted = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        unknown = [k for k in kwargs if k not in accepted]
        for k in unknown:
            if kwargs[k] is not None and kwargs[k] is not False:
                raise UnsupportedError(
                    f"np.{name}{here()}: the argument {k}= is not available for traced values{_instead(k)}"
                )
        if unknown:
            kwargs = {k: v for k, v in kwargs.items() if k in accepted}
    return f(*args, **kwargs)


def _instead(argument: str) -> str:
    return {
        "where": "; use np.where(mask, f(x), y)",
        "dtype": "; convert with x.astype(dtype)",
    }.get(argument, "")
