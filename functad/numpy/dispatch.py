"""Which functad function stands for which NumPy function: one table, filled by the decorator on each function.

``np.sum(x)`` of a tracer arrives through NumPy's protocols (``protocols.py``) and finds its function in ``TABLE``;
``functad.numpy.sum(x)`` is that same function, and NumPy's own where nothing is traced.

Most families of functions are imported with functad. The others are named in ``families.py``, and imported when one of
their functions is first asked for.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

import numpy as np

from functad.errors import UnsupportedError
from functad.numpy.families import FAMILIES, MODULE_OF, SCIPY
from functad.numpy.memory import into
from functad.numpy.traced import here, is_traced

__all__ = [
    "CALLS", "TABLE", "call_declared", "called_for", "implements", "named_after", "public", "register", "stands_for",
    "traced_form",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])

TABLE: dict[Any, Callable[..., Any]] = {}
"""The function of traced values for each NumPy function, ufuncs included."""

CALLS: dict[Any, Callable[..., Any]] = {}
"""What traced functions call in place of others: of those that know no tracers (what makes arrays, builtins, ``math``),
and of NumPy's, which do not look into lists.
"""


def register(numpy_function: Any, f: Callable[..., Any]) -> None:
    """Make ``f`` what a NumPy function does on traced values."""
    TABLE[numpy_function] = f


def traced_form(numpy_function: Any) -> Callable[..., Any] | None:
    """What a NumPy function does on traced values; None if that is not declared."""
    f = TABLE.get(numpy_function)
    return TABLE.get(numpy_function) if f is None and _loaded(numpy_function) else f


def called_for(f: Any) -> Any:
    """What traced functions call in place of a function: itself, unless another one is declared."""
    found = CALLS.get(f)
    if found is None and _loaded(f):
        found = CALLS.get(f)
    return f if found is None else found


def _loaded(f: Any) -> bool:
    """Whether the family of a function of NumPy's or SciPy's had to be imported."""
    module: Any = getattr(f, "__module__", None) or getattr(getattr(f, "__objclass__", None), "__module__", None)
    if type(module) is not str or not module.startswith(("numpy", "scipy.")):
        return False
    package = ".".join(module.split(".", 2)[:2])
    family = SCIPY.get(package)
    if family is None:
        family = MODULE_OF.get(f"{module}.{getattr(f, '__qualname__', '')}".removeprefix("numpy."))
    if family is None or family in sys.modules:
        return False
    importlib.import_module(family)
    return True


def public(name: str) -> Any:
    """What ``functad.numpy`` has under a name that it does not define: a function, or a module of functions, that is
    imported when it is first used, what traced functions call, or what NumPy has.
    """
    family = MODULE_OF.get(name)
    if family is not None:
        found = getattr(importlib.import_module(family), name)
        if isinstance(found, FunctionType):
            found.__module__ = family  # where it is found, to be pickled
        return found
    module = f"functad.numpy.{name}"
    if module in FAMILIES:
        return importlib.import_module(module)
    plain = getattr(np, name)
    return plain if isinstance(plain, type) or not callable(plain) else called_for(plain)


def stands_for(*functions: Any) -> Callable[[F], F]:
    """Declare what a user's function calls, while it is traced, in place of functions that know no tracers."""

    def declare(f: F) -> F:
        CALLS.update(dict.fromkeys(functions, f))
        return f

    return declare


def implements(
    *numpy_functions: Any, more: frozenset[str] = frozenset()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare what NumPy functions (aliases of one another) do on traced values.

    The result is the function for ``functad.numpy``: the declared one if an argument is traced, or one that it takes
    ``more`` than NumPy's is given; NumPy's if not.
    """
    plain = numpy_functions[0]

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        for each in numpy_functions:
            register(each, f)

        @functools.wraps(f)
        def public(*args: Any, **kwargs: Any) -> Any:
            if is_traced(args) or (kwargs and (is_traced(kwargs.values()) or not more.isdisjoint(kwargs))):
                return call_declared(f, args, kwargs, f.__name__)
            return plain(*args, **kwargs)

        return stands_for(*numpy_functions)(public)

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
            if kwargs[k] is not None and kwargs[k] is not False and not _says_nothing(k, kwargs[k]):
                raise UnsupportedError(
                    f"np.{name}{here()}: the argument {k}= is not available for traced values{_instead(k)}"
                )
        if unknown:
            kwargs = {k: v for k, v in kwargs.items() if k in accepted}
    return f(*args, **kwargs)


def _says_nothing(argument: str, value: Any) -> bool:
    """Whether a keyword argument is about memory, which traced values have not, or asks for what is so anyway."""
    return argument in ("like", "subok") or (type(value) is str and (argument, value) in _ANYWAY)


_ANYWAY = {("device", "cpu"), ("casting", "same_kind"), ("casting", "unsafe"), *[("order", k) for k in "ACK"]}


def _instead(argument: str) -> str:
    return {
        "where": "; use np.where(mask, f(x), y)",
        "dtype": "; convert with x.astype(dtype)",
    }.get(argument, "")
